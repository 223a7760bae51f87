/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The contents that test programs write and verify: words that depend on a
 * key and on their own offset, and are never zero, because a frame dropped
 * too late reads as zeros.
 */
#ifndef TESTS_PATTERN_H
#define TESTS_PATTERN_H

#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

static inline uint64_t pattern_mix(uint64_t value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdULL;
	value ^= value >> 33;
	value *= 0xc4ceb9fe1a85ec53ULL;
	return value ^ value >> 33;
}

/* Odd, so never zero. */
static inline uint64_t pattern_word(uint64_t key, uint64_t offset)
{
	return ((key + offset) * 0x9e3779b97f4a7c15ULL ^ key >> 7) | 1;
}

/* @offset: of words[0] in the object that @key belongs to, in bytes */
static inline void pattern_fill(uint64_t *words, size_t bytes, uint64_t key,
				uint64_t offset)
{
	for (size_t i = 0; i < bytes / sizeof(*words); i++)
		words[i] = pattern_word(key, offset + i * sizeof(*words));
}

/* Returns the number of wrong words; describes the first. */
static inline uint64_t pattern_verify(const uint64_t *words, size_t bytes,
				      uint64_t key, uint64_t offset,
				      const char *what)
{
	uint64_t wrong = 0;

	for (size_t i = 0; i < bytes / sizeof(*words); i++) {
		uint64_t at = offset + i * sizeof(*words);
		uint64_t expected = pattern_word(key, at);

		if (words[i] == expected)
			continue;
		if (!wrong)
			fprintf(stderr,
				"MISMATCH %s: offset %#" PRIx64 ": expected %016" PRIx64
				", found %016" PRIx64 "\n", what, at, expected, words[i]);
		wrong++;
	}
	if (wrong)
		fprintf(stderr, "MISMATCH %s: %" PRIu64 " words of %zu wrong\n",
			what, wrong, bytes / sizeof(*words));
	return wrong;
}

#endif /* TESTS_PATTERN_H */
