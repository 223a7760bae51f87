// SPDX-License-Identifier: GPL-2.0
/*
 * The host's half of the lease: examine who asks, offer, see the echo.
 *
 * The guest writes its part of the header at will. Each field is loaded once,
 * checked, and what was checked is kept; so a guest that changes it afterwards
 * changes nothing here.
 */
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "lease.h"

/* The boot_id of a guest that wants a lease, 0 if there is none */
uint64_t lease_asked_for(const struct table *table)
{
	/* Acquire: what the guest wrote before it set active is visible. */
	if (table_read_acquire(table->header->active) != 1)
		return 0;
	return table_read(table->header->boot_id);
}

static bool refuse(struct lease *lease, enum refusal refusal, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

static bool refuse(struct lease *lease, enum refusal refusal, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(lease->why, sizeof(lease->why), format, args);
	va_end(args);
	lease->refusal = refusal;
	lease->state = LEASE_REFUSED;
	return false;
}

static bool check_fixed_fields(struct lease *lease, const struct table *table,
			       uint64_t *table_bytes, uint32_t *nr_extents)
{
	const struct pagehint_header *header = table->header;
	uint64_t magic = table_read(header->magic);
	uint32_t version = table_read(header->version);
	uint32_t header_bytes = table_read(header->header_bytes);
	uint64_t features = table_read(header->features);
	uint32_t frame_shift = table_read(header->frame_shift);

	*table_bytes = table_read(header->table_bytes);
	*nr_extents = table_read(header->nr_extents);

	if (magic != PAGEHINT_MAGIC)
		return refuse(lease, REFUSED_MAGIC,
			      "expected a header with magic %#llx, found %#lx: is this file the guest's hint table, and the guest of this byte order?",
			      PAGEHINT_MAGIC, magic);
	if (version != PAGEHINT_VERSION)
		return refuse(lease, REFUSED_VERSION,
			      "the guest speaks version %u, this pagehintd version %u: install the same release on both sides",
			      version, PAGEHINT_VERSION);
	if (header_bytes != PAGEHINT_HEADER_BYTES || frame_shift != PAGEHINT_FRAME_SHIFT)
		return refuse(lease, REFUSED_HEADER,
			      "expected a header of %u bytes and frames of 2^%u, found %u and 2^%u: the header is damaged",
			      PAGEHINT_HEADER_BYTES, PAGEHINT_FRAME_SHIFT, header_bytes,
			      frame_shift);
	if (features & ~PAGEHINT_F_ALL)
		return refuse(lease, REFUSED_FEATURES,
			      "the guest has features %#lx, this pagehintd (version %u) knows %#llx: install the same release on both sides",
			      features, PAGEHINT_VERSION, PAGEHINT_F_ALL);
	lease->features = features & lease->offered;
	if (!*table_bytes || *table_bytes > table->nr_frames)
		return refuse(lease, REFUSED_TABLE_SIZE,
			      "the guest uses %lu bytes of table, the file has room for %lu: is it the table of another guest?",
			      *table_bytes, table->nr_frames);
	if (!*nr_extents || *nr_extents > PAGEHINT_MAX_EXTENTS)
		return refuse(lease, REFUSED_EXTENTS,
			      "expected 1 to %u extents, found %u: the header is damaged",
			      PAGEHINT_MAX_EXTENTS, *nr_extents);
	return true;
}

static bool overlap(uint64_t a, uint64_t b, uint64_t nr_a, uint64_t nr_b)
{
	return a < b + nr_b && b < a + nr_a;
}

/* Within the table, without overflow or overlap with those before it */
static bool check_extent(struct lease *lease, unsigned int at, uint64_t table_bytes)
{
	const struct lease_extent *extent = &lease->extents[at];
	unsigned int i;

	if (!extent->nr_frames || extent->first > table_bytes ||
	    extent->nr_frames > table_bytes - extent->first ||
	    extent->gfn + extent->nr_frames < extent->gfn)
		return refuse(lease, REFUSED_EXTENTS,
			      "extent %u (gfn %#lx, %lu frames, table offset %lu) is not within the table's %lu frames: the header is damaged",
			      at, extent->gfn, extent->nr_frames, extent->first, table_bytes);
	for (i = 0; i < at; i++) {
		const struct lease_extent *other = &lease->extents[i];

		if (overlap(extent->gfn, other->gfn, extent->nr_frames, other->nr_frames) ||
		    overlap(extent->first, other->first, extent->nr_frames, other->nr_frames))
			return refuse(lease, REFUSED_EXTENTS,
				      "extents %u and %u overlap: the header is damaged",
				      i, at);
	}
	return true;
}

/*
 * Is the frame that we would drop the one in which the guest put its proof?
 * Never through a mapping, nor where the file has a hole: that would allocate.
 */
static const char *read_proof(int fd, uint64_t file_frame, struct pagehint_proof expected)
{
	off_t offset = file_frame << PAGEHINT_FRAME_SHIFT;
	union {
		struct pagehint_proof proof;
		uint8_t bytes[PAGEHINT_FRAME_BYTES];
	} frame;
	size_t i;

	if (lseek(fd, offset, SEEK_DATA) != offset)
		return "the file has a hole where its proof should be";
	if (pread(fd, frame.bytes, sizeof(frame), offset) != sizeof(frame))
		return "its proof cannot be read";
	if (memcmp(&frame.proof, &expected, sizeof(expected)))
		return "its proof is not where it should be";
	for (i = sizeof(frame.proof); i < sizeof(frame); i++) {
		if (frame.bytes[i])
			return "its proof is followed by something else";
	}
	return NULL;
}

/* NULL, or why no frame of the extent is dropped */
static const char *confirm_extent(struct lease_extent *extent, uint64_t proof_gfn,
				  uint64_t nonce, uint64_t boot_id,
				  const struct guestmap *map, const struct ram_file *ram)
{
	if (!guestmap_find(map, extent->gfn, extent->nr_frames, &extent->file,
			   &extent->file_frame))
		return "it is not in one piece of a RAM file: are --ram and --map complete?";
	if (!nonce || proof_gfn < extent->gfn ||
	    proof_gfn - extent->gfn >= extent->nr_frames)
		return "the guest gave no proof for it";
	return read_proof(ram[extent->file].fd,
			  extent->file_frame + (proof_gfn - extent->gfn),
			  (struct pagehint_proof) {
				.magic = PAGEHINT_PROOF_MAGIC,
				.gfn = proof_gfn,
				.nonce = nonce,
				.boot_id = boot_id,
			  });
}

/**
 * lease_examine - may the guest that asks have a lease, and for what?
 * @lease: is filled; why says what is wrong, if anything
 * @offered: features that this host has for it
 *
 * Writes nothing to the table.
 *
 * Return: true if at least one extent is confirmed. False with REFUSED_NOT: by
 * now nobody asks any more.
 */
bool lease_examine(struct lease *lease, const struct table *table,
		   const struct guestmap *map, const struct ram_file *ram,
		   uint64_t offered)
{
	uint64_t boot_id = lease_asked_for(table);
	uint64_t table_bytes;
	uint32_t i, nr;

	memset(lease, 0, sizeof(*lease));
	/* Left since the caller looked: 0 would match every guest without a lease. */
	if (!boot_id)
		return false;
	lease->boot_id = boot_id;
	lease->offered = offered;
	if (!check_fixed_fields(lease, table, &table_bytes, &nr))
		return false;
	for (i = 0; i < nr; i++) {
		const struct pagehint_extent *shared = &table->header->extents[i];
		struct lease_extent *extent = &lease->extents[i];

		extent->gfn = table_read(shared->gfn);
		extent->nr_frames = table_read(shared->nr_frames);
		extent->first = table_read(shared->table_offset);
		if (!check_extent(lease, i, table_bytes))
			return false;
	}
	lease->nr_extents = nr;
	for (i = 0; i < nr; i++) {
		const struct pagehint_extent *shared = &table->header->extents[i];
		struct lease_extent *extent = &lease->extents[i];
		const char *why = confirm_extent(extent, table_read(shared->proof_gfn),
						 table_read(shared->nonce), boot_id,
						 map, ram);

		extent->confirmed = !why;
		lease->nr_confirmed += !why;
		if (why && !lease->why[0])
			snprintf(lease->why, sizeof(lease->why),
				 "extent %u (gfn %#lx, %lu frames) is not used: %s",
				 i, extent->gfn, extent->nr_frames, why);
	}
	if (lease->nr_confirmed)
		return true;
	lease->refusal = REFUSED_PROOF;
	lease->state = LEASE_REFUSED;
	return false;
}

/* Who we are, for a guest that we speak the same version with */
void lease_announce(struct table *table, uint64_t features)
{
	struct pagehint_header *header = table->header;

	table_write(header->host_version, PAGEHINT_VERSION);
	table_write(header->host_features, features);
	table_write_release(header->host_magic, PAGEHINT_HOST_MAGIC);
}

/**
 * lease_offer - give out a host_gen to the guest that was examined
 *
 * The way to learn of its resets is armed.
 *
 * Return: false if there is no randomness.
 */
bool lease_offer(struct lease *lease, struct table *table)
{
	struct pagehint_header *header = table->header;
	uint64_t confirmed = 0, host_gen = 0;
	unsigned int i;

	while (!host_gen) {
		if (getrandom(&host_gen, sizeof(host_gen), 0) != sizeof(host_gen))
			return false;
	}
	for (i = 0; i < lease->nr_extents; i++)
		confirmed |= (uint64_t)lease->extents[i].confirmed << i;
	lease_announce(table, lease->offered);
	clear_busy_record(table);
	table_write(header->nr_dropped, 0);
	table_write(header->extents_confirmed, confirmed);
	table_write(header->host_boot_id, lease->boot_id);
	table_write_release(header->host_gen, host_gen);
	lease->host_gen = host_gen;
	lease->state = LEASE_OFFERED;
	return true;
}

/**
 * lease_holds - may frames be dropped now?
 *
 * Compares with our own copies: host_gen in the header is the guest's to spoil.
 */
bool lease_holds(const struct lease *lease, const struct table *table)
{
	const struct pagehint_header *header = table->header;

	return lease->host_gen &&
	       table_read_acquire(header->active) == 1 &&
	       table_read(header->boot_id) == lease->boot_id &&
	       table_read_acquire(header->host_gen_echo) == lease->host_gen;
}

/* No lease any more, and no drop in flight; the guest must be examined anew. */
void lease_withdraw(struct lease *lease, struct table *table)
{
	if (lease->host_gen) {
		table_write_release(table->header->host_gen, 0);
		table_write(table->header->extents_confirmed, 0);
	}
	memset(lease, 0, sizeof(*lease));
}
