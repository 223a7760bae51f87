// SPDX-License-Identifier: GPL-2.0
/*
 * The VMs that have sent a query, and what is volatile in each.
 *
 * A VM's struct belongs to its struct kvm: made at the first query, taken away by
 * the hook on the VM's destruction or at unload, never before. So whoever is
 * called for a VM finds it and may use it without a reference of its own; all
 * others (reclaim, debugfs) hold vms_mutex or are waited for.
 *
 * The cookie stands for "the host remembers". It changes with each query and
 * becomes 0 at a reset, both together with the blocks and under vm->lock: another
 * CPU sees the old cookie with the old blocks, or the new one with none.
 */
#include "log.h"

#include <linux/jiffies.h>
#include <linux/kvm_host.h>
#include <linux/random.h>
#include <linux/sched/mm.h>
#include <linux/slab.h>

#include "pagehint_kvm.h"
#include "test_points.h"
#include "trace.h"

/* Which VMs there are. Changed under vms_mutex, read under RCU (xa_load). */
DEFINE_MUTEX(pagehint_vms_mutex);
DEFINE_XARRAY(pagehint_vms);

/*
 * No VM gets a cookie any more. Set once, under vms_mutex and before any VM's
 * vm->lock is taken to forget it: whoever holds either later sees it.
 */
static bool refusing;

/* Held while all VMs are taken away: outside of vms_mutex. */
static DEFINE_MUTEX(forget_mutex);

static struct kmem_cache *blocks_cache;

static unsigned long key_of(const struct kvm *kvm)
{
	/* Of a pointer's bits the lowest are no use, and xarrays dislike them. */
	return (unsigned long)kvm >> 3;
}

/**
 * pagehint_vm_find - what is known of a VM
 * @kvm: the VM, which the caller keeps from being destroyed
 *
 * Context: any hook but the one on destruction.
 * Return: it or NULL; stays for as long as the caller keeps the VM.
 */
struct pagehint_vm *pagehint_vm_find(struct kvm *kvm)
{
	return xa_load(&pagehint_vms, key_of(kvm));
}

/* Under vm->lock; leaves nothing that could be dropped or kept. */
static void free_blocks(struct pagehint_vm *vm)
{
	struct pagehint_block *block;
	unsigned long index;

	lockdep_assert_held(&vm->lock);
	xa_for_each(&vm->blocks, index, block) {
		xa_erase(&vm->blocks, index);
		kmem_cache_free(blocks_cache, block);
		cond_resched();
	}
	memset(&vm->tally, 0, sizeof(vm->tally));
}

/**
 * pagehint_vm_create - a VM sends its first query
 * @kvm: the VM
 *
 * Context: the thread of a vCPU of it, may sleep.
 * Return: it, or NULL without memory or after pagehint_vms_refuse().
 */
struct pagehint_vm *pagehint_vm_create(struct kvm *kvm)
{
	struct pagehint_vm *vm;

	mutex_lock(&pagehint_vms_mutex);
	/* Another vCPU of it may have been first. */
	vm = pagehint_vm_find(kvm);
	if (vm || refusing)
		goto out;
	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm)
		goto out;
	vm->kvm = kvm;
	vm->mm = kvm->mm;
	mutex_init(&vm->lock);
	/* Charged to the VMM's memory cgroup, as the blocks are. */
	xa_init_flags(&vm->blocks, XA_FLAGS_ACCOUNT);
	INIT_WORK(&vm->work, pagehint_reclaim_work);
	vm->not_before = jiffies;
	mmgrab(vm->mm);
	if (xa_err(xa_store(&pagehint_vms, key_of(kvm), vm, GFP_KERNEL))) {
		mmdrop(vm->mm);
		kfree(vm);
		vm = NULL;
		goto out;
	}
	pagehint_stats_add(vm);
out:
	mutex_unlock(&pagehint_vms_mutex);
	return vm;
}

/*
 * Takes a VM out, so that nobody else does and reclaim does not find it. Whoever
 * gets it frees it, with no lock held: its work may be waiting for its VMM.
 */
static struct pagehint_vm *take_out(struct kvm *kvm)
{
	struct pagehint_vm *vm;

	mutex_lock(&pagehint_vms_mutex);
	vm = xa_erase(&pagehint_vms, key_of(kvm));
	mutex_unlock(&pagehint_vms_mutex);
	return vm;
}

/* No hook is inside for this VM: it is ours once work and readers are out. */
static void vm_free(struct pagehint_vm *vm)
{
	pagehint_reclaim_cancel(vm);
	pagehint_stats_remove(vm);
	mutex_lock(&vm->lock);
	free_blocks(vm);
	mutex_unlock(&vm->lock);
	xa_destroy(&vm->blocks);
	mmdrop(vm->mm);
	kfree(vm);
}

/**
 * pagehint_vm_destroyed - a VM goes
 * @kvm: the VM: on return nothing of ours uses it
 *
 * Context: whoever drops the last reference, may sleep. Also called for VMs that
 * never sent a query.
 */
void pagehint_vm_destroyed(struct kvm *kvm)
{
	struct pagehint_vm *vm = take_out(kvm);

	if (vm) {
		vm_free(vm);
		return;
	}
	/* An unload that took it out may still wait for work that uses the VM. */
	mutex_lock(&forget_mutex);
	mutex_unlock(&forget_mutex);
}

/**
 * pagehint_vms_refuse - the end of what guests said, while they can still call
 *
 * On return nothing volatile is being dropped nor will be, and nothing that is said
 * from now on is remembered. What the vCPUs of a VM are answered, in this order:
 *
 *   before its turn	as always
 *   after it		-ESTALE to SET_STATE and MAKE_STABLE, -KVM_ENOSYS to QUERY
 *   hooks detached	-KVM_ENOSYS to everything, by KVM
 *
 * A guest that hears either error takes what was volatile for discarded, and puts
 * new content into it at once, on any vCPU. So the turn of a VM is taken under
 * vm->lock, which is held from the choice of a frame to the end of its drop: there
 * is no error before the last drop is over. A query that comes before its VM's turn
 * is refused only after it has made the host forget.
 *
 * A vCPU that is inside its call keeps its struct: pagehint_vms_forget() frees it.
 *
 * Context: process, may sleep for as long as a drop takes.
 */
void pagehint_vms_refuse(void)
{
	struct pagehint_vm *vm;
	unsigned long index;

	mutex_lock(&pagehint_vms_mutex);
	refusing = true;
	xa_for_each(&pagehint_vms, index, vm)
		pagehint_vm_reset(vm);
	mutex_unlock(&pagehint_vms_mutex);
}

/**
 * pagehint_vms_forget - no VM is known any more
 *
 * Context: process, may sleep; after pagehint_vms_refuse(); hooks for vCPUs are
 * detached, the one on the destruction of VMs is not.
 */
void pagehint_vms_forget(void)
{
	struct pagehint_vm *vm;
	unsigned long index = 0;

	mutex_lock(&forget_mutex);
	for (;;) {
		mutex_lock(&pagehint_vms_mutex);
		vm = xa_find(&pagehint_vms, &index, ULONG_MAX, XA_PRESENT);
		if (vm)
			xa_erase(&pagehint_vms, index);
		mutex_unlock(&pagehint_vms_mutex);
		if (!vm)
			break;
		vm_free(vm);
	}
	mutex_unlock(&forget_mutex);
}

/**
 * pagehint_vm_begin - the guest sent a query: forget, and begin anew
 * @vm: the VM
 *
 * Context: process, may sleep.
 * Return: the cookie, random: no other host and no earlier time of this one has
 * given it out. 0: after pagehint_vms_refuse(), and forgotten is all the same.
 */
u64 pagehint_vm_begin(struct pagehint_vm *vm)
{
	u64 cookie;

	do {
		get_random_bytes(&cookie, sizeof(cookie));
	} while (!cookie);
	mutex_lock(&vm->lock);
	free_blocks(vm);
	if (READ_ONCE(refusing))
		cookie = 0;
	vm->cookie = cookie;
	mutex_unlock(&vm->lock);
	return cookie;
}

/**
 * pagehint_vm_look_at - the VMM reads the state of a vCPU
 * @vm: the VM
 *
 * On return nothing volatile is dropped until the guest runs.
 *
 * Context: process, may sleep for as long as a drop takes.
 */
void pagehint_vm_look_at(struct pagehint_vm *vm)
{
	/* Before the lock: reclaim, which takes it for each piece, may be quicker. */
	WRITE_ONCE(vm->looked_at, true);
	mutex_lock(&vm->lock);
	vm->looked_at = true;
	mutex_unlock(&vm->lock);
}

/**
 * pagehint_vm_reset - nothing that this guest said holds any more
 * @vm: the VM
 *
 * On return nothing of it is dropped, and nothing is before its next query.
 *
 * Context: process, may sleep.
 */
void pagehint_vm_reset(struct pagehint_vm *vm)
{
	mutex_lock(&vm->lock);
	if (vm->cookie)
		pagehint_count(vm, PAGEHINT_STAT_RESETS, 1);
	free_blocks(vm);
	if (!pagehint_left_out("reset_cookie"))
		vm->cookie = 0;
	mutex_unlock(&vm->lock);
	trace_pagehint_kvm_reset(vm->kvm);
}

/* Under vm->lock */
static bool cookie_holds(const struct pagehint_vm *vm, u64 cookie)
{
	return (cookie && vm->cookie == cookie) || pagehint_left_out("cookie");
}

/**
 * pagehint_vm_check_cookie - does the host still remember?
 * @vm: the VM
 * @cookie: as the guest gave it
 *
 * Context: process, may sleep. True only of the past: whoever changes state
 * passes the cookie too.
 * Return: 0 or -ESTALE.
 */
int pagehint_vm_check_cookie(struct pagehint_vm *vm, u64 cookie)
{
	int err;

	mutex_lock(&vm->lock);
	err = cookie_holds(vm, cookie) ? 0 : -ESTALE;
	mutex_unlock(&vm->lock);
	return err;
}

/* Under vm->lock. NULL without memory. */
static struct pagehint_block *get_block(struct pagehint_vm *vm, unsigned long index)
{
	struct pagehint_block *block = xa_load(&vm->blocks, index);

	if (block)
		return block;
	/* Direct reclaim from here meets our shrinker, which only queues work. */
	block = kmem_cache_zalloc(blocks_cache, GFP_KERNEL);
	if (block && xa_err(xa_store(&vm->blocks, index, block, GFP_KERNEL))) {
		kmem_cache_free(blocks_cache, block);
		block = NULL;
	}
	return block;
}

/* The part of a range that is in its first block */
static unsigned int in_block(u64 gfn, u64 nr_frames, unsigned int *first)
{
	*first = gfn % PAGEHINT_BLOCK_FRAMES;
	return min_t(u64, nr_frames, PAGEHINT_BLOCK_FRAMES - *first);
}

/**
 * pagehint_vm_set_volatile - the guest can have these contents again
 * @vm: the VM
 * @cookie: as the guest gave it
 * @gfn: first frame, of memory that the guest may hint
 * @nr_frames: how many
 * @temperature: 0 cold .. 15 hot
 *
 * Without memory frames are not remembered, which is as if they were dropped.
 *
 * Context: process, may sleep.
 * Return: 0 or -ESTALE.
 */
int pagehint_vm_set_volatile(struct pagehint_vm *vm, u64 cookie, u64 gfn, u64 nr_frames,
			     u8 temperature)
{
	unsigned int first, nr;
	int err = 0;

	mutex_lock(&vm->lock);
	if (!cookie_holds(vm, cookie)) {
		err = -ESTALE;
		goto out;
	}
	for (; nr_frames; gfn += nr, nr_frames -= nr) {
		struct pagehint_block *block = get_block(vm, gfn >> PAGEHINT_BLOCK_SHIFT);

		nr = in_block(gfn, nr_frames, &first);
		if (block)
			pagehint_block_make_volatile(block, &vm->tally, first, nr, temperature);
	}
out:
	mutex_unlock(&vm->lock);
	return err;
}

/**
 * pagehint_vm_set_stable - these frames are no longer volatile
 * @vm: the VM
 * @cookie: as the guest gave it
 * @gfn: first frame
 * @nr_frames: how many
 * @kept: of how many the content is there
 *
 * A drop that was under way is over on return, and no other follows.
 *
 * Context: process, may sleep, for as long as the drop of 2 MiB takes.
 * Return: 0 or -ESTALE.
 */
int pagehint_vm_set_stable(struct pagehint_vm *vm, u64 cookie, u64 gfn, u64 nr_frames,
			   u64 *kept)
{
	unsigned int first, nr;
	int err = 0;

	*kept = 0;
	mutex_lock(&vm->lock);
	if (!cookie_holds(vm, cookie)) {
		err = -ESTALE;
		goto out;
	}
	for (; nr_frames; gfn += nr, nr_frames -= nr) {
		unsigned long index = gfn >> PAGEHINT_BLOCK_SHIFT;
		struct pagehint_block *block = xa_load(&vm->blocks, index);

		nr = in_block(gfn, nr_frames, &first);
		if (!block)
			continue;
		*kept += pagehint_block_make_stable(block, &vm->tally, first, nr);
		if (!pagehint_block_empty(block))
			continue;
		xa_erase(&vm->blocks, index);
		kmem_cache_free(blocks_cache, block);
	}
out:
	mutex_unlock(&vm->lock);
	return err;
}

/**
 * pagehint_state_open - before the first guest
 *
 * Context: process.
 * Return: 0 or -ENOMEM.
 */
int pagehint_state_open(void)
{
	/* Charged to the VMM's memory cgroup: a guest decides how many there are. */
	blocks_cache = KMEM_CACHE(pagehint_block, SLAB_ACCOUNT);
	return blocks_cache ? 0 : -ENOMEM;
}

/**
 * pagehint_state_close - after pagehint_vms_forget()
 *
 * Context: process.
 */
void pagehint_state_close(void)
{
	kmem_cache_destroy(blocks_cache);
}
