// SPDX-License-Identifier: GPL-2.0
/*
 * memload: memory load of a guest with verified contents.
 *
 *   memload stress SECONDS PROCESSES MIB SEED DIRECTORY...
 *	PROCESSES processes use MIB in all: they allocate objects - anonymous
 *	memory, with huge pages or without, and files in the DIRECTORYs, mapped
 *	or written -, fill them, keep them for a random time, verify every
 *	word, and free them. Children verify and overwrite copies.
 *   memload fill FILE MIB SEED
 *   memload check FILE MIB SEED
 *	Write a file, and verify it later, perhaps after a reboot.
 *
 * Exit status: 0, or 1 if any word was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "program.h"

#define CHUNK_BYTES	(64UL << 10)
#define SLOTS		8

enum kind { FREE, ANON, ANON_HUGE, FILE_MAPPED, FILE_WRITTEN, NR_KINDS };

static const char *const kind_names[] = {
	"free", "anonymous", "anonymous huge", "mapped file", "written file",
};

struct object {
	enum kind kind;
	size_t bytes;
	uint64_t key;
	uint64_t *memory;	/* FILE_WRITTEN: NULL */
	int fd;			/* -1: anonymous */
};

/* Of one process; added up through exit status and one line of output. */
struct worker {
	uint64_t random;
	uint64_t rounds;
	uint64_t verified;	/* bytes */
	uint64_t wrong;		/* words */
	size_t object_bytes;	/* largest */
	char **directories;
	int nr_directories;
	struct object slots[SLOTS];
};

static uint64_t draw(struct worker *worker)
{
	return worker->random = pattern_mix(worker->random + 0x9e3779b97f4a7c15ULL);
}

/* Files: in chunks through read and write, so through the page cache. */

static void file_fill(int fd, size_t bytes, uint64_t key)
{
	static uint64_t chunk[CHUNK_BYTES / sizeof(uint64_t)];

	for (size_t offset = 0; offset < bytes; offset += CHUNK_BYTES) {
		size_t length = bytes - offset < CHUNK_BYTES ? bytes - offset : CHUNK_BYTES;

		pattern_fill(chunk, length, key, offset);
		if (pwrite(fd, chunk, length, (off_t)offset) != (ssize_t)length)
			die("write of %zu bytes at %zu", length, offset);
	}
}

static uint64_t file_verify(int fd, size_t bytes, uint64_t key, const char *what)
{
	static uint64_t chunk[CHUNK_BYTES / sizeof(uint64_t)];
	uint64_t wrong = 0;

	for (size_t offset = 0; offset < bytes; offset += CHUNK_BYTES) {
		size_t length = bytes - offset < CHUNK_BYTES ? bytes - offset : CHUNK_BYTES;

		if (pread(fd, chunk, length, (off_t)offset) != (ssize_t)length)
			die("read of %zu bytes at %zu", length, offset);
		wrong += pattern_verify(chunk, length, key, offset, what);
	}
	return wrong;
}

/* Objects */

static int open_unlinked(struct worker *worker)
{
	uint64_t choice = draw(worker) % (uint64_t)worker->nr_directories;
	char path[4096];
	int fd;

	snprintf(path, sizeof(path), "%s/memload.XXXXXX", worker->directories[choice]);
	fd = mkstemp(path);
	if (fd < 0)
		die("%s", path);
	unlink(path);
	return fd;
}

static void map_object(struct object *object)
{
	int flags = object->fd < 0 ? MAP_PRIVATE | MAP_ANONYMOUS : MAP_SHARED;

	object->memory = mmap(NULL, object->bytes, PROT_READ | PROT_WRITE, flags,
			      object->fd, 0);
	if (object->memory == MAP_FAILED)
		die("mmap of %zu bytes", object->bytes);
	if (object->kind == ANON)
		madvise(object->memory, object->bytes, MADV_NOHUGEPAGE);
	if (object->kind == ANON_HUGE)
		madvise(object->memory, object->bytes, MADV_HUGEPAGE);
}

static void object_create(struct worker *worker, struct object *object)
{
	object->kind = ANON + draw(worker) % (NR_KINDS - ANON);
	object->bytes = (1 + draw(worker) % (worker->object_bytes / PAGE_BYTES)) * PAGE_BYTES;
	object->key = draw(worker);
	object->memory = NULL;
	object->fd = -1;
	if (object->kind == FILE_MAPPED || object->kind == FILE_WRITTEN) {
		object->fd = open_unlinked(worker);
		if (ftruncate(object->fd, (off_t)object->bytes))
			die("ftruncate to %zu bytes", object->bytes);
	}
	if (object->kind == FILE_WRITTEN) {
		file_fill(object->fd, object->bytes, object->key);
		return;
	}
	map_object(object);
	pattern_fill(object->memory, object->bytes, object->key, 0);
}

static void object_verify(struct worker *worker, struct object *object)
{
	const char *what = kind_names[object->kind];

	if (object->kind == FILE_WRITTEN)
		worker->wrong += file_verify(object->fd, object->bytes, object->key, what);
	else
		worker->wrong += pattern_verify(object->memory, object->bytes,
						object->key, 0, what);
	worker->verified += object->bytes;
}

static void object_free(struct object *object)
{
	if (object->memory)
		munmap(object->memory, object->bytes);
	if (object->fd >= 0)
		close(object->fd);
	object->kind = FREE;
}

/* Clean page cache goes, so that the next verification reads the disk. */
static void object_evict(struct object *object)
{
	if (object->fd < 0)
		return;
	fdatasync(object->fd);
	posix_fadvise(object->fd, 0, 0, POSIX_FADV_DONTNEED);
}

/*
 * A child that verifies, overwrites and verifies its copy; the parent's is
 * verified as any other later.
 */
static void object_fork(struct worker *worker, struct object *object)
{
	uint64_t key = draw(worker);
	int status;
	pid_t child;

	if (object->kind != ANON && object->kind != ANON_HUGE)
		return;
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		worker->wrong = 0;
		object_verify(worker, object);
		pattern_fill(object->memory, object->bytes, key, 0);
		worker->wrong += pattern_verify(object->memory, object->bytes, key, 0,
						"a child's copy");
		_exit(worker->wrong ? 1 : 0);
	}
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "memload: a child ended with status %#x\n", status);
		worker->wrong++;
	}
}

static void worker_round(struct worker *worker)
{
	struct object *object = &worker->slots[draw(worker) % SLOTS];

	worker->rounds++;
	if (object->kind == FREE) {
		object_create(worker, object);
		return;
	}
	object_verify(worker, object);
	switch (draw(worker) % 8) {
	case 0:
		object_fork(worker, object);
		break;
	case 1:
		object_evict(object);
		break;
	default:
		object_free(object);
	}
}

static int worker_run(struct worker *worker, double end)
{
	/* Until something was verified, however slow the machine is */
	while (((!stop && now() < end) || !worker->verified) && !worker->wrong)
		worker_round(worker);
	for (int i = 0; i < SLOTS; i++) {
		if (worker->slots[i].kind == FREE)
			continue;
		object_verify(worker, &worker->slots[i]);
		object_free(&worker->slots[i]);
	}
	printf("memload: process %d: %" PRIu64 " rounds, %" PRIu64 " MiB verified, %"
	       PRIu64 " words wrong\n", (int)getpid(), worker->rounds,
	       worker->verified / MIB, worker->wrong);
	fflush(stdout);
	return worker->wrong ? 1 : 0;
}

/*
 * Not the wait is to notice the signal: it may come while processes are still made.
 * Those that are made later have stop from their parent.
 */
static void on_term_all(int signal_nr)
{
	on_term(signal_nr);
	signal(SIGTERM, SIG_IGN);
	kill(0, SIGTERM);
}

/* Numbers are checked whole: a typing error must not become a test of nothing. */
static unsigned long number(const char *text)
{
	char *rest;
	unsigned long value = strtoul(text, &rest, 0);

	if (*rest || rest == text) {
		fprintf(stderr, "memload: expected a number, found '%s'\n", text);
		exit(2);
	}
	return value;
}

static int stress(char **args, int nr_args)
{
	double end = now() + (double)number(args[0]);
	unsigned long processes = number(args[1]);
	unsigned long bytes = number(args[2]) * MIB;
	uint64_t seed = number(args[3]);
	int worst = 0;

	signal(SIGTERM, on_term_all);
	printf("memload: %lu processes\n", processes);
	fflush(stdout);
	for (unsigned long i = 0; i < processes; i++) {
		pid_t child = fork();

		if (child < 0)
			die("fork");
		if (!child) {
			struct worker worker = {
				.random = pattern_mix(seed + i),
				.object_bytes = bytes / processes / SLOTS,
				.directories = args + 4,
				.nr_directories = nr_args - 4,
			};

			signal(SIGTERM, on_term);
			exit(worker_run(&worker, end));
		}
	}
	for (;;) {
		int status;
		pid_t child = wait(&status);

		if (child < 0)
			break;
		if (!WIFEXITED(status)) {
			fprintf(stderr, "memload: process %d died of signal %d\n",
				(int)child, WTERMSIG(status));
			worst = 2;
		} else if (WEXITSTATUS(status) > worst) {
			worst = WEXITSTATUS(status);
		}
	}
	return worst;
}

static int fill_file(char **args)
{
	int fd = open(args[0], O_RDWR | O_CREAT | O_TRUNC, 0600);

	if (fd < 0)
		die("%s", args[0]);
	file_fill(fd, number(args[1]) * MIB, number(args[2]));
	if (fsync(fd))
		die("fsync of %s", args[0]);
	close(fd);
	return 0;
}

static int check_file(char **args)
{
	size_t bytes = number(args[1]) * MIB;
	struct stat status;
	uint64_t wrong;
	int fd = open(args[0], O_RDONLY);

	if (fd < 0 || fstat(fd, &status))
		die("%s", args[0]);
	if (status.st_size != (off_t)bytes) {
		fprintf(stderr, "MISMATCH %s: expected %zu bytes, found %lld\n", args[0],
			bytes, (long long)status.st_size);
		return 1;
	}
	wrong = file_verify(fd, bytes, number(args[2]), args[0]);
	close(fd);
	return wrong ? 1 : 0;
}

int main(int argc, char **argv)
{
	setpgid(0, 0);
	if (argc >= 7 && !strcmp(argv[1], "stress"))
		return stress(argv + 2, argc - 2);
	if (argc == 5 && !strcmp(argv[1], "fill"))
		return fill_file(argv + 2);
	if (argc == 5 && !strcmp(argv[1], "check"))
		return check_file(argv + 2);
	fprintf(stderr,
		"usage: memload stress SECONDS PROCESSES MIB SEED DIRECTORY...\n"
		"       memload fill|check FILE MIB SEED\n");
	return 2;
}
