// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping the shared table, zeroing it, and the recovery of frames that a
 * worker left BUSY.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "table.h"

int table_map(struct table *table, int fd, uint64_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);

	if (memory == MAP_FAILED)
		return -errno;
	table->header = memory;
	table->state = (uint8_t *)memory + PAGEHINT_HEADER_BYTES;
	table->nr_frames = bytes - PAGEHINT_HEADER_BYTES;
	table->fd = fd;
	return 0;
}

/* Has the file still the size of the mapping? Else a look at it is SIGBUS. */
bool table_intact(const struct table *table)
{
	struct stat st;

	return !fstat(table->fd, &st) &&
	       (uint64_t)st.st_size >= PAGEHINT_HEADER_BYTES + table->nr_frames;
}

/* While no guest runs. The lease goes first. */
void table_zero(struct table *table)
{
	memset(table->header, 0, PAGEHINT_HEADER_BYTES);
	full_barrier();
	memset(table->state, 0, table->nr_frames);
	full_barrier();
}

/* In the record of the guest's side; our own is struct inflight. */
void clear_busy_record(struct table *table)
{
	table_write_release(table->header->busy_count, 0);
}

/**
 * recover_range - give back what a dead worker had claimed
 *
 * Drops nothing. The worker is reaped and the RAM files are locked by us. The
 * range may be the guest's invention: recovery harms no frame, wherever it is.
 *
 * Return: how many frames were BUSY.
 */
uint64_t recover_range(struct table *table, uint64_t first, uint64_t count)
{
	uint64_t i, recovered = 0;

	if (first >= table->nr_frames)
		return 0;
	if (count > table->nr_frames - first)
		count = table->nr_frames - first;
	for (i = first; i < first + count; i++) {
		uint8_t old = table_read(table->state[i]);
		unsigned int tries = SWAP_TRIES;

		while (pagehint_host_owns(old) && tries--) {
			if (!__atomic_compare_exchange_n(&table->state[i], &old,
							 pagehint_host_recover(old), false,
							 __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
				continue;
			recovered++;
			break;
		}
	}
	return recovered;
}

/* The same from the header's record: an earlier daemon's, all of which died. */
uint64_t recover_header(struct table *table)
{
	uint64_t first = table_read(table->header->busy_first);
	uint32_t count = table_read(table->header->busy_count);
	uint64_t recovered = 0;

	if (count && table_read(table->header->host_magic) == PAGEHINT_HOST_MAGIC) {
		if (count > PAGEHINT_MAX_BUSY)
			count = PAGEHINT_MAX_BUSY;
		recovered = recover_range(table, first, count);
		clear_busy_record(table);
	}
	return recovered;
}
