/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM for the fuzzer of pagehintd, with more files and frames than the guest
 * has any right to, each frame with a word that tells it; headers that are
 * broken on purpose; and what pagehintd must answer to them, worked out
 * independently and in arithmetic that cannot wrap.
 */
#ifndef _PAGEHINTD_FUZZ_H
#define _PAGEHINTD_FUZZ_H

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <worker.h>

#undef ARRAY_SIZE
#include "test.h"

#define NR_FILES	3	/* the last is no part of the guest */
#define NR_PIECES	3
#define FILE_FRAMES	1400
#define TABLE_BYTES	(1U << 13)
#define TABLE_ROOM	(TABLE_BYTES - PAGEHINT_HEADER_BYTES)
#define FRAME_WORDS	(PAGEHINT_FRAME_BYTES / sizeof(uint64_t))
/* What a guest has, all or some */
#define FUZZ_FEATURES	(PAGEHINT_F_UNUSED | PAGEHINT_F_VOLATILE | PAGEHINT_F_TEMPERATURE)

/* Guest memory; every frame of a file that is in no piece is not the guest's. */
static const struct guestmap_entry fuzz_pieces[NR_PIECES] = {
	{ .gfn = 0x100, .nr_frames = 600, .file_frame = 700, .file = 0 },
	{ .gfn = 0x100000, .nr_frames = 520, .file_frame = 16, .file = 0 },
	{ .gfn = 0x200000, .nr_frames = 300, .file_frame = 1000, .file = 1 },
};

struct fuzz_vm {
	struct vm vm;
	struct guestmap map;
	uint64_t *ram[NR_FILES];
	bool gone[NR_FILES][FILE_FRAMES];	/* dropped, or a hole from the start */
	int table_fd;
	struct pagehint_header *header;
	uint8_t *state;
	char ram_path[NR_FILES][90], table_path[90];
};

static inline uint64_t *fuzz_frame(const struct fuzz_vm *fuzz, uint32_t file, uint64_t frame)
{
	return fuzz->ram[file] + frame * FRAME_WORDS;
}

static inline uint64_t fuzz_word(uint32_t file, uint64_t frame)
{
	return 0xface000000000000ULL | (uint64_t)file << 32 | frame;
}

static inline int fuzz_file(char *path, size_t size, const char *kind, uint64_t bytes)
{
	const char *directory = getenv("PAGEHINTD_TEST_DIR");
	int fd;

	snprintf(path, size, "%s/pagehintd-fuzz-%d.%s", directory ? directory : "/dev/shm",
		 (int)getpid(), kind);
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0 || ftruncate(fd, bytes))
		abort();
	return fd;
}

static inline void fuzz_create(struct fuzz_vm *fuzz)
{
	uint64_t frame;
	uint32_t i;

	memset(fuzz, 0, sizeof(*fuzz));
	for (i = 0; i < NR_FILES; i++) {
		struct ram_file *ram = &fuzz->vm.ram[i];
		uint64_t bytes = FILE_FRAMES * PAGEHINT_FRAME_BYTES;
		char kind[8];

		snprintf(kind, sizeof(kind), "ram%u", i);
		ram->fd = fuzz_file(fuzz->ram_path[i], sizeof(fuzz->ram_path[i]), kind, bytes);
		ram->path = fuzz->ram_path[i];
		ram->bytes = bytes;
		fuzz->ram[i] = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ram->fd, 0);
		for (frame = 0; frame < FILE_FRAMES; frame++)
			*fuzz_frame(fuzz, i, frame) = fuzz_word(i, frame);
	}
	fuzz->vm.name = "fuzz";
	fuzz->vm.nr_ram = NR_FILES;
	for (i = 0; i < NR_PIECES; i++) {
		if (guestmap_add(&fuzz->map, fuzz_pieces[i]))
			abort();
	}
	fuzz->table_fd = fuzz_file(fuzz->table_path, sizeof(fuzz->table_path), "table",
				   TABLE_BYTES);
	fuzz->header = mmap(NULL, TABLE_BYTES, PROT_READ | PROT_WRITE, MAP_SHARED,
			    fuzz->table_fd, 0);
	fuzz->state = (uint8_t *)fuzz->header + PAGEHINT_HEADER_BYTES;
}

static inline void fuzz_destroy(struct fuzz_vm *fuzz)
{
	uint32_t i;

	for (i = 0; i < NR_FILES; i++) {
		munmap(fuzz->ram[i], FILE_FRAMES * PAGEHINT_FRAME_BYTES);
		close(fuzz->vm.ram[i].fd);
		unlink(fuzz->ram_path[i]);
	}
	munmap(fuzz->header, TABLE_BYTES);
	close(fuzz->table_fd);
	unlink(fuzz->table_path);
}

/* The piece that holds all these frames of a file, or NULL */
static inline const struct guestmap_entry *fuzz_piece_of(uint32_t file, uint64_t frame,
							 uint64_t nr)
{
	uint32_t i;

	for (i = 0; i < NR_PIECES; i++) {
		const struct guestmap_entry *piece = &fuzz_pieces[i];

		if (piece->file == file && frame >= piece->file_frame &&
		    frame + nr <= piece->file_frame + piece->nr_frames)
			return piece;
	}
	return NULL;
}

/*
 * As many extents as there can be, and more behind, in the table: frames that
 * are nowhere, but nothing else is wrong with them.
 */
static inline void fuzz_all_extents(struct fuzz_vm *fuzz)
{
	struct pagehint_header *header = fuzz->header;
	struct pagehint_extent *more = (struct pagehint_extent *)fuzz->state;
	uint32_t i;

	for (i = header->nr_extents; i < PAGEHINT_MAX_EXTENTS + 8; i++) {
		struct pagehint_extent *extent = i < PAGEHINT_MAX_EXTENTS ? &header->extents[i] :
						 &more[i - PAGEHINT_MAX_EXTENTS];

		*extent = (struct pagehint_extent) {
			.gfn = 0x5000000 + i, .nr_frames = 1, .table_offset = TABLE_ROOM - 100 + i,
		};
	}
	header->nr_extents = PAGEHINT_MAX_EXTENTS;
	header->table_bytes = TABLE_ROOM;
}

/* A header as an honest guest writes it; each piece in one extent or more. */
static inline void fuzz_honest(struct fuzz_vm *fuzz, uint64_t boot_id, uint64_t *random)
{
	struct pagehint_header *header = fuzz->header;
	uint32_t i, nr = 0, offset = test_random(random) % 64;

	memset(header, 0, sizeof(*header));
	header->magic = PAGEHINT_MAGIC;
	header->version = PAGEHINT_VERSION;
	header->header_bytes = PAGEHINT_HEADER_BYTES;
	header->features = test_random(random) % 4 ? FUZZ_FEATURES :
			   test_random(random) & FUZZ_FEATURES;
	header->frame_shift = PAGEHINT_FRAME_SHIFT;
	for (i = 0; i < NR_PIECES; i++) {
		const struct guestmap_entry *piece = &fuzz_pieces[i];
		uint64_t at = 0;

		while (at < piece->nr_frames) {
			uint64_t left = piece->nr_frames - at, frame;
			struct pagehint_extent *extent = &header->extents[nr++];
			struct pagehint_proof *proof;

			extent->gfn = piece->gfn + at;
			extent->nr_frames = left > 100 && nr < 40 && test_random(random) % 2 ?
					    1 + test_random(random) % left : left;
			extent->table_offset = offset;
			extent->proof_gfn = extent->gfn + test_random(random) % extent->nr_frames;
			extent->nonce = test_random(random) | 1;
			frame = piece->file_frame + (extent->proof_gfn - piece->gfn);
			proof = (void *)fuzz_frame(fuzz, piece->file, frame);
			*proof = (struct pagehint_proof) {
				.magic = PAGEHINT_PROOF_MAGIC, .gfn = extent->proof_gfn,
				.nonce = extent->nonce, .boot_id = boot_id,
			};
			at += extent->nr_frames;
			offset += extent->nr_frames;
		}
	}
	header->nr_extents = nr;
	header->table_bytes = offset;
	if (test_random(random) % 4 == 0)
		fuzz_all_extents(fuzz);
	header->boot_id = boot_id;
	header->active = 1;
}

static inline uint64_t fuzz_value(uint64_t *random, uint64_t near)
{
	static const uint64_t values[] = {
		0, 1, 2, 511, 512, 4095, 4096, 4097, INT32_MAX, UINT32_MAX, 1ULL << 32,
		1ULL << 40, (1ULL << 40) - 1, 1ULL << 52, INT64_MAX, 1ULL << 63,
		UINT64_MAX - 1, UINT64_MAX, 56, 57, TABLE_ROOM, TABLE_ROOM + 1,
	};
	uint64_t pick = test_random(random);

	if (pick % 4 == 0)
		return values[(pick >> 8) % ARRAY_SIZE(values)];
	if (pick % 4 == 1)
		return near + (pick >> 8) % 5 - 2;
	if (pick % 4 == 2)
		return near ^ 1ULL << (pick >> 8) % 64;
	return -near + (pick >> 8) % 3 - 1;	/* sums that wrap */
}

/* A field of the header, of 4 or 8 bytes */
struct fuzz_field {
	size_t offset, size;
};

#define FUZZ_FIELD(type, name) { offsetof(type, name), sizeof(((type *)NULL)->name) }

static inline void fuzz_spoil(void *memory, const struct fuzz_field *field, uint64_t *random)
{
	void *at = (uint8_t *)memory + field->offset;
	uint64_t value = 0;

	memcpy(&value, at, field->size);
	value = fuzz_value(random, value);
	memcpy(at, &value, field->size);
}

static inline void fuzz_mutate_extent(struct pagehint_header *header, uint64_t *random)
{
	static const struct fuzz_field fields[] = {
		FUZZ_FIELD(struct pagehint_extent, gfn),
		FUZZ_FIELD(struct pagehint_extent, nr_frames),
		FUZZ_FIELD(struct pagehint_extent, table_offset),
		FUZZ_FIELD(struct pagehint_extent, proof_gfn),
		FUZZ_FIELD(struct pagehint_extent, nonce),
	};
	uint64_t pick = test_random(random);
	struct pagehint_extent *extent = &header->extents[pick % 8];
	unsigned int kind = (pick >> 16) % (ARRAY_SIZE(fields) + 3);

	if (kind < ARRAY_SIZE(fields)) {
		fuzz_spoil(extent, &fields[kind], random);
	} else if (kind == ARRAY_SIZE(fields)) {
		*extent = header->extents[(pick >> 8) % 8];
	} else {
		/* wraps in the table alone */
		extent->nr_frames = -extent->table_offset + (pick >> 24) % 3;
		if (kind % 2)
			extent->gfn = 0;
	}
}

/* One thing that the guest's half of the header should not say */
static inline void fuzz_mutate(struct fuzz_vm *fuzz, uint64_t *random)
{
	static const struct fuzz_field fields[] = {
		FUZZ_FIELD(struct pagehint_header, magic),
		FUZZ_FIELD(struct pagehint_header, version),
		FUZZ_FIELD(struct pagehint_header, header_bytes),
		FUZZ_FIELD(struct pagehint_header, features),
		FUZZ_FIELD(struct pagehint_header, table_bytes),
		FUZZ_FIELD(struct pagehint_header, frame_shift),
		FUZZ_FIELD(struct pagehint_header, nr_extents),
		FUZZ_FIELD(struct pagehint_header, boot_id),
		FUZZ_FIELD(struct pagehint_header, active),
	};
	struct pagehint_header *header = fuzz->header;
	uint64_t pick = test_random(random), at;
	const struct guestmap_entry *piece = &fuzz_pieces[(pick >> 8) % NR_PIECES];
	unsigned int kind = pick % 24, i;

	if (kind < ARRAY_SIZE(fields)) {
		fuzz_spoil(header, &fields[kind], random);
	} else if (kind == ARRAY_SIZE(fields)) {
		/* A piece of the header as it comes */
		for (i = 0; i < 64; i++)
			((uint8_t *)header)[(pick >> 16) % 4000 + i] = test_random(random);
	} else if (kind == ARRAY_SIZE(fields) + 1) {
		/* Where a proof may be: a word of it, or what follows it */
		at = header->extents[(pick >> 16) % 8].proof_gfn - piece->gfn;
		if (at < piece->nr_frames) {
			uint64_t *frame = fuzz_frame(fuzz, piece->file, piece->file_frame + at);

			frame[(pick >> 24) % 2 ? (pick >> 32) % 4 : FRAME_WORDS - 1] ^=
				1ULL << (pick >> 40) % 64;
		}
	} else {
		fuzz_mutate_extent(header, random);
	}
}

/* ------------------------------------------------------------------------
 * What is right
 */

__extension__ typedef unsigned __int128 wide;

struct fuzz_extent {
	uint64_t first, nr, file_frame;
	uint32_t file;
	bool confirmed;
};

struct fuzz_verdict {
	bool lease;
	unsigned int nr;
	uint64_t features;	/* in force */
	struct fuzz_extent extent[PAGEHINT_MAX_EXTENTS];
};

static inline bool fuzz_meet(uint64_t a, uint64_t nr_a, uint64_t b, uint64_t nr_b)
{
	return (wide)a < (wide)b + nr_b && (wide)b < (wide)a + nr_a;
}

static inline bool fuzz_proven(const struct fuzz_vm *fuzz, const struct pagehint_extent *extent,
			       const struct guestmap_entry *piece)
{
	const uint64_t *frame;
	uint32_t i;

	if (!extent->nonce || extent->proof_gfn < extent->gfn ||
	    extent->proof_gfn >= (wide)extent->gfn + extent->nr_frames)
		return false;
	frame = fuzz_frame(fuzz, piece->file, piece->file_frame + extent->proof_gfn - piece->gfn);
	for (i = 4; i < FRAME_WORDS; i++) {
		if (frame[i])
			return false;
	}
	return frame[0] == PAGEHINT_PROOF_MAGIC && frame[1] == extent->proof_gfn &&
	       frame[2] == extent->nonce && frame[3] == fuzz->header->boot_id;
}

static inline void fuzz_judge(const struct fuzz_vm *fuzz, struct fuzz_verdict *verdict)
{
	const struct pagehint_header *header = fuzz->header;
	uint32_t i, j;

	memset(verdict, 0, sizeof(*verdict));
	if (header->active != 1 || !header->boot_id || header->magic != PAGEHINT_MAGIC ||
	    header->version != PAGEHINT_VERSION || header->frame_shift != PAGEHINT_FRAME_SHIFT ||
	    header->header_bytes != PAGEHINT_HEADER_BYTES || header->features > PAGEHINT_F_ALL ||
	    !header->table_bytes || header->table_bytes > TABLE_ROOM ||
	    !header->nr_extents || header->nr_extents > PAGEHINT_MAX_EXTENTS)
		return;
	for (i = 0; i < header->nr_extents; i++) {
		const struct pagehint_extent *e = &header->extents[i];

		if (!e->nr_frames || (wide)e->table_offset + e->nr_frames > header->table_bytes ||
		    (wide)e->gfn + e->nr_frames > UINT64_MAX)
			return;
		for (j = 0; j < i; j++) {
			const struct pagehint_extent *o = &header->extents[j];

			if (fuzz_meet(e->gfn, e->nr_frames, o->gfn, o->nr_frames) ||
			    fuzz_meet(e->table_offset, e->nr_frames, o->table_offset,
				      o->nr_frames))
				return;
		}
	}
	for (i = 0; i < header->nr_extents; i++) {
		const struct pagehint_extent *e = &header->extents[i];
		struct fuzz_extent *extent = &verdict->extent[i];

		for (j = 0; j < NR_PIECES; j++) {
			const struct guestmap_entry *p = &fuzz_pieces[j];

			if (e->gfn < p->gfn ||
			    (wide)e->gfn + e->nr_frames > (wide)p->gfn + p->nr_frames)
				continue;
			extent->confirmed = fuzz_proven(fuzz, e, p);
			extent->file = p->file;
			extent->file_frame = p->file_frame + (e->gfn - p->gfn);
		}
		extent->first = e->table_offset;
		extent->nr = e->nr_frames;
		verdict->lease |= extent->confirmed;
	}
	verdict->nr = header->nr_extents;
	verdict->features = header->features;
}

#endif /* _PAGEHINTD_FUZZ_H */
