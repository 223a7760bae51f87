// SPDX-License-Identifier: GPL-2.0
/*
 * fragment: frees memory of the guest in pieces that are too small for whoever
 * only gives large blocks back.
 *
 *   fragment MIB HOLE_KIB
 *
 * Allocates MIB of anonymous memory in 4 KiB pages and fills it; on SIGUSR1
 * frees every other HOLE_KIB of it; on the next one verifies what it kept,
 * writes to the holes again, verifies all of it, and ends. Says `allocated`,
 * `freed ...` and `verified` when it is done with each, one a line.
 *
 * Whether memory is really fragmented is a question of physical addresses. So
 * it looks its own up before it frees (/proc/self/pagemap, as root), and says in
 * KIB: freed; largest_run, the largest physically contiguous piece of that; and
 * whole_blocks, how much of it was in aligned blocks of 2 MiB of which it
 * keeps nothing, so that they might become free blocks of that size.
 *
 * Exit status: 0, 1 if any word was wrong, 2 if it could not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "pattern.h"

#define PAGE_KIB	4UL
#define PAGE_BYTES	(PAGE_KIB << 10)
#define BLOCK_PAGES	512UL	/* 2 MiB: pageblock_order of x86-64 */
#define KEY		0x667261676d656e74ULL

#define PAGEMAP_PRESENT	(1ULL << 63)
#define PAGEMAP_PFN	((1ULL << 55) - 1)

struct area {
	uint64_t *memory;
	size_t nr_pages;
	size_t hole_pages;
	uint64_t *pfn;		/* of each page, before anything is freed */
};

__attribute__((noreturn))
static void die(const char *what)
{
	fprintf(stderr, "fragment: %s: %s\n", what, strerror(errno));
	exit(2);
}

static size_t number(const char *text)
{
	char *rest;
	unsigned long value = strtoul(text, &rest, 0);

	if (*rest || !value) {
		fprintf(stderr, "fragment: expected a number above 0, found '%s'\n", text);
		exit(2);
	}
	return value;
}

/* Every second piece is a hole. */
static bool in_hole(const struct area *area, size_t page)
{
	return page / area->hole_pages % 2;
}

static uint64_t *page_at(const struct area *area, size_t page)
{
	return area->memory + page * (PAGE_BYTES / sizeof(uint64_t));
}

static void allocate(struct area *area, size_t mib)
{
	size_t bytes = mib << 20;

	if (prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0))
		die("cannot switch huge pages off");
	area->nr_pages = bytes / PAGE_BYTES;
	area->memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	area->pfn = malloc(area->nr_pages * sizeof(*area->pfn));
	if (area->memory == MAP_FAILED || !area->pfn)
		die("cannot allocate");
	pattern_fill(area->memory, bytes, KEY, 0);
}

static void look_up(struct area *area)
{
	off_t offset = (off_t)((uintptr_t)area->memory / PAGE_BYTES * sizeof(uint64_t));
	size_t bytes = area->nr_pages * sizeof(*area->pfn), done = 0;
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die("/proc/self/pagemap");
	while (done < bytes) {
		ssize_t got = pread(fd, (char *)area->pfn + done, bytes - done,
				    offset + (off_t)done);

		if (got <= 0)
			die("/proc/self/pagemap");
		done += (size_t)got;
	}
	close(fd);
	for (size_t page = 0; page < area->nr_pages; page++) {
		if (!(area->pfn[page] & PAGEMAP_PRESENT) || !(area->pfn[page] & PAGEMAP_PFN)) {
			fprintf(stderr, "fragment: page %zu is not in the pagemap (not root?)\n",
				page);
			exit(2);
		}
		area->pfn[page] &= PAGEMAP_PFN;
	}
}

static int compare(const void *a, const void *b)
{
	const uint64_t *x = a, *y = b;

	return (*x > *y) - (*x < *y);
}

/* By physical address: bit 0 of an entry says that it is freed. */
static void report_freed(struct area *area)
{
	size_t freed = 0, run = 0, longest = 0, whole = 0, in_block = 0, page;
	bool kept_in_block = false;

	for (page = 0; page < area->nr_pages; page++)
		area->pfn[page] = area->pfn[page] << 1 | in_hole(area, page);
	qsort(area->pfn, area->nr_pages, sizeof(*area->pfn), compare);
	for (page = 0; page < area->nr_pages; page++) {
		uint64_t pfn = area->pfn[page] >> 1;
		uint64_t before = page ? area->pfn[page - 1] >> 1 : UINT64_MAX;

		if (!page || pfn / BLOCK_PAGES != before / BLOCK_PAGES) {
			whole += kept_in_block ? 0 : in_block;
			in_block = 0;
			kept_in_block = false;
		}
		if (!(area->pfn[page] & 1)) {
			kept_in_block = true;
			run = 0;
			continue;
		}
		freed++;
		in_block++;
		run = run && pfn == before + 1 ? run + 1 : 1;
		if (run > longest)
			longest = run;
	}
	whole += kept_in_block ? 0 : in_block;
	printf("freed %zu largest_run %zu whole_blocks %zu\n", freed * PAGE_KIB,
	       longest * PAGE_KIB, whole * PAGE_KIB);
}

static void free_holes(const struct area *area)
{
	size_t bytes = area->hole_pages * PAGE_BYTES;

	for (size_t page = area->hole_pages; page < area->nr_pages; page += 2 * area->hole_pages) {
		if (madvise(page_at(area, page), bytes, MADV_DONTNEED))
			die("madvise");
	}
}

/* Pages that were kept, or all; a hole reads as zeros until it is filled. */
static uint64_t verify(const struct area *area, bool holes_too)
{
	uint64_t wrong = 0;

	for (size_t page = 0; page < area->nr_pages; page++) {
		if (in_hole(area, page) && !holes_too)
			continue;
		wrong += pattern_verify(page_at(area, page), PAGE_BYTES, KEY,
					page * PAGE_BYTES, "kept memory");
	}
	return wrong;
}

static uint64_t fill_holes(const struct area *area)
{
	static const uint64_t zeros[PAGE_BYTES / sizeof(uint64_t)];
	uint64_t wrong = 0;

	for (size_t page = 0; page < area->nr_pages; page++) {
		if (!in_hole(area, page))
			continue;
		if (memcmp(page_at(area, page), zeros, PAGE_BYTES)) {
			fprintf(stderr, "MISMATCH page %zu: expected zeros in new memory\n", page);
			wrong++;
		}
		pattern_fill(page_at(area, page), PAGE_BYTES, KEY, page * PAGE_BYTES);
	}
	return wrong;
}

int main(int argc, char **argv)
{
	struct area area;
	uint64_t wrong;
	sigset_t set;
	int signal;

	if (argc != 3) {
		fprintf(stderr, "usage: fragment MIB HOLE_KIB\n");
		return 2;
	}
	area.hole_pages = number(argv[2]) / PAGE_KIB;
	if (!area.hole_pages || number(argv[1]) * 1024 % (2 * number(argv[2]))) {
		fprintf(stderr, "fragment: expected a multiple of two holes, of %lu KiB at least\n",
			PAGE_KIB);
		return 2;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	allocate(&area, number(argv[1]));
	look_up(&area);
	puts("allocated");
	sigwait(&set, &signal);
	free_holes(&area);
	/* Where it was: sorting it before would have kept the memory waiting. */
	report_freed(&area);
	sigwait(&set, &signal);
	wrong = verify(&area, false);
	wrong += fill_holes(&area);
	wrong += verify(&area, true);
	puts(wrong ? "wrong" : "verified");
	return wrong ? 1 : 0;
}
