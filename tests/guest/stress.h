/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs that use anonymous memory in every way:
 *
 *   PROGRAM stress SECONDS PROCESSES MIB SEED
 */
#ifndef TESTS_STRESS_H
#define TESTS_STRESS_H

#include <unistd.h>

#include "program.h"

/* Mostly a few of @limit pages, now and then many */
static inline size_t random_part(uint64_t *random, size_t limit, size_t *nr)
{
	size_t first = random_below(random, limit);

	*nr = 1 + random_below(random, random_below(random, 4) ? 16 : 700);
	if (*nr > limit - first)
		*nr = limit - first;
	return first;
}

/*
 * Processes that share the memory evenly, in multiples of @unit. Each runs @run until
 * @end, which returns its exit status.
 */
static inline int stress(char **arguments, size_t unit,
			 int (*run)(unsigned int number, size_t bytes, uint64_t seed, double end))
{
	double end = now() + strtod(arguments[0], NULL);
	unsigned int nr = strtoul(arguments[1], NULL, 0);
	size_t bytes = strtoul(arguments[2], NULL, 0) * MIB / nr;
	uint64_t seed = strtoull(arguments[3], NULL, 0);

	bytes -= bytes % unit;
	for (unsigned int i = 0; i < nr; i++) {
		pid_t child = fork();

		need(child >= 0, "fork");
		if (!child)
			exit(run(i, bytes, seed, end));
	}
	return worst_of_children(nr);
}

#endif /* TESTS_STRESS_H */
