// SPDX-License-Identifier: GPL-2.0
/*
 * The tiny VMM: a machine with 64-bit vCPUs that run guest.c, and memory slots as
 * a test wants them. Physical addresses up to 4 GiB are mapped one to one.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PML4	0x1000
#define PDPT	0x2000
#define PD	0x3000	/* four pages: 4 GiB */

#define PTE_PRESENT_WRITE_USER	0x07
#define PTE_LARGE		0x80

static void make_page_tables(uint8_t *low)
{
	uint64_t *pml4 = (void *)(low + PML4), *pdpt = (void *)(low + PDPT);
	uint64_t *pd = (void *)(low + PD);

	pml4[0] = PDPT | PTE_PRESENT_WRITE_USER;
	for (uint64_t i = 0; i < 4; i++)
		pdpt[i] = (PD + i * PAGE_BYTES) | PTE_PRESENT_WRITE_USER;
	for (uint64_t i = 0; i < 4 * 512; i++)
		pd[i] = i << 21 | PTE_LARGE | PTE_PRESENT_WRITE_USER;
}

static void set_long_mode(struct vcpu *vcpu)
{
	const struct kvm_segment code = {
		.limit = ~0u, .selector = 8, .type = 11, .present = 1, .s = 1, .l = 1, .g = 1,
	};
	const struct kvm_segment data = {
		.limit = ~0u, .selector = 16, .type = 3, .present = 1, .s = 1, .db = 1, .g = 1,
	};
	struct kvm_sregs sregs;

	check(!ioctl(vcpu->fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS: %m");
	sregs.cs = code;
	sregs.ds = data;
	sregs.es = data;
	sregs.fs = data;
	sregs.gs = data;
	sregs.ss = data;
	sregs.cr3 = PML4;
	sregs.cr4 = 0x20;		/* PAE */
	sregs.cr0 = 0x80050033;		/* PG AM WP NE ET MP PE */
	sregs.efer = 0x500;		/* LMA LME */
	check(!ioctl(vcpu->fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS: %m");
}

static void set_cpuid(struct machine *machine, struct vcpu *vcpu)
{
	struct {
		struct kvm_cpuid2 head;
		struct kvm_cpuid_entry2 entries[256];
	} cpuid = { .head.nent = 256 };

	check(!ioctl(machine->kvm, KVM_GET_SUPPORTED_CPUID, &cpuid),
	      "KVM_GET_SUPPORTED_CPUID: %m");
	check(!ioctl(vcpu->fd, KVM_SET_CPUID2, &cpuid), "KVM_SET_CPUID2: %m");
}

static void open_vcpu(struct machine *machine, unsigned int i)
{
	struct vcpu *vcpu = &machine->vcpus[i];
	struct kvm_regs regs = {
		.rip = LOW_CODE + (uint64_t)((uintptr_t)guest_main - (uintptr_t)__start_guest),
		/* As after a call */
		.rsp = LOW_STACKS - i * PAGE_BYTES - 8,
		.rdi = LOW_ORDERS + i * PAGE_BYTES,
		.rflags = 2,
	};
	int bytes = ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	vcpu->machine = machine;
	vcpu->fd = ioctl(machine->vm, KVM_CREATE_VCPU, i);
	check(vcpu->fd >= 0, "KVM_CREATE_VCPU: %m");
	vcpu->run = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, vcpu->fd, 0);
	check(vcpu->run != MAP_FAILED, "mmap of a vCPU: %m");
	vcpu->orders = (void *)(machine->low + LOW_ORDERS + i * PAGE_BYTES);
	vcpu->entries_gpa = LOW_ENTRIES + i * PAGE_BYTES;
	vcpu->entries = (void *)(machine->low + vcpu->entries_gpa);
	vcpu->orders->entries = vcpu->entries_gpa;
	set_cpuid(machine, vcpu);
	set_long_mode(vcpu);
	check(!ioctl(vcpu->fd, KVM_SET_REGS, &regs), "KVM_SET_REGS: %m");
}

void machine_open(struct machine *machine, unsigned int nr_vcpus)
{
	memset(machine, 0, sizeof(*machine));
	machine->kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	check(machine->kvm >= 0, "/dev/kvm: %m");
	machine->vm = ioctl(machine->kvm, KVM_CREATE_VM, 0);
	check(machine->vm >= 0, "KVM_CREATE_VM: %m");
	machine->low = anonymous(LOW_BYTES);
	machine_slot(machine, 0, 0, machine->low, LOW_BYTES, 0);
	make_page_tables(machine->low);
	memcpy(machine->low + LOW_CODE, __start_guest, (size_t)(__stop_guest - __start_guest));
	for (unsigned int i = 0; i < nr_vcpus; i++)
		open_vcpu(machine, i);
	machine->nr_vcpus = nr_vcpus;
}

void machine_close(struct machine *machine)
{
	int bytes = ioctl(machine->kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	for (unsigned int i = 0; i < machine->nr_vcpus; i++) {
		munmap(machine->vcpus[i].run, (size_t)bytes);
		close(machine->vcpus[i].fd);
	}
	close(machine->vm);
	close(machine->kvm);
	munmap(machine->low, LOW_BYTES);
}

/* 0 or -1 with errno */
int machine_try_slot(struct machine *machine, unsigned int slot, uint64_t gpa, void *memory,
		     size_t bytes, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = slot,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = bytes,
		.userspace_addr = (uintptr_t)memory,
	};

	return ioctl(machine->vm, KVM_SET_USER_MEMORY_REGION, &region);
}

void machine_slot(struct machine *machine, unsigned int slot, uint64_t gpa, void *memory,
		  size_t bytes, uint32_t flags)
{
	check(!machine_try_slot(machine, slot, gpa, memory, bytes, flags),
	      "KVM_SET_USER_MEMORY_REGION of slot %u: %m", slot);
}

void machine_no_slot(struct machine *machine, unsigned int slot)
{
	machine_slot(machine, slot, 0, NULL, 0, 0);
}

/* Runs until the guest writes to its port. */
void vcpu_run(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;
	struct kvm_regs regs;

	while (ioctl(vcpu->fd, KVM_RUN, 0))
		check(errno == EINTR || errno == EAGAIN, "KVM_RUN: %m");
	if (run->exit_reason == KVM_EXIT_IO && run->io.port == ORDER_PORT)
		return;
	check(!ioctl(vcpu->fd, KVM_GET_REGS, &regs), "KVM_GET_REGS: %m");
	fail("the guest stopped for reason %u (%#llx) at %#llx, RAX %#llx", run->exit_reason,
	     run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? run->internal.suberror :
							   run->hw.hardware_exit_reason,
	     regs.rip, regs.rax);
}

/* For the next vcpu_obey() */
void vcpu_order(struct vcpu *vcpu, enum what what, uint64_t a, uint64_t b, uint64_t c,
		uint64_t d, uint64_t e)
{
	check(vcpu->nr_orders < MAX_ORDERS, "more than %d orders", MAX_ORDERS);
	vcpu->orders->order[vcpu->nr_orders++] =
		(struct order){ .what = what, .arg = { a, b, c, d, e } };
}

/* Carries the orders out; their answers stay until the next order. */
void vcpu_obey(struct vcpu *vcpu, uint64_t rounds)
{
	if (vcpu->nr_orders < MAX_ORDERS)
		vcpu->orders->order[vcpu->nr_orders].what = ORDER_END;
	vcpu->nr_orders = 0;
	vcpu->orders->rounds = rounds;
	vcpu->orders->done = 0;
	vcpu_run(vcpu);
}

uint64_t vcpu_do(struct vcpu *vcpu, enum what what, uint64_t a, uint64_t b, uint64_t c)
{
	vcpu_order(vcpu, what, a, b, c, 0, 0);
	vcpu_obey(vcpu, 1);
	return vcpu->orders->order[0].answer;
}

/* As QEMU does at reset, after all have stopped and before it writes to memory */
void vcpu_get_mpstate(struct vcpu *vcpu)
{
	struct kvm_mp_state state;

	check(!ioctl(vcpu->fd, KVM_GET_MP_STATE, &state), "KVM_GET_MP_STATE: %m");
}

/* And last of all */
void vcpu_set_mpstate(struct vcpu *vcpu)
{
	struct kvm_mp_state state = { .mp_state = KVM_MP_STATE_RUNNABLE };

	check(!ioctl(vcpu->fd, KVM_SET_MP_STATE, &state), "KVM_SET_MP_STATE: %m");
}

void vcpu_fill(struct vcpu *vcpu, uint64_t gpa, uint64_t pages, uint64_t seed)
{
	vcpu_do(vcpu, ORDER_FILL, gpa, pages, seed);
}

/* As the guest sees it, through the tables that KVM made for it */
void vcpu_check(struct vcpu *vcpu, uint64_t gpa, uint64_t pages, uint64_t seed,
		const char *what)
{
	uint64_t nr = vcpu_do(vcpu, ORDER_WRONG, gpa, pages, seed);

	check(!nr, "%s: %llu words of %llu pages from %#llx are not what was written", what,
	      (unsigned long long)nr, (unsigned long long)pages, (unsigned long long)gpa);
}

void vcpu_check_zero(struct vcpu *vcpu, uint64_t gpa, uint64_t pages, const char *what)
{
	uint64_t nr = vcpu_do(vcpu, ORDER_NONZERO, gpa, pages, 0);

	check(!nr, "%s: %llu words of %llu pages from %#llx are not zero", what,
	      (unsigned long long)nr, (unsigned long long)pages, (unsigned long long)gpa);
}

void machine_dirty_log(struct machine *machine, struct kvm_dirty_log *log)
{
	check(!ioctl(machine->vm, KVM_GET_DIRTY_LOG, log), "KVM_GET_DIRTY_LOG: %m");
}
