// SPDX-License-Identifier: GPL-2.0
/*
 * movecheck: page cache that programs map is moved to other frames, in every way that
 * Linux has, while a host in the guest drops what it may; every word is verified.
 *
 *   movecheck SCENARIO FILE ROUNDS
 *   movecheck hold
 *	Blocks of memory go offline and come back; what is free in those that do not go
 *	is held. Says "ready", and waits for SIGTERM.
 *
 * The file is used in four quarters: one that a thread reads through its mapping all
 * the time, one that is mapped and left alone, one that is mapped by nobody, and one
 * that another process maps and leaves alone. The module under test unmaps what is left
 * alone (mapped=1), and the host drops it.
 *
 *   by frame: what is moved may be volatile, and dropped
 *	compact		compaction, of the file between the holes of another one
 *	hugepages	the pool of huge pages takes nearly all of the memory
 *	contig		contiguous allocation takes the file's frames (pagerace.ko); what is
 *			clean is not moved by it but freed
 *	offline		blocks of memory go offline and come back
 *   by page table: what is moved is mapped, and so is stable; what was unmapped is not found
 *	nodes		move_pages(), mbind() and migrate_pages() between two nodes
 *	balance		NUMA balancing: a program on the CPU of one node, then of the other
 *   in other sizes
 *	huge		huge pages of the page cache, mapped as such: taken apart by mprotect(),
 *			by whoever splits all that there are, and by unmapping; MADV_COLLAPSE
 *
 * Exit status: 0, or 1 if any word was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <linux/mempolicy.h>
#include <sys/syscall.h>

#include "movecheck-blocks.h"

#define HUGE_BYTES	(2UL << 20)
#define HUGE_PAGES	((unsigned int)(HUGE_BYTES / PAGE_BYTES))
#define NODES		2
#define BALLAST_BYTES	(320UL << 20)
#define BALLAST_STEP	(64 * PAGE_BYTES)
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

/* ------------------------------------------------------------------------
 * By frame
 */

/*
 * Compaction moves to where blocks have some free pages, and not into free blocks: so the
 * file lies between the pages of another one, which goes, and most of the memory behind
 * it has a page in use here and there.
 */
static void read_between_holes(const char *what)
{
	static char page[PAGE_BYTES];
	static char *ballast;
	char name[300];
	int junk;

	snprintf(name, sizeof(name), "%s.holes", path);
	junk = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
	if (junk < 0)
		die("%s", name);
	if (ballast)
		munmap(ballast, BALLAST_BYTES);
	forget();
	for (unsigned int i = 0; i < nr_pages; i++) {
		read_pages(i, 1, what);
		if (pwrite(junk, page, PAGE_BYTES, (off_t)(i * PAGE_BYTES)) != (ssize_t)PAGE_BYTES)
			die("write to %s", name);
	}
	close(junk);
	ballast = mmap(NULL, BALLAST_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS,
		       -1, 0);
	if (ballast == MAP_FAILED || madvise(ballast, BALLAST_BYTES, MADV_NOHUGEPAGE) ||
	    madvise(ballast, BALLAST_BYTES, MADV_POPULATE_WRITE))
		die("ballast");
	for (size_t at = 0; at < BALLAST_BYTES; at += BALLAST_STEP)
		if (madvise(ballast + at + PAGE_BYTES, BALLAST_STEP - PAGE_BYTES, MADV_DONTNEED))
			die("ballast");
	if (unlink(name))
		die("%s", name);
}

static void compact(void)
{
	write_to("/proc/sys/vm/compact_memory", "1");
	atomic_fetch_add(&done, 1);
}

static void huge_pages(void)
{
	char text[32];
	/* All of memory: more than there is in one piece. */
	long wanted = sysconf(_SC_PHYS_PAGES) / HUGE_PAGES;

	snprintf(text, sizeof(text), "%ld", wanted);
	write_to("/proc/sys/vm/nr_hugepages", text);
	write_to("/proc/sys/vm/nr_hugepages", "0");
	atomic_fetch_add(&done, 1);
}

static void contiguous(void)
{
	struct pagerace race = help(PAGERACE_CONTIG, 0, nr_pages, 0);

	atomic_fetch_add(&done, race.done);
}

static void by_frame(void (*move)(void))
{
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		unsigned long stable_before, freed_before;
		double started = now();
		unsigned long used;

		if (move == compact || move == huge_pages)
			read_between_holes("between holes");
		read_quarters("before it is moved");
		wait_unused_dropped();
		stable_before = made_stable();
		freed_before = freed();
		move();
		used = made_stable() - stable_before;
		printf("  %.1f s: volatile frames: %lu used, %lu found dropped, %lu freed\n",
		       now() - started, used, found_dropped(), freed() - freed_before);
		atomic_fetch_add(&met, move == compact ? found_dropped() :
						used + freed() - freed_before);
		read_quarters("moved");
		read_all("moved, by read()");
	}
}

static void run_compact(void)
{
	by_frame(compact);
}

static void run_huge_pages(void)
{
	by_frame(huge_pages);
}

static void run_contig(void)
{
	by_frame(contiguous);
}

static void run_offline(void)
{
	hold_what_stays();
	by_frame(offline);
}

/* ------------------------------------------------------------------------
 * By page table, between two nodes
 */

static void move_pages_to(int node)
{
	static void *pages[MAX_PAGES];
	static int nodes[MAX_PAGES], status[MAX_PAGES];

	for (unsigned int i = 0; i < nr_pages; i++) {
		pages[i] = page_at(i);
		nodes[i] = node;
		status[i] = -1;
	}
	/* > 0: so many could not be moved. */
	if (syscall(SYS_move_pages, 0, nr_pages, pages, nodes, status, MPOL_MF_MOVE) < 0)
		die("move_pages");
	/* Where they are now; what is not mapped is not there. */
	if (syscall(SYS_move_pages, 0, nr_pages, pages, NULL, status, 0) < 0)
		die("move_pages");
	for (unsigned int i = 0; i < nr_pages; i++) {
		if (status[i] == node)
			atomic_fetch_add(&met, 1);
		else if (status[i] == -ENOENT)
			atomic_fetch_add(&done, 1);
	}
}

static void bind_to(int node)
{
	unsigned long mask = 1UL << node;

	if (syscall(SYS_mbind, memory, nr_pages * PAGE_BYTES, MPOL_BIND, &mask, NODES + 1UL,
		    MPOL_MF_MOVE))
		die("mbind");
	if (syscall(SYS_mbind, memory, nr_pages * PAGE_BYTES, MPOL_DEFAULT, NULL, 0, 0))
		die("mbind");
}

static void migrate_to(int node)
{
	unsigned long from = 1UL << !node, to = 1UL << node;

	if (syscall(SYS_migrate_pages, 0, NODES + 1UL, &from, &to) < 0)
		die("migrate_pages");
}

static void run_nodes(void)
{
	static void (*const moves[])(int node) = { move_pages_to, bind_to, migrate_to };

	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		verify_mapped(quarter, nr_pages, "between nodes");
		other_verifies();
		/* Some are unmapped meanwhile, some are volatile, some dropped. */
		pause_us(draw(800000));
		moves[round % 3]((int)(round / 3 % NODES));
		pause_us(draw(200000));
		read_quarters("moved to another node");
	}
}

static long nr_balanced(void)
{
	return value_of("/proc/vmstat", "numa_pages_migrated");
}

static void run_balance(void)
{
	long first = nr_balanced();

	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		double end = now() + 3;

		/* The thread's page tables are those that are looked at. */
		pin(0, (int)(round % NODES));
		while (now() < end && !atomic_load(&wrong))
			verify_mapped(quarter, 2 * quarter, "near its CPU");
		/* Left alone for so long that it may be dropped. */
		pause_us(draw(2000000));
		verify_mapped(quarter, nr_pages, "after it was left alone");
		other_verifies();
		atomic_store(&met, (unsigned long)(nr_balanced() - first));
	}
}

/* ------------------------------------------------------------------------
 * Huge pages of the page cache
 */

static unsigned long mapped_huge(void)
{
	char line[256];
	unsigned long sum = 0, kib;
	FILE *stream = fopen("/proc/self/smaps", "r");

	if (!stream)
		die("smaps");
	while (fgets(line, sizeof(line), stream))
		if (sscanf(line, "FilePmdMapped: %lu kB", &kib) == 1)
			sum += kib / 4;
	fclose(stream);
	return sum;
}

static void split_by_mprotect(void)
{
	for (unsigned int i = 0; i < nr_pages; i += HUGE_PAGES) {
		unsigned int within = i + (unsigned int)draw(HUGE_PAGES);

		if (mprotect(page_at(within), PAGE_BYTES, PROT_NONE) ||
		    mprotect(page_at(within), PAGE_BYTES, PROT_READ))
			die("mprotect");
	}
}

static void split_all(void)
{
	write_to("/sys/kernel/debug/split_huge_pages", "1");
}

/* 6.1 cannot, of files that can be written to; a kernel that can must not lose any of them. */
static void collapse(void)
{
	for (unsigned int i = 0; i < nr_pages; i += HUGE_PAGES) {
		if (!madvise(page_at(i), HUGE_BYTES, MADV_COLLAPSE))
			printf("  MADV_COLLAPSE works for this file\n");
		else if (errno != EINVAL)
			die("MADV_COLLAPSE");
	}
}

static void map_huge(void)
{
	memory = map_file(PROT_READ, HUGE_BYTES);
	if (madvise(memory, nr_pages * PAGE_BYTES, MADV_HUGEPAGE))
		die("MADV_HUGEPAGE");
}

static void run_huge(void)
{
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		munmap(memory, nr_pages * PAGE_BYTES);
		forget();
		map_huge();
		verify_mapped(0, nr_pages, "in huge pages");
		atomic_fetch_add(&met, mapped_huge());
		if (round % 4 == 1)
			split_by_mprotect();
		if (round % 4 == 2)
			split_all();
		if (round % 2)
			collapse();
		verify_mapped(0, nr_pages, "huge pages, split");
		/* An event for each of its pages: by itself only the first is looked at again. */
		munmap(memory, nr_pages * PAGE_BYTES);
		map_huge();
		verify_mapped(0, nr_pages, "huge pages, mapped again");
		wait_unused_dropped();
		/* Those that are volatile, or dropped */
		if (round % 4 == 3)
			split_all();
		verify_mapped(0, nr_pages, "huge pages that were dropped");
		atomic_fetch_add(&done, 1);
	}
}

/* ------------------------------------------------------------------------ */

static const struct scenario {
	const char *name;
	void (*run)(void);
	bool in_quarters;
	bool small_folios;	/* compaction takes no others */
} scenarios[] = {
	{ "compact", run_compact, true, true },
	{ "hugepages", run_huge_pages, true, true },
	{ "contig", run_contig, true, false },
	{ "offline", run_offline, true, false },
	{ "nodes", run_nodes, true, false },
	{ "balance", run_balance, true, false },
	{ "huge", run_huge, false, false },
};

static void begin(const struct scenario *scenario)
{
	if (ftruncate(fd, 0))
		die("ftruncate of %s", path);
	nr_pages = scenario->in_quarters ? 2 * HUGE_PAGES : 4 * HUGE_PAGES;
	quarter = nr_pages / 4;
	write_from(0, nr_pages);
	to_disk();
	settle();
}

/* Until it is told to end */
static int hold(void)
{
	signal(SIGTERM, on_term);
	hold_what_stays();
	printf("ready\n");
	fflush(stdout);
	while (!stop)
		pause_us(100000);
	return 0;
}

int main(int argc, char **argv)
{
	const struct scenario *scenario = scenarios;

	if (argc == 2 && !strcmp(argv[1], "hold"))
		return hold();
	if (argc != 4) {
		fprintf(stderr, "usage: movecheck SCENARIO FILE ROUNDS\n"
				"       movecheck hold\n");
		return 2;
	}
	random_state = (uint64_t)getpid();
	while (strcmp(argv[1], scenario->name)) {
		errno = EINVAL;
		if (++scenario == scenarios + sizeof(scenarios) / sizeof(*scenarios))
			die("%s", argv[1]);
	}
	rounds = strtoul(argv[3], NULL, 0);
	open_file(argv[2], O_RDWR | O_CREAT);
	begin(scenario);
	/* Writable, as what is not is passed over by NUMA balancing. */
	memory = map_file(scenario->in_quarters ? PROT_READ | PROT_WRITE : PROT_READ, HUGE_BYTES);
	/* Without readahead */
	if (scenario->small_folios && (posix_fadvise(fd, 0, 0, POSIX_FADV_RANDOM) ||
				       madvise(memory, nr_pages * PAGE_BYTES, MADV_RANDOM)))
		die("advice");
	if (scenario->in_quarters) {
		start_other();
		if (pthread_create(&user, NULL, use, NULL))
			die("a thread");
	}
	scenario->run();
	if (scenario->in_quarters) {
		atomic_store(&user_ends, true);
		pthread_join(user, NULL);
		close(told[1]);
		waitpid(other, NULL, 0);
	}
	printf("%lu rounds, %lu pages verified, %lu done, %lu met, %lu words wrong\n",
	       rounds, atomic_load(&verified), atomic_load(&done), atomic_load(&met),
	       atomic_load(&wrong));
	return atomic_load(&wrong) ? 1 : 0;
}
