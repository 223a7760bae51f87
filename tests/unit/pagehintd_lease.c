// SPDX-License-Identifier: GPL-2.0
/*
 * The host's half of the lease: who gets one, who is refused and why, and when
 * it holds. Files in /dev/shm, no daemon.
 */
#include <lease.h>

#undef ARRAY_SIZE
#include "pagehintd_guest.h"

#define FRAMES	1024

struct bench {
	struct guest guest;
	struct table table;
	struct guestmap map;
	struct ram_file ram;
	struct lease lease;
};

static void set_up(struct bench *bench)
{
	struct guest *guest = &bench->guest;

	memset(bench, 0, sizeof(*bench));
	guest_create(guest, FRAMES);
	bench->ram = (struct ram_file) {
		.path = guest->ram_path, .fd = guest->ram_fd,
		.bytes = FRAMES * PAGEHINT_FRAME_BYTES,
	};
	guestmap_add(&bench->map, (struct guestmap_entry) {
		.gfn = GUEST_GFN_LOW, .nr_frames = FRAMES / 2, .file_frame = FRAMES / 2 });
	guestmap_add(&bench->map, (struct guestmap_entry) {
		.gfn = GUEST_GFN_HIGH, .nr_frames = FRAMES / 2, .file_frame = 0 });
	if (table_map(&bench->table, guest->table_fd, guest->table_size))
		abort();
	guest_ask(guest, 77);
}

static void tear_down(struct bench *bench)
{
	munmap(bench->table.header, bench->guest.table_size);
	guest_destroy(&bench->guest);
}

static bool examine(struct bench *bench)
{
	return lease_examine(&bench->lease, &bench->table, &bench->map, &bench->ram,
			     HOST_FEATURES);
}

static void handshake(void)
{
	struct pagehint_header *header;
	struct bench bench;
	uint64_t gen;

	set_up(&bench);
	header = bench.guest.header;
	CHECK(lease_asked_for(&bench.table) == 77, "the request is not seen");
	CHECK(!header->host_gen && !header->host_magic, "the host wrote before it was asked to");
	if (!CHECK(examine(&bench), "a good guest is refused: %s", bench.lease.why))
		return;
	CHECK(bench.lease.nr_confirmed == 2, "expected 2 confirmed, found %u: %s",
	      bench.lease.nr_confirmed, bench.lease.why);
	CHECK(!header->host_gen, "examining alone gives host_gen out");
	CHECK(!lease_holds(&bench.lease, &bench.table), "a lease without an offer");
	CHECK(lease_offer(&bench.lease, &bench.table), "offer");
	CHECK(header->host_gen && header->host_boot_id == 77 &&
	      header->extents_confirmed == 3 && header->host_magic == PAGEHINT_HOST_MAGIC &&
	      header->host_version == PAGEHINT_VERSION && header->host_features,
	      "the offer is not complete");
	CHECK(!lease_holds(&bench.lease, &bench.table), "a lease without an echo");
	guest_echo(&bench.guest);
	CHECK(lease_holds(&bench.lease, &bench.table), "no lease after the echo");

	header->active = 0;
	CHECK(!lease_holds(&bench.lease, &bench.table), "the lease of a guest that left");
	header->active = 2;
	CHECK(!lease_holds(&bench.lease, &bench.table), "active must be 1");
	header->active = 1;
	header->boot_id++;
	CHECK(!lease_holds(&bench.lease, &bench.table), "the lease of another kernel");
	header->boot_id--;
	header->host_gen_echo++;
	CHECK(!lease_holds(&bench.lease, &bench.table), "a wrong echo");
	/* The guest could make the two fields equal: ours counts. */
	header->host_gen = header->host_gen_echo;
	CHECK(!lease_holds(&bench.lease, &bench.table), "a forged host_gen");
	gen = bench.lease.host_gen;
	lease_withdraw(&bench.lease, &bench.table);
	CHECK(!header->host_gen && !header->extents_confirmed, "withdrawn, but not in the header");
	header->host_gen_echo = 0;
	CHECK(!lease_holds(&bench.lease, &bench.table), "an echo of nothing");
	CHECK(examine(&bench) && lease_offer(&bench.lease, &bench.table), "offered again");
	CHECK(bench.lease.host_gen != gen, "host_gen is given out twice");
	tear_down(&bench);
}

/* One field spoiled, or more: @expected says why that guest gets no lease. */
#define REFUSES(expected, spoil) do {						\
	struct bench bench;							\
	struct pagehint_header *header;						\
										\
	set_up(&bench);								\
	header = bench.guest.header;						\
	spoil;									\
	CHECK(!examine(&bench) && bench.lease.refusal == expected,		\
	      "%s: expected refusal %d, found %d (%s)", #spoil, expected,	\
	      bench.lease.refusal, bench.lease.why);				\
	CHECK(bench.lease.why[0], "%s: refused without a reason", #spoil);	\
	CHECK(!lease_holds(&bench.lease, &bench.table), "%s: refused, but holds", #spoil); \
	CHECK(!header->host_gen && !header->host_magic, "%s: the table was written", #spoil); \
	tear_down(&bench);							\
} while (0)

static void headers(void)
{
	REFUSES(REFUSED_MAGIC, header->magic = 0);
	REFUSES(REFUSED_MAGIC, header->magic = __builtin_bswap64(PAGEHINT_MAGIC));
	REFUSES(REFUSED_VERSION, header->version = PAGEHINT_VERSION + 1);
	REFUSES(REFUSED_VERSION, header->version = 0);
	REFUSES(REFUSED_HEADER, header->header_bytes = 8192);
	REFUSES(REFUSED_HEADER, header->frame_shift = 16);
	REFUSES(REFUSED_FEATURES, header->features |= 1ULL << 63);
	REFUSES(REFUSED_FEATURES, header->features |= PAGEHINT_F_ALL + 1);
	REFUSES(REFUSED_TABLE_SIZE, header->table_bytes = 0);
	REFUSES(REFUSED_TABLE_SIZE, header->table_bytes =
		bench.guest.table_size - PAGEHINT_HEADER_BYTES + 1);
	REFUSES(REFUSED_TABLE_SIZE, header->table_bytes = UINT64_MAX);
}

static void extents(void)
{
	REFUSES(REFUSED_EXTENTS, header->nr_extents = 0);
	REFUSES(REFUSED_EXTENTS, header->nr_extents = PAGEHINT_MAX_EXTENTS + 1);
	REFUSES(REFUSED_EXTENTS, header->nr_extents = UINT32_MAX);
	REFUSES(REFUSED_EXTENTS, header->extents[0].nr_frames = 0);
	REFUSES(REFUSED_EXTENTS, header->extents[1].nr_frames = FRAMES / 2 + 1);
	REFUSES(REFUSED_EXTENTS, header->extents[1].nr_frames = UINT64_MAX);
	REFUSES(REFUSED_EXTENTS, header->extents[1].table_offset = FRAMES / 2 + 1);
	REFUSES(REFUSED_EXTENTS, header->extents[1].table_offset = UINT64_MAX);
	REFUSES(REFUSED_EXTENTS, header->extents[1].table_offset = FRAMES / 2 - 1);
	REFUSES(REFUSED_EXTENTS, header->extents[0].nr_frames = FRAMES / 2 + 1);
	REFUSES(REFUSED_EXTENTS, header->extents[1].gfn = GUEST_GFN_LOW);
	REFUSES(REFUSED_EXTENTS, header->extents[1].gfn = GUEST_GFN_LOW + FRAMES / 2 - 1);
	REFUSES(REFUSED_EXTENTS, header->extents[1].gfn = UINT64_MAX);
}

/* The second extent stays good: only the first must be left out. */
#define LEAVES_OUT(spoil) do {							\
	struct bench bench;							\
	struct pagehint_header *header;						\
	struct pagehint_proof *proof;						\
										\
	set_up(&bench);								\
	header = bench.guest.header;						\
	proof = (void *)guest_memory(&bench.guest, 0);				\
	(void)header;								\
	(void)proof;								\
	spoil;									\
	CHECK(examine(&bench), "%s: all is refused (%s)", #spoil, bench.lease.why); \
	CHECK(!bench.lease.extents[0].confirmed && bench.lease.extents[1].confirmed && \
	      bench.lease.nr_confirmed == 1 && bench.lease.why[0],		\
	      "%s: confirmed %d and %d (%s)", #spoil, bench.lease.extents[0].confirmed, \
	      bench.lease.extents[1].confirmed, bench.lease.why);		\
	lease_offer(&bench.lease, &bench.table);				\
	CHECK(header->extents_confirmed == 2, "%s: the guest is told %#llx", #spoil, \
	      (unsigned long long)header->extents_confirmed);			\
	tear_down(&bench);							\
} while (0)

static void proofs(void)
{
	LEAVES_OUT(proof->magic++);
	LEAVES_OUT(proof->gfn++);
	LEAVES_OUT(proof->nonce++);
	LEAVES_OUT(proof->boot_id++);
	LEAVES_OUT(((uint8_t *)proof)[PAGEHINT_FRAME_BYTES - 1] = 1);
	LEAVES_OUT(header->extents[0].nonce = proof->nonce = 0);
	LEAVES_OUT(header->extents[0].proof_gfn = 0);
	LEAVES_OUT(header->extents[0].proof_gfn += FRAMES / 2);
	/* Beyond what the host knows of */
	LEAVES_OUT(header->extents[0].gfn--);
	LEAVES_OUT(header->extents[0].gfn++);
	REFUSES(REFUSED_PROOF, header->extents[0].gfn++; header->extents[1].gfn++);
	/* The map of another machine: a hole elsewhere */
	REFUSES(REFUSED_PROOF, bench.map.entry[0].file_frame = 0;
		bench.map.entry[1].file_frame = FRAMES / 2);
}

static void proof_in_a_hole(void)
{
	struct bench bench;
	uint64_t before;

	set_up(&bench);
	if (fallocate(bench.guest.ram_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		      0, FRAMES * PAGEHINT_FRAME_BYTES))
		FAIL("cannot punch");
	before = guest_allocated_bytes(&bench.guest);
	CHECK(!examine(&bench) && bench.lease.refusal == REFUSED_PROOF, "a hole is a proof");
	CHECK(guest_allocated_bytes(&bench.guest) == before, "the look allocated memory");
	tear_down(&bench);
}

/* Offsets are the host's own: a guest that moves extents later moves nothing. */
static void snapshot(void)
{
	struct lease_extent copy[2];
	struct bench bench;

	set_up(&bench);
	CHECK(examine(&bench), "%s", bench.lease.why);
	memcpy(copy, bench.lease.extents, sizeof(copy));
	memset(bench.guest.header->extents, 0xff, sizeof(bench.guest.header->extents));
	bench.guest.header->nr_extents = 56;
	CHECK(!memcmp(copy, bench.lease.extents, sizeof(copy)) && bench.lease.nr_extents == 2,
	      "the private copy changed");
	CHECK(copy[0].file_frame == FRAMES / 2 && copy[1].file_frame == 0 &&
	      copy[1].first == FRAMES / 2, "wrong places");
	tear_down(&bench);
}

static void recovery(void)
{
	struct pagehint_header *header;
	struct bench bench;
	unsigned int i;

	set_up(&bench);
	header = bench.guest.header;
	for (i = 0; i < 256; i++)
		bench.guest.state[i] = i;
	CHECK(recover_range(&bench.table, 0, 256) == 16 * 3 * 2, "not all, or too many");
	for (i = 0; i < 256; i++) {
		uint8_t expected = pagehint_host_owns(i) ? pagehint_host_recover(i) : i;

		CHECK(bench.guest.state[i] == expected, "%#x became %#x", i,
		      bench.guest.state[i]);
		bench.guest.state[i] = PAGEHINT_UNUSED | PAGEHINT_BUSY;
	}
	/* Records that a guest may have written */
	recover_range(&bench.table, UINT64_MAX, UINT64_MAX);
	recover_range(&bench.table, bench.table.nr_frames, 1);
	CHECK(recover_range(&bench.table, 200, UINT64_MAX) == 56, "a clamped range");
	header->host_magic = 0;
	header->busy_count = 1;
	CHECK(!recover_header(&bench.table), "a record of no host");
	header->host_magic = PAGEHINT_HOST_MAGIC;
	header->busy_first = 100;
	header->busy_count = UINT32_MAX;
	CHECK(recover_header(&bench.table) == 100, "a clamped record");
	CHECK(!header->busy_count, "the record was not cleared");
	tear_down(&bench);
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "handshake", handshake },
		{ "headers", headers },
		{ "extents", extents },
		{ "proofs", proofs },
		{ "proof_in_a_hole", proof_in_a_hole },
		{ "snapshot", snapshot },
		{ "recovery", recovery },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
