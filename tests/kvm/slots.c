// SPDX-License-Identifier: GPL-2.0
/*
 * Memory slots that go, move and come back while the guest hints in them. From
 * the moment that KVM has told the VMM that a slot is gone, what the VMM does with
 * the memory is its own: none of that may be dropped.
 */
#include <pagehint.h>

#include <stdio.h>
#include <string.h>

#include "tests.h"

#define GPA	(256 * MIB)
#define BYTES	(1 * MIB)
#define PAGES	(BYTES / PAGE_BYTES)

/* The vector is in a slot that goes, too: here instead of in low memory. */
#define VECTOR_GPA	(320 * MIB)

static void fill(uint8_t *memory, uint64_t seed)
{
	for (size_t i = 0; i < BYTES; i += 8)
		*(uint64_t *)(memory + i) = pattern(i, seed);
}

static void check_memory(const uint8_t *memory, uint64_t seed, unsigned int round)
{
	for (size_t i = 0; i < BYTES; i += 8)
		check(*(const uint64_t *)(memory + i) == pattern(i, seed),
		      "round %u: memory of a slot that is gone was dropped at %#zx", round, i);
}

static void put_vector(void *page)
{
	struct pagehint_hc_entry *entries = page;

	for (uint32_t i = 0; i < 8; i++)
		entries[i] = (struct pagehint_hc_entry){
			.gfn = GPA / PAGE_BYTES + i * PAGES / 8, .nr_frames = PAGES / 8,
			.state = i & 1 ? PAGEHINT_UNUSED : PAGEHINT_VOLATILE,
		};
}

/* Hints and queries without end: many are refused, and so all is forgotten now and then. */
static void set_orders(struct vcpu *vcpu, uint64_t vector)
{
	vcpu_order(vcpu, ORDER_CALL, PAGEHINT_HYPERCALL, PAGEHINT_HC_QUERY,
		   vcpu->entries_gpa + PAGE_BYTES / 2, 0, 0);
	vcpu_order(vcpu, ORDER_TAKE_COOKIE, vcpu->entries_gpa + PAGE_BYTES / 2, 0, 0, 0, 0);
	for (int i = 0; i < 8; i++)
		vcpu_order(vcpu, ORDER_CALL_COOKIE, PAGEHINT_HYPERCALL, PAGEHINT_HC_SET_STATE,
			   vector, 8, 0);
}

void test_slots(unsigned int scale)
{
	uint8_t *memory[2] = { anonymous(BYTES), anonymous(BYTES) }, *vectors = anonymous(BYTES);
	const unsigned int rounds = 40 * scale;
	struct machine machine;
	uint64_t dropped;

	machine_open(&machine, 3);
	put_vector(vectors);
	for (unsigned int i = 0; i < 2; i++)
		put_vector(machine.vcpus[i].entries);
	machine_slot(&machine, 2, VECTOR_GPA, vectors, BYTES, 0);
	machine_slot(&machine, 1, GPA, memory[0], BYTES, 0);
	set_orders(&machine.vcpus[0], machine.vcpus[0].entries_gpa);
	set_orders(&machine.vcpus[1], VECTOR_GPA);
	for (unsigned int i = 0; i < 3; i++)
		vcpu_start(&machine.vcpus[i]);
	dropped = counter("nr_dropped_unused");
	for (unsigned int i = 0; i < rounds; i++) {
		uint8_t *mine = memory[i % 2], *theirs = memory[(i + 1) % 2];
		const uint64_t before = machine.vcpus[0].orders->done;

		/* Gone: mine is the VMM's now, and theirs comes. */
		machine_no_slot(&machine, 1);
		fill(mine, i);
		machine_slot(&machine, 1, GPA, theirs, BYTES, 0);
		if (i % 2)
			machine_no_slot(&machine, 2);
		reclaim_slab();
		if (i % 4 == 3)
			/* Moved: in the guest's memory, the VMM's is the same */
			machine_slot(&machine, 1, GPA + BYTES / 2, theirs, BYTES, 0);
		vcpu_wait_rounds(&machine.vcpus[0], before + 2);
		check_memory(mine, i, i);
		if (i % 2)
			machine_slot(&machine, 2, VECTOR_GPA, vectors, BYTES, 0);
	}
	for (unsigned int i = 0; i < 3; i++)
		vcpu_stop(&machine.vcpus[i]);
	dropped = counter("nr_dropped_unused") - dropped;
	check(dropped, "nothing was dropped in all these rounds");
	check(counter("nr_calls_refused"), "no call met a slot that was gone");
	printf("%u times a slot went: %llu frames dropped in it, none else; %llu calls refused\n",
	       rounds, (unsigned long long)dropped,
	       (unsigned long long)counter("nr_calls_refused"));
	machine_close(&machine);
}

/*
 * A query looks at every slot while one comes or goes. Two sets of slots take turns; a
 * walk that takes the one for the other in its middle computes addresses that are none,
 * and the kernel warns. So many slots that most of a query is that walk.
 */
void test_slots_walk(unsigned int scale)
{
	const unsigned int rounds = 400 * scale, nr_slots = 300;
	uint8_t *memory = anonymous((nr_slots + 1) * PAGE_BYTES);
	struct machine machine;
	const double deadline = now() + 100;
	uint64_t before, done = 0;
	unsigned int i;

	machine_open(&machine, 1);
	for (unsigned int slot = 1; slot <= nr_slots; slot++)
		machine_slot(&machine, slot, GPA + 2 * slot * PAGE_BYTES,
			     memory + slot * PAGE_BYTES, PAGE_BYTES, 0);
	vcpu_order(&machine.vcpus[0], ORDER_CALL, PAGEHINT_HYPERCALL, PAGEHINT_HC_QUERY,
		   machine.vcpus[0].entries_gpa + PAGE_BYTES / 2, 0, 0);
	vcpu_start(&machine.vcpus[0]);
	before = machine.vcpus[0].orders->done;
	for (i = 0; i < rounds || (done < rounds && now() < deadline); i++) {
		const unsigned int slot = 1 + i % nr_slots;

		machine_no_slot(&machine, slot);
		machine_slot(&machine, slot, GPA + 2 * slot * PAGE_BYTES,
			     memory + slot * PAGE_BYTES, PAGE_BYTES, 0);
		done = *(volatile uint64_t *)&machine.vcpus[0].orders->done - before;
	}
	check(done >= rounds, "only %llu queries", (unsigned long long)done);
	vcpu_stop(&machine.vcpus[0]);
	machine_close(&machine);
	printf("%u times a slot went and came during %llu queries that looked at %u\n", i,
	       (unsigned long long)done, nr_slots);
}
