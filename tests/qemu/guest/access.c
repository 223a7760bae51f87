// SPDX-License-Identifier: GPL-2.0
/*
 * ESSA, and accesses that may end in a program interruption: it is recorded, and
 * execution goes on behind the access (program_entry in entry.S).
 */
#include "machine.h"

#define PROBLEM_STATE 0x0001000000000000ul
#define DAT_ON 0x04

/* One segment is a megabyte: 256 pages. The alias of all that follows it in memory. */
#define SEGMENT_SHIFT 20
#define SEGMENTS 32
#define ALIAS 1024	/* segments */

extern struct trap trap;
extern uint64_t supervisor_mask;

uint64_t essa_count[OPERATIONS];
uint64_t trap_count;

static uint64_t segment_table[2048] __attribute__((aligned(FRAME_SIZE)));
static uint64_t page_tables[SEGMENTS][256] __attribute__((aligned(FRAME_SIZE)));

/* The operation is a part of the instruction. */
#define ESSA(number, old, address) \
	__asm__ volatile("	larl	%%r1,1f\n" \
			 "	stg	%%r1,24(%[trap])\n" \
			 "	.insn	rrf,0xb9ab0000,%[r1],%[r2]," #number ",0\n" \
			 "1:\n" \
			 : [r1] "+d"(old) : [r2] "a"(address), [trap] "a"(&trap) \
			 : "r1", "cc", "memory")

static uint64_t execute_essa(uintptr_t address, unsigned int operation)
{
	uint64_t old = 0x5555;

	switch (operation) {
	case 0:
		ESSA(0, old, address);
		break;
	case 1:
		ESSA(1, old, address);
		break;
	case 2:
		ESSA(2, old, address);
		break;
	case 3:
		ESSA(3, old, address);
		break;
	case 4:
		ESSA(4, old, address);
		break;
	case 5:
		ESSA(5, old, address);
		break;
	case 6:
		ESSA(6, old, address);
		break;
	case 7:
		ESSA(7, old, address);
		break;
	case 8:
		ESSA(8, old, address);
		break;
	case 15:
		ESSA(15, old, address);
		break;
	}
	return old;
}

static void begin(void)
{
	trap.code = 0;
	__sync_synchronize();
}

static void end(struct trap *result)
{
	__sync_synchronize();
	trap.resume = 0;
	if (trap.code == PROGRAM_BLOCK_VALIDITY)
		trap_count++;
	*result = trap;
}

static void enter_problem_state(void)
{
	uint64_t psw[2] __attribute__((aligned(16)));

	psw[0] = supervisor_mask | PROBLEM_STATE;
	__asm__ volatile("	larl	%%r1,0f\n"
		"	stg	%%r1,8(%[psw])\n"
		"	lpswe	0(%[psw])\n"
		"0:\n"
		: : [psw] "a"(psw) : "r1", "cc", "memory");
}

uint64_t essa_probe(uintptr_t address, unsigned int operation, bool problem_state,
		    struct trap *result)
{
	uint64_t old;

	begin();
	if (problem_state)
		enter_problem_state();
	/* The interruption's handler goes back in the supervisor state. */
	old = execute_essa(address, operation);
	end(result);
	if (!result->code)
		essa_count[operation]++;
	return old;
}

uint64_t essa(uintptr_t address, unsigned int operation)
{
	struct trap result;
	uint64_t old = essa_probe(address, operation, false, &result);

	if (result.code)
		say("fail: ESSA %lu of 0x%lx: program interruption 0x%lx",
		    (uint64_t)operation, (uint64_t)address, result.code);
	return old;
}

uint64_t probe(enum access access, uintptr_t address, struct trap *result, uintptr_t *instruction)
{
	uint64_t value = 0, where;

	begin();
	if (access == FETCH) {
		/* Whatever is there returns at once (fill() in cells.c). */
		__asm__ volatile("	larl	%%r1,1f\n"
			"	stg	%%r1,24(%[trap])\n"
			"	basr	%%r14,%[address]\n"
			"1:\n"
			: : [address] "a"(address), [trap] "a"(&trap)
			: "r1", "r14", "cc", "memory");
		where = address;
	} else if (access == LOAD) {
		__asm__ volatile("	larl	%%r1,1f\n"
			"	stg	%%r1,24(%[trap])\n"
			"0:	lg	%[value],0(%[address])\n"
			"1:	larl	%[where],0b\n"
			: [value] "+d"(value), [where] "=&d"(where)
			: [address] "a"(address), [trap] "a"(&trap)
			: "r1", "cc", "memory");
	} else {
		/* What is there already, so that contents stay comparable */
		__asm__ volatile("	larl	%%r1,1f\n"
			"	stg	%%r1,24(%[trap])\n"
			"0:	stg	%[value],8(%[address])\n"
			"1:	larl	%[where],0b\n"
			: [where] "=&d"(where)
			: [value] "d"((uint64_t)address + 8), [address] "a"(address),
			  [trap] "a"(&trap)
			: "r1", "cc", "memory");
	}
	end(result);
	*instruction = where;
	return value;
}

/* One instruction that may touch two frames at each of its operands */
void probe_move(uintptr_t to, uintptr_t from, struct trap *result)
{
	begin();
	__asm__ volatile("	larl	%%r1,1f\n"
		"	stg	%%r1,24(%[trap])\n"
		"	mvc	0(16,%[to]),0(%[from])\n"
		"1:\n"
		: : [to] "a"(to), [from] "a"(from), [trap] "a"(&trap)
		: "r1", "cc", "memory");
	end(result);
}

/* The next access is seen, wherever it goes. */
void purge_tlb(void)
{
	__asm__ volatile("ptlb" : : : "memory");
}

void dat_init(void)
{
	uint64_t asce = (uintptr_t)segment_table | 3;	/* 2048 entries */
	unsigned int segment, page;

	for (segment = 0; segment < 2048; segment++)
		segment_table[segment] = 0x20;		/* invalid */
	for (segment = 0; segment < SEGMENTS; segment++) {
		for (page = 0; page < 256; page++)
			page_tables[segment][page] =
				((uint64_t)segment << SEGMENT_SHIFT) + page * FRAME_SIZE;
		segment_table[segment] = (uintptr_t)page_tables[segment];
		segment_table[segment + ALIAS] = (uintptr_t)page_tables[segment];
	}
	__asm__ volatile("lctlg 1,1,%0" : : "Q"(asce) : "memory");
}

uintptr_t dat_alias(uintptr_t address)
{
	return address + ((uintptr_t)ALIAS << SEGMENT_SHIFT);
}

void dat_on(void)
{
	uint8_t old;

	supervisor_mask |= (uint64_t)DAT_ON << 56;
	__asm__ volatile("stosm %0,4" : "=Q"(old) : : "memory");
}

void dat_off(void)
{
	uint8_t old;

	__asm__ volatile("stnsm %0,0xfb" : "=Q"(old) : : "memory");
	supervisor_mask &= ~((uint64_t)DAT_ON << 56);
}
