// SPDX-License-Identifier: GPL-2.0
/*
 * The table of states, cell by cell: each state with each operation, access and
 * move of the host. The expectations are those of docs/qemu-essa.md, written down
 * here a second time and not taken from the device.
 */
#include "machine.h"

#define FIRST_FRAME 0x1000000ul
#define LAST_FRAME 0x1f00000ul

enum state { Sr, Sp, Sz, Ur, Uz, Vr, Vz, Pr, Pc, STATES };

static const struct {
	const char *name;
	uint8_t result;
} states[STATES] = {
	[Sr] = { "Sr", S | RESIDENT },
	[Sp] = { "Sp", S | PRESERVED },
	[Sz] = { "Sz", S | ZERO },
	[Ur] = { "Ur", U | RESIDENT },
	[Uz] = { "Uz", U | ZERO },
	[Vr] = { "Vr", V | RESIDENT },
	[Vz] = { "Vz", V | ZERO },
	[Pr] = { "Pr", P | RESIDENT },
	[Pc] = { "Pr, changed", P | RESIDENT },
};

static const char *const operation_names[OPERATIONS] = {
	"get", "set stable", "set unused", "set volatile", "set potentially volatile",
	"set stable resident", "set stable if",
};

static const enum state by_guest[OPERATIONS + 1][STATES] = {
	/*		    Sr  Sp  Sz  Ur  Uz  Vr  Vz  Pr  Pc */
	[GET]		 = { Sr, Sp, Sz, Ur, Uz, Vr, Vz, Pr, Pc },
	[SET_S]		 = { Sr, Sp, Sz, Sr, Sz, Sr, Sz, Sr, Sr },
	[SET_U]		 = { Ur, Uz, Uz, Ur, Uz, Ur, Uz, Ur, Ur },
	[SET_V]		 = { Vr, Vz, Vz, Vr, Vz, Vr, Vz, Vr, Vr },
	[SET_P]		 = { Pr, Pc, Vz, Pr, Vz, Pr, Vz, Pr, Pc },
	[SET_S_RESIDENT] = { Sr, Sr, Sr, Sr, Sr, Sr, Sr, Sr, Sr },
	[SET_S_IF]	 = { Sr, Sp, Sz, Sr, Sz, Sr, Vz, Sr, Sr },
	/* as KVM reads it */
	[OPERATIONS]	 = { Sr, Sp, Sz, Sr, Uz, Sr, Vz, Sr, Sr },
};

static const enum state by_host[STATES] = { Sp, Sp, Sz, Uz, Uz, Vz, Vz, Vz, Sp };

static const enum state by_access[ACCESSES][STATES] = {
	[LOAD]	= { Sr, Sr, Sr, Ur, Ur, Vr, Vz, Pr, Pc },
	[STORE]	= { Sr, Sr, Sr, Ur, Ur, Vr, Vz, Pc, Pc },
	[FETCH]	= { Sr, Sr, Sr, Ur, Ur, Vr, Vz, Pr, Pc },
};

static const char *const access_names[ACCESSES] = { "load", "store", "fetch" };

static uintptr_t next_frame = FIRST_FRAME;

/* Starts with an instruction, br %r14 */
static uint64_t first_word(uintptr_t frame)
{
	return 0x07fe000000000000ul | frame;
}

/* Each word tells where it is. */
void fill(uintptr_t frame)
{
	volatile uint64_t *word = (volatile uint64_t *)frame;
	unsigned int i;

	word[0] = first_word(frame);
	for (i = 1; i < FRAME_SIZE / 8; i++)
		word[i] = frame + 8 * i;
}

/* Does it hold what fill() left there, or zeros? Of a stable frame. */
bool holds(uintptr_t frame, bool pattern)
{
	volatile uint64_t *word = (volatile uint64_t *)frame;
	unsigned int i;

	if (word[0] != (pattern ? first_word(frame) : 0))
		return false;
	for (i = 1; i < FRAME_SIZE / 8; i++)
		if (word[i] != (pattern ? frame + 8 * i : 0))
			return false;
	return true;
}

/* A frame that no check has used, stable and filled */
uintptr_t new_frame(void)
{
	uintptr_t frame = next_frame;

	next_frame += FRAME_SIZE;
	if (next_frame > LAST_FRAME)
		say("fail: out of frames");
	fill(frame);
	return frame;
}

/* Gives all of them back */
void frames_reset(void)
{
	while (next_frame > FIRST_FRAME) {
		next_frame -= FRAME_SIZE;
		essa(next_frame, SET_S_RESIDENT);
	}
}

static bool frame_is(uintptr_t frame, enum state state)
{
	return essa(frame, GET) == states[state].result;
}

static uintptr_t prepare(enum state state)
{
	uintptr_t frame = new_frame(), where;
	struct trap result;

	switch (state) {
	case Sr:
		break;
	case Sp:
		ask("take-frame", frame);
		break;
	case Sz:
	case Uz:
		essa(frame, SET_U);
		ask("take-frame", frame);
		if (state == Sz)
			essa(frame, SET_S);
		break;
	case Ur:
		essa(frame, SET_U);
		break;
	case Vr:
	case Vz:
		essa(frame, SET_V);
		if (state == Vz)
			ask("take-frame", frame);
		break;
	default:
		essa(frame, SET_P);
		if (state == Pc)
			probe(STORE, frame, &result, &where);
		break;
	}
	check(frame_is(frame, state), "a frame in state %s: it is 0x%lx", states[state].name,
	      essa(frame, GET));
	return frame;
}

static bool is_zero(enum state state)
{
	return (states[state].result & HOST) == ZERO;
}

/*
 * Is the frame, which was in state OLD, in this one, and does it hold what was in it as
 * far as neither of them says that this is gone? It is stable afterwards.
 */
static void verify(uintptr_t frame, enum state old, enum state state, const char *what)
{
	bool whole = !is_zero(old) && !is_zero(state);
	const char *before = states[old].name;
	enum state taken;

	check(frame_is(frame, state), "%s, %s: state 0x%lx, not %s", before, what,
	      essa(frame, GET), states[state].name);
	if (state == Pr || state == Pc) {
		taken = by_host[state];
		ask("take-frame", frame);
		check(frame_is(frame, taken), "%s, %s, and the host takes it: state 0x%lx, not %s",
		      before, what, essa(frame, GET), states[taken].name);
		whole = whole && !is_zero(taken);
	}
	essa(frame, SET_S);
	check(holds(frame, whole), "%s, %s: content is not %s", before, what,
	      whole ? "whole" : "gone");
}

static void check_operation(enum state state, unsigned int operation, unsigned int row)
{
	uintptr_t frame = prepare(state);
	uint64_t old = essa(frame, operation);

	check(old == states[state].result, "%s, %s: result 0x%lx", states[state].name,
	      operation_names[operation], old);
	verify(frame, state, by_guest[row][state], operation_names[operation]);
}

static void check_access(enum state state, enum access access)
{
	uintptr_t frame = prepare(state), instruction;
	const char *name = states[state].name, *what = access_names[access];
	uint64_t value, code = 0;
	struct trap result;

	purge_tlb();
	value = probe(access, frame, &result, &instruction);
	if (state == Vz)
		code = PROGRAM_BLOCK_VALIDITY;
	else if (access == FETCH && is_zero(state))
		code = PROGRAM_OPERATION;	/* zeros are no instruction */
	check(result.code == code, "%s, %s: interruption 0x%lx", name, what, result.code);
	if (state == Vz) {
		check(result.identification == frame, "%s, %s: identification 0x%lx, not 0x%lx",
		      name, what, result.identification, (uint64_t)frame);
		check(result.address == instruction, "%s, %s: at 0x%lx, not 0x%lx", name, what,
		      result.address, (uint64_t)instruction);
	} else if (access == LOAD) {
		check(value == (is_zero(state) ? 0 : first_word(frame)), "%s, load: 0x%lx", name,
		      value);
	} else if (access == STORE && is_zero(state)) {
		check(((volatile uint64_t *)frame)[1] == frame + 8, "%s, store: not there", name);
		((volatile uint64_t *)frame)[1] = 0;
	}
	verify(frame, state, by_access[access][state], what);
}

static void check_host(enum state state)
{
	uintptr_t frame = prepare(state);

	ask("take-frame", frame);
	verify(frame, state, by_host[state], "the host takes it");
}

void check_cells(bool kvm_reading)
{
	enum state state;
	unsigned int i;

	if (kvm_reading) {
		ask_text("kvm-reading", "true");
		for (state = 0; state < STATES && !enough(); state++)
			check_operation(state, SET_S_IF, OPERATIONS);
		ask_text("kvm-reading", "false");
		return;
	}
	for (state = 0; state < STATES; state++) {
		for (i = 0; i < OPERATIONS && !enough(); i++)
			check_operation(state, i, i);
		for (i = 0; i < ACCESSES && !enough(); i++)
			check_access(state, i);
		if (!enough())
			check_host(state);
	}
}

/* Some of each state, for a reset to forget */
void leave_states(void)
{
	enum state state;

	for (state = 0; state < STATES; state++)
		prepare(state);
}
