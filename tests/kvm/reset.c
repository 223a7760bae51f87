// SPDX-License-Identifier: GPL-2.0
/*
 * When the host forgets, a guest that remembers must hear of it: what it believes
 * to be volatile is discarded, never zeros that pass for content.
 */
#include <pagehint.h>

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

#include "tests.h"

#define GPA	(256 * MIB)
#define BYTES	(2 * MIB)
#define PAGES	(BYTES / PAGE_BYTES)

struct vm {
	struct machine machine;
	struct vcpu *vcpu;
	uint8_t *memory;
	uint64_t cookie;
};

/* A VM, all of its memory volatile, the second half dropped */
static void open_vm(struct vm *vm)
{
	vm->memory = anonymous(BYTES);
	vm->vcpu = &vm->machine.vcpus[0];
	machine_open(&vm->machine, 2);
	machine_slot(&vm->machine, 1, GPA, vm->memory, BYTES, 0);
	vm->cookie = call_cookie(vm->vcpu);
	vcpu_fill(vm->vcpu, GPA, PAGES, 1);
	call_volatile(vm->vcpu, vm->cookie, GPA + BYTES / 2, PAGES / 2);
	vcpu_start(&vm->machine.vcpus[1]);
	reclaim_volatile(PAGES / 2);
	vcpu_stop(&vm->machine.vcpus[1]);
	call_volatile(vm->vcpu, vm->cookie, GPA, PAGES / 2);
}

static void expect_answer(struct vm *vm, int64_t expected, const char *when)
{
	uint8_t result;
	int64_t ret;

	ret = call_stable(vm->vcpu, vm->cookie, GPA, PAGES, &result);
	check(ret == expected && result != PAGEHINT_HC_RESULT_KEPT,
	      "MAKE_STABLE %s: expected %lld, found %lld with the result %u", when,
	      (long long)expected, (long long)ret, result);
	ret = call_state(vm->vcpu, vm->cookie, GPA, PAGES, PAGEHINT_VOLATILE);
	check(ret == expected, "SET_STATE %s: expected %lld, found %lld", when,
	      (long long)expected, (long long)ret);
}

/* Under a new cookie nothing of the old one is known, dropped or not. */
static void expect_new(struct vm *vm, const char *when)
{
	uint64_t old = vm->cookie;

	vm->cookie = call_cookie(vm->vcpu);
	check(vm->cookie != old, "the cookie is the same %s", when);
	call_expect(vm->vcpu, vm->cookie, GPA, PAGES / 2, PAGEHINT_HC_RESULT_DISCARDED);
	call_expect(vm->vcpu, vm->cookie, GPA + BYTES / 2, PAGES / 2,
		    PAGEHINT_HC_RESULT_DISCARDED);
	/* What was not dropped is there, and is not dropped any more. */
	vcpu_check(vm->vcpu, GPA, PAGES / 2, 1, when);
	vcpu_check_zero(vm->vcpu, GPA + BYTES / 2, PAGES / 2, when);
	vcpu_start(&vm->machine.vcpus[1]);
	for (int i = 0; i < 3; i++)
		reclaim_slab();
	vcpu_stop(&vm->machine.vcpus[1]);
	vcpu_check(vm->vcpu, GPA, PAGES / 2, 1, "reclaim afterwards");
}

void test_reset(unsigned int scale)
{
	uint64_t resets;
	struct vm vm;

	(void)scale;
	open_vm(&vm);
	resets = counter("nr_resets");
	vcpu_set_mpstate(&vm.machine.vcpus[1]);
	check(counter("nr_resets") == resets + 1, "the reset was not seen");
	check(!counter("volatile_absent") && !counter("volatile_0"), "the host remembers");
	expect_answer(&vm, -PAGEHINT_HC_ESTALE, "after a reset");
	expect_new(&vm, "after a reset");
	/* Anew, by a query alone: so does a kernel that starts. */
	call_volatile(vm.vcpu, vm.cookie, GPA, PAGES);
	expect_new(&vm, "after a query");
	/* An error: the host cannot tell what the guest believes now. */
	call_volatile(vm.vcpu, vm.cookie, GPA, PAGES);
	call_raw(vm.vcpu, PAGEHINT_HC_SET_STATE, 1, 1, vm.cookie);
	expect_answer(&vm, -PAGEHINT_HC_ESTALE, "after a malformed call");
	expect_new(&vm, "after a malformed call");
	printf("reset, query, malformed call: the host forgets, and the guest hears of it\n");
	machine_close(&vm.machine);
}

/* The host's module goes and comes back underneath. */
void test_reload(unsigned int scale)
{
	struct vm vm;

	for (unsigned int i = 0; i < 2 * scale; i++) {
		open_vm(&vm);
		module_unload();
		expect_answer(&vm, -PAGEHINT_HC_ENOSYS, "without the module");
		vcpu_check(vm.vcpu, GPA, PAGES / 2, 1, "without the module");
		module_load("");
		expect_answer(&vm, -PAGEHINT_HC_ESTALE, "with the module loaded again");
		expect_new(&vm, "with the module loaded again");
		machine_close(&vm.machine);
		munmap(vm.memory, BYTES);
	}
	printf("loaded anew %u times under a VM with dropped pages: all discarded\n",
	       2 * scale);
}

/*
 * Saved by the VMM and restored in another VM, as by migration: what was dropped
 * is zeros there, and the new host knows nothing.
 */
void test_restore(unsigned int scale)
{
	struct vm old, new = { .memory = anonymous(BYTES) };
	struct kvm_dirty_log log;
	uint64_t bitmap[PAGES / 64];

	(void)scale;
	open_vm(&old);
	new.vcpu = &new.machine.vcpus[0];
	machine_open(&new.machine, 2);
	machine_slot(&new.machine, 1, GPA, new.memory, BYTES, 0);
	memcpy(new.memory, old.memory, BYTES);
	new.cookie = old.cookie;
	expect_answer(&new, -PAGEHINT_HC_ESTALE, "in the restored VM");
	expect_new(&new, "in the restored VM");
	/* The target had a guest before, which queried. */
	new.cookie = old.cookie;
	expect_answer(&new, -PAGEHINT_HC_ESTALE, "with another guest's state there");
	expect_new(&new, "with another guest's state there");
	machine_close(&new.machine);

	/* With dirty logging, answers show as written pages. */
	machine_slot(&old.machine, 1, GPA, old.memory, BYTES, KVM_MEM_LOG_DIRTY_PAGES);
	*(struct pagehint_hc_entry *)old.memory = (struct pagehint_hc_entry){
		.gfn = GPA / PAGE_BYTES + 1, .nr_frames = 1,
	};
	check(call_raw(old.vcpu, PAGEHINT_HC_MAKE_STABLE, GPA, 1, old.cookie) == 1,
	      "MAKE_STABLE with dirty logging");
	log = (struct kvm_dirty_log){ .slot = 1, .dirty_bitmap = bitmap };
	machine_dirty_log(&old.machine, &log);
	check(bitmap[0] & 1, "the page that the host wrote to is not in the dirty log");
	machine_close(&old.machine);
	printf("saved with dropped pages and restored in another VM: all of it discarded there\n");
}
