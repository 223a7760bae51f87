// SPDX-License-Identifier: GPL-2.0
/*
 * stay: page cache that is mapped while it is volatile (mapped_volatile=1), used in every
 * way that is not an access through the mapping, and verified.
 *
 *   stay SCENARIO FILE
 *	Those of the first table want a hypervisor that drops nothing by itself: pages
 *	are volatile and there, and whoever takes hold of one must make it stable. Those of
 *	the second want one that drops every volatile page at once: they are gone. FILE is
 *	written, on a file system that takes part.
 *
 * Exit status: 0, or 1 if anything was not as it must be, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stay-file.h"

/* ------------------------------------------------------------------------
 * Volatile, and there
 */

static void write_word(uint64_t *words, unsigned int index)
{
	static uint64_t round;

	written[index] = pattern_word(KEY + 1, ++round);
	((volatile uint64_t *)words)[index * PAGE_WORDS + WRITTEN] = written[index];
}

static void shared(void)
{
	uint64_t *words = map_volatile(PROT_READ | PROT_WRITE, MAP_SHARED);

	for (unsigned int i = 0; i < PAGES; i++) {
		write_word(words, i);
		check_stable(i, "written to by a shared mapping");
	}
	check_all(words, "shared mapping");
	if (fsync(fd))
		die("fsync of %s", path);
	unmap(words);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	read_all("written by a mapping");
}

/* Of what is copied a reference is held, by which it is read. */
static void private(void)
{
	uint64_t *words = map_volatile(PROT_READ | PROT_WRITE, MAP_PRIVATE);

	for (unsigned int i = 0; i < PAGES; i++) {
		write_word(words, i);
		check_stable(i, "copied by a page fault");
	}
	check_all(words, "private copy");
	unmap(words);
	memset(written, 0, sizeof(written));
	read_all("beside private copies");
}

static void forked(void)
{
	uint64_t *words = map_volatile(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int status;
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (!child) {
		for (unsigned int i = 0; i < PAGES; i++) {
			if (usage(i) != ESSA_VOLATILE)
				complain("page %u: not volatile after a fork", i);
			write_word(words, i);
			check_stable(i, "copied after a fork");
		}
		check_all(words, "child's copy");
		_exit(wrong ? 1 : 0);
	}
	if (waitpid(child, &status, 0) != child || status)
		complain("the child: status %#x", status);
	check_all(words, "parent");
	unmap(words);
}

static void splice_page(uint64_t *words, unsigned int index, bool held_is_stable)
{
	struct iovec pages = { words + index * PAGE_WORDS, PAGE_BYTES };
	int ends[2];

	if (pipe(ends) || vmsplice(ends[1], &pages, 1, 0) != (ssize_t)PAGE_BYTES)
		die("vmsplice");
	if (held_is_stable)
		check_stable(index, "held by a pipe");
	if (read(ends[0], page, PAGE_BYTES) != (ssize_t)PAGE_BYTES)
		die("a pipe");
	verify(page, index, "vmsplice");
	close(ends[0]);
	close(ends[1]);
}

static void gup_fast(void)
{
	uint64_t *words = map_volatile(PROT_READ, MAP_SHARED);

	for (unsigned int i = 0; i < PAGES; i++)
		splice_page(words, i, true);
	unmap(words);
}

static void read_remote(uint64_t *words, unsigned int index)
{
	struct iovec local = { page, PAGE_BYTES };
	struct iovec remote = { words + index * PAGE_WORDS, PAGE_BYTES };

	if (process_vm_readv(getpid(), &local, 1, &remote, 1, 0) != (ssize_t)PAGE_BYTES)
		die("process_vm_readv");
	verify(page, index, "process_vm_readv");
}

static void gup(void)
{
	uint64_t *words = map_volatile(PROT_READ, MAP_SHARED);

	for (unsigned int i = 0; i < PAGES; i++) {
		read_remote(words, i);
		check_stable(i, "read by process_vm_readv()");
	}
	unmap(words);
}

/* mlock() of what is mapped, and what is mapped after mlockall() */
static void locked(void)
{
	uint64_t *words = map_volatile(PROT_READ, MAP_SHARED);

	if (mlock(words, FILE_BYTES))
		die("mlock");
	for (unsigned int i = 0; i < PAGES; i++)
		check_stable(i, "locked in memory");
	check_all(words, "locked");
	unmap(words);
}

static void isolated(void)
{
	uint64_t *words = map_volatile(PROT_READ, MAP_SHARED);
	unsigned long long before_it = counter("nr_stay_isolated");

	if (madvise(words, FILE_BYTES, MADV_PAGEOUT))
		die("madvise");
	if (counter("nr_stay_isolated") == before_it)
		complain("nothing volatile was isolated");
	check_all(words, "paged out");
	unmap(words);
}

static void read_by_call(void)
{
	uint64_t *words = map_volatile(PROT_READ, MAP_SHARED);

	for (unsigned int i = 0; i < PAGES; i++) {
		read_page(i, "read() of a mapped page");
		check_stable(i, "read by read()");
	}
	unmap(words);
}

/* Returns how many of the pages from @first to @end were moved. */
static unsigned int move_pages_of_file(unsigned int first, unsigned int end)
{
	unsigned int nr = 0;

	for (unsigned int i = first; i < end; i++)
		nr += !help(DISCARDFAULT_MOVE, i, NULL).result;
	return nr;
}

static void moved(void)
{
	uint64_t *words = map_volatile(PROT_READ, MAP_SHARED);
	unsigned int nr = move_pages_of_file(0, PAGES);

	if (nr < PAGES / 2)
		complain("%u pages of %u were moved", nr, PAGES);
	check_all(words, "moved");
	unmap(words);
}

/* What mapping costs in what is said to the host; for the caller to judge */
#define STEADY_ROUNDS	20

static unsigned long long said(void)
{
	return counter("nr_essa_set_volatile") + counter("nr_essa_set_stable") +
	       counter("nr_essa_set_stable_if");
}

static void steady(void)
{
	unsigned long long before_it, kept_before, transitions = 0, kept = 0;
	long minor = 0, major = 0;

	for (unsigned int round = 0; round < STEADY_ROUNDS; round++) {
		struct rusage first, last;
		uint64_t *words;

		if (!round)
			make_volatile();
		/* Without reading it: what is volatile must be so by itself. */
		for (double end = now() + PATIENCE_S; ; pause_ms(5)) {
			unsigned int i = 0;

			while (i < PAGES && usage(i) == ESSA_VOLATILE)
				i++;
			if (i == PAGES)
				break;
			if (now() > end)
				die("page %u has usage %#x, not volatile", i, usage(i));
		}
		words = map_aligned(PROT_READ, MAP_SHARED);
		before_it = said();
		kept_before = counter("nr_volatile_kept");
		getrusage(RUSAGE_THREAD, &first);
		for (unsigned int i = 0; i < PAGES; i++) {
			if (*word_of(words, i) != right_word(i))
				complain("page %u: a wrong word", i);
		}
		getrusage(RUSAGE_THREAD, &last);
		transitions += said() - before_it;
		kept += counter("nr_volatile_kept") - kept_before;
		minor += last.ru_minflt - first.ru_minflt;
		major += last.ru_majflt - first.ru_majflt;
		munmap(words, FILE_BYTES);
	}
	printf("%u pages mapped by %ld minor and %ld major page faults, ",
	       STEADY_ROUNDS * PAGES, minor, major);
	printf("%llu transitions of volatile to stable, %llu ESSA\n", kept, transitions);
}

#include "stay-gone.h"

/* ------------------------------------------------------------------------ */

static const struct scenario scenarios[] = {
	{ "shared", shared },		/* a host that drops nothing, from here on */
	{ "private", private },
	{ "forked", forked },
	{ "gup_fast", gup_fast },
	{ "gup", gup },
	{ "locked", locked },
	{ "isolated", isolated },
	{ "read", read_by_call },
	{ "moved", moved },
	{ "steady", steady },
	{ "gone_user", gone_user },	/* one that drops everything */
	{ "gone_shared", gone_shared },
	{ "gone_private", gone_private },
	{ "gone_forked", gone_forked },
	{ "gone_gup_fast", gone_gup_fast },
	{ "gone_gup", gone_gup },
	{ "gone_direct", gone_direct },
	{ "gone_locked", gone_locked },
	{ "gone_moved", gone_moved },
	{ "gone_truncated", gone_truncated },
	{ "gone_read", gone_read },
	{ "gone_written", gone_written },
	{ "gone_stored", gone_stored },
	{ "gone_around", gone_around },	/* with delay_at=map delay_us=50000 */
};

static void tell(const char *scenario)
{
	if (!strcmp(scenario, "steady"))
		no_defects();
}

int main(int argc, char **argv)
{
	return run_scenario(argc, argv, scenarios, sizeof(scenarios) / sizeof(*scenarios), tell);
}
