// SPDX-License-Identifier: GPL-2.0
/*
 * vmm TEST [SCALE]: runs one test of host/kvm; the last line of the output says
 * what was seen. Status 0, or 1 at the first thing that is not as expected.
 */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
	{ "slots", test_slots, "slots that go and move during calls" },
	{ "reset", test_reset, "the host forgets at a reset" },
	{ "reload", test_reload, "the module goes and comes back" },
	{ "restore", test_restore, "saved, and restored in another VM" },
	{ "modes", test_modes, "calls that are not ours" },
	{ "unload", test_unload, "the module goes under the calls of several vCPUs" },
	{ "storm", test_storm, "reclaim against several vCPUs" },
	{ "destroy", test_destroy, "VMs that end meanwhile" },
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

int main(int argc, char **argv)
{
	unsigned int scale = argc > 2 ? (unsigned int)atoi(argv[2]) : 1;

	setvbuf(stdout, NULL, _IOLBF, 0);
	for (size_t i = 0; argc > 1 && i < sizeof(tests) / sizeof(tests[0]); i++) {
		if (strcmp(tests[i].name, argv[1]))
			continue;
		tests[i].run(scale ? scale : 1);
		return 0;
	}
	printf("usage: vmm TEST [SCALE]; tests:\n");
	for (size_t i = 0; i < sizeof(tests) / sizeof(tests[0]); i++)
		printf("  %-12s %s\n", tests[i].name, tests[i].what);
	return 2;
}
