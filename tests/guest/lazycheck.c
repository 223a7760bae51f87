// SPDX-License-Identifier: GPL-2.0
/*
 * lazycheck: memory given up with MADV_FREE, verified.
 *
 *   lazycheck hold KIND MIB SEED
 *	Fills anonymous memory, gives it up, says "ready", and until SIGTERM:
 *	KIND idle, huge (in huge pages) leave it alone; used reads a word of each
 *	page five times a second, and says how long it ever took from one time to the end
 *	of the next; written wrote a word to each page at once; locked
 *	has it in mlock(), pinned in a pipe, forked in a child that was forked before.
 *	Then says how many pages were freed, and verifies the others.
 *   lazycheck race PAGES SECONDS SEED
 *	Gives memory up, reads it for a while, and writes to it while it is being
 *	freed, on another CPU.
 *   lazycheck stress SECONDS PROCESSES MIB SEED
 *	PROCESSES that give their memory up, use it again in every way, or not.
 *
 * What holds for a page that was given up: until it is written to, it has its content
 * or is all zeros, and once zeros for ever; from then on what it is stays.
 *
 * Exit status: 0, or 1 if any page was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "apart.h"
#include "stress.h"

#define HUGE_BYTES	(2UL << 20)
#define OVERLAY		7	/* the word that is written alone */

/* ------------------------------------------------------------------------
 * What a page has to be
 */

struct page {
	uint64_t key;		/* of its content; 0: zeros */
	uint64_t overlay;	/* in the word OVERLAY; 0: none */
	bool given_up;		/* it may be zeros as well */
};

struct memory {
	uint64_t *words;
	struct page *pages;
	size_t nr;
	uint64_t wrong;
};

static uint64_t *page_words(const struct memory *memory, size_t number)
{
	return memory->words + number * PAGE_WORDS;
}

static uint64_t expected_word(const struct page *page, size_t number, size_t word)
{
	if (word == OVERLAY && page->overlay)
		return page->overlay;
	return page->key ? pattern_word(page->key, number * PAGE_BYTES + word * 8) : 0;
}

/* Given up, it may become zeros while it is read: then what follows is zeros. */
static void verify_page(struct memory *memory, size_t number, const char *how)
{
	const volatile uint64_t *words = page_words(memory, number);
	struct page *page = &memory->pages[number];
	bool zeros = false;

	for (size_t i = 0; i < PAGE_WORDS; i++) {
		uint64_t expected = zeros ? 0 : expected_word(page, number, i);
		uint64_t found = words[i];

		if (found == expected)
			continue;
		if (page->given_up && !zeros && !found) {
			zeros = true;
			continue;
		}
		fprintf(stderr, "MISMATCH %s: page %zu word %zu%s: expected %016" PRIx64
			", found %016" PRIx64 "\n", how, number, i,
			page->given_up ? " (given up)" : "", expected, found);
		memory->wrong++;
		return;
	}
	if (zeros)
		*page = (struct page){ .given_up = true };
}

static void fill_page(struct memory *memory, size_t number, uint64_t key)
{
	pattern_fill(page_words(memory, number), PAGE_BYTES, key, number * PAGE_BYTES);
	memory->pages[number] = (struct page){ .key = key };
}

/* It stays from now on: with what is beside the word, or with zeros. */
static void wrote_word(struct memory *memory, size_t number, uint64_t value)
{
	const volatile uint64_t *words = page_words(memory, number);
	struct page *page = &memory->pages[number];

	if (page->given_up && !words[0])
		page->key = 0;
	page->overlay = value;
	page->given_up = false;
}

static void write_word(struct memory *memory, size_t number, uint64_t value)
{
	volatile uint64_t *words = page_words(memory, number);

	words[OVERLAY] = value;
	wrote_word(memory, number, value);
}

static void give_up(struct memory *memory, size_t first, size_t nr)
{
	need(!madvise(page_words(memory, first), nr * PAGE_BYTES, MADV_FREE), "MADV_FREE");
	for (size_t i = first; i < first + nr; i++)
		memory->pages[i].given_up = true;
}

static void verify(struct memory *memory, const char *how)
{
	for (size_t i = 0; i < memory->nr; i++)
		verify_page(memory, i, how);
}

static struct memory make(size_t bytes, bool huge)
{
	struct memory memory = { .nr = bytes / PAGE_BYTES };
	char *start = mmap(NULL, bytes + HUGE_BYTES, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	need(start != MAP_FAILED, "mmap");
	start += -(uintptr_t)start % HUGE_BYTES;
	memory.words = (uint64_t *)start;
	need(!madvise(start, bytes, huge ? MADV_HUGEPAGE : MADV_NOHUGEPAGE), "madvise");
	memory.pages = calloc(memory.nr, sizeof(*memory.pages));
	need(memory.pages, "calloc");
	return memory;
}

/* ------------------------------------------------------------------------
 * hold
 */

/* Holds the pages by references, and what was in them, in a pipe. */
static int pin_pages(struct memory *memory)
{
	struct iovec all = { memory->words, memory->nr * PAGE_BYTES };
	int ends[2];

	need(!pipe(ends), "pipe");
	need(fcntl(ends[1], F_SETPIPE_SZ, all.iov_len) >= (int)all.iov_len, "F_SETPIPE_SZ");
	need(vmsplice(ends[1], &all, 1, 0) == (ssize_t)all.iov_len, "vmsplice");
	return ends[0];
}

static void verify_pinned(struct memory *memory, int pipe)
{
	static uint64_t words[PAGE_WORDS];

	for (size_t i = 0; i < memory->nr; i++) {
		for (size_t done = 0; done < PAGE_BYTES;) {
			ssize_t nr = read(pipe, (char *)words + done, PAGE_BYTES - done);

			need(nr > 0, "read of the pipe");
			done += nr;
		}
		memory->wrong += pattern_verify(words, PAGE_BYTES, memory->pages[i].key,
						i * PAGE_BYTES, "pinned");
	}
}

static pid_t fork_holder(struct memory *memory)
{
	pid_t child = fork();

	need(child >= 0, "fork");
	if (child)
		return child;
	while (!stop)
		usleep(100000);
	verify(memory, "child");
	_exit(memory->wrong ? 1 : 0);
}

static size_t count_zeros(const struct memory *memory)
{
	size_t zeros = 0;

	for (size_t i = 0; i < memory->nr; i++)
		zeros += !*(volatile uint64_t *)page_words(memory, i);
	return zeros;
}

static int hold(char **arguments)
{
	const char *kind = arguments[0];
	struct memory memory = make(strtoul(arguments[1], NULL, 0) * MIB, !strcmp(kind, "huge"));
	uint64_t key = pattern_mix(strtoull(arguments[2], NULL, 0)), sum = 0;
	bool used = !strcmp(kind, "used");
	double from, begun, longest = 0;
	pid_t child = 0;
	int status, pipe = -1;

	signal(SIGTERM, on_term);
	for (size_t i = 0; i < memory.nr; i++)
		fill_page(&memory, i, key);
	if (!strcmp(kind, "forked"))
		child = fork_holder(&memory);
	if (!strcmp(kind, "pinned"))
		pipe = pin_pages(&memory);
	give_up(&memory, 0, memory.nr);
	if (!strcmp(kind, "locked"))
		need(!mlock(memory.words, memory.nr * PAGE_BYTES), "mlock");
	for (size_t i = 0; !strcmp(kind, "written") && i < memory.nr; i++)
		write_word(&memory, i, pattern_word(key + 1, i));
	printf("ready\n");
	fflush(stdout);
	for (from = now(); !stop; from = begun) {
		begun = now();
		for (size_t i = 0; used && i < memory.nr; i++)
			sum += *(volatile uint64_t *)page_words(&memory, i);
		longest = longer(longest, from);
		usleep(200000);
	}
	longest = longer(longest, from);
	if (used)
		printf("%s: not all of it in %ld ms\n", kind, (long)(longest * 1000));
	printf("%s: %zu of %zu freed\n", kind, count_zeros(&memory), memory.nr);
	verify(&memory, kind);
	if (pipe >= 0)
		verify_pinned(&memory, pipe);
	if (child) {
		kill(child, SIGTERM);
		need(waitpid(child, &status, 0) == child, "waitpid");
		memory.wrong += status != 0;
	}
	return memory.wrong || (used && !sum);
}

/* ------------------------------------------------------------------------
 * race
 */

static int race(char **arguments)
{
	struct memory memory = make(strtoul(arguments[0], NULL, 0) * PAGE_BYTES, false);
	double end = now() + strtod(arguments[1], NULL);
	uint64_t random = pattern_mix(strtoull(arguments[2], NULL, 0));
	size_t rounds = 0, freed = 0, sum = 0;

	apart();
	while (now() < end && !memory.wrong) {
		for (size_t i = 0; i < memory.nr; i++)
			fill_page(&memory, i, random + 1);
		give_up(&memory, 0, memory.nr);
		/* Twice seen in use, the kernel holds it for active. */
		for (unsigned int i = 0; i < 5; i++) {
			sum += count_zeros(&memory);
			usleep(100000);
		}
		/* At random, until each was written to, or is gone. */
		for (size_t i = 0; i < memory.nr; i++) {
			random = pattern_mix(random + i);
			usleep(random % (1500000 / memory.nr));
			write_word(&memory, random % memory.nr, random | 1);
		}
		verify(&memory, "written while it was freed");
		freed += count_zeros(&memory);
		rounds++;
	}
	printf("%zu rounds, %zu pages freed, %zu while they were read\n", rounds, freed, sum);
	return memory.wrong != 0;
}

/* ------------------------------------------------------------------------
 * stress
 */

struct process {
	struct memory memory;
	uint64_t random;
	uint64_t verified;	/* pages */
};

static void use_give_up(struct process *p, size_t first, size_t nr)
{
	give_up(&p->memory, first, nr);
}

static void use_verify(struct process *p, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		verify_page(&p->memory, i, "read");
	p->verified += nr;
}

static void use_fill(struct process *p, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		fill_page(&p->memory, i, p->random + 1);
}

static void use_write(struct process *p, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		write_word(&p->memory, i, pattern_word(p->random, i));
}

/* By the kernel, through a reference */
static void use_write_by_others(struct process *p, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++) {
		uint64_t value = pattern_word(p->random, i);
		struct iovec local = { &value, sizeof(value) };
		struct iovec remote = { page_words(&p->memory, i) + OVERLAY, sizeof(value) };

		need(process_vm_writev(getpid(), &local, 1, &remote, 1, 0) == sizeof(value),
		     "process_vm_writev");
		wrote_word(&p->memory, i, value);
	}
}

static void use_lock(struct process *p, size_t first, size_t nr)
{
	uint64_t *words = page_words(&p->memory, first);

	need(!mlock(words, nr * PAGE_BYTES), "mlock");
	use_verify(p, first, nr);
	usleep(random_below(&p->random, 2) * 500000);
	use_verify(p, first, nr);
	need(!munlock(words, nr * PAGE_BYTES), "munlock");
}

static void use_protection(struct process *p, size_t first, size_t nr)
{
	uint64_t *words = page_words(&p->memory, first);

	need(!mprotect(words, nr * PAGE_BYTES, PROT_READ), "mprotect");
	use_verify(p, first, nr);
	need(!mprotect(words, nr * PAGE_BYTES, PROT_READ | PROT_WRITE), "mprotect");
}

static void use_zap(struct process *p, size_t first, size_t nr)
{
	need(!madvise(page_words(&p->memory, first), nr * PAGE_BYTES, MADV_DONTNEED),
	     "MADV_DONTNEED");
	for (size_t i = first; i < first + nr; i++)
		p->memory.pages[i] = (struct page){ 0 };
	use_verify(p, first, nr);
}

/* The child has what was there, whatever the parent does with it meanwhile. */
static void use_fork(struct process *p, size_t first, size_t nr)
{
	pid_t child = fork();
	int status;

	need(child >= 0, "fork");
	if (!child) {
		p->memory.wrong = 0;
		usleep(random_below(&p->random, 3) * 400000);
		for (size_t i = 0; i < p->memory.nr; i++)
			verify_page(&p->memory, i, "child");
		use_write(p, first, nr);
		use_give_up(p, first / 2, nr);
		usleep(random_below(&p->random, 2) * 400000);
		for (size_t i = 0; i < p->memory.nr; i++)
			verify_page(&p->memory, i, "child, written");
		_exit(p->memory.wrong ? 1 : 0);
	}
	use_give_up(p, first, nr);
	use_write(p, first, nr / 2);
	need(waitpid(child, &status, 0) == child, "waitpid");
	p->memory.wrong += status != 0;
	use_verify(p, first, nr);
}

static void (*const uses[])(struct process *p, size_t first, size_t nr) = {
	use_give_up, use_give_up, use_give_up, use_give_up, use_verify, use_verify, use_fill,
	use_fill, use_write, use_write_by_others, use_lock, use_protection, use_zap, use_fork,
};

static int run_process(unsigned int number, size_t bytes, uint64_t seed, double end)
{
	struct process p = { .random = pattern_mix(seed + number) };

	p.memory = make(bytes, number % 2);
	use_fill(&p, 0, p.memory.nr);
	while (now() < end && !p.memory.wrong && !stop) {
		size_t nr, first = random_part(&p.random, p.memory.nr, &nr);

		uses[random_below(&p.random, sizeof(uses) / sizeof(uses[0]))](&p, first, nr);
		/* Long enough, for some of them, to be taken for idle */
		usleep(random_below(&p.random, 10) ? random_below(&p.random, 20000) : 500000);
	}
	verify(&p.memory, "end");
	printf("process %u: %llu MiB verified\n", number,
	       (unsigned long long)(p.verified * PAGE_BYTES / MIB));
	return p.memory.wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "hold"))
		return hold(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "race"))
		return race(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "stress"))
		return stress(argv + 2, HUGE_BYTES, run_process);
	fprintf(stderr,
		"usage: lazycheck hold idle|huge|used|written|locked|pinned|forked MIB SEED\n"
		"       lazycheck race PAGES SECONDS SEED\n"
		"       lazycheck stress SECONDS PROCESSES MIB SEED\n");
	return 2;
}
