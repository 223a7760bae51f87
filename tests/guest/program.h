/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What test programs of the guest share: an end that says why, SIGTERM as a wish to come
 * to an end, the time, numbers at random, the verdict of their processes.
 */
#ifndef TESTS_PROGRAM_H
#define TESTS_PROGRAM_H

#ifndef _GNU_SOURCE
#error "define _GNU_SOURCE before anything is included"
#endif

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>

#include "pattern.h"

#define MIB		(1UL << 20)
#define PAGE_BYTES	4096UL
#define PAGE_WORDS	(PAGE_BYTES / sizeof(uint64_t))

static volatile sig_atomic_t stop __attribute__((unused));

static inline void on_term(int signal)
{
	(void)signal;
	stop = 1;
}

/* It could not run. */
__attribute__((noreturn, format(printf, 1, 2)))
static inline void die(const char *format, ...)
{
	int error = errno;
	va_list args;

	va_start(args, format);
	fprintf(stderr, "%s: ", program_invocation_short_name);
	vfprintf(stderr, format, args);
	fprintf(stderr, ": %s\n", strerrorname_np(error) ?: "no error");
	va_end(args);
	exit(2);
}

static inline void need(bool good, const char *what)
{
	if (!good)
		die("%s", what);
}

static inline double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* The longer one of @time and what it is since @from, in seconds */
static inline double longer(double time, double from)
{
	return now() - from > time ? now() - from : time;
}

static inline uint64_t random_below(uint64_t *random, uint64_t limit)
{
	*random = pattern_mix(*random + 0x9e3779b97f4a7c15ULL);
	return *random % limit;
}

/* Waits for @nr children: the worst of their statuses, 2 for one that was killed */
static inline int worst_of_children(unsigned int nr)
{
	int worst = 0, status;

	for (unsigned int i = 0; i < nr; i++) {
		while (wait(&status) < 0)
			need(errno == EINTR, "wait");
		if (!WIFEXITED(status) || WEXITSTATUS(status) > worst)
			worst = WIFEXITED(status) ? WEXITSTATUS(status) : 2;
	}
	return worst;
}

#endif /* TESTS_PROGRAM_H */
