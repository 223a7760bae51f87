// SPDX-License-Identifier: GPL-2.0
/*
 * Host memory is short: volatile frames are dropped, coldest first.
 *
 * The shrinker itself only says how many and queues work: it runs in direct
 * reclaim, whose task may hold any lock, the VMM's mmap_lock and our own among
 * them. It reports no frame as freed, as none is yet.
 *
 * The work of one VM holds the VMM's memory (mmget) while it runs, and vm->lock
 * for one piece of a block at a time: a guest that makes a frame stable waits for
 * one do_madvise() of at most 2 MiB.
 *
 * Only while the guest runs, or is halted: a VMM that resets it writes firmware
 * and kernel into frames that are volatile until, last of all, it sets the vCPUs'
 * state, and stops all vCPUs before it begins. A stopped guest keeps its memory.
 */
#include "log.h"

#include <linux/jiffies.h>
#include <linux/kvm_host.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "pagehint_kvm.h"

/* So many pieces in a row that cannot be dropped: the VM is left alone a while. */
#define MAX_REFUSED	64
#define LEFT_ALONE	(10 * HZ)

/* Unbound, one work a VM: a VMM whose memory takes long delays nobody else's. */
static struct workqueue_struct *queue;

/* One look at all blocks for frames of one temperature, from vm->position on */
struct pass {
	struct pagehint_vm *vm;
	u8 temperature;
	unsigned long start;	/* block that it began at */
	unsigned int first;	/* frame of block vm->position to look at next */
	bool wrapped;		/* went on at block 0 */
};

static bool go_to(struct pass *pass, unsigned long index)
{
	if (pass->vm->position != index)
		pass->first = 0;
	pass->vm->position = index;
	return !pass->wrapped || index < pass->start;
}

/* The next piece of the pass, or NULL. Under vm->lock. */
static struct pagehint_block *next_piece(struct pass *pass, unsigned int *nr)
{
	struct pagehint_vm *vm = pass->vm;

	while (vm->tally.there[pass->temperature]) {
		unsigned long index = vm->position;
		struct pagehint_block *block = xa_find(&vm->blocks, &index, ULONG_MAX, XA_PRESENT);

		if (!block) {
			if (pass->wrapped)
				break;
			pass->wrapped = true;
			index = 0;
			if (!go_to(pass, index))
				break;
			continue;
		}
		if (!go_to(pass, index))
			break;
		if (pagehint_block_find(block, pass->temperature, &pass->first, nr))
			return block;
		if (!go_to(pass, index + 1))
			break;
	}
	return NULL;
}

enum outcome {
	DROPPED,
	REFUSED,	/* all of it is there */
	PASS_OVER,	/* nothing more at this temperature */
	NOT_NOW,	/* the guest does not run */
};

/*
 * One piece. Under vm->lock from the choice to the mark: others see the frames
 * volatile before and absent after. A reset or a query in between two pieces is
 * no matter: what is found then is what is volatile then.
 */
static enum outcome drop_one(struct pass *pass)
{
	struct pagehint_vm *vm = pass->vm;
	enum outcome outcome = PASS_OVER;
	struct pagehint_block *block;
	unsigned int nr;
	int idx, err;

	mutex_lock(&vm->lock);
	block = next_piece(pass, &nr);
	if (!block)
		goto out;
	outcome = NOT_NOW;
	if (!pagehint_guest_runs(vm->kvm))
		goto out;
	idx = srcu_read_lock(&vm->kvm->srcu);
	err = pagehint_memory_drop(vm, ((u64)vm->position << PAGEHINT_BLOCK_SHIFT) + pass->first,
				   nr, true);
	srcu_read_unlock(&vm->kvm->srcu, idx);
	outcome = err == -EPERM ? REFUSED : DROPPED;
	if (outcome == DROPPED) {
		pagehint_block_dropped(block, &vm->tally, pass->first, nr);
		atomic_long_sub(nr, &vm->wanted);
	}
	pass->first += nr;
out:
	mutex_unlock(&vm->lock);
	return outcome;
}

/* Until nothing is wanted any more, or there is nothing to be had. */
static void drop_wanted(struct pagehint_vm *vm)
{
	struct pass pass = { .vm = vm, .start = vm->position };
	unsigned int refused = 0;

	while (atomic_long_read(&vm->wanted) > 0) {
		switch (drop_one(&pass)) {
		case DROPPED:
			refused = 0;
			break;
		case REFUSED:
			if (++refused < MAX_REFUSED)
				break;
			/* Of a guest's making, perhaps, and this is not its time. */
			WRITE_ONCE(vm->not_before, jiffies + LEFT_ALONE);
			return;
		case PASS_OVER:
			if (pass.temperature == PAGEHINT_TEMPERATURES - 1)
				return;
			pass.temperature++;
			pass.start = vm->position;
			pass.first = 0;
			pass.wrapped = false;
			break;
		case NOT_NOW:
			return;
		}
		cond_resched();
	}
}

/**
 * pagehint_reclaim_work - drop what was asked for
 * @work: of a VM, which stays until pagehint_reclaim_cancel() has returned
 *
 * Context: workqueue.
 */
void pagehint_reclaim_work(struct work_struct *work)
{
	struct pagehint_vm *vm = container_of(work, struct pagehint_vm, work);

	/* Else the VMM exits: its memory goes without us. */
	if (mmget_not_zero(vm->mm)) {
		drop_wanted(vm);
		/* Not mmput(): the last reference tears a whole VMM down. */
		mmput_async(vm->mm);
	}
	/* Reclaim asks again for what could not be had. */
	atomic_long_set(&vm->wanted, 0);
}

/**
 * pagehint_reclaim_cancel - no work for this VM from now on
 * @vm: the VM, which reclaim does not find any more
 *
 * Context: process, may sleep for as long as a drop takes.
 */
void pagehint_reclaim_cancel(struct pagehint_vm *vm)
{
	atomic_long_set(&vm->wanted, 0);
	cancel_work_sync(&vm->work);
}

/*
 * How many frames not hotter than this could still be asked for. No lock: a
 * guess. What was asked for goes first, as it is the coldest.
 */
static unsigned long left_to_ask(const struct pagehint_vm *vm, unsigned int temperature)
{
	long wanted = max(atomic_long_read(&vm->wanted), 0L);
	unsigned long there = 0;
	unsigned int t;

	if (time_before(jiffies, READ_ONCE(vm->not_before)))
		return 0;
	for (t = 0; t <= temperature; t++)
		there += READ_ONCE(vm->tally.there[t]);
	return there - min_t(unsigned long, there, wanted);
}

static unsigned long count_objects(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long index, nr = 0;
	struct pagehint_vm *vm;

	if (!mutex_trylock(&pagehint_vms_mutex))
		return 0;
	xa_for_each(&pagehint_vms, index, vm)
		nr += left_to_ask(vm, PAGEHINT_TEMPERATURES - 1);
	mutex_unlock(&pagehint_vms_mutex);
	return nr;
}

/* Under vms_mutex: a VM that is found here is taken out later, and then cancelled. */
static unsigned long ask(unsigned long wanted)
{
	unsigned long index, left = wanted;
	struct pagehint_vm *vm;
	unsigned int t;

	for (t = 0; t < PAGEHINT_TEMPERATURES && left; t++) {
		xa_for_each(&pagehint_vms, index, vm) {
			unsigned long nr = min(left, left_to_ask(vm, t));

			if (!nr)
				continue;
			atomic_long_add(nr, &vm->wanted);
			queue_work(queue, &vm->work);
			left -= nr;
		}
	}
	return wanted - left;
}

static unsigned long scan_objects(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long asked;

	if (!mutex_trylock(&pagehint_vms_mutex))
		return SHRINK_STOP;
	asked = ask(control->nr_to_scan);
	mutex_unlock(&pagehint_vms_mutex);
	control->nr_scanned = asked;
	return asked ? 0 : SHRINK_STOP;
}

static struct shrinker shrinker = {
	.count_objects = count_objects,
	.scan_objects = scan_objects,
	.seeks = DEFAULT_SEEKS,
};

/**
 * pagehint_shrinker_open - before the first VM
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int pagehint_shrinker_open(void)
{
	int err;

	queue = alloc_workqueue("pagehint_kvm", WQ_UNBOUND | WQ_MEM_RECLAIM, 0);
	if (!queue)
		return -ENOMEM;
	err = pagehint_shrinker_register(&shrinker);
	if (err)
		destroy_workqueue(queue);
	return err;
}

/**
 * pagehint_shrinker_close - after the last VM
 *
 * Context: process; waits for reclaim that is in the shrinker.
 */
void pagehint_shrinker_close(void)
{
	pagehint_shrinker_unregister(&shrinker);
	destroy_workqueue(queue);
}
