// SPDX-License-Identifier: GPL-2.0
/*
 * The interruption of an access to what the host dropped:
 *
 *   default_trap_handler   program checks that the kernel has no handler for
 *
 * A wrapper, and nothing else would do. A kprobe or an ftrace callback is passed
 * over inside another one, and then the kernel dies of the interruption; and neither
 * may sleep, as a page fault does. While the site has this one user, the program
 * check's handler calls the wrapper itself. With others beside it (the function
 * tracer) ftrace's own protection against recursion lies between: it lets one level
 * through, and here nothing recurses further. So, other than elsewhere, no callback
 * of ours is kept on the site; 6.1 holds direct calls permanent without it.
 *
 * Context: that of the access, any.
 */
#include <linux/ptrace.h>

#include <compat/call.h>
#include <compat/discard_fault.h>
#include <compat/ftrace.h>
#include <pagehint/discard_fault.h>
#include <pagehint/hooks.h>

static void no_trap(struct pt_regs *regs)
{
}

PAGEHINT_ORIGINAL(trap, no_trap)

/* Inside: a task may wait for the disk in here. */
static noinline __used void wrap_trap(struct pt_regs *regs)
{
	if (!pagehint_is_discard_fault(regs)) {
		PAGEHINT_CALL(original_trap)(regs);
		return;
	}
	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	pagehint_discard_fault(regs);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
}

PAGEHINT_DIRECT_ENTRY(direct_trap, wrap_trap);

PAGEHINT_CALLS(faults, PAGEHINT_DISCARD_FAULTS)

static struct pagehint_hook hooks[] = {
	{
		.target = PAGEHINT_TRAP_TARGET, .name = PAGEHINT_TRAP_TARGET,
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_trap, .set_original = set_original_trap,
		.calls = calls_faults,
	},
};

/**
 * pagehint_discard_hooks_find - find what the last line needs in this kernel
 *
 * Context: process, at load.
 * Return: 0, or an error with a line in the log.
 */
int pagehint_discard_hooks_find(void)
{
	struct pagehint_symbol fixup = { .name = PAGEHINT_FIXUP_TARGET };
	struct pagehint_symbol *symbols[] = { &fixup };
	char why[PAGEHINT_WHY_BYTES];
	int err = pagehint_hooks_find(hooks, ARRAY_SIZE(hooks)) ?:
		  pagehint_resolve(symbols, ARRAY_SIZE(symbols));

	if (err)
		return err;
	err = pagehint_check_symbol(&fixup, why);
	if (err)
		pr_err("%s\n", why);
	else
		pagehint_discard_set_fixup(fixup.address);
	return err;
}

/**
 * pagehint_discard_hooks_attach - take the interruption
 *
 * Context: process, may sleep.
 * Return: 0, or an error with a line in the log.
 */
int pagehint_discard_hooks_attach(void)
{
	return pagehint_hooks_attach(hooks, ARRAY_SIZE(hooks), PAGEHINT_ALLOC_SIDE);
}

/**
 * pagehint_discard_hooks_detach - leave it to the kernel again, which dies of it
 *
 * Context: process, may sleep; no frame is volatile.
 */
void pagehint_discard_hooks_detach(void)
{
	pagehint_hooks_detach(hooks, ARRAY_SIZE(hooks), PAGEHINT_ALLOC_SIDE);
}

/**
 * pagehint_discard_hooks_show - list it for debugfs
 * @m: where to
 *
 * Context: process.
 */
void pagehint_discard_hooks_show(struct seq_file *m)
{
	pagehint_hooks_show(m, hooks, ARRAY_SIZE(hooks));
}
