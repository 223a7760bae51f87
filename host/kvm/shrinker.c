// SPDX-License-Identifier: GPL-2.0
/*
 * Host memory is short: volatile frames are dropped, coldest first.
 *
 * The shrinker itself only says how many and queues work: it runs in direct
 * reclaim, whose task may hold any lock, the VMM's mmap_lock and our own among
 * them. It reports no frame as freed, as none is yet.
 *
 * So reclaim may go through all its priorities before the first frame is dropped, and
 * where there is neither swap nor page cache it does not try again: it kills. Just
 * before, it asks our notifier, which waits for the work, but not for ever: the task
 * may hold the very lock that the work needs, a VMM's mmap_lock, or vm->lock where it
 * allocates for a call. What it reports is measured in the VMM's resident memory, not
 * in frames: a guest that makes frames volatile that are not there cannot keep the
 * kernel from killing.
 *
 * The work of one VM holds the VMM's memory (mmget) while it runs, and vm->lock
 * for one piece of a block at a time: a guest that makes a frame stable waits for
 * the drop of 2 MiB at most.
 *
 * Only while the guest runs, or is halted: a VMM that resets it stops all vCPUs,
 * reads their state, writes firmware and kernel into frames that are volatile until
 * then, and last of all sets the vCPUs' state, when all is forgotten. A vCPU in the
 * guest, or halted there, is a running guest. One that waits for a CPU, or handles
 * an exit and is short of memory as all others are, cannot be told from one that the
 * VMM has asked for something else: in both somebody holds its mutex. So that counts
 * as running too, but not from the moment when the VMM reads a vCPU's state, which
 * waits for a drop that is under way, until the guest was seen to run again. A
 * stopped guest keeps its memory.
 */
#include "log.h"

#include <linux/jiffies.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/notifier.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/wait.h>

#include <compat/kvm.h>

#include "pagehint_kvm.h"
#include "test_points.h"

/* So many pieces in a row that cannot be dropped: the VM is left alone a while. */
#define MAX_REFUSED	64
#define LEFT_ALONE	(10 * HZ)

/*
 * The kernel is about to kill: so long it waits for so many pages. On a busy host a
 * worker is slow just then; a process that is killed later is no loss.
 */
#define OOM_PATIENCE	(5 * HZ)
#define OOM_PAGES	512
#define OOM_ASKS_EACH	(HZ / 50)

/* Unbound, one work a VM: a VMM whose memory takes long delays nobody else's. */
static struct workqueue_struct *queue;

/* Pages that VMMs lost by our drops, and how many of them the notifier reported */
static atomic_long_t nr_gained;
static unsigned long nr_reported;	/* under oom_lock, which its caller holds */
static DECLARE_WAIT_QUEUE_HEAD(gained);

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

/* Under vm->lock and in its mm, for one piece; 0, or -EPERM: all of it is there */
static int drop_piece(struct pagehint_vm *vm, u64 gfn, unsigned int nr)
{
	unsigned long before = get_mm_rss(vm->mm), after;
	int idx, err;

	idx = srcu_read_lock(&vm->kvm->srcu);
	err = pagehint_memory_drop(vm, gfn, nr, true);
	srcu_read_unlock(&vm->kvm->srcu, idx);
	/* Others map and unmap meanwhile: an estimate, and never more than the piece. */
	after = get_mm_rss(vm->mm);
	if (after < before) {
		atomic_long_add(min_t(unsigned long, before - after, nr), &nr_gained);
		wake_up(&gained);
	}
	return err;
}

/* Under vm->lock, which a VMM that reads a vCPU's state takes */
static bool guest_runs(struct pagehint_vm *vm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (pagehint_guest_runs(vm->kvm)) {
		vm->looked_at = false;
		return true;
	}
	if (READ_ONCE(vm->looked_at))
		return pagehint_left_out("looked_at");
	kvm_for_each_vcpu(i, vcpu, vm->kvm) {
		if (mutex_is_locked(&vcpu->mutex))
			return true;
	}
	return pagehint_left_out("guest_runs");
}

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
	u64 gfn;

	mutex_lock(&vm->lock);
	block = next_piece(pass, &nr);
	if (!block)
		goto out;
	outcome = NOT_NOW;
	if (!guest_runs(vm))
		goto out;
	pagehint_test_pause("drop");
	gfn = ((u64)vm->position << PAGEHINT_BLOCK_SHIFT) + pass->first;
	outcome = drop_piece(vm, gfn, nr) == -EPERM ? REFUSED : DROPPED;
	if (outcome == DROPPED) {
		if (!pagehint_left_out("absent"))
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
		pagehint_test_pause("piece");
		switch (drop_one(&pass)) {
		case DROPPED:
			refused = 0;
			break;
		case REFUSED:
			if (++refused < MAX_REFUSED)
				break;
			/* Of a guest's making, perhaps, and this is not its time. */
			if (!pagehint_left_out("left_alone"))
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
			pagehint_count(vm, PAGEHINT_STAT_NOT_NOW, 1);
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
	wake_up(&gained);
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

/* Not hotter than this; no lock: a guess */
static unsigned long volatile_frames(const struct pagehint_vm *vm, unsigned int temperature)
{
	unsigned long there = 0;
	unsigned int t;

	for (t = 0; t <= temperature; t++)
		there += READ_ONCE(vm->tally.there[t]);
	return there;
}

/*
 * How many frames not hotter than this could still be asked for. No lock: a
 * guess. What was asked for goes first, as it is the coldest.
 */
static unsigned long left_to_ask(const struct pagehint_vm *vm, unsigned int temperature)
{
	long wanted = max(atomic_long_read(&vm->wanted), 0L);
	unsigned long there;

	if (time_before(jiffies, READ_ONCE(vm->not_before)))
		return 0;
	there = volatile_frames(vm, temperature);
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
	unsigned int t = pagehint_left_out("coldest_first") ? PAGEHINT_TEMPERATURES - 1 : 0;

	for (; t < PAGEHINT_TEMPERATURES && left; t++) {
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

#ifdef PAGEHINT_TEST
/* As scan_objects(), of exactly so many. */
void pagehint_reclaim_ask(unsigned long wanted)
{
	mutex_lock(&pagehint_vms_mutex);
	ask(wanted);
	mutex_unlock(&pagehint_vms_mutex);
}
#endif

/*
 * Ask for everything. True if anything is volatile: whether it can be dropped is not
 * known here, as of a guest that pauses.
 */
static bool ask_for_all(void)
{
	unsigned long index;
	struct pagehint_vm *vm;
	bool any = false;

	/* Its holder may be the task that is out of memory, or wait for it. */
	if (!mutex_trylock(&pagehint_vms_mutex))
		return true;
	/* Whoever was left alone: better a look in vain than a process killed. */
	xa_for_each(&pagehint_vms, index, vm)
		WRITE_ONCE(vm->not_before, jiffies);
	ask(ULONG_MAX);
	xa_for_each(&pagehint_vms, index, vm)
		any |= volatile_frames(vm, PAGEHINT_TEMPERATURES - 1) != 0;
	mutex_unlock(&pagehint_vms_mutex);
	return any;
}

/* Pages gained that were not reported yet */
static unsigned long unreported(void)
{
	return atomic_long_read(&nr_gained) - nr_reported;
}

/*
 * The kernel kills a process if nobody reports pages here. What was gained since the
 * last report counts too: the allocation that failed may have come before. Time
 * passes only where there is something to drop.
 */
static int before_kill(struct notifier_block *block, unsigned long unused, void *freed)
{
	const unsigned long deadline = jiffies + OOM_PATIENCE;
	unsigned long nr;

	while (unreported() < OOM_PAGES && ask_for_all() && time_before(jiffies, deadline)) {
		if (wait_event_killable_timeout(gained, unreported() >= OOM_PAGES,
						OOM_ASKS_EACH) < 0)
			break;
	}
	nr = unreported();
	nr_reported += nr;
	*(unsigned long *)freed += nr;
	return NOTIFY_OK;
}

static struct notifier_block oom_block = { .notifier_call = before_kill };

static struct shrinker shrinker = {
	.count_objects = count_objects,
	.scan_objects = scan_objects,
	.seeks = DEFAULT_SEEKS,
	/* What is dropped at a time: reclaim that asks for less gets more. */
	.batch = PAGEHINT_BLOCK_FRAMES,
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

	queue = alloc_workqueue("pagehint_kvm", WQ_UNBOUND | WQ_MEM_RECLAIM | WQ_HIGHPRI, 0);
	if (!queue)
		return -ENOMEM;
	err = pagehint_shrinker_register(&shrinker);
	if (err)
		goto destroy;
	if (pagehint_left_out("oom_notifier"))
		return 0;
	err = register_oom_notifier(&oom_block);
	if (err)
		goto unregister;
	return 0;

unregister:
	pagehint_shrinker_unregister(&shrinker);
destroy:
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
	if (!pagehint_left_out("oom_notifier"))
		unregister_oom_notifier(&oom_block);
	pagehint_shrinker_unregister(&shrinker);
	destroy_workqueue(queue);
}
