// SPDX-License-Identifier: GPL-2.0
/*
 * scatter: many small files in the guest, by few processes.
 *
 *   scatter make DIRECTORY COUNT BYTES	create COUNT files of BYTES
 *   scatter thin DIRECTORY COUNT		remove every other: in tmpfs, this leaves
 *					movable memory full of holes
 *   scatter check DIRECTORY COUNT BYTES	verify the contents of the rest
 *   scatter hold DIRECTORY COUNT EVERY	refer to the page of every EVERY-th file from the
 *					pipe that is standard output: as long as somebody
 *					has that open, the page cannot be moved
 *   scatter paths DIRECTORY COUNT		look up paths of up to PATH_MAX bytes, which
 *					the kernel copies to the very end of a page
 *
 * The names are longer than what a dentry keeps inline.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../guest/pattern.h"

#define MAX_BYTES	65536
#define PAGE_BYTES	4096

static uint64_t words[MAX_BYTES / sizeof(uint64_t)];

static void die(const char *path)
{
	fprintf(stderr, "scatter: %s: %s\n", path, strerror(errno));
	exit(2);
}

static const char *path_of(const char *directory, unsigned long i)
{
	static char path[4096];

	snprintf(path, sizeof(path), "%s/a-name-longer-than-those-kept-inline-%lu", directory, i);
	return path;
}

static void make(const char *directory, unsigned long count, size_t bytes)
{
	unsigned long i;

	if (mkdir(directory, 0700) && errno != EEXIST)
		die(directory);
	for (i = 0; i < count; i++) {
		const char *path = path_of(directory, i);
		int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		pattern_fill(words, bytes, i, 0);
		if (fd < 0 || write(fd, words, bytes) != (ssize_t)bytes)
			die(path);
		close(fd);
	}
}

static void thin(const char *directory, unsigned long count)
{
	unsigned long i;

	for (i = 1; i < count; i += 2)
		if (unlink(path_of(directory, i)))
			die(path_of(directory, i));
}

static int check(const char *directory, unsigned long count, size_t bytes)
{
	unsigned long i, found = 0;
	uint64_t wrong = 0;

	for (i = 0; i < count; i++) {
		const char *path = path_of(directory, i);
		int fd = open(path, O_RDONLY);

		if (fd < 0 && errno == ENOENT && i % 2)
			continue;
		if (fd < 0 || read(fd, words, bytes) != (ssize_t)bytes)
			die(path);
		close(fd);
		wrong += pattern_verify(words, bytes, i, 0, path);
		found++;
	}
	printf("%lu files verified\n", found);
	return wrong ? 1 : 0;
}

/* Of files of a page. The pipe gets room for all of them: nobody reads it. */
static void hold(const char *directory, unsigned long count, unsigned long every)
{
	unsigned long i;

	if (fcntl(STDOUT_FILENO, F_SETPIPE_SZ, (int)((count / every + 1) * PAGE_BYTES)) < 0)
		die("standard output, expected a pipe that may be so large");
	for (i = 0; i < count; i += every) {
		const char *path = path_of(directory, i);
		int fd = open(path, O_RDONLY);

		if (fd < 0 || splice(fd, NULL, STDOUT_FILENO, NULL, PAGE_BYTES,
				     SPLICE_F_NONBLOCK) != PAGE_BYTES)
			die(path);
		close(fd);
	}
}

/*
 * "DIRECTORY/././name": each length up to the longest, so that the last words
 * of the name that the kernel reads reach beyond the page in every way.
 */
static void paths(const char *directory, unsigned long count)
{
	static char path[PATH_MAX];
	unsigned long i;

	for (i = 0; i < count; i++) {
		size_t length = PATH_MAX - 1 - i % 16, at = strlen(directory);

		memcpy(path, directory, at);
		while (at < length - 12) {
			path[at++] = '/';
			path[at++] = '.';
		}
		path[at++] = '/';
		memset(path + at, 'x', length - at);
		path[length] = '\0';
		if (!access(path, F_OK) || errno != ENOENT)
			die(path);
	}
}

int main(int argc, char **argv)
{
	unsigned long count = argc > 3 ? strtoul(argv[3], NULL, 10) : 0;
	size_t bytes = argc > 4 ? strtoul(argv[4], NULL, 10) : 0;

	if (argc == 4 && count && !strcmp(argv[1], "thin")) {
		thin(argv[2], count);
		return 0;
	}
	if (argc == 4 && count && !strcmp(argv[1], "paths")) {
		paths(argv[2], count);
		return 0;
	}
	if (argc == 5 && count && bytes && !strcmp(argv[1], "hold")) {
		hold(argv[2], count, bytes);
		return 0;
	}
	if (argc == 5 && count && bytes && bytes <= MAX_BYTES && bytes % 8 == 0) {
		if (!strcmp(argv[1], "check"))
			return check(argv[2], count, bytes);
		if (!strcmp(argv[1], "make")) {
			make(argv[2], count, bytes);
			return 0;
		}
	}
	fprintf(stderr,
		"usage: scatter make|check DIRECTORY COUNT BYTES\n"
		"       scatter thin|paths DIRECTORY COUNT\n"
		"       scatter hold DIRECTORY COUNT EVERY >PIPE\n");
	return 2;
}
