/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs that lie on the file system under test, for mapcheck.c: executed, with
 * shared libraries beside them, and with a probe in their text. The program is a copy of
 * this one, which is what it has to be; the libraries' is a script, DIRECTORY/execute, if
 * there is one.
 */
#ifndef TESTS_MAPCHECK_EXEC_H
#define TESTS_MAPCHECK_EXEC_H

#include <linux/perf_event.h>
#include <sys/syscall.h>

#include "mapcheck-uses.h"

#define PROBED_CALLS	100

/* What a probe is put into */
__attribute__((noinline))
static unsigned int probed(unsigned int value)
{
	__asm__ volatile("" : "+r"(value));
	return value + 1;
}

static int call_probed(void)
{
	unsigned int value = 0;

	while (value < PROBED_CALLS)
		value = probed(value);
	return 0;
}

static void run_to_end(struct process *p, pid_t child, const char *what)
{
	int status;

	need(waitpid(child, &status, 0) == child, "waitpid");
	if (!status)
		return;
	fprintf(stderr, "MISMATCH %s ended with status %#x\n", what, status);
	p->wrong++;
}

static void execute(struct process *p, struct held *held)
{
	pid_t child = fork();

	(void)held;
	need(child >= 0, "fork");
	if (!child) {
		execl(p->program, "mapcheck", "true", NULL);
		die("%s", p->program);
	}
	run_to_end(p, child, "a program");
}

static void execute_with_libraries(struct process *p, struct held *held)
{
	char script[PATH_MAX + 16];
	pid_t child;

	(void)held;
	snprintf(script, sizeof(script), "%s/execute", p->directory);
	if (access(script, R_OK)) {
		lack("a program with libraries");
		return;
	}
	child = fork();
	need(child >= 0, "fork");
	if (!child) {
		execl("/bin/sh", "sh", script, NULL);
		die("%s", script);
	}
	run_to_end(p, child, "a program with libraries");
}

/* Of a function of this program, in its file */
static uint64_t offset_of_probed(void)
{
	FILE *maps = fopen("/proc/self/maps", "r");
	uint64_t begin, end, offset;
	char line[PATH_MAX + 128];

	need(maps, "/proc/self/maps");
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*s %" SCNx64, &begin, &end,
			   &offset) == 3 &&
		    begin <= (uintptr_t)probed && (uintptr_t)probed < end) {
			fclose(maps);
			return (uintptr_t)probed - begin + offset;
		}
	}
	die("no mapping of the text");
}

static int open_probe(struct process *p, pid_t pid)
{
	struct perf_event_attr attributes = { .size = sizeof(attributes) };
	FILE *type = fopen("/sys/bus/event_source/devices/uprobe/type", "r");

	if (!type)
		return -1;
	need(fscanf(type, "%u", &attributes.type) == 1, "the type of uprobes");
	fclose(type);
	attributes.uprobe_path = (uintptr_t)p->program;
	attributes.probe_offset = offset_of_probed();
	return (int)syscall(SYS_perf_event_open, &attributes, pid, -1, -1, 0);
}

/* In the text of a program that is executed: the kernel writes into a copy of the page. */
static void probe_text(struct process *p, struct held *held)
{
	uint64_t count = 0;
	int go[2], fd;
	pid_t child;
	char word = 0;

	(void)held;
	need(!pipe(go), "pipe");
	child = fork();
	need(child >= 0, "fork");
	if (!child) {
		if (read(go[0], &word, 1) != 1)
			_exit(2);
		execl(p->program, "mapcheck", "probed", NULL);
		die("%s", p->program);
	}
	fd = open_probe(p, child);
	if (fd < 0)
		lack("uprobes");
	need(write(go[1], &word, 1) == 1, "write");
	run_to_end(p, child, "a program with a probe");
	if (fd >= 0 && (read(fd, &count, sizeof(count)) != sizeof(count) ||
			count != PROBED_CALLS)) {
		fprintf(stderr, "MISMATCH a probe: %" PRIu64 " hits, expected %u\n", count,
			PROBED_CALLS);
		p->wrong++;
	}
	if (fd >= 0)
		close(fd);
	close(go[0]);
	close(go[1]);
}

/* The program's file, by read(), is what it was. */
static void compare_program(struct process *p, struct held *held)
{
	static char there[PIPE_BYTES], here[PIPE_BYTES];
	int copy = open(p->program, O_RDONLY), own = open("/proc/self/exe", O_RDONLY);
	ssize_t bytes;
	off_t at = 0;

	(void)held;
	need(copy >= 0 && own >= 0, p->program);
	while ((bytes = pread(own, here, sizeof(here), at)) > 0) {
		if (pread(copy, there, sizeof(there), at) != bytes ||
		    memcmp(here, there, (size_t)bytes)) {
			fprintf(stderr, "MISMATCH the program's file, from offset %lld on\n",
				(long long)at);
			p->wrong++;
			break;
		}
		p->verified += (uint64_t)bytes;
		at += bytes;
	}
	close(copy);
	close(own);
}

#endif /* TESTS_MAPCHECK_EXEC_H */
