// SPDX-License-Identifier: GPL-2.0
/*
 * Passes over the guest's frames under a lease in force: what is ripe, or wanted,
 * is dropped range by range, until something else needs attention.
 */
#include <errno.h>
#include <poll.h>
#include <string.h>

#include "worker.h"

/*
 * A range costs 10 to 100 us of host CPU. So many per second bound what a guest
 * that flips bytes makes us do, and free 20 GiB/s where ranges are whole.
 */
#define RANGES_PER_SECOND	10000
#define RANGES_BURST		1000

/*
 * Frames that the guest was first to take, and those behind them in their range,
 * are only seen by another look: so many, for what is wanted at once.
 */
#define MAX_ROUNDS		4

struct pass {
	struct worker *worker;
	const struct lease_extent *extent;
	uint8_t usage;
	bool to_target;		/* only while the files take more than that */
	bool stopped;
	uint64_t nr_dropped;
	uint64_t dropping_ns;	/* drops, and waiting for tokens */
};

/* Has nothing come that must be seen before the next frame is dropped? */
bool worker_undisturbed(void *context)
{
	struct worker *worker = context;
	struct pollfd fds[] = {
		{ .fd = worker->signal_fd, .events = POLLIN },
		{ .fd = worker->pidfd, .events = POLLIN },
		{ .fd = worker->qmp.fd, .events = POLLIN },
	};

	return poll(fds, ARRAY_SIZE(fds), 0) == 0;
}

static bool take_token(struct bucket *bucket)
{
	uint64_t now = now_ns();
	uint64_t filled = (now - bucket->filled_ns) * RANGES_PER_SECOND / NSEC_PER_SEC;

	if (filled) {
		bucket->tokens += filled;
		bucket->filled_ns = now;
		if (bucket->tokens > RANGES_BURST)
			bucket->tokens = RANGES_BURST;
	}
	if (!bucket->tokens)
		return false;
	bucket->tokens--;
	return true;
}

/* Return: false if the pass ends here */
static bool wait_for_token(struct worker *worker)
{
	while (!take_token(&worker->bucket)) {
		shared_add(worker->shared->heartbeat, 1);
		if (!worker_undisturbed(worker))
			return false;
		poll(NULL, 0, 1);
	}
	return worker_undisturbed(worker);
}

static bool above_target(struct worker *worker)
{
	uint64_t target = worker->vm->target_mib << 20;

	if (!target || files_allocated_bytes(worker->vm) > target)
		return true;
	shared_set(worker->shared->pause, PAUSE_TARGET);
	return false;
}

/* The temperatures of a range, before it is dropped */
struct range_heat {
	uint8_t state[PAGEHINT_MAX_BUSY];
};

static void read_heat(const struct worker *worker, const struct drop_range *range,
		      struct range_heat *heat)
{
	uint32_t i;

	for (i = 0; i < range->count; i++)
		heat->state[i] = worker->ages.temperatures ?
				 table_read(worker->table.state[range->first + i]) : 0;
}

static void count_heat(struct worker *worker, const struct range_heat *heat, uint32_t nr)
{
	uint64_t frames[NR_TEMPERATURES] = { 0 };
	uint32_t i;

	for (i = 0; i < nr; i++)
		frames[heat->state[i] >> PAGEHINT_TEMP_SHIFT]++;
	for (i = 0; i < NR_TEMPERATURES; i++) {
		if (frames[i])
			shared_add(worker->shared->volatile_dropped[i], frames[i]);
	}
}

static bool take_range(struct pass *pass, uint64_t first, uint32_t count)
{
	struct worker *worker = pass->worker;
	struct drop_range range = {
		.first = first,
		.count = count,
		.usage = pass->usage,
		.fd = worker->vm->ram[pass->extent->file].fd,
		.file_frame = pass->extent->file_frame + (first - pass->extent->first),
	};
	struct range_heat heat;
	uint32_t nr_dropped;

	if (worker->vm->dry_run) {
		shared_add(worker->shared->nr_would_drop, count);
		return true;
	}
	if ((pass->to_target && !above_target(worker)) || !wait_for_token(worker)) {
		pass->stopped = true;
		return false;
	}
	if (pass->usage == PAGEHINT_VOLATILE)
		read_heat(worker, &range, &heat);
	switch (drop_range(&worker->drop, &range, &nr_dropped)) {
	case DROP_PART:
		shared_add(worker->shared->nr_claims_lost, 1);
		break;
	case DROP_FAILED:
		if (!shared_add(worker->shared->nr_drop_errors, 1))
			log_info(worker->vm->name, "cannot punch a hole into %s: %s; unused frames are kept, volatile ones count as dropped",
				 worker->vm->ram[pass->extent->file].path, strerror(errno));
		break;
	case DROP_STOPPED:
		pass->stopped = true;
		break;
	case DROP_DONE:
		break;
	}
	shared_add(worker->shared->nr_dropped, nr_dropped);
	if (pass->usage == PAGEHINT_VOLATILE)
		count_heat(worker, &heat, nr_dropped);
	pass->nr_dropped += nr_dropped;
	return !pass->stopped;
}

static bool take(void *context, uint64_t first, uint32_t count)
{
	struct pass *pass = context;
	uint64_t start = now_ns();
	bool go_on = take_range(pass, first, count);

	pass->dropping_ns += now_ns() - start;
	return go_on;
}

/* Frames of all extents that may be taken from */
typedef bool (*pass_piece_fn)(struct pass *pass, const struct scan_piece *piece, void *context);

static void each_piece(struct pass *pass, pass_piece_fn look, void *context)
{
	const struct lease *lease = &pass->worker->lease;
	unsigned int i;

	for (i = 0; i < lease->nr_extents && !pass->stopped; i++) {
		const struct lease_extent *extent = &lease->extents[i];
		struct scan_piece piece = {
			.state = pass->worker->table.state,
			.first = extent->first,
			.nr_frames = extent->nr_frames,
			.file_frame = extent->file_frame,
		};

		if (!extent->confirmed)
			continue;
		pass->extent = extent;
		if (!look(pass, &piece, context))
			break;
		shared_add(pass->worker->shared->heartbeat, 1);
	}
}

static bool scan_one(struct pass *pass, const struct scan_piece *piece, void *context)
{
	(void)context;
	return scan_piece(&pass->worker->scan, piece, take, pass);
}

/**
 * reclaim_scan - look at every confirmed frame once, drop what is ripe
 *
 * A pass that is stopped does not look at the rest; frames there keep their
 * age, which is what the next pass sees.
 *
 * Return: how long it took to look, without what dropping took.
 */
uint64_t reclaim_scan(struct worker *worker)
{
	struct pass pass = {
		.worker = worker, .usage = PAGEHINT_UNUSED, .to_target = true,
	};
	uint64_t start = now_ns();

	worker->scanned_ns = start;
	scan_begin(&worker->scan, start);
	if (worker->vm->dry_run)
		shared_set(worker->shared->nr_would_drop, 0);
	if (worker->lease.features & PAGEHINT_F_UNUSED)
		each_piece(&pass, scan_one, NULL);
	shared_add(worker->shared->nr_scans, 1);
	return now_ns() - start - pass.dropping_ns;
}

static bool look_at_one(struct pass *pass, const struct scan_piece *piece, void *context)
{
	(void)context;
	ages_look(&pass->worker->ages, piece->state, piece->first, piece->nr_frames);
	return true;
}

/* How long has each frame been volatile? */
void reclaim_look(struct worker *worker)
{
	struct pass pass = { .worker = worker };
	struct ages *ages = &worker->ages;
	uint64_t frames[NR_TEMPERATURES] = { 0 };
	unsigned int i;

	ages_begin(ages, now_ns());
	each_piece(&pass, look_at_one, NULL);
	for (i = 0; i < AGES_ORDERS; i++)
		frames[i / AGES_CLASSES] += ages->frames[i];
	for (i = 0; i < NR_TEMPERATURES; i++)
		shared_set(worker->shared->volatile_frames[i], frames[i]);
}

static bool choose_from_one(struct pass *pass, const struct scan_piece *piece, void *context)
{
	return choice_take(context, piece, take, pass);
}

/* Of one usage, until there are so many, or no more */
static void take_wanted(struct pass *pass, uint64_t wanted)
{
	struct worker *worker = pass->worker;
	unsigned int rounds = MAX_ROUNDS;
	uint64_t before;

	do {
		uint64_t missing = wanted - pass->nr_dropped;
		struct choice choice = { .usage = pass->usage, .nr_last = missing };

		before = pass->nr_dropped;
		if (pass->usage == PAGEHINT_VOLATILE) {
			reclaim_look(worker);
			choice = ages_choose(&worker->ages, missing);
		}
		each_piece(pass, choose_from_one, &choice);
	} while (!pass->stopped && pass->nr_dropped > before && pass->nr_dropped < wanted &&
		 --rounds);
}

/*
 * How many volatile frames are to go by the policy? Unused ones go first: those
 * that were unused when the target was passed are gone once a scan began after
 * their age, of which both ends are rounded to ticks.
 */
static uint64_t wanted_by_policy(struct worker *worker)
{
	const struct vm *vm = worker->vm;
	uint64_t target = vm->target_mib << 20, wait = vm->unused_age_ms * NSEC_PER_MSEC, bytes;

	if (vm->volatile_policy == VOLATILE_ALL && !target)
		return UINT64_MAX;
	if (vm->volatile_policy == VOLATILE_OFF || !target)
		return 0;
	bytes = files_allocated_bytes(vm);
	if (bytes <= target) {
		worker->above_since_ns = 0;
		return 0;
	}
	if (!worker->above_since_ns)
		worker->above_since_ns = now_ns();
	if (vm->volatile_policy == VOLATILE_TARGET &&
	    worker->scanned_ns < worker->above_since_ns + wait + 2 * worker->scan.tick_ns)
		return 0;
	return (bytes - target + PAGEHINT_FRAME_BYTES - 1) >> PAGEHINT_FRAME_SHIFT;
}

/**
 * reclaim_volatile - drop the volatile frames that the policy wants gone
 *
 * Return: as reclaim_scan().
 */
uint64_t reclaim_volatile(struct worker *worker)
{
	struct pass pass = {
		.worker = worker, .usage = PAGEHINT_VOLATILE, .to_target = true,
	};
	uint64_t start = now_ns(), wanted = wanted_by_policy(worker);

	if (wanted && (worker->lease.features & PAGEHINT_F_VOLATILE))
		take_wanted(&pass, wanted);
	return now_ns() - start - pass.dropping_ns;
}

/**
 * reclaim_now - drop so many frames, unused ones of any age first
 * @command: counts what was dropped for it
 *
 * Return: false if something came in between and it should be called again.
 */
bool reclaim_now(struct worker *worker, struct drop_command *command)
{
	uint64_t done = shared_get(command->nr_unused) + shared_get(command->nr_volatile);
	struct pass pass = { .worker = worker, .usage = PAGEHINT_UNUSED };

	if (done < command->wanted && (worker->lease.features & PAGEHINT_F_UNUSED)) {
		take_wanted(&pass, command->wanted - done);
		shared_add(command->nr_unused, pass.nr_dropped);
		done += pass.nr_dropped;
	}
	if (pass.stopped)
		return false;
	pass = (struct pass) { .worker = worker, .usage = PAGEHINT_VOLATILE };
	if (done < command->wanted && (worker->lease.features & PAGEHINT_F_VOLATILE)) {
		take_wanted(&pass, command->wanted - done);
		shared_add(command->nr_volatile, pass.nr_dropped);
	}
	return !pass.stopped;
}
