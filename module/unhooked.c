// SPDX-License-Identifier: GPL-2.0
/*
 * Waiting until no task is left inside a function that was entered before it
 * was hooked.
 *
 * A getter that sleeps (__filemap_get_folio(): for the folio lock, for memory)
 * may look the folio up again after it slept. A task that was asleep in it when
 * the hook was attached would so get a folio past the hook. RCU-tasks does not
 * wait for those who sleep; so their stacks are looked at, as livepatch does.
 *
 * After an RCU-tasks grace period everybody else is out: whoever is inside has
 * been asleep in it, or (s390x, where that is a grace period of RCU) gave way in
 * cond_resched(), which is the same here. A task is done with when its stack,
 * looked at while it does not run, does not hold the function but under our
 * wrapper; tasks that cannot be looked at are looked at again, and new ones need
 * not be.
 *
 * Context: process, may sleep. No locks; the walk is under RCU.
 */
#include <pagehint/log.h>

#include <linux/kthread.h>
#include <linux/module.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/stacktrace.h>
#include <linux/wait.h>
#include <linux/delay.h>

#include <compat/call.h>
#include <pagehint/hooks.h>
#include <pagehint/volatile.h>

/* As livepatch; a deeper stack is never decided upon. */
#define MAX_DEPTH	100
/* Tasks that may be undecided at once; with more, all are looked at again. */
#define MAX_SUSPECTS	1024
#define PAUSE_MS	50
/* After so long the log says whom we wait for. */
#define PATIENCE	(30 * HZ)

struct look {
	unsigned long begin, end;
	unsigned long stack[MAX_DEPTH];
};

static int no_call(struct task_struct *task, task_call_f function, void *data)
{
	return -ENOENT;
}

static int no_stack(struct task_struct *task, unsigned long *store, unsigned int size)
{
	return -ENOENT;
}

static int no_size(unsigned long address, unsigned long *size, unsigned long *offset)
{
	return 0;
}

PAGEHINT_CALL_DEFINE(task_call, no_call);
PAGEHINT_CALL_DEFINE(task_stack, no_stack);
PAGEHINT_CALL_DEFINE(symbol_size, no_size);

/**
 * pagehint_unhooked_open - find what is needed of the kernel
 *
 * Context: process, after pagehint_resolve_own().
 * Return: 0, or -EOPNOTSUPP where tasks' stacks cannot be looked at.
 */
int pagehint_unhooked_open(void)
{
	struct pagehint_symbol call = { .name = "task_call_func" };
	struct pagehint_symbol stack = { .name = "stack_trace_save_tsk_reliable" };
	struct pagehint_symbol size = { .name = "kallsyms_lookup_size_offset" };
	struct pagehint_symbol *symbols[] = { &call, &stack, &size };
	unsigned int i;

	if (pagehint_resolve(symbols, ARRAY_SIZE(symbols)))
		return -EOPNOTSUPP;
	for (i = 0; i < ARRAY_SIZE(symbols); i++) {
		if (symbols[i]->definitions != 1)
			return -EOPNOTSUPP;
	}
	PAGEHINT_CALL_SET(task_call, call.address);
	PAGEHINT_CALL_SET(task_stack, stack.address);
	PAGEHINT_CALL_SET(symbol_size, size.address);
	return 0;
}

/**
 * pagehint_symbol_size - how long is a function?
 * @address: its first instruction
 *
 * Context: process, after pagehint_unhooked_open().
 * Return: bytes; 0 if it is not known.
 */
unsigned long pagehint_symbol_size(unsigned long address)
{
	unsigned long size, offset;

	return PAGEHINT_CALL(symbol_size)(address, &size, &offset) ? size : 0;
}

/* The task does not change its state meanwhile. */
static int look_at(struct task_struct *task, void *data)
{
	struct look *look = data;
	int i, nr;

	if (READ_ONCE(task->on_cpu))
		return -EBUSY;
	nr = PAGEHINT_CALL(task_stack)(task, look->stack, MAX_DEPTH);
	if (nr < 0)
		return nr;
	for (i = 0; i < nr; i++) {
		if (look->stack[i] < look->begin || look->stack[i] >= look->end)
			continue;
		/* Called by our wrapper: hooked. */
		if (i + 1 < nr && within_module(look->stack[i + 1], THIS_MODULE))
			continue;
		return -EBUSY;
	}
	return 0;
}

/* Our own threads never rest long enough to be looked at. */
static bool is_own(struct task_struct *task)
{
	return task->flags & PF_KTHREAD && kthread_func(task) &&
	       within_module((unsigned long)kthread_func(task), THIS_MODULE);
}

static bool is_done(struct task_struct *task, struct look *look)
{
	return task == current || is_own(task) ||
	       !PAGEHINT_CALL(task_call)(task, look_at, look);
}

struct suspect {
	struct task_struct *task;
	u64 user_time;
};

/* Returns their number; MAX_SUSPECTS + 1: there are more. */
static unsigned int find_suspects(struct suspect *suspects, struct look *look)
{
	struct task_struct *process, *task;
	unsigned int nr = 0;

	rcu_read_lock();
	for_each_process_thread(process, task) {
		if (is_done(task, look))
			continue;
		if (nr == MAX_SUSPECTS) {
			nr++;
			goto out;
		}
		get_task_struct(task);
		suspects[nr].task = task;
		suspects[nr++].user_time = READ_ONCE(task->utime);
	}
out:
	rcu_read_unlock();
	return nr;
}

/*
 * A task that is always running has no stack to look at. But it has been in
 * user space when its time there grew, and then it is inside nothing.
 */
static bool is_cleared(const struct suspect *suspect, struct look *look)
{
	return READ_ONCE(suspect->task->utime) != suspect->user_time ||
	       READ_ONCE(suspect->task->exit_state) ||
	       is_done(suspect->task, look);
}

static unsigned int drop_cleared(struct suspect *suspects, unsigned int nr,
				 struct look *look, bool all)
{
	unsigned int i, left = 0;

	for (i = 0; i < nr; i++) {
		if (all || is_cleared(&suspects[i], look))
			put_task_struct(suspects[i].task);
		else
			suspects[left++] = suspects[i];
	}
	return left;
}

static void say_whom(const struct suspect *suspect)
{
	pr_info("volatile pages wait for task %s (pid %d), which may be in a page cache lookup since before the hooks\n",
		suspect->task->comm, task_pid_nr(suspect->task));
}

/* Returns true when nobody is left inside. */
static bool wait_for_suspects(struct suspect *suspects, struct look *look,
			      bool (*give_up)(void))
{
	unsigned long since = jiffies;
	unsigned int nr;
	bool said = false;

	do {
		if (give_up())
			return false;
		nr = find_suspects(suspects, look);
		if (nr <= MAX_SUSPECTS)
			break;
		drop_cleared(suspects, MAX_SUSPECTS, look, true);
		msleep(PAUSE_MS);
	} while (true);

	while ((nr = drop_cleared(suspects, nr, look, false)) != 0) {
		if (give_up()) {
			drop_cleared(suspects, nr, look, true);
			return false;
		}
		if (!said && time_after(jiffies, since + PATIENCE)) {
			say_whom(suspects);
			said = true;
		}
		msleep(PAUSE_MS);
	}
	return true;
}

/**
 * pagehint_unhooked_wait - wait for those who were inside before the hook
 * @begin: address of the function
 * @give_up: is asked now and then
 *
 * Context: process, may sleep; after the hook was attached and an RCU-tasks
 * grace period.
 * Return: true when nobody is inside but through the hook; false when told to
 * give up, or without memory.
 */
bool pagehint_unhooked_wait(unsigned long begin, bool (*give_up)(void))
{
	struct suspect *suspects;
	unsigned long size = pagehint_symbol_size(begin);
	struct look *look;
	bool done = false;

	suspects = kvmalloc_array(MAX_SUSPECTS, sizeof(*suspects), GFP_KERNEL);
	look = kmalloc(sizeof(*look), GFP_KERNEL);
	if (suspects && look && size) {
		look->begin = begin;
		look->end = begin + size;
		done = wait_for_suspects(suspects, look, give_up);
	}
	kfree(look);
	kvfree(suspects);
	return done;
}
