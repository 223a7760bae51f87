// SPDX-License-Identifier: GPL-2.0
/*
 * pagerace: runs into the races about volatile page cache, again and again, and
 * verifies every word that it reads. The module under test is delayed at the
 * critical points (delay_at=), its hostile host drops what it may.
 *
 *   pagerace make FILE PAGES
 *   pagerace check FILE
 *   pagerace read FILE
 *	Write a file of the pattern; verify it; read it, whatever is in it (for
 *	an error: its name).
 *   pagerace map FILE
 *   pagerace drop FILE
 *	Verify it by page faults, which no writer of the file keeps out; and wait
 *	until the host has dropped all of its pages.
 *   pagerace poke FILE OFFSET
 *	Write eight bytes, those that are there already.
 *   pagerace lock|remove|unlock FILE
 *	Its first page: locked, taken out of the cache while locked, unlocked.
 *   pagerace SCENARIO FILE ROUNDS
 *	See the table at the end. FILE is one that `make` wrote.
 *
 * Exit status: 0, or 1 if any word was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pagerace-file.h"

/* ------------------------------------------------------------------------
 * Two at the same time, on two CPUs
 */

static atomic_uint arrived;
static void (*second)(unsigned int index);
static atomic_uint second_index;
static atomic_bool second_ends;

/* Spinning, so that both leave it in the same microsecond if they run at all. */
static void meet(unsigned int nr)
{
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < nr)
		if (atomic_load(&second_ends))
			return;
}

static void *second_thread(void *unused)
{
	unsigned int turn = 0;

	(void)unused;
	pin(0, 1);
	for (;;) {
		meet(4 * turn + 2);
		if (atomic_load(&second_ends))
			return NULL;
		second(atomic_load(&second_index));
		meet(4 * turn + 4);
		turn++;
	}
}

/*
 * From the last to the first: a reader evicts what was dropped behind the place
 * where it reads, and the next pair would find nothing dropped.
 */
static void in_pairs(void (*first)(unsigned int index), void (*other)(unsigned int index),
		     unsigned int step, void (*after)(void))
{
	unsigned int turn = 0;
	pthread_t thread;

	second = other;
	pin(0, 0);
	if (pthread_create(&thread, NULL, second_thread, NULL))
		die("a thread");
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		wait_dropped(nr_pages);
		for (unsigned int i = nr_pages / step; i-- > 0; turn++) {
			atomic_store(&second_index, i * step);
			meet(4 * turn + 2);
			first(i * step);
			meet(4 * turn + 4);
		}
		after();
	}
	atomic_store(&second_ends, true);
	pthread_join(thread, NULL);
}

static void read_one(unsigned int index)
{
	read_pages(index, 1, "one of two readers of a page");
}

static void read_batch(unsigned int index)
{
	read_pages(index, BATCH, "one of two readers of a batch");
}

static void read_after(void)
{
	read_all("a reader afterwards");
}

static void readers_page(void)
{
	in_pairs(read_one, read_one, 1, read_after);
}

static void readers_batch(void)
{
	in_pairs(read_batch, read_batch, BATCH, read_after);
}

static uint64_t poke_count;

static void poke_one(unsigned int index)
{
	uint64_t word = pattern_word(KEY + ++poke_count, index);

	first_words[index] = word;
	if (pwrite(fd, &word, sizeof(word), (off_t)(index * PAGE_BYTES)) != sizeof(word))
		die("write to page %u of %s", index, path);
}

/* What was poked in must be there: verify() takes what was there before, too. */
static void poked(void)
{
	uint64_t word;

	for (unsigned int i = 0; i < nr_pages; i++) {
		if (pread(fd, &word, sizeof(word), (off_t)(i * PAGE_BYTES)) != sizeof(word))
			die("read of page %u of %s", i, path);
		if (word == first_words[i])
			continue;
		fprintf(stderr, "MISMATCH a write is lost: page %u: %016" PRIx64
			", expected %016" PRIx64 "\n", i, word, first_words[i]);
		atomic_fetch_add(&wrong, 1);
	}
}

/* In the cache, and on the disk */
static void poked_and_written(void)
{
	poked();
	to_disk();
	read_all("in the cache, after writes");
	forget();
	read_all("on the disk, after writes");
	poked();
}

/*
 * verify() in the reader would race with the poke's bookkeeping; it reads only.
 */
static void touch_one(unsigned int index)
{
	static _Thread_local char page[PAGE_BYTES];

	if (pread(fd, page, PAGE_BYTES, (off_t)(index * PAGE_BYTES)) != (ssize_t)PAGE_BYTES)
		die("read of page %u of %s", index, path);
}

static void reader_writer(void)
{
	in_pairs(touch_one, poke_one, 1, poked_and_written);
}

/* ------------------------------------------------------------------------
 * Page faults
 */

static void read_mapped(const char *what)
{
	uint64_t *words = mmap(NULL, nr_pages * PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);

	if (words == MAP_FAILED)
		die("mmap of %s", path);
	/* From somewhere in the middle: fault-around goes both ways. */
	for (unsigned int n = 0, i = (unsigned int)draw(nr_pages); n < nr_pages; n++) {
		verify(words + i * PAGE_WORDS, i, what);
		i = (i + 7) % nr_pages;
	}
	munmap(words, nr_pages * PAGE_BYTES);
}

static void fault_around(void)
{
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		wait_dropped(nr_pages);
		read_mapped("a mapping");
		read_all("a reader after a mapping");
	}
}

/* After a while in which the module commits, on a machine that is slow, too */
static void pause_for_commit(unsigned long round)
{
	pause_us(draw(40000) * (round % 8 == 7 ? 10 : 1));
}

static void fault_commit(void)
{
	apart();
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		read_mapped("a mapping");
		pause_for_commit(round);
	}
}

/* ------------------------------------------------------------------------
 * Others who hold a page
 */

static void dirty(void)
{
	apart();
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		uint64_t key = KEY + 1 + round;

		read_all("before it was dirtied");
		pause_for_commit(round);
		for (unsigned int i = 0; i < nr_pages; i++) {
			struct pagerace race = help(PAGERACE_DIRTY, i, 1, key);

			if (!race.dirty)
				continue;
			keys[i] = key;
			first_words[i] = pattern_word(key, i * PAGE_BYTES);
			atomic_fetch_add(&met, race.met);
			atomic_fetch_add(&done, 1);
		}
		/* Time for the host to take what it must not */
		pause_us(60000);
		read_all("dirtied without the lock");
		to_disk();
	}
	forget();
	read_all("dirtied, from the disk");
}

static void write_once(const char *file, const char *text)
{
	int file_fd = open(file, O_WRONLY | O_CLOEXEC);

	if (file_fd < 0 || write(file_fd, text, strlen(text)) < 0)
		die("%s", file);
	close(file_fd);
}

static void migrate(void)
{
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		struct pagerace race;

		wait_dropped(nr_pages);
		race = help(PAGERACE_MIGRATE, 0, nr_pages, 0);
		atomic_fetch_add(&done, race.done);
		race = help(PAGERACE_PEEK, 0, nr_pages, 0);
		/* These were found dropped on the way, and stayed in the cache. */
		atomic_fetch_add(&met, race.present - race.uptodate);
		read_all("moved");
	}
}

static void nmi(void)
{
	apart();
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		struct pagerace race;

		read_all("between NMIs");
		race = help(PAGERACE_NMI, 0, nr_pages, 1);
		atomic_fetch_add(&met, race.met);
		atomic_fetch_add(&done, race.done);
	}
}

/*
 * Without the rule a reader may come to look for a page for ever that is free and still
 * in the cache. It can be killed.
 */
#define FOR_EVER_S	40

static void *look_after(void *unused)
{
	unsigned long seen = 0;
	unsigned int seconds = 0;

	(void)unused;
	while (seconds < FOR_EVER_S) {
		unsigned long now = atomic_load(&done);

		seconds = now == seen ? seconds + 1 : 0;
		seen = now;
		sleep(1);
	}
	fprintf(stderr, "MISMATCH while it is written: no end of a system call in %u s\n", seconds);
	_exit(1);
}

/* On a disk that is slow: the end of writeback comes while pages are looked at */
static void writeback(void)
{
	pthread_t thread;

	if (pthread_create(&thread, NULL, look_after, NULL))
		die("a thread");
	apart();
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		for (unsigned int i = 0; i < nr_pages; i++)
			keys[i] = KEY + 1 + round;
		write_from(0, nr_pages);
		atomic_fetch_add(&done, 1);
		pause_us(draw(20000));
		to_disk();
		atomic_fetch_add(&done, 1);
		read_all("after it was written");
	}
}

/* ------------------------------------------------------------------------
 * Truncation and reclaim against recovery
 */

static void *shrinker(void *unused)
{
	(void)unused;
	pin(0, 1);
	while (!atomic_load(&second_ends)) {
		uint64_t random = pattern_mix(atomic_load(&done));
		unsigned int end = 1 + (unsigned int)(random % (nr_pages - 1));

		if (ftruncate(fd, (off_t)(end * PAGE_BYTES)))
			die("ftruncate of %s", path);
		write_once("/proc/sys/vm/drop_caches", "1");
		write_from(end, nr_pages);
		to_disk();
		pause_us(40000);
		atomic_fetch_add(&done, 1);
	}
	return NULL;
}

/* The file ends somewhere, always behind a page; up to there it is whole. */
static void truncate_reclaim(void)
{
	static uint64_t words[BATCH * PAGE_WORDS];
	pthread_t thread;

	pin(0, 0);
	if (pthread_create(&thread, NULL, shrinker, NULL))
		die("a thread");
	while (atomic_load(&done) < rounds && !atomic_load(&wrong)) {
		unsigned int index = (unsigned int)draw(nr_pages);
		ssize_t got = pread(fd, words, sizeof(words), (off_t)(index * PAGE_BYTES));

		if (got < 0)
			die("read of %s", path);
		for (unsigned int i = 0; i < (size_t)got / PAGE_BYTES; i++)
			verify(words + i * PAGE_WORDS, index + i, "a file that is truncated");
		pause_us(draw(3000));
	}
	atomic_store(&second_ends, true);
	pthread_join(thread, NULL);
}

/* ------------------------------------------------------------------------
 * Large folios: the host drops one page of several (drop_every=16)
 */
static void large(void)
{
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	for (unsigned long round = 0; round < rounds && !atomic_load(&wrong); round++) {
		struct pagerace race;

		forget();
		read_all("before a part was dropped");
		race = help(PAGERACE_PEEK, 0, nr_pages, 0);
		atomic_fetch_add(&met, race.large);
		settle();
		read_all("before a part was dropped");
		wait_dropped(nr_pages / 16 * 3 / 4);
		read_all("a part was dropped");
		atomic_fetch_add(&done, 1);
	}
}

/* ------------------------------------------------------------------------ */

static const struct scenario {
	const char *name;
	void (*run)(void);
	unsigned int pages;
	bool dropped;	/* begins with all pages dropped */
} scenarios[] = {
	{ "readers_page", readers_page, 30, true },
	{ "readers_batch", readers_batch, 60, true },
	{ "reader_writer", reader_writer, 30, true },
	{ "fault_around", fault_around, 64, true },
	{ "fault_commit", fault_commit, 16, false },
	{ "dirty", dirty, 16, false },
	{ "migrate", migrate, 128, true },
	{ "nmi", nmi, 16, false },
	{ "writeback", writeback, 64, false },
	{ "truncate", truncate_reclaim, 256, false },
	{ "large", large, 1024, false },
};

static void begin(const struct scenario *scenario)
{
	if (ftruncate(fd, 0))
		die("ftruncate of %s", path);
	nr_pages = scenario->pages;
	write_from(0, nr_pages);
	to_disk();
	/* What was written is in small folios; XFS reads ahead into large ones. */
	if (!scenario->dropped)
		return;
	settle();
	read_all("before the first round");
}

static int run_scenario(const struct scenario *scenario)
{
	begin(scenario);
	scenario->run();
	printf("%lu rounds, %lu pages verified, %lu done, %lu met, %lu words wrong\n",
	       rounds, atomic_load(&verified), atomic_load(&done), atomic_load(&met),
	       atomic_load(&wrong));
	return atomic_load(&wrong) ? 1 : 0;
}

static int run_command(const char *command, unsigned long argument)
{
	char page[PAGE_BYTES];
	ssize_t got;

	if (!strcmp(command, "make")) {
		nr_pages = (unsigned int)argument;
		write_from(0, nr_pages);
		to_disk();
	} else if (!strcmp(command, "check")) {
		read_all("checked");
		printf("%u pages verified\n", nr_pages);
	} else if (!strcmp(command, "read")) {
		for (off_t offset = 0; (got = pread(fd, page, PAGE_BYTES, offset)); offset += got) {
			if (got < 0)
				die("read at %lld of %s", (long long)offset, path);
		}
	} else if (!strcmp(command, "drop")) {
		settle();
		read_mapped("before it was dropped");
		wait_dropped(nr_pages);
	} else if (!strcmp(command, "map")) {
		read_mapped("mapped");
	} else if (!strcmp(command, "poke")) {
		uint64_t word = pattern_word(KEY, argument);

		if (pwrite(fd, &word, sizeof(word), (off_t)argument) != sizeof(word))
			die("write at %lu of %s", argument, path);
	} else if (!strcmp(command, "lock")) {
		help(PAGERACE_LOCK, 0, 1, 0);
	} else if (!strcmp(command, "remove")) {
		help(PAGERACE_LOCK, 0, 1, 1);
	} else if (!strcmp(command, "unlock")) {
		help(PAGERACE_UNLOCK, 0, 1, 0);
	} else {
		errno = EINVAL;
		die("%s", command);
	}
	return atomic_load(&wrong) ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc != 3 && argc != 4) {
		fprintf(stderr, "usage: pagerace COMMAND|SCENARIO FILE [ARGUMENT]\n");
		return 2;
	}
	random_state = (uint64_t)getpid();
	rounds = argc == 4 ? strtoul(argv[3], NULL, 0) : 1;
	open_file(argv[2], O_RDWR | O_CREAT);
	for (size_t i = 0; i < sizeof(scenarios) / sizeof(*scenarios); i++) {
		if (!strcmp(argv[1], scenarios[i].name))
			return run_scenario(&scenarios[i]);
	}
	return run_command(argv[1], rounds);
}
