// SPDX-License-Identifier: GPL-2.0
/*
 * Malformed calls, by the thousand: every argument of every call is chosen from
 * what is legal, nearly legal and absurd, from a fixed seed. A model of the
 * contract, written without a look at host/kvm, says what must be answered; the
 * contents of all memory are compared with it in the end.
 *
 * Around the guest's memory, in the VMM's address space, and in another VM, there
 * is memory that no call may touch.
 */
#include <pagehint.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests.h"

#define GPA		(256 * MIB)
#define FRAMES		512UL			/* writable, and as many read-only */
#define GFN		(GPA / PAGE_BYTES)
#define GFN_END		(1ULL << 40)
#define CANARY		(1 * MIB)

/* Where entries lie: some pages of low memory that hold nothing else */
#define VECTORS		(LOW_SPARE + 16 * PAGE_BYTES)
#define NR_VECTORS	4

struct model {
	struct vcpu *vcpu;
	struct pagehint_hc_entry *read_only;	/* a page of legal entries */
	uint64_t cookie;		/* 0: the host has forgotten */
	bool is_volatile[FRAMES];
	bool dropped[FRAMES];
	uint64_t random;
	uint64_t nr_calls;
	uint64_t nr_malformed;
};

struct call {
	uint64_t number, operation, gpa, count, cookie;
	struct pagehint_hc_entry entries[256];	/* as in memory, if @in_memory */
	bool in_memory;
};

static uint64_t draw(struct model *model)
{
	/* xorshift64* */
	model->random ^= model->random >> 12;
	model->random ^= model->random << 25;
	model->random ^= model->random >> 27;
	return model->random * 0x2545f4914f6cdd1dULL;
}

static uint64_t below(struct model *model, uint64_t n)
{
	return draw(model) % n;
}

static bool one_in(struct model *model, uint64_t n)
{
	return !below(model, n);
}

/* A number that a check may get wrong: near a power of two, or anything */
static uint64_t odd_number(struct model *model)
{
	uint64_t power = 1ULL << below(model, 64);

	switch (below(model, 5)) {
	case 0:
		return power;
	case 1:
		return power - 1;
	case 2:
		return power + below(model, 4096);
	case 3:
		return -below(model, 4096);
	default:
		return draw(model);
	}
}

static void draw_entry(struct model *model, struct pagehint_hc_entry *entry, bool make_stable)
{
	*entry = (struct pagehint_hc_entry){
		.gfn = GFN + below(model, FRAMES),
		.nr_frames = (uint32_t)(1 + below(model, 8)),
		.state = make_stable ? 0 : (uint8_t)(below(model, 2) ? 1 : 3),
		.result = (uint8_t)draw(model),
	};
	if (!make_stable && one_in(model, 8))
		entry->state = (uint8_t)(below(model, 16) << 4 | (below(model, 2) ? 3 : 0));
	if (!one_in(model, 10))
		return;
	/* Low memory is the guest's code: it would end itself. */
	switch (below(model, 7)) {
	case 0:
		entry->gfn = odd_number(model);
		if (entry->gfn < 2 * LOW_BYTES / PAGE_BYTES)
			entry->gfn = GFN + FRAMES - 1;
		break;
	case 1:
		entry->nr_frames = (uint32_t)odd_number(model);
		break;
	case 2:
		entry->state = (uint8_t)draw(model);
		break;
	case 3:
		entry->reserved = (uint16_t)(1 << below(model, 16));
		break;
	case 4:
		entry->gfn = GFN + FRAMES - 1 + below(model, 3);
		break;
	case 5:
		entry->nr_frames = 0;
		break;
	case 6:
		entry->gfn = GFN_END - below(model, 4);
		entry->nr_frames = (uint32_t)below(model, 6);
		break;
	}
}

static void draw_call(struct model *model, struct call *call)
{
	static const uint64_t places[] = {
		GPA + FRAMES * PAGE_BYTES,		/* read-only */
		GPA + 2 * FRAMES * PAGE_BYTES,		/* nothing */
		1ULL << 52, (1ULL << 52) - 16, -16ULL, -4096ULL, 0xffffffff00000000ULL,
	};
	uint64_t page = VECTORS + below(model, NR_VECTORS) * PAGE_BYTES;
	uint64_t first = one_in(model, 4) ? below(model, 256) : 0;

	memset(call, 0, sizeof(*call));
	call->number = PAGEHINT_HYPERCALL;
	call->operation = one_in(model, 40) ? PAGEHINT_HC_QUERY : 1 + below(model, 2);
	call->count = 1 + below(model, one_in(model, 8) ? 256 : 6);
	if (call->count > 256 - first)
		call->count = 256 - first;
	call->gpa = page + first * 16;
	call->cookie = model->cookie;
	call->in_memory = true;
	for (uint64_t i = 0; i < call->count; i++)
		draw_entry(model, &call->entries[i], call->operation == PAGEHINT_HC_MAKE_STABLE);
	if (one_in(model, 2)) {
		switch (below(model, 6)) {
		case 0:
			call->operation = odd_number(model);
			break;
		case 1:
			call->gpa = places[below(model, 7)];
			call->in_memory = false;
			memcpy(call->entries, model->read_only, PAGE_BYTES);
			break;
		case 2:
			call->gpa += 1 + below(model, 15);
			break;
		case 3:
			call->count = below(model, 2) ? odd_number(model) : 0;
			if (call->count > 0 && call->count <= 256)
				call->count = 257;
			break;
		case 4:
			call->cookie = below(model, 2) ? odd_number(model) : 0;
			break;
		case 5:
			/* across a page's end */
			call->gpa = page + PAGE_BYTES - 16;
			call->count = 2;
			break;
		}
	}
}

/* --- the model --------------------------------------------------------- */

static bool is_place(uint64_t gpa, bool writable)
{
	uint64_t end = GPA + (writable ? 1 : 2) * FRAMES * PAGE_BYTES;

	return gpa < LOW_BYTES || (gpa >= GPA && gpa < end);
}

static bool is_memory(uint64_t gfn, uint64_t nr)
{
	return nr <= FRAMES && gfn >= GFN && gfn + nr <= GFN + FRAMES;
}

static int64_t entry_error(const struct pagehint_hc_entry *entry, bool make_stable)
{
	uint8_t usage = entry->state & 0xf;

	if (!entry->nr_frames || entry->nr_frames > PAGEHINT_HC_MAX_FRAMES || entry->reserved ||
	    entry->gfn >= GFN_END || entry->gfn + entry->nr_frames > GFN_END)
		return -PAGEHINT_HC_EINVAL;
	if (make_stable)
		return entry->state ? -PAGEHINT_HC_EINVAL : 0;
	if (usage != PAGEHINT_STABLE && usage != PAGEHINT_UNUSED && usage != PAGEHINT_VOLATILE)
		return -PAGEHINT_HC_EINVAL;
	if (usage != PAGEHINT_STABLE && !is_memory(entry->gfn, entry->nr_frames))
		return -PAGEHINT_HC_EFAULT;
	return 0;
}

/* Returns how many frames of an entry were volatile, and what they are then. */
static uint64_t apply(struct model *model, const struct pagehint_hc_entry *entry)
{
	uint64_t kept = 0;

	for (uint64_t gfn = entry->gfn; gfn < entry->gfn + entry->nr_frames; gfn++) {
		uint64_t i = gfn - GFN;

		if (gfn < GFN || i >= FRAMES)
			continue;
		kept += model->is_volatile[i];
		model->is_volatile[i] = (entry->state & 0xf) == PAGEHINT_VOLATILE;
		model->dropped[i] |= (entry->state & 0xf) == PAGEHINT_UNUSED;
	}
	return kept;
}

static void forget(struct model *model)
{
	model->cookie = 0;
	memset(model->is_volatile, 0, sizeof(model->is_volatile));
}

static void check_result(struct model *model, const struct call *call, uint64_t i,
			 const struct pagehint_hc_entry *found)
{
	const struct pagehint_hc_entry *entry = &call->entries[i];
	uint64_t kept = apply(model, entry);
	uint8_t expected = kept == entry->nr_frames ? PAGEHINT_HC_RESULT_KEPT :
						      PAGEHINT_HC_RESULT_DISCARDED;

	check(found[i].result == expected,
	      "call %llu, entry %llu of %llu (gfn %#llx, %u frames): expected the result %u, found %u",
	      (unsigned long long)model->nr_calls, (unsigned long long)i,
	      (unsigned long long)call->count, (unsigned long long)entry->gfn,
	      entry->nr_frames, expected, found[i].result);
}

/* What SET_STATE and MAKE_STABLE must be answered, and what is true afterwards */
static int64_t expect_vector(struct model *model, const struct call *call,
			     const struct pagehint_hc_entry *found)
{
	bool make_stable = call->operation == PAGEHINT_HC_MAKE_STABLE;
	uint64_t i, frames = 0;
	int64_t err = 0;

	if (!call->count || call->count > 256 || call->gpa % 16 || call->gpa >= 1ULL << 52 ||
	    call->gpa % PAGE_BYTES + call->count * 16 > PAGE_BYTES) {
		forget(model);
		return -PAGEHINT_HC_EINVAL;
	}
	if (!model->cookie || call->cookie != model->cookie)
		return -PAGEHINT_HC_ESTALE;
	if (!is_place(call->gpa, false)) {
		forget(model);
		return -PAGEHINT_HC_EFAULT;
	}
	for (i = 0; i < call->count && frames < PAGEHINT_HC_MAX_FRAMES; i++) {
		err = entry_error(&call->entries[i], make_stable);
		if (err)
			break;
		frames += call->entries[i].nr_frames;
		/* Stable all the same, but the guest hears of no result. */
		if (make_stable && !is_place(call->gpa, true)) {
			forget(model);
			return -PAGEHINT_HC_EFAULT;
		}
		if (make_stable)
			check_result(model, call, i, found);
		else
			apply(model, &call->entries[i]);
	}
	if (i)
		return (int64_t)i;
	forget(model);
	return err;
}

/* --- one call after the other ------------------------------------------- */

static void do_call(struct model *model, struct call *call)
{
	struct pagehint_hc_entry *entries = NULL;
	struct pagehint_hc_query *answer;
	int64_t found, expected;

	if (call->in_memory && call->gpa < LOW_BYTES)
		entries = (void *)(model->vcpu->machine->low + call->gpa / 16 * 16);
	/* Where a vector would be too long, only what the page has */
	if (entries && call->count <= 256 &&
	    call->gpa % PAGE_BYTES + call->count * 16 <= PAGE_BYTES)
		memcpy(entries, call->entries, call->count * 16);
	if (call->operation == PAGEHINT_HC_QUERY && entries)
		memset(entries, 0, sizeof(*answer) < PAGE_BYTES - call->gpa % PAGE_BYTES ?
		       sizeof(*answer) : PAGE_BYTES - call->gpa % PAGE_BYTES);
	found = call_raw(model->vcpu, call->operation, call->gpa, call->count, call->cookie);
	model->nr_calls++;

	if (call->operation > PAGEHINT_HC_MAKE_STABLE) {
		expected = -PAGEHINT_HC_ENOSYS;
	} else if (call->operation == PAGEHINT_HC_QUERY) {
		expected = call->gpa % 8 || call->gpa >= 1ULL << 52 ||
			   call->gpa % PAGE_BYTES + sizeof(*answer) > PAGE_BYTES ?
				-PAGEHINT_HC_EINVAL : 0;
		if (!expected) {
			/* The host has begun anew before it can say so. */
			forget(model);
			expected = is_place(call->gpa, true) ? 0 : -PAGEHINT_HC_EFAULT;
		}
		answer = (void *)(model->vcpu->machine->low + call->gpa);
		if (!expected && !found && call->gpa < LOW_BYTES)
			model->cookie = answer->cookie;
	} else {
		expected = expect_vector(model, call, entries);
	}
	model->nr_malformed += expected < 0 ||
		(call->operation && call->operation <= 2 && (uint64_t)expected < call->count);
	check(found == expected,
	      "call %llu: operation %#llx, address %#llx, count %#llx, cookie %s: expected %lld, found %lld",
	      (unsigned long long)model->nr_calls, (unsigned long long)call->operation,
	      (unsigned long long)call->gpa, (unsigned long long)call->count,
	      call->cookie == model->cookie ? "right" : "wrong", (long long)expected,
	      (long long)found);
}

/* As the VMM sees it; in the end as the guest does, too */
static void check_contents(struct model *model, const uint8_t *memory)
{
	for (uint64_t i = 0; i < FRAMES; i++) {
		const uint64_t *word = (const void *)(memory + i * PAGE_BYTES);

		for (uint64_t j = 0; j < PAGE_BYTES / 8; j++) {
			uint64_t address = GPA + i * PAGE_BYTES + j * 8;
			uint64_t expected = model->dropped[i] ? 0 : pattern(address, 1);

			check(word[j] == expected,
			      "%s frame %llu: expected %#llx at %#llx, found %#llx",
			      model->dropped[i] ? "unused" : "other", (unsigned long long)i,
			      (unsigned long long)expected, (unsigned long long)address,
			      (unsigned long long)word[j]);
		}
	}
}

static void check_contents_in_guest(struct model *model)
{
	for (uint64_t i = 0; i < FRAMES; i++) {
		if (model->dropped[i])
			vcpu_check_zero(model->vcpu, GPA + i * PAGE_BYTES, 1, "unused frame");
		else
			vcpu_check(model->vcpu, GPA + i * PAGE_BYTES, 1, 1, "other frame");
	}
}

static void fill_canary(uint8_t *memory, size_t bytes)
{
	for (size_t i = 0; i < bytes; i += 8)
		*(uint64_t *)(memory + i) = pattern(i, 99);
}

static void check_canary(const uint8_t *memory, size_t bytes, const char *what)
{
	for (size_t i = 0; i < bytes; i += 8)
		check(*(const uint64_t *)(memory + i) == pattern(i, 99),
		      "%s was touched at %#zx", what, i);
}

/* [canary][writable][canary][read-only][canary], all one mapping */
void test_fuzz(unsigned int scale)
{
	const size_t part = FRAMES * PAGE_BYTES;
	uint8_t *all = anonymous(3 * CANARY + 2 * part), *memory = all + CANARY;
	uint8_t *read_only = memory + part + CANARY, *other = anonymous(part);
	static struct model model;
	static struct call call;
	static struct pagehint_hc_entry entries[256];
	struct machine machine, second;
	uint64_t second_cookie, wanted = 10000 * scale;

	machine_open(&machine, 1);
	machine_open(&second, 1);
	machine_slot(&machine, 1, GPA, memory, part, 0);
	machine_slot(&machine, 2, GPA + part, read_only, part, KVM_MEM_READONLY);
	machine_slot(&second, 1, GPA, other, part, 0);
	/* The other VM has volatile pages, which must be kept. */
	second_cookie = call_cookie(&second.vcpus[0]);
	vcpu_fill(&second.vcpus[0], GPA, FRAMES, 7);
	call_volatile(&second.vcpus[0], second_cookie, GPA, FRAMES);
	model.vcpu = &machine.vcpus[0];
	model.random = 20061107;
	model.cookie = call_cookie(model.vcpu);
	vcpu_fill(model.vcpu, GPA, FRAMES, 1);
	fill_canary(all, CANARY);
	fill_canary(memory + part, CANARY);
	fill_canary(read_only + PAGE_BYTES, part - PAGE_BYTES);
	fill_canary(read_only + part, CANARY);
	for (unsigned int i = 0; i < 256; i++)
		entries[i] = (struct pagehint_hc_entry){ .gfn = GFN + i, .nr_frames = 1 };
	memcpy(read_only, entries, PAGE_BYTES);
	model.read_only = entries;

	while (model.nr_malformed < wanted) {
		draw_call(&model, &call);
		do_call(&model, &call);
		if (!model.cookie)
			model.cookie = call_cookie(model.vcpu);
		/* What was dropped is used again. */
		if (model.nr_calls % 1024)
			continue;
		check_contents(&model, memory);
		model.cookie = call_cookie(model.vcpu);
		memset(model.is_volatile, 0, sizeof(model.is_volatile));
		memset(model.dropped, 0, sizeof(model.dropped));
		vcpu_fill(model.vcpu, GPA, FRAMES, 1);
	}
	check_contents(&model, memory);
	check_contents_in_guest(&model);
	check_canary(all, CANARY, "memory below the guest's");
	check_canary(memory + part, CANARY, "memory above the guest's");
	check(!memcmp(read_only, entries, PAGE_BYTES), "read-only memory was written to");
	check_canary(read_only + PAGE_BYTES, part - PAGE_BYTES, "read-only memory");
	check_canary(read_only + part, CANARY, "memory above the read-only");
	call_expect(&second.vcpus[0], second_cookie, GPA, FRAMES, PAGEHINT_HC_RESULT_KEPT);
	vcpu_check(&second.vcpus[0], GPA, FRAMES, 7, "the other VM");
	printf("%llu malformed calls survived, of %llu, all answered as the contract says; ",
	       (unsigned long long)model.nr_malformed, (unsigned long long)model.nr_calls);
	printf("no foreign page touched\n");
	machine_close(&second);
	machine_close(&machine);
}
