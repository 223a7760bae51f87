// SPDX-License-Identifier: GPL-2.0
/*
 * How long frames have been unused, and which are ripe to be dropped.
 *
 * A byte for each frame holds the time, in ticks, at which a scan first saw it
 * unused; any scan that does not see it so forgets that. A frame that was
 * allocated and freed again between two scans counts as unused all along: its
 * content is as worthless.
 *
 * Most of the table is stable or dropped already. Blocks of it in which nothing is
 * unused are passed over without a look at their stamps, if they have none; the
 * rest goes 8 bytes at a time.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "scan.h"
#include "table.h"

#define STAMP_NONE	0
#define STAMP_RIPE	255
#define STAMP_CYCLE	254	/* others: 1..254 */

#define INTERVAL_MIN_NS	(5 * NSEC_PER_MSEC)
#define INTERVAL_MAX_NS	(250 * NSEC_PER_MSEC)
/*
 * How dear a look is, the guest decides: by its size and by how it mixes the
 * bytes. So it takes this part of one CPU at most, whatever the interval: where
 * there was nothing to take, and where there was.
 */
#define IDLE_CPU_PART	20
#define BUSY_CPU_PART	4

int scan_init(struct scan *scan, uint64_t nr_frames, unsigned int age_ms)
{
	uint64_t bytes = nr_frames + nr_frames / BLOCK_FRAMES;

	scan->stamp = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (scan->stamp == MAP_FAILED)
		return -errno;
	scan->stamped = scan->stamp + nr_frames;
	scan->nr_frames = nr_frames;
	scan->tick_ns = age_ms * NSEC_PER_MSEC / SCAN_AGE_TICKS;
	return 0;
}

/* Another guest: its frames begin anew. */
void scan_forget(struct scan *scan)
{
	memset(scan->stamp, STAMP_NONE, scan->nr_frames);
	memset(scan->stamped, 0, scan->nr_frames / BLOCK_FRAMES);
}

void scan_begin(struct scan *scan, uint64_t now_ns)
{
	scan->nr_unused = 0;
	if (scan->tick_ns)
		scan->now = now_ns / scan->tick_ns % STAMP_CYCLE + 1;
}

static bool is_unused(uint8_t state)
{
	return pagehint_host_may_claim(state) &&
	       (state & PAGEHINT_USAGE_MASK) == PAGEHINT_UNUSED;
}

/* One frame that is unused now. One tick more, as both ends are rounded. */
static bool ripens(const struct scan *scan, uint8_t *stamp)
{
	if (*stamp == STAMP_RIPE)
		return true;
	if (scan->tick_ns && *stamp == STAMP_NONE) {
		*stamp = scan->now;
		return false;
	}
	if (scan->tick_ns &&
	    (scan->now - *stamp + STAMP_CYCLE) % STAMP_CYCLE <= SCAN_AGE_TICKS)
		return false;
	*stamp = STAMP_RIPE;
	return true;
}

static bool any_zero_byte(uint64_t word)
{
	return (word - EACH_BYTE(0x01)) & ~word & EACH_BYTE(0x80);
}

/*
 * Eight frames at once, if they are alike.
 *
 * Return: false if they must be looked at one by one; else *ripe tells.
 */
static bool scan_word(struct scan *scan, uint64_t word, uint8_t *stamp, bool *ripe)
{
	/* zero bytes: unused, not absent, not busy; of any temperature */
	uint64_t differs = (word & EACH_BYTE(PAGEHINT_STATE_MASK)) ^
			   EACH_BYTE(PAGEHINT_UNUSED);
	uint64_t stamps;

	memcpy(&stamps, stamp, sizeof(stamps));
	*ripe = false;
	if (!any_zero_byte(differs)) {
		if (stamps)
			memset(stamp, STAMP_NONE, sizeof(stamps));
		return true;
	}
	if (differs)
		return false;
	*ripe = stamps == EACH_BYTE(STAMP_RIPE);
	if (!*ripe && !stamps && scan->tick_ns) {
		memset(stamp, scan->now, sizeof(stamps));
		scan->nr_unused += sizeof(stamps);
		return true;
	}
	if (*ripe)
		scan->nr_unused += sizeof(stamps);
	return *ripe;
}

/* A whole block in which nothing is unused: what was known of its frames is forgotten. */
static bool pass_over_block(struct scan *scan, const uint8_t *state, uint64_t first)
{
	const word_t *word = (const word_t *)&state[first];
	uint8_t *stamped = &scan->stamped[first / BLOCK_FRAMES];
	uint64_t all = EACH_BYTE(0x80);
	unsigned int i;

	for (i = 0; i < BLOCK_FRAMES / sizeof(*word); i++) {
		uint64_t differs = (table_read(word[i]) & EACH_BYTE(PAGEHINT_STATE_MASK)) ^
				   EACH_BYTE(PAGEHINT_UNUSED);

		/* At most 0x0f: bit 7 of each byte that is not zero, without a carry */
		all &= differs + EACH_BYTE(0x7f);
	}
	if (all != EACH_BYTE(0x80)) {
		*stamped = true;
		return false;
	}
	if (*stamped)
		memset(&scan->stamp[first], STAMP_NONE, BLOCK_FRAMES);
	*stamped = false;
	return true;
}

/**
 * scan_piece - look at every frame of a piece once; hand over what is ripe
 *
 * Ranges have at most PAGEHINT_MAX_BUSY frames and do not cross 2 MiB of the
 * file, so that a large folio goes in one call.
 *
 * Return: false if @take said so; the rest of the piece was not looked at.
 */
bool scan_piece(struct scan *scan, const struct scan_piece *piece,
		scan_take_fn take, void *context)
{
	uint64_t end = piece->first + piece->nr_frames, i = piece->first;
	struct run run = { .count = 0 };

	while (i < end) {
		uint64_t file_frame = piece->file_frame + (i - piece->first);
		uint32_t to_cut = PAGEHINT_MAX_BUSY - file_frame % PAGEHINT_MAX_BUSY;
		const uint8_t *state = &piece->state[i];
		uint32_t nr = 1;
		bool ripe;

		if (i % BLOCK_FRAMES == 0 && end - i >= BLOCK_FRAMES &&
		    pass_over_block(scan, piece->state, i)) {
			if (!run_hand_over(&run, take, context))
				return false;
			i += BLOCK_FRAMES;
			continue;
		}
		if (i % 8 == 0 && end - i >= 8 && to_cut >= 8 &&
		    scan_word(scan, table_read(*(const word_t *)state),
			      &scan->stamp[i], &ripe)) {
			nr = 8;
		} else if (is_unused(table_read(*state))) {
			scan->nr_unused++;
			ripe = ripens(scan, &scan->stamp[i]);
		} else {
			scan->stamp[i] = STAMP_NONE;
			ripe = false;
		}
		if (ripe) {
			if (!run.count)
				run.first = i;
			run.count += nr;
		}
		if ((!ripe || nr == to_cut) && !run_hand_over(&run, take, context))
			return false;
		i += nr;
	}
	return run_hand_over(&run, take, context);
}

/**
 * scan_interval - when to look again, after the scan that just ended
 * @took_ns: how long it took to look, without the drops
 */
uint64_t scan_interval(const struct scan *scan, unsigned int age_ms, uint64_t took_ns)
{
	uint64_t interval = age_ms * NSEC_PER_MSEC / 4;
	uint64_t least = took_ns * (scan->nr_unused ? BUSY_CPU_PART : IDLE_CPU_PART);

	if (interval < INTERVAL_MIN_NS)
		interval = INTERVAL_MIN_NS;
	/* Nothing to take: look less often, but soon enough to see an age. */
	if (!scan->nr_unused && interval < INTERVAL_MIN_NS * 4)
		interval = INTERVAL_MIN_NS * 4;
	if (interval > INTERVAL_MAX_NS)
		interval = INTERVAL_MAX_NS;
	return interval < least ? least : interval;
}

/* Adds to @frames, by enum frame_state. For people: nothing is ordered. */
void scan_histogram(const uint8_t *state, uint64_t nr, uint64_t *frames)
{
	static const uint8_t kind[PAGEHINT_STATE_MASK + 1] = {
		[PAGEHINT_STABLE] = FRAMES_STABLE,
		[PAGEHINT_RECOVERING] = FRAMES_OTHER,
		[PAGEHINT_PENDING] = FRAMES_OTHER,
		[PAGEHINT_STABLE | PAGEHINT_ABSENT | PAGEHINT_BUSY] = FRAMES_OTHER,
		[PAGEHINT_UNUSED] = FRAMES_UNUSED,
		[PAGEHINT_UNUSED | PAGEHINT_ABSENT] = FRAMES_UNUSED_ABSENT,
		[PAGEHINT_UNUSED | PAGEHINT_BUSY] = FRAMES_UNUSED_BUSY,
		[PAGEHINT_UNUSED | PAGEHINT_ABSENT | PAGEHINT_BUSY] = FRAMES_OTHER,
		[PAGEHINT_POTENTIAL] = FRAMES_POTENTIAL,
		[PAGEHINT_POTENTIAL | PAGEHINT_ABSENT] = FRAMES_OTHER,
		[PAGEHINT_POTENTIAL | PAGEHINT_BUSY] = FRAMES_OTHER,
		[PAGEHINT_POTENTIAL | PAGEHINT_ABSENT | PAGEHINT_BUSY] = FRAMES_OTHER,
		[PAGEHINT_VOLATILE] = FRAMES_VOLATILE,
		[PAGEHINT_VOLATILE | PAGEHINT_ABSENT] = FRAMES_VOLATILE_ABSENT,
		[PAGEHINT_VOLATILE | PAGEHINT_BUSY] = FRAMES_VOLATILE_BUSY,
		[PAGEHINT_VOLATILE | PAGEHINT_ABSENT | PAGEHINT_BUSY] = FRAMES_OTHER,
	};
	uint64_t i = 0;

	while (i < nr) {
		uint8_t byte = table_read(state[i]);
		uint64_t like = EACH_BYTE(byte);
		enum frame_state is = kind[byte & PAGEHINT_STATE_MASK];

		frames[is]++;
		i++;
		while ((uintptr_t)&state[i] % 8 == 0 && nr - i >= 8 &&
		       table_read(*(const word_t *)&state[i]) == like) {
			frames[is] += 8;
			i += 8;
		}
	}
}
