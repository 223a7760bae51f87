/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What movecheck.c's ways of moving work on: a file in four quarters, of which one is
 * used all the time, and what of it is volatile.
 */
#ifndef TESTS_MOVECHECK_FILE_H
#define TESTS_MOVECHECK_FILE_H

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>

/* What comes back often is unmapped ever more slowly. */
#define PATIENCE_S	100.0
/* Some of it is for pagerace.c alone. */
#pragma GCC diagnostic ignored "-Wunused-function"
#include "pagerace-file.h"

static uint64_t *memory;	/* all of the file */
static unsigned int quarter;	/* pages */
static pthread_t user;
static atomic_bool user_ends;
static pid_t other;

/* ------------------------------------------------------------------------
 * Small things
 */

static void write_to(const char *file, const char *text)
{
	int file_fd = open(file, O_WRONLY | O_CLOEXEC);

	if (file_fd < 0 || write(file_fd, text, strlen(text)) < 0)
		die("%s", file);
	close(file_fd);
}

/* A line "NAME NUMBER" */
static long value_of(const char *file, const char *wanted)
{
	FILE *stream = fopen(file, "r");
	char name[64];
	long value;

	if (!stream)
		die("%s", file);
	while (fscanf(stream, "%63s %ld", name, &value) == 2) {
		if (!strcmp(name, wanted)) {
			fclose(stream);
			return value;
		}
	}
	die("no %s in %s", wanted, file);
}

static long counter(const char *name)
{
	return value_of("/sys/kernel/debug/pagehint/counters", name);
}

static uint64_t *page_at(unsigned int index)
{
	return memory + index * PAGE_WORDS;
}

static void verify_mapped(unsigned int first, unsigned int end, const char *what)
{
	for (; first < end; first++)
		verify(page_at(first), first, what);
}

static uint64_t *map_file(int protection, size_t alignment)
{
	size_t bytes = nr_pages * PAGE_BYTES;
	char *area = mmap(NULL, bytes + alignment, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *mapped;

	if (area == MAP_FAILED)
		die("an area");
	area += (alignment - (uintptr_t)area % alignment) % alignment;
	mapped = mmap(area, bytes, protection, MAP_SHARED | MAP_FIXED, fd, 0);
	if (mapped == MAP_FAILED)
		die("mmap of %s", path);
	return mapped;
}

/* ------------------------------------------------------------------------
 * The four quarters
 */

static void *use(void *unused)
{
	(void)unused;
	while (!atomic_load(&user_ends)) {
		verify_mapped(0, quarter, "what is used");
		pause_us(20000);
	}
	return NULL;
}

/* Maps the last quarter, verifies it each time that it is told to, says so. */
static int told[2], said[2];

static void start_other(void)
{
	char word;

	if (pipe(told) || pipe(said))
		die("pipe");
	fflush(NULL);
	other = fork();
	if (other < 0)
		die("fork");
	if (other)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(told[1]);
	while (read(told[0], &word, 1) == 1) {
		verify_mapped(3 * quarter, nr_pages, "what another process maps");
		word = atomic_load(&wrong) != 0;
		if (write(said[1], &word, 1) != 1)
			break;
	}
	_exit(0);
}

static void other_verifies(void)
{
	char word = 0;

	if (write(told[1], &word, 1) != 1 || read(said[0], &word, 1) != 1)
		die("the other process");
	if (word)
		atomic_fetch_add(&wrong, 1);
}

/* By page faults, and what nobody maps by read(). */
static void read_quarters(const char *what)
{
	verify_mapped(quarter, 2 * quarter, what);
	for (unsigned int i = 2 * quarter; i < 3 * quarter; i += BATCH)
		read_pages(i, 3 * quarter - i < BATCH ? 3 * quarter - i : BATCH, what);
	other_verifies();
}

/*
 * What nobody uses: all of it, but for folios that cross into what is used, and what
 * somebody just looks at.
 */
static void wait_unused_dropped(void)
{
	wait_dropped(3 * quarter - quarter / 2);
}

/* Pages that were found dropped on the way; nobody read them since, and they stayed. */
static unsigned long found_dropped(void)
{
	struct pagerace race = help(PAGERACE_PEEK, quarter, nr_pages - quarter, 0);

	return race.present - race.uptodate;
}

/* Frames that were found volatile, by whom ever, and those that were freed so */
static unsigned long made_stable(void)
{
	return (unsigned long)(counter("nr_volatile_kept") + counter("nr_volatile_discarded"));
}

static unsigned long freed(void)
{
	return (unsigned long)counter("nr_volatile_freed");
}

#endif /* TESTS_MOVECHECK_FILE_H */
