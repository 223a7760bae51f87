// SPDX-License-Identifier: GPL-2.0
/*
 * cacheways: every way from a program to page cache, one at a time, so that
 * between two of them the pages can become volatile.
 *
 *   cacheways make FILE PAGES KEY		a file of that pattern, on its disk
 *   cacheways WAY FILE PAGES KEY		reach all of its pages so, and verify them
 *   cacheways mix FILE PAGES KEY SECONDS	ways at random that may meet others on the
 *					same file, with pauses in which pages
 *					become volatile
 *
 * A way that changes the file leaves the contents as they were. map_idle leaves its
 * mapping alone as long as there is a file /tmp/idle.on, and then looks again.
 *
 * Exit status: 0, or 1 if any word was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../guest/pattern.h"

#define PAGE_BYTES	4096UL
#define CHUNK_BYTES	(64UL << 10)
#define IDLE_MARK	"/tmp/idle.on"

static uint64_t chunk[CHUNK_BYTES / sizeof(uint64_t)] __attribute__((aligned(4096)));
static const char *path;
static size_t bytes;
static uint64_t key;
static uint64_t wrong;

static void die(const char *what)
{
	fprintf(stderr, "cacheways: %s: %s: %s\n", path, what, strerror(errno));
	exit(2);
}

static void expect(bool done, const char *what)
{
	if (!done)
		die(what);
}

static int open_file(int flags)
{
	int fd = open(path, flags, 0600);

	expect(fd >= 0, "open");
	return fd;
}

static size_t chunk_length(size_t offset)
{
	return bytes - offset < CHUNK_BYTES ? bytes - offset : CHUNK_BYTES;
}

static void write_range(int fd, size_t from, size_t to)
{
	size_t length;

	for (; from < to; from += length) {
		length = to - from < CHUNK_BYTES ? to - from : CHUNK_BYTES;
		pattern_fill(chunk, length, key, from);
		expect(pwrite(fd, chunk, length, (off_t)from) == (ssize_t)length, "write");
	}
}

static void verify(int fd, const char *what)
{
	size_t offset;

	for (offset = 0; offset < bytes; offset += CHUNK_BYTES) {
		size_t length = chunk_length(offset);

		expect(pread(fd, chunk, length, (off_t)offset) == (ssize_t)length, "read");
		wrong += pattern_verify(chunk, length, key, offset, what);
	}
}

/* ------------------------------------------------------------------------
 * read() and write()
 */

static void way_make(void)
{
	int fd = open_file(O_RDWR | O_CREAT | O_TRUNC);

	write_range(fd, 0, bytes);
	expect(!fsync(fd), "fsync");
	close(fd);
}

static void way_read(void)
{
	int fd = open_file(O_RDONLY);

	verify(fd, "read");
	close(fd);
}

/* One word in the middle of each page: the rest has to be there. */
static void way_write(void)
{
	int fd = open_file(O_RDWR);
	size_t offset;

	for (offset = PAGE_BYTES / 2; offset < bytes; offset += PAGE_BYTES)
		write_range(fd, offset, offset + sizeof(uint64_t));
	verify(fd, "partly written");
	expect(!fsync(fd), "fsync");
	close(fd);
}

static void way_direct_read(void)
{
	int fd = open_file(O_RDONLY | O_DIRECT);

	verify(fd, "direct read");
	close(fd);
}

/* What is in the cache has to go, or readers would find the old. */
static void way_direct_write(void)
{
	int fd = open_file(O_RDWR | O_DIRECT);

	write_range(fd, 0, bytes);
	close(fd);
	way_read();
}

/* The rest of the last page is zeroed in the cache. */
static void way_truncate(void)
{
	int fd = open_file(O_RDWR);
	size_t keep;

	for (keep = bytes - PAGE_BYTES / 2; keep > bytes / 2; keep -= bytes / 8) {
		expect(!ftruncate(fd, (off_t)keep), "ftruncate");
		write_range(fd, keep, bytes);
		expect(!fsync(fd), "fsync");
	}
	verify(fd, "truncated and written again");
	close(fd);
}

/* Whole pages go, parts of their neighbours are zeroed. */
static void way_punch(void)
{
	int fd = open_file(O_RDWR);
	size_t offset, length = 3 * PAGE_BYTES;

	for (offset = PAGE_BYTES / 2; offset + length < bytes; offset += CHUNK_BYTES) {
		expect(!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				  (off_t)offset, (off_t)length), "fallocate");
		write_range(fd, offset, offset + length);
	}
	expect(!fsync(fd), "fsync");
	verify(fd, "punched and written again");
	close(fd);
}

static void way_forget(void)
{
	int fd = open_file(O_RDONLY);

	expect(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), "fadvise DONTNEED");
	expect(!posix_fadvise(fd, 0, 0, POSIX_FADV_WILLNEED), "fadvise WILLNEED");
	verify(fd, "read ahead");
	close(fd);
}

/* ------------------------------------------------------------------------
 * From file to file in the kernel
 */

static int unnamed_file(void)
{
	int fd = memfd_create("copy", 0);

	expect(fd >= 0, "memfd_create");
	return fd;
}

static void way_sendfile(void)
{
	int from = open_file(O_RDONLY), to = unnamed_file();
	off_t offset = 0;

	while ((size_t)offset < bytes)
		expect(sendfile(to, from, &offset, CHUNK_BYTES) > 0, "sendfile");
	verify(to, "sent");
	close(from);
	close(to);
}

/* The pages themselves wait in the pipe. */
static void way_splice(void)
{
	int from = open_file(O_RDONLY), ends[2];
	size_t at = 0;
	loff_t offset = 0;

	expect(!pipe(ends), "pipe");
	while (at < bytes) {
		ssize_t length = splice(from, &offset, ends[1], NULL, CHUNK_BYTES / 2, 0);

		expect(length > 0, "splice");
		expect(read(ends[0], chunk, (size_t)length) == length, "read of a pipe");
		wrong += pattern_verify(chunk, (size_t)length, key, at, "spliced");
		at += (size_t)length;
	}
	close(from);
	close(ends[0]);
	close(ends[1]);
}

static void way_copy_range(void)
{
	char name[4096];
	int from = open_file(O_RDONLY), to;
	size_t left = bytes;

	snprintf(name, sizeof(name), "%s.copy", path);
	to = open(name, O_RDWR | O_CREAT | O_TRUNC, 0600);
	expect(to >= 0 && !unlink(name), "a copy");
	while (left) {
		ssize_t length = copy_file_range(from, NULL, to, NULL, left, 0);

		expect(length > 0, "copy_file_range");
		left -= (size_t)length;
	}
	verify(to, "copied range");
	close(from);
	close(to);
}

/* ------------------------------------------------------------------------
 * Mappings
 */

static uint64_t *map_file(int protection, int flags)
{
	int fd = open_file(protection & PROT_WRITE ? O_RDWR : O_RDONLY);
	uint64_t *memory = mmap(NULL, bytes, protection, flags, fd, 0);

	expect(memory != MAP_FAILED, "mmap");
	close(fd);
	return memory;
}

static void verify_map(uint64_t *memory, const char *what)
{
	wrong += pattern_verify(memory, bytes, key, 0, what);
	munmap(memory, bytes);
}

static void way_map(void)
{
	verify_map(map_file(PROT_READ, MAP_SHARED), "mapped");
}

/* Its pages are unmapped meanwhile (mapped=1). */
static void way_map_idle(void)
{
	uint64_t *memory = map_file(PROT_READ, MAP_SHARED);

	wrong += pattern_verify(memory, bytes, key, 0, "mapped, before it is idle");
	while (!access(IDLE_MARK, F_OK))
		usleep(50000);
	verify_map(memory, "mapped, and idle since");
}

static void way_map_populated(void)
{
	verify_map(map_file(PROT_READ, MAP_SHARED | MAP_POPULATE), "mapped and populated");
}

static void way_map_locked(void)
{
	uint64_t *memory = map_file(PROT_READ, MAP_SHARED);

	expect(!mlock(memory, bytes), "mlock");
	verify_map(memory, "mapped and locked");
}

/* The first fault of each page is a write: no neighbours are mapped. */
static void way_map_written(void)
{
	uint64_t *memory = map_file(PROT_READ | PROT_WRITE, MAP_SHARED);
	size_t offset;

	for (offset = 0; offset < bytes; offset += PAGE_BYTES)
		*(volatile uint64_t *)&memory[offset / sizeof(*memory)] =
			pattern_word(key, offset);
	expect(!msync(memory, bytes, MS_SYNC), "msync");
	verify_map(memory, "mapped and written");
}

/* ... and here each page is copied. */
static void way_map_private(void)
{
	uint64_t *memory = map_file(PROT_READ | PROT_WRITE, MAP_PRIVATE);
	size_t offset;

	for (offset = 0; offset < bytes; offset += PAGE_BYTES)
		*(volatile uint64_t *)&memory[offset / sizeof(*memory)] =
			pattern_word(key, offset);
	verify_map(memory, "mapped and copied");
}

/* The kernel takes the faults: the data of a write() are a mapping. */
static void way_map_source(void)
{
	uint64_t *memory = map_file(PROT_READ, MAP_SHARED);
	int to = unnamed_file();

	expect(write(to, memory, bytes) == (ssize_t)bytes, "write of a mapping");
	munmap(memory, bytes);
	verify(to, "a mapping written");
	close(to);
}

static void way_mincore(void)
{
	uint64_t *memory = map_file(PROT_READ, MAP_SHARED);
	unsigned char *present = malloc(bytes / PAGE_BYTES);

	expect(present && !mincore(memory, bytes, present), "mincore");
	free(present);
	munmap(memory, bytes);
}

/* ------------------------------------------------------------------------ */

static const struct way {
	const char *name;
	void (*go)(void);
	bool shares;	/* right whatever others do that share, at the same time */
} ways[] = {
	{ "make", way_make, false },
	{ "read", way_read, true },
	{ "write", way_write, true },
	{ "direct_read", way_direct_read, false },
	{ "direct_write", way_direct_write, false },
	{ "truncate", way_truncate, false },
	{ "punch", way_punch, false },
	{ "forget", way_forget, true },
	{ "sendfile", way_sendfile, true },
	{ "splice", way_splice, true },
	{ "copy_range", way_copy_range, true },
	{ "map", way_map, true },
	{ "map_idle", way_map_idle, true },
	{ "map_populated", way_map_populated, true },
	{ "map_locked", way_map_locked, true },
	{ "map_written", way_map_written, true },
	{ "map_private", way_map_private, true },
	{ "map_source", way_map_source, true },
	{ "mincore", way_mincore, true },
};

#define NR_WAYS	(sizeof(ways) / sizeof(ways[0]))

static void mix(unsigned long seconds)
{
	time_t end = time(NULL) + (time_t)seconds;
	uint64_t random = pattern_mix((uint64_t)getpid()), done = 0;

	while (time(NULL) < end && !wrong) {
		random = pattern_mix(random + 0x9e3779b97f4a7c15ULL);
		if (!ways[random % NR_WAYS].shares)
			continue;
		ways[random % NR_WAYS].go();
		usleep((useconds_t)(random >> 32) % 100000);
		done++;
	}
	printf("cacheways: process %d: %" PRIu64 " ways\n", (int)getpid(), done);
}

int main(int argc, char **argv)
{
	size_t i;

	if (argc < 5 || argc > 6)
		goto usage;
	path = argv[2];
	bytes = strtoul(argv[3], NULL, 10) * PAGE_BYTES;
	key = strtoul(argv[4], NULL, 10);
	if (bytes < 4 * CHUNK_BYTES)
		goto usage;
	if (argc == 6) {
		if (strcmp(argv[1], "mix"))
			goto usage;
		mix(strtoul(argv[5], NULL, 10));
		return wrong ? 1 : 0;
	}
	for (i = 0; i < NR_WAYS; i++) {
		if (strcmp(argv[1], ways[i].name))
			continue;
		ways[i].go();
		return wrong ? 1 : 0;
	}
usage:
	fprintf(stderr, "usage: cacheways WAY FILE PAGES KEY, PAGES 64 at least\n"
		"       cacheways mix FILE PAGES KEY SECONDS\n"
		"ways:");
	for (i = 0; i < NR_WAYS; i++)
		fprintf(stderr, " %s", ways[i].name);
	fprintf(stderr, "\n");
	return 2;
}
