// SPDX-License-Identifier: GPL-2.0
/*
 * taskcost: what a page fault and a fork+exec+exit cost, in ticks of the time
 * stamp counter. Under `qemu -icount shift=0` a tick is one guest instruction.
 *
 *   taskcost	prints lines "name ticks"; the least of several repetitions
 *   taskcost exit	does nothing (what is executed)
 *
 * page_fault: an anonymous page is touched and given back with madvise(). The
 * repetitions include interrupts of the timer, so the least of many counts.
 */
#define _GNU_SOURCE
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
#define FAULT_REPETITIONS	200
#define FORK_REPETITIONS	50

static void die(const char *what)
{
	perror(what);
	exit(1);
}

static uint64_t page_fault(volatile char *memory)
{
	uint64_t begin = ticks();
	unsigned long i;

	for (i = 0; i < PAGES; i++)
		memory[i * PAGE_BYTES] = 1;
	if (madvise((void *)memory, PAGES * PAGE_BYTES, MADV_DONTNEED))
		die("taskcost: madvise");
	return (ticks() - begin) / PAGES;
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
		execve("/proc/self/exe", arguments, environ);
		_exit(127);
	}
	if (waitpid(child, &status, 0) != child || status)
		die("taskcost: the child failed");
	return ticks() - begin;
}

int main(int argc, char **argv)
{
	uint64_t least_fault = UINT64_MAX, least_fork = UINT64_MAX, ticks;
	char *memory;
	int i;

	if (argc > 1)
		return 0;
	memory = mmap(NULL, PAGES * PAGE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || madvise(memory, PAGES * PAGE_BYTES, MADV_NOHUGEPAGE))
		die("taskcost: mmap");
	for (i = 0; i < FAULT_REPETITIONS; i++) {
		ticks = page_fault(memory);
		if (ticks < least_fault)
			least_fault = ticks;
	}
	for (i = 0; i < FORK_REPETITIONS; i++) {
		ticks = fork_exec_exit(argv[0]);
		if (ticks < least_fork)
			least_fork = ticks;
	}
	printf("page_fault %llu\nfork_exec_exit %llu\n",
	       (unsigned long long)least_fault, (unsigned long long)least_fork);
	return 0;
}
