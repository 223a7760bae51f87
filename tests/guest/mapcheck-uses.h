/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mapcheck.c's processes hold, and what a program does with mappings of files by
 * itself: reading, writing copies, forking, moving, unmapping, locking, advising.
 */
#ifndef TESTS_MAPCHECK_USES_H
#define TESTS_MAPCHECK_USES_H

#include <limits.h>
#include <sys/wait.h>

#include "mapcheck-hold.h"

#define NR_FILES	4
#define NR_HELD		6

struct held {
	int file;		/* -1: none */
	size_t bytes;
	uint64_t *memory;
	bool is_private;
};

struct process {
	uint64_t random;
	uint64_t wrong;		/* words */
	uint64_t verified;	/* bytes */
	size_t file_bytes;
	uint64_t keys[NR_FILES];
	int fds[NR_FILES];
	char directory[PATH_MAX - 32];
	char program[PATH_MAX];
	char own_path[PATH_MAX];
	char direct_path[PATH_MAX];
	uint64_t own_key;
	struct held held[NR_HELD];
};

/* A part of the mapping: whole pages */
static size_t part(struct process *p, const struct held *held, size_t *bytes)
{
	size_t first = random_below(&p->random, held->bytes / PAGE_BYTES) * PAGE_BYTES;
	size_t most = held->bytes - first;

	*bytes = (1 + random_below(&p->random, most / PAGE_BYTES)) * PAGE_BYTES;
	if (*bytes > PIPE_BYTES)
		*bytes = PIPE_BYTES;
	return first;
}

static void check_words(struct process *p, const void *words, size_t bytes, uint64_t key,
			uint64_t offset, const char *how)
{
	p->wrong += pattern_verify(words, bytes, key, offset, how);
	p->verified += bytes;
}

/* What this kernel cannot do is said once. */
static void lack(const char *what)
{
	static const char *said[8];
	unsigned int i = 0;

	while (i < 7 && said[i] && said[i] != what)
		i++;
	if (said[i])
		return;
	said[i] = what;
	printf("lacking: %s: %s\n", what, strerror(errno));
}

static void verify(struct process *p, struct held *held)
{
	check_words(p, held->memory, held->bytes, p->keys[held->file], 0, "read");
}

static void verify_part(struct process *p, struct held *held, const char *how)
{
	size_t bytes, first = part(p, held, &bytes);

	check_words(p, (char *)held->memory + first, bytes, p->keys[held->file], first, how);
}

/* Copies of some pages, which leave the file as it is. */
static void write_private(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	char *memory = map(p->fds[held->file], held->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	uint64_t key = p->keys[held->file], mine = pattern_mix(key + p->random);

	/* One word of each page, so that the rest of it is a copy. */
	for (size_t at = first; at < first + bytes; at += PAGE_BYTES)
		*(uint64_t *)(memory + at) = pattern_word(mine, at);
	for (size_t at = first; at < first + bytes; at += PAGE_BYTES) {
		p->wrong += *(uint64_t *)(memory + at) != pattern_word(mine, at);
		check_words(p, memory + at + 8, PAGE_BYTES - 8, key, at + 8, "private copy");
	}
	check_words(p, (char *)held->memory + first, bytes, key, first, "beside a private copy");
	munmap(memory, held->bytes);
}

static void copy_after_fork(struct process *p, struct held *held)
{
	char *memory = map(p->fds[held->file], held->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	size_t bytes, first = part(p, held, &bytes);
	uint64_t key = p->keys[held->file];
	int status;
	pid_t child;

	check_words(p, memory + first, bytes, key, first, "before fork");
	child = fork();
	need(child >= 0, "fork");
	if (!child) {
		p->wrong = 0;
		check_words(p, memory + first, bytes, key, first, "child");
		memset(memory + first, 1, bytes);
		check_words(p, held->memory, held->bytes, key, 0, "child's shared");
		_exit(p->wrong ? 1 : 0);
	}
	check_words(p, memory + first, bytes, key, first, "parent");
	need(waitpid(child, &status, 0) == child, "waitpid");
	p->wrong += status != 0;
	check_words(p, memory + first, bytes, key, first, "after the child");
	munmap(memory, held->bytes);
}

/* A file of its own, rewritten through a mapping and read back by read(). */
static void write_shared(struct process *p, struct held *held)
{
	static uint64_t words[PIPE_BYTES / sizeof(uint64_t)];
	int fd = open(p->own_path, O_RDWR);
	uint64_t *memory;

	(void)held;
	need(fd >= 0, p->own_path);
	memory = map(fd, MIB, PROT_READ | PROT_WRITE, MAP_SHARED);
	check_words(p, memory, MIB, p->own_key, 0, "own file");
	p->own_key = pattern_mix(p->own_key);
	pattern_fill(memory, MIB, p->own_key, 0);
	if (random_below(&p->random, 2))
		need(!msync(memory, MIB, random_below(&p->random, 2) ? MS_SYNC : MS_ASYNC),
		     "msync");
	munmap(memory, MIB);
	for (size_t at = 0; at < MIB; at += sizeof(words)) {
		need(pread(fd, words, sizeof(words), at) == (ssize_t)sizeof(words), "pread");
		check_words(p, words, sizeof(words), p->own_key, at, "own file, read");
	}
	close(fd);
}

static void change_protection(struct process *p, struct held *held)
{
	need(!mprotect(held->memory, held->bytes, PROT_NONE), "mprotect");
	need(!mprotect(held->memory, held->bytes, PROT_READ), "mprotect");
	verify_part(p, held, "mprotect");
}

static void move(struct process *p, struct held *held)
{
	void *there = mmap(NULL, held->bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	void *moved;

	need(there != MAP_FAILED, "mmap");
	moved = mremap(held->memory, held->bytes, held->bytes,
		       MREMAP_MAYMOVE | MREMAP_FIXED, there);
	need(moved != MAP_FAILED, "mremap");
	held->memory = moved;
	verify_part(p, held, "mremap");
}

static void advise(struct process *p, struct held *held)
{
	static const int advice[] = {
		MADV_DONTNEED, MADV_WILLNEED, MADV_COLD, MADV_PAGEOUT, MADV_RANDOM, MADV_NORMAL,
		MADV_SEQUENTIAL, MADV_POPULATE_READ,
	};
	size_t bytes, first = part(p, held, &bytes);
	unsigned int which = random_below(&p->random, sizeof(advice) / sizeof(advice[0]));

	need(!madvise((char *)held->memory + first, bytes, advice[which]), "madvise");
	check_words(p, (char *)held->memory + first, bytes, p->keys[held->file], first, "madvise");
	/* In one piece again, for mremap() */
	need(!madvise(held->memory, held->bytes, MADV_NORMAL), "madvise");
}

static void lock(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	char *memory = (char *)held->memory + first;

	if (random_below(&p->random, 2))
		need(!mlock(memory, bytes), "mlock");
	else
		need(!mlock2(memory, bytes, MLOCK_ONFAULT), "mlock2");
	check_words(p, memory, bytes, p->keys[held->file], first, "locked");
	need(!munlock(memory, bytes), "munlock");
}

/* All page table entries at once, and which pages there are by mincore() */
static void populate(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	unsigned char there[PIPE_BYTES / PAGE_BYTES];
	char *memory = map(p->fds[held->file], held->bytes, PROT_READ, MAP_SHARED | MAP_POPULATE);

	need(!mincore(memory + first, bytes, there), "mincore");
	check_words(p, memory + first, bytes, p->keys[held->file], first, "populated");
	munmap(memory, held->bytes);
}

#define STORM_PROCESSES	4

/* In pieces, some of which are left for exit(); what is still there is verified now and then. */
static void unmap_in_pieces(struct process *p, struct held *held)
{
	size_t at = 0;

	while (at < held->bytes) {
		char *memory = (char *)held->memory + at;
		size_t bytes = (1 + random_below(&p->random, 8)) * PAGE_BYTES;

		if (bytes > held->bytes - at)
			bytes = held->bytes - at;
		if (!random_below(&p->random, 4))
			check_words(p, memory, bytes, p->keys[held->file], at, "in a storm");
		if (random_below(&p->random, 4))
			need(!munmap(memory, bytes), "munmap");
		at += bytes;
	}
}

/* Children that fork and unmap while their parents do: each copy of an entry is a reference. */
static void storm(struct process *p, struct held *held)
{
	pid_t children[STORM_PROCESSES];
	int status;

	for (unsigned int i = 0; i < STORM_PROCESSES; i++) {
		children[i] = fork();
		need(children[i] >= 0, "fork");
		if (children[i])
			continue;
		p->wrong = 0;
		p->random += i;
		children[i] = fork();
		need(children[i] >= 0, "fork");
		p->random += !children[i];
		unmap_in_pieces(p, held);
		if (children[i])
			need(waitpid(children[i], &status, 0) == children[i], "waitpid");
		_exit(p->wrong || (children[i] && status));
	}
	munmap(held->memory, held->bytes);
	held->memory = map(p->fds[held->file], held->bytes, PROT_READ,
			   held->is_private ? MAP_PRIVATE : MAP_SHARED);
	for (unsigned int i = 0; i < STORM_PROCESSES; i++) {
		need(waitpid(children[i], &status, 0) == children[i], "waitpid");
		p->wrong += status != 0;
	}
	verify_part(p, held, "after a storm");
}

static void drop(struct process *p, struct held *held)
{
	(void)p;
	munmap(held->memory, held->bytes);
	held->file = -1;
}

#endif /* TESTS_MAPCHECK_USES_H */
