// SPDX-License-Identifier: GPL-2.0
/*
 * Well-formed calls: the host's memory goes down, what the guest finds
 * afterwards is what the contract says, and the neighbours are untouched.
 */
#define _GNU_SOURCE
#include <pagehint.h>

#include <stdio.h>
#include <sys/mman.h>

#include "tests.h"

#define GPA	(256 * MIB)
#define SLOT	1

/* Says what came back, and that it is nearly all that was hinted. */
static void report(const char *kind, size_t pages, size_t before, size_t after)
{
	printf("%s: %zu KiB hinted; VMM's memory before %zu KiB, after %zu KiB: %zu %% came back\n",
	       kind, pages * 4, before, after, (before - after) * 100 / (pages * 4));
	check((before - after) * 100 >= pages * 4 * 95, "less than 95 %% came back");
}

void test_query(unsigned int scale)
{
	struct pagehint_hc_query first, second;
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];

	(void)scale;
	machine_open(&machine, 1);
	check(!call_query(vcpu, &first) && !call_query(vcpu, &second), "a query was refused");
	check(first.version == PAGEHINT_VERSION && first.max_entries == 256 && !first.reserved,
	      "version %u, %u entries, reserved %u", first.version, first.max_entries,
	      first.reserved);
	check(first.features == PAGEHINT_F_ALL, "features %#llx",
	      (unsigned long long)first.features);
	check(first.cookie && second.cookie && first.cookie != second.cookie,
	      "cookies %#llx and %#llx", (unsigned long long)first.cookie,
	      (unsigned long long)second.cookie);
	/* Low memory cannot have huge pages. */
	check(first.unused_order == 0, "order %u", first.unused_order);
	check(counter("nr_queries") == 2 && counter("nr_calls") == 2, "queries are not counted");
	printf("version %u, features %#llx, %u entries a call\n", first.version,
	       (unsigned long long)first.features, first.max_entries);
	machine_close(&machine);
}

void test_unused(unsigned int scale)
{
	const size_t bytes = 8 * MIB * scale, pages = bytes / PAGE_BYTES;
	uint8_t *memory = anonymous(bytes);
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	size_t before;
	uint64_t cookie;

	machine_open(&machine, 1);
	machine_slot(&machine, SLOT, GPA, memory, bytes, 0);
	cookie = call_cookie(vcpu);
	vcpu_fill(vcpu, GPA, pages, 1);
	before = resident_kib(memory, bytes);
	/* All but the first and the last page */
	call_unused(vcpu, cookie, GPA + PAGE_BYTES, pages - 2);
	report("unused", pages - 2, before, resident_kib(memory, bytes));
	check(counter("nr_dropped_unused") == pages - 2, "%llu frames dropped",
	      (unsigned long long)counter("nr_dropped_unused"));
	vcpu_check_zero(vcpu, GPA + PAGE_BYTES, pages - 2, "the range");
	vcpu_check(vcpu, GPA, 1, 1, "the page before the range");
	vcpu_check(vcpu, GPA + bytes - PAGE_BYTES, 1, 1, "the page after the range");
	/* What is written from now on stays. */
	vcpu_fill(vcpu, GPA, pages, 2);
	vcpu_check(vcpu, GPA, pages, 2, "written after the drop");
	machine_close(&machine);
}

void test_volatile(unsigned int scale)
{
	const size_t bytes = 8 * MIB * scale, pages = bytes / PAGE_BYTES;
	uint8_t *memory = anonymous(bytes);
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	size_t before;
	uint64_t cookie;

	machine_open(&machine, 2);
	machine_slot(&machine, SLOT, GPA, memory, bytes, 0);
	cookie = call_cookie(vcpu);
	vcpu_fill(vcpu, GPA, pages, 1);
	before = resident_kib(memory, bytes);

	/* Not dropped: kept, once; a frame that nobody heard of is not */
	call_volatile(vcpu, cookie, GPA, pages);
	check(resident_kib(memory, bytes) == before, "volatile memory went by itself");
	call_expect(vcpu, cookie, GPA, pages, PAGEHINT_HC_RESULT_KEPT);
	call_expect(vcpu, cookie, GPA, pages, PAGEHINT_HC_RESULT_DISCARDED);
	vcpu_check(vcpu, GPA, pages, 1, "kept");
	/* One answer for all of an entry */
	call_volatile(vcpu, cookie, GPA, 1);
	call_volatile(vcpu, cookie, GPA + 2 * PAGE_BYTES, 1);
	call_expect(vcpu, cookie, GPA, 3, PAGEHINT_HC_RESULT_DISCARDED);
	check(!counter("volatile_absent"), "nothing was dropped, and something is absent");

	/* Dropped: all but the first and the last page, while the guest runs */
	call_volatile(vcpu, cookie, GPA + PAGE_BYTES, pages - 2);
	vcpu_start(&machine.vcpus[1]);
	reclaim_volatile(pages - 2);
	vcpu_stop(&machine.vcpus[1]);
	report("volatile", pages - 2, before, resident_kib(memory, bytes));
	call_expect(vcpu, cookie, GPA + PAGE_BYTES, pages - 2, PAGEHINT_HC_RESULT_DISCARDED);
	vcpu_check_zero(vcpu, GPA + PAGE_BYTES, pages - 2, "the range");
	vcpu_check(vcpu, GPA, 1, 1, "the page before the range");
	vcpu_check(vcpu, GPA + bytes - PAGE_BYTES, 1, 1, "the page after the range");
	machine_close(&machine);
}

/* One round of test_edges: only [first, first + nr) goes. */
static void one_range(struct vcpu *vcpu, uint64_t cookie, size_t pages, size_t first, size_t nr)
{
	vcpu_fill(vcpu, GPA, pages, first + nr);
	call_unused(vcpu, cookie, GPA + first * PAGE_BYTES, nr);
	vcpu_check(vcpu, GPA, first, first + nr, "before the range");
	vcpu_check_zero(vcpu, GPA + first * PAGE_BYTES, nr, "the range");
	vcpu_check(vcpu, GPA + (first + nr) * PAGE_BYTES, pages - first - nr, first + nr,
		   "after the range");
}

/*
 * Ranges that end and begin around every border: of 2 MiB, of mappings, and of
 * slots that continue each other in the guest's memory or in the VMM's.
 */
void test_edges(unsigned int scale)
{
	static const size_t borders[] = { 512, 768, 1024 };
	const size_t bytes = 6 * MIB, pages = bytes / PAGE_BYTES;
	uint8_t *memory = anonymous(bytes);
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	unsigned int rounds = 0;
	uint64_t cookie;

	(void)scale;
	/* Two mappings: the second half of it may not be executed. */
	check(!mprotect(memory, 768 * PAGE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC),
	      "mprotect: %m");
	machine_open(&machine, 1);
	/* Slots: [0, 512) and [512, 1024) continue in both; the last in neither order */
	machine_slot(&machine, 1, GPA, memory, 512 * PAGE_BYTES, 0);
	machine_slot(&machine, 2, GPA + 512 * PAGE_BYTES, memory + 512 * PAGE_BYTES,
		     512 * PAGE_BYTES, 0);
	machine_slot(&machine, 3, GPA + 1024 * PAGE_BYTES, memory + 1280 * PAGE_BYTES,
		     256 * PAGE_BYTES, 0);
	machine_slot(&machine, 4, GPA + 1280 * PAGE_BYTES, memory + 1024 * PAGE_BYTES,
		     256 * PAGE_BYTES, 0);
	cookie = call_cookie(vcpu);
	for (unsigned int i = 0; i < 3; i++) {
		for (size_t before = 0; before <= 2; before++) {
			for (size_t after = 0; after <= 2; after++) {
				if (!before && !after)
					continue;
				one_range(vcpu, cookie, pages, borders[i] - before,
					  before + after);
				rounds++;
			}
		}
	}
	one_range(vcpu, cookie, pages, 1, pages - 2);
	one_range(vcpu, cookie, pages, 1100, 300);
	printf("%u ranges around the borders of slots, mappings and 2 MiB\n", rounds + 2);
	machine_close(&machine);
}

/* Of huge pages a part is not taken, unless the administrator wants it. */
void test_huge(unsigned int scale)
{
	const size_t bytes = 8 * MIB, pages = bytes / PAGE_BYTES;
	uint8_t *memory = anonymous_huge(bytes);
	struct pagehint_hc_query answer;
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	size_t before;

	(void)scale;
	machine_open(&machine, 1);
	machine_slot(&machine, SLOT, GPA, memory, bytes, 0);
	vcpu_fill(vcpu, GPA, pages, 1);
	check(huge_kib(memory, bytes) == bytes / 1024, "only %zu KiB in huge pages",
	      huge_kib(memory, bytes));
	check(!call_query(vcpu, &answer) && answer.unused_order == 9,
	      "expected the order 9 where memory may have huge pages, found %u",
	      answer.unused_order);
	before = resident_kib(memory, bytes);
	/* A part at each end of whole ones */
	call_unused(vcpu, answer.cookie, GPA + PAGE_BYTES, pages - 2);
	check(counter("nr_huge_skipped") == 2 * 511 && !counter("nr_huge_split"),
	      "%llu frames skipped, %llu split",
	      (unsigned long long)counter("nr_huge_skipped"),
	      (unsigned long long)counter("nr_huge_split"));
	report("whole huge pages", pages - 1024, before, resident_kib(memory, bytes));
	vcpu_check(vcpu, GPA, 512, 1, "the first huge page");
	vcpu_check(vcpu, GPA + bytes - HUGE_BYTES, 512, 1, "the last huge page");
	check(huge_kib(memory, bytes) == 2 * HUGE_BYTES / 1024, "a huge page was split");

	set_parameter("order", "5");
	call_unused(vcpu, answer.cookie, GPA + 32 * PAGE_BYTES, 31);
	check(counter("nr_huge_skipped") == 2 * 511 + 31, "31 frames were not skipped");
	call_unused(vcpu, answer.cookie, GPA + 32 * PAGE_BYTES, 32);
	check(counter("nr_huge_split") == 32, "32 frames were not split off");
	set_parameter("order", "-1");
	vcpu_check(vcpu, GPA, 32, 1, "before the part");
	vcpu_check_zero(vcpu, GPA + 32 * PAGE_BYTES, 32, "the part");
	vcpu_check(vcpu, GPA + 64 * PAGE_BYTES, 512 - 64, 1, "after the part");
	machine_close(&machine);
}

/* With lazy=1 content stays until the host is short of memory, and writes keep it. */
void test_lazy(unsigned int scale)
{
	const size_t bytes = 8 * MIB, pages = bytes / PAGE_BYTES;
	uint8_t *memory = anonymous(bytes);
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	uint64_t cookie;

	(void)scale;
	set_parameter("lazy", "1");
	machine_open(&machine, 1);
	machine_slot(&machine, SLOT, GPA, memory, bytes, 0);
	cookie = call_cookie(vcpu);
	vcpu_fill(vcpu, GPA, pages, 1);
	call_unused(vcpu, cookie, GPA, pages);
	check(counter("nr_dropped_unused") == pages, "not all was given to madvise");
	check(resident_kib(memory, bytes) == bytes / 1024, "it went at once");
	/* Half of it is used again: by the guest, and by the VMM. */
	vcpu_fill(vcpu, GPA, pages / 4, 2);
	for (size_t i = pages / 4; i < pages / 2; i++)
		memory[i * PAGE_BYTES] = 1;
	/* The kernel takes the rest now, as reclaim would. */
	check(!madvise(memory, bytes, MADV_PAGEOUT), "MADV_PAGEOUT: %m");
	set_parameter("lazy", "0");
	vcpu_check(vcpu, GPA, pages / 4, 2, "used again by the guest");
	for (size_t i = pages / 4; i < pages / 2; i++)
		check(memory[i * PAGE_BYTES] == 1, "what the VMM wrote is gone");
	printf("lazy: %zu KiB hinted, half of it used again; after reclaim %zu KiB resident\n",
	       bytes / 1024, resident_kib(memory, bytes));
	check(resident_kib(memory + bytes / 2, bytes / 2) <= bytes / 1024 / 40,
	      "what was not used again was not taken");
	machine_close(&machine);
}
