// SPDX-License-Identifier: GPL-2.0
/*
 * idleguest: a guest of any size for pagehintd, without a VM: a process that has
 * a RAM file and a hint table mapped and keeps a lease. What the daemon costs
 * can be measured with a guest that is larger than the machine.
 *
 *   idleguest DIRECTORY MIB PIECE_FRAMES
 *
 * Makes DIRECTORY/ram, sparse, and DIRECTORY/table. Every second piece of
 * PIECE_FRAMES frames is in use, the others are unused and dropped already, as
 * after a while under pagehintd; but for the first frame, the proof. Prints the
 * number of frames when all is ready, then does what lines on stdin say:
 *
 *	fill	  all frames have memory and are in use; prints `filled`
 *	free	  every second piece becomes unused; prints how many frames
 *
 * Ends at the end of its input, or when the directory's files cannot be made.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include <pagehint.h>

#define BOOT_ID		0x70616765ULL
#define NONCE		0x68696e74ULL
#define POLL_MS		100	/* for a host_gen, as the module does */

struct guest {
	uint8_t *ram;
	struct pagehint_header *header;
	uint8_t *state;
	uint64_t nr_frames;
	uint64_t piece;
};

__attribute__((noreturn))
static void die(const char *what)
{
	fprintf(stderr, "idleguest: %s: %s\n", what, strerror(errno));
	exit(1);
}

static uint64_t number(const char *text)
{
	char *rest;
	uint64_t value = strtoull(text, &rest, 0);

	if (*rest || !value) {
		fprintf(stderr, "idleguest: expected a number above 0, found '%s'\n", text);
		exit(2);
	}
	return value;
}

static void *map_new(const char *directory, const char *name, uint64_t bytes)
{
	char path[4096];
	void *memory;
	int fd;

	snprintf(path, sizeof(path), "%s/%s", directory, name);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, (off_t)bytes))
		die(path);
	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die(path);
	close(fd);
	return memory;
}

static bool in_unused_piece(const struct guest *guest, uint64_t frame)
{
	return frame / guest->piece % 2;
}

static void create(struct guest *guest, const char *directory, uint64_t bytes)
{
	uint64_t table = PAGEHINT_HEADER_BYTES, i;

	guest->nr_frames = bytes / PAGEHINT_FRAME_BYTES;
	while (table < PAGEHINT_HEADER_BYTES + guest->nr_frames)
		table *= 2;
	guest->ram = map_new(directory, "ram", bytes);
	guest->header = map_new(directory, "table", table);
	guest->state = (uint8_t *)guest->header + PAGEHINT_HEADER_BYTES;
	for (i = 0; i < guest->nr_frames; i++) {
		if (in_unused_piece(guest, i))
			guest->state[i] = PAGEHINT_UNUSED | PAGEHINT_ABSENT;
	}
}

static void ask_for_lease(struct guest *guest)
{
	struct pagehint_header *header = guest->header;
	struct pagehint_extent *extent = &header->extents[0];
	struct pagehint_proof *proof = (struct pagehint_proof *)guest->ram;

	*proof = (struct pagehint_proof) {
		.magic = PAGEHINT_PROOF_MAGIC, .nonce = NONCE, .boot_id = BOOT_ID,
	};
	extent->nr_frames = guest->nr_frames;
	extent->nonce = NONCE;
	header->magic = PAGEHINT_MAGIC;
	header->version = PAGEHINT_VERSION;
	header->header_bytes = PAGEHINT_HEADER_BYTES;
	header->features = PAGEHINT_F_UNUSED;
	header->table_bytes = guest->nr_frames;
	header->frame_shift = PAGEHINT_FRAME_SHIFT;
	header->nr_extents = 1;
	header->boot_id = BOOT_ID;
	__atomic_store_n(&header->active, 1, __ATOMIC_RELEASE);
}

static void echo(struct guest *guest)
{
	struct pagehint_header *header = guest->header;
	uint64_t gen = __atomic_load_n(&header->host_gen, __ATOMIC_ACQUIRE);

	if (!gen || header->host_boot_id == BOOT_ID)
		__atomic_store_n(&header->host_gen_echo, gen, __ATOMIC_RELEASE);
}

static void fill(struct guest *guest)
{
	uint64_t i;

	for (i = 1; i < guest->nr_frames; i++) {
		uint8_t old = __atomic_load_n(&guest->state[i], __ATOMIC_RELAXED);

		/* Allocated by the rules: the daemon may be at work. */
		while ((old & PAGEHINT_USAGE_MASK) == PAGEHINT_UNUSED) {
			uint8_t wanted = old & (uint8_t)~PAGEHINT_BUSY;

			__atomic_compare_exchange_n(&guest->state[i], &wanted, PAGEHINT_STABLE,
						    false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED);
			old = __atomic_load_n(&guest->state[i], __ATOMIC_RELAXED);
		}
		memset(guest->ram + i * PAGEHINT_FRAME_BYTES, 1, PAGEHINT_FRAME_BYTES);
	}
}

static uint64_t free_pieces(struct guest *guest)
{
	uint64_t i, freed = 0;

	for (i = 1; i < guest->nr_frames; i++) {
		if (!in_unused_piece(guest, i))
			continue;
		__atomic_store_n(&guest->state[i], PAGEHINT_UNUSED, __ATOMIC_RELEASE);
		freed++;
	}
	return freed;
}

static void obey(struct guest *guest, const char *order)
{
	if (!strcmp(order, "fill\n")) {
		fill(guest);
		puts("filled");
	} else if (!strcmp(order, "free\n")) {
		printf("%lu\n", (unsigned long)free_pieces(guest));
	} else {
		fprintf(stderr, "idleguest: expected fill or free, found %s", order);
	}
}

int main(int argc, char **argv)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
	struct guest guest;
	char order[64];

	if (argc != 4) {
		fprintf(stderr, "usage: idleguest DIRECTORY MIB PIECE_FRAMES\n");
		return 2;
	}
	guest.piece = number(argv[3]);
	setvbuf(stdin, NULL, _IONBF, 0);
	setvbuf(stdout, NULL, _IOLBF, 0);
	create(&guest, argv[1], number(argv[2]) << 20);
	ask_for_lease(&guest);
	printf("%lu\n", (unsigned long)guest.nr_frames);
	for (;;) {
		if (poll(&input, 1, POLL_MS) > 0) {
			if (!fgets(order, sizeof(order), stdin))
				return 0;
			obey(&guest, order);
		}
		echo(&guest);
	}
}
