// SPDX-License-Identifier: GPL-2.0
/*
 * mapcheck: mapped files, verified.
 *
 *   mapcheck hold KIND FILE MIB SEED
 *	Fills FILE unless it is there, maps it, verifies it, says "ready", and
 *	until SIGTERM: KIND idle leaves it alone, hot reads a word of each page
 *	five times a second, spin without end, locked and onfault have it in mlock() and mlock2(),
 *	lockall in mlockall(), huge maps it by huge pages as far as the kernel does that and
 *	leaves it alone, partlocked maps it so and then has one page of each 2 MiB in mlock(),
 *	which it reads as hot does. Then says how many page faults it had meanwhile,
 *	and verifies all of it again.
 *   mapcheck stress DIRECTORY SECONDS PROCESSES MIB SEED
 *	PROCESSES that use mappings of the same files in every way that a program
 *	can, leave them alone for a while, and use them again. The files do not
 *	change, but for one of each process's own. MIB are all files together.
 *
 * Exit status: 0, or 1 if any word was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <limits.h>
#include <linux/futex.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>

#include "mapcheck-hold.h"

#define NR_FILES	4
#define NR_HELD		6

/* ------------------------------------------------------------------------
 * stress
 */

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
	char own_path[PATH_MAX];
	char direct_path[PATH_MAX];
	uint64_t own_key;
	struct held held[NR_HELD];
};

static uint64_t random_below(struct process *p, uint64_t limit)
{
	p->random = pattern_mix(p->random + 0x9e3779b97f4a7c15ULL);
	return p->random % limit;
}

/* A part of the mapping: whole pages */
static size_t part(struct process *p, const struct held *held, size_t *bytes)
{
	size_t first = random_below(p, held->bytes / PAGE_BYTES) * PAGE_BYTES;
	size_t most = held->bytes - first;

	*bytes = (1 + random_below(p, most / PAGE_BYTES)) * PAGE_BYTES;
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
	if (random_below(p, 2))
		need(!msync(memory, MIB, random_below(p, 2) ? MS_SYNC : MS_ASYNC), "msync");
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
		MADV_SEQUENTIAL,
	};
	size_t bytes, first = part(p, held, &bytes);
	unsigned int which = random_below(p, sizeof(advice) / sizeof(advice[0]));

	need(!madvise((char *)held->memory + first, bytes, advice[which]), "madvise");
	check_words(p, (char *)held->memory + first, bytes, p->keys[held->file], first, "madvise");
	/* In one piece again, for mremap() */
	need(!madvise(held->memory, held->bytes, MADV_NORMAL), "madvise");
}

static void lock(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	char *memory = (char *)held->memory + first;

	if (random_below(p, 2))
		need(!mlock(memory, bytes), "mlock");
	else
		need(!mlock2(memory, bytes, MLOCK_ONFAULT), "mlock2");
	check_words(p, memory, bytes, p->keys[held->file], first, "locked");
	need(!munlock(memory, bytes), "munlock");
}

/* Through the page tables of a process by the kernel, at once and one by one */
static void read_by_others(struct process *p, struct held *held)
{
	static uint64_t words[PIPE_BYTES / sizeof(uint64_t)];
	size_t bytes, first = part(p, held, &bytes);
	struct iovec local = { words, bytes };
	struct iovec remote = { (char *)held->memory + first, bytes };
	int fd = open("/proc/self/mem", O_RDONLY);

	need(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)bytes,
	     "process_vm_readv");
	check_words(p, words, bytes, p->keys[held->file], first, "process_vm_readv");
	need(fd >= 0 && pread(fd, words, bytes, (off_t)(uintptr_t)remote.iov_base) ==
	     (ssize_t)bytes, "/proc/self/mem");
	check_words(p, words, bytes, p->keys[held->file], first, "/proc/self/mem");
	close(fd);
}

/* A device reads the pages. */
static void write_direct(struct process *p, struct held *held)
{
	static uint64_t words[PIPE_BYTES / sizeof(uint64_t)];
	size_t bytes, first = part(p, held, &bytes);
	int fd = open(p->direct_path, O_RDWR | O_CREAT | O_DIRECT, 0600);

	need(fd >= 0, p->direct_path);
	need(pwrite(fd, (char *)held->memory + first, bytes, 0) == (ssize_t)bytes, "O_DIRECT");
	close(fd);
	fd = open(p->direct_path, O_RDONLY);
	need(fd >= 0 && pread(fd, words, bytes, 0) == (ssize_t)bytes, "pread");
	check_words(p, words, bytes, p->keys[held->file], first, "O_DIRECT from a mapping");
	close(fd);
}

static void read_pipe(struct process *p, int fd, size_t bytes, uint64_t key, size_t first,
		      const char *how)
{
	static uint64_t words[PIPE_BYTES / sizeof(uint64_t)];
	size_t done = 0;

	while (done < bytes) {
		ssize_t nr = read(fd, (char *)words + done, bytes - done);

		need(nr > 0, "read of a pipe");
		done += nr;
	}
	check_words(p, words, bytes, key, first, how);
}

static void through_pipes(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	struct iovec pages = { (char *)held->memory + first, bytes };
	uint64_t key = p->keys[held->file];
	off_t offset = first;
	int ends[2];
	ssize_t nr;

	need(!pipe(ends), "pipe");
	nr = vmsplice(ends[1], &pages, 1, 0);
	need(nr > 0, "vmsplice");
	read_pipe(p, ends[0], nr, key, first, "vmsplice");
	nr = sendfile(ends[1], p->fds[held->file], &offset, bytes);
	need(nr > 0, "sendfile");
	read_pipe(p, ends[0], nr, key, first, "sendfile");
	close(ends[0]);
	close(ends[1]);
}

/* A futex in a file's page is found by the page. */
static void wait_in_page(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	uint32_t *word = (uint32_t *)((char *)held->memory + first);
	uint64_t expected = pattern_word(p->keys[held->file], first);
	const struct timespec soon = { .tv_nsec = 1000000 };
	uint32_t value;

	memcpy(&value, &expected, sizeof(value));
	errno = 0;
	if (syscall(SYS_futex, word, FUTEX_WAIT, value, &soon, NULL, 0) != -1 ||
	    errno != ETIMEDOUT) {
		fprintf(stderr, "MISMATCH futex: %s\n", strerror(errno));
		p->wrong++;
	}
}

static void execute(struct process *p, struct held *held)
{
	char program[PATH_MAX + 16];
	int status;
	pid_t child;

	(void)held;
	snprintf(program, sizeof(program), "%.*s/mapcheck",
		 (int)(strrchr(p->own_path, '/') - p->own_path), p->own_path);
	child = fork();
	need(child >= 0, "fork");
	if (!child) {
		execl(program, "mapcheck", "true", NULL);
		die("%s", program);
	}
	need(waitpid(child, &status, 0) == child, "waitpid");
	if (status) {
		fprintf(stderr, "MISMATCH a program ended with status %#x\n", status);
		p->wrong++;
	}
}

static void drop(struct process *p, struct held *held)
{
	(void)p;
	munmap(held->memory, held->bytes);
	held->file = -1;
}

static void (*const uses[])(struct process *p, struct held *held) = {
	verify, verify, write_private, copy_after_fork, write_shared, change_protection, move,
	advise, lock, read_by_others, write_direct, through_pipes, wait_in_page, execute, drop,
};

static void acquire(struct process *p, struct held *held)
{
	held->file = random_below(p, NR_FILES);
	held->bytes = (1 + random_below(p, p->file_bytes / PAGE_BYTES)) * PAGE_BYTES;
	held->is_private = random_below(p, 2);
	held->memory = map(p->fds[held->file], held->bytes, PROT_READ,
			   held->is_private ? MAP_PRIVATE : MAP_SHARED);
}

static int run_process(struct process *p, const char *directory, unsigned int number,
		       double deadline)
{
	struct timespec now;

	p->random = pattern_mix(p->random + number);
	snprintf(p->own_path, sizeof(p->own_path), "%s/own%u", directory, number);
	snprintf(p->direct_path, sizeof(p->direct_path), "%s/direct%u", directory, number);
	p->own_key = p->random;
	fill_file(p->own_path, MIB, p->own_key);
	for (unsigned int i = 0; i < NR_HELD; i++)
		p->held[i].file = -1;
	do {
		struct held *held = &p->held[random_below(p, NR_HELD)];

		if (held->file < 0)
			acquire(p, held);
		uses[random_below(p, sizeof(uses) / sizeof(uses[0]))](p, held);
		/* Long enough, for some of them, to be taken for idle */
		usleep(random_below(p, 10) ? random_below(p, 20000) : 600000);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (!p->wrong && !stop && now.tv_sec < deadline);
	printf("process %u: %llu MiB verified\n", number,
	       (unsigned long long)(p->verified / MIB));
	return p->wrong ? 1 : 0;
}

static void copy_program(const char *directory)
{
	char path[PATH_MAX];
	int from = open("/proc/self/exe", O_RDONLY), to;
	off_t offset = 0;
	struct stat status;

	snprintf(path, sizeof(path), "%s/mapcheck", directory);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	need(from >= 0 && to >= 0 && !fstat(from, &status), path);
	while (offset < status.st_size)
		need(sendfile(to, from, &offset, status.st_size - offset) > 0, "sendfile");
	need(!fsync(to), "fsync");
	close(from);
	close(to);
}

static int stress(char **arguments)
{
	const char *directory = arguments[0];
	unsigned int nr = strtoul(arguments[2], NULL, 0);
	static struct process process;
	struct timespec now;
	double deadline;
	int worst = 0;

	process.file_bytes = strtoul(arguments[3], NULL, 0) * MIB / NR_FILES;
	process.random = strtoull(arguments[4], NULL, 0);
	for (unsigned int i = 0; i < NR_FILES; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/file%u", directory, i);
		process.keys[i] = pattern_mix(process.random + i + 1000);
		fill_file(path, process.file_bytes, process.keys[i]);
		process.fds[i] = open(path, O_RDONLY);
		need(process.fds[i] >= 0, path);
	}
	copy_program(directory);
	signal(SIGTERM, on_term);
	clock_gettime(CLOCK_MONOTONIC, &now);
	deadline = now.tv_sec + strtod(arguments[1], NULL);
	for (unsigned int i = 0; i < nr; i++) {
		pid_t child = fork();

		need(child >= 0, "fork");
		if (!child)
			exit(run_process(&process, directory, i, deadline));
	}
	for (unsigned int i = 0; i < nr; i++) {
		int status;

		while (wait(&status) < 0)
			need(errno == EINTR, "wait");
		if (!WIFEXITED(status) || WEXITSTATUS(status) > worst)
			worst = WIFEXITED(status) ? WEXITSTATUS(status) : 2;
	}
	return worst;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "hold"))
		return hold(argv + 2);
	if (argc == 7 && !strcmp(argv[1], "stress"))
		return stress(argv + 2);
	if (argc == 2 && !strcmp(argv[1], "true"))
		return 0;
	fprintf(stderr, "usage: mapcheck hold idle|hot|spin|locked|onfault|lockall FILE MIB SEED\n"
		"       mapcheck stress DIRECTORY SECONDS PROCESSES MIB SEED\n");
	return 2;
}
