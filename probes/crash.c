// SPDX-License-Identifier: GPL-2.0
/*
 * The start of a crash kernel. A panic goes there before it calls the panic
 * notifiers (but for the option crash_kexec_post_notifiers), so the lease is
 * ended here: what a dump shows is the memory as it was.
 *
 * Nothing that is needed hangs on it. The crash kernel runs in memory that was
 * never free, and frames in use are stable.
 *
 * Context: a panic or an oops, any context, one CPU.
 */
#include <pagehint/control.h>
#include <pagehint/hooks.h>

/* Calls before the one that matters: with no crash kernel loaded it returns. */
static u64 nr_calls;

u64 pagehint_crash_calls(void)
{
	return READ_ONCE(nr_calls);
}

void notrace pagehint_probe_crash(unsigned long ip, unsigned long parent_ip,
				  struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	WRITE_ONCE(nr_calls, nr_calls + 1);
	pagehint_control_panic();
}
