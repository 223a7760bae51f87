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
 */
#include "log.h"

#include <linux/kvm_host.h>
#include <linux/sched/mm.h>

#include "compat.h"
#include "pagehint_kvm.h"

/* Unbound, one work a VM: a VMM whose memory takes long delays nobody else's. */
static struct workqueue_struct *queue;

/* The position of one work: nothing else remembers it. */
struct cursor {
	unsigned long index;	/* of the block */
	unsigned int first;	/* frame of it to look at next */
	u8 temperature;
};

/*
 * One piece, if there is one left at this temperature. Returns how many frames
 * were looked at: those that cannot be dropped count too, so that it ends.
 *
 * Under vm->lock from the choice to the mark: others see the frames volatile
 * before and absent after. A reset or a query in between two pieces is no
 * matter: what is found then is what is volatile then.
 */
static unsigned int drop_one(struct pagehint_vm *vm, struct cursor *cursor)
{
	struct pagehint_block *block;
	unsigned int nr = 0;
	int idx, err;

	mutex_lock(&vm->lock);
	if (!vm->tally.there[cursor->temperature])
		goto out;
	for (;;) {
		unsigned long index = cursor->index;

		block = xa_find(&vm->blocks, &index, ULONG_MAX, XA_PRESENT);
		if (!block)
			goto out;
		if (index != cursor->index)
			cursor->first = 0;
		cursor->index = index;
		if (pagehint_block_find(block, cursor->temperature, &cursor->first, &nr))
			break;
		cursor->index++;
		cursor->first = 0;
	}
	idx = srcu_read_lock(&vm->kvm->srcu);
	err = pagehint_memory_drop(vm, ((u64)cursor->index << PAGEHINT_BLOCK_SHIFT) + cursor->first,
				   nr, true);
	srcu_read_unlock(&vm->kvm->srcu, idx);
	/* All content is surely there: still kept, and tried again another time. */
	if (err != -EPERM)
		pagehint_block_dropped(block, &vm->tally, cursor->first, nr);
	cursor->first += nr;
out:
	mutex_unlock(&vm->lock);
	return nr;
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
	long wanted = atomic_long_xchg(&vm->wanted, 0);
	struct cursor cursor = { .temperature = 0 };

	/* The VMM exits: its memory goes without us. */
	if (!mmget_not_zero(vm->mm))
		return;
	while (wanted > 0 && cursor.temperature < PAGEHINT_TEMPERATURES) {
		unsigned int nr = drop_one(vm, &cursor);

		if (nr) {
			wanted -= nr;
		} else {
			cursor.temperature++;
			cursor.index = 0;
			cursor.first = 0;
		}
		cond_resched();
	}
	/* Not mmput(): the last reference tears a whole VMM down. */
	mmput_async(vm->mm);
}

/**
 * pagehint_reclaim_cancel - no work for this VM from now on
 * @vm: the VM, which cannot be found any more
 *
 * Context: process, may sleep; vms_mutex, under which work is queued.
 */
void pagehint_reclaim_cancel(struct pagehint_vm *vm)
{
	/* What is under way stops at the next piece, for lack of anything wanted. */
	cancel_work_sync(&vm->work);
}

/* Frames of all VMs that could go; no lock: a guess. */
static unsigned long count_objects(struct shrinker *shrinker, struct shrink_control *control)
{
	unsigned long index, nr = 0;
	struct pagehint_vm *vm;
	unsigned int t;

	if (!mutex_trylock(&pagehint_vms_mutex))
		return 0;
	xa_for_each(&pagehint_vms, index, vm) {
		for (t = 0; t < PAGEHINT_TEMPERATURES; t++)
			nr += READ_ONCE(vm->tally.there[t]);
	}
	mutex_unlock(&pagehint_vms_mutex);
	return nr;
}

/* Under vms_mutex: a VM that is found here is not yet being freed. */
static unsigned long ask(unsigned long wanted)
{
	unsigned long index, left = wanted;
	struct pagehint_vm *vm;
	unsigned int t;

	for (t = 0; t < PAGEHINT_TEMPERATURES && left; t++) {
		xa_for_each(&pagehint_vms, index, vm) {
			unsigned long nr = min_t(unsigned long, left,
						 READ_ONCE(vm->tally.there[t]));

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
