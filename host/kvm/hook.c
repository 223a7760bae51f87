// SPDX-License-Identifier: GPL-2.0
/*
 * Where the module is attached to KVM, and how it comes off again.
 *
 *   kvm_emulate_hypercall		a call with our number, from a guest we
 *					serve, is answered in its place; any other
 *					goes on in KVM as if nobody were here
 *   kvm_arch_vcpu_ioctl_get_mpstate	before it: the VMM may be about to reset the VM
 *   kvm_arch_vcpu_ioctl_set_mpstate	before it: the VMM resets the VM
 *   kvm_arch_pre_destroy_vm		before it: the VM goes
 *
 * All are direct calls from the functions' ftrace sites, as in the guest's
 * module (probes/attach.c says why not callbacks with IPMODIFY: BPF trampolines
 * at the same site break those). A direct call that returns goes on in the
 * function: so nothing is ever called past a site or twice, no CPU sleeps in
 * KVM's code with a frame of ours on its stack, and there is no redirection that
 * could meet itself. One user has a site: another one, fentry programs of BPF and
 * livepatch among them, gets -EBUSY, and so do we if we come second.
 *
 * Functions here may sleep, so ftrace's own grace period does not cover them:
 * they count who is inside.
 *
 * Context: process; main.c serialises.
 */
#include "log.h"

#include <linux/delay.h>
#include <linux/kvm_host.h>
#include <linux/percpu.h>
#include <linux/rcupdate.h>

#include <compat/ftrace.h>
#include <compat/kvm.h>

#include "entry.h"
#include "pagehint_kvm.h"
#include "test_points.h"

/*
 * Entries minus exits, by CPU: a task may come out on another one, so only the
 * sum means anything, and only while no new task comes in: apart for hooks that are
 * detached apart. Read by wait_for_callers() alone, after a grace period that makes
 * all entries visible.
 */
enum caller {
	CALLER_VCPU,
	CALLER_DESTROY,
	NR_CALLERS,
};

static DEFINE_PER_CPU(long [NR_CALLERS], inside);

/*
 * Between the site and the first line here, and between the last line and the
 * site's function, a task does not sleep: RCU-tasks covers both.
 */
static void enter(enum caller caller)
{
	this_cpu_inc(inside[caller]);
}

static void leave(enum caller caller)
{
	this_cpu_dec(inside[caller]);
}

static noinline __used bool call_is_ours(struct kvm_vcpu *vcpu)
{
	return pagehint_call_is_ours(vcpu);
}

static noinline __used int call_answer(struct kvm_vcpu *vcpu)
{
	int ret;

	enter(CALLER_VCPU);
	ret = pagehint_call_answer(vcpu);
	leave(CALLER_VCPU);
	return ret;
}

/*
 * QEMU reads the state of every vCPU after all have stopped, and before it writes to
 * memory (qemu_system_reset(), cpu_synchronize_all_states()). Under vcpu->mutex.
 */
static noinline __used void state_is_read(struct kvm_vcpu *vcpu)
{
	struct pagehint_vm *vm;

	enter(CALLER_VCPU);
	vm = pagehint_vm_find(vcpu->kvm);
	if (vm)
		pagehint_vm_look_at(vm);
	leave(CALLER_VCPU);
}

/*
 * Any state that the VMM sets means that the guest does not simply run on: QEMU
 * sets it at reset and after loading a snapshot, never in between. Comes before
 * the state is set, under vcpu->mutex.
 */
static noinline __used void state_is_set(struct kvm_vcpu *vcpu)
{
	struct pagehint_vm *vm;

	enter(CALLER_VCPU);
	vm = pagehint_vm_find(vcpu->kvm);
	if (vm && !pagehint_left_out("reset"))
		pagehint_vm_reset(vm);
	leave(CALLER_VCPU);
}

/* The last reference to the VM is gone: no vCPU of it is anywhere. */
static noinline __used void vm_is_destroyed(struct kvm *kvm)
{
	enter(CALLER_DESTROY);
	pagehint_vm_destroyed(kvm);
	leave(CALLER_DESTROY);
}

PAGEHINT_TAKING_ENTRY(pagehint_kvm_call_entry, call_is_ours, call_answer);
PAGEHINT_LOOKING_ENTRY(pagehint_kvm_get_entry, state_is_read);
PAGEHINT_LOOKING_ENTRY(pagehint_kvm_mpstate_entry, state_is_set);
PAGEHINT_LOOKING_ENTRY(pagehint_kvm_destroy_entry, vm_is_destroyed);

/* One argument is looked at; that of kvm_emulate_hypercall() is in no header of 7.2. */
static_assert(__same_type(kvm_arch_pre_destroy_vm, void (struct kvm *)));
static_assert(__same_type(kvm_arch_vcpu_ioctl_get_mpstate,
			  int (struct kvm_vcpu *, struct kvm_mp_state *)));
static_assert(__same_type(kvm_arch_vcpu_ioctl_set_mpstate,
			  int (struct kvm_vcpu *, struct kvm_mp_state *)));

struct hook {
	const char *target;
	const unsigned long *function;
	void (*entry)(void);
	unsigned long site;
	struct ftrace_ops ops;
	bool attached;
};

enum {
	HOOK_DESTROY,
	HOOK_GET,
	HOOK_MPSTATE,
	HOOK_CALL,
	NR_HOOKS,
};

/* In the order of attaching: nothing is taken on that is not let go of. */
static struct hook hooks[NR_HOOKS] = {
	[HOOK_DESTROY] = {
		.target = "kvm_arch_pre_destroy_vm",
		.function = &pagehint_symbols.pre_destroy_vm,
		.entry = pagehint_kvm_destroy_entry,
	},
	[HOOK_GET] = {
		.target = "kvm_arch_vcpu_ioctl_get_mpstate",
		.function = &pagehint_symbols.get_mpstate,
		.entry = pagehint_kvm_get_entry,
	},
	[HOOK_MPSTATE] = {
		.target = "kvm_arch_vcpu_ioctl_set_mpstate",
		.function = &pagehint_symbols.set_mpstate,
		.entry = pagehint_kvm_mpstate_entry,
	},
	[HOOK_CALL] = {
		.target = "kvm_emulate_hypercall",
		.function = &pagehint_symbols.emulate_hypercall,
		.entry = pagehint_kvm_call_entry,
	},
};

/*
 * From 6.5 on, direct calls come off without a word when kernel.ftrace_enabled is set to
 * 0; before, that was refused. Guests would hear that nobody answers, while what they
 * hinted is dropped; resets would go by unseen. So it is held at 1 by the means that
 * livepatch has for it, on a function that nobody calls.
 */
static noinline __used void anchor(void)
{
	barrier();
}

static notrace void anchor_called(unsigned long ip, unsigned long parent,
				  struct ftrace_ops *ops, struct ftrace_regs *regs)
{
}

static struct ftrace_ops anchor_ops = {
	.func = anchor_called,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

static int hold_ftrace(void)
{
	int err = ftrace_set_filter_ip(&anchor_ops, pagehint_ftrace_site((unsigned long)anchor),
				       0, 0) ?:
		  register_ftrace_function(&anchor_ops);

	if (!err)
		return 0;
	ftrace_free_filter(&anchor_ops);
	if (err == -EBUSY)
		pr_err("kernel.ftrace_enabled is 0, and without ftrace KVM cannot be hooked: write 1 there, then load pagehint_kvm again\n");
	else
		pr_err("ftrace does not take our own function (error %d): report it with the kernel's version\n",
		       err);
	return err;
}

static void release_ftrace(void)
{
	unregister_ftrace_function(&anchor_ops);
	ftrace_free_filter(&anchor_ops);
}

static int attach(struct hook *hook)
{
	int err;

	hook->site = pagehint_ftrace_site(*hook->function);
	if (!hook->site) {
		pr_err("%s cannot be traced: KVM must be built with CONFIG_FUNCTION_TRACER\n",
		       hook->target);
		return -ENOENT;
	}
	err = pagehint_direct_register(&hook->ops, hook->site, (unsigned long)hook->entry);
	if (err == -EBUSY)
		pr_err("%s has another user (a BPF fentry or fexit program, or a livepatch): remove it, then load pagehint_kvm again\n",
		       hook->target);
	else if (err)
		pr_err("ftrace does not hook %s (error %d): report it with the kernel's version\n",
		       hook->target, err);
	hook->attached = !err;
	return err;
}

static void detach(struct hook *hook)
{
	int err, tries = 0;

	if (!hook->attached)
		return;
	/* KVM calls into this module for as long as this fails. */
	while ((err = pagehint_direct_unregister(&hook->ops, hook->site,
						 (unsigned long)hook->entry)) != 0) {
		if (!(tries++ % 60))
			pr_err("ftrace does not release %s (error %d): the module stays until it does; reboot to get rid of it\n",
			       hook->target, err);
		msleep(1000);
	}
	hook->attached = false;
}

static long nr_inside(enum caller caller)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(inside, cpu)[caller]);
	return sum;
}

/*
 * After this no CPU runs our code on behalf of a hook that was detached. A task
 * may have left the site and not be counted yet, or be uncounted and not yet
 * have returned: a grace period for each.
 */
static void wait_for_callers(enum caller caller)
{
	synchronize_rcu_tasks();
	while (nr_inside(caller))
		msleep(20);
	synchronize_rcu_tasks();
}

/**
 * pagehint_hooks_detach_calls - no guest reaches us any more
 *
 * Context: process, may sleep for as long as a drop takes.
 */
void pagehint_hooks_detach_calls(void)
{
	detach(&hooks[HOOK_CALL]);
	detach(&hooks[HOOK_MPSTATE]);
	detach(&hooks[HOOK_GET]);
	wait_for_callers(CALLER_VCPU);
}

/**
 * pagehint_hooks_detach_destroy - VMs come and go without us
 *
 * Context: process, may sleep; no VM is known any more.
 */
void pagehint_hooks_detach_destroy(void)
{
	detach(&hooks[HOOK_DESTROY]);
	wait_for_callers(CALLER_DESTROY);
	release_ftrace();
}

/**
 * pagehint_hooks_attach - attach to KVM
 *
 * Context: process, may sleep; KVM stays until this returns.
 * Return: 0, or an error with nothing attached and a line in the log.
 */
int pagehint_hooks_attach(void)
{
	unsigned int i;
	int err;

	err = hold_ftrace();
	if (err)
		return err;
	for (i = 0; i < NR_HOOKS; i++) {
		err = attach(&hooks[i]);
		if (err) {
			pagehint_hooks_detach_calls();
			/* A guest may have been quick. */
			pagehint_vms_forget();
			pagehint_hooks_detach_destroy();
			return err;
		}
	}
	return 0;
}
