/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module's threads on one CPU and a test program on another: where a thread delays
 * (module/test_points.c) the program runs, whatever the scheduler would like.
 */
#ifndef TESTS_APART_H
#define TESTS_APART_H

#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "program.h"

static inline void pin(pid_t pid, int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(pid, sizeof(set), &set))
		die("CPU %d for process %d", cpu, (int)pid);
}

/* A kernel thread, by name; is it there? */
static inline bool pin_thread(const char *name, int cpu)
{
	DIR *directory = opendir("/proc");
	struct dirent *entry;
	char file[300], comm[64];

	while (directory && (entry = readdir(directory))) {
		FILE *stream;

		snprintf(file, sizeof(file), "/proc/%s/comm", entry->d_name);
		stream = fopen(file, "r");
		if (!stream)
			continue;
		if (fscanf(stream, "%63s", comm) != 1)
			comm[0] = 0;
		fclose(stream);
		if (strcmp(comm, name))
			continue;
		pin(atoi(entry->d_name), cpu);
		closedir(directory);
		return true;
	}
	if (directory)
		closedir(directory);
	return false;
}

/* The module's threads on one CPU, this one on another */
static inline void apart(void)
{
	pin(0, 0);
	if (!pin_thread("pagehint_cache", 1))
		die("no thread pagehint_cache");
	/* Of the host in the guest, or who tells a host of volatile pages */
	if (!pin_thread("pagehint_loop", 1) && !pin_thread("pagehint_essa", 1))
		die("no thread pagehint_loop or pagehint_essa");
}

#endif /* TESTS_APART_H */
