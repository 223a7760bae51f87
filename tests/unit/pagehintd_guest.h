/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest for tests of pagehintd, without a VM: threads that allocate and free
 * frames by the rules of the contract, and let the host have what they can read
 * again, in a RAM file and a hint table, and that check the content of each frame
 * all the time.
 *
 * The two extents lie crosswise in the file, as around a PCI hole.
 */
#ifndef _PAGEHINTD_GUEST_H
#define _PAGEHINTD_GUEST_H

#include <fcntl.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include <pagehint.h>

#include "test.h"

#define GUEST_GFN_LOW		0x100
#define GUEST_GFN_HIGH		0x100000
#define GUEST_MAX_THREADS	4
#define GUEST_HELD		64
#define GUEST_FRAME_WORDS	(PAGEHINT_FRAME_BYTES / sizeof(uint64_t))

struct guest {
	char ram_path[90], table_path[90], map[2][160];
	int ram_fd, table_fd;
	uint8_t *ram;
	struct pagehint_header *header;
	uint8_t *state;
	uint64_t nr_frames, table_size;
	uint8_t *owner;		/* the allocator: 1 while a thread has the frame */
	uint64_t boot_id;
	uint64_t features;	/* to ask with */
	bool caches;		/* threads make frames volatile, too */
	bool stop;
	unsigned int nr_threads;
	pthread_t thread[GUEST_MAX_THREADS], poller;
	uint64_t nr_allocated, nr_absent, nr_kept, nr_discarded, max_wait_ns;
};

static inline uint64_t guest_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

/* Where frame @i of the table is in the file: halves exchanged */
static inline uint64_t guest_file_frame(const struct guest *guest, uint64_t i)
{
	uint64_t half = guest->nr_frames / 2;

	return i < half ? i + half : i - half;
}

static inline uint64_t *guest_memory(const struct guest *guest, uint64_t i)
{
	return (uint64_t *)(guest->ram + guest_file_frame(guest, i) * PAGEHINT_FRAME_BYTES);
}

static inline uint64_t guest_allocated_bytes(const struct guest *guest)
{
	struct stat st;

	return fstat(guest->ram_fd, &st) ? 0 : (uint64_t)st.st_blocks * 512;
}

static inline void guest_map_table(struct guest *guest)
{
	guest->header = mmap(NULL, guest->table_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			     guest->table_fd, 0);
	if (guest->header == MAP_FAILED)
		abort();
	guest->state = (uint8_t *)guest->header + PAGEHINT_HEADER_BYTES;
}

static inline void guest_unmap_table(struct guest *guest)
{
	munmap(guest->header, guest->table_size);
}

static inline void guest_create(struct guest *guest, uint64_t nr_frames)
{
	const char *directory = getenv("PAGEHINTD_TEST_DIR");
	static int number;
	uint64_t half = nr_frames / 2;
	size_t ram_size = nr_frames * PAGEHINT_FRAME_BYTES;

	memset(guest, 0, sizeof(*guest));
	guest->nr_frames = nr_frames;
	guest->features = PAGEHINT_F_UNUSED;
	guest->table_size = 2 * PAGEHINT_HEADER_BYTES;
	while (guest->table_size < PAGEHINT_HEADER_BYTES + nr_frames)
		guest->table_size *= 2;
	number++;
	if (!directory)
		directory = "/dev/shm";
	snprintf(guest->ram_path, sizeof(guest->ram_path),
		 "%s/pagehintd-test-%d-%d.ram", directory, (int)getpid(), number);
	snprintf(guest->table_path, sizeof(guest->table_path),
		 "%s/pagehintd-test-%d-%d.table", directory, (int)getpid(), number);
	snprintf(guest->map[0], sizeof(guest->map[0]), "--map=%#x:%llu:%s:%llu",
		 GUEST_GFN_LOW, (unsigned long long)half, guest->ram_path,
		 (unsigned long long)(half * PAGEHINT_FRAME_BYTES));
	snprintf(guest->map[1], sizeof(guest->map[1]), "--map=%#x:%llu:%s:0",
		 GUEST_GFN_HIGH, (unsigned long long)half, guest->ram_path);
	guest->ram_fd = open(guest->ram_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	guest->table_fd = open(guest->table_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (ftruncate(guest->ram_fd, ram_size) ||
	    ftruncate(guest->table_fd, guest->table_size))
		abort();
	guest->ram = mmap(NULL, ram_size, PROT_READ | PROT_WRITE, MAP_SHARED,
			  guest->ram_fd, 0);
	guest->owner = calloc(nr_frames, 1);
	if (guest->ram == MAP_FAILED || !guest->owner)
		abort();
	guest_map_table(guest);
}

static inline void guest_destroy(struct guest *guest)
{
	unlink(guest->ram_path);
	unlink(guest->table_path);
	munmap(guest->ram, guest->nr_frames * PAGEHINT_FRAME_BYTES);
	munmap(guest->header, guest->table_size);
	close(guest->ram_fd);
	close(guest->table_fd);
	free(guest->owner);
}

/* Ask for a lease: proofs are in the first frame of each extent. */
static inline void guest_ask(struct guest *guest, uint64_t boot_id)
{
	struct pagehint_header *header = guest->header;
	uint64_t half = guest->nr_frames / 2;
	int i;

	guest->boot_id = boot_id;
	__atomic_store_n(&header->active, 0, __ATOMIC_SEQ_CST);
	header->magic = PAGEHINT_MAGIC;
	header->version = PAGEHINT_VERSION;
	header->header_bytes = PAGEHINT_HEADER_BYTES;
	header->features = guest->features;
	header->table_bytes = guest->nr_frames;
	header->frame_shift = PAGEHINT_FRAME_SHIFT;
	header->nr_extents = 2;
	for (i = 0; i < 2; i++) {
		struct pagehint_extent *extent = &header->extents[i];
		struct pagehint_proof *proof = (void *)guest_memory(guest, i * half);

		extent->gfn = i ? GUEST_GFN_HIGH : GUEST_GFN_LOW;
		extent->nr_frames = half;
		extent->table_offset = i * half;
		extent->proof_gfn = extent->gfn;
		extent->nonce = 0x1234567 + i;
		memset(proof, 0, PAGEHINT_FRAME_BYTES);
		*proof = (struct pagehint_proof) {
			.magic = PAGEHINT_PROOF_MAGIC, .gfn = extent->gfn,
			.nonce = extent->nonce, .boot_id = boot_id,
		};
		/* The guest's own: stable for ever */
		guest->owner[i * half] = 1;
	}
	header->host_gen_echo = 0;
	header->boot_id = boot_id;
	__atomic_store_n(&header->active, 1, __ATOMIC_RELEASE);
}

static inline bool guest_echo(struct guest *guest)
{
	struct pagehint_header *header = guest->header;
	uint64_t gen = __atomic_load_n(&header->host_gen, __ATOMIC_ACQUIRE);

	if (gen && header->host_boot_id != guest->boot_id)
		return false;
	__atomic_store_n(&header->host_gen_echo, gen, __ATOMIC_RELEASE);
	return gen;
}

static inline void guest_free(struct guest *guest, uint64_t i)
{
	__atomic_store_n(&guest->state[i], PAGEHINT_UNUSED, __ATOMIC_RELEASE);
	__atomic_store_n(&guest->owner[i], 0, __ATOMIC_RELEASE);
}

static inline uint64_t guest_pattern(uint64_t i, uint64_t seq, unsigned int word)
{
	return (i << 40) ^ (seq << 10) ^ word ^ 0x5a00000000000001ULL;
}

static inline bool guest_allocate(struct guest *guest, uint64_t i, uint64_t seq)
{
	uint64_t *memory = guest_memory(guest, i), start = 0, waited;
	uint8_t old, free_owner = 0;
	unsigned int word;

	if (!__atomic_compare_exchange_n(&guest->owner[i], &free_owner, 1, false,
					 __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
		return false;
	old = __atomic_load_n(&guest->state[i], __ATOMIC_RELAXED);
	while ((old & PAGEHINT_USAGE_MASK) != PAGEHINT_STABLE) {
		if (old & PAGEHINT_BUSY) {
			if (!start)
				start = guest_now();
			sched_yield();
			old = __atomic_load_n(&guest->state[i], __ATOMIC_RELAXED);
			continue;
		}
		if (__atomic_compare_exchange_n(&guest->state[i], &old, PAGEHINT_STABLE,
						false, __ATOMIC_ACQUIRE, __ATOMIC_RELAXED))
			break;
	}
	waited = start ? guest_now() - start : 0;
	if (waited > __atomic_load_n(&guest->max_wait_ns, __ATOMIC_RELAXED))
		__atomic_store_n(&guest->max_wait_ns, waited, __ATOMIC_RELAXED);
	if (old & PAGEHINT_ABSENT) {
		__atomic_fetch_add(&guest->nr_absent, 1, __ATOMIC_RELAXED);
		for (word = 0; word < GUEST_FRAME_WORDS; word++) {
			if (!CHECK(!memory[word], "frame %llu was dropped but is not zero",
				   (unsigned long long)i))
				break;
		}
	}
	for (word = 0; word < GUEST_FRAME_WORDS; word++)
		memory[word] = guest_pattern(i, seq, word);
	__atomic_fetch_add(&guest->nr_allocated, 1, __ATOMIC_RELAXED);
	return true;
}

static inline void guest_verify(struct guest *guest, uint64_t i, uint64_t seq)
{
	const uint64_t *memory = guest_memory(guest, i);
	unsigned int word;

	for (word = 0; word < GUEST_FRAME_WORDS; word++) {
		if (!CHECK(memory[word] == guest_pattern(i, seq, word),
			   "frame %llu in use lost its content: expected %#llx, found %#llx",
			   (unsigned long long)i,
			   (unsigned long long)guest_pattern(i, seq, word),
			   (unsigned long long)memory[word]))
			break;
	}
}

/* Content that can be had again: the pattern of @seq */
static inline void guest_make_volatile(struct guest *guest, uint64_t i, uint8_t temperature)
{
	__atomic_store_n(&guest->state[i],
			 PAGEHINT_VOLATILE | temperature << PAGEHINT_TEMP_SHIFT,
			 __ATOMIC_RELEASE);
}

static inline bool guest_swap(struct guest *guest, uint64_t i, uint8_t *old, uint8_t new)
{
	return __atomic_compare_exchange_n(&guest->state[i], old, new, false,
					   __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* Return: false if the content is gone; then it is put back as if read from a disk. */
static inline bool guest_make_stable(struct guest *guest, uint64_t i, uint64_t seq)
{
	uint8_t old = __atomic_load_n(&guest->state[i], __ATOMIC_ACQUIRE);
	uint64_t *memory = guest_memory(guest, i);
	unsigned int word;

	while (old != PAGEHINT_RECOVERING && old != PAGEHINT_STABLE) {
		bool absent = old & PAGEHINT_ABSENT;

		if (old & PAGEHINT_BUSY) {
			sched_yield();
			old = __atomic_load_n(&guest->state[i], __ATOMIC_ACQUIRE);
		} else if (guest_swap(guest, i, &old,
				      absent ? PAGEHINT_RECOVERING : PAGEHINT_STABLE)) {
			old = absent ? PAGEHINT_RECOVERING : PAGEHINT_STABLE;
		}
	}
	if (old == PAGEHINT_STABLE) {
		__atomic_fetch_add(&guest->nr_kept, 1, __ATOMIC_RELAXED);
		return true;
	}
	for (word = 0; word < GUEST_FRAME_WORDS; word++)
		memory[word] = guest_pattern(i, seq, word);
	__atomic_fetch_add(&guest->nr_discarded, 1, __ATOMIC_RELAXED);
	__atomic_store_n(&guest->state[i], PAGEHINT_STABLE, __ATOMIC_RELEASE);
	return false;
}

/* Freed without a look at the content: does not wait for the host. */
static inline void guest_free_volatile(struct guest *guest, uint64_t i)
{
	uint8_t old = __atomic_load_n(&guest->state[i], __ATOMIC_RELAXED);

	while (!guest_swap(guest, i, &old, PAGEHINT_UNUSED | (old & PAGEHINT_BUSY)))
		;
	__atomic_store_n(&guest->owner[i], 0, __ATOMIC_RELEASE);
}

static inline void *guest_thread(void *context)
{
	struct guest *guest = context;
	struct { uint64_t frame, seq; bool used, cached; } held[GUEST_HELD] = { 0 };
	uint64_t random = test.seed * 77 + guest_now(), seq = 0;
	unsigned int i;

	while (!__atomic_load_n(&guest->stop, __ATOMIC_RELAXED)) {
		uint64_t pick = test_random(&random);

		i = pick % GUEST_HELD;
		if (!(++seq % 256))
			usleep(200);
		if (held[i].cached) {
			held[i].cached = false;
			if (pick >> 40 & 1) {
				guest_make_stable(guest, held[i].frame, held[i].seq);
			} else {
				guest_free_volatile(guest, held[i].frame);
				held[i].used = false;
			}
		}
		if (held[i].used)
			guest_verify(guest, held[i].frame, held[i].seq);
		if (held[i].used && guest->caches && (pick >> 41 & 1)) {
			guest_make_volatile(guest, held[i].frame, pick >> 48);
			held[i].cached = true;
			continue;
		}
		if (held[i].used)
			guest_free(guest, held[i].frame);
		held[i].frame = (pick >> 8) % guest->nr_frames;
		held[i].seq = seq & 0xfffffff;
		held[i].used = guest_allocate(guest, held[i].frame, held[i].seq);
	}
	for (i = 0; i < GUEST_HELD; i++) {
		if (held[i].cached)
			guest_make_stable(guest, held[i].frame, held[i].seq);
		if (held[i].used) {
			guest_verify(guest, held[i].frame, held[i].seq);
			guest_free(guest, held[i].frame);
		}
	}
	return NULL;
}

static inline void *guest_poller(void *context)
{
	struct guest *guest = context;

	while (!__atomic_load_n(&guest->stop, __ATOMIC_RELAXED)) {
		guest_echo(guest);
		usleep(10000);
	}
	return NULL;
}

/* Every frame had a content once, and all but the proofs are free. */
static inline void guest_fill_and_free(struct guest *guest)
{
	uint64_t i;

	for (i = 0; i < guest->nr_frames; i++) {
		if (guest_allocate(guest, i, 0))
			guest_free(guest, i);
	}
}

/* As a file that was read: the pattern of @seq, for the host to have */
static inline void guest_cache(struct guest *guest, uint64_t first, uint64_t count,
			       uint64_t seq, uint8_t temperature)
{
	uint64_t i;

	for (i = first; i < first + count; i++) {
		if (CHECK(guest_allocate(guest, i, seq), "frame %lu is in use", i))
			guest_make_volatile(guest, i, temperature);
	}
}

/* Read it again. Return: how many frames had to come from the disk */
static inline uint64_t guest_read(struct guest *guest, uint64_t first, uint64_t count,
				  uint64_t seq)
{
	uint64_t i, nr = 0;

	for (i = first; i < first + count; i++) {
		nr += !guest_make_stable(guest, i, seq);
		guest_verify(guest, i, seq);
	}
	return nr;
}

static inline void guest_run(struct guest *guest, unsigned int nr_threads)
{
	unsigned int i;

	guest->stop = false;
	guest->nr_threads = nr_threads;
	for (i = 0; i < nr_threads; i++)
		pthread_create(&guest->thread[i], NULL, guest_thread, guest);
	pthread_create(&guest->poller, NULL, guest_poller, guest);
}

static inline void guest_halt(struct guest *guest)
{
	unsigned int i;

	__atomic_store_n(&guest->stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < guest->nr_threads; i++)
		pthread_join(guest->thread[i], NULL);
	pthread_join(guest->poller, NULL);
}

static inline uint64_t guest_count(const struct guest *guest, uint8_t mask, uint8_t value)
{
	uint64_t i, count = 0;

	for (i = 0; i < guest->nr_frames; i++)
		count += (guest->state[i] & mask) == value;
	return count;
}

#endif /* _PAGEHINTD_GUEST_H */
