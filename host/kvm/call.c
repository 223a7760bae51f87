// SPDX-License-Identifier: GPL-2.0
/*
 * One hypercall: whose it is, its arguments, its answer.
 *
 *   RAX  PAGEHINT_HYPERCALL	RBX  the operation	RCX  guest-physical address
 *   RDX  count of entries	RSI  the cookie
 *
 * The guest's kernel chooses all of it. What we do not serve is left to KVM,
 * which answers -KVM_ENOSYS, or -KVM_EPERM to a guest's user space: so to such a
 * guest this module is not there.
 *
 * Context: the vCPU's thread, vcpu->mutex held, in a read-side section of
 * kvm->srcu that KVM holds around every exit. May sleep.
 */
#include "log.h"

#include <linux/kvm_host.h>
#include <linux/sched/signal.h>

#include <compat/kvm.h>

#include "entries.h"
#include "pagehint_kvm.h"
#include "test_points.h"
#include "trace.h"

/* Entries are copied piece by piece, each once: 512 bytes of stack. */
#define PIECE_ENTRIES	32

struct call {
	struct pagehint_vm *vm;
	u64 operation;
	u64 gpa;
	u64 count;
	u64 cookie;
};

/**
 * pagehint_call_is_ours - do we answer this hypercall?
 * @vcpu: that makes it
 *
 * Context: as above; does not sleep.
 * Return: false to leave it to KVM.
 */
bool pagehint_call_is_ours(struct kvm_vcpu *vcpu)
{
	if (likely(vcpu->arch.regs[VCPU_REGS_RAX] != PAGEHINT_HYPERCALL))
		return false;
	if (pagehint_vcpu_encrypted(vcpu))
		return false;
	if (pagehint_vcpu_nested_or_smm(vcpu) || pagehint_vcpu_foreign_calls(vcpu))
		return false;
	if (pagehint_vcpu_cpl(vcpu) && !pagehint_left_out("privilege"))
		return false;
	if (!pagehint_vcpu_long_code(vcpu))
		return false;
	/* KVM sees to it (-EIO); all that we do to memory relies on it. */
	return current->mm == vcpu->kvm->mm;
}

static int covers(void *context, u64 gfn, u64 nr_frames)
{
	struct call *call = context;

	return pagehint_memory_covers(call->vm->kvm, gfn, nr_frames);
}

/*
 * No content and no state: another vCPU that now says that a frame of these is
 * volatile, while it is being dropped, breaks the contract and harms itself.
 */
static int unused(void *context, u64 gfn, u64 nr_frames)
{
	struct call *call = context;
	u64 kept;
	int err;

	err = pagehint_vm_set_stable(call->vm, call->cookie, gfn, nr_frames, &kept);
	if (err)
		return err;
	pagehint_count(call->vm, PAGEHINT_STAT_UNUSED, nr_frames);
	err = pagehint_memory_drop(call->vm, gfn, nr_frames, false);
	/* What cannot be dropped is not the guest's business: it is counted. */
	return err == -EINTR ? err : 0;
}

static int make_volatile(void *context, u64 gfn, u64 nr_frames, u8 temperature)
{
	struct call *call = context;
	int err;

	if (!pagehint_volatile)
		return -EINVAL;
	err = pagehint_vm_set_volatile(call->vm, call->cookie, gfn, nr_frames, temperature);
	if (!err)
		pagehint_count(call->vm, PAGEHINT_STAT_VOLATILE, nr_frames);
	return err;
}

static int forget(void *context, u64 gfn, u64 nr_frames)
{
	struct call *call = context;
	u64 kept;

	return pagehint_vm_set_stable(call->vm, call->cookie, gfn, nr_frames, &kept);
}

/* One answer for all frames of the entry: a folio is whole or it is not. */
static int make_stable(void *context, u64 gfn, u64 nr_frames)
{
	struct call *call = context;
	u64 kept;
	int err;

	err = pagehint_vm_set_stable(call->vm, call->cookie, gfn, nr_frames, &kept);
	if (err)
		return err;
	if (kept == nr_frames || (kept && pagehint_left_out("whole_entry"))) {
		pagehint_count(call->vm, PAGEHINT_STAT_KEPT, nr_frames);
		return PAGEHINT_HC_RESULT_KEPT;
	}
	pagehint_count(call->vm, PAGEHINT_STAT_DISCARDED, nr_frames);
	return PAGEHINT_HC_RESULT_DISCARDED;
}

static bool must_stop(void *context)
{
	cond_resched();
	return signal_pending(current);
}

static const struct pagehint_walk_ops walk_ops = {
	.covers = covers,
	.unused = unused,
	.make_volatile = make_volatile,
	.forget = forget,
	.make_stable = make_stable,
	.must_stop = must_stop,
};

/*
 * What was written is what the guest may believe; where that fails it is told of
 * an error, and everything counts as discarded: the state is stable already.
 */
static int make_stable_piece(struct kvm *kvm, struct pagehint_walk *walk, u64 gpa,
			     struct pagehint_hc_entry *entries, unsigned int nr)
{
	unsigned int done = pagehint_walk_make_stable(walk, entries, nr);

	if (!done)
		return 0;
	return pagehint_write_guest(kvm, gpa, entries, done * sizeof(*entries));
}

static long walk_vector(struct call *call)
{
	struct pagehint_hc_entry entries[PIECE_ENTRIES];
	struct pagehint_walk walk = { .ops = &walk_ops, .context = call };
	struct kvm *kvm = call->vm->kvm;
	unsigned int at = 0, nr;
	int err;

	err = pagehint_check_vector(call->gpa, call->count);
	if (pagehint_left_out("vector"))
		err = 0;
	err = err ?: pagehint_vm_check_cookie(call->vm, call->cookie);
	if (err)
		return err;
	for (; at < call->count && !walk.ended; at += nr) {
		u64 gpa = call->gpa + at * sizeof(entries[0]);

		nr = min_t(unsigned int, call->count - at, PIECE_ENTRIES);
		err = pagehint_read_guest(kvm, gpa, entries, nr * sizeof(entries[0]));
		if (!err && call->operation == PAGEHINT_HC_SET_STATE)
			pagehint_walk_set_state(&walk, entries, nr);
		else if (!err)
			err = make_stable_piece(kvm, &walk, gpa, entries, nr);
		/* Results that the guest may take for ours were not written. */
		if (err && call->operation == PAGEHINT_HC_MAKE_STABLE)
			return -EFAULT;
		if (err) {
			walk.error = -EFAULT;
			break;
		}
	}
	pagehint_count(call->vm, PAGEHINT_STAT_ENTRIES, walk.nr_done);
	if (walk.nr_done)
		return walk.nr_done;
	/* A guest that is about to be killed may call again: it will not. */
	return walk.error == -EINTR ? 0 : walk.error;
}

/*
 * A guest that asks is one that starts: whatever was hinted before, by it or by
 * a kernel before it, is forgotten.
 */
static long query(struct kvm_vcpu *vcpu, u64 gpa)
{
	struct pagehint_hc_query answer = {
		.version = PAGEHINT_VERSION,
		.max_entries = PAGEHINT_MAX_ENTRIES,
		.features = PAGEHINT_F_UNUSED | PAGEHINT_F_ZERO,
	};
	struct pagehint_vm *vm;
	int err;

	err = pagehint_check_query(gpa);
	if (err)
		return err;
	vm = pagehint_vm_find(vcpu->kvm) ?: pagehint_vm_create(vcpu->kvm);
	if (!vm)
		return -PAGEHINT_HC_ENOSYS;
	if (pagehint_volatile)
		answer.features |= PAGEHINT_F_VOLATILE | PAGEHINT_F_TEMPERATURE;
	answer.unused_order = pagehint_memory_preferred_order(vcpu->kvm);
	answer.cookie = pagehint_vm_begin(vm);
	if (!answer.cookie)
		return -PAGEHINT_HC_ENOSYS;
	pagehint_count(vm, PAGEHINT_STAT_QUERIES, 1);
	return pagehint_write_guest(vcpu->kvm, gpa, &answer, sizeof(answer)) ? -EFAULT : 0;
}

static long answer(struct kvm_vcpu *vcpu, struct call *call)
{
	long ret;

	if (call->operation == PAGEHINT_HC_QUERY)
		return query(vcpu, call->gpa);
	if (call->operation != PAGEHINT_HC_SET_STATE &&
	    call->operation != PAGEHINT_HC_MAKE_STABLE)
		return -PAGEHINT_HC_ENOSYS;
	call->vm = pagehint_vm_find(vcpu->kvm);
	if (!call->vm)
		return -ESTALE;
	ret = walk_vector(call);
	/*
	 * A guest that hears of an error cannot tell what we still believe to be
	 * volatile: so nothing is. Under another cookie nothing was.
	 */
	if (ret < 0 && ret != -ESTALE && !pagehint_left_out("forget_at_error"))
		pagehint_vm_reset(call->vm);
	return ret;
}

/**
 * pagehint_call_answer - answer a hypercall in KVM's place
 * @vcpu: that makes it; pagehint_call_is_ours()
 *
 * The registers are the vCPU's own, which only its thread touches.
 *
 * Context: as above.
 * Return: as kvm_emulate_hypercall().
 */
int pagehint_call_answer(struct kvm_vcpu *vcpu)
{
	struct call call = {
		.operation = vcpu->arch.regs[VCPU_REGS_RBX],
		.gpa = vcpu->arch.regs[VCPU_REGS_RCX],
		.count = vcpu->arch.regs[VCPU_REGS_RDX],
		.cookie = vcpu->arch.regs[VCPU_REGS_RSI],
	};
	struct kvm *kvm = vcpu->kvm;
	struct pagehint_vm *vm;
	long ret;
	int idx;

	BUILD_BUG_ON(PAGEHINT_HC_ENOSYS != KVM_ENOSYS);
	BUILD_BUG_ON(PAGEHINT_HC_EINVAL != EINVAL);
	BUILD_BUG_ON(PAGEHINT_HC_EFAULT != EFAULT);
	BUILD_BUG_ON(PAGEHINT_HC_ESTALE != ESTALE);
	/* KVM holds it already; what is done here should not hang on that. */
	idx = srcu_read_lock(&kvm->srcu);
	ret = answer(vcpu, &call);
	srcu_read_unlock(&kvm->srcu, idx);

	trace_pagehint_kvm_call(kvm, call.operation, call.gpa, call.count, ret);
	vm = pagehint_vm_find(kvm);
	if (vm) {
		pagehint_count(vm, PAGEHINT_STAT_CALLS, 1);
		pagehint_count(vm, PAGEHINT_STAT_ERRORS, ret < 0);
	}
	vcpu->arch.regs[VCPU_REGS_RAX] = ret;
	++vcpu->stat.hypercalls;
	return pagehint_skip_instruction(vcpu);
}
