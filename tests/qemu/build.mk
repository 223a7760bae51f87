# SPDX-License-Identifier: GPL-2.0
#
# A QEMU with ESSA (docs/qemu-essa.md), and the test of it by a guest of our own.

QEMU_GUEST := $(BUILD)/tests/qemu-guest
QEMU_GUEST_OBJECTS := $(patsubst tests/qemu/guest/%,$(BUILD)/tests/qemu-guest.d/%.o, \
			$(wildcard tests/qemu/guest/*.[cS]))
# Bare: no C library, no floating point, nothing that a compiler takes from either
QEMU_GUEST_CFLAGS := -std=gnu11 -O2 -g $(WARNINGS) -ffreestanding -fno-pic -march=z10 -msoft-float \
		     -fno-stack-protector -fno-asynchronous-unwind-tables \
		     -fno-tree-loop-distribute-patterns -DSTACK=16384

qemu-s390x: ## the QEMU with ESSA that tests of s390x want; 4 to 12 minutes, once
	@tests/qemu/build

$(BUILD)/tests/qemu-guest.d/%.o: tests/qemu/guest/% tests/qemu/guest/machine.h | setup-s390x
	@mkdir -p $(@D)
	s390x-linux-gnu-gcc-12 $(QEMU_GUEST_CFLAGS) -c -o $@ $<

$(QEMU_GUEST): $(QEMU_GUEST_OBJECTS) tests/qemu/guest/guest.ld
	s390x-linux-gnu-ld --no-warn-rwx-segments -T tests/qemu/guest/guest.ld -o $@ $(QEMU_GUEST_OBJECTS)

test-qemu: $(QEMU_GUEST) qemu-s390x vm-s390x ## that QEMU: its table of states, cell by cell, and mutants of it
	@tests/qemu/run $(if $(SHORT),--short) $(CASES)

.PHONY: qemu-s390x test-qemu
