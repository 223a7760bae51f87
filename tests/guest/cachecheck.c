// SPDX-License-Identifier: GPL-2.0
/*
 * cachecheck: threads that read the same files in every way at once, beside
 * others that rewrite them with what they hold, and verify every word.
 *
 *   cachecheck fill DIRECTORY FILES MIB SEED
 *	FILES files with MIB MiB in all
 *   cachecheck run DIRECTORY FILES MIB SEED SECONDS THREADS
 *
 * Of four files, the first two are twins, of the same content, and have to be
 * right in every word. Holes are punched into the third, so that its bytes may
 * be zeros; the fourth is truncated as well, and reads of it may be short.
 *
 * Exit status: 0, or 1 if any word was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

#define RANGE_BYTES	(256UL << 10)
#define PIPE_BYTES	(64UL << 10)

/* Exact, but for the two kinds that say otherwise */
enum kind { TWIN_A, TWIN_B, HOLES, SHRINKS, NR_KINDS };

struct file {
	char path[256];
	uint64_t key;
	enum kind kind;
	int fd;
	int direct;		/* another descriptor, with O_DIRECT */
	/*
	 * Held for writing by direct writes: beside dirty pages, the kernel would
	 * rightly complain, and give the file an error for ever.
	 */
	pthread_rwlock_t lock;
};

struct worker {
	pthread_t thread;
	uint64_t random;
	uint64_t verified;	/* bytes */
	uint8_t *buffer;	/* RANGE_BYTES, page aligned */
	int pipe_ends[2];
	void *locked;		/* a mapping of RANGE_BYTES, or NULL */
	struct file *locked_file;
	uint64_t locked_offset;
	/* Of the action that runs */
	struct file *file;
	uint64_t offset;
	size_t bytes;
};

static struct file *files;
static size_t nr_files, file_bytes;
static atomic_ullong wrong;

static uint64_t draw(struct worker *worker, uint64_t below)
{
	return random_below(&worker->random, below);
}

/* Each byte is the pattern's or zero: words tear where zeros are written. */
static bool pattern_or_zeros(const uint8_t *bytes, size_t length, uint64_t key, uint64_t offset)
{
	for (size_t i = 0; i < length; i += sizeof(uint64_t)) {
		uint64_t word = pattern_word(key, offset + i), found;

		memcpy(&found, bytes + i, sizeof(found));
		for (uint64_t byte = 0xff; byte; byte <<= 8)
			if ((found & byte) && (found & byte) != (word & byte))
				return false;
	}
	return true;
}

static void check_at(struct worker *worker, const struct file *file, const void *memory,
		     size_t bytes, uint64_t offset, const char *how)
{
	char what[320];

	bytes &= ~(sizeof(uint64_t) - 1);
	worker->verified += bytes;
	snprintf(what, sizeof(what), "cachecheck: %s by %s", file->path, how);
	if (file->kind < HOLES) {
		wrong += pattern_verify(memory, bytes, file->key, offset, what);
	} else if (!pattern_or_zeros(memory, bytes, file->key, offset)) {
		pattern_verify(memory, bytes, file->key, offset, what);
		wrong++;
	}
}

static void check(struct worker *worker, const void *memory, size_t bytes, const char *how)
{
	check_at(worker, worker->file, memory, bytes, worker->offset, how);
}

/* Only a file that shrinks may give less than was asked for. */
static size_t complete(const struct worker *worker, ssize_t got, const char *how)
{
	if (got < 0 || ((size_t)got < worker->bytes && worker->file->kind != SHRINKS))
		die("%s of %s: %zd of %zu bytes at %#" PRIx64, how, worker->file->path, got,
		    worker->bytes, worker->offset);
	return (size_t)got;
}

static void *map(const struct worker *worker, const struct file *file, int protection, int flags)
{
	void *memory = mmap(NULL, worker->bytes, protection, flags, file->fd,
			    (off_t)worker->offset);

	if (memory == MAP_FAILED)
		die("mmap of %s", file->path);
	return memory;
}

static struct file *twin(const struct worker *worker)
{
	return worker->file->kind == TWIN_A ? worker->file + 1 : worker->file - 1;
}

static void read_buffered(struct worker *worker)
{
	ssize_t got = pread(worker->file->fd, worker->buffer, worker->bytes, (off_t)worker->offset);

	check(worker, worker->buffer, complete(worker, got, "read"), "read");
}

static void read_direct(struct worker *worker)
{
	ssize_t got = pread(worker->file->direct, worker->buffer, worker->bytes,
			    (off_t)worker->offset);

	check(worker, worker->buffer, complete(worker, got, "O_DIRECT"), "O_DIRECT");
}

static void read_mapped(struct worker *worker)
{
	void *memory = map(worker, worker->file, PROT_READ, MAP_SHARED);

	check(worker, memory, worker->bytes, "mmap");
	munmap(memory, worker->bytes);
}

static void read_private(struct worker *worker)
{
	uint8_t *memory = map(worker, worker->file, PROT_READ | PROT_WRITE, MAP_PRIVATE);

	for (size_t at = 0; at < worker->bytes; at += PAGE_BYTES)
		memory[at] ^= 0xff;
	for (size_t at = 0; at < worker->bytes; at += PAGE_BYTES)
		memory[at] ^= 0xff;
	check(worker, memory, worker->bytes, "private copies");
	munmap(memory, worker->bytes);
}

/* Between the two system calls, pages of the file lie in the pipe. */
static void read_pipe(struct worker *worker, ssize_t put, const char *how)
{
	size_t got = 0;

	complete(worker, put, how);
	while (got < (size_t)put) {
		ssize_t some = read(worker->pipe_ends[0], worker->buffer + got, (size_t)put - got);

		if (some <= 0)
			die("a pipe gave %zd bytes", some);
		got += (size_t)some;
	}
	check(worker, worker->buffer, got, how);
}

static void read_sendfile(struct worker *worker)
{
	off_t offset = (off_t)worker->offset;

	worker->bytes = worker->bytes > PIPE_BYTES ? PIPE_BYTES : worker->bytes;
	read_pipe(worker, sendfile(worker->pipe_ends[1], worker->file->fd, &offset, worker->bytes),
		  "sendfile");
}

static void read_splice(struct worker *worker)
{
	loff_t offset = (loff_t)worker->offset;
	size_t put = 0;

	worker->bytes = worker->bytes > PIPE_BYTES ? PIPE_BYTES : worker->bytes;
	while (put < worker->bytes) {
		ssize_t some = splice(worker->file->fd, &offset, worker->pipe_ends[1], NULL,
				      worker->bytes - put, 0);

		if (some < 0)
			die("splice of %s", worker->file->path);
		if (!some)
			break;
		put += (size_t)some;
	}
	read_pipe(worker, (ssize_t)put, "splice");
}

static void read_forked(struct worker *worker)
{
	void *memory = map(worker, worker->file, PROT_READ, MAP_SHARED);
	pid_t child = fork();
	int status;

	if (child < 0)
		die("fork");
	if (!child) {
		wrong = 0;
		check(worker, memory, worker->bytes, "a child's mmap");
		_exit(wrong ? 1 : 0);
	}
	if (waitpid(child, &status, 0) != child || !WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "MISMATCH cachecheck: a child ended with status %#x\n", status);
		wrong++;
	}
	munmap(memory, worker->bytes);
}

static void write_same(struct worker *worker, int fd, const void *memory)
{
	if (pwrite(fd, memory, worker->bytes, (off_t)worker->offset) != (ssize_t)worker->bytes)
		die("write to %s", worker->file->path);
}

static void rewrite_buffered(struct worker *worker)
{
	pattern_fill((uint64_t *)worker->buffer, worker->bytes, worker->file->key, worker->offset);
	write_same(worker, worker->file->fd, worker->buffer);
}

static void rewrite_direct(struct worker *worker)
{
	pattern_fill((uint64_t *)worker->buffer, worker->bytes, worker->file->key, worker->offset);
	write_same(worker, worker->file->direct, worker->buffer);
}

static void rewrite_mapped(struct worker *worker)
{
	void *memory = map(worker, worker->file, PROT_READ | PROT_WRITE, MAP_SHARED);

	pattern_fill(memory, worker->bytes, worker->file->key, worker->offset);
	munmap(memory, worker->bytes);
}

/*
 * The device reads out of the pages of the twin B, or writes into them. It is the
 * target of no direct write: pages that the device wrote to may become dirty
 * later than that, after the lock.
 */
static void write_twin(struct worker *worker)
{
	void *memory = map(worker, twin(worker), PROT_READ, MAP_SHARED);

	write_same(worker, worker->file->direct, memory);
	munmap(memory, worker->bytes);
}

static void read_twin(struct worker *worker)
{
	void *memory = map(worker, twin(worker), PROT_READ | PROT_WRITE, MAP_SHARED);

	complete(worker, pread(worker->file->direct, memory, worker->bytes,
			       (off_t)worker->offset), "O_DIRECT into a mapping");
	check_at(worker, twin(worker), memory, worker->bytes, worker->offset,
		 "O_DIRECT into a mapping");
	munmap(memory, worker->bytes);
}

static void hold_locked(struct worker *worker)
{
	if (worker->locked) {
		check_at(worker, worker->locked_file, worker->locked, RANGE_BYTES,
			 worker->locked_offset, "a locked mapping");
		munmap(worker->locked, RANGE_BYTES);
		worker->locked = NULL;
		return;
	}
	worker->bytes = RANGE_BYTES;
	if (worker->offset + RANGE_BYTES > file_bytes)
		worker->offset = 0;
	worker->locked = map(worker, worker->file, PROT_READ, MAP_SHARED);
	worker->locked_file = worker->file;
	worker->locked_offset = worker->offset;
	if (mlock(worker->locked, RANGE_BYTES))
		die("mlock");
}

static void forget(struct worker *worker)
{
	posix_fadvise(worker->file->fd, 0, 0, POSIX_FADV_DONTNEED);
}

static void sync_file(struct worker *worker)
{
	if (fdatasync(worker->file->fd))
		die("fdatasync of %s", worker->file->path);
}

static void punch_hole(struct worker *worker)
{
	if (fallocate(worker->file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      (off_t)worker->offset, (off_t)worker->bytes))
		die("hole in %s", worker->file->path);
}

static void truncate_file(struct worker *worker)
{
	if (ftruncate(worker->file->fd, (off_t)worker->offset) ||
	    (draw(worker, 2) && ftruncate(worker->file->fd, (off_t)file_bytes)))
		die("truncation of %s", worker->file->path);
}

#define EXACT	(1U << TWIN_A | 1U << TWIN_B)
#define MAPPED	(EXACT | 1U << HOLES)
#define ALL	(MAPPED | 1U << SHRINKS)

static const struct {
	void (*run)(struct worker *worker);
	unsigned int kinds;	/* mapped pages of a file that shrinks are lost */
	unsigned int weight;
} actions[] = {
	{ read_buffered, ALL, 20 }, { read_direct, ALL, 4 }, { read_mapped, MAPPED, 10 },
	{ read_private, MAPPED, 4 }, { read_sendfile, ALL, 6 }, { read_splice, ALL, 6 },
	{ read_forked, EXACT, 1 }, { rewrite_buffered, ALL, 4 },
	{ rewrite_direct, ALL & ~(1U << TWIN_B), 3 },
	{ rewrite_mapped, MAPPED, 2 }, { write_twin, 1U << TWIN_A, 4 },
	{ read_twin, 1U << TWIN_A, 4 },
	{ hold_locked, EXACT, 1 }, { forget, ALL, 1 }, { sync_file, ALL, 3 },
	{ punch_hole, 1U << HOLES | 1U << SHRINKS, 3 }, { truncate_file, 1U << SHRINKS, 3 },
};

#define NR_ACTIONS	(sizeof(actions) / sizeof(actions[0]))

/* Both of a pair in order, the lower one first */
static void run_locked(struct worker *worker, void (*run)(struct worker *worker))
{
	bool writes = run == rewrite_direct || run == write_twin;
	struct file *pair = files + (worker->file - files) / 2 * 2;

	for (struct file *file = pair; file < pair + 2; file++) {
		if (writes && file == worker->file)
			pthread_rwlock_wrlock(&file->lock);
		else
			pthread_rwlock_rdlock(&file->lock);
	}
	run(worker);
	pthread_rwlock_unlock(&pair[0].lock);
	pthread_rwlock_unlock(&pair[1].lock);
}

static void one_action(struct worker *worker)
{
	unsigned int sum = 0, choice;
	size_t i;

	worker->file = &files[draw(worker, nr_files)];
	worker->offset = draw(worker, file_bytes / PAGE_BYTES) * PAGE_BYTES;
	worker->bytes = (1 + draw(worker, RANGE_BYTES / PAGE_BYTES)) * PAGE_BYTES;
	if (worker->bytes > file_bytes - worker->offset)
		worker->bytes = file_bytes - worker->offset;
	for (i = 0; i < NR_ACTIONS; i++)
		sum += actions[i].weight;
	choice = draw(worker, sum);
	for (i = 0; choice >= actions[i].weight; i++)
		choice -= actions[i].weight;
	if (actions[i].kinds & 1U << worker->file->kind)
		run_locked(worker, actions[i].run);
}

static void *work(void *data)
{
	struct worker *worker = data;

	worker->buffer = aligned_alloc(PAGE_BYTES, RANGE_BYTES);
	if (!worker->buffer || pipe(worker->pipe_ends) ||
	    fcntl(worker->pipe_ends[0], F_SETPIPE_SZ, 2 * PIPE_BYTES) < 0)
		die("memory or pipe");
	while (!stop && !wrong)
		one_action(worker);
	if (worker->locked)
		hold_locked(worker);
	return NULL;
}

static void open_files(const char *directory, size_t count, size_t mib, uint64_t seed, int flags)
{
	nr_files = count;
	file_bytes = count ? (mib << 20) / count & ~(PAGE_BYTES - 1) : 0;
	if (!count || count % NR_KINDS || file_bytes < RANGE_BYTES) {
		fprintf(stderr, "cachecheck: expected a multiple of 4 files of %lu KiB at least\n",
			RANGE_BYTES >> 10);
		exit(2);
	}
	files = calloc(count, sizeof(*files));
	for (size_t i = 0; i < count; i++) {
		snprintf(files[i].path, sizeof(files[i].path), "%s/cachecheck.%zu", directory, i);
		files[i].key = pattern_mix(seed + i / 2);
		files[i].kind = i % NR_KINDS;
		pthread_rwlock_init(&files[i].lock, NULL);
		files[i].fd = open(files[i].path, O_RDWR | flags, 0600);
		files[i].direct = open(files[i].path, O_RDWR | O_DIRECT);
		if (files[i].fd < 0 || files[i].direct < 0)
			die("%s", files[i].path);
	}
}

static int fill(void)
{
	static uint64_t chunk[RANGE_BYTES / sizeof(uint64_t)];

	for (size_t i = 0; i < nr_files; i++) {
		for (size_t at = 0; at < file_bytes; at += RANGE_BYTES) {
			size_t left = file_bytes - at;
			size_t bytes = left < RANGE_BYTES ? left : RANGE_BYTES;

			pattern_fill(chunk, bytes, files[i].key, at);
			if (pwrite(files[i].fd, chunk, bytes, (off_t)at) != (ssize_t)bytes)
				die("write to %s", files[i].path);
		}
		if (fsync(files[i].fd))
			die("fsync of %s", files[i].path);
	}
	return 0;
}

/* Reads all once more at the end: what nobody looked at has to be right, too. */
static void verify_all(struct worker *worker)
{
	worker->bytes = PAGE_BYTES;
	for (size_t i = 0; i < nr_files; i++) {
		worker->file = &files[i];
		for (worker->offset = 0; worker->offset < file_bytes; worker->offset += PAGE_BYTES)
			read_buffered(worker);
	}
}

static int run(time_t seconds, size_t threads, uint64_t seed)
{
	struct worker *workers = calloc(threads, sizeof(*workers));
	double end = now() + (double)seconds;
	uint64_t verified = 0;

	signal(SIGTERM, on_term);
	for (size_t i = 0; i < threads; i++) {
		workers[i].random = pattern_mix(seed + i);
		if (pthread_create(&workers[i].thread, NULL, work, &workers[i]))
			die("a thread");
	}
	do {
		usleep(50000);
	} while (!stop && !wrong && now() < end);
	stop = 1;
	for (size_t i = 0; i < threads; i++)
		pthread_join(workers[i].thread, NULL);
	verify_all(&workers[0]);
	for (size_t i = 0; i < threads; i++)
		verified += workers[i].verified;
	printf("cachecheck: %" PRIu64 " MiB verified, %llu words wrong\n", verified >> 20,
	       (unsigned long long)wrong);
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	bool filling = argc == 6 && !strcmp(argv[1], "fill");
	uint64_t seed;

	if (!filling && (argc != 8 || strcmp(argv[1], "run"))) {
		fprintf(stderr,
			"usage: cachecheck fill DIRECTORY FILES MIB SEED\n"
			"       cachecheck run DIRECTORY FILES MIB SEED SECONDS THREADS\n");
		return 2;
	}
	seed = strtoull(argv[5], NULL, 0);
	open_files(argv[2], strtoul(argv[3], NULL, 0), strtoul(argv[4], NULL, 0), seed,
		   filling ? O_CREAT | O_TRUNC : 0);
	if (filling)
		return fill();
	return run((time_t)strtoul(argv[6], NULL, 0), strtoul(argv[7], NULL, 0), seed);
}
