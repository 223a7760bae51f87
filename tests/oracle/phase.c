// SPDX-License-Identifier: GPL-2.0
/*
 * Mapping the shared table and following its header.
 *
 * The guest writes extents and boot_id before it sets active (release), and
 * constant they stay until it clears it. A phase is built from them when
 * active is seen with a boot_id that is new, and never changed after it was
 * published, so that readers need no lock.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "phase.h"

#define SAMPLE_INTERVAL_NS	500000000LL

struct phase *_Atomic phase_now;

static const struct pagehint_header *header;
static size_t file_bytes;
static struct phase *phases[MAX_PHASES];
static unsigned int nr_phases;
static _Atomic int64_t next_sample;

/* Who changes phases. Whoever finds it taken goes on: the holder does the work. */
static atomic_flag changing = ATOMIC_FLAG_INIT;

const char *phases_open(const char *path)
{
	struct stat st;
	void *map;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return strerror(errno);
	if (fstat(fd, &st)) {
		close(fd);
		return strerror(errno);
	}
	if (st.st_size <= PAGEHINT_HEADER_BYTES) {
		close(fd);
		return "too small for a table";
	}
	map = mmap(NULL, st.st_size, PROT_READ, MAP_SHARED, fd, 0);
	close(fd);
	if (map == MAP_FAILED)
		return strerror(errno);
	header = map;
	file_bytes = st.st_size;
	return NULL;
}

static bool header_active(uint64_t *boot_id)
{
	if (__atomic_load_n(&header->active, __ATOMIC_ACQUIRE) != 1)
		return false;
	*boot_id = __atomic_load_n(&header->boot_id, __ATOMIC_RELAXED);
	return true;
}

static void phase_begin(void)
{
	struct phase *phase;

	if (nr_phases == MAX_PHASES)
		return;
	/* calloc() does not know alignments beyond 16. */
	phase = aligned_alloc(_Alignof(struct phase), sizeof(*phase));
	if (!phase)
		abort();
	memset(phase, 0, sizeof(*phase));
	phase->complaint = coverage_init(&phase->coverage, header, file_bytes);
	if (phase->complaint)
		phase->coverage.nr_extents = 0;
	phase->touched = calloc(file_bytes / 64 + 1, sizeof(uint64_t));
	phase->touched_volatile = calloc(file_bytes / 64 + 1, sizeof(uint64_t));
	if (!phase->touched || !phase->touched_volatile)
		abort();
	phases[nr_phases++] = phase;
	atomic_store_explicit(&phase_now, phase, memory_order_release);
}

void phases_poll(void)
{
	struct phase *phase = phase_get();
	uint64_t boot_id = 0;
	bool active = header_active(&boot_id);

	if (active == !!phase && (!phase || phase->coverage.boot_id == boot_id))
		return;
	if (atomic_flag_test_and_set_explicit(&changing, memory_order_acquire))
		return;
	/* Again, now that nobody else changes it. */
	phase = phase_get();
	active = header_active(&boot_id);
	if (!active)
		atomic_store_explicit(&phase_now, NULL, memory_order_release);
	else if (!phase || phase->coverage.boot_id != boot_id)
		phase_begin();
	atomic_flag_clear_explicit(&changing, memory_order_release);
}

void phase_sample_hinted(struct phase *phase)
{
	const struct coverage *coverage = &phase->coverage;
	int64_t due = atomic_load_explicit(&next_sample, memory_order_relaxed);
	uint64_t unused = 0, volatiles = 0, frame;
	struct timespec ts;
	unsigned int i;
	int64_t now;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	now = ts.tv_sec * 1000000000LL + ts.tv_nsec;
	if (now < due ||
	    !atomic_compare_exchange_strong(&next_sample, &due, now + SAMPLE_INTERVAL_NS))
		return;
	for (i = 0; i < coverage->nr_extents; i++) {
		const struct extent *extent = &coverage->extents[i];

		for (frame = 0; frame < extent->bytes >> PAGEHINT_FRAME_SHIFT; frame++) {
			uint8_t state = extent->state[frame];

			unused += state_forbids_access(state) && !state_is_volatile(state);
			volatiles += state_is_volatile(state);
		}
	}
	if (unused > phase->unused_max)
		phase->unused_max = unused;
	if (volatiles > phase->volatile_max)
		phase->volatile_max = volatiles;
}

uint64_t phase_frames_touched(const uint64_t *touched)
{
	uint64_t sum = 0;
	size_t i;

	for (i = 0; i < file_bytes / 64 + 1; i++)
		sum += __builtin_popcountll(touched[i]);
	return sum;
}

unsigned int phases_end(void)
{
	atomic_store_explicit(&phase_now, NULL, memory_order_release);
	return nr_phases;
}

struct phase *phase_at(unsigned int n)
{
	return phases[n];
}
