// SPDX-License-Identifier: GPL-2.0
/*
 * guest_memfd: memory that KVM has from a file of its own, the private memory of
 * encrypted guests, and from 6.18 on of any. A slot with it is refused; so is a mapping
 * of such a file in an ordinary slot.
 */
#define _GNU_SOURCE
#include <pagehint.h>

#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests.h"

#define GPA	(256 * MIB)
#define PAGES	64
#define BYTES	(PAGES * PAGE_BYTES)

/* Newer than the headers that this is built with */
#define CAP_GUEST_MEMFD		234
#define MEM_GUEST_MEMFD		4
#define FLAG_MMAP		1
#define FLAG_INIT_SHARED	2

struct region2 {
	uint32_t slot, flags;
	uint64_t gpa, bytes, address, offset;
	uint32_t fd, padding[29];
};

struct create {
	uint64_t bytes, flags, reserved[6];
};

#define SET_REGION2	_IOW(KVMIO, 0x49, struct region2)
#define CREATE		_IOWR(KVMIO, 0xd4, struct create)

static int new_file(const struct machine *machine, uint64_t flags)
{
	struct create create = { .bytes = BYTES, .flags = flags };
	int fd = ioctl(machine->vm, CREATE, &create);

	check(fd >= 0, "KVM_CREATE_GUEST_MEMFD: %m");
	return fd;
}

static void try_states(struct vcpu *vcpu, int64_t expected, const char *what)
{
	int64_t ret;

	for (int state = PAGEHINT_UNUSED; state <= PAGEHINT_VOLATILE; state += 2) {
		ret = call_state(vcpu, call_cookie(vcpu), GPA, PAGES, (uint8_t)state);
		check(ret == expected, "%s, state %d: expected %lld, found %lld", what, state,
		      (long long)expected, (long long)ret);
	}
}

/* The guest has what the VMM maps, until it says that the memory is private. */
static void try_slot(void)
{
	uint8_t *memory = anonymous(BYTES);
	struct machine machine;

	machine_open(&machine, 1);
	memset(memory, 5, BYTES);
	check(!ioctl(machine.vm, SET_REGION2, &(struct region2){
		.slot = 1, .flags = MEM_GUEST_MEMFD, .gpa = GPA, .bytes = BYTES,
		.address = (uintptr_t)memory, .fd = (uint32_t)new_file(&machine, 0),
	}), "KVM_SET_USER_MEMORY_REGION2: %m");
	try_states(&machine.vcpus[0], -PAGEHINT_HC_EFAULT, "a slot with a guest_memfd");
	for (size_t i = 0; i < BYTES; i++)
		check(memory[i] == 5, "memory was touched at %#zx", i);
	machine_close(&machine);
}

static void try_mapping(void)
{
	struct machine machine;
	uint8_t *memory;

	machine_open(&machine, 1);
	memory = mmap(NULL, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
		      new_file(&machine, FLAG_MMAP | FLAG_INIT_SHARED), 0);
	check(memory != MAP_FAILED, "mmap of a guest_memfd: %m");
	memset(memory, 5, BYTES);
	machine_slot(&machine, 1, GPA, memory, BYTES, 0);
	set_parameter("shared", "1");
	try_states(&machine.vcpus[0], 1, "a mapping of a guest_memfd");
	set_parameter("shared", "0");
	check(counter("nr_refused_file") == PAGES, "nr_refused_file: expected %d, found %llu",
	      PAGES, (unsigned long long)counter("nr_refused_file"));
	for (size_t i = 0; i < BYTES; i++)
		check(memory[i] == 5, "memory was touched at %#zx", i);
	machine_close(&machine);
}

void test_guest_memfd(unsigned int scale)
{
	struct machine machine;
	int there;

	(void)scale;
	machine_open(&machine, 1);
	there = ioctl(machine.vm, KVM_CHECK_EXTENSION, CAP_GUEST_MEMFD);
	machine_close(&machine);
	if (there <= 0) {
		printf("this KVM has no guest_memfd for ordinary VMs\n");
		return;
	}
	try_slot();
	try_mapping();
	printf("a slot with a guest_memfd and a mapping of one: refused, nothing touched\n");
}
