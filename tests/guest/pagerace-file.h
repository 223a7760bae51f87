/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the scenarios of pagerace.c and movecheck.c work on: one file whose every word is known,
 * the module under test, whose host drops the file's pages, and pagerace.ko,
 * which does what user space cannot.
 */
#ifndef TESTS_PAGERACE_FILE_H
#define TESTS_PAGERACE_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../modules/pagerace.h"
#include "apart.h"
#include "program.h"

#define MAX_PAGES	4096U
#define BATCH		15U	/* PAGEVEC_SIZE: pages of one batch for reading */
#define KEY		1
#ifndef PATIENCE_S
#define PATIENCE_S	100.0
#endif

static const char *path;
static int fd = -1;
static unsigned int nr_pages;
static unsigned long rounds;
/* What each page holds: a pattern, and in its first word what was poked in. */
static uint64_t keys[MAX_PAGES], first_words[MAX_PAGES];
static long dropped_before;	/* frames that are not ours */
static atomic_ulong wrong, verified, met, done;
static uint64_t random_state;

static uint64_t draw(uint64_t limit)
{
	return random_below(&random_state, limit);
}

static void pause_us(uint64_t us)
{
	struct timespec time = {
		.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000) * 1000,
	};

	nanosleep(&time, NULL);
}

/* ------------------------------------------------------------------------
 * The module under test, and the one that helps
 */

static long frames(const char *state)
{
	FILE *file = fopen("/sys/kernel/debug/pagehint/states", "r");
	char name[64];
	long value;

	if (!file)
		die("pagehint's states");
	while (fscanf(file, "%63s %ld", name, &value) == 2) {
		if (!strcmp(name, state)) {
			fclose(file);
			return value;
		}
	}
	die("pagehint's states have no %s", state);
}

static struct pagerace help(unsigned long command, unsigned int index,
			    unsigned int count, uint64_t argument)
{
	struct pagerace race = {
		.fd = fd, .index = index, .count = count, .argument = argument,
	};
	int device = open("/dev/pagerace", O_RDWR | O_CLOEXEC);

	if (device < 0)
		die("/dev/pagerace");
	if (ioctl(device, command, &race))
		die("request %#lx about %s", command, path);
	close(device);
	return race;
}

/* ------------------------------------------------------------------------
 * The file
 */

static void verify(const uint64_t *words, unsigned int index, const char *what)
{
	uint64_t offset = index * PAGE_BYTES, bad;

	if (words[0] != first_words[index] && words[0] != pattern_word(keys[index], offset)) {
		fprintf(stderr, "MISMATCH %s: page %u: its first word is %016" PRIx64
			", expected %016" PRIx64 "\n", what, index, words[0], first_words[index]);
		atomic_fetch_add(&wrong, 1);
	}
	bad = pattern_verify(words + 1, PAGE_BYTES - 8, keys[index], offset + 8, what);
	atomic_fetch_add(&wrong, bad);
	atomic_fetch_add(&verified, 1);
}

static void read_pages(unsigned int index, unsigned int count, const char *what)
{
	static _Thread_local uint64_t words[BATCH * PAGE_WORDS];
	ssize_t got;

	got = pread(fd, words, count * PAGE_BYTES, (off_t)(index * PAGE_BYTES));
	if (got != (ssize_t)(count * PAGE_BYTES))
		die("read of %u pages at page %u of %s gave %zd bytes", count, index, path, got);
	for (unsigned int i = 0; i < count; i++)
		verify(words + i * PAGE_WORDS, index + i, what);
}

static void read_all(const char *what)
{
	for (unsigned int i = 0; i < nr_pages; i += BATCH)
		read_pages(i, nr_pages - i < BATCH ? nr_pages - i : BATCH, what);
}

static void write_pages(unsigned int index, unsigned int count)
{
	uint64_t words[BATCH * PAGE_WORDS];

	for (unsigned int i = 0; i < count; i++) {
		uint64_t *page = words + i * PAGE_WORDS;

		pattern_fill(page, PAGE_BYTES, keys[index + i], (index + i) * PAGE_BYTES);
		first_words[index + i] = page[0];
	}
	if (pwrite(fd, words, count * PAGE_BYTES, (off_t)(index * PAGE_BYTES)) !=
	    (ssize_t)(count * PAGE_BYTES))
		die("write of %u pages at page %u of %s", count, index, path);
}

static void write_from(unsigned int index, unsigned int end)
{
	for (; index < end; index += BATCH)
		write_pages(index, end - index < BATCH ? end - index : BATCH);
}

static void to_disk(void)
{
	if (fsync(fd))
		die("fsync of %s", path);
}

static void forget(void)
{
	int error = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);

	if (error) {
		errno = error;
		die("fadvise of %s", path);
	}
}

/* Frames that the host dropped; or that one which is told by calls may drop when it likes. */
static long nr_dropped(void)
{
	return frames("volatile_absent") + frames("volatile_busy");
}

/*
 * Once nobody else's pages come and go. Of the file itself one may stay that the
 * module just looks at: so it is forgotten as often as the frames are counted.
 */
static void settle(void)
{
	long last = -1;

	for (;;) {
		forget();
		dropped_before = nr_dropped();
		if (dropped_before == last)
			return;
		last = dropped_before;
		pause_us(150000);
	}
}

static void wait_dropped(unsigned int nr)
{
	double end = now() + PATIENCE_S;
	long found;

	while ((found = nr_dropped() - dropped_before) < (long)nr) {
		if (now() > end) {
			errno = ETIMEDOUT;
			die("the host dropped %ld pages of %s, waiting for %u", found, path, nr);
		}
		pause_us(3000);
	}
}

static void open_file(const char *name, int flags)
{
	struct stat status;

	path = name;
	fd = open(path, flags | O_CLOEXEC, 0600);
	if (fd < 0 || fstat(fd, &status))
		die("%s", path);
	nr_pages = (unsigned int)((size_t)status.st_size / PAGE_BYTES);
	if (nr_pages > MAX_PAGES)
		die("%s has more than %u pages", path, MAX_PAGES);
	for (unsigned int i = 0; i < MAX_PAGES; i++) {
		keys[i] = KEY;
		first_words[i] = pattern_word(KEY, i * PAGE_BYTES);
	}
}

#endif /* TESTS_PAGERACE_FILE_H */
