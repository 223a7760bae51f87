/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the host module know of each other.
 *
 * Owners and locks, outermost first:
 *   control_mutex (main.c)	load, unload, kvm.ko going away
 *   vcpu->mutex (KVM's)	held by whoever calls us for a vCPU
 *   forget_mutex (state.c)	all VMs are taken away
 *   vms_mutex (state.c)	which VMs there are
 *   vm->lock			cookie, map and tally of one VM; also held while one
 *				of its volatile pieces is dropped
 *   mmap_lock of the VM's mm	taken inside, by do_madvise() and by accesses to
 *				guest memory
 * kvm->srcu is held around every use of memory slots and never waited for.
 * Nothing here may be taken by direct reclaim: the shrinker only tries
 * vms_mutex and queues work, and so does the OOM notifier, which then waits, for a
 * limited time.
 */
#ifndef _PAGEHINT_KVM_H
#define _PAGEHINT_KVM_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/types.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include "block.h"

struct dentry;
struct kvm;
struct kvm_vcpu;
struct mm_struct;
struct vm_area_struct;

/* In the order of the names in stats.c */
enum pagehint_stat {
	PAGEHINT_STAT_CALLS,		/* hypercalls answered */
	PAGEHINT_STAT_ERRORS,		/* those of them answered with an error */
	PAGEHINT_STAT_QUERIES,
	PAGEHINT_STAT_RESETS,		/* times the state was given up at a reset */
	PAGEHINT_STAT_ENTRIES,		/* entries done */
	PAGEHINT_STAT_UNUSED,		/* frames hinted as unused */
	PAGEHINT_STAT_VOLATILE,		/* frames hinted as volatile */
	PAGEHINT_STAT_KEPT,		/* frames made stable with their content */
	PAGEHINT_STAT_DISCARDED,	/* frames made stable without */
	PAGEHINT_STAT_DROPPED_UNUSED,	/* frames given to do_madvise() */
	PAGEHINT_STAT_DROPPED_VOLATILE,
	PAGEHINT_STAT_DROP_CALLS,	/* calls of do_madvise() */
	PAGEHINT_STAT_DROP_ERRORS,	/* those of them that failed */
	PAGEHINT_STAT_HUGE_SKIPPED,	/* frames not dropped: would split a huge page */
	PAGEHINT_STAT_HUGE_SPLIT,	/* frames dropped out of a huge page */
	PAGEHINT_STAT_NOT_NOW,		/* times reclaim found that the guest does not run */
	PAGEHINT_STAT_REFUSED_PINNED,	/* frames not dropped, by reason */
	PAGEHINT_STAT_REFUSED_SLOT,
	PAGEHINT_STAT_REFUSED_UNMAPPED,
	PAGEHINT_STAT_REFUSED_LOCKED,
	PAGEHINT_STAT_REFUSED_SPECIAL,
	PAGEHINT_STAT_REFUSED_HUGETLB,
	PAGEHINT_STAT_REFUSED_USERFAULT,
	PAGEHINT_STAT_REFUSED_FILE,
	PAGEHINT_STAT_REFUSED_SHARED,
	PAGEHINT_NR_STATS,
};

/**
 * struct pagehint_vm - a VM that has sent a query
 * @kvm: the VM: alive for as long as this is, as the hook on its destruction
 *	 takes this away first
 * @mm: its VMM's memory, with a reference that keeps the struct (mmgrab)
 * @lock: of what follows up to @looked_at
 * @cookie: under which the guest's hints hold; 0: none do, until it queries
 * @blocks: struct pagehint_block by gfn >> PAGEHINT_BLOCK_SHIFT
 * @tally: the sum of @blocks; read without the lock by the shrinker and by
 *	   debugfs, to whom an old value does no harm
 * @looked_at: the VMM has read a vCPU's state, and the guest was not seen since then
 * @work: drops @wanted frames
 * @wanted: volatile frames that reclaim asked for and that are not dropped yet
 * @position: block at which @work goes on; only @work uses it
 * @not_before: jiffies until which reclaim leaves this VM alone, as nothing of it
 *		could be dropped; written by @work, read at any time
 * @stats: any context
 * @directory: in debugfs
 */
struct pagehint_vm {
	struct kvm *kvm;
	struct mm_struct *mm;
	struct mutex lock;	/* of cookie, blocks, tally and looked_at */
	u64 cookie;
	struct xarray blocks;
	struct pagehint_tally tally;
	bool looked_at;
	struct work_struct work;
	atomic_long_t wanted;
	unsigned long position;
	unsigned long not_before;
	atomic64_t stats[PAGEHINT_NR_STATS];
	struct dentry *directory;
};

static inline void pagehint_count(struct pagehint_vm *vm, enum pagehint_stat stat, u64 n)
{
	atomic64_add(n, &vm->stats[stat]);
}

/* main.c: parameters */
extern bool pagehint_lazy;
extern bool pagehint_shared;
extern bool pagehint_volatile;
extern int pagehint_order;

/* symbols.c: functions of KVM and of the kernel that modules cannot link to */
struct pagehint_kvm_symbols {
	unsigned long emulate_hypercall;
	unsigned long get_mpstate;
	unsigned long set_mpstate;
	unsigned long pre_destroy_vm;
};

extern struct pagehint_kvm_symbols pagehint_symbols;

struct module *pagehint_symbols_find(void);
unsigned long pagehint_ftrace_site(unsigned long address);
int pagehint_vcpu_cpl(struct kvm_vcpu *vcpu);
bool pagehint_vcpu_long_code(struct kvm_vcpu *vcpu);
int pagehint_read_guest(struct kvm *kvm, u64 gpa, void *data, unsigned long bytes);
int pagehint_write_guest(struct kvm *kvm, u64 gpa, const void *data, unsigned long bytes);
int pagehint_skip_instruction(struct kvm_vcpu *vcpu);
int pagehint_madvise(struct mm_struct *mm, unsigned long start, size_t bytes, int advice);
void pagehint_zap(struct vm_area_struct *vma, unsigned long start, unsigned long bytes);
bool pagehint_huge_pages_possible(unsigned long vm_flags);

/* hook.c */
int pagehint_hooks_attach(void);
void pagehint_hooks_detach_calls(void);
void pagehint_hooks_detach_destroy(void);

/* call.c */
bool pagehint_call_is_ours(struct kvm_vcpu *vcpu);
int pagehint_call_answer(struct kvm_vcpu *vcpu);

/* memory.c: kvm->srcu is held */
int pagehint_memory_covers(struct kvm *kvm, u64 gfn, u64 nr_frames);
int pagehint_memory_drop(struct pagehint_vm *vm, u64 gfn, u64 nr_frames, bool is_volatile);
unsigned int pagehint_memory_preferred_order(struct kvm *kvm);

/* state.c */
extern struct mutex pagehint_vms_mutex;
extern struct xarray pagehint_vms;

int pagehint_state_open(void);
void pagehint_state_close(void);
struct pagehint_vm *pagehint_vm_find(struct kvm *kvm);
struct pagehint_vm *pagehint_vm_create(struct kvm *kvm);
void pagehint_vm_destroyed(struct kvm *kvm);
void pagehint_vms_refuse(void);
void pagehint_vms_forget(void);
u64 pagehint_vm_begin(struct pagehint_vm *vm);
void pagehint_vm_look_at(struct pagehint_vm *vm);
void pagehint_vm_reset(struct pagehint_vm *vm);
int pagehint_vm_check_cookie(struct pagehint_vm *vm, u64 cookie);
int pagehint_vm_set_volatile(struct pagehint_vm *vm, u64 cookie, u64 gfn, u64 nr_frames,
			     u8 temperature);
int pagehint_vm_set_stable(struct pagehint_vm *vm, u64 cookie, u64 gfn, u64 nr_frames,
			   u64 *kept);

/* shrinker.c */
int pagehint_shrinker_open(void);
void pagehint_shrinker_close(void);
void pagehint_reclaim_work(struct work_struct *work);
void pagehint_reclaim_cancel(struct pagehint_vm *vm);
#ifdef PAGEHINT_TEST
void pagehint_reclaim_ask(unsigned long wanted);
#endif

/* stats.c */
void pagehint_stats_open(void);
void pagehint_stats_close(void);
void pagehint_stats_add(struct pagehint_vm *vm);
void pagehint_stats_remove(struct pagehint_vm *vm);

#endif /* _PAGEHINT_KVM_H */
