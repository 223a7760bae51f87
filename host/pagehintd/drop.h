/* SPDX-License-Identifier: GPL-2.0 */
/* One drop, in the order that the contract sets. */
#ifndef _DROP_H
#define _DROP_H

#include "lease.h"
#include "table.h"

enum drop_result {
	DROP_DONE,		/* all of the range */
	DROP_PART,		/* the guest took a frame first: the range ends there */
	DROP_STOPPED,		/* the lease ended, or may_go_on said no: nothing dropped */
	DROP_FAILED,		/* the file refuses: errno is set, nothing dropped */
};

struct drop {
	struct table *table;
	const struct lease *lease;
	struct vm_shared *shared;
	uint64_t nr_dropped;	/* under this lease */
	struct test_hook test;
	/*
	 * Is there still no reset, no end of QEMU? Called between claim and drop,
	 * where nothing may sleep.
	 */
	bool (*may_go_on)(void *context);
	void *context;
};

/* What to drop, and where it lies. All of it is in one extent and one file. */
struct drop_range {
	uint64_t first;		/* index into the table */
	uint32_t count;		/* <= PAGEHINT_MAX_BUSY */
	uint8_t usage;		/* PAGEHINT_UNUSED or PAGEHINT_VOLATILE */
	int fd;
	uint64_t file_frame;
};

enum drop_result drop_range(struct drop *drop, const struct drop_range *range,
			    uint32_t *nr_dropped);

#endif /* _DROP_H */
