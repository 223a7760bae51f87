// SPDX-License-Identifier: GPL-2.0
/*
 * Statistics per VM in debugfs (no ABI): /sys/kernel/debug/pagehint_kvm/PID-N,
 * PID that of the thread that first queried, N a number that makes it unique.
 *
 *   counters	"name value" a line: since the VM's first query
 *   state	the same: what is volatile now, in frames
 */
#include "log.h"

#include <linux/debugfs.h>
#include <linux/err.h>
#include <linux/sched.h>
#include <linux/seq_file.h>

#include "pagehint_kvm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

static struct dentry *root;

static const char * const names[] = {
	[PAGEHINT_STAT_CALLS] = "nr_calls",
	[PAGEHINT_STAT_ERRORS] = "nr_calls_refused",
	[PAGEHINT_STAT_QUERIES] = "nr_queries",
	[PAGEHINT_STAT_RESETS] = "nr_resets",
	[PAGEHINT_STAT_ENTRIES] = "nr_entries",
	[PAGEHINT_STAT_UNUSED] = "nr_unused",
	[PAGEHINT_STAT_VOLATILE] = "nr_volatile",
	[PAGEHINT_STAT_KEPT] = "nr_volatile_kept",
	[PAGEHINT_STAT_DISCARDED] = "nr_volatile_discarded",
	[PAGEHINT_STAT_DROPPED_UNUSED] = "nr_dropped_unused",
	[PAGEHINT_STAT_DROPPED_VOLATILE] = "nr_dropped_volatile",
	[PAGEHINT_STAT_DROP_CALLS] = "nr_drop_calls",
	[PAGEHINT_STAT_DROP_ERRORS] = "nr_drop_errors",
	[PAGEHINT_STAT_HUGE_SKIPPED] = "nr_huge_skipped",
	[PAGEHINT_STAT_HUGE_SPLIT] = "nr_huge_split",
	[PAGEHINT_STAT_NOT_NOW] = "nr_reclaim_not_now",
	[PAGEHINT_STAT_REFUSED_PINNED] = "nr_refused_pinned",
	[PAGEHINT_STAT_REFUSED_SLOT] = "nr_refused_slot",
	[PAGEHINT_STAT_REFUSED_UNMAPPED] = "nr_refused_unmapped",
	[PAGEHINT_STAT_REFUSED_LOCKED] = "nr_refused_locked",
	[PAGEHINT_STAT_REFUSED_SPECIAL] = "nr_refused_special",
	[PAGEHINT_STAT_REFUSED_HUGETLB] = "nr_refused_hugetlb",
	[PAGEHINT_STAT_REFUSED_USERFAULT] = "nr_refused_userfaultfd",
	[PAGEHINT_STAT_REFUSED_FILE] = "nr_refused_file",
	[PAGEHINT_STAT_REFUSED_SHARED] = "nr_refused_shared",
};

static int counters_show(struct seq_file *m, void *unused)
{
	const struct pagehint_vm *vm = m->private;
	unsigned int i;

	BUILD_BUG_ON(ARRAY_SIZE(names) != PAGEHINT_NR_STATS);
	for (i = 0; i < PAGEHINT_NR_STATS; i++)
		seq_printf(m, "%s %lld\n", names[i], atomic64_read(&vm->stats[i]));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static int state_show(struct seq_file *m, void *unused)
{
	const struct pagehint_vm *vm = m->private;
	unsigned int t;

	seq_printf(m, "queried %d\n", READ_ONCE(vm->cookie) != 0);
	for (t = 0; t < PAGEHINT_TEMPERATURES; t++)
		seq_printf(m, "volatile_%u %llu\n", t, READ_ONCE(vm->tally.there[t]));
	seq_printf(m, "volatile_absent %llu\n", READ_ONCE(vm->tally.absent));
	seq_printf(m, "wanted %ld\n", atomic_long_read(&vm->wanted));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(state);

/**
 * pagehint_stats_add - show a VM
 * @vm: the VM; stays until pagehint_stats_remove()
 *
 * Context: the thread of a vCPU; vms_mutex.
 */
void pagehint_stats_add(struct pagehint_vm *vm)
{
	static unsigned int number;	/* under vms_mutex */
	char name[32];

	snprintf(name, sizeof(name), "%d-%u", task_tgid_nr(current), number++);
	vm->directory = debugfs_create_dir(name, root);
	debugfs_create_file("counters", 0400, vm->directory, vm, &counters_fops);
	debugfs_create_file("state", 0400, vm->directory, vm, &state_fops);
}

/**
 * pagehint_stats_remove - waits for readers
 * @vm: the VM
 *
 * Context: process, may sleep.
 */
void pagehint_stats_remove(struct pagehint_vm *vm)
{
	debugfs_remove_recursive(vm->directory);
}

/**
 * pagehint_stats_open - a kernel without debugfs only lacks the files
 *
 * Context: process.
 */
void pagehint_stats_open(void)
{
	root = debugfs_create_dir("pagehint_kvm", NULL);
}

/**
 * pagehint_stats_close - after the last VM
 *
 * Context: process.
 */
void pagehint_stats_close(void)
{
	debugfs_remove_recursive(root);
}
