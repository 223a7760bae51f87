// SPDX-License-Identifier: GPL-2.0
/*
 * cacheread: reads files, one after the other, and says how long it took.
 *
 *   cacheread read FILE...	by read(), 128 KiB at a time
 *   cacheread map FILE...	mapped, a byte of each page, ascending
 *
 * Prints `MIB mib SECONDS s`.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES	4096
#define BUFFER_BYTES	(128 << 10)

static char buffer[BUFFER_BYTES];

__attribute__((noreturn))
static void die(const char *what)
{
	perror(what);
	exit(1);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void read_file(int fd, const char *path)
{
	ssize_t bytes;

	do {
		bytes = read(fd, buffer, sizeof(buffer));
		if (bytes < 0)
			die(path);
	} while (bytes);
}

static void map_file(int fd, const char *path, size_t size)
{
	const volatile char *memory = mmap(NULL, size, PROT_READ, MAP_SHARED, fd, 0);
	size_t at;

	if (memory == MAP_FAILED)
		die(path);
	for (at = 0; at < size; at += PAGE_BYTES)
		(void)memory[at];
	munmap((void *)memory, size);
}

int main(int argc, char **argv)
{
	bool map = argc > 1 && !strcmp(argv[1], "map");
	double begin = now(), mib = 0;
	int i;

	if (argc < 3 || (!map && strcmp(argv[1], "read"))) {
		fprintf(stderr, "usage: cacheread read|map FILE...\n");
		return 2;
	}
	for (i = 2; i < argc; i++) {
		int fd = open(argv[i], O_RDONLY);
		struct stat st;

		if (fd < 0 || fstat(fd, &st))
			die(argv[i]);
		if (map)
			map_file(fd, argv[i], (size_t)st.st_size);
		else
			read_file(fd, argv[i]);
		close(fd);
		mib += (double)st.st_size / (1 << 20);
	}
	printf("%.0f mib %.4f s\n", mib, now() - begin);
	return 0;
}
