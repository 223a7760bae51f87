// SPDX-License-Identifier: GPL-2.0
/*
 * Folios that might become volatile: one bit per frame, set by events and
 * taken by the thread that looks at them.
 *
 * Bits and no list: an event in any context costs a test, at most two atomic
 * operations, no memory and no reference, and a folio with a hundred events is
 * looked at once. An event sets its bit in the map of the present period, the
 * thread takes those of the one before: so a folio is left alone for one to two
 * periods after its last event. A third map holds those that were in use when
 * they were looked at; it is looked at less often. A fourth holds those that were
 * mapped, as long as they are: for module/mapped.c, and because nothing is hooked
 * that sees each page being unmapped. The event says only that something was; the
 * thread then looks at those that it knows to have been mapped.
 *
 * A summary bit for each chunk of a map keeps the cost of a round proportional
 * to what happened, not to the size of memory.
 *
 * Context of events: any, NMI included. The rest: the one thread.
 */
#include <pagehint/log.h>

#include <linux/bitmap.h>
#include <linux/bitops.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <linux/vmalloc.h>

#include <pagehint/stats.h>
#include <pagehint/table.h>
#include <pagehint/volatile.h>

#define FRAMES_PER_CHUNK	4096UL
#define WORDS_PER_CHUNK		(FRAMES_PER_CHUNK / BITS_PER_LONG)

struct map {
	unsigned long *frames;
	unsigned long *chunks;
};

/* Two that take turns, the one for later, and what is mapped. */
#define LATER	2
#define MAPPED	3
static struct map maps[4];
static unsigned int present;
static unsigned long nr_frames;
static unsigned long next_chunk;	/* of the fourth, for the thread */

/* Set by the hook where something is unmapped (probes/page_cache.c), taken by the thread. */
int pagehint_candidates_unmapped;

/*
 * So many that are mapped still, of the fourth map, are looked at in a row: 256 MiB of
 * pages of 4 KiB, some fifteen instructions each.
 */
#define MOST_STILL_MAPPED	65536UL

static void set_in(struct map *map, unsigned long pfn)
{
	unsigned long chunk = pfn / FRAMES_PER_CHUNK;

	set_bit(pfn, map->frames);
	/*
	 * Either the summary bit is seen set here, and whoever clears it looks
	 * at the frames afterwards; or it is set here.
	 */
	smp_mb__after_atomic();
	if (!test_bit(chunk, map->chunks))
		set_bit(chunk, map->chunks);
}

/**
 * pagehint_candidate - something happened to a folio
 * @pfn: its first frame
 *
 * Context: any, between pagehint_candidates_open() and _close().
 */
void pagehint_candidate(unsigned long pfn)
{
	struct map *map = &maps[READ_ONCE(present)];

	if (pfn >= nr_frames || test_bit(pfn, map->frames))
		return;
	set_in(map, pfn);
	pagehint_count(PAGEHINT_CANDIDATES, 1);
}

/**
 * pagehint_candidate_later - a folio was in use: look again after a while
 * @pfn: its first frame
 *
 * Context: the thread.
 */
void pagehint_candidate_later(unsigned long pfn)
{
	set_in(&maps[LATER], pfn);
}

/**
 * pagehint_candidate_mapped - a folio was mapped
 * @pfn: its first frame
 *
 * Context: the thread.
 * Return: whether that is new.
 */
bool pagehint_candidate_mapped(unsigned long pfn)
{
	if (test_bit(pfn, maps[MAPPED].frames))
		return false;
	set_in(&maps[MAPPED], pfn);
	return true;
}

/**
 * pagehint_candidates_all - look at every frame once
 *
 * What was in the page cache before the events were hooked.
 *
 * Context: the thread.
 */
void pagehint_candidates_all(void)
{
	unsigned int i;

	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		const struct pagehint_range *range = &pagehint_table.ranges[i];
		unsigned long pfn = range->gfn, end = pfn + range->nr_frames;

		for (; pfn < end; pfn++) {
			set_in(&maps[READ_ONCE(present)], pfn);
			if (!(pfn % FRAMES_PER_CHUNK))
				cond_resched();
		}
	}
}

/*
 * What has its bit in @newer too had an event since: its turn comes with that one.
 * So what is used in every period is looked at in none.
 */
static void take_chunk(struct map *map, const struct map *newer, unsigned long chunk,
		       void (*look)(unsigned long pfn))
{
	unsigned long word = chunk * WORDS_PER_CHUNK, end = word + WORDS_PER_CHUNK;

	for (; word < end; word++) {
		unsigned long bits;

		if (!READ_ONCE(map->frames[word]))
			continue;
		bits = pagehint_xchg(&map->frames[word], 0) & ~READ_ONCE(newer->frames[word]);
		while (bits) {
			look(word * BITS_PER_LONG + __ffs(bits));
			bits &= bits - 1;
		}
	}
}

/**
 * pagehint_candidates_each - take the candidates whose time has come
 * @later: those that were in use, else those of the period before this one
 * @look: is called with the first frame of each; may sleep
 *
 * Context: the thread.
 */
void pagehint_candidates_each(bool later, void (*look)(unsigned long pfn))
{
	unsigned long nr_chunks = DIV_ROUND_UP(nr_frames, FRAMES_PER_CHUNK);
	struct map *map = &maps[later ? LATER : !present];
	const struct map *newer = &maps[present];
	unsigned long chunk;

	for_each_set_bit(chunk, map->chunks, nr_chunks) {
		clear_bit(chunk, map->chunks);
		/* Before its frames are read: see set_in(). */
		smp_mb__after_atomic();
		take_chunk(map, newer, chunk, look);
		cond_resched();
	}
	/*
	 * An event that still has the old value sets its bit in a map that was
	 * looked at: it keeps until that one's next turn.
	 */
	if (!later)
		WRITE_ONCE(present, !present);
}

/* Return: whether any is left. */
static bool keep_chunk(unsigned long chunk, bool (*look)(unsigned long pfn))
{
	unsigned long pfn = chunk * FRAMES_PER_CHUNK, end = pfn + FRAMES_PER_CHUNK;
	bool any = false;

	for_each_set_bit_from(pfn, maps[MAPPED].frames, end) {
		if (look(pfn))
			any = true;
		else
			clear_bit(pfn, maps[MAPPED].frames);
		cond_resched();
	}
	return any;
}

/**
 * pagehint_candidates_mapped_each - go through what was mapped
 * @look: is called with the first frame of each; may sleep; false: no more
 * @stopping: true: come to an end
 *
 * Context: the thread, the only one that changes this map.
 */
void pagehint_candidates_mapped_each(bool (*look)(unsigned long pfn), bool (*stopping)(void))
{
	unsigned long nr_chunks = DIV_ROUND_UP(nr_frames, FRAMES_PER_CHUNK), chunk;

	for_each_set_bit(chunk, maps[MAPPED].chunks, nr_chunks) {
		if (stopping())
			return;
		if (!keep_chunk(chunk, look))
			clear_bit(chunk, maps[MAPPED].chunks);
	}
}

/* Return: how many are mapped still. */
static unsigned long mapped_in_chunk(unsigned long chunk,
				     unsigned long (*gone)(unsigned long pfn,
							   unsigned long bits))
{
	unsigned long word = chunk * WORDS_PER_CHUNK, end = word + WORDS_PER_CHUNK;
	unsigned long nr = 0;

	for (; word < end; word++) {
		unsigned long pfn = word * BITS_PER_LONG, bits = maps[MAPPED].frames[word], left;

		if (!bits)
			continue;
		left = bits & ~gone(pfn, bits);
		nr += hweight_long(left);
		maps[MAPPED].frames[word] = left;
		for (bits &= ~left; bits; bits &= bits - 1)
			pagehint_candidate(pfn + __ffs(bits));
	}
	return nr;
}

/**
 * pagehint_candidates_mapped_some - find what is no longer mapped
 * @gone: is called with the first of 64 frames and a bit for each of them that was mapped;
 *	tells which are no longer. They are candidates from here on
 *
 * A part of the map, if many are mapped still; the next call goes on behind it.
 *
 * Context: the thread, the only one that changes this map; may sleep.
 * Return: whether the map's end was reached.
 */
bool pagehint_candidates_mapped_some(unsigned long (*gone)(unsigned long pfn,
							   unsigned long bits))
{
	unsigned long nr_chunks = DIV_ROUND_UP(nr_frames, FRAMES_PER_CHUNK), still = 0, nr;
	unsigned long chunk = next_chunk;

	for_each_set_bit_from(chunk, maps[MAPPED].chunks, nr_chunks) {
		if (still >= MOST_STILL_MAPPED) {
			next_chunk = chunk;
			return false;
		}
		nr = mapped_in_chunk(chunk, gone);
		if (!nr)
			clear_bit(chunk, maps[MAPPED].chunks);
		still += nr;
		cond_resched();
	}
	next_chunk = 0;
	return true;
}

/**
 * pagehint_candidates_close - free the maps
 *
 * Context: process; no event is hooked.
 */
void pagehint_candidates_close(void)
{
	unsigned int i;

	nr_frames = 0;
	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		vfree(maps[i].frames);
		vfree(maps[i].chunks);
		maps[i].frames = NULL;
		maps[i].chunks = NULL;
	}
}

/**
 * pagehint_candidates_open - make the maps: four bits per frame
 *
 * Context: process; no event is hooked.
 * Return: 0 or -ENOMEM with a line in the log.
 */
int pagehint_candidates_open(void)
{
	unsigned long nr = round_up(pagehint_table.nr_bytes, FRAMES_PER_CHUNK);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(maps); i++) {
		maps[i].frames = vzalloc(BITS_TO_LONGS(nr) * sizeof(long));
		maps[i].chunks = vzalloc(BITS_TO_LONGS(nr / FRAMES_PER_CHUNK) * sizeof(long));
		if (!maps[i].frames || !maps[i].chunks) {
			pr_err("no memory for the maps of volatile candidates (%lu KiB): free some and try again\n",
			       ARRAY_SIZE(maps) * nr / BITS_PER_BYTE >> 10);
			pagehint_candidates_close();
			return -ENOMEM;
		}
	}
	nr_frames = nr;
	next_chunk = 0;
	/* What was unmapped before is none of its business, but that costs nothing. */
	pagehint_candidates_unmapped = 1;
	return 0;
}
