/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What every unit test program shares: a list of cases, checks, and one result
 * line a case on stdout, as tests/unit/run gathers them:
 *
 *	suite<TAB>case<TAB>pass|fail<TAB>seconds<TAB>text
 *
 * The suite is the program's own name. Details of failures go to stderr.
 *
 * usage: PROGRAM [--short] [--seed N] [--rounds N] [CASE...]
 */
#ifndef _TEST_H
#define _TEST_H

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* A case that hangs must fail, not hang whoever runs it. */
#define TEST_MAX_SECONDS	900
#define TEST_MAX_REPORTS	10

struct test_case {
	const char *name;
	void (*run)(void);
};

static struct {
	const char *suite;
	const char *name;	/* of the case that runs */
	bool brief;		/* --short */
	uint64_t rounds;	/* --rounds, 0: the case decides */
	uint64_t seed;
	uint64_t failures;	/* of the case that runs; atomic */
	char text[256];
	pthread_mutex_t lock;	/* of text and stderr */
} test = { .lock = PTHREAD_MUTEX_INITIALIZER };

/* Any thread: has a check failed? Then long loops may end. */
static inline bool test_failed(void)
{
	return __atomic_load_n(&test.failures, __ATOMIC_RELAXED);
}

/* Any thread. The first failure becomes the text of the result. */
__attribute__((format(printf, 3, 4)))
static inline void test_fail(const char *file, int line, const char *format, ...)
{
	char text[sizeof(test.text)];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);

	pthread_mutex_lock(&test.lock);
	if (test.failures < TEST_MAX_REPORTS)
		fprintf(stderr, "%s:%d: %s: %s\n", file, line, test.name, text);
	if (!test.failures)
		memcpy(test.text, text, sizeof(text));
	__atomic_fetch_add(&test.failures, 1, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&test.lock);
}

/* CHECK(condition, format, ...): what was expected and what was found */
#define CHECK(condition, ...)						\
	((condition) ? true :						\
		       (test_fail(__FILE__, __LINE__, __VA_ARGS__), false))

#define FAIL(...)	test_fail(__FILE__, __LINE__, __VA_ARGS__)

/* What a case that passed has to say, for people: how much it tried. */
__attribute__((format(printf, 1, 2)))
static inline void test_note(const char *format, ...)
{
	va_list args;

	if (test_failed())
		return;
	va_start(args, format);
	vsnprintf(test.text, sizeof(test.text), format, args);
	va_end(args);
}

static inline uint64_t test_random(uint64_t *state)
{
	/* splitmix64 */
	uint64_t z = (*state += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static inline double test_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

static char test_timeout_line[256];

static inline void test_timeout(int signal)
{
	ssize_t ignored;

	(void)signal;
	ignored = write(STDOUT_FILENO, test_timeout_line,
			strlen(test_timeout_line));
	(void)ignored;
	_exit(1);
}

static inline bool test_run(const struct test_case *one)
{
	double start = test_now();
	bool ok;

	test.name = one->name;
	test.failures = 0;
	test.text[0] = '\0';
	snprintf(test_timeout_line, sizeof(test_timeout_line),
		 "%s\t%s\tfail\t%d\thangs: not done in time\n",
		 test.suite, one->name, TEST_MAX_SECONDS);
	alarm(TEST_MAX_SECONDS);
	one->run();
	alarm(0);

	ok = !test_failed();
	printf("%s\t%s\t%s\t%.3f\t%s\n", test.suite, one->name,
	       ok ? "pass" : "fail", test_now() - start, test.text);
	fflush(stdout);
	return ok;
}

static inline int test_main(int argc, char **argv,
			    const struct test_case *cases, size_t nr)
{
	const char *slash = strrchr(argv[0], '/');
	bool ok = true, chosen = false;
	size_t i;
	int arg;

	test.suite = slash ? slash + 1 : argv[0];
	test.seed = 1;
	signal(SIGALRM, test_timeout);

	for (arg = 1; arg < argc; arg++) {
		if (!strcmp(argv[arg], "--short")) {
			test.brief = true;
			continue;
		}
		if (!strcmp(argv[arg], "--seed") && arg + 1 < argc) {
			test.seed = strtoull(argv[++arg], NULL, 0);
			continue;
		}
		if (!strcmp(argv[arg], "--rounds") && arg + 1 < argc) {
			test.rounds = strtoull(argv[++arg], NULL, 0);
			continue;
		}
		for (i = 0; i < nr; i++) {
			if (!strcmp(argv[arg], cases[i].name))
				break;
		}
		if (i == nr) {
			fprintf(stderr, "%s: no case or option '%s'\n",
				test.suite, argv[arg]);
			return 2;
		}
		ok &= test_run(&cases[i]);
		chosen = true;
	}
	for (i = 0; i < nr && !chosen; i++)
		ok &= test_run(&cases[i]);
	return !ok;
}

#endif /* _TEST_H */
