# SPDX-License-Identifier: GPL-2.0
#
# The long run: docs/testing.md says what it takes.

# The long cases' arguments (seconds, cycles, deaths) are multiplied by it.
SOAK_SCALE ?= 1

soak: qemu ## the long forms of all tests, two to three hours; SOAK_SCALE=N: N times as long
	@$(MAKE) --no-print-directory vm KERNELS="$(VM_KERNELS)"
	@tests/soak $(SOAK_SCALE)

.PHONY: soak
