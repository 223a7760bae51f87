// SPDX-License-Identifier: GPL-2.0
/*
 * taskcost: what a page fault and a fork+exec+exit cost, in ticks of the time
 * stamp counter. Under `qemu -icount shift=0` a tick is one guest instruction.
 *
 *   taskcost [FILE PROGRAM]	prints lines "name ticks"; the least of several
 *				repetitions
 *   taskcost exit		does nothing (what is executed)
 *
 *   page_fault		an anonymous page is touched and given back with madvise()
 *   fault_shared	a page of FILE, in the page cache, is read in a shared mapping,
 *			and mapped with the 15 around it (fault_around_bytes), and all
 *			are unmapped again
 *   fault_private	the same in a private mapping
 *   fault_copy		a page of FILE is written to in a private mapping, and given back
 *   fork_exec_exit	of this program, which is linked statically
 *   fork_exec_exit_dynamic	of PROGRAM
 *
 * FILE has 1 MiB at least. The repetitions include interrupts of the timer, so the
 * least of many counts.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "ticks.h"

#define PAGES		256UL
#define PAGE_BYTES	4096UL
#define AROUND		16UL
#define FAULT_REPETITIONS	200
#define FORK_REPETITIONS	50

static void die(const char *what)
{
	perror(what);
	exit(1);
}

/* Of each page, or of one in sixteen, where those around it are mapped with it */
static uint64_t faults(volatile char *memory, int write, unsigned long step)
{
	uint64_t begin = ticks();
	unsigned long i;

	for (i = 0; i < PAGES; i += step) {
		if (write)
			memory[i * PAGE_BYTES] = 1;
		else
			(void)memory[i * PAGE_BYTES];
	}
	if (madvise((void *)memory, PAGES * PAGE_BYTES, MADV_DONTNEED))
		die("taskcost: madvise");
	return (ticks() - begin) / (PAGES / step);
}

static void measure_faults(const char *name, int fd, int flags, int write, unsigned long step)
{
	uint64_t least = UINT64_MAX, ticks;
	char *memory = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | (write ? PROT_WRITE : 0),
			    flags, fd, 0);
	int i;

	if (memory == MAP_FAILED ||
	    (fd < 0 && madvise(memory, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE)))
		die("taskcost: mmap");
	for (i = 0; i < FAULT_REPETITIONS; i++) {
		ticks = faults(memory, write, step);
		if (ticks < least)
			least = ticks;
	}
	munmap(memory, PAGES * PAGE_BYTES);
	printf("%s %llu\n", name, (unsigned long long)least);
}

static uint64_t fork_exec_exit(char *program)
{
	char *const arguments[] = { program, "exit", NULL };
	uint64_t begin = ticks();
	pid_t child = fork();
	int status;

	if (child < 0)
		die("taskcost: fork");
	if (!child) {
		execve(program, arguments, environ);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child || status)
		die("taskcost: the child failed");
	return ticks() - begin;
}

static void measure_programs(const char *name, char *program)
{
	uint64_t least = UINT64_MAX, ticks;
	int i;

	for (i = 0; i < FORK_REPETITIONS; i++) {
		ticks = fork_exec_exit(program);
		if (ticks < least)
			least = ticks;
	}
	printf("%s %llu\n", name, (unsigned long long)least);
}

int main(int argc, char **argv)
{
	int fd;

	if (argc == 2)
		return 0;
	measure_faults("page_fault", -1, MAP_PRIVATE | MAP_ANONYMOUS, 1, 1);
	measure_programs("fork_exec_exit", "/proc/self/exe");
	if (argc < 3)
		return 0;
	fd = open(argv[1], O_RDONLY);
	if (fd < 0)
		die(argv[1]);
	measure_programs("fork_exec_exit_dynamic", argv[2]);
	measure_faults("fault_shared", fd, MAP_SHARED, 0, AROUND);
	measure_faults("fault_private", fd, MAP_PRIVATE, 0, AROUND);
	measure_faults("fault_copy", fd, MAP_PRIVATE, 1, 1);
	return 0;
}
