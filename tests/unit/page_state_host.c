// SPDX-License-Identifier: GPL-2.0
/*
 * The host's moves while the guest moves the same frame: whatever the guest
 * changed between the host's load and its swap must survive (VOLATILE to
 * UNUSED, the temperature), and a frame that became STABLE must be left alone.
 * Every state x move of the host x one or two moves of the guest in between.
 */
#include <pagehint/page_state.h>

static void guest_acts(u8 *byte);
#define HOST_STEP(byte)	guest_acts(byte)
#include "host_model.h"
#include "test.h"

enum act { NOTHING, FREED, ALLOCATED, MADE_STABLE, MADE_VOLATILE, WARMED, NR_ACTS };

static const char *const act_names[] = {
	"nothing", "free", "alloc", "make stable", "make volatile", "set temperature",
};

static struct {
	enum act acts[2];
	unsigned int steps;
	u8 left;	/* the byte as the guest left it last */
	bool hangs;
} guest;

u8 pagehint_wait_not_busy(u8 *byte)
{
	guest.hangs = true;
	return *byte & (u8)~PAGEHINT_BUSY;
}

/* Not what would wait for the host, whose move stands still. */
static void guest_acts(u8 *byte)
{
	enum act act = guest.steps < 2 ? guest.acts[guest.steps] : NOTHING;
	bool busy = *byte & PAGEHINT_BUSY;

	guest.steps++;
	switch (act) {
	case FREED:
		pagehint_state_free(byte);
		break;
	case ALLOCATED:
		if (!busy)
			pagehint_state_alloc(byte);
		break;
	case MADE_STABLE:
		if (!busy && pagehint_state_make_stable(byte) == PAGEHINT_DISCARDED)
			pagehint_state_recovered(byte);
		break;
	case MADE_VOLATILE:
		pagehint_state_make_volatile(byte, 9);
		break;
	case WARMED:
		pagehint_state_set_temperature(byte, 12);
		break;
	default:
		break;
	}
	guest.left = *byte;
}

struct host_case {
	struct host_move (*make)(u8 *byte);
	__u8 (*function)(__u8 state);	/* of the contract */
	int (*may)(__u8 state);
};

static void try_one(const struct host_case *one, u8 before, enum act first, enum act second)
{
	struct host_move move;
	u8 byte = before, expected;

	memset(&guest, 0, sizeof(guest));
	guest.acts[0] = first;
	guest.acts[1] = second;
	guest.left = before;
	move = one->make(&byte);

	/* The same as if the host had moved after the guest, in one step. */
	expected = one->may(guest.left) ? one->function(guest.left) : guest.left;
	CHECK(byte == expected && move.state == expected,
	      "%#04x, guest: %s, %s, which left %#04x: expected %#04x, found %#04x",
	      before, act_names[first], act_names[second], guest.left, expected, byte);
	CHECK(move.changed == !!one->may(guest.left),
	      "%#04x, guest: %s, %s, which left %#04x: the host's move says %d", before,
	      act_names[first], act_names[second], guest.left, move.changed);
	CHECK(!guest.hangs, "%#04x: the guest waited", before);
}

static void try_all(const struct host_case *one)
{
	unsigned int before, tried = 0;
	enum act first, second;

	for (before = 0; before < 256; before++) {
		/* STABLE carries no temperature. */
		if (!(before & PAGEHINT_USAGE_MASK) && before > PAGEHINT_STATE_MASK)
			continue;
		for (first = 0; first < NR_ACTS; first++) {
			for (second = 0; second < NR_ACTS; second++) {
				/* A second CPU's make stable would spin on it. */
				if (before == PAGEHINT_RECOVERING &&
				    (first == MADE_STABLE || second == MADE_STABLE))
					continue;
				try_one(one, before, first, second);
				tried++;
			}
		}
	}
	test_note("%u interleavings", tried);
}

static void claim(void)
{
	try_all(&(struct host_case){ host_claim, pagehint_host_claim, pagehint_host_may_claim });
}

static void unclaim(void)
{
	try_all(&(struct host_case){ host_unclaim, pagehint_host_unclaim, pagehint_host_owns });
}

static void dropped(void)
{
	try_all(&(struct host_case){ host_dropped, pagehint_host_dropped, pagehint_host_owns });
}

static void recover(void)
{
	try_all(&(struct host_case){ host_recover, pagehint_host_recover, pagehint_host_owns });
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "claim", claim },
		{ "unclaim", unclaim },
		{ "dropped", dropped },
		{ "recover", recover },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
