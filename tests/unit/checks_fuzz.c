// SPDX-License-Identifier: GPL-2.0
/*
 * What the module decides from memory that its host can write to (checks.c):
 * random and nearly right headers, any sizes, against the rules worked out
 * independently. A sentence is one line of printable text that fits.
 *
 * usage: as test.h; --rounds N for longer runs
 */
#include <pagehint/checks.h>

#include "test.h"

static uint64_t seeded, nr_good, nr_bad;
/* On the heap, exactly as large as promised: the sanitizer sees one byte more. */
static char *why;
static struct pagehint_header *header;

static uint64_t any_value(uint64_t near)
{
	static const uint64_t values[] = {
		0, 1, 2, 4095, 4096, 8192, UINT32_MAX, 1ULL << 32, 1ULL << 63, UINT64_MAX,
		PAGEHINT_MAGIC, PAGEHINT_HOST_MAGIC, PAGEHINT_PROOF_MAGIC, PAGEHINT_F_ALL,
	};
	uint64_t pick = test_random(&seeded);

	switch (pick % 4) {
	case 0:	return pick >> 8;
	case 1:	return values[(pick >> 8) % ARRAY_SIZE(values)];
	case 2:	return near ^ 1ULL << (pick >> 8) % 64;
	default: return near;
	}
}

static void any_header(void)
{
	uint64_t pick = test_random(&seeded);
	size_t i;

	memset(header, 0, sizeof(*header));
	if (pick % 16 == 0) {
		for (i = 0; i < sizeof(*header) / 8; i++)
			((uint64_t *)header)[i] = test_random(&seeded);
		return;
	}
	if (pick & 0x100) {
		header->magic = any_value(PAGEHINT_MAGIC);
		header->version = any_value(PAGEHINT_VERSION);
		header->header_bytes = any_value(PAGEHINT_HEADER_BYTES);
	}
	if (pick & 0x200) {
		header->host_magic = any_value(PAGEHINT_HOST_MAGIC);
		header->host_version = any_value(PAGEHINT_VERSION);
		header->host_features = any_value(PAGEHINT_F_ALL) &
					(pick & 0x400 ? PAGEHINT_F_ALL : UINT64_MAX);
	}
	if (pick & 0x800)
		header->host_gen = any_value(1);
}

static void check_verdict(const char *what, int found, bool good)
{
	size_t length = strnlen(why, PAGEHINT_WHY_BYTES), i;

	nr_good += good;
	nr_bad += !good;
	CHECK((found == 0) == good && found <= 0, "%s: expected %s, returned %d: %s", what,
	      good ? "no refusal" : "a refusal", found, why);
	CHECK(length < PAGEHINT_WHY_BYTES - 1, "%s: a sentence that is cut off", what);
	CHECK(good == !length, "%s: %zu bytes of text", what, length);
	for (i = 0; i < length; i++)
		CHECK(why[i] >= ' ' && why[i] <= '~', "%s: byte %#x in the text", what, why[i]);
	memset(why, 0, PAGEHINT_WHY_BYTES);
}

static bool host_is_good(bool need_zeros)
{
	if (header->host_magic == 0 && header->host_gen == 0)
		return true;
	return header->host_magic == PAGEHINT_HOST_MAGIC &&
	       header->host_version == PAGEHINT_VERSION &&
	       header->host_features <= PAGEHINT_F_ALL &&
	       (!need_zeros || (header->host_features & PAGEHINT_F_ZERO));
}

static void begin(void)
{
	why = calloc(1, PAGEHINT_WHY_BYTES);
	header = malloc(sizeof(*header));
	if (!why || !header)
		abort();
	seeded = test.seed;
	nr_good = 0;
	nr_bad = 0;
}

static void end(uint64_t rounds)
{
	CHECK(nr_good > rounds / 20 && nr_bad > rounds / 20, "%lu good and %lu bad prove little",
	      nr_good, nr_bad);
	test_note("seed %lu: %lu good, %lu refused", test.seed, nr_good, nr_bad);
	free(header);
	free(why);
}

static uint64_t how_many(void)
{
	return test.rounds ?: test.brief ? 100000 : 2000000;
}

static void headers(void)
{
	uint64_t i, rounds = how_many();

	begin();
	for (i = 0; i < rounds && !test_failed(); i++) {
		bool need_zeros = i & 1;

		any_header();
		check_verdict("header", pagehint_check_header(header, why),
			      !header->magic || (header->magic == PAGEHINT_MAGIC &&
						 header->header_bytes == PAGEHINT_HEADER_BYTES));
		check_verdict("host", pagehint_check_host(header, need_zeros, why),
			      host_is_good(need_zeros));
	}
	end(rounds);
}

/* The device's size is the host's; the table's is the guest's: 52 bits of address. */
static void table_sizes(void)
{
	uint64_t i, rounds = how_many();

	begin();
	for (i = 0; i < rounds && !test_failed(); i++) {
		uint64_t bytes = test_random(&seeded) >> (24 + i % 40);
		uint64_t bar = any_value(bytes + PAGEHINT_HEADER_BYTES - i % 3);

		check_verdict("size", pagehint_check_table_size(bytes, bar, why),
			      bar >= PAGEHINT_HEADER_BYTES &&
			      bar - PAGEHINT_HEADER_BYTES >= bytes);
	}
	end(rounds);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "headers", headers },
		{ "table_sizes", table_sizes },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
