// SPDX-License-Identifier: GPL-2.0
/* Log lines, time, and what /proc says about a process. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "pagehintd.h"

/* One write for each line: supervisor and workers share stderr. */
void log_info(const char *vm, const char *format, ...)
{
	char line[1024];
	va_list args;
	size_t used;
	ssize_t ignored;

	used = snprintf(line, sizeof(line), vm ? "pagehintd: %s: " : "pagehintd: ", vm);
	if (used < sizeof(line)) {
		va_start(args, format);
		used += vsnprintf(line + used, sizeof(line) - used, format, args);
		va_end(args);
	}
	if (used > sizeof(line) - 2)
		used = sizeof(line) - 2;
	line[used++] = '\n';
	ignored = write(STDERR_FILENO, line, used);
	(void)ignored;
}

uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * NSEC_PER_SEC + now.tv_nsec;
}

bool process_maps_file(pid_t pid, dev_t dev, ino_t ino)
{
	char path[64], *line = NULL;
	bool found = false;
	size_t size = 0;
	FILE *maps;

	snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
	maps = fopen(path, "re");
	if (!maps)
		return false;
	while (!found && getline(&line, &size, maps) > 0) {
		unsigned int major_nr, minor_nr;
		uint64_t inode;

		if (sscanf(line, "%*x-%*x %*s %*x %x:%x %lu",
			   &major_nr, &minor_nr, &inode) == 3)
			found = inode == ino && makedev(major_nr, minor_nr) == dev;
	}
	free(line);
	fclose(maps);
	return found;
}

/* Somebody else who maps the file, or 0 */
pid_t find_process_mapping(dev_t dev, ino_t ino)
{
	struct dirent *entry;
	pid_t found = 0;
	DIR *proc;

	proc = opendir("/proc");
	if (!proc)
		return 0;
	while (!found && (entry = readdir(proc))) {
		pid_t pid = atoi(entry->d_name);

		if (pid > 0 && pid != getpid() && process_maps_file(pid, dev, ino))
			found = pid;
	}
	closedir(proc);
	return found;
}

/*
 * Memory of the process that a drop would not free or, if a device has its
 * address, would tear away from it: locked or pinned.
 */
uint64_t pinned_kib(pid_t pid)
{
	uint64_t value, sum = 0;
	char line[256];
	FILE *status;

	snprintf(line, sizeof(line), "/proc/%d/status", (int)pid);
	status = fopen(line, "re");
	if (!status)
		return 0;
	while (fgets(line, sizeof(line), status)) {
		if (sscanf(line, "VmLck: %lu", &value) == 1 ||
		    sscanf(line, "VmPin: %lu", &value) == 1)
			sum += value;
	}
	fclose(status);
	return sum;
}
