/* SPDX-License-Identifier: GPL-2.0 */
/* How long frames have been unused, and which are ripe to be dropped. */
#ifndef _SCAN_H
#define _SCAN_H

#include "pagehintd.h"

/* Ticks of one age; stamps are bytes and count ticks. */
#define SCAN_AGE_TICKS	32

/* Frames that are passed over together */
#define BLOCK_FRAMES	512

/* Eight state bytes at once */
typedef uint64_t __attribute__((may_alias)) word_t;

#define EACH_BYTE(b)	(0x0101010101010101ULL * (uint8_t)(b))

struct scan {
	uint8_t *stamp;		/* per frame: when it was first seen unused */
	uint8_t *stamped;	/* per 512 frames: may any of them have a stamp? */
	uint64_t nr_frames;
	uint64_t tick_ns;	/* 0: every unused frame is ripe at once */
	uint8_t now;
	uint64_t nr_unused;	/* found by the scan in progress, ripe or not */
};

/* A piece of the table to scan. */
struct scan_piece {
	const uint8_t *state;	/* of the whole table */
	uint64_t first;
	uint64_t nr_frames;
	uint64_t file_frame;	/* of the first: ranges end at 2 MiB of the file */
};

/* Gets ripe ranges; false: look no further. */
typedef bool (*scan_take_fn)(void *context, uint64_t first, uint32_t count);

/* A run of frames that grows until it is handed over. */
struct run {
	uint64_t first;
	uint32_t count;
};

static inline bool run_hand_over(struct run *run, scan_take_fn take, void *context)
{
	uint32_t count = run->count;

	run->count = 0;
	return !count || take(context, run->first, count);
}

int scan_init(struct scan *scan, uint64_t nr_frames, unsigned int age_ms);
void scan_forget(struct scan *scan);
void scan_begin(struct scan *scan, uint64_t now_ns);
bool scan_piece(struct scan *scan, const struct scan_piece *piece,
		scan_take_fn take, void *context);
uint64_t scan_interval(const struct scan *scan, unsigned int age_ms, uint64_t took_ns);
void scan_histogram(const uint8_t *state, uint64_t nr, uint64_t *frames);

#endif /* _SCAN_H */
