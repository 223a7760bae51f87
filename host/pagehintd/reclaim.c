// SPDX-License-Identifier: GPL-2.0
/*
 * One pass over the guest's frames under a lease in force: those that are ripe
 * are dropped, range by range, until something else needs attention.
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

struct pass {
	struct worker *worker;
	const struct lease_extent *extent;
	bool stopped;
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

static bool take_range(struct pass *pass, uint64_t first, uint32_t count)
{
	struct worker *worker = pass->worker;
	struct drop_range range = {
		.first = first,
		.count = count,
		.usage = PAGEHINT_UNUSED,
		.fd = worker->vm->ram[pass->extent->file].fd,
		.file_frame = pass->extent->file_frame + (first - pass->extent->first),
	};
	uint32_t nr_dropped;

	if (worker->vm->dry_run) {
		shared_add(worker->shared->nr_would_drop, count);
		return true;
	}
	if (!above_target(worker) || !wait_for_token(worker)) {
		pass->stopped = true;
		return false;
	}
	switch (drop_range(&worker->drop, &range, &nr_dropped)) {
	case DROP_PART:
		shared_add(worker->shared->nr_claims_lost, 1);
		break;
	case DROP_FAILED:
		if (!shared_add(worker->shared->nr_drop_errors, 1))
			log_info(worker->vm->name, "cannot punch a hole into %s: %s; its frames are kept",
				 worker->vm->ram[pass->extent->file].path, strerror(errno));
		break;
	case DROP_STOPPED:
		pass->stopped = true;
		break;
	case DROP_DONE:
		break;
	}
	shared_add(worker->shared->nr_dropped, nr_dropped);
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
	struct pass pass = { .worker = worker };
	uint64_t start = now_ns();
	unsigned int i;

	scan_begin(&worker->scan, now_ns());
	if (worker->vm->dry_run)
		shared_set(worker->shared->nr_would_drop, 0);
	for (i = 0; i < worker->lease.nr_extents && !pass.stopped; i++) {
		const struct lease_extent *extent = &worker->lease.extents[i];
		struct scan_piece piece = {
			.state = worker->table.state,
			.first = extent->first,
			.nr_frames = extent->nr_frames,
			.file_frame = extent->file_frame,
		};

		if (!extent->confirmed)
			continue;
		pass.extent = extent;
		scan_piece(&worker->scan, &piece, take, &pass);
		shared_add(worker->shared->heartbeat, 1);
	}
	shared_add(worker->shared->nr_scans, 1);
	return now_ns() - start - pass.dropping_ns;
}
