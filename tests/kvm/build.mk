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

KVM_ALL := setup-kvm modules-kvm modules-kvm-test modules modules-test test-modules guest-programs guest-tools $(BUILD)/tests/qmp $(KVM_VMM)

modules-kvm-test:
	@$(MAKE) --no-print-directory modules-kvm TEST=1

setup-kvm:
	@tests/vm/setup build vm kvm

test-kvm: $(KVM_ALL) ## the host's module for KVM, in a VM with emulated SVM; SHORT=1: less; CASES="a b"
	@tests/kvm/run $(if $(SHORT),--short) $(CASES)

.PHONY: modules-kvm-test setup-kvm test-kvm
