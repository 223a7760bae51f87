// SPDX-License-Identifier: GPL-2.0
/*
 * cputime: runs a command and says what it took.
 *
 *   cputime COMMAND [ARGUMENT...]
 *
 * Prints `cpu NS elapsed NS`: user and system time of the command to a
 * microsecond, and time by the clock. Ends with the command's status.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec * 1000000000LL + time.tv_nsec;
}

static long long ns_of(struct timeval time)
{
	return (time.tv_sec * 1000000LL + time.tv_usec) * 1000;
}

int main(int argc, char **argv)
{
	long long start = now_ns(), elapsed;
	struct rusage usage;
	int status;
	pid_t child;

	if (argc < 2) {
		fprintf(stderr, "usage: cputime COMMAND [ARGUMENT...]\n");
		return 2;
	}
	child = fork();
	if (!child) {
		execvp(argv[1], argv + 1);
		perror(argv[1]);
		_exit(127);
	}
	if (child < 0 || wait4(child, &status, 0, &usage) != child) {
		perror("cputime");
		return 2;
	}
	elapsed = now_ns() - start;
	printf("cpu %lld elapsed %lld\n", ns_of(usage.ru_utime) + ns_of(usage.ru_stime), elapsed);
	return WIFEXITED(status) ? WEXITSTATUS(status) : 2;
}
