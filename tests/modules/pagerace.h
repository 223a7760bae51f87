/* SPDX-License-Identifier: GPL-2.0 */
/* What pagerace.ko does for user space, by ioctl on /dev/pagerace. */
#ifndef TESTS_PAGERACE_H
#define TESTS_PAGERACE_H

#include <linux/ioctl.h>
#include <linux/types.h>

/* Pages of the file @fd from @index on, @count of them; each call fills what it finds out. */
struct pagerace {
	__u64 index;
	__u64 count;
	__u64 argument;		/* DIRTY: key of the pattern; LOCK: 1: out of the cache; NMI: CPU */
	__s32 fd;
	__u32 unused;
	__u64 present;		/* PEEK: pages in the cache */
	__u64 uptodate;		/* PEEK: of those */
	__u64 dirty;		/* PEEK: of those; DIRTY: pages overwritten */
	__u64 large;		/* PEEK: of those, in large folios */
	__u64 met;		/* DIRTY: while locked; NMI: while frozen */
	__u64 done;		/* MIGRATE: pages moved; NMI: pages found; CONTIG: frames taken */
};

/* Looks at the page cache without any of the functions that pagehint hooks */
#define PAGERACE_PEEK	_IOWR('p', 1, struct pagerace)
/* As somebody who held the pages for DMA: content, dirty, and let go; no lock */
#define PAGERACE_DIRTY	_IOWR('p', 2, struct pagerace)
/* Keeps one page locked until UNLOCK; LOCK again with argument 1 removes it */
#define PAGERACE_LOCK	_IOWR('p', 3, struct pagerace)
#define PAGERACE_UNLOCK	_IOWR('p', 4, struct pagerace)
/* Moves the pages to other frames, as compaction does */
#define PAGERACE_MIGRATE _IOWR('p', 6, struct pagerace)
/* Looks the pages up in an NMI on another CPU, as a profiler does for a build ID */
#define PAGERACE_NMI	_IOWR('p', 5, struct pagerace)

/* Takes the frames in which the pages lie, by contiguous allocation, and gives them back */
#define PAGERACE_CONTIG	_IOWR('p', 7, struct pagerace)

#endif /* TESTS_PAGERACE_H */
