// SPDX-License-Identifier: GPL-2.0
/*
 * kernel.ftrace_enabled is held at 1.
 *
 * With 0 in it direct calls do not take effect, or come off while frames are hinted
 * (include/compat/ftrace.h): whoever takes a page then gets one that the host may
 * drop. What holds it is the means that livepatch has for it: an ordinary, permanent
 * ftrace_ops, here on a function that nobody calls. Hooks of that kind come and go
 * with what is hinted; this one is there from before the first hook until after the
 * last.
 *
 * Context: process, at load and unload.
 */
#include <pagehint/log.h>

#include <compat/ftrace.h>
#include <pagehint/checks.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>

static noinline __used void anchor(void)
{
	barrier();
}

static void notrace anchor_called(unsigned long ip, unsigned long parent_ip,
				  struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
}

static struct ftrace_ops anchor_ops = {
	.func = anchor_called,
	.flags = FTRACE_OPS_FL_PERMANENT,
};

/**
 * pagehint_anchor_open - from here on kernel.ftrace_enabled cannot become 0
 *
 * Context: process, may sleep; after pagehint_resolve_own().
 * Return: 0, or an error with a line in the log.
 */
int pagehint_anchor_open(void)
{
	char why[PAGEHINT_WHY_BYTES];
	int err;

	if (PAGEHINT_DIRECT_IS_PERMANENT || pagehint_left_out("anchor"))
		return 0;
	err = pagehint_fail_point() ?:
	      ftrace_set_filter_ip(&anchor_ops, pagehint_ftrace_site((unsigned long)anchor), 0, 0);
	if (err)
		goto out;
	err = register_ftrace_function(&anchor_ops);
	if (err)
		ftrace_free_filter(&anchor_ops);
out:
	if (err) {
		pagehint_check_attach_error("a function of the module itself", err, true, why);
		pr_err("%s\n", why);
	}
	return err;
}

/**
 * pagehint_anchor_close - undo pagehint_anchor_open()
 *
 * Context: process, may sleep; nothing is hooked.
 */
void pagehint_anchor_close(void)
{
	if (PAGEHINT_DIRECT_IS_PERMANENT || pagehint_left_out("anchor"))
		return;
	unregister_ftrace_function(&anchor_ops);
	ftrace_free_filter(&anchor_ops);
}
