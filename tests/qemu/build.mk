# SPDX-License-Identifier: GPL-2.0
#
# The QEMU that tests run in (docs/qemu-essa.md), and the test of what is ours in it.

QEMU_GUEST := $(BUILD)/tests/qemu-guest
QEMU_GUEST_OBJECTS := $(patsubst tests/qemu/guest/%,$(BUILD)/tests/qemu-guest.d/%.o, \
			$(wildcard tests/qemu/guest/*.[cS]))
# Bare: no C library, no floating point, nothing that a compiler takes from either
QEMU_GUEST_CFLAGS := -std=gnu11 -O2 -g $(WARNINGS) -ffreestanding -fno-pic -march=z10 -msoft-float \
		     -fno-stack-protector -fno-asynchronous-unwind-tables \
		     -fno-tree-loop-distribute-patterns -DSTACK=16384

qemu: ## the QEMU that tests run in: of x86 with faults mended, of s390x with ESSA; 5 to 15 minutes, once
	@tests/qemu/build

$(BUILD)/tests/qemu-guest.d/%.o: tests/qemu/guest/% tests/qemu/guest/machine.h | setup-s390x
	@mkdir -p $(@D)
	s390x-linux-gnu-gcc-12 $(QEMU_GUEST_CFLAGS) -c -o $@ $<

$(QEMU_GUEST): $(QEMU_GUEST_OBJECTS) tests/qemu/guest/guest.ld
	s390x-linux-gnu-ld --no-warn-rwx-segments -T tests/qemu/guest/guest.ld -o $@ $(QEMU_GUEST_OBJECTS)

# Of amd64 what a guest boots with, no module of ours
guest-int3:
	@$(MAKE) --no-print-directory kernels guest-programs guest-tools KERNELS=6.12-amd64

test-qemu: $(QEMU_GUEST) qemu guest-int3 vm-s390x ## that QEMU: its table of states, cell by cell, and mutants of it
	@tests/qemu/run $(if $(SHORT),--short) $(CASES)

.PHONY: qemu guest-int3 test-qemu
