// SPDX-License-Identifier: GPL-2.0
/*
 * What is no cell of the table: exceptions, addresses, two CPUs, translation,
 * device I/O, hosts that take many frames or any.
 */
#include "machine.h"

#define MEMORY 0x4000000ul	/* -m 64M */
#define POOL 64

/* Codes that are none */
static const unsigned int no_operation[] = { 7, 8, 15 };

/* What kvm-unit-tests' s390x/cmm.c wants, and some more of the same */
static void check_exceptions(void)
{
	uintptr_t frame = new_frame();
	struct trap result;
	unsigned int i;

	for (i = 0; i < sizeof(no_operation) / sizeof(no_operation[0]); i++) {
		essa_probe(frame, no_operation[i], false, &result);
		check(result.code == PROGRAM_SPECIFICATION, "operation %lu: interruption 0x%lx",
		      (uint64_t)no_operation[i], result.code);
	}
	for (i = 0; i < OPERATIONS; i++) {
		essa_probe(MEMORY, i, false, &result);
		check(result.code == PROGRAM_ADDRESSING, "no such frame: interruption 0x%lx",
		      result.code);
		essa_probe(frame, i, true, &result);
		check(result.code == PROGRAM_PRIVILEGED, "problem state: interruption 0x%lx",
		      result.code);
	}
	essa_probe(frame, 8, true, &result);
	check(result.code == PROGRAM_PRIVILEGED, "problem state, no operation: interruption 0x%lx",
	      result.code);
	check(essa(frame, GET) == (S | RESIDENT) && holds(frame, true),
	      "an exception changed the frame");
	check(essa(MEMORY - 1, GET) == (S | RESIDENT), "the last frame");
}

static void check_addresses(void)
{
	uintptr_t before = new_frame(), frame = new_frame(), after = new_frame();

	essa(frame + 0xabc, SET_V);
	check(essa(frame, GET) == (V | RESIDENT), "the last bits of an address count");
	check(essa(frame + 0xfff, GET) == (V | RESIDENT), "the last bits of an address count");
	ask("take-frame", frame + 0x123);
	check(essa(frame, GET) == (V | ZERO), "the last bits count when the host takes a frame");
	check(!essa(before, GET) && !essa(after, GET), "another frame's state changed");
	check(holds(before, true) && holds(after, true), "another frame's content is gone");
}

/* What another CPU has in its TLB must not get by a change of the state. */
static void check_second_cpu(void)
{
	uintptr_t frame = new_frame();
	struct trap result;

	second_access(STORE, frame, &result);
	essa(frame, SET_P);
	second_access(STORE, frame, &result);
	ask("take-frame", frame);
	check(essa(frame, SET_S) == (S | PRESERVED), "a store of another CPU was not seen");
	check(holds(frame, true), "a store of another CPU is lost");

	frame = new_frame();
	essa(frame, SET_P);
	second_access(LOAD, frame, &result);
	second_access(STORE, frame, &result);
	ask("take-frame", frame);
	check(essa(frame, SET_S) == (S | PRESERVED), "a store after a load was not seen");

	frame = new_frame();
	essa(frame, SET_V);
	second_access(LOAD, frame, &result);
	check(!result.code, "a load from a resident frame: interruption 0x%lx", result.code);
	ask("take-frame", frame);
	second_access(LOAD, frame, &result);
	check(result.code == PROGRAM_BLOCK_VALIDITY && result.identification == frame,
	      "another CPU loads from a discarded frame: interruption 0x%lx", result.code);

	frame = new_frame();
	second_access(LOAD, frame, &result);
	ask("take-frame", frame);
	check(essa(frame, GET) == (S | PRESERVED), "the host takes a stable frame");
	second_access(LOAD, frame, &result);
	check(essa(frame, GET) == (S | RESIDENT), "a load by another CPU was not seen");
}

/* The address that is told is absolute, whatever the CPU's is. */
static void check_translation(void)
{
	uintptr_t good = new_frame(), frame = new_frame(), where;
	enum access access;
	struct trap result;

	essa(frame, SET_V);
	ask("take-frame", frame);
	dat_on();
	for (access = 0; access < ACCESSES; access++) {
		probe(access, dat_alias(frame) + 8, &result, &where);
		check(result.code == PROGRAM_BLOCK_VALIDITY, "translated: interruption 0x%lx",
		      result.code);
		check(result.identification == frame, "translated: identification 0x%lx, not 0x%lx",
		      result.identification, (uint64_t)frame);
	}
	dat_off();

	/* Half of the operand is in the good frame: nothing is stored. */
	((volatile uint64_t *)good)[FRAME_SIZE / 8 - 1] = 0x1234;
	probe_move(frame - 8, good, &result);
	check(result.code == PROGRAM_BLOCK_VALIDITY && result.identification == frame,
	      "a store over two frames: interruption 0x%lx", result.code);
	check(((volatile uint64_t *)good)[FRAME_SIZE / 8 - 1] == 0x1234,
	      "a nullified instruction stored");
	probe_move(good, frame - 8, &result);
	check(result.code == PROGRAM_BLOCK_VALIDITY, "a load over two frames: interruption 0x%lx",
	      result.code);
}

/*
 * Each line is read once and written once by the device. Frame 0 is mapped and unmapped
 * when a bell interrupts, as what a disk transfers is.
 */
static void check_device(void)
{
	uintptr_t frame = new_frame(), next = new_frame();
	unsigned int operation;

	for (operation = SET_U; operation <= SET_P; operation++) {
		essa(frame, operation);
		check(send_from(frame, "from a frame that is not stable"), "no line");
	}
	essa(0, SET_U);
	ask("discard-unused", 0);
	check(essa(0, SET_S) == (U | RESIDENT), "the lowcore was not unused");
	if (counted()) {
		expect("io-unused", 4);
		expect("io-volatile", 4);
	}
	ask("take-frame", frame);	/* written to while P */
	check(essa(frame, SET_S) == (S | PRESERVED), "a device's store was not seen");

	/* An SCCB over two frames is refused, but read and written before that. */
	essa(next, SET_V);
	ask("take-frame", next);
	send_over(next - 16, 32);
	if (counted())
		expect("io-discarded", 2);
	essa(next, SET_S);
	ask("take-frame", frame);
	essa(next, SET_S_RESIDENT);
	ask("take-frame", next);
	send_over(next - 16, 32);
	check(essa(next, GET) == (S | RESIDENT), "device I/O made a stable frame 0x%lx",
	      essa(next, GET));
}

static unsigned int count_in(const uintptr_t *frames, uint8_t state)
{
	unsigned int i, count = 0;

	for (i = 0; i < POOL; i++)
		count += essa(frames[i], GET) == state;
	return count;
}

/* As many as were asked for, of the kind that was asked for */
static void check_many(void)
{
	uintptr_t unused[POOL], used[POOL];
	unsigned int i;

	for (i = 0; i < POOL; i++) {
		unused[i] = new_frame();
		used[i] = new_frame();
		essa(unused[i], SET_U);
		essa(used[i], SET_V);
	}
	ask("discard-unused", 40);
	check(count_in(unused, U | ZERO) == 40, "40 unused frames: %lu",
	      (uint64_t)count_in(unused, U | ZERO));
	check(count_in(used, V | ZERO) == 0, "unused frames: volatile ones are gone");
	ask("discard-volatile", 1);
	check(count_in(used, V | ZERO) == 1, "one volatile frame: %lu",
	      (uint64_t)count_in(used, V | ZERO));
	ask("discard-volatile", 1000000);
	ask("discard-unused", 1000000);
	check(count_in(unused, U | ZERO) == POOL && count_in(used, V | ZERO) == POOL,
	      "all of them: %lu, %lu", (uint64_t)count_in(unused, U | ZERO),
	      (uint64_t)count_in(used, V | ZERO));
	for (i = 0; i < POOL; i++) {
		essa(unused[i], SET_S);
		essa(used[i], SET_S);
		check(holds(unused[i], false) && holds(used[i], false), "frame %lu holds something",
		      (uint64_t)i);
	}
	ask("preserve", 1000000);
	for (i = 0; i < POOL; i++)
		check(holds(used[i], false), "preserved frame %lu", (uint64_t)i);
}

/* A host that takes volatile frames all the time: whole, or known to be gone */
static void check_random(void)
{
	uintptr_t frames[POOL];
	unsigned int i, round, wrong = 0, old;
	unsigned int kept = 0, gone = 0;

	for (i = 0; i < POOL; i++)
		frames[i] = new_frame();
	ask("random-volatile", 3000);
	for (round = 0; round < 100 || !kept || !gone; round++) {
		for (i = 0; i < POOL; i++)
			essa(frames[i], SET_V);
		for (i = 0; i < POOL; i++) {
			old = essa(frames[i], SET_S_IF);
			if (old == (V | ZERO)) {
				gone++;
				essa(frames[i], SET_S);
				wrong += !holds(frames[i], false);
				fill(frames[i]);
			} else {
				kept++;
				wrong += old != (V | RESIDENT) || !holds(frames[i], true);
			}
		}
		if (round == 2000)
			break;
	}
	ask("random-volatile", 0);
	check(!wrong && kept && gone, "a host at random: %lu kept, %lu gone, %lu wrong",
	      (uint64_t)kept, (uint64_t)gone, (uint64_t)wrong);
	say("random: %lu kept, %lu gone, %lu wrong", (uint64_t)kept, (uint64_t)gone,
	    (uint64_t)wrong);
}

void check_rules(void)
{
	static void (*const rules[])(void) = {
		check_exceptions, check_addresses, check_second_cpu, check_translation,
		check_device, check_many, check_random,
	};
	unsigned int i;

	for (i = 0; i < sizeof(rules) / sizeof(rules[0]) && !enough(); i++)
		rules[i]();
}

void check_after_reset(void)
{
	uintptr_t frame;
	uint64_t other = 0;

	for (frame = 0; frame < MEMORY; frame += FRAME_SIZE)
		other += essa(frame, GET) != (S | RESIDENT);
	check(!other, "after a reset %lu frames are not stable and resident", other);
}
