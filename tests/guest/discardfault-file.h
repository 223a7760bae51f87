/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the scenarios of discardfault.c and stay.c work on: a file whose every word is
 * known and whose pages the hypervisor has dropped, the counters of the module under
 * test, and discardfault.ko, which does what user space cannot.
 */
#ifndef TESTS_DISCARDFAULT_FILE_H
#define TESTS_DISCARDFAULT_FILE_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "../modules/discardfault.h"
#include "program.h"

#define PAGES		16U	/* what fault-around maps at once */
#define KEY		7
#define PATIENCE_S	100.0

#define ESSA_STATE	0x0f
#define ESSA_VOLATILE_GONE	0x0f

static const char *path;
static int fd = -1, device = -1;
static atomic_uint wrong;
static uint64_t page[PAGE_WORDS] __attribute__((aligned(4096)));

/* What is not as it must be */
__attribute__((format(printf, 1, 2)))
static void complain(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	fprintf(stderr, "MISMATCH ");
	vfprintf(stderr, format, args);
	fprintf(stderr, "\n");
	va_end(args);
	atomic_fetch_add(&wrong, 1);
}

static void pause_ms(unsigned int ms)
{
	struct timespec time = { .tv_sec = ms / 1000, .tv_nsec = (long)(ms % 1000) * 1000000 };

	nanosleep(&time, NULL);
}

/* ------------------------------------------------------------------------
 * The module under test, and the one that helps
 */

static unsigned long long counter(const char *wanted)
{
	FILE *file = fopen("/sys/kernel/debug/pagehint/counters", "r");
	unsigned long long value;
	char name[64];

	if (!file)
		die("pagehint's counters");
	while (fscanf(file, "%63s %llu", name, &value) == 2) {
		if (!strcmp(name, wanted)) {
			fclose(file);
			return value;
		}
	}
	die("pagehint's counters have no %s", wanted);
}

static const char * const counted[] = {
	"nr_discard_faults", "nr_discard_redone", "nr_discard_errors", "nr_discard_zeros",
	"nr_discard_evicted", "nr_discard_refilled", "nr_discard_lost", "nr_discard_stale",
	"nr_discard_late",
};

enum { FAULTS, REDONE, ERRORS, ZEROS, EVICTED, REFILLED, LOST, STALE, LATE, NR_COUNTED };

static unsigned long long before[NR_COUNTED];

static void count_from_here(void)
{
	for (unsigned int i = 0; i < NR_COUNTED; i++)
		before[i] = counter(counted[i]);
}

static unsigned long long since(unsigned int which)
{
	return counter(counted[which]) - before[which];
}

static void expect_none(unsigned int which)
{
	if (since(which))
		complain("%s rose by %llu, expected 0", counted[which], since(which));
}

static struct discardfault help(unsigned long command, unsigned int index, const void *argument)
{
	struct discardfault fault = {
		.fd = fd, .index = index, .argument = (uintptr_t)argument,
	};

	if (ioctl(device, command, &fault))
		die("request %#lx about page %u of %s", command, index, path);
	return fault;
}

/* ------------------------------------------------------------------------
 * The file
 */

static void write_file(void)
{
	fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (fd < 0)
		die("%s", path);
	for (unsigned int i = 0; i < PAGES; i++) {
		pattern_fill(page, PAGE_BYTES, KEY, i * PAGE_BYTES);
		if (write(fd, page, PAGE_BYTES) != (ssize_t)PAGE_BYTES)
			die("write to %s", path);
	}
	if (fsync(fd))
		die("fsync of %s", path);
}

/* This word of a page may have been written to: what was written last, or 0. */
#define WRITTEN		3U
static uint64_t written[PAGES];

static void verify(const void *words, unsigned int index, const char *what)
{
	uint64_t copy[PAGE_WORDS];

	memcpy(copy, words, PAGE_BYTES);
	if (written[index]) {
		if (copy[WRITTEN] != written[index])
			complain("%s: page %u has %016" PRIx64 ", %016" PRIx64 " was written",
				 what, index, copy[WRITTEN], written[index]);
		copy[WRITTEN] = pattern_word(KEY, index * PAGE_BYTES + 8 * WRITTEN);
	}
	if (pattern_verify(copy, PAGE_BYTES, KEY, index * PAGE_BYTES, what))
		atomic_fetch_add(&wrong, 1);
}

static void read_page(unsigned int index, const char *what)
{
	if (pread(fd, page, PAGE_BYTES, (off_t)(index * PAGE_BYTES)) != (ssize_t)PAGE_BYTES)
		die("read of page %u of %s", index, path);
	verify(page, index, what);
}

static void read_all(const char *what)
{
	for (unsigned int i = 0; i < PAGES; i++)
		read_page(i, what);
}

static bool is_gone(unsigned int index)
{
	return (help(DISCARDFAULT_STATE, index, NULL).state & ESSA_STATE) == ESSA_VOLATILE_GONE;
}

/* The first MiB is no memory that is hinted: whoever has frames there keeps them. */
static bool is_low(void)
{
	for (unsigned int i = 0; i < PAGES; i++) {
		if (help(DISCARDFAULT_STATE, i, NULL).address < 1UL << 20)
			return true;
	}
	return false;
}

static void leave_low_memory(void)
{
	static unsigned int nr_others;
	char name[300];
	int other;

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	snprintf(name, sizeof(name), "%s.%u", path, nr_others++);
	other = open(name, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	if (other < 0)
		die("%s", name);
	for (unsigned int i = 0; i < PAGES; i++) {
		if (write(other, page, PAGE_BYTES) != (ssize_t)PAGE_BYTES)
			die("write to %s", name);
	}
	fsync(other);
	close(other);
}

/* All pages in the page cache, and dropped; nobody has noticed. */
static void drop(void)
{
	double end = now() + PATIENCE_S;
	unsigned int i = 0;

	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	read_all("before it was dropped");
	while (is_low() && now() < end) {
		leave_low_memory();
		read_all("before it was dropped");
	}
	while (i < PAGES) {
		struct discardfault fault = help(DISCARDFAULT_STATE, i, NULL);

		if (fault.address && (fault.state & ESSA_STATE) == ESSA_VOLATILE_GONE) {
			i++;
			continue;
		}
		if (now() > end) {
			errno = ETIMEDOUT;
			die("page %u of %s at %#llx is in state %#x, not dropped", i, path,
			    (unsigned long long)fault.address, fault.state);
		}
		pause_ms(20);
		if (!fault.address)
			read_all("evicted before it was used");
		i = 0;
	}
	count_from_here();
}

static volatile uint64_t *word_of(uint64_t *words, unsigned int index)
{
	return (volatile uint64_t *)words + index * PAGE_WORDS + 1;
}

static uint64_t right_word(unsigned int index)
{
	return pattern_word(KEY, index * PAGE_BYTES + 8);
}

static void pin(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("CPU %d", cpu);
}

/* ------------------------------------------------------------------------
 * PROGRAM SCENARIO FILE
 */

struct scenario {
	const char *name;
	void (*run)(void);
};

/* @tell: what else there is to say, or to find, when it has run */
static int run_scenario(int argc, char **argv, const struct scenario *scenarios, size_t nr,
			void (*tell)(const char *scenario))
{
	if (argc != 3) {
		fprintf(stderr, "usage: %s SCENARIO FILE\n", program_invocation_short_name);
		return 2;
	}
	path = argv[2];
	device = open("/dev/discardfault", O_RDWR | O_CLOEXEC);
	if (device < 0)
		die("/dev/discardfault");
	for (size_t i = 0; i < nr; i++) {
		if (strcmp(argv[1], scenarios[i].name))
			continue;
		write_file();
		scenarios[i].run();
		printf("%s:", argv[1]);
		tell(argv[1]);
		printf(" %u wrong\n", atomic_load(&wrong));
		return atomic_load(&wrong) ? 1 : 0;
	}
	errno = EINVAL;
	die("%s", argv[1]);
}

#endif /* TESTS_DISCARDFAULT_FILE_H */
