// SPDX-License-Identifier: GPL-2.0
/*
 * fsx: random operations on files, every byte compared with a model in memory.
 *
 *   fsx DIRECTORY SECONDS FILES KIB SEED [DEVICE]
 *	FILES files of at most KIB KiB each in DIRECTORY; one operation at a
 *	time, on any of them: the others lie in the page cache meanwhile. With
 *	DEVICE, a block of a file is damaged there at the end, which the last
 *	verification has to find.
 *
 * Exit status: 0, or 1 if any byte was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "damage.h"
#include "pattern.h"

#define PAGE_BYTES	4096UL
#define PIPE_BYTES	(64UL << 10)

struct file {
	char path[256];
	int fd;
	int direct;		/* another descriptor, with O_DIRECT */
	size_t size;
	uint8_t *model;		/* zeros from size to the capacity */
	uint8_t *kept;		/* mapping of the whole capacity, or NULL */
	/*
	 * Written past the page cache, or the target of devices in a mapping: such
	 * pages become dirty late, and a direct write that meets one fails.
	 */
	bool written_directly;
	/* Source and target of clones: what is called a hole of it may be none. */
	bool shares_extents;
};

/* A part of a file */
struct range {
	size_t offset;
	size_t bytes;
};

static struct file *files;
static size_t nr_files, capacity;
static uint8_t *buffer;		/* capacity bytes, page aligned */
static int pipe_ends[2];
static uint64_t random_state, generation, operations, wrong;
static const char *operation;
static volatile sig_atomic_t stop;

static void on_term(int signal)
{
	(void)signal;
	stop = 1;
}

__attribute__((noreturn, format(printf, 1, 2)))
static void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	fprintf(stderr, "fsx: operation %" PRIu64 ", %s: ", operations, operation);
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerror(error));
	va_end(args);
	exit(2);
}

static uint64_t draw(uint64_t below)
{
	random_state = pattern_mix(random_state + 0x9e3779b97f4a7c15ULL);
	return random_state % below;
}

/* What a file system does not have (collapsing on btrfs) is no error. */
static bool done(int result, const char *what, struct range range)
{
	if (!result)
		return true;
	if (errno != EOPNOTSUPP)
		die("%s of %zu bytes at %#zx", what, range.bytes, range.offset);
	return false;
}

static void compare(const struct file *file, const uint8_t *found, size_t offset, size_t bytes)
{
	size_t i = 0;

	if (!memcmp(found, file->model + offset, bytes))
		return;
	while (found[i] == file->model[offset + i])
		i++;
	fprintf(stderr, "MISMATCH fsx: %s, operation %" PRIu64
		", %s of %zu bytes at %#zx, file size %#zx: at %#zx expected %02x, found %02x\n",
		file->path, operations, operation, bytes, offset, file->size, offset + i,
		file->model[offset + i], found[i]);
	wrong++;
}

/* Mostly short, anywhere in the capacity */
static struct range any_range(void)
{
	struct range range = { .offset = draw(capacity) };
	size_t longest = draw(4) ? 2 * PAGE_BYTES : capacity / 4;

	range.bytes = 1 + draw(longest);
	if (range.bytes > capacity - range.offset)
		range.bytes = capacity - range.offset;
	return range;
}

static struct range page_range(void)
{
	struct range range = any_range();

	range.offset &= ~(PAGE_BYTES - 1);
	range.bytes = (range.bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	return range;
}

/* The part of a range that the file has; false: nothing */
static bool within(const struct file *file, struct range *range)
{
	if (range->offset >= file->size)
		return false;
	if (range->bytes > file->size - range->offset)
		range->bytes = file->size - range->offset;
	return true;
}

/* New content in the buffer, unlike any before */
static void fresh(size_t bytes)
{
	generation++;
	pattern_fill((uint64_t *)buffer, (bytes + 7) & ~7UL, pattern_mix(generation), 0);
}

static void model_write(struct file *file, struct range range, const uint8_t *content)
{
	memcpy(file->model + range.offset, content, range.bytes);
	if (range.offset + range.bytes > file->size)
		file->size = range.offset + range.bytes;
}

static void model_zero(struct file *file, struct range range)
{
	memset(file->model + range.offset, 0, range.bytes);
}

static void model_resize(struct file *file, size_t size)
{
	if (size < file->size)
		memset(file->model + size, 0, file->size - size);
	file->size = size;
}

static struct file *other_file(const struct file *file)
{
	size_t index = (size_t)(file - files);

	return &files[(index + 1 + draw(nr_files - 1)) % nr_files];
}

static void *map(const struct file *file, struct range range, int protection, int flags)
{
	void *memory = mmap(NULL, range.bytes, protection, flags, file->fd, (off_t)range.offset);

	if (memory == MAP_FAILED)
		die("mmap of %zu bytes at %#zx", range.bytes, range.offset);
	return memory;
}

#include "fsx_operations.h"

static void open_file(struct file *file)
{
	file->fd = open(file->path, O_RDWR | O_CREAT, 0600);
	file->direct = open(file->path, O_RDWR | O_DIRECT);
	if (file->fd < 0 || file->direct < 0)
		die("open of %s", file->path);
}

static void close_file(struct file *file)
{
	if (file->kept)
		munmap(file->kept, capacity);
	file->kept = NULL;
	close(file->direct);
	close(file->fd);
}

static void reopen(struct file *file)
{
	close_file(file);
	open_file(file);
}

static void replace(struct file *file)
{
	close_file(file);
	if (unlink(file->path))
		die("unlink of %s", file->path);
	model_resize(file, 0);
	open_file(file);
}

static const struct {
	const char *name;
	void (*run)(struct file *file);
	unsigned int weight;
} table[] = {
	{ "read", read_buffered, 12 },
	{ "read without waiting", read_nowait, 4 },
	{ "read past the page cache", read_direct, 4 },
	{ "read of a mapping", read_mapped, 6 },
	{ "sendfile", read_sendfile, 4 },
	{ "splice", read_splice, 4 },
	{ "read by a child", read_forked, 1 },
	{ "private mapping", write_private, 2 },
	{ "write", write_buffered, 10 },
	{ "write past the page cache", write_direct, 4 },
	{ "write to a mapping", write_mapped, 5 },
	{ "splice into the file", write_splice, 2 },
	{ "copy_file_range", copy_range, 8 },
	{ "clone", clone_range, 4 },
	{ "direct write out of a mapping", write_from_mapping, 2 },
	{ "direct read into a mapping", read_into_mapping, 2 },
	{ "truncate", truncate_file, 3 },
	{ "punch hole", punch_hole, 3 },
	{ "zero range", zero_range, 1 },
	{ "allocate", allocate, 1 },
	{ "collapse range", collapse_range, 1 },
	{ "insert range", insert_range, 1 },
	{ "seek for holes", seek_holes, 1 },
	{ "sync", sync_file, 6 },
	{ "advice", advise, 4 },
	{ "kept mapping", keep_mapping, 3 },
	{ "reopen", reopen, 2 },
	{ "replace", replace, 1 },
};

#define NR_OPERATIONS	(sizeof(table) / sizeof(table[0]))

static void one_operation(void)
{
	struct file *file = &files[draw(nr_files)];
	unsigned int sum = 0, choice;
	size_t i;

	for (i = 0; i < NR_OPERATIONS; i++)
		sum += table[i].weight;
	choice = draw(sum);
	for (i = 0; choice >= table[i].weight; i++)
		choice -= table[i].weight;
	operation = table[i].name;
	operations++;
	table[i].run(file);
}

static void verify_all(const char *damaged_device)
{
	struct file *last = &files[nr_files - 1];

	operation = "last verification";
	if (damaged_device) {
		struct range range = { 0, capacity };

		fresh(capacity);
		if (pwrite(last->fd, buffer, capacity, 0) != (ssize_t)capacity)
			die("write of all");
		model_write(last, range, buffer);
		if (last->kept)
			keep_mapping(last);
		if (damage_file(last->fd, capacity / 2, damaged_device))
			die("damage on %s", damaged_device);
	}
	for (size_t i = 0; i < nr_files; i++) {
		struct range range = { 0, files[i].size };
		struct stat status;

		if (fstat(files[i].fd, &status))
			die("fstat of %s", files[i].path);
		if ((size_t)status.st_size != files[i].size) {
			fprintf(stderr, "MISMATCH fsx: %s: expected %zu bytes, found %lld\n",
				files[i].path, files[i].size, (long long)status.st_size);
			wrong++;
		}
		if (pread(files[i].fd, buffer, range.bytes, 0) != (ssize_t)range.bytes)
			die("read of %zu bytes", range.bytes);
		compare(&files[i], buffer, 0, range.bytes);
	}
}

static void prepare(const char *directory)
{
	files = calloc(nr_files, sizeof(*files));
	buffer = aligned_alloc(PAGE_BYTES, capacity);
	if (!files || !buffer || pipe(pipe_ends))
		die("memory or pipe");
	/* All that an operation puts into the pipe fits, page by page. */
	if (fcntl(pipe_ends[0], F_SETPIPE_SZ, 2 * PIPE_BYTES) < 0)
		die("size of a pipe");
	for (size_t i = 0; i < nr_files; i++) {
		snprintf(files[i].path, sizeof(files[i].path), "%s/fsx.%d.%zu", directory,
			 (int)getpid(), i);
		files[i].written_directly = i % 2;
		files[i].shares_extents = i / 2 % 2;
		files[i].model = calloc(1, capacity);
		if (!files[i].model)
			die("model");
		open_file(&files[i]);
	}
}

int main(int argc, char **argv)
{
	struct timespec now, end;

	if (argc < 6 || argc > 7) {
		fprintf(stderr, "usage: fsx DIRECTORY SECONDS FILES KIB SEED [DEVICE]\n");
		return 2;
	}
	operation = "start";
	signal(SIGTERM, on_term);
	nr_files = strtoul(argv[3], NULL, 0);
	capacity = strtoul(argv[4], NULL, 0) << 10;
	random_state = strtoull(argv[5], NULL, 0);
	/* So that generations of two runs on one directory differ, too. */
	generation = pattern_mix(random_state);
	if (nr_files < 2 || capacity < 2 * PIPE_BYTES || capacity % PAGE_BYTES) {
		fprintf(stderr, "fsx: expected at least 2 files of 128 KiB\n");
		return 2;
	}
	prepare(argv[1]);
	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_sec += (time_t)strtoul(argv[2], NULL, 0);
	do {
		one_operation();
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (!stop && !wrong && now.tv_sec < end.tv_sec);
	verify_all(argv[6]);
	for (size_t i = 0; i < nr_files; i++) {
		close_file(&files[i]);
		if (!wrong)
			unlink(files[i].path);
	}
	printf("fsx: process %d: %" PRIu64 " operations, %" PRIu64 " wrong\n", (int)getpid(),
	       operations, wrong);
	return wrong ? 1 : 0;
}
