// SPDX-License-Identifier: GPL-2.0
/*
 * Counters and debugfs (/sys/kernel/debug/pagehint/; no ABI, see README).
 *
 * Files, each line "name value" unless said otherwise:
 *   backend   which one, its host, the lease (text)
 *   counters  transitions and waits since load
 *   states    frames by state, now
 *   refused   why candidates did not become volatile, by reason
 *   probes    one line per hook: target, mechanism, attached or why not, calls
 */
#include <pagehint/log.h>

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/sched.h>

#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/essa.h>
#include <pagehint/hooks.h>
#include <pagehint/platform.h>
#include <pagehint/stats.h>
#include <pagehint/stay.h>
#include <pagehint/swap_cache.h>
#include <pagehint/table.h>
#include <pagehint/vector.h>
#include <pagehint/volatile.h>

#define CREATE_TRACE_POINTS
#include "trace.h"

DEFINE_PER_CPU(struct pagehint_counters, pagehint_counters);

static struct dentry *directory;

/**
 * pagehint_counter_sum - a counter over all CPUs
 * @counter: which
 *
 * Context: any; the sum is not a snapshot.
 * Return: the sum.
 */
u64 pagehint_counter_sum(enum pagehint_counter counter)
{
	u64 sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pagehint_counters, cpu).count[counter]);
	return sum;
}

static u64 longest_wait_ns(void)
{
	u64 longest = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		longest = max(longest,
			      READ_ONCE(per_cpu(pagehint_counters, cpu).busy_wait_max_ns));
	return longest;
}

/* Events of claiming are none of the guest's using memory. */
static u64 less(u64 sum, enum pagehint_counter counter)
{
	u64 claims = pagehint_counter_sum(counter);

	return sum - min(sum, claims);
}

/* Of hosts that have them. None is the number that is expected. */
static void show_discard_faults(struct seq_file *m)
{
	seq_printf(m, "nr_discard_faults %llu\n",
		   pagehint_counter_sum(PAGEHINT_DISCARD_FAULTS));
	seq_printf(m, "nr_discard_redone %llu\n",
		   pagehint_counter_sum(PAGEHINT_DISCARD_REDONE));
	seq_printf(m, "nr_discard_errors %llu\n",
		   pagehint_counter_sum(PAGEHINT_DISCARD_ERRORS));
	seq_printf(m, "nr_discard_zeros %llu\n",
		   pagehint_counter_sum(PAGEHINT_DISCARD_ZEROS));
	seq_printf(m, "nr_discard_stale %llu\n",
		   pagehint_counter_sum(PAGEHINT_DISCARD_STALE));
	seq_printf(m, "nr_discard_evicted %llu\n",
		   pagehint_counter_sum(PAGEHINT_DISCARD_EVICTED));
	seq_printf(m, "nr_discard_refilled %llu\n",
		   pagehint_counter_sum(PAGEHINT_DISCARD_REFILLED));
	seq_printf(m, "nr_discard_lost %llu\n",
		   pagehint_counter_sum(PAGEHINT_DISCARD_LOST));
	seq_printf(m, "nr_discard_late %llu\n",
		   pagehint_counter_sum(PAGEHINT_DISCARD_LATE));
}

/* Of folios that are mapped while they are volatile */
static void show_stay(struct seq_file *m)
{
	static const char * const names[] = {
		"mapped", "faults", "left", "recovered", "read_in", "writes", "gup",
		"mlocks", "isolated", "moves",
	};
	unsigned int i;

	BUILD_BUG_ON(PAGEHINT_STAY_MOVES - PAGEHINT_STAYED + 1 != ARRAY_SIZE(names));
	seq_printf(m, "nr_stay_now %lu\n", pagehint_stay_on() ? pagehint_stay_now() : 0);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		seq_printf(m, "nr_stay_%s %llu\n", names[i],
			   pagehint_counter_sum(PAGEHINT_STAYED + i));
}

/* What the module did: the kernel's own, if its CMMA is on, comes on top. */
static void show_essa(struct seq_file *m)
{
	static const char * const names[] = {
		[PAGEHINT_ESSA_GET] = "get",
		[PAGEHINT_ESSA_SET_STABLE] = "set_stable",
		[PAGEHINT_ESSA_SET_UNUSED] = "set_unused",
		[PAGEHINT_ESSA_SET_VOLATILE] = "set_volatile",
		[PAGEHINT_ESSA_SET_POTENTIAL] = "set_potential",
		[PAGEHINT_ESSA_SET_STABLE_RESIDENT] = "set_stable_resident",
		[PAGEHINT_ESSA_SET_STABLE_IF] = "set_stable_if",
	};
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(names) != PAGEHINT_ESSA_LAST - PAGEHINT_ESSA_FIRST + 1);
	for (i = 0; i < ARRAY_SIZE(names); i++)
		seq_printf(m, "nr_essa_%s %llu\n", names[i],
			   pagehint_counter_sum(PAGEHINT_ESSA_FIRST + i));
	seq_printf(m, "nr_essa_failures %llu\n",
		   pagehint_counter_sum(PAGEHINT_ESSA_FAILURES));
}

static int counters_show(struct seq_file *m, void *unused)
{
	u64 taken = pagehint_counter_sum(PAGEHINT_ALLOC_ONE_TAKEN) +
		    pagehint_counter_sum(PAGEHINT_ALLOC_BLOCK_TAKEN) +
		    pagehint_counter_sum(PAGEHINT_SWEPT_TAKEN);
	u64 stable = pagehint_counter_sum(PAGEHINT_ALLOC_ONE) +
		     pagehint_counter_sum(PAGEHINT_ALLOC_ONE_TAKEN) +
		     pagehint_counter_sum(PAGEHINT_ALLOC_BLOCK_FRAMES) +
		     pagehint_counter_sum(PAGEHINT_SWEPT);
	u64 scanned = pagehint_counter_sum(PAGEHINT_SCANNED);
	u64 unused_frames = pagehint_counter_sum(PAGEHINT_FREED_ONE) +
			    pagehint_counter_sum(PAGEHINT_FREED_BLOCK_FRAMES) +
			    scanned;

	unused_frames = less(unused_frames, PAGEHINT_CLAIMED);
	stable = less(stable, PAGEHINT_CLAIMED);
	taken = less(taken, PAGEHINT_CLAIMED_AGAIN);
	seq_printf(m, "nr_unused %llu\n", unused_frames);
	seq_printf(m, "nr_stable %llu\n", stable);
	seq_printf(m, "nr_cancelled %llu\n", stable - min(stable, taken));
	seq_printf(m, "nr_taken %llu\n", taken);
	seq_printf(m, "nr_busy_waits %llu\n",
		   pagehint_counter_sum(PAGEHINT_BUSY_WAITS));
	seq_printf(m, "busy_wait_max_ns %llu\n", longest_wait_ns());
	seq_printf(m, "nr_freed_again %llu\n",
		   pagehint_counter_sum(PAGEHINT_FREED_ONE_AGAIN));
	seq_printf(m, "nr_outside_table %llu\n",
		   pagehint_counter_sum(PAGEHINT_OUTSIDE_TABLE));
	seq_printf(m, "nr_scanned %llu\n", scanned);
	seq_printf(m, "nr_swept %llu\n", pagehint_counter_sum(PAGEHINT_SWEPT));
	seq_printf(m, "nr_loop_discarded %llu\n",
		   pagehint_counter_sum(PAGEHINT_LOOP_DISCARDED));
	seq_printf(m, "nr_hypercalls %llu\n", pagehint_counter_sum(PAGEHINT_HYPERCALLS));
	seq_printf(m, "nr_hinted %llu\n", pagehint_counter_sum(PAGEHINT_HINTED));
	seq_printf(m, "nr_claimed %llu\n", pagehint_counter_sum(PAGEHINT_CLAIMED));
	seq_printf(m, "nr_not_isolated %llu\n",
		   pagehint_counter_sum(PAGEHINT_NOT_ISOLATED));
	seq_printf(m, "nr_host_told %llu\n", pagehint_counter_sum(PAGEHINT_HOST_TOLD));
	seq_printf(m, "nr_host_kept %llu\n", pagehint_counter_sum(PAGEHINT_HOST_KEPT));
	seq_printf(m, "nr_host_gone %llu\n", pagehint_counter_sum(PAGEHINT_HOST_GONE));
	seq_printf(m, "nr_host_repaid %llu\n",
		   pagehint_counter_sum(PAGEHINT_HOST_REPAID));
	seq_printf(m, "nr_host_refused %llu\n",
		   pagehint_counter_sum(PAGEHINT_HOST_REFUSED));
	seq_printf(m, "nr_host_lost %llu\n", pagehint_counter_sum(PAGEHINT_HOST_LOST));
	if (pagehint_backend == &pagehint_backend_essa)
		show_essa(m);
	seq_printf(m, "nr_volatile_candidates %llu\n",
		   pagehint_counter_sum(PAGEHINT_CANDIDATES));
	seq_printf(m, "nr_volatile %llu\n",
		   pagehint_counter_sum(PAGEHINT_MADE_VOLATILE));
	seq_printf(m, "nr_volatile_kept %llu\n",
		   pagehint_counter_sum(PAGEHINT_VOLATILE_KEPT));
	seq_printf(m, "nr_volatile_discarded %llu\n",
		   pagehint_counter_sum(PAGEHINT_VOLATILE_DISCARDED));
	seq_printf(m, "nr_volatile_freed %llu\n",
		   pagehint_counter_sum(PAGEHINT_VOLATILE_FREED));
	seq_printf(m, "nr_volatile_refaulted %llu\n",
		   pagehint_counter_sum(PAGEHINT_REFAULTED));
	seq_printf(m, "nr_volatile_evicted %llu\n",
		   pagehint_counter_sum(PAGEHINT_VOLATILE_EVICTED));
	seq_printf(m, "nr_volatile_impossible %llu\n",
		   pagehint_counter_sum(PAGEHINT_VOLATILE_IMPOSSIBLE));
	seq_printf(m, "nr_faulted_gone %llu\n",
		   pagehint_counter_sum(PAGEHINT_FAULTED_GONE));
	seq_printf(m, "nr_mapped_looked %llu\n",
		   pagehint_counter_sum(PAGEHINT_MAPPED_LOOKED));
	seq_printf(m, "nr_mapped_young %llu\n",
		   pagehint_counter_sum(PAGEHINT_MAPPED_YOUNG));
	seq_printf(m, "nr_mapped_held %llu\n", pagehint_counter_sum(PAGEHINT_MAPPED_HELD));
	seq_printf(m, "nr_mapped_unmapped %llu\n",
		   pagehint_counter_sum(PAGEHINT_MAPPED_UNMAPPED));
	seq_printf(m, "nr_mapped_came_back %llu\n",
		   pagehint_counter_sum(PAGEHINT_MAPPED_CAME_BACK));
	seq_printf(m, "nr_lazyfree_freed %llu\n",
		   pagehint_counter_sum(PAGEHINT_LAZYFREE_FREED));
	seq_printf(m, "nr_lazyfree_kept %llu\n",
		   pagehint_counter_sum(PAGEHINT_LAZYFREE_KEPT));
	seq_printf(m, "nr_swap_volatile %llu\n",
		   pagehint_counter_sum(PAGEHINT_SWAP_VOLATILE));
	seq_printf(m, "nr_swap_kept %llu\n", pagehint_counter_sum(PAGEHINT_SWAP_KEPT));
	seq_printf(m, "nr_swap_lost %llu\n", pagehint_counter_sum(PAGEHINT_SWAP_LOST));
	seq_printf(m, "nr_swap_evicted %llu\n", pagehint_counter_sum(PAGEHINT_SWAP_EVICTED));
#ifdef PAGEHINT_TEST
	seq_printf(m, "nr_mapped_not_stable %llu\n",
		   pagehint_counter_sum(PAGEHINT_MAPPED_NOT_STABLE));
#endif
	if (pagehint_backend->is_gone) {
		show_discard_faults(m);
		show_stay(m);
	}
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int states_show(struct seq_file *m, void *unused)
{
	static const struct {
		u8 state;
		const char *name;
	} names[] = {
		{ PAGEHINT_STABLE, "stable" },
		{ PAGEHINT_RECOVERING, "stable_recovering" },
		{ PAGEHINT_PENDING, "stable_pending" },
		{ PAGEHINT_UNUSED, "unused" },
		{ PAGEHINT_UNUSED | PAGEHINT_ABSENT, "unused_absent" },
		{ PAGEHINT_UNUSED | PAGEHINT_BUSY, "unused_busy" },
		{ PAGEHINT_POTENTIAL, "potential" },
		{ PAGEHINT_VOLATILE, "volatile" },
		{ PAGEHINT_VOLATILE | PAGEHINT_ABSENT, "volatile_absent" },
		{ PAGEHINT_VOLATILE | PAGEHINT_BUSY, "volatile_busy" },
		{ PAGEHINT_UNUSED | PAGEHINT_IN_CALL, "unused_in_call" },
		{ PAGEHINT_VOLATILE | PAGEHINT_IN_CALL, "volatile_in_call" },
	};
	unsigned long nr[PAGEHINT_STATE_MASK + 1] = { 0 }, other = 0, i;
	unsigned int r;

	for (r = 0; r < pagehint_table.nr_ranges; r++) {
		const struct pagehint_range *range = &pagehint_table.ranges[r];
		const u8 *byte = pagehint_table_byte(range->gfn);

		for (i = 0; i < range->nr_frames; i++) {
			nr[READ_ONCE(byte[i]) & PAGEHINT_STATE_MASK]++;
			if (!(i % SZ_64K))
				cond_resched();
		}
	}
	for (i = 0; i < ARRAY_SIZE(names); i++) {
		/* In a table that is shared with the host there is no such state. */
		if (pagehint_is_in_call(names[i].state) && !pagehint_backend->ask)
			continue;
		seq_printf(m, "%s %lu\n", names[i].name, nr[names[i].state]);
		nr[names[i].state] = 0;
	}
	for (i = 0; i < ARRAY_SIZE(nr); i++)
		other += nr[i];
	seq_printf(m, "illegal %lu\n", other);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(states);

static int refused_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	BUILD_BUG_ON(PAGEHINT_REFUSED_LAST - PAGEHINT_REFUSED_FIRST + 1 !=
		     PAGEHINT_NR_REFUSALS);
	for (i = 0; i < PAGEHINT_NR_REFUSALS; i++)
		seq_printf(m, "%s %llu\n", pagehint_refusal_name(i),
			   pagehint_counter_sum(PAGEHINT_REFUSED_FIRST + i));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(refused);

static int backend_show(struct seq_file *m, void *unused)
{
	unsigned int i;

	seq_printf(m, "backend %s\n", pagehint_backend->name);
	seq_printf(m, "frames %lu\n", pagehint_table.nr_frames);
	seq_printf(m, "table_bytes %lu\n", pagehint_table.nr_bytes);
	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		const struct pagehint_range *range = &pagehint_table.ranges[i];

		seq_printf(m, "extent %u gfn %#lx frames %lu node %d\n", i,
			   range->gfn, range->nr_frames, range->node);
	}
	seq_printf(m, "volatile %s\n", pagehint_volatile_phase());
	pagehint_backend->show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(backend);

static int probes_show(struct seq_file *m, void *unused)
{
	pagehint_hooks_show(m, pagehint_unused_hooks, pagehint_nr_unused_hooks);
	pagehint_hooks_show(m, pagehint_volatile_hooks, pagehint_nr_volatile_hooks);
	pagehint_hooks_show(m, pagehint_volatile_free_hooks,
			    pagehint_nr_volatile_free_hooks);
	pagehint_discard_hooks_show(m);
	pagehint_stay_hooks_show(m);
	pagehint_swap_hooks_show(m);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(probes);

/**
 * pagehint_stats_open - show everything in debugfs
 *
 * A kernel without debugfs, or with it locked down, only lacks the files.
 *
 * Context: process; backend and table stay until pagehint_stats_close().
 * Return: 0.
 */
int pagehint_stats_open(void)
{
	directory = debugfs_create_dir("pagehint", NULL);
	if (IS_ERR(directory))
		return 0;
	debugfs_create_file("backend", 0400, directory, NULL, &backend_fops);
	debugfs_create_file("counters", 0400, directory, NULL, &counters_fops);
	debugfs_create_file("states", 0400, directory, NULL, &states_fops);
	debugfs_create_file("refused", 0400, directory, NULL, &refused_fops);
	debugfs_create_file("probes", 0400, directory, NULL, &probes_fops);
	return 0;
}

/**
 * pagehint_stats_close - remove the files; waits for readers
 *
 * Context: process.
 */
void pagehint_stats_close(void)
{
	debugfs_remove_recursive(directory);
	directory = NULL;
}
