// SPDX-License-Identifier: GPL-2.0
/*
 * The hypercall transport with everybody at once (module/vector.c, page_state.c):
 * threads that allocate, fill, read, make volatile and free folios; one that tells
 * the host; one that asks and repays without holding anything; and a host that
 * drops what it believes to be volatile whenever it likes, and forgets everything
 * now and then. What module/teller.c does around a vector is done here in the
 * same order, with pauses between its steps.
 *
 * What must hold: while a folio is in use its content is what was written, and the
 * host does not believe any of it to be volatile.
 */
#include <sched.h>

#include <pagehint/page_state.h>
#include <pagehint/vector.h>

#undef ARRAY_SIZE
#include "test.h"

#define NR_FRAMES	64
#define NR_SLOTS	12
#define NR_GUESTS	4
#define EMPTY		(-1)

static u8 table[NR_FRAMES] __attribute__((aligned(8)));
static uint64_t content[NR_FRAMES];	/* atomic */
static bool done;			/* atomic */
static unsigned long steps;
static uint64_t nr_told, nr_kept, nr_gone, nr_repaid, nr_forgotten; /* atomic */

/*
 * Less than this is no test. How the threads take turns decides how much of their work
 * becomes calls: so they go on until there were enough.
 */
static const struct floor {
	const char *name;
	uint64_t *counter;
	uint64_t least;
} floors[] = {
	{ "told", &nr_told, 1000 },
	{ "kept", &nr_kept, 300 },
	{ "gone", &nr_gone, 100 },
	{ "freed and repaid", &nr_repaid, 200 },
	{ "forgotten", &nr_forgotten, 50 },
};

#define MOST_STEPS	100	/* times the steps that are wanted */

static bool is_enough(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(floors); i++) {
		if (__atomic_load_n(floors[i].counter, __ATOMIC_RELAXED) < floors[i].least)
			return false;
	}
	return true;
}

static void count(uint64_t *counter, uint64_t n)
{
	__atomic_fetch_add(counter, n, __ATOMIC_RELAXED);
}

/* Somebody else's turn, perhaps for long. */
static void pause_at_random(uint64_t *random)
{
	uint64_t pick = test_random(random);
	unsigned int i;

	for (i = 0; i < (pick & 7 ? pick >> 8 & 1 : pick >> 8 & 15); i++)
		sched_yield();
}

/* ------------------------------------------------------------------------
 * The host
 */

static pthread_mutex_t host_lock = PTHREAD_MUTEX_INITIALIZER;
static enum { NOTHING, THERE, DROPPED } known[NR_FRAMES];	/* under host_lock */
static uint64_t host_cookie = 1;				/* under host_lock */
static uint64_t cookie = 1;					/* atomic: the guest's */

static void host_forget(void)
{
	memset(known, 0, sizeof(known));
	host_cookie++;
	count(&nr_forgotten, 1);
}

/* Only the cookie that it happened to: another CPU may have a new one by now. */
static void lose(uint64_t with)
{
	__atomic_compare_exchange_n(&cookie, &with, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static unsigned int call(bool tell, struct pagehint_vector *vector, uint64_t *random)
{
	uint64_t with = __atomic_load_n(&cookie, __ATOMIC_RELAXED);
	unsigned int i = 0, f, nr;

	pause_at_random(random);
	pthread_mutex_lock(&host_lock);
	if (test_random(random) % 5000 == 0)
		host_forget();
	if (with != host_cookie) {
		lose(with);
		pthread_mutex_unlock(&host_lock);
		return 0;
	}
	nr = test_random(random) % 64 ? vector->nr : test_random(random) % (vector->nr + 1);
	for (; i < nr; i++) {
		struct pagehint_hc_entry *entry = &vector->entries[i];
		bool kept = true;

		for (f = entry->gfn; f < entry->gfn + entry->nr_frames; f++) {
			kept = kept && known[f] == THERE;
			if (!tell)
				known[f] = NOTHING;
			else if (known[f] != DROPPED)
				known[f] = THERE;
		}
		entry->result = kept ? PAGEHINT_HC_RESULT_KEPT : PAGEHINT_HC_RESULT_DISCARDED;
	}
	/* Not all of it: then nothing of it holds, as after an error. */
	if (nr < vector->nr) {
		host_forget();
		lose(with);
	}
	pthread_mutex_unlock(&host_lock);
	pause_at_random(random);
	return nr;
}

static bool host_believes(unsigned int frame)
{
	bool is;

	pthread_mutex_lock(&host_lock);
	is = known[frame] != NOTHING;
	pthread_mutex_unlock(&host_lock);
	return is;
}

static void *host_thread(void *seed)
{
	uint64_t random = (uintptr_t)seed;

	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		unsigned int f = test_random(&random) % NR_FRAMES;

		pthread_mutex_lock(&host_lock);
		if (known[f] == THERE) {
			known[f] = DROPPED;
			__atomic_store_n(&content[f], 0, __ATOMIC_RELAXED);
		}
		pthread_mutex_unlock(&host_lock);
		pause_at_random(&random);
	}
	return NULL;
}

/* ------------------------------------------------------------------------
 * Vectors, as module/teller.c passes them
 */

static __thread uint64_t own_random;

static struct pagehint_vector vector_in(struct pagehint_hc_entry *entries, unsigned int max)
{
	return (struct pagehint_vector){ .entries = entries, .max = max, .table = table };
}

static void ask(struct pagehint_vector *vector)
{
	struct pagehint_answers answers;

	if (!vector->nr)
		return;
	pause_at_random(&own_random);
	answers = pagehint_vector_answered(vector, call(false, vector, &own_random));
	count(&nr_kept, answers.kept);
	count(&nr_gone, answers.gone);
	count(&nr_repaid, answers.freed);
}

static void ask_span(unsigned int first, unsigned int end, bool repay)
{
	struct pagehint_hc_entry entries[4];
	u64 gfn = first;

	while (gfn < end) {
		struct pagehint_vector vector = vector_in(entries, 4);

		gfn = repay ? pagehint_vector_repay(&vector, gfn, end) :
			      pagehint_vector_ask(&vector, gfn, end);
		ask(&vector);
	}
}

u8 pagehint_wait_not_busy(u8 *byte)
{
	unsigned int frame = byte - table;
	u8 state;

	while ((state = READ_ONCE(*byte)) & PAGEHINT_BUSY) {
		if (pagehint_is_owed(state))
			ask_span(frame, frame + 1, true);
		else if (pagehint_is_told(state))
			ask_span(frame, frame + 1, false);
		else
			sched_yield();
	}
	return state;
}

/* As forget() of module/backend_kvm.c: at the end of a lease. */
static void guest_forgets(void)
{
	uint64_t with = __atomic_load_n(&cookie, __ATOMIC_RELAXED);
	unsigned int i;

	/* Given up first: a mutant. Readers have to come in between. */
	for (i = 0; i < 20; i++)
		sched_yield();
	pthread_mutex_lock(&host_lock);
	host_forget();
	pthread_mutex_unlock(&host_lock);
	pause_at_random(&own_random);
	lose(with);
}

static void *teller_thread(void *seed)
{
	struct pagehint_hc_entry entries[8];

	own_random = (uintptr_t)seed;
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		u64 gfn = test_random(&own_random) % NR_FRAMES;
		struct pagehint_vector vector = vector_in(entries, 1 + gfn % 8);

		if (test_random(&own_random) % 200 == 0)
			guest_forgets();
		if (!__atomic_load_n(&cookie, __ATOMIC_RELAXED)) {
			if (test_random(&own_random) % 2)
				continue;
			pthread_mutex_lock(&host_lock);
			host_forget();
			__atomic_store_n(&cookie, host_cookie, __ATOMIC_RELAXED);
			pthread_mutex_unlock(&host_lock);
		}
		pagehint_vector_tell(&vector, gfn, NR_FRAMES);
		if (vector.nr)
			count(&nr_told, pagehint_vector_told(&vector,
							     call(true, &vector, &own_random)));
		pause_at_random(&own_random);
	}
	return NULL;
}

static void *asker_thread(void *seed)
{
	own_random = (uintptr_t)seed;
	while (!__atomic_load_n(&done, __ATOMIC_RELAXED)) {
		unsigned int first = test_random(&own_random) % NR_FRAMES;
		unsigned int end = first + 1 + test_random(&own_random) % (NR_FRAMES - first);

		ask_span(first, end, test_random(&own_random) % 4);
		pause_at_random(&own_random);
	}
	return NULL;
}

/* ------------------------------------------------------------------------
 * The guest: an allocator of blocks of 1 or 4 frames, and a page cache
 */

static pthread_mutex_t pool_lock = PTHREAD_MUTEX_INITIALIZER;
static bool used[NR_FRAMES];	/* under pool_lock */

static int pool_take(unsigned int nr, unsigned int from)
{
	unsigned int i, f;

	pthread_mutex_lock(&pool_lock);
	for (i = 0; i < NR_FRAMES; i += nr) {
		f = (from + i) % NR_FRAMES & ~(nr - 1);
		if (used[f] || (nr > 1 && (used[f + 1] || used[f + 2] || used[f + 3])))
			continue;
		memset(&used[f], true, nr);
		pthread_mutex_unlock(&pool_lock);
		return f;
	}
	pthread_mutex_unlock(&pool_lock);
	return -1;
}

static void pool_put(unsigned int frame, unsigned int nr)
{
	pthread_mutex_lock(&pool_lock);
	memset(&used[frame], false, nr);
	pthread_mutex_unlock(&pool_lock);
}

static struct slot {
	int refs;	/* atomic: EMPTY, 0: frozen, 1: nobody's, more: in use */
	unsigned int frame, nr;
	uint64_t seed;
} slots[NR_SLOTS];

static bool move_refs(struct slot *slot, int from, int to)
{
	return __atomic_compare_exchange_n(&slot->refs, &from, to, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_SEQ_CST);
}

static uint64_t pattern(const struct slot *slot, unsigned int i)
{
	return slot->seed + i;
}

static void write_all(const struct slot *slot)
{
	unsigned int i;

	for (i = 0; i < slot->nr; i++)
		__atomic_store_n(&content[slot->frame + i], pattern(slot, i), __ATOMIC_SEQ_CST);
}

static void check_all(const struct slot *slot, const char *what)
{
	unsigned int i;

	for (i = 0; i < slot->nr; i++) {
		unsigned int f = slot->frame + i;

		CHECK(__atomic_load_n(&content[f], __ATOMIC_SEQ_CST) == pattern(slot, i),
		      "frame %u of %u: %s, and its content is gone", i, slot->nr, what);
		CHECK(!host_believes(f), "frame %u of %u: %s, and the host may drop it (%#x)", i,
		      slot->nr, what, table[f]);
	}
}

static void fill(struct slot *slot)
{
	unsigned int nr = test_random(&own_random) % 3 ? 1 : 4;
	int frame;

	if (!move_refs(slot, EMPTY, 0))
		return;
	frame = pool_take(nr, test_random(&own_random) % NR_FRAMES);
	if (frame < 0) {
		move_refs(slot, 0, EMPTY);
		return;
	}
	/* A charge that fails: allocated without an event, and freed. */
	if (test_random(&own_random) % 16 == 0) {
		pagehint_state_free_range(&table[frame], nr);
		pause_at_random(&own_random);
	}
	pagehint_state_alloc_range(&table[frame], nr);
	slot->frame = frame;
	slot->nr = nr;
	slot->seed = test_random(&own_random) | 1ull << 40;
	write_all(slot);
	pause_at_random(&own_random);
	check_all(slot, "allocated");
	move_refs(slot, 0, 1);
}

static bool get(struct slot *slot)
{
	int refs = __atomic_load_n(&slot->refs, __ATOMIC_SEQ_CST);

	while (refs > 0) {
		if (__atomic_compare_exchange_n(&slot->refs, &refs, refs + 1, false,
						__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
			return true;
	}
	return false;
}

static void use(struct slot *slot)
{
	u8 *first;

	if (!get(slot))
		return;
	first = &table[slot->frame];
	/* As the getters: one question for all of a folio, before its state moves. */
	if (pagehint_host_owns(READ_ONCE(*first)))
		ask_span(slot->frame, slot->frame + slot->nr, false);
	if ((slot->nr > 1 || !pagehint_state_keep(first)) &&
	    pagehint_state_make_stable_range(first, slot->nr) == PAGEHINT_DISCARDED) {
		write_all(slot);
		pagehint_state_recovered(first);
	}
	pause_at_random(&own_random);
	check_all(slot, "in use");
	__atomic_fetch_sub(&slot->refs, 1, __ATOMIC_SEQ_CST);
}

static void make_volatile(struct slot *slot)
{
	if (!move_refs(slot, 1, 0))
		return;
	pagehint_state_make_volatile_range(&table[slot->frame], slot->nr,
					   test_random(&own_random) % 16);
	move_refs(slot, 0, 1);
}

/* Nobody looks at the state: it may be anything. */
static void empty(struct slot *slot)
{
	if (!move_refs(slot, 1, 0))
		return;
	pagehint_state_free_range(&table[slot->frame], slot->nr);
	pool_put(slot->frame, slot->nr);
	move_refs(slot, 0, EMPTY);
}

static void *guest_thread(void *seed)
{
	unsigned long i;

	own_random = (uintptr_t)seed;
	for (i = 0; i < steps * MOST_STEPS && !test_failed(); i++) {
		struct slot *slot = &slots[test_random(&own_random) % NR_SLOTS];

		if (i >= steps && is_enough())
			break;

		switch (test_random(&own_random) % 6) {
		case 0:
			fill(slot);
			break;
		case 1:
			empty(slot);
			break;
		case 2:
		case 3:
			use(slot);
			break;
		default:
			make_volatile(slot);
		}
	}
	return NULL;
}

/* At the end: everything is freed and repaid, and nobody believes anything. */
static void check_end(void)
{
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++)
		empty(&slots[i]);
	pagehint_state_alloc_range(table, NR_FRAMES);
	for (i = 0; i < NR_FRAMES; i++) {
		CHECK(!table[i], "frame %u is left as %#x", i, table[i]);
		CHECK(!host_believes(i), "the host may drop frame %u for ever", i);
	}
}

static void everybody(void)
{
	pthread_t guests[NR_GUESTS], others[3];
	unsigned int i;

	steps = (test.rounds ? test.rounds : test.brief ? 80000 : 2000000) / NR_GUESTS;
	memset(table, PAGEHINT_UNUSED, sizeof(table));
	for (i = 0; i < NR_SLOTS; i++)
		slots[i].refs = EMPTY;
	pthread_create(&others[0], NULL, host_thread, (void *)(uintptr_t)(test.seed * 100 + 1));
	pthread_create(&others[1], NULL, teller_thread, (void *)(uintptr_t)(test.seed * 100 + 2));
	pthread_create(&others[2], NULL, asker_thread, (void *)(uintptr_t)(test.seed * 100 + 3));
	for (i = 0; i < NR_GUESTS; i++)
		pthread_create(&guests[i], NULL, guest_thread,
			       (void *)(uintptr_t)(test.seed * 100 + 10 + i));
	for (i = 0; i < NR_GUESTS; i++)
		pthread_join(guests[i], NULL);
	__atomic_store_n(&done, true, __ATOMIC_RELAXED);
	for (i = 0; i < 3; i++)
		pthread_join(others[i], NULL);
	check_end();
	for (i = 0; i < ARRAY_SIZE(floors); i++)
		CHECK(*floors[i].counter >= floors[i].least,
		      "%s: %lu, expected %lu at least: nothing was tested", floors[i].name,
		      (long)*floors[i].counter, (long)floors[i].least);
	test_note("told %lu, kept %lu, gone %lu, freed and repaid %lu, forgotten %lu times",
		  (long)nr_told, (long)nr_kept, (long)nr_gone, (long)nr_repaid,
		  (long)nr_forgotten);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "everybody", everybody },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
