/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What mapcheck.c needs for all it does, and its half "hold". One program, cut in two.
 */
#ifndef TESTS_MAPCHECK_HOLD_H
#define TESTS_MAPCHECK_HOLD_H

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "program.h"

#define HUGE_BYTES	(2 * MIB)
#define PIPE_BYTES	(64UL << 10)

static void *map(int fd, size_t bytes, int protection, int flags)
{
	void *memory = mmap(NULL, bytes, protection, flags, fd, 0);

	need(memory != MAP_FAILED, "mmap");
	return memory;
}

static void fill_file(const char *path, size_t bytes, uint64_t key)
{
	static uint64_t words[PIPE_BYTES / sizeof(uint64_t)];
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC, 0600);

	need(fd >= 0, path);
	for (size_t at = 0; at < bytes; at += sizeof(words)) {
		pattern_fill(words, sizeof(words), key, at);
		need(write(fd, words, sizeof(words)) == (ssize_t)sizeof(words), "write");
	}
	need(!fsync(fd), "fsync");
	close(fd);
}

/* ------------------------------------------------------------------------
 * hold
 */

static long faults(void)
{
	struct rusage usage;

	need(!getrusage(RUSAGE_SELF, &usage), "getrusage");
	return usage.ru_minflt + usage.ru_majflt;
}

/*
 * Where a huge page can be: read from the disk anew, so that the page cache has it as
 * large folios.
 */
static void *map_huge(int fd, size_t bytes)
{
	char *room = mmap(NULL, bytes + HUGE_BYTES, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *place = (char *)(((uintptr_t)room + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));

	need(room != MAP_FAILED, "mmap");
	need(!posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), "posix_fadvise");
	need(mmap(place, bytes, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) == place, "mmap");
	need(!madvise(place, bytes, MADV_HUGEPAGE), "madvise");
	return place;
}

/* KiB of files that this process has in huge mappings */
static long mapped_huge(void)
{
	FILE *file = fopen("/proc/self/smaps_rollup", "r");
	char line[128];
	long kib = -1;

	need(file, "/proc/self/smaps_rollup");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "FilePmdMapped: %ld", &kib) == 1)
			break;
	fclose(file);
	return kib;
}

static int hold(char **arguments)
{
	const char *kind = arguments[0], *path = arguments[1];
	size_t bytes = strtoul(arguments[2], NULL, 0) * MIB;
	uint64_t key = pattern_mix(strtoull(arguments[3], NULL, 0)), wrong;
	const bool is_spinning = !strcmp(kind, "spin");
	const bool is_part = !strcmp(kind, "partlocked");
	const bool is_huge = is_part || !strcmp(kind, "huge");
	const bool is_hot = is_spinning || is_part || !strcmp(kind, "hot");
	const size_t step = is_part ? HUGE_BYTES : PAGE_BYTES;
	volatile uint64_t *memory;
	double from, begun, longest = 0;
	uint64_t sum = 0;
	long before;
	int fd;

	if (access(path, F_OK))
		fill_file(path, bytes, key);
	fd = open(path, O_RDONLY);
	need(fd >= 0, path);
	memory = is_huge ? map_huge(fd, bytes) : map(fd, bytes, PROT_READ, MAP_SHARED);
	if (!strcmp(kind, "locked"))
		need(!mlock((void *)memory, bytes), "mlock");
	if (!strcmp(kind, "onfault"))
		need(!mlock2((void *)memory, bytes, MLOCK_ONFAULT), "mlock2");
	if (!strcmp(kind, "lockall"))
		need(!mlockall(MCL_CURRENT | MCL_FUTURE), "mlockall");
	wrong = pattern_verify((uint64_t *)memory, bytes, key, 0, path);
	if (is_huge)
		printf("%s: %ld KiB in huge mappings\n", kind, mapped_huge());
	for (size_t at = 0; is_part && at < bytes; at += step)
		need(!mlock((char *)memory + at, PAGE_BYTES), "mlock");
	signal(SIGTERM, on_term);
	/* What the loop and its end need of the program itself is mapped by this. */
	raise(SIGTERM);
	stop = 0;
	usleep(1);
	longest = longer(longest, now());
	printf("ready\n");
	fflush(stdout);
	from = now();
	for (before = faults(); !stop; from = begun) {
		begun = now();
		for (size_t at = 0; is_hot && at < bytes; at += step)
			sum += memory[at / sizeof(*memory)];
		longest = longer(longest, from);
		if (!is_spinning)
			usleep(200000);
	}
	longest = longer(longest, from);
	printf("%s: %ld faults\n", kind, faults() - before);
	if (is_hot)
		printf("%s: not all of it in %ld ms\n", kind, (long)(longest * 1000));
	wrong += pattern_verify((uint64_t *)memory, bytes, key, 0, path);
	return wrong || (is_hot && !sum);
}

#endif /* TESTS_MAPCHECK_HOLD_H */
