// SPDX-License-Identifier: GPL-2.0
/*
 * Attaching to tracepoints and functions, detaching, and the proof at load
 * that an attached hook takes effect.
 *
 * ftrace hooks are PERMANENT, so that sysctl kernel.ftrace_enabled=0 cannot
 * remove them while frames are hinted, and without FL_RECURSION, which would
 * skip our callback inside another one.
 *
 * Wrappers are direct calls, which the kernel holds permanent too, and no
 * IPMODIFY callbacks as those of livepatch: a callback shares its site with BPF
 * trampolines, and attaching fentry and then fexit programs to a function that
 * an IPMODIFY user has is an error of the kernel (seen with 6.1.192:
 * bpf_trampoline_update() clears the func of an ftrace_ops in use), after which
 * ftrace passes callbacks by. For us every page missed is a page destroyed.
 *
 * Context: process; the caller serialises (module/control.c: control_mutex).
 * Detaching order, for every hook: no new call comes in; calls that are inside
 * come out; only then may what they use be taken away.
 */
#include <pagehint/log.h>

#include <linux/delay.h>
#include <linux/rcupdate.h>
#include <linux/string.h>

#include <compat/call.h>
#include <compat/ftrace.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>

DEFINE_PER_CPU(long [PAGEHINT_NR_INSIDE], pagehint_inside);

static void find_tracepoint(struct tracepoint *tracepoint, void *data)
{
	struct pagehint_hook *hook = data;

	if (!strcmp(tracepoint->name, hook->target))
		hook->tracepoint = tracepoint;
}

/* Known once it was looked for. */
static bool missing(const struct pagehint_hook *hook)
{
	return hook->optional && !hook->symbol.definitions;
}

/**
 * pagehint_hooks_find - find the targets of hooks in this kernel
 * @hooks: the hooks
 * @nr: how many
 *
 * Context: process, may sleep.
 * Return: 0, or an error with a line in the log: but for optional ones, every
 * hook here is one that the safety of hints hangs on.
 */
int pagehint_hooks_find(struct pagehint_hook *hooks, unsigned int nr)
{
	struct pagehint_symbol *symbols[16];
	char why[PAGEHINT_WHY_BYTES];
	unsigned int i, n = 0;
	int err;

	for (i = 0; i < nr; i++) {
		if (hooks[i].mechanism == PAGEHINT_TRACEPOINT) {
			for_each_kernel_tracepoint(find_tracepoint, &hooks[i]);
			if (!hooks[i].tracepoint) {
				pr_err("tracepoint %s is not in this kernel: this kernel build is not supported, report its version\n",
				       hooks[i].target);
				return -ENOENT;
			}
			continue;
		}
		if (WARN_ON(n == ARRAY_SIZE(symbols)))
			return -E2BIG;
		hooks[i].symbol.name = hooks[i].target;
		symbols[n++] = &hooks[i].symbol;
	}
	err = pagehint_fail_point() ?: pagehint_resolve(symbols, n);
	if (err)
		return err;
	for (i = 0; i < nr; i++) {
		if (hooks[i].mechanism == PAGEHINT_TRACEPOINT || missing(&hooks[i]))
			continue;
		err = pagehint_check_symbol(&hooks[i].symbol, why);
		if (err) {
			pr_err("%s\n", why);
			return err;
		}
	}
	return 0;
}

static bool is_direct(const struct pagehint_hook *hook)
{
	return hook->mechanism == PAGEHINT_WRAPPER ||
	       hook->mechanism == PAGEHINT_STUB;
}

static int attach_function(struct pagehint_hook *hook)
{
	int err;

	memset(&hook->ops, 0, sizeof(hook->ops));
	if (is_direct(hook)) {
		if (hook->set_original)
			hook->set_original(pagehint_behind_site(hook->symbol.site));
		return pagehint_direct_register(&hook->ops, hook->symbol.site,
						(unsigned long)hook->probe);
	}
	hook->ops.flags = FTRACE_OPS_FL_PERMANENT;
	hook->ops.func = hook->probe;
	err = ftrace_set_filter_ip(&hook->ops, hook->symbol.site, 0, 0);
	if (err)
		return err;
	err = register_ftrace_function(&hook->ops);
	if (err)
		ftrace_free_filter(&hook->ops);
	return err;
}

static int detach_function(struct pagehint_hook *hook)
{
	int err;

	if (is_direct(hook))
		return pagehint_direct_unregister(&hook->ops, hook->symbol.site,
						  (unsigned long)hook->probe);
	err = unregister_ftrace_function(&hook->ops);
	if (!err)
		ftrace_free_filter(&hook->ops);
	return err;
}

static int attach(struct pagehint_hook *hook, bool own_function)
{
	char why[PAGEHINT_WHY_BYTES];
	int err = pagehint_fail_point();

	if (!err && hook->mechanism == PAGEHINT_TRACEPOINT)
		err = tracepoint_probe_register(hook->tracepoint, hook->probe, NULL);
	else if (!err)
		err = attach_function(hook);
	hook->error = err;
	hook->attached = !err;
	if (err) {
		pagehint_check_attach_error(hook->target, err, own_function, why);
		pr_err("%s\n", why);
	}
	return err;
}

static void detach(struct pagehint_hook *hook)
{
	int err, tries = 0;

	if (!hook->attached)
		return;
	if (hook->mechanism == PAGEHINT_TRACEPOINT) {
		tracepoint_probe_unregister(hook->tracepoint, hook->probe, NULL);
		hook->attached = false;
		return;
	}
	/*
	 * The kernel calls into this module for as long as this fails, so
	 * whoever waits for us to go away has to wait too.
	 */
	while ((err = detach_function(hook)) != 0) {
		if (!(tries++ % 60))
			pr_err("ftrace does not release %s (error %d): the module stays until it does; reboot to get rid of it\n",
			       hook->target, err);
		msleep(1000);
	}
	hook->attached = false;
}

static long nr_inside(enum pagehint_inside where)
{
	long sum = 0;
	int cpu;

	for_each_possible_cpu(cpu)
		sum += READ_ONCE(per_cpu(pagehint_inside, cpu)[where]);
	return sum;
}

/*
 * After this no CPU is in a probe or wrapper of a hook that was detached. A
 * task may have been redirected and not yet be counted, or be uncounted and
 * not yet have returned: RCU-tasks waits for both, as neither sleeps.
 *
 * On a kernel that is not preemptible (s390x) synchronize_rcu_tasks() is
 * synchronize_rcu(): it waits for every CPU to go through the scheduler, user
 * mode or idle. Nobody is taken off his CPU there but by sleeping or by
 * cond_resched(), and neither is done between a site and the count.
 */
static void wait_for_callers(bool allocator)
{
	tracepoint_synchronize_unregister();
	synchronize_rcu_tasks();
	/* Wrappers that are still attached come and go: not to be waited for. */
	if (!allocator)
		return;
	while (nr_inside(PAGEHINT_INSIDE_ALLOCATOR))
		msleep(20);
	synchronize_rcu_tasks();
}

/**
 * pagehint_hooks_wait_inside - wait until nobody is asleep in a wrapper any more
 *
 * After the page cache's hooks were detached a task may still be asleep in one.
 * It finds nothing volatile when it comes out, and so touches nothing but the
 * module's text and pagehint_volatile_end: it may stay for as long as the module
 * does.
 *
 * Context: process, may sleep, without control_mutex: this may take for ever.
 * Every hook is detached.
 */
void pagehint_hooks_wait_inside(void)
{
	while (nr_inside(PAGEHINT_INSIDE_PAGE_CACHE) && !pagehint_left_out("inside_wait"))
		msleep(20);
	synchronize_rcu_tasks();
}

/**
 * pagehint_hooks_detach - detach one side
 * @hooks: the hooks
 * @nr: how many
 * @side: which of them
 *
 * On return no call is inside a probe of that side, but for those who are asleep
 * in the page cache.
 *
 * Context: process, may sleep (RCU-tasks grace periods).
 */
void pagehint_hooks_detach(struct pagehint_hook *hooks, unsigned int nr,
			   enum pagehint_side side)
{
	bool any = false, allocator = false;
	unsigned int i;

	for (i = 0; i < nr; i++) {
		if (hooks[i].side != side || !hooks[i].attached)
			continue;
		allocator |= hooks[i].mechanism == PAGEHINT_WRAPPER &&
			     hooks[i].inside == PAGEHINT_INSIDE_ALLOCATOR;
		detach(&hooks[i]);
		any = true;
	}
	if (any)
		wait_for_callers(allocator);
}

/**
 * pagehint_hooks_attach - attach one side
 * @hooks: the hooks, found by pagehint_hooks_find()
 * @nr: how many
 * @side: which of them
 *
 * On return every later event is seen, and no task is between the place of a
 * hook and an event that it missed: a task inside the bulk allocator at attach
 * takes frames without an event, and neither sleeps nor calls cond_resched()
 * after it took them (see wait_for_callers()).
 *
 * Context: process, may sleep (an RCU-tasks grace period).
 * Return: 0, or an error with nothing of that side attached and a line in the
 * log.
 */
int pagehint_hooks_attach(struct pagehint_hook *hooks, unsigned int nr,
			  enum pagehint_side side)
{
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		if (hooks[i].side != side)
			continue;
		if (pagehint_left_out(hooks[i].name) || missing(&hooks[i]))
			continue;
		err = attach(&hooks[i], false);
		if (err && !hooks[i].optional) {
			pagehint_hooks_detach(hooks, nr, side);
			return err;
		}
	}
	synchronize_rcu_tasks();
	return 0;
}

/* ------------------------------------------------------------------------
 * The proof, on a function of our own: that ftrace redirects, that arguments
 * and result pass through, that the original runs once behind its site, and
 * that all this ends with detaching.
 */
static unsigned int original_runs;
static unsigned int wrapper_runs;
static unsigned int entry_runs;

static noinline long proof_target(long a, long b)
{
	original_runs++;
	/* Arguments that are used in full, and a body that is not optimised. */
	barrier();
	return a * 3 - b;
}

static long proof_stub(long a, long b)
{
	return 0;
}

PAGEHINT_CALL_DEFINE(proof_original, proof_stub);

static void set_proof_original(unsigned long address)
{
	PAGEHINT_CALL_SET(proof_original, address);
}

static noinline __used long proof_wrapper(long a, long b)
{
	long ret;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_ALLOCATOR);
	ret = PAGEHINT_CALL(proof_original)(a, b);
	wrapper_runs++;
	pagehint_wrapper_exit(PAGEHINT_INSIDE_ALLOCATOR);
	return ret + 1;
}

PAGEHINT_DIRECT_ENTRY(proof_direct, proof_wrapper);

static void notrace proof_entry(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	if (pagehint_ftrace_argument(fregs, 0) == 1000 &&
	    pagehint_ftrace_argument(fregs, 1) == 7)
		entry_runs++;
}

static int prove(struct pagehint_hook *hook, long expect,
		 const unsigned int *runs)
{
	long got, after;
	int err;

	hook->symbol.site = pagehint_ftrace_site((unsigned long)proof_target);
	if (!hook->symbol.site) {
		pr_err("a function of the module itself has no ftrace site: build it with the kernel's own flags (CONFIG_FUNCTION_TRACER)\n");
		return -ENOENT;
	}
	err = attach(hook, true);
	if (err)
		return err;
	original_runs = 0;
	got = proof_target(1000, 7);
	err = pagehint_fail_point();
	/* No need to wait for callers: nobody but us calls it. */
	detach(hook);
	after = proof_target(1000, 7);
	if (err)
		return err;
	if (got != expect || *runs != 1 || after != 2993 || original_runs != 2) {
		pr_err("ftrace hooks do not take effect here (expected %ld, 1 call, then 2993; found %ld, %u calls, then %ld): report it with the kernel's version\n",
		       expect, got, *runs, after);
		return -EOPNOTSUPP;
	}
	return 0;
}

/**
 * pagehint_hooks_prove - show that hooks take effect in this kernel
 *
 * Context: process, may sleep.
 * Return: 0, or an error with a line in the log.
 */
int pagehint_hooks_prove(void)
{
	struct pagehint_hook *hook;
	int err;

	/* ftrace keeps a list of its handles: not on the stack. */
	static struct pagehint_hook wrapper = {
		.target = "proof_target", .mechanism = PAGEHINT_WRAPPER,
		.probe = proof_direct, .set_original = set_proof_original,
	};
	static struct pagehint_hook entry = {
		.target = "proof_target", .mechanism = PAGEHINT_ENTRY,
		.probe = proof_entry,
	};

	wrapper_runs = 0;
	entry_runs = 0;
	hook = &wrapper;
	err = prove(hook, 2994, &wrapper_runs);
	return err ?: prove(&entry, 2993, &entry_runs);
}

/**
 * pagehint_hooks_show - list hooks for debugfs
 * @m: where to
 * @hooks: the hooks
 * @nr: how many
 *
 * Context: process.
 */
void pagehint_hooks_show(struct seq_file *m, struct pagehint_hook *hooks,
			 unsigned int nr)
{
	static const char * const mechanism[] = {
		[PAGEHINT_TRACEPOINT] = "tracepoint",
		[PAGEHINT_ENTRY] = "ftrace-entry",
		[PAGEHINT_WRAPPER] = "ftrace-wrapper",
		[PAGEHINT_STUB] = "ftrace-stub",
	};
	unsigned int i;

	for (i = 0; i < nr; i++) {
		seq_printf(m, "%s %s ", hooks[i].target,
			   mechanism[hooks[i].mechanism]);
		if (hooks[i].attached)
			seq_puts(m, "attached");
		else if (pagehint_left_out(hooks[i].name))
			seq_puts(m, "not attached: left out for a test");
		else if (missing(&hooks[i]))
			seq_puts(m, "not attached: not in this kernel");
		else if (hooks[i].error)
			seq_printf(m, "not attached: error %d", hooks[i].error);
		else
			seq_puts(m, "not attached: switched off");
		seq_printf(m, " calls %llu\n", hooks[i].calls());
	}
}
