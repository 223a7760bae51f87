/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Blocks of memory (Documentation/admin-guide/mm/memory-hotplug.rst): for movecheck.c, they
 * go offline and come back, and hold the file that it looks at.
 */
#ifndef TESTS_MOVECHECK_BLOCKS_H
#define TESTS_MOVECHECK_BLOCKS_H

#include <dirent.h>

#include "movecheck-file.h"

#define BLOCKS		"/sys/devices/system/memory"
#define MAX_BLOCKS	64
#define HELD_PAGES	((400UL << 20) / PAGE_BYTES)	/* all of the movable zone */
#define MIN_FREE	"/proc/sys/vm/min_free_kbytes"

static bool stays[MAX_BLOCKS];

static bool block_is_movable(const char *name)
{
	char file[300], zones[64] = "";
	FILE *stream;

	snprintf(file, sizeof(file), BLOCKS "/%s/valid_zones", name);
	stream = fopen(file, "r");
	if (!stream)
		return false;
	if (!fgets(zones, sizeof(zones), stream))
		zones[0] = 0;
	fclose(stream);
	return !strcmp(zones, "Movable\n");
}

/* What the kernel reserved when it booted never goes, and what is in use not at once. */
static void offline_block(const char *name)
{
	unsigned long number = strtoul(name + strlen("memory"), NULL, 10);
	char file[300];
	int state;

	if (number >= MAX_BLOCKS)
		die("%s is one of more than %d", name, MAX_BLOCKS);
	stays[number] = true;
	snprintf(file, sizeof(file), BLOCKS "/%s/state", name);
	state = open(file, O_RDWR | O_CLOEXEC);
	if (state < 0)
		die("%s", file);
	for (unsigned int tries = 0; tries < 5; tries++) {
		if (write(state, "offline", 7) == 7) {
			atomic_fetch_add(&done, 1);
			stays[number] = false;
			write_to(file, "online_movable");
			break;
		}
		pause_us(100000);
	}
	close(state);
}

static void offline(void)
{
	DIR *directory = opendir(BLOCKS);
	struct dirent *entry;

	if (!directory)
		die(BLOCKS);
	while ((entry = readdir(directory)))
		if (!strncmp(entry->d_name, "memory", 6) && block_is_movable(entry->d_name))
			offline_block(entry->d_name);
	closedir(directory);
}

static unsigned long number_in(const char *file, int base)
{
	FILE *stream = fopen(file, "r");
	char text[32];

	if (!stream || !fgets(text, sizeof(text), stream))
		die("%s", file);
	fclose(stream);
	return strtoul(text, NULL, base);
}

/*
 * A block that never goes has free memory, too. All of that is held, down to the zone's
 * reserve, so that the file lies where blocks do go, which are empty now.
 */
static void hold_what_stays(void)
{
	static uint64_t frames_of[HELD_PAGES];
	unsigned long block_bytes = number_in(BLOCKS "/block_size_bytes", 16), nr_held = 0;
	unsigned long min_free = number_in(MIN_FREE, 10);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	char text[32];
	char *held;

	write_to("/proc/sys/vm/drop_caches", "1");
	offline();
	write_to(MIN_FREE, "1024");
	held = mmap(NULL, HELD_PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (held == MAP_FAILED || madvise(held, HELD_PAGES * PAGE_BYTES, MADV_NOHUGEPAGE) ||
	    madvise(held, HELD_PAGES * PAGE_BYTES, MADV_POPULATE_WRITE))
		die("what stays");
	if (pagemap < 0 || pread(pagemap, frames_of, sizeof(frames_of),
				 (off_t)((uintptr_t)held / PAGE_BYTES * sizeof(*frames_of))) !=
				(ssize_t)sizeof(frames_of))
		die("/proc/self/pagemap");
	close(pagemap);
	snprintf(text, sizeof(text), "%lu", min_free);
	write_to(MIN_FREE, text);
	for (size_t i = 0; i < HELD_PAGES; i++) {
		/* Bits 0-54: Documentation/admin-guide/mm/pagemap.rst */
		uint64_t frame = frames_of[i] & ((1ULL << 55) - 1);
		unsigned long block = frame * PAGE_BYTES / block_bytes;

		if (block < MAX_BLOCKS && stays[block])
			nr_held++;
		else if (madvise(held + i * PAGE_BYTES, PAGE_BYTES, MADV_DONTNEED))
			die("what goes");
	}
	printf("  %lu pages held in blocks that stay\n", nr_held);
}

#endif /* TESTS_MOVECHECK_BLOCKS_H */
