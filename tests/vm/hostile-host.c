// SPDX-License-Identifier: GPL-2.0
/*
 * hostile-host: a host that writes nonsense into the hint table of a guest, to
 * show what the module makes of it. It drops nothing, so the guest's memory
 * must stay whole whatever it does.
 *
 *   hostile-host TABLE prepare SEED
 *	writes a header as no host should leave it, for the next load, and prints
 *	what must become of that: "load" or "refuse"
 *   hostile-host TABLE attack header|unused|any SECONDS SEED
 *	as fast as it can: the host's half of the header; and bits of bytes of
 *	UNUSED frames (BUSY, ABSENT, temperature), as a broken host could; and any
 *	value in any byte, which no contract allows. BUSY is taken back after a
 *	millisecond, and so is RECOVERING, since a guest may wait for them. In the end
 *	it behaves as a host that never was: its half is zero, nothing is BUSY.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <pagehint.h>

#define BATCH	32	/* bytes that are BUSY at a time */
#define HOST_LINES_BYTES 128

enum mode { HEADER, UNUSED, ANY };

static struct pagehint_header *header;
static uint8_t *states;
static uint64_t nr_states, seeded;

static uint64_t next_random(void)
{
	/* splitmix64 */
	uint64_t z = (seeded += 0x9e3779b97f4a7c15ULL);

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
	return z ^ (z >> 31);
}

static uint64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static uint64_t nonsense(void)
{
	static const uint64_t values[] = {
		0, 1, 2, 511, 512, 513, 4095, 4096, UINT32_MAX, 1ULL << 32, 1ULL << 63,
		UINT64_MAX, PAGEHINT_MAGIC, PAGEHINT_HOST_MAGIC, PAGEHINT_PROOF_MAGIC,
		PAGEHINT_F_ALL, PAGEHINT_F_ALL + 1,
	};
	uint64_t pick = next_random();

	return pick % 2 ? pick : values[(pick >> 8) % (sizeof(values) / sizeof(values[0]))];
}

/* A field of the host's lines; often one that makes the module look closer. */
static void spoil_field(void)
{
	uint64_t pick = next_random(), value = nonsense();
	__u64 *const others[] = {
		&header->host_boot_id, &header->extents_confirmed, &header->busy_first,
		&header->nr_dropped, &header->reserved3[0], &header->reserved4[0],
	};
	bool good = pick & 256;

	switch (pick % 8) {
	case 0:
		header->host_magic = good ? PAGEHINT_HOST_MAGIC : value;
		break;
	case 1:
		header->host_version = good ? PAGEHINT_VERSION : value;
		break;
	case 2:
		header->host_features = good ? PAGEHINT_F_ALL : value;
		break;
	case 3:
		header->busy_count = good ? 0 : value;
		break;
	case 4:
	case 5:
		/* For this guest, so that it has to decide. */
		header->host_boot_id = header->boot_id;
		__atomic_store_n(&header->host_gen, value, __ATOMIC_RELEASE);
		break;
	default:
		*others[(pick >> 16) % (sizeof(others) / sizeof(others[0]))] = value;
	}
}

static void spoil_bytes(enum mode mode)
{
	uint64_t at[BATCH], until;
	unsigned int i;

	for (i = 0; i < BATCH; i++) {
		uint8_t *byte = &states[at[i] = next_random() % nr_states];
		uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED), new = next_random();

		if (mode == ANY) {
			__atomic_store_n(byte, new, __ATOMIC_SEQ_CST);
			continue;
		}
		new = (new & ~PAGEHINT_USAGE_MASK) | PAGEHINT_UNUSED;
		if ((old & PAGEHINT_USAGE_MASK) == PAGEHINT_UNUSED)
			__atomic_compare_exchange_n(byte, &old, new, false, __ATOMIC_SEQ_CST,
						    __ATOMIC_RELAXED);
	}
	until = now_ns() + next_random() % 1000000;
	while (now_ns() < until)
		spoil_field();
	for (i = 0; i < BATCH; i++) {
		uint8_t old = __atomic_load_n(&states[at[i]], __ATOMIC_RELAXED);

		/* A byte with a usage of its own is not ours to write to, BUSY or not. */
		while ((mode == ANY || (old & PAGEHINT_USAGE_MASK)) && (old & PAGEHINT_BUSY) &&
		       !__atomic_compare_exchange_n(&states[at[i]], &old,
						    old & ~PAGEHINT_BUSY, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED))
			;
		old = PAGEHINT_RECOVERING;
		if (mode == ANY)
			__atomic_compare_exchange_n(&states[at[i]], &old, PAGEHINT_STABLE, false,
						    __ATOMIC_SEQ_CST, __ATOMIC_RELAXED);
	}
}

static void leave(void)
{
	uint64_t i;

	memset(&header->host_magic, 0, HOST_LINES_BYTES);
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	for (i = 0; i < nr_states; i++) {
		if (__atomic_load_n(&states[i], __ATOMIC_RELAXED) & PAGEHINT_BUSY)
			__atomic_fetch_and(&states[i], (uint8_t)~PAGEHINT_BUSY, __ATOMIC_SEQ_CST);
	}
}

static int attack(const char *what, unsigned int seconds)
{
	uint64_t end = now_ns() + seconds * 1000000000ULL, nr = 0;
	enum mode mode;

	if (!strcmp(what, "header"))
		mode = HEADER;
	else if (!strcmp(what, "unused"))
		mode = UNUSED;
	else if (!strcmp(what, "any"))
		mode = ANY;
	else
		return 2;
	for (; now_ns() < end; nr++) {
		unsigned int i;

		for (i = 0; i < 64; i++)
			spoil_field();
		if (mode != HEADER)
			spoil_bytes(mode);
	}
	leave();
	printf("%llu rounds\n", (unsigned long long)nr);
	return 0;
}

/* What the contract says of such a header, for a guest that has none yet */
static bool loads(void)
{
	if (header->magic && (header->magic != PAGEHINT_MAGIC ||
			      header->header_bytes != PAGEHINT_HEADER_BYTES))
		return false;
	if (!header->host_magic && !header->host_gen)
		return true;
	return header->host_magic == PAGEHINT_HOST_MAGIC &&
	       header->host_version == PAGEHINT_VERSION &&
	       !(header->host_features & ~PAGEHINT_F_ALL);
}

static int prepare(void)
{
	unsigned int changes = next_random() % 6;
	uint64_t i, *words = (uint64_t *)header;

	memset(header, 0, PAGEHINT_HEADER_BYTES);
	if (next_random() % 2) {
		header->magic = PAGEHINT_MAGIC;
		header->version = nonsense();
		header->header_bytes = PAGEHINT_HEADER_BYTES;
		header->active = next_random() % 2;
		header->boot_id = nonsense();
		header->host_magic = PAGEHINT_HOST_MAGIC;
		header->host_version = PAGEHINT_VERSION;
		header->host_features = PAGEHINT_F_UNUSED | PAGEHINT_F_ZERO;
		header->host_gen = nonsense();
		header->host_gen_echo = header->host_gen;
	}
	while (changes--) {
		if (next_random() % 4)
			spoil_field();
		else	/* behind the fields that decide, or one of them */
			words[next_random() % (next_random() % 4 ? 512 : 20)] = nonsense();
	}
	/* That alone is refused after 5 s: case bad_tables. */
	header->busy_count = 0;
	for (i = 0; i < nr_states; i++)
		states[i] = next_random();
	puts(loads() ? "load" : "refuse");
	return 0;
}

int main(int argc, char **argv)
{
	struct stat st;
	int fd;

	if (argc < 4)
		goto usage;
	fd = open(argv[1], O_RDWR | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &st) || st.st_size < 2 * PAGEHINT_HEADER_BYTES) {
		perror(argv[1]);
		return 1;
	}
	header = mmap(NULL, st.st_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (header == MAP_FAILED) {
		perror(argv[1]);
		return 1;
	}
	states = (uint8_t *)header + PAGEHINT_HEADER_BYTES;
	nr_states = st.st_size - PAGEHINT_HEADER_BYTES;
	seeded = strtoull(argv[argc - 1], NULL, 0);
	if (argc == 4 && !strcmp(argv[2], "prepare"))
		return prepare();
	if (argc == 6 && !strcmp(argv[2], "attack"))
		return attack(argv[3], atoi(argv[4]));
usage:
	fprintf(stderr,
		"usage: hostile-host TABLE prepare SEED | attack header|unused|any SECONDS SEED\n");
	return 2;
}
