// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that are not ours: whatever a guest calls, in whatever mode, it gets the
 * answer that KVM gives without the module.
 */
#include <pagehint.h>

#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>

#include "tests.h"

/* vmmcall; out %al, $0x80; jmp to the first: the same bytes in all modes */
static const uint8_t code[] = { 0x0f, 0x01, 0xd9, 0xe6, ORDER_PORT, 0xeb, 0xfa };

#define SMM_CODE	0x38000	/* where a CPU enters it */

static void as_it_is(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	(void)vcpu;
	(void)sregs;
}

static void user_space(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	(void)vcpu;
	sregs->cs.dpl = 3;
	sregs->cs.selector |= 3;
	sregs->ss.dpl = 3;
	sregs->ss.selector |= 3;
}

/* 32-bit code under a 64-bit kernel */
static void compatible(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	(void)vcpu;
	sregs->cs.l = 0;
	sregs->cs.db = 1;
}

static void protected_32(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	compatible(vcpu, sregs);
	sregs->efer = 0;
	sregs->cr0 &= ~0x80000000ULL;
	sregs->cr4 = 0;
}

static void real(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	protected_32(vcpu, sregs);
	sregs->cr0 &= ~1ULL;
	sregs->cs.base = LOW_RAW;
	sregs->cs.selector = LOW_RAW >> 4;
	sregs->cs.limit = 0xffff;
	sregs->cs.db = 0;
	sregs->cs.g = 0;
}

static void management(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	(void)sregs;
	/* Memory of its own, which is the same here */
	machine_slot(vcpu->machine, 1 << 16, 0, vcpu->machine->low, LOW_BYTES, 0);
	memcpy(vcpu->machine->low + SMM_CODE, code, sizeof(code));
	check(!ioctl(vcpu->fd, KVM_SMI), "KVM_SMI: %m");
}

/* A guest that told KVM that it is Windows */
static void hyper_v(struct vcpu *vcpu, struct kvm_sregs *sregs)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry;
	} msr = { .head.nmsrs = 1, .entry = { .index = 0x40000000, .data = 1 } };
	uint32_t nr = 0;

	(void)sregs;
	check(!ioctl(vcpu->machine->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid),
	      "KVM_GET_SUPPORTED_CPUID: %m");
	for (uint32_t i = 0; i < cpuid.head.nent; i++) {
		if (cpuid.entries[i].function >> 8 != 0x400000)
			cpuid.entries[nr++] = cpuid.entries[i];
	}
	cpuid.entries[nr++] = (struct kvm_cpuid_entry2){
		.function = 0x40000000, .eax = 0x40000005, .ebx = 0x7263694d,
		.ecx = 0x666f736f, .edx = 0x76482074,
	};
	cpuid.entries[nr++] = (struct kvm_cpuid_entry2){
		.function = 0x40000001, .eax = 0x31237648,
	};
	cpuid.entries[nr++] = (struct kvm_cpuid_entry2){
		.function = 0x40000003, .eax = 1 << 5,
	};
	cpuid.head.nent = nr;
	check(!ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2: %m");
	check(ioctl(vcpu->fd, KVM_SET_MSRS, &msr) == 1, "HV_X64_MSR_GUEST_OS_ID: %m");
}

static const struct mode {
	const char *name;
	void (*enter)(struct vcpu *vcpu, struct kvm_sregs *sregs);
	uint64_t rip;
} modes[] = {
	{ "64-bit kernel", as_it_is, LOW_RAW },
	{ "user space", user_space, LOW_RAW },
	{ "32-bit code", compatible, LOW_RAW },
	{ "32-bit kernel", protected_32, LOW_RAW },
	{ "real mode", real, 0 },
	{ "system management", management, LOW_RAW },
	{ "Hyper-V", hyper_v, LOW_RAW },
};

#define NR_MODES	(sizeof(modes) / sizeof(modes[0]))

/* Not those that wake other vCPUs (5, 10, 11): this VM has no interrupt controller. */
static const uint64_t numbers[] = {
	PAGEHINT_HYPERCALL, 0, 1, 2, 3, 4, 6, 7, 8, 9, 12, 13, 100, PAGEHINT_HYPERCALL - 1,
	PAGEHINT_HYPERCALL + 1, 0x10000 | PAGEHINT_HYPERCALL, 1ULL << 32 | PAGEHINT_HYPERCALL,
	1ULL << 63 | PAGEHINT_HYPERCALL, -1ULL,
};

#define NR_NUMBERS	(sizeof(numbers) / sizeof(numbers[0]))

static uint64_t one_call(struct vcpu *vcpu, const struct mode *mode, uint64_t number)
{
	/* The operation is a query, whose answer has a place. */
	struct kvm_regs regs = {
		.rip = mode->rip, .rsp = LOW_STACKS, .rflags = 0x3002, .rax = number,
		.rcx = LOW_SPARE,
	};

	check(!ioctl(vcpu->fd, KVM_SET_REGS, &regs), "KVM_SET_REGS: %m");
	vcpu_run(vcpu);
	check(!ioctl(vcpu->fd, KVM_GET_REGS, &regs), "KVM_GET_REGS: %m");
	return regs.rax;
}

/* Returns how many numbers were called: a mode that is not left again is tried with one. */
static size_t one_mode(const struct mode *mode, uint64_t *answers)
{
	size_t nr = mode->enter == management ? 1 : NR_NUMBERS;
	struct kvm_sregs sregs;
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];

	machine_open(&machine, 1);
	memcpy(machine.low + LOW_RAW, code, sizeof(code));
	check(!ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS: %m");
	mode->enter(vcpu, &sregs);
	if (mode->enter != management)
		check(!ioctl(vcpu->fd, KVM_SET_SREGS, &sregs), "%s: KVM_SET_SREGS: %m", mode->name);
	for (size_t i = 0; i < nr; i++)
		answers[i] = one_call(vcpu, mode, numbers[i]);
	machine_close(&machine);
	return nr;
}

void test_modes(unsigned int scale)
{
	static uint64_t without[NR_MODES][NR_NUMBERS], with[NR_NUMBERS];
	unsigned int nr = 0;

	(void)scale;
	module_unload();
	for (size_t i = 0; i < NR_MODES; i++)
		one_mode(&modes[i], without[i]);
	module_load("");
	for (size_t i = 0; i < NR_MODES; i++) {
		size_t called = one_mode(&modes[i], with);

		printf("  %-18s pagehint's number: %lld\n", modes[i].name, (long long)with[0]);
		for (size_t j = 0; j < called; j++, nr++) {
			/* This one is ours. */
			uint64_t expected = !i && !j ? 0 : without[i][j];

			check(with[j] == expected,
			      "%s, number %#llx: expected %lld, found %lld", modes[i].name,
			      (unsigned long long)numbers[j], (long long)expected,
			      (long long)with[j]);
		}
	}
	printf("%u calls in %zu modes: all but one answered as without the module\n", nr, NR_MODES);
}
