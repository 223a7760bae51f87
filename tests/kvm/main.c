// SPDX-License-Identifier: GPL-2.0
/*
 * vmm TEST [SCALE]: runs one test of host/kvm; the last line of the output says
 * what was seen. Status 0, or 1 at the first thing that is not as expected.
 *
 * vmm --without RULE TEST: the same with the test build of the module, which does not
 * keep one of its rules. Status 0 if the test fails, as it must: else it tests nothing.
 */
#define _GNU_SOURCE
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests.h"

static const struct test tests[] = {
	{ "query", test_query, "a query, and what it changes" },
	{ "unused", test_unused, "unused memory comes back, neighbours stay" },
	{ "volatile", test_volatile, "volatile memory comes back when it is asked for" },
	{ "edges", test_edges, "around borders of slots, mappings and huge pages" },
	{ "huge", test_huge, "parts of huge pages" },
	{ "lazy", test_lazy, "MADV_FREE in the place of MADV_DONTNEED" },
	{ "fuzz", test_fuzz, "malformed calls, by the thousand" },
	{ "refused", test_refused, "memory that must not be dropped" },
	{ "guest_memfd", test_guest_memfd, "private memory must not be dropped" },
	{ "slots", test_slots, "slots that go and move during calls" },
	{ "slots_walk", test_slots_walk, "slots that go while a query looks at them" },
	{ "reset", test_reset, "the host forgets at a reset" },
	{ "reload", test_reload, "the module goes and comes back" },
	{ "restore", test_restore, "saved, and restored in another VM" },
	{ "modes", test_modes, "calls that are not ours" },
	{ "unload", test_unload, "the module goes under the calls of several vCPUs" },
	{ "storm", test_storm, "reclaim against several vCPUs" },
	{ "destroy", test_destroy, "VMs that end meanwhile" },
	{ "paused", test_paused, "reclaim of a VM that does not run" },
	{ "left_alone", test_left_alone, "reclaim of a VM whose memory cannot be dropped" },
	{ "coldest", test_coldest, "the coldest frames of two VMs go first" },
	{ "unload_drop", test_unload_drop, "the module goes while it drops" },
	{ "reset_drop", test_reset_drop, "the VMM resets the VM while reclaim drops" },
	{ "pressure", test_pressure, "the host runs out of memory" },
};

void fail(const char *format, ...)
{
	va_list list;

	va_start(list, format);
	vprintf(format, list);
	va_end(list);
	printf("\n");
	exit(1);
}

static const struct test *find_test(const char *name)
{
	for (size_t i = 0; name && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (!strcmp(tests[i].name, name))
			return &tests[i];
	}
	return NULL;
}

/* What it says, and its status; the last line is left in @line. */
static int in_child(const struct test *test, char *line, int bytes)
{
	int pipes[2], status;
	FILE *file;
	pid_t child;

	check(!pipe(pipes), "pipe: %m");
	child = fork();
	check(child >= 0, "fork: %m");
	if (!child) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		dup2(pipes[1], STDOUT_FILENO);
		test->run(1);
		exit(0);
	}
	close(pipes[1]);
	file = fdopen(pipes[0], "r");
	check(file, "fdopen: %m");
	while (fgets(line, bytes, file))
		printf("  %s", line);
	fclose(file);
	check(waitpid(child, &status, 0) == child && WIFEXITED(status), "%s: ended by a signal",
	      test->name);
	return WEXITSTATUS(status);
}

static void without(const char *rule, const struct test *test)
{
	char line[256] = "";
	int status;

	module_unload();
	setenv(LEAVE_OUT, rule, 1);
	module_load("");
	status = in_child(test, line, sizeof(line));
	unsetenv(LEAVE_OUT);
	/* Where it failed the module may be there or not. */
	if (module_loaded("pagehint_kvm"))
		module_unload();
	module_load("");
	check(status == 1, "without %s the test %s ends with status %d: it does not notice", rule,
	      test->name, status);
	printf("noticed by %s: %s", test->name, line);
}

int main(int argc, char **argv)
{
	bool is_control = argc == 4 && !strcmp(argv[1], "--without");
	const struct test *test = find_test(argv[argc > 1 ? is_control ? 3 : 1 : 0]);
	unsigned int scale = argc > 2 ? (unsigned int)atoi(argv[2]) : 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (test && is_control)
		without(argv[2], test);
	else if (test)
		test->run(scale ? scale : 1);
	if (test)
		return 0;
	printf("usage: vmm TEST [SCALE] | vmm --without RULE TEST; tests:\n");
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		printf("  %-12s %s\n", tests[i].name, tests[i].what);
	return 2;
}
