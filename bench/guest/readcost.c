// SPDX-License-Identifier: GPL-2.0
/*
 * readcost: what cached pages of a file cost, in ticks of the time stamp counter
 * per page. Under `qemu -icount shift=0` a tick is one guest instruction.
 *
 *   readcost [-v] FILE DIRECTORY	prints lines "name ticks"
 *
 * FILE has 1 MiB at least, on a file system whose pages may become volatile;
 * DIRECTORY is on one that keeps its files in the page cache and nowhere else
 * (ramfs). -v: page cache becomes volatile, and where it says so a page must
 * have been: by pagehint's own count. The least of several repetitions counts.
 *
 *   read		a page, by pread(); it was just read before
 *   read_first		a page that nobody used for seconds
 *   map		a page mapped by fault-around, after it was mapped before
 *   map_first		a page that nobody used for seconds
 *   unmap		a page unmapped, just after it was mapped
 *   unmap_first	a page that was mapped for seconds
 *   add		a page of a new file: allocated, added to the cache, written
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "ticks.h"

#define PAGES		256UL
#define PAGE_BYTES	4096UL
#define REPETITIONS	50
#define FIRST_REPETITIONS	5
#define FIRST_SECONDS	7	/* by then pages that were in use were looked at again */

enum cost { READ, READ_FIRST, MAP, MAP_FIRST, UNMAP, UNMAP_FIRST, ADD, NR_COSTS };

static const char * const names[NR_COSTS] = {
	"read", "read_first", "map", "map_first", "unmap", "unmap_first", "add",
};

static uint64_t least[NR_COSTS];
static char buffer[PAGE_BYTES];

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static void took(enum cost cost, uint64_t begin)
{
	uint64_t each = (ticks() - begin) / PAGES;

	if (!least[cost] || each < least[cost])
		least[cost] = each;
}

/* Frames that were volatile and then used, the host having left them alone */
static unsigned long kept(void)
{
	FILE *file = fopen("/sys/kernel/debug/pagehint/counters", "r");
	unsigned long value;
	char name[64];

	if (!file)
		die("readcost: pagehint's counters");
	while (fscanf(file, "%63s %lu", name, &value) == 2) {
		if (strcmp(name, "nr_volatile_kept"))
			continue;
		fclose(file);
		return value;
	}
	fprintf(stderr, "readcost: pagehint counts no nr_volatile_kept\n");
	exit(1);
}

static void expect_kept(unsigned long before, const char *what)
{
	unsigned long now = kept();

	if (now - before >= PAGES)
		return;
	fprintf(stderr, "readcost: %s: expected %lu pages that were volatile, found %lu\n",
		what, PAGES, now - before);
	exit(1);
}

static void rest(void)
{
	const struct timespec time = { .tv_sec = FIRST_SECONDS };

	nanosleep(&time, NULL);
}

static void read_all(int fd, enum cost cost)
{
	uint64_t begin = ticks();
	unsigned long i;

	for (i = 0; i < PAGES; i++) {
		if (pread(fd, buffer, PAGE_BYTES, (off_t)(i * PAGE_BYTES)) != PAGE_BYTES)
			die("readcost: pread");
	}
	took(cost, begin);
}

/* The first of sixteen pages faults, and maps all of them (fault_around_bytes). */
static void map_all(int fd, enum cost map_cost, bool wait, enum cost unmap_cost)
{
	volatile char *memory = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	uint64_t begin;
	unsigned long i;

	if (memory == MAP_FAILED)
		die("readcost: mmap");
	begin = ticks();
	for (i = 0; i < PAGES; i++)
		(void)memory[i * PAGE_BYTES];
	took(map_cost, begin);
	if (wait)
		rest();
	begin = ticks();
	if (munmap((void *)memory, PAGES * PAGE_BYTES))
		die("readcost: munmap");
	took(unmap_cost, begin);
}

static void add_all(int fd)
{
	uint64_t begin = ticks();
	unsigned long i;

	for (i = 0; i < PAGES; i++) {
		if (pwrite(fd, buffer, PAGE_BYTES, (off_t)(i * PAGE_BYTES)) != PAGE_BYTES)
			die("readcost: pwrite");
	}
	took(ADD, begin);
	if (ftruncate(fd, 0))
		die("readcost: ftruncate");
}

static int open_new(const char *directory)
{
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/readcost", directory);
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);
	if (fd < 0)
		die(path);
	unlink(path);
	return fd;
}

int main(int argc, char **argv)
{
	bool is_volatile = argc == 4 && !strcmp(argv[1], "-v");
	unsigned long before = 0;
	int fd, new, i;

	if (argc != 3 && !is_volatile) {
		fprintf(stderr, "usage: readcost [-v] FILE DIRECTORY\n");
		return 2;
	}
	fd = open(argv[argc - 2], O_RDONLY);
	if (fd < 0)
		die(argv[argc - 2]);
	new = open_new(argv[argc - 1]);
	for (i = 0; i < REPETITIONS; i++) {
		read_all(fd, READ);
		map_all(fd, MAP, false, UNMAP);
		add_all(new);
	}
	for (i = 0; i < FIRST_REPETITIONS; i++) {
		rest();
		if (is_volatile)
			before = kept();
		read_all(fd, READ_FIRST);
		if (is_volatile)
			expect_kept(before, "read");
		rest();
		if (is_volatile)
			before = kept();
		map_all(fd, MAP_FIRST, true, UNMAP_FIRST);
		if (is_volatile)
			expect_kept(before, "map");
	}
	for (i = 0; i < NR_COSTS; i++)
		printf("%s %llu\n", names[i], (unsigned long long)least[i]);
	return 0;
}
