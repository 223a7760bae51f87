// SPDX-License-Identifier: GPL-2.0
/*
 * The moves of the hypercall transport on the guest's own table, and the vectors
 * that go with them. Also built in user space (tests/unit/vector.c).
 *
 * A vector is filled by locking frames, one by one, and they stay locked until
 * the call was made and its answer is in their bytes: what the host is told of a
 * frame, and what the guest believes that it was told, change together for
 * everybody else. Whoever frees a frame meanwhile leaves it locked and changes
 * V to U, so it is the byte at the end of a call that says what the answer is for.
 *
 * Context: any but NMI, interrupts off from the first frame locked to the last
 * one unlocked. No other locks.
 */
#include <pagehint/vector.h>

static u8 usage_of(u8 state)
{
	return state & PAGEHINT_USAGE_MASK;
}

static bool lock(u8 *byte, u8 old)
{
	return pagehint_cmpxchg(byte, old, (u8)(old | PAGEHINT_IN_CALL)) == old;
}

/*
 * Full barriers in both: the call lies between. @volatile_bits and @unused_bits,
 * as usage is when the frame is unlocked.
 */
static u8 unlock(u8 *byte, u8 volatile_bits, u8 unused_bits)
{
	u8 old = READ_ONCE(*byte);

	for (;;) {
		u8 new = old & (u8)~PAGEHINT_IN_CALL, seen;

		new |= usage_of(old) == PAGEHINT_VOLATILE ? volatile_bits : unused_bits;
		seen = pagehint_cmpxchg(byte, old, new);
		if (seen == old)
			return new;
		old = seen;
	}
}

/* Does a frame continue the last entry, if that began at @first or later? */
static bool continues(const struct pagehint_vector *vector, u64 first, u64 gfn, u8 state)
{
	const struct pagehint_hc_entry *last;

	if (!vector->nr)
		return false;
	last = &vector->entries[vector->nr - 1];
	return last->gfn >= first && last->gfn + last->nr_frames == gfn &&
	       last->state == state && last->nr_frames < PAGEHINT_HC_MAX_FRAMES;
}

static void append(struct pagehint_vector *vector, u64 gfn, u64 nr_frames, u8 state)
{
	struct pagehint_hc_entry *entry = &vector->entries[vector->nr++];

	entry->gfn = gfn;
	entry->nr_frames = nr_frames;
	entry->state = state;
	entry->result = PAGEHINT_HC_RESULT_NONE;
	entry->reserved = 0;
}

/*
 * Locks the frames from @gfn to @end that @wanted takes, and adds them to the
 * vector. Runs that begin before @first are not continued. Returns the first
 * frame that was not looked at: @end, or one for which there is no room.
 */
static u64 gather(struct pagehint_vector *vector, u64 first, u64 gfn, u64 end,
		  bool (*wanted)(u8 state), u8 said_mask)
{
	for (; gfn < end; gfn++) {
		u8 *byte = vector->table + gfn, old = READ_ONCE(*byte);
		u8 said = old & said_mask;
		bool joins;

		if (!wanted(old))
			continue;
		joins = continues(vector, first, gfn, said);
		if (!joins && vector->nr == vector->max)
			break;
		/* Somebody was faster: he needs it, or he frees it. */
		if (!lock(byte, old))
			continue;
		if (joins)
			vector->entries[vector->nr - 1].nr_frames++;
		else
			append(vector, gfn, 1, said);
	}
	return gfn;
}

/**
 * pagehint_vector_tell - add frames that became volatile
 * @vector: for SET_STATE
 * @gfn: first frame
 * @end: behind the last
 *
 * Takes those that are volatile and that the host does not know of.
 *
 * Return: the first frame that was not looked at.
 */
u64 pagehint_vector_tell(struct pagehint_vector *vector, u64 gfn, u64 end)
{
	return gather(vector, 0, gfn, end, pagehint_is_untold,
		      PAGEHINT_USAGE_MASK | PAGEHINT_TEMP_MASK);
}

static unsigned long unlock_entry(const struct pagehint_vector *vector, unsigned int at,
				  u8 volatile_bits, u8 unused_bits)
{
	const struct pagehint_hc_entry *entry = &vector->entries[at];
	unsigned long i, nr_volatile = 0;

	for (i = 0; i < entry->nr_frames; i++) {
		u8 new = unlock(vector->table + entry->gfn + i, volatile_bits, unused_bits);

		nr_volatile += usage_of(new) == PAGEHINT_VOLATILE;
	}
	return nr_volatile;
}

/**
 * pagehint_vector_told - the host was told that frames are volatile
 * @vector: as it was passed; gathered by pagehint_vector_tell()
 * @done: entries that are in force
 *
 * Return: the frames that are volatile and the host knows of. A frame that was freed
 * meanwhile is owed to the host. What was not told is as it was.
 */
unsigned long pagehint_vector_told(const struct pagehint_vector *vector, unsigned int done)
{
	unsigned long nr = 0;
	unsigned int i;

	for (i = 0; i < vector->nr; i++) {
		if (i < done)
			nr += unlock_entry(vector, i, PAGEHINT_BUSY, PAGEHINT_BUSY);
		else
			unlock_entry(vector, i, 0, 0);
	}
	return nr;
}

/**
 * pagehint_vector_ask - add frames whose content is needed, or of no use any more
 * @vector: for MAKE_STABLE
 * @gfn: first frame
 * @end: behind the last
 *
 * Takes those that the host believes to be volatile. There is one answer for a
 * run of frames: so these have to be one folio, or a part of one.
 *
 * Return: the first frame that was not looked at.
 */
u64 pagehint_vector_ask(struct pagehint_vector *vector, u64 gfn, u64 end)
{
	return gather(vector, gfn, gfn, end, pagehint_is_told, PAGEHINT_STABLE);
}

/**
 * pagehint_vector_repay - add frames that were freed since the host was told
 * @vector: for MAKE_STABLE
 * @gfn: first frame
 * @end: behind the last
 *
 * Nobody wants to know whether their content is there, but only that the host
 * forgets them.
 *
 * Return: the first frame that was not looked at.
 */
u64 pagehint_vector_repay(struct pagehint_vector *vector, u64 gfn, u64 end)
{
	return gather(vector, 0, gfn, end, pagehint_is_owed, PAGEHINT_STABLE);
}

/**
 * pagehint_vector_answered - the host was asked
 * @vector: with its answers; gathered by pagehint_vector_ask() or _repay()
 * @done: entries that were answered
 *
 * The one rule: content is there if the host says so, in so many words. Whatever
 * else it says, or does not, means that it is gone.
 *
 * Return: what it said.
 */
struct pagehint_answers pagehint_vector_answered(const struct pagehint_vector *vector,
						 unsigned int done)
{
	struct pagehint_answers answers = { 0 };
	unsigned int i;

	for (i = 0; i < vector->nr; i++) {
		const struct pagehint_hc_entry *entry = &vector->entries[i];
		bool kept = i < done && READ_ONCE(entry->result) == PAGEHINT_HC_RESULT_KEPT;
		unsigned long nr = unlock_entry(vector, i, kept ? 0 : PAGEHINT_ABSENT, 0);

		if (kept)
			answers.kept += nr;
		else
			answers.gone += nr;
		answers.freed += entry->nr_frames - nr;
	}
	return answers;
}

static bool is_hinted(u8 state)
{
	return (state & PAGEHINT_STATE_MASK) == (PAGEHINT_UNUSED | PAGEHINT_ABSENT);
}

/* Adds what of a block is hinted; the last entry, if full, swallows what follows. */
static bool add_piece(struct pagehint_vector *vector, u64 first, u64 gfn, u64 nr_frames)
{
	struct pagehint_hc_entry *last;

	if (continues(vector, 0, gfn, PAGEHINT_UNUSED) &&
	    vector->entries[vector->nr - 1].nr_frames + nr_frames <= PAGEHINT_HC_MAX_FRAMES) {
		vector->entries[vector->nr - 1].nr_frames += nr_frames;
		return true;
	}
	if (vector->nr < vector->max) {
		append(vector, gfn, nr_frames, PAGEHINT_UNUSED);
		return true;
	}
	last = &vector->entries[vector->nr - 1];
	if (last->gfn < first)
		return false;
	/* All of the block is ours: what lies between is only told again. */
	last->nr_frames = gfn + nr_frames - last->gfn;
	return true;
}

/**
 * pagehint_vector_block - add a free block
 * @vector: for SET_STATE
 * @gfn: first frame
 * @nr_frames: size of the block, PAGEHINT_HC_MAX_FRAMES at most
 * @unit: size of a piece, a power of two up to @nr_frames; the block is aligned to it
 * @fresh: gets the number of frames in it that the host was not told of
 *
 * A piece is told if any of its frames is fresh. Changes no state: the caller
 * keeps the block from being allocated, and claims it afterwards.
 *
 * Return: false when nothing is to be told, or there is no room; the vector is then
 * as it was.
 */
bool pagehint_vector_block(struct pagehint_vector *vector, u64 gfn, u64 nr_frames, u64 unit,
			   unsigned long *fresh)
{
	struct pagehint_hc_entry last = { 0 };
	u64 at, i;

	if (vector->nr)
		last = vector->entries[vector->nr - 1];
	*fresh = 0;
	for (at = gfn; at < gfn + nr_frames; at += unit) {
		unsigned long nr = 0;

		for (i = 0; i < unit; i++)
			nr += !is_hinted(READ_ONCE(vector->table[at + i]));
		if (!nr)
			continue;
		*fresh += nr;
		if (!add_piece(vector, gfn, at, unit)) {
			*fresh = 0;
			break;
		}
	}
	if (*fresh)
		return true;
	/* No entry was added, but the last one may have been made longer. */
	if (vector->nr)
		vector->entries[vector->nr - 1] = last;
	return false;
}

/**
 * pagehint_vector_hinted - the host was told of free frames
 * @first: state of the first
 * @nr: how many
 *
 * Context: any; the frames are free and cannot be allocated meanwhile. One that
 * is swept to STABLE at this time stays so.
 */
void pagehint_vector_hinted(u8 *first, unsigned long nr)
{
	for (; nr; first++, nr--)
		pagehint_cmpxchg(first, (u8)PAGEHINT_UNUSED,
				 (u8)(PAGEHINT_UNUSED | PAGEHINT_ABSENT));
}
