/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the scenarios of stay.c work on: the file of discardfault-file.h, its pages by
 * what ESSA says of them, and mappings of it. One program, cut in three.
 */
#ifndef TESTS_STAY_FILE_H
#define TESTS_STAY_FILE_H

#include <sys/mman.h>
#include <unistd.h>

#include "discardfault-file.h"

#define ESSA_USAGE	0x0c
#define ESSA_VOLATILE	0x0c
#define ESSA_IS_STABLE	0x00
#define FILE_BYTES	(PAGES * PAGE_BYTES)
#define AROUND_BYTES	(64UL << 10)
/* ------------------------------------------------------------------------
 * Pages and mappings
 */

static unsigned int usage(unsigned int index)
{
	return help(DISCARDFAULT_STATE, index, NULL).state & ESSA_USAGE;
}

static void check_stable(unsigned int index, const char *what)
{
	unsigned int found = usage(index);

	if (found != ESSA_IS_STABLE)
		complain("page %u: usage %#x, expected stable, %s", index, found, what);
}

static void check_all(const uint64_t *words, const char *what)
{
	for (unsigned int i = 0; i < PAGES; i++)
		verify(words + i * PAGE_WORDS, i, what);
}

/* As one window of fault-around */
static uint64_t *map_aligned(int protection, int flags)
{
	char *room = mmap(NULL, 2 * AROUND_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *words;

	if (room == MAP_FAILED)
		die("mmap");
	room += -(uintptr_t)room % AROUND_BYTES;
	words = mmap(room, FILE_BYTES, protection, flags | MAP_FIXED, fd, 0);
	if (words == MAP_FAILED)
		die("mmap of %s", path);
	return words;
}

static bool is_mapped(const uint64_t *words, unsigned int index)
{
	static int pagemap = -1;
	uint64_t entry;
	off_t at = (off_t)((uintptr_t)(words + index * PAGE_WORDS) / PAGE_BYTES * 8);

	if (pagemap < 0)
		pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	if (pread(pagemap, &entry, sizeof(entry), at) != sizeof(entry))
		die("/proc/self/pagemap");
	return entry >> 63;
}

/* All pages are in the page cache, and the host was told that they are volatile. */
static void make_volatile(void)
{
	double end = now() + PATIENCE_S;
	unsigned int i = 0;

	read_all("before it was volatile");
	while (is_low() && now() < end) {
		leave_low_memory();
		read_all("before it was volatile");
	}
	while (i < PAGES) {
		if (help(DISCARDFAULT_STATE, i, NULL).address && usage(i) == ESSA_VOLATILE) {
			i++;
			continue;
		}
		if (now() > end) {
			errno = ETIMEDOUT;
			die("page %u of %s has usage %#x, not volatile", i, path, usage(i));
		}
		pause_ms(20);
		i = 0;
	}
	count_from_here();
}

/* Mapped, and still volatile, and still there */
static uint64_t *map_volatile(int protection, int flags)
{
	uint64_t *words;

	make_volatile();
	words = map_aligned(protection, flags);
	for (unsigned int i = 0; i < PAGES; i++) {
		if (*word_of(words, i) != right_word(i))
			complain("page %u: a wrong word in a mapping", i);
		if (usage(i) != ESSA_VOLATILE)
			complain("page %u: usage %#x, expected volatile, when it was mapped", i,
				 usage(i));
	}
	return words;
}

/* Mapped, volatile, and gone, but for page 0 and some */
static uint64_t *map_gone(int protection, int flags)
{
	unsigned int nr = 0;
	uint64_t *words;

	drop();
	words = map_aligned(protection, flags);
	if (*word_of(words, 0) != right_word(0))
		complain("the first access to a mapping: a wrong word");
	for (unsigned int i = 1; i < PAGES; i++)
		nr += is_mapped(words, i) && is_gone(i);
	if (nr < PAGES / 2)
		complain("%u pages are mapped and gone, expected %u", nr, PAGES / 2);
	return words;
}

static void unmap(uint64_t *words)
{
	munmap(words, FILE_BYTES);
}

/* Nothing was met that no getter knew of. */
static void no_defects(void)
{
	expect_none(FAULTS);
	expect_none(ZEROS);
	expect_none(LOST);
	expect_none(LATE);
}

#endif /* TESTS_STAY_FILE_H */
