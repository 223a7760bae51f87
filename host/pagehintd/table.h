/* SPDX-License-Identifier: GPL-2.0 */
/* The shared table as a worker has it mapped, and moves of single bytes. */
#ifndef _TABLE_H
#define _TABLE_H

#include "pagehintd.h"

struct table {
	struct pagehint_header *header;
	uint8_t *state;		/* the bytes behind the header */
	uint64_t nr_frames;	/* room for so many; by the size of the file */
	int fd;
};

int table_map(struct table *table, int fd, uint64_t bytes);
bool table_intact(const struct table *table);
void table_zero(struct table *table);

/* One load for each look at a field that the guest writes. */
#define table_read(field)	 __atomic_load_n(&(field), __ATOMIC_RELAXED)
#define table_read_acquire(field) __atomic_load_n(&(field), __ATOMIC_ACQUIRE)
#define table_write(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)
#define table_write_release(field, value) \
	__atomic_store_n(&(field), value, __ATOMIC_RELEASE)
/*
 * A byte that the host owns changes twice under an honest guest: its usage and
 * its temperature. One that changes more often is left to the guest that does
 * it, or it could keep us in a compare-and-swap loop for as long as it likes.
 */
#define SWAP_TRIES		1000

#define full_barrier()		 __atomic_thread_fence(__ATOMIC_SEQ_CST)

uint64_t recover_range(struct table *table, uint64_t first, uint64_t count);
uint64_t recover_header(struct table *table);
void clear_busy_record(struct table *table);

#endif /* _TABLE_H */
