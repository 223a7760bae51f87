// SPDX-License-Identifier: GPL-2.0
/*
 * Which volatile memory reclaim takes, and when it leaves its hands off.
 */
#define _GNU_SOURCE
#include <pagehint.h>

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "tests.h"

#define GPA	(256 * MIB)
#define BYTES	(2 * MIB)
#define PAGES	(BYTES / PAGE_BYTES)

struct vm {
	struct machine machine;
	uint8_t *memory;
	size_t bytes;
	uint64_t cookie;
};

static void open_vm(struct vm *vm, size_t bytes)
{
	vm->bytes = bytes;
	vm->memory = anonymous(bytes);
	machine_open(&vm->machine, 2);
	machine_slot(&vm->machine, 1, GPA, vm->memory, bytes, 0);
	vm->cookie = call_cookie(vm->machine.vcpus);
	/* By the VMM: the guest's faults are slow here. */
	for (size_t i = 0; i < bytes; i += 8)
		*(uint64_t *)(vm->memory + i) = pattern(GPA + i, 1);
}

static void close_vm(struct vm *vm)
{
	machine_close(&vm->machine);
	munmap(vm->memory, vm->bytes);
}

/* Reclaim, until it has come by so often; returns a moment at which it had not */
static double reclaim_until(const char *name, uint64_t least)
{
	const double deadline = now() + 180;
	double before;

	do {
		before = now();
		check(now() < deadline, "%s: expected %llu in three minutes, found %llu", name,
		      (unsigned long long)least, (unsigned long long)counter(name));
		reclaim_slab();
		usleep(20000);
	} while (counter(name) < least);
	return before;
}

/* A guest that is stopped may be about to be reset: its memory is the VMM's. */
void test_paused(unsigned int scale)
{
	struct vm vm;

	(void)scale;
	open_vm(&vm, BYTES);
	call_volatile(vm.machine.vcpus, vm.cookie, GPA, PAGES);
	for (double deadline = now() + 180; counter("nr_reclaim_not_now") < 5;) {
		check(now() < deadline, "reclaim did not come by in three minutes");
		reclaim_slab();
		usleep(20000);
		check(!counter("nr_dropped_volatile") &&
		      resident_kib(vm.memory, BYTES) == BYTES / 1024,
		      "a VM that does not run lost volatile memory");
	}
	vcpu_start(&vm.machine.vcpus[1]);
	reclaim_volatile(PAGES);
	vcpu_stop(&vm.machine.vcpus[1]);
	printf("paused: asked %llu times, nothing dropped; running: %llu frames dropped\n",
	       (unsigned long long)counter("nr_reclaim_not_now"),
	       (unsigned long long)counter("nr_dropped_volatile"));
	close_vm(&vm);
}

#define SPOTS	100

/*
 * Nothing of a VMM with locked memory can be dropped. After 64 attempts in a row it
 * is left alone for 10 seconds, and then it is looked at again.
 */
void test_left_alone(unsigned int scale)
{
	uint8_t *locked = anonymous(PAGE_BYTES);
	uint64_t attempts;
	double start;
	struct vm vm;

	(void)scale;
	open_vm(&vm, BYTES);
	for (uint64_t i = 0; i < SPOTS; i++)
		call_volatile(vm.machine.vcpus, vm.cookie, GPA + 2 * i * PAGE_BYTES, 1);
	check(!mlock(locked, PAGE_BYTES), "mlock: %m");
	vcpu_start(&vm.machine.vcpus[1]);
	start = reclaim_until("nr_refused_pinned", 64);
	/* Who asked at that very moment is heard. */
	do {
		attempts = counter("nr_refused_pinned");
		usleep(200000);
	} while (counter("nr_refused_pinned") != attempts);
	for (double end = now() + 4; now() < end;) {
		uint64_t found;

		reclaim_slab();
		found = counter("nr_refused_pinned");
		/* On a slow machine the 10 seconds may be over. */
		if (now() >= start + 10)
			break;
		check(found == attempts, "left alone after %llu attempts: found %llu",
		      (unsigned long long)attempts, (unsigned long long)found);
	}
	check(!munlock(locked, PAGE_BYTES), "munlock: %m");
	reclaim_volatile(SPOTS);
	check(now() >= start + 9.9, "expected it to be left alone for 10 seconds, found %.1f",
	      now() - start);
	vcpu_stop(&vm.machine.vcpus[1]);
	check(resident_kib(vm.memory, BYTES) == (PAGES - SPOTS) * 4, "%zu KiB resident",
	      resident_kib(vm.memory, BYTES));
	printf("left alone after %llu attempts; %.0f seconds later all %u frames are dropped\n",
	       (unsigned long long)attempts, now() - start, SPOTS);
	close_vm(&vm);
	munmap(locked, PAGE_BYTES);
}

static void hint(struct vm *vm, unsigned int half, unsigned int temperature)
{
	uint8_t state = (uint8_t)(PAGEHINT_VOLATILE | temperature << PAGEHINT_TEMP_SHIFT);

	check(call_state(vm->machine.vcpus, vm->cookie, GPA + half * BYTES, PAGES, state) == 1,
	      "volatile with temperature %u was refused", temperature);
}

/*
 * Ask for so many frames of both VMs, in sum, as are missing. The kernel may forget what was
 * wanted: when its work comes by at a moment at which the guest does not run, or ends after
 * it dropped the last frame and we asked for more. Real reclaim asks again, too.
 */
static void reclaim_sum(uint64_t sum)
{
	const double deadline = now() + 180;

	for (;;) {
		/* Read first: what is not wanted by now has been dropped and counted, or lost. */
		bool wanted = counter_of(0, "wanted") || counter_of(1, "wanted");
		uint64_t dropped = counter_of(0, "nr_dropped_volatile") +
				   counter_of(1, "nr_dropped_volatile");
		char missing[24];

		if (dropped >= sum)
			return;
		check(now() < deadline, "512 frames were not dropped in three minutes");
		snprintf(missing, sizeof(missing), "%llu", (unsigned long long)(sum - dropped));
		if (!wanted)
			set_parameter("ask", missing);
		usleep(1000);
	}
}

/* Two VMs, of each the half that is higher in memory is colder: one after the other */
void test_coldest(unsigned int scale)
{
	static const struct {
		unsigned int vm, half, temperature;
	} order[] = { { 0, 1, 2 }, { 1, 1, 5 }, { 0, 0, 9 }, { 1, 0, 12 } };
	const unsigned int nr = sizeof(order) / sizeof(order[0]);
	struct vm vms[2];

	(void)scale;
	module_unload();
	module_load_test("");
	for (unsigned int i = 0; i < 2; i++)
		open_vm(&vms[i], 2 * BYTES);
	for (unsigned int i = 0; i < nr; i++)
		hint(&vms[order[i].vm], order[i].half, order[i].temperature);
	for (unsigned int i = 0; i < 2; i++)
		vcpu_start(&vms[i].machine.vcpus[1]);
	for (unsigned int i = 0; i < nr; i++) {
		reclaim_sum((i + 1) * PAGES);
		for (unsigned int j = 0; j < nr; j++) {
			size_t kib = resident_kib(vms[order[j].vm].memory +
						  order[j].half * BYTES, BYTES);

			check(kib == (j <= i ? 0 : BYTES / 1024),
			      "after %u frames: of temperature %u there are %zu KiB",
			      (i + 1) * (unsigned int)PAGES, order[j].temperature, kib);
		}
	}
	for (unsigned int i = 0; i < 2; i++) {
		vcpu_stop(&vms[i].machine.vcpus[1]);
		close_vm(&vms[i]);
	}
	module_unload();
	module_load("");
	printf("two VMs, temperatures 2, 5, 9, 12: dropped in this order, 512 frames each\n");
}

static void *unload(void *context)
{
	(void)context;
	module_unload();
	return NULL;
}

/*
 * Reclaim was asked at @asked for so many frames, and pauses for @pause_ms before it drops
 * the first. Return: false if this machine stood still for so long that it goes on already.
 */
static bool is_in_pause(double asked, unsigned int pause_ms, uint64_t frames)
{
	static unsigned int nr_late;
	bool there = counter("wanted") == frames && !counter("nr_dropped_volatile");

	check(there || now() - asked >= pause_ms / 1000.0, "reclaim is not where it should be");
	check(there || ++nr_late < 10, "this machine stands still all the time");
	return there;
}

/*
 * The module goes while reclaim is about to drop. The moment that the guest hears
 * that its host has forgotten, or that nobody answers, it puts new content in.
 */
void test_unload_drop(unsigned int scale)
{
	int64_t ret = 0;

	module_unload();
	for (unsigned int i = 0; i < 2 * scale;) {
		struct vcpu *vcpu;
		uint8_t result;
		pthread_t thread;
		struct vm vm;
		double asked;

		module_load_test("pause_at=piece pause_ms=6000");
		open_vm(&vm, BYTES + PAGE_BYTES);
		vcpu = vm.machine.vcpus;
		call_volatile(vcpu, vm.cookie, GPA, PAGES);
		vcpu_start(&vm.machine.vcpus[1]);
		asked = now();
		set_parameter("ask", "512");
		usleep(2000000);
		if (!is_in_pause(asked, 6000, PAGES)) {
			vcpu_stop(&vm.machine.vcpus[1]);
			close_vm(&vm);
			module_unload();
			continue;
		}
		i++;
		check(!pthread_create(&thread, NULL, unload, NULL), "pthread_create: %m");
		/* Another page, which was never volatile */
		do {
			ret = call_stable(vcpu, vm.cookie, GPA + BYTES, 1, &result);
		} while (ret == 1);
		check(ret == -PAGEHINT_HC_ESTALE || ret == -PAGEHINT_HC_ENOSYS,
		      "expected an error, found %lld", (long long)ret);
		for (size_t j = 0; j < BYTES; j += 8)
			*(uint64_t *)(vm.memory + j) = pattern(GPA + j, 2);
		check(!pthread_join(thread, NULL), "pthread_join: %m");
		vcpu_stop(&vm.machine.vcpus[1]);
		vcpu_check(vcpu, GPA, PAGES, 2, "written after the host had forgotten");
		close_vm(&vm);
	}
	module_load("");
	printf("unloaded %u times during a drop: the guest heard %lld, then wrote: all there\n",
	       2 * scale, (long long)ret);
}

/*
 * The VMM resets the VM as QEMU does, while reclaim is in the middle of a drop: what
 * it writes to memory stays.
 */
void test_reset_drop(unsigned int scale)
{
	const size_t bytes = 4 * BYTES;
	unsigned int i, nr_idle = 0;
	struct vm vm;

	module_unload();
	module_load_test("pause_at=drop pause_ms=4000");
	for (i = 0; i < 2 * scale;) {
		struct vcpu *vcpus;
		uint64_t dropped;
		double asked;
		bool in_pause;

		open_vm(&vm, bytes);
		vcpus = vm.machine.vcpus;
		call_volatile(vcpus, vm.cookie, GPA, 4 * PAGES);
		vcpu_start(&vcpus[1]);
		asked = now();
		set_parameter("ask", "2048");
		usleep(1000000);
		in_pause = is_in_pause(asked, 4000, 4 * PAGES);
		vcpu_stop(&vcpus[1]);
		if (!in_pause) {
			close_vm(&vm);
			continue;
		}
		for (unsigned int j = 0; j < 2; j++)
			vcpu_get_mpstate(&vcpus[j]);
		dropped = counter("nr_dropped_volatile");
		for (size_t j = 0; j < bytes; j += 8)
			*(uint64_t *)(vm.memory + j) = pattern(GPA + j, 2);
		/* It asks the vCPU for this and that, while reclaim goes on. */
		for (double end = now() + 8; now() < end;) {
			struct kvm_regs regs;

			check(!ioctl(vcpus[1].fd, KVM_GET_REGS, &regs), "KVM_GET_REGS: %m");
			if (!counter("wanted"))
				set_parameter("ask", "2048");
		}
		for (unsigned int j = 0; j < 2; j++)
			vcpu_set_mpstate(&vcpus[j]);
		check(dropped < 4 * PAGES, "reclaim was not in the middle");
		vcpu_check(vcpus, GPA, 4 * PAGES, 2, "written by the VMM at reset");
		check(counter("nr_dropped_volatile") == dropped,
		      "%llu frames, then %llu were dropped", (unsigned long long)dropped,
		      (unsigned long long)counter("nr_dropped_volatile"));
		close_vm(&vm);
		/* Not begun by then: that must hold as well, but another round is wanted. */
		check(dropped || ++nr_idle < 10, "reclaim never got into the middle");
		i += !!dropped;
	}
	module_unload();
	module_load("");
	printf("reset %u times during a drop: what the VMM wrote is there\n", i);
}
