/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Scenarios of stay.c in which the hypervisor drops every volatile page at once: what is
 * mapped is gone. Included by it behind what both kinds use.
 */
#ifndef TESTS_STAY_GONE_H
#define TESTS_STAY_GONE_H

/* ------------------------------------------------------------------------
 * Volatile, and gone
 */

static void gone_user(void)
{
	uint64_t *words = map_gone(PROT_READ, MAP_SHARED);

	check_all(words, "mapping");
	unmap(words);
	read_all("after a mapping");
}

static void gone_shared(void)
{
	uint64_t *words = map_gone(PROT_READ | PROT_WRITE, MAP_SHARED);

	for (unsigned int i = 1; i < PAGES; i++)
		write_word(words, i);
	check_all(words, "shared mapping");
	if (fsync(fd))
		die("fsync of %s", path);
	unmap(words);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	read_all("written by a mapping");
}

static void gone_private(void)
{
	uint64_t *words = map_gone(PROT_READ | PROT_WRITE, MAP_PRIVATE);

	for (unsigned int i = 1; i < PAGES; i++)
		write_word(words, i);
	check_all(words, "private copy");
	unmap(words);
	memset(written, 0, sizeof(written));
	read_all("beside private copies");
}

static void gone_forked(void)
{
	uint64_t *words = map_gone(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	int status;
	pid_t child = fork();

	if (child < 0)
		die("fork");
	if (!child) {
		for (unsigned int i = 1; i < PAGES; i += 2)
			write_word(words, i);
		check_all(words, "child");
		_exit(wrong ? 1 : 0);
	}
	check_all(words, "parent");
	if (waitpid(child, &status, 0) != child || status)
		complain("the child: status %#x", status);
	unmap(words);
}

static void gone_gup_fast(void)
{
	uint64_t *words = map_gone(PROT_READ, MAP_SHARED);

	for (unsigned int i = 1; i < PAGES; i++)
		splice_page(words, i, false);
	unmap(words);
}

static void gone_gup(void)
{
	uint64_t *words = map_gone(PROT_READ, MAP_SHARED);

	for (unsigned int i = 1; i < PAGES; i++)
		read_remote(words, i);
	unmap(words);
}

/* All of it by one call each; and a device reads the pages. */
static void gone_direct(void)
{
	uint64_t *words = map_gone(PROT_READ, MAP_SHARED);
	char name[300];
	int other;

	snprintf(name, sizeof(name), "%s.direct", path);
	other = open(name, O_RDWR | O_CREAT | O_TRUNC | O_DIRECT | O_CLOEXEC, 0600);
	if (other < 0 || pwrite(other, words, FILE_BYTES, 0) != (ssize_t)FILE_BYTES)
		die("direct I/O to %s", name);
	close(other);
	other = open(name, O_RDONLY | O_CLOEXEC);
	for (unsigned int i = 0; i < PAGES; i++) {
		if (pread(other, page, PAGE_BYTES, (off_t)(i * PAGE_BYTES)) !=
		    (ssize_t)PAGE_BYTES)
			die("read of %s", name);
		verify(page, i, "direct I/O from a mapping");
	}
	close(other);
	unmap(words);
	words = map_gone(PROT_READ, MAP_SHARED);
	other = open("/proc/self/mem", O_RDONLY | O_CLOEXEC);
	for (unsigned int i = 0; i < PAGES; i++) {
		if (pread(other, page, PAGE_BYTES, (off_t)(uintptr_t)(words + i * PAGE_WORDS)) !=
		    (ssize_t)PAGE_BYTES)
			die("/proc/self/mem");
		verify(page, i, "/proc/self/mem");
	}
	close(other);
	unmap(words);
}

static void gone_locked(void)
{
	uint64_t *words = map_gone(PROT_READ, MAP_SHARED);

	if (mlock(words, FILE_BYTES))
		die("mlock");
	check_all(words, "locked");
	for (unsigned int i = 1; i < PAGES; i++)
		check_stable(i, "locked in memory, and used");
	unmap(words);
}

/* None that is gone is moved; of those that are not, by now, some may be. */
#define MOVED	4U

static void gone_moved(void)
{
	uint64_t *words = map_gone(PROT_READ, MAP_SHARED);

	move_pages_of_file(1, 1 + MOVED);
	check_all(words, "after a migration");
	if (!counter("nr_stay_moves"))
		complain("no migration failed for what is gone: nothing was tested");
	unmap(words);
}

static void gone_truncated(void)
{
	const unsigned int cut = PAGES / 2;
	uint64_t *words = map_gone(PROT_READ, MAP_SHARED);

	if (ftruncate(fd, (off_t)(cut * PAGE_BYTES + PAGE_BYTES / 2)))
		die("truncation of %s", path);
	for (unsigned int i = 0; i < cut; i++)
		verify(words + i * PAGE_WORDS, i, "after a truncation");
	if (pattern_verify(words + cut * PAGE_WORDS, PAGE_BYTES / 2, KEY, cut * PAGE_BYTES,
			   "what a truncation left"))
		atomic_fetch_add(&wrong, 1);
	for (unsigned int i = PAGE_WORDS / 2; i < PAGE_WORDS; i++) {
		if (words[cut * PAGE_WORDS + i])
			complain("word %u behind a file's end is not zero", i);
	}
	unmap(words);
}

/* ------------------------------------------------------------------------
 * Against a second thread that polls the same pages
 */

#define ROUNDS	12
#define POLLS	3000

static uint64_t *polled;
static atomic_uint arrived;

static void meet(unsigned int nr)
{
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < nr)
		sched_yield();
}

static void *poll_pages(void *unused)
{
	(void)unused;
	pin(1);
	for (unsigned int i = 1; i < PAGES; i++) {
		meet(2 * i);
		for (volatile unsigned int wait = i * 500; wait; wait--)
			;
		for (unsigned int n = 0; n < POLLS; n++) {
			uint64_t word = *word_of(polled, i);

			if (word == right_word(i))
				continue;
			complain("page %u: polled %016" PRIx64 ", expected %016" PRIx64, i, word,
				 right_word(i));
			break;
		}
	}
	return NULL;
}

/* Does something to each page while the other thread polls it. */
static void against_polls(void (*act)(unsigned int index))
{
	for (unsigned int round = 0; round < ROUNDS && !atomic_load(&wrong); round++) {
		pthread_t thread;

		polled = map_gone(PROT_READ, MAP_SHARED);
		atomic_store(&arrived, 0);
		if (pthread_create(&thread, NULL, poll_pages, NULL))
			die("a thread");
		pin(0);
		for (unsigned int i = 1; i < PAGES; i++) {
			meet(2 * i);
			act(i);
		}
		pthread_join(thread, NULL);
		check_all(polled, "polled");
		unmap(polled);
		no_defects();
	}
}

static void act_read(unsigned int index)
{
	read_page(index, "read() of a page that is polled");
}

/* A part of the page: the rest has to be read in first. */
static void act_write(unsigned int index)
{
	uint64_t word = pattern_word(KEY, index * PAGE_BYTES + 16);

	if (pwrite(fd, &word, sizeof(word), (off_t)(index * PAGE_BYTES + 16)) != sizeof(word))
		die("write to %s", path);
}

/* A second mapping, which is written to where another CPU maps */
static void act_store(unsigned int index)
{
	uint64_t *words = map_aligned(PROT_READ | PROT_WRITE, MAP_SHARED);

	if (index % 2 && *word_of(words, index) != right_word(index))
		complain("page %u: a wrong word in a second mapping", index);
	write_word(words, index);
	unmap(words);
}

static void gone_read(void)
{
	against_polls(act_read);
}

static void gone_written(void)
{
	against_polls(act_write);
	expect_none(ERRORS);
}

static void gone_stored(void)
{
	against_polls(act_store);
	if (fsync(fd))
		die("fsync of %s", path);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	read_all("written by a second mapping");
}

/*
 * A lookup of a page that another CPU is just mapping: the module waits so long between
 * its look at each page and the entry (delay_at=map), with the page locked. mincore()
 * looks a page up, and reads nothing in.
 */
#define DELAY_MS	50

static void look_up_in_turn(int begin)
{
	uint64_t *words = map_aligned(PROT_READ, MAP_SHARED);
	unsigned char is_there;

	if (read(begin, &is_there, 1) != 1)
		die("a pipe");
	pause_ms(DELAY_MS / 2);
	for (unsigned int i = 0; i < PAGES; i++) {
		if (mincore(words + i * PAGE_WORDS, PAGE_BYTES, &is_there))
			die("mincore");
		pause_ms(DELAY_MS);
	}
	_exit(0);
}

static void gone_around(void)
{
	for (unsigned int round = 0; round < ROUNDS && !atomic_load(&wrong); round++) {
		uint64_t *words;
		int ends[2], status;
		pid_t child;

		drop();
		if (pipe(ends))
			die("pipe");
		child = fork();
		if (child < 0)
			die("fork");
		if (!child)
			look_up_in_turn(ends[0]);
		words = map_aligned(PROT_READ, MAP_SHARED);
		if (write(ends[1], "", 1) != 1)
			die("a pipe");
		check_all(words, "mapped beside lookups");
		if (waitpid(child, &status, 0) != child || status)
			complain("the child: status %#x", status);
		check_all(words, "mapped beside lookups, later");
		close(ends[0]);
		close(ends[1]);
		unmap(words);
		no_defects();
	}
}

#endif /* TESTS_STAY_GONE_H */
