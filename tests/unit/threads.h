/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the guest and the host of page_state_threads share: the VM, as both of
 * them see it, and the book that is kept beside it.
 *
 * The content of frames is plain memory on purpose: between guest and host
 * only the state bytes and the header order the accesses to it, so TSan finds
 * every place where they do not.
 */
#ifndef _THREADS_H
#define _THREADS_H

#include <stdbool.h>
#include <stdint.h>

#include <uapi/pagehint.h>

#include "test.h"

#define NR_FRAMES	512

struct vm {
	struct pagehint_header header;
	uint8_t state[NR_FRAMES];
	uint64_t content[NR_FRAMES][2];
};

/* Atomic counters. */
struct stats {
	/* of the host */
	uint64_t ranges, crashes, dropped;
	uint64_t lost[NR_FRAMES];	/* V became V|ABSENT */
	/* of the guest */
	uint64_t waits, leases, allocated_absent, kept;
	uint64_t discarded[NR_FRAMES];	/* reported by make stable */
	uint64_t freed_absent[NR_FRAMES]; /* freed as V|ABSENT: needs no report */
	uint64_t freed_volatile[NR_FRAMES]; /* freed as V: the host was faster, or not */
	uint64_t large[NR_FRAMES];	/* uses as part of a large folio: reported as one */
	uint64_t large_discarded, large_kept;
};

extern struct vm vm;
extern struct stats stats;
extern bool lease_ended;	/* atomic: a guest relies on it */
extern bool guests_done;	/* atomic */

static inline void count(uint64_t *counter)
{
	__atomic_fetch_add(counter, 1, __ATOMIC_RELAXED);
}

void *host_thread(void *seed);
void *guest_thread(void *seed);

/* A guest's part of the steps of this run. */
extern unsigned long guest_steps;

/* The page cache of the model: frames that several threads use. */
void cache_step(uint64_t *random);
void cache_empty(void);

/* The allocator of the model: free frames, under one lock. */
int pool_take(unsigned int nr, uint64_t *random);
void pool_put(unsigned int first, unsigned int nr);
void pool_sweep(uint64_t *random);
void pool_check(void);

static inline uint64_t pattern(uint64_t seed, unsigned int frame, unsigned int word)
{
	uint64_t state = seed + frame * 2 + word;

	return test_random(&state) | 1;	/* never what a dropped frame reads */
}

static inline void content_write(unsigned int frame, uint64_t seed)
{
	vm.content[frame][0] = pattern(seed, frame, 0);
	vm.content[frame][1] = pattern(seed, frame, 1);
}

static inline bool content_is(unsigned int frame, uint64_t seed)
{
	return vm.content[frame][0] == pattern(seed, frame, 0) &&
	       vm.content[frame][1] == pattern(seed, frame, 1);
}

static inline bool content_is_zero(unsigned int frame)
{
	return !vm.content[frame][0] && !vm.content[frame][1];
}

#endif /* _THREADS_H */
