// SPDX-License-Identifier: GPL-2.0
/*
 * What the host has: memory of this process, modules, pagehint_kvm's counters.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define STATISTICS	"/sys/kernel/debug/pagehint_kvm"

/* A range of addresses at 2 MiB with guards around: no neighbour joins its mapping. */
void *reserve(size_t bytes)
{
	uint8_t *memory = mmap(NULL, bytes + 3 * HUGE_BYTES, PROT_NONE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	check(memory != MAP_FAILED, "mmap of %zu bytes: %m", bytes);
	return memory + 2 * HUGE_BYTES - (uintptr_t)memory % HUGE_BYTES;
}

/* As VMMs do: what a child had as well would stay when it is dropped. */
static void *private_memory(size_t bytes, int advice)
{
	void *memory = mmap(reserve(bytes), bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0);

	check(memory != MAP_FAILED && !madvise(memory, bytes, advice) &&
	      !madvise(memory, bytes, MADV_DONTFORK),
	      "mmap of %zu bytes: %m", bytes);
	return memory;
}

void *anonymous(size_t bytes)
{
	return private_memory(bytes, MADV_NOHUGEPAGE);
}

void *anonymous_huge(size_t bytes)
{
	return private_memory(bytes, MADV_HUGEPAGE);
}

/* What of a range is mapped now, page by page */
size_t resident_kib(const void *memory, size_t bytes)
{
	size_t pages = bytes / PAGE_BYTES, nr = 0;
	uint64_t *entries = malloc(pages * sizeof(*entries));
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	ssize_t wanted = (ssize_t)(pages * sizeof(*entries));

	check(fd >= 0 && entries, "pagemap: %m");
	check(pread(fd, entries, (size_t)wanted,
		    (off_t)((uintptr_t)memory / PAGE_BYTES * sizeof(*entries))) == wanted,
	      "read of pagemap: %m");
	for (size_t i = 0; i < pages; i++)
		nr += entries[i] >> 63;
	close(fd);
	free(entries);
	return nr * 4;
}

/* What of a mapping is in huge pages now; it begins where the range does */
size_t huge_kib(const void *memory, size_t bytes)
{
	FILE *file = fopen("/proc/self/smaps", "re");
	unsigned long start, end, kib = 0, found;
	bool inside = false;
	char line[256];

	check(file, "/proc/self/smaps: %m");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-%lx ", &start, &end) == 2)
			inside = start >= (uintptr_t)memory && end <= (uintptr_t)memory + bytes;
		else if (inside && sscanf(line, "AnonHugePages: %lu", &found) == 1)
			kib += found;
	}
	fclose(file);
	return kib;
}

static void load(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	check(fd >= 0, "%s: %m", path);
	check(!syscall(SYS_finit_module, fd, parameters, 0), "load of %s (%s): %m", path,
	      parameters);
	close(fd);
}

/* Asks for a pause or for reclaim; under a control (main.c) a rule is left out. */
void module_load_test(const char *parameters)
{
	const char *rule = getenv(LEAVE_OUT);
	char all[256];

	snprintf(all, sizeof(all), "%s leave_out=%s", parameters, rule ? rule : "none");
	load("/modules/pagehint_kvm-test.ko", all);
}

void module_load(const char *parameters)
{
	if (getenv(LEAVE_OUT))
		module_load_test(parameters);
	else
		load("/modules/pagehint_kvm.ko", parameters);
}

void module_unload(void)
{
	check(!syscall(SYS_delete_module, "pagehint_kvm", O_NONBLOCK),
	      "unload of pagehint_kvm: %m");
}

bool module_loaded(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	return !access(path, F_OK);
}

/* The newest directory of a VM of this process that is older than another; -1: than none */
static int find_number(int limit)
{
	DIR *directory = opendir(STATISTICS);
	struct dirent *entry;
	int pid, number, newest = -1;

	check(directory, STATISTICS ": %m");
	while ((entry = readdir(directory))) {
		if (sscanf(entry->d_name, "%d-%d", &pid, &number) == 2 && pid == getpid() &&
		    number > newest && (limit < 0 || number < limit))
			newest = number;
	}
	closedir(directory);
	check(newest >= 0, "pagehint_kvm has no statistics of process %d", getpid());
	return newest;
}

/*
 * Of "counters" or "state": "name value" a line. @age: 0 is of the VM of this process
 * that was seen last, 1 of the one before
 */
uint64_t counter_of(unsigned int age, const char *name)
{
	static const char * const files[] = { "counters", "state" };
	char path[160], line[128], found[64];
	unsigned long long value;
	int number = -1;

	do {
		number = find_number(number);
	} while (age--);
	for (unsigned int i = 0; i < 2; i++) {
		FILE *file;

		snprintf(path, sizeof(path), STATISTICS "/%d-%d/%s", getpid(), number, files[i]);
		file = fopen(path, "re");
		check(file, "%s: %m", path);
		while (fgets(line, sizeof(line), file)) {
			if (sscanf(line, "%63s %llu", found, &value) == 2 && !strcmp(found, name)) {
				fclose(file);
				return value;
			}
		}
		fclose(file);
	}
	fail("pagehint_kvm has no counter %s", name);
}

uint64_t counter(const char *name)
{
	return counter_of(0, name);
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	check(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text),
	      "write of '%s' to %s: %m", text, path);
	close(fd);
}

/* Of pagehint_kvm */
void set_parameter(const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/module/pagehint_kvm/parameters/%s", name);
	write_file(path, value);
}

void kill_child(pid_t pid)
{
	check(!kill(pid, SIGKILL) && waitpid(pid, NULL, 0) == pid, "end of process %d: %m", pid);
}
