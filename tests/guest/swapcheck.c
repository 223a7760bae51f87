// SPDX-License-Identifier: GPL-2.0
/*
 * swapcheck: memory that is swapped out, and read from the swap cache or the disk, verified.
 *
 *   swapcheck hold KIND MIB SEED
 *	Fills memory, has it written out (MADV_PAGEOUT, after which it stays in the swap
 *	cache), says "ready", and until SIGTERM does nothing; then verifies it. KIND: anon
 *	private memory; shared memory of tmpfs; forked private memory with a child that
 *	verifies it, writes to every second page and verifies that, before its parent does;
 *	every of which only every second frame stays, so that compaction has something to do;
 *	willneed memory that is asked for with MADV_WILLNEED every other second; thin the
 *	same, mostly zeros, which can be compressed; incore memory of which mincore() is
 *	asked.
 *   swapcheck late private|shared PAGES SEED
 *	Says "ready" when none of its pages is in the swap cache. From SIGTERM on one thread
 *	reads page after page; another one asks for it with MADV_WILLNEED, and reads it into
 *	the swap cache, while the first is between its look there and reading it in (where a
 *	delay is).
 *   swapcheck stress SECONDS PROCESSES MIB SEED
 *	PROCESSES that use memory in every way while it is written out, half of them shared
 *	memory.
 *
 * Exit status: 0, or 1 if any page was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "stress.h"

#ifndef MADV_PAGEOUT
#define MADV_PAGEOUT	21
#endif

/* Of a part of the swap cache that is read at once no two are used. */
#define STRIDE		64

/* What the kernel says to who comes for a page of swap that is not uptodate */
static void on_bus(int signal)
{
	static const char text[] = "MISMATCH SIGBUS: a page of memory is lost\n";

	(void)signal;
	_exit(write(2, text, sizeof(text) - 1) < 0 ? 2 : 1);
}

static void ready(void)
{
	printf("ready\n");
	fflush(stdout);
}

/* ------------------------------------------------------------------------
 * Memory, each page with a key of its own
 */

struct memory {
	uint64_t *words;
	uint64_t *keys;
	size_t nr;
	size_t filled;		/* bytes of each page; behind them are zeros */
	uint64_t wrong;		/* pages */
};

static uint64_t *page_words(const struct memory *memory, size_t number)
{
	return memory->words + number * PAGE_WORDS;
}

static void fill(struct memory *memory, size_t number, uint64_t key)
{
	pattern_fill(page_words(memory, number), memory->filled, key, number * PAGE_BYTES);
	memory->keys[number] = key;
}

static bool rest_is_zeros(const struct memory *memory, size_t number, const char *how)
{
	const uint64_t *words = page_words(memory, number);

	for (size_t i = memory->filled / sizeof(*words); i < PAGE_WORDS; i++) {
		if (words[i]) {
			fprintf(stderr, "MISMATCH %s: page %zu word %zu: expected 0, found %016"
				PRIx64 "\n", how, number, i, words[i]);
			return false;
		}
	}
	return true;
}

/* Returns whether it is right. */
static bool verify(struct memory *memory, size_t number, const char *how)
{
	if (!pattern_verify(page_words(memory, number), memory->filled, memory->keys[number],
			    number * PAGE_BYTES, how) && rest_is_zeros(memory, number, how))
		return true;
	memory->wrong++;
	return false;
}

static void verify_all(struct memory *memory, const char *how)
{
	for (size_t i = 0; i < memory->nr && memory->wrong < 10; i++)
		verify(memory, i, how);
}

static struct memory make(size_t bytes, bool shared)
{
	struct memory memory = { .nr = bytes / PAGE_BYTES, .filled = PAGE_BYTES };

	memory.words = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    (shared ? MAP_SHARED : MAP_PRIVATE) | MAP_ANONYMOUS, -1, 0);
	need(memory.words != MAP_FAILED, "mmap");
	need(!madvise(memory.words, bytes, MADV_NOHUGEPAGE), "madvise");
	memory.keys = calloc(memory.nr, sizeof(*memory.keys));
	need(memory.keys, "calloc");
	return memory;
}

/* Writes it out; where there is no swap it does nothing. */
static void write_out(const struct memory *memory, size_t first, size_t nr)
{
	need(!madvise(page_words(memory, first), nr * PAGE_BYTES, MADV_PAGEOUT),
	     "MADV_PAGEOUT");
}

static void will_need(const struct memory *memory, size_t first, size_t nr)
{
	need(!madvise(page_words(memory, first), nr * PAGE_BYTES, MADV_WILLNEED),
	     "MADV_WILLNEED");
}

/* Of tmpfs, and of private memory: in page tables, in its file, or in the swap cache */
static size_t count_in_core(const struct memory *memory, size_t first, size_t nr)
{
	static unsigned char in_core[1 << 20];
	size_t found = 0;

	need(nr <= sizeof(in_core), "the size of the memory");
	need(!mincore(page_words(memory, first), nr * PAGE_BYTES, in_core), "mincore");
	for (size_t i = 0; i < nr; i++)
		found += in_core[i] & 1;
	return found;
}

/* ------------------------------------------------------------------------
 * hold
 */

/* Ends with the parent's pipe: then it verifies, writes, and verifies. */
static void be_child(struct memory *memory, int from_parent, uint64_t key)
{
	char byte;

	need(read(from_parent, &byte, 1) >= 0, "read from the parent");
	memory->wrong = 0;
	verify_all(memory, "child");
	for (size_t i = 0; i < memory->nr; i += 2)
		fill(memory, i, key);
	verify_all(memory, "child, written");
	_exit(memory->wrong ? 1 : 0);
}

static void take(struct memory *memory, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		*(volatile uint64_t *)page_words(memory, i) = 1;
}

/*
 * Fills other memory page by page with this one, and gives that back. One half before
 * much more memory is used, one after: so that one of them lies low, which compaction
 * moves to where that was.
 */
static void fill_every_second(struct memory *memory, uint64_t key)
{
	struct memory other = make(memory->nr * PAGE_BYTES, false);
	struct memory much = make(400 * MIB, false);

	for (size_t i = 0; i < memory->nr; i++) {
		if (i == memory->nr / 2)
			take(&much, 0, much.nr);
		fill(memory, i, key + i);
		take(&other, i, 1);
	}
	need(!munmap(other.words, other.nr * PAGE_BYTES), "munmap");
	need(!munmap(much.words, much.nr * PAGE_BYTES), "munmap");
	free(other.keys);
	free(much.keys);
}

static int hold(char **arguments)
{
	const char *kind = arguments[0];
	struct memory memory = make((size_t)(strtod(arguments[1], NULL) * MIB),
				    !strcmp(kind, "shared"));
	const bool wanted = !strcmp(kind, "willneed") || !strcmp(kind, "thin");
	uint64_t key = pattern_mix(strtoull(arguments[2], NULL, 0));
	size_t in_core = 0;
	int ends[2], status;
	pid_t child = 0;

	signal(SIGTERM, on_term);
	if (!strcmp(kind, "thin"))
		memory.filled = 64;
	if (!strcmp(kind, "every"))
		fill_every_second(&memory, key);
	for (size_t i = 0; strcmp(kind, "every") && i < memory.nr; i++)
		fill(&memory, i, key + i);
	/* Before the fork: it leaves alone what several processes map. */
	write_out(&memory, 0, memory.nr);
	if (!strcmp(kind, "forked")) {
		need(!pipe(ends), "pipe");
		child = fork();
		need(child >= 0, "fork");
		if (!child) {
			signal(SIGTERM, SIG_IGN);
			close(ends[1]);
			be_child(&memory, ends[0], key + 7);
		}
	}
	ready();
	while (!stop) {
		if (wanted)
			will_need(&memory, 0, memory.nr);
		if (!strcmp(kind, "incore"))
			in_core += count_in_core(&memory, 0, memory.nr);
		/* What is wanted can all be dropped meanwhile, on a slow machine too. */
		usleep(wanted ? 2000000 : 200000);
	}
	if (child) {
		close(ends[1]);
		need(waitpid(child, &status, 0) == child, "waitpid");
		memory.wrong += status != 0;
	}
	verify_all(&memory, kind);
	if (in_core)
		printf("%zu times in core\n", in_core);
	if (!memory.wrong)
		printf("%s: %zu pages verified\n", kind, memory.nr);
	return memory.wrong != 0;
}

/* ------------------------------------------------------------------------
 * late
 */

struct late {
	struct memory memory;
	size_t page;
};

static void *read_late(void *argument)
{
	struct late *late = argument;

	verify(&late->memory, late->page, "read late");
	return NULL;
}

/* Until none of it is in the swap cache, whatever takes it from there. */
static void leave_core(const struct memory *memory)
{
	double end = now() + 60;
	size_t left;

	do {
		usleep(500000);
		left = 0;
		for (size_t i = 0; i < memory->nr; i += STRIDE)
			left += count_in_core(memory, i, 1);
	} while (left && now() < end);
	if (left)
		fprintf(stderr, "swapcheck: %zu pages stay in the swap cache\n", left);
}

static int late(char **arguments)
{
	size_t nr = strtoul(arguments[1], NULL, 0);
	struct late late = {
		.memory = make(nr * STRIDE * PAGE_BYTES, !strcmp(arguments[0], "shared")),
	};
	uint64_t key = pattern_mix(strtoull(arguments[2], NULL, 0));

	for (size_t i = 0; i < late.memory.nr; i++)
		fill(&late.memory, i, key + i);
	write_out(&late.memory, 0, late.memory.nr);
	leave_core(&late.memory);
	signal(SIGTERM, on_term);
	ready();
	while (!stop)
		usleep(50000);
	for (size_t i = 0; i < nr && !late.memory.wrong; i++) {
		pthread_t thread;

		late.page = i * STRIDE;
		need(!pthread_create(&thread, NULL, read_late, &late), "pthread_create");
		usleep(50000);
		will_need(&late.memory, late.page, 1);
		need(!pthread_join(thread, NULL), "pthread_join");
	}
	printf("%zu pages read late\n", nr);
	return late.memory.wrong != 0;
}

/* ------------------------------------------------------------------------
 * stress
 */

struct process {
	struct memory memory;
	uint64_t random;
	uint64_t verified;	/* pages */
};

static void use_read(struct process *p, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		verify(&p->memory, i, "read");
	p->verified += nr;
}

static void use_fill(struct process *p, size_t first, size_t nr)
{
	for (size_t i = first; i < first + nr; i++)
		fill(&p->memory, i, p->random + i);
}

static void use_write_out(struct process *p, size_t first, size_t nr)
{
	/* More than the part: so that little is left in page tables. */
	if (!random_below(&p->random, 4)) {
		first = 0;
		nr = p->memory.nr;
	}
	write_out(&p->memory, first, nr);
}

static void use_will_need(struct process *p, size_t first, size_t nr)
{
	will_need(&p->memory, first, nr);
}

static void use_in_core(struct process *p, size_t first, size_t nr)
{
	count_in_core(&p->memory, first, nr);
}

/* By the kernel, through references */
static void use_by_others(struct process *p, size_t first, size_t nr)
{
	static uint64_t words[PAGE_WORDS];

	for (size_t i = first; i < first + nr; i++) {
		struct iovec local = { words, PAGE_BYTES };
		struct iovec remote = { page_words(&p->memory, i), PAGE_BYTES };

		need(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == PAGE_BYTES,
		     "process_vm_readv");
		p->memory.wrong += !!pattern_verify(words, PAGE_BYTES, p->memory.keys[i],
						    i * PAGE_BYTES, "process_vm_readv");
	}
	p->verified += nr;
}

static void use_lock(struct process *p, size_t first, size_t nr)
{
	/* There may be a limit, or no memory for it. */
	if (mlock(page_words(&p->memory, first), nr * PAGE_BYTES))
		return;
	use_read(p, first, nr);
	need(!munlock(page_words(&p->memory, first), nr * PAGE_BYTES), "munlock");
}

static void use_move(struct process *p, size_t first, size_t nr)
{
	char *to = mmap(NULL, nr * PAGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *from = page_words(&p->memory, first);

	need(to != MAP_FAILED, "mmap");
	need(mremap(from, nr * PAGE_BYTES, nr * PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, to) ==
	     to,
	     "mremap");
	need(mremap(to, nr * PAGE_BYTES, nr * PAGE_BYTES, MREMAP_MAYMOVE | MREMAP_FIXED, from) ==
	     from,
	     "mremap back");
}

/* Private memory: copies on write. Shared: the child only reads. */
static void use_fork(struct process *p, size_t first, size_t nr, bool shared)
{
	pid_t child = fork();
	int status;

	need(child >= 0, "fork");
	if (!child) {
		p->memory.wrong = 0;
		usleep(random_below(&p->random, 3) * 300000);
		for (size_t i = first; i < first + nr; i++)
			verify(&p->memory, i, "child");
		if (!shared)
			use_fill(p, first, nr / 2);
		use_write_out(p, first, nr);
		usleep(random_below(&p->random, 2) * 300000);
		for (size_t i = first; i < first + nr; i++)
			verify(&p->memory, i, "child, later");
		_exit(p->memory.wrong ? 1 : 0);
	}
	use_write_out(p, first, nr);
	if (!shared)
		use_fill(p, first, nr / 3);
	need(waitpid(child, &status, 0) == child, "waitpid");
	p->memory.wrong += status != 0;
	use_read(p, first, nr);
}

static void use_fork_private(struct process *p, size_t first, size_t nr)
{
	use_fork(p, first, nr, false);
}

static void use_fork_shared(struct process *p, size_t first, size_t nr)
{
	use_fork(p, first, nr, true);
}

/* Gives it back, with what of it is swapped; and fills it anew. */
static void use_zap(struct process *p, size_t first, size_t nr)
{
	need(!madvise(page_words(&p->memory, first), nr * PAGE_BYTES, MADV_DONTNEED),
	     "MADV_DONTNEED");
	use_fill(p, first, nr);
}

static void use_punch(struct process *p, size_t first, size_t nr)
{
	need(!madvise(page_words(&p->memory, first), nr * PAGE_BYTES, MADV_REMOVE),
	     "MADV_REMOVE");
	use_fill(p, first, nr);
}

typedef void (*use)(struct process *p, size_t first, size_t nr);

static const use uses[2][14] = {
	{
		use_read, use_read, use_fill, use_write_out, use_write_out, use_write_out,
		use_write_out, use_will_need, use_in_core, use_by_others, use_lock, use_move,
		use_fork_private, use_zap,
	}, {
		use_read, use_read, use_fill, use_write_out, use_write_out, use_write_out,
		use_write_out, use_will_need, use_in_core, use_by_others, use_lock, use_move,
		use_fork_shared, use_punch,
	},
};

static int run_process(unsigned int number, size_t bytes, uint64_t seed, double end)
{
	struct process p = { .random = pattern_mix(seed + number) };
	bool shared = number % 2;

	p.memory = make(bytes, shared);
	use_fill(&p, 0, p.memory.nr);
	while (now() < end && !p.memory.wrong && !stop) {
		size_t nr, first = random_part(&p.random, p.memory.nr, &nr);

		uses[shared][random_below(&p.random, 14)](&p, first, nr);
		/* Long enough, for some of them, to become volatile and be dropped */
		usleep(random_below(&p.random, 10) ? random_below(&p.random, 20000) : 400000);
	}
	verify_all(&p.memory, "end");
	p.verified += p.memory.nr;
	printf("process %u: %llu MiB verified\n", number,
	       (unsigned long long)(p.verified * PAGE_BYTES / MIB));
	return p.memory.wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	signal(SIGBUS, on_bus);
	if (argc == 5 && !strcmp(argv[1], "hold"))
		return hold(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "late"))
		return late(argv + 2);
	if (argc == 6 && !strcmp(argv[1], "stress"))
		return stress(argv + 2, PAGE_BYTES, run_process);
	fprintf(stderr,
		"usage: swapcheck hold anon|shared|forked|every|willneed|thin|incore MIB SEED\n"
		"       swapcheck late private|shared PAGES SEED\n"
		"       swapcheck stress SECONDS PROCESSES MIB SEED\n");
	return 2;
}
