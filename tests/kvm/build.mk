# SPDX-License-Identifier: GPL-2.0
#
# Tests of the host's module on a real KVM, in a VM with emulated SVM.

KVM_VMM := $(BUILD)/tests/kvm-vmm
KVM_VMM_SOURCES := $(filter-out tests/kvm/guest.c,$(wildcard tests/kvm/*.c))
KVM_VMM_HEADERS := $(wildcard tests/kvm/*.h) include/uapi/pagehint.h
# The guest is copied to where it runs: nothing in it may be called or looked up.
KVM_GUEST_CFLAGS := -ffreestanding -fno-pic -mno-red-zone -mgeneral-regs-only -mcmodel=large \
		    -fno-stack-protector -fno-jump-tables -fcf-protection=none \
		    -fno-asynchronous-unwind-tables -fno-tree-loop-distribute-patterns

$(BUILD)/tests/kvm-guest.o: tests/kvm/guest.c $(KVM_VMM_HEADERS) | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) $(KVM_GUEST_CFLAGS) -c -o $@ $<

$(KVM_VMM): $(KVM_VMM_SOURCES) $(BUILD)/tests/kvm-guest.o $(KVM_VMM_HEADERS) | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -static -pthread -o $@ $(filter %.c %.o,$^)

# Kernels of the host; its guests always run the same stock one.
KVM_KERNELS ?= 6.1-amd64 6.12-amd64 7.2-amd64
L2_KERNEL := 6.1-amd64

setup-kvm:
	@tests/vm/setup build vm kvm

l2-modules:
	@$(MAKE) --no-print-directory modules modules-test test-modules KERNELS=$(L2_KERNEL) TEST=

test-kvm: setup-kvm qemu l2-modules guest-programs guest-tools $(BUILD)/tests/qmp $(KVM_VMM) ## the host's module on each of KVM_KERNELS, in a VM with emulated SVM; SHORT=1: less; LONG=1: all; CASES="a b"
	@$(MAKE) --no-print-directory modules-kvm KERNELS="$(KVM_KERNELS)" TEST=
	@$(MAKE) --no-print-directory modules-kvm KERNELS="$(KVM_KERNELS)" TEST=1
	@tests/kvm/run $(addprefix --kernel ,$(KVM_KERNELS)) $(if $(SHORT),--short) $(if $(LONG),--long) $(CASES)

.PHONY: setup-kvm l2-modules test-kvm
