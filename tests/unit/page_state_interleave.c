// SPDX-License-Identifier: GPL-2.0
/*
 * Every interleaving of one move of a guest's CPU with the host, with the other
 * CPUs that may act on the frame at that time, and with crashes of the host,
 * up to a number of such moves: a model checker for one byte.
 *
 * page_state.c is built in here with its accesses to memory replaced: before
 * each of them the world around may move. All choices are tried, depth first,
 * by running the move again and again. Memory is sequentially consistent here;
 * ordering is the concern of page_state_threads.c under TSan.
 */
#include <setjmp.h>

#include <pagehint/platform.h>

static void world_moves(void);
static void world_recovers(void);

#undef READ_ONCE
#undef smp_load_acquire
#undef smp_store_release
#undef pagehint_cmpxchg
#undef cpu_relax
#define READ_ONCE(x)							\
	({ world_moves(); __atomic_load_n(&(x), __ATOMIC_SEQ_CST); })
#define smp_load_acquire(p) /* acquires: seq_cst */			\
	({ world_moves(); __atomic_load_n(p, __ATOMIC_SEQ_CST); })
#define smp_store_release(p, v) /* releases: seq_cst */			\
	({ world_moves(); __atomic_store_n(p, v, __ATOMIC_SEQ_CST); })
#define cpu_relax()	world_recovers()
#define pagehint_cmpxchg(ptr, old, new)					\
({									\
	__typeof__(ptr) __ptr = (ptr);					\
	__typeof__(*__ptr) __old = (old);				\
									\
	world_moves();							\
	__atomic_compare_exchange_n(__ptr, &__old, new, 0,		\
				    __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);\
	__old;								\
})

#include "../../module/page_state.c"

#include "host_model.h"
#include "test.h"

#define U	PAGEHINT_UNUSED
#define V	PAGEHINT_VOLATILE
#define ABSENT	PAGEHINT_ABSENT
#define BUSY	PAGEHINT_BUSY
#define WARM	0x70	/* some temperature */

#define MAX_DEPTH	64
#define MAX_STEPS	1000	/* of one run: more is an endless loop */

enum op { FREE, ALLOC, MAKE_VOLATILE, MAKE_STABLE, KEEP, SET_TEMPERATURE };

static const char *const op_names[] = {
	"free", "alloc", "make volatile", "make stable", "set temperature",
};

/* The world, and what is true in it whatever the byte says. */
static struct {
	u8 table[24] __attribute__((aligned(8)));
	u8 *byte;		/* the frame that everything is about */
	enum op op;
	u8 before;
	bool claimed;		/* the host believes that it may drop */
	bool dropped;		/* it did, since its claim */
	bool gone;		/* the content is not what it was at the start */
	bool other_recovers;	/* another CPU owns RECOVERING */
	u8 low;			/* state that the last mover left, without G */
	unsigned int budget;	/* moves left */
	unsigned int steps;
} world;

/* The choices of this run: replayed up to @depth, then the first of each. */
static struct {
	unsigned int pick[MAX_DEPTH], of[MAX_DEPTH];
	unsigned int depth, length;
	unsigned long runs;	/* so far, of this move and state */
} path;

static jmp_buf give_up;

static unsigned int choose(unsigned int of)
{
	if (path.depth == MAX_DEPTH) {
		FAIL("more choices than the test has room for");
		longjmp(give_up, 1);
	}
	if (path.depth == path.length) {
		path.pick[path.length] = 0;
		path.of[path.length++] = of;
	}
	return path.pick[path.depth++];
}

static bool next_path(void)
{
	while (path.length) {
		if (++path.pick[path.length - 1] < path.of[path.length - 1])
			return true;
		path.length--;
	}
	return false;
}

static void broken(const char *what)
{
	FAIL("%s of %#04x: %s (byte %#04x, claimed %d, dropped %d)",
	     op_names[world.op], world.before, what, *world.byte,
	     world.claimed, world.dropped);
	longjmp(give_up, 1);
}

/* What holds at every moment. */
static void check_world(void)
{
	if (world.claimed && !pagehint_host_owns(*world.byte))
		broken("the host's claim was lost: it drops a frame in use");
	if (!world.claimed && pagehint_host_owns(*world.byte))
		broken("BUSY without a host that is dropping");
	if (++world.steps > MAX_STEPS)
		broken("endless loop");
}

enum move {
	CLAIM, DROP, DROPPED, UNCLAIM, CRASH_AND_RECOVER, WARM_UP,
	OTHER_STABLE, OTHER_RECOVERED, OTHER_ALLOC, OTHER_FREE, NR_MOVES
};

/* May the world make this move now? */
static bool possible(enum move move)
{
	u8 usage = *world.byte & PAGEHINT_USAGE_MASK;

	switch (move) {
	case CLAIM:
		return !world.claimed && pagehint_host_may_claim(*world.byte);
	case DROP:
	case UNCLAIM:
		return world.claimed && !world.dropped;
	case DROPPED:
		return world.claimed && world.dropped;
	case CRASH_AND_RECOVER:
		return world.claimed;
	case WARM_UP:
		return usage != PAGEHINT_STABLE && *world.byte < WARM;
	case OTHER_STABLE:
		return world.op == MAKE_STABLE && usage == V && !world.claimed;
	case OTHER_RECOVERED:
		return world.other_recovers;
	case OTHER_ALLOC:
		return world.op == SET_TEMPERATURE && usage == U && !world.claimed;
	case OTHER_FREE:
		return world.op == SET_TEMPERATURE && usage != U &&
		       !world.other_recovers;
	default:
		return false;
	}
}

static void make(enum move move)
{
	u8 old = *world.byte;

	switch (move) {
	case CLAIM:
		host_claim(world.byte);
		world.claimed = true;
		world.dropped = false;
		break;
	case DROP:
		world.dropped = true;
		world.gone = true;
		break;
	case DROPPED:
		host_dropped(world.byte);
		world.claimed = false;
		break;
	case UNCLAIM:
		host_unclaim(world.byte);
		world.claimed = false;
		break;
	case CRASH_AND_RECOVER:
		host_recover(world.byte);
		world.claimed = false;
		break;
	case WARM_UP:
		*world.byte = (old & PAGEHINT_STATE_MASK) | WARM;
		break;
	case OTHER_STABLE:
		if (old & ABSENT) {
			*world.byte = PAGEHINT_RECOVERING;
			world.other_recovers = true;
		} else {
			if (world.gone)
				broken("another CPU takes lost content for whole");
			*world.byte = PAGEHINT_STABLE;
		}
		break;
	case OTHER_RECOVERED:
		*world.byte = PAGEHINT_STABLE;
		world.other_recovers = false;
		world.gone = false;
		break;
	case OTHER_ALLOC:
		*world.byte = PAGEHINT_STABLE;
		break;
	case OTHER_FREE:
		*world.byte = U | (pagehint_host_owns(old) ? BUSY : 0);
		break;
	default:
		break;
	}
	world.low = *world.byte & PAGEHINT_STATE_MASK;
	world.budget -= !!world.budget;
	check_world();
}

/* One of the moves among @allowed (a mask), or none unless @forced. */
static bool make_one_of(unsigned int allowed, bool forced)
{
	enum move moves[NR_MOVES];
	unsigned int nr = 0, pick;
	enum move move;

	for (move = 0; move < NR_MOVES; move++) {
		if (allowed & 1u << move && possible(move))
			moves[nr++] = move;
	}
	if (!nr)
		return false;
	pick = choose(nr + !forced);
	if (pick == nr)
		return false;
	make(moves[pick]);
	return true;
}

/* Before every access: any moves, as many as the budget has. */
static void world_moves(void)
{
	check_world();
	while (world.budget && make_one_of(~0u, false))
		;
}

/* The guest spins on RECOVERING: its owner must come to an end. */
static void world_recovers(void)
{
	if (!make_one_of(1u << OTHER_RECOVERED, true))
		broken("spins on RECOVERING, which nobody will end");
}

/* The guest spins on BUSY: the host must come to an end. */
u8 pagehint_wait_not_busy(u8 *byte)
{
	const unsigned int end = 1u << DROP | 1u << DROPPED | 1u << UNCLAIM |
				 1u << CRASH_AND_RECOVER;

	if (byte != world.byte || !(*byte & BUSY))
		broken("waits for a frame that is not BUSY");
	while (*byte & BUSY) {
		if (!make_one_of(end, true))
			broken("waits for BUSY, which nobody will end");
	}
	return *byte;
}

/* Of a range, the host may have taken the frame again before the move ended. */
static void check_free(bool was_stable, bool exact)
{
	u8 expected = U | (world.claimed ? BUSY : 0);
	u8 mask = exact ? 0xff : PAGEHINT_USAGE_MASK;

	if ((*world.byte ^ expected) & mask)
		broken("after a free only UNUSED, with BUSY of a live claim, is right");
	if (was_stable != !(world.before & PAGEHINT_USAGE_MASK))
		broken("wrong return value");
}

static void check_alloc(u8 left, bool exact)
{
	if ((world.before & PAGEHINT_USAGE_MASK) != U) {
		if ((*world.byte & PAGEHINT_STATE_MASK) != world.low)
			broken("changed a frame that was not UNUSED");
		return;
	}
	if (*world.byte != PAGEHINT_STABLE)
		broken("an allocated frame must be plainly STABLE");
	if ((left & ABSENT) && !world.gone)
		broken("reports zeros where the old content is");
	if (exact && (left & ~(PAGEHINT_TEMP_MASK | ABSENT)) != U)
		broken("wrong return value");
}

static void check_make_stable(enum pagehint_kept kept)
{
	u8 usage = world.before & PAGEHINT_USAGE_MASK;

	switch (kept) {
	case PAGEHINT_KEPT:
		if (world.gone)
			broken("KEPT, but the content is gone");
		if (*world.byte != PAGEHINT_STABLE)
			broken("KEPT, but not STABLE");
		break;
	case PAGEHINT_DISCARDED:
		if (world.other_recovers)
			broken("DISCARDED reported to two");
		if (*world.byte != PAGEHINT_RECOVERING)
			broken("DISCARDED, but not RECOVERING");
		break;
	case PAGEHINT_WAS_STABLE:
		if (world.other_recovers)
			broken("WAS_STABLE while another CPU recovers");
		if (usage == V && (world.gone || *world.byte != PAGEHINT_STABLE))
			broken("WAS_STABLE before the loss was dealt with");
		if ((*world.byte & PAGEHINT_STATE_MASK) != world.low)
			broken("WAS_STABLE, but the state was changed");
		break;
	case PAGEHINT_LEFT:
		broken("LEFT is of folios");
		break;
	}
}

/* The move under test, on a range of eight when @place is not negative. */
static void run(int place)
{
	struct pagehint_changed changed;
	size_t i;
	bool made;

	switch (world.op) {
	case FREE:
		if (place < 0)
			check_free(pagehint_state_free(world.byte), true);
		else
			check_free(pagehint_state_free_range(&world.table[8], 8) == 8,
				   false);
		break;
	case ALLOC:
		if (place < 0) {
			check_alloc(pagehint_state_alloc(world.byte), true);
			break;
		}
		changed = pagehint_state_alloc_range(&world.table[8], 8);
		check_alloc(changed.absent > (unsigned int)(world.before & ABSENT ? 7 : 0) ?
			    ABSENT : 0, false);
		if (changed.frames != 7u + ((world.before & PAGEHINT_USAGE_MASK) == U))
			broken("wrong number of frames");
		break;
	case MAKE_VOLATILE:
		made = pagehint_state_make_volatile(world.byte, 5);
		if (made == !!world.low)
			broken("wrong return value");
		if (world.low == PAGEHINT_STABLE ? *world.byte != (V | 0x50) :
		    (*world.byte & PAGEHINT_STATE_MASK) != world.low)
			broken("wrong state");
		break;
	case MAKE_STABLE:
		check_make_stable(pagehint_state_make_stable(world.byte));
		break;
	case KEEP:
		if (pagehint_state_keep(world.byte))
			check_make_stable(PAGEHINT_KEPT);
		else if ((*world.byte & PAGEHINT_STATE_MASK) != world.low)
			broken("not kept, but the state was changed");
		break;
	case SET_TEMPERATURE:
		if (pagehint_state_set_temperature(world.byte, 5) &&
		    *world.byte >> PAGEHINT_TEMP_SHIFT != 5)
			broken("reported a temperature that it did not set");
		if ((*world.byte & PAGEHINT_STATE_MASK) != world.low)
			broken("undid somebody's move");
		break;
	}
	check_world();
	for (i = 0; i < sizeof(world.table) && place >= 0; i++) {
		u8 expected = world.op == FREE ? U : PAGEHINT_STABLE;

		if (&world.table[i] == world.byte)
			continue;
		if (i < 8 || i >= 16)
			expected = 0x73;
		if (world.table[i] != expected)
			broken("a neighbour is wrong");
	}
}

/* All interleavings of one move from one state. Returns how many there are. */
static unsigned long explore(enum op op, u8 before, int place)
{
	path.length = 0;
	path.runs = 0;
	do {
		/* Neighbours so that the word path is taken, if it can be. */
		u8 around = op == FREE ? PAGEHINT_STABLE :
					 U | (before & ABSENT);

		memset(world.table, 0x73, sizeof(world.table));
		if (place >= 0)
			memset(&world.table[8], around, 8);
		world.byte = &world.table[place < 0 ? 11 : 8 + place];
		*world.byte = before;
		world.op = op;
		world.before = before;
		world.low = before & PAGEHINT_STATE_MASK;
		world.claimed = pagehint_host_owns(before);
		world.gone = (before & ABSENT) &&
			     (before & PAGEHINT_USAGE_MASK) != PAGEHINT_STABLE;
		/* Who recovers holds the frame: it is neither freed nor free. */
		world.other_recovers = before == PAGEHINT_RECOVERING &&
				       op != FREE && op != ALLOC;
		world.budget = test.brief ? 3 : place < 0 ? 6 : 4;
		world.steps = 0;
		path.depth = 0;
		world.dropped = false;
		if (!setjmp(give_up)) {
			/* A claim from before: did the host drop already? */
			if (world.claimed && choose(2)) {
				world.dropped = true;
				world.gone = true;
			}
			run(place);
		}
		path.runs++;
	} while (next_path() && !test_failed());
	return path.runs;
}

static void explore_all(enum op op)
{
	static const u8 states[] = {
		PAGEHINT_STABLE, PAGEHINT_PENDING, PAGEHINT_RECOVERING,
		U, U | ABSENT, U | BUSY, V, V | ABSENT, V | BUSY,
	};
	unsigned long runs = 0;
	size_t i;
	int place;

	for (i = 0; i < ARRAY_SIZE(states) && !test_failed(); i++) {
		u8 state = states[i];

		runs += explore(op, state, -1);
		if (state & PAGEHINT_USAGE_MASK)
			runs += explore(op, state | 0x30, -1);
		if (op != FREE && op != ALLOC)
			continue;
		/* For free_range the count tells only when all were STABLE. */
		for (place = 0; place < 8; place += 7)
			runs += explore(op, state, place);
	}
	test_note("%lu interleavings", runs);
}

static void frees(void) { explore_all(FREE); }
static void allocs(void) { explore_all(ALLOC); }
static void volatiles(void) { explore_all(MAKE_VOLATILE); }
static void stables(void) { explore_all(MAKE_STABLE); }
static void keeps(void) { explore_all(KEEP); }
static void temperatures(void) { explore_all(SET_TEMPERATURE); }

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "free", frees },
		{ "alloc", allocs },
		{ "make_volatile", volatiles },
		{ "make_stable", stables },
		{ "keep", keeps },
		{ "set_temperature", temperatures },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
