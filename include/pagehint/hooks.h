/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hooks into the kernel: tracepoints and ftrace, nothing else.
 *
 * A TRACEPOINT hook's probe is called with the tracepoint's arguments. An
 * ENTRY hook's probe is an ftrace callback that runs before the function. A
 * WRAPPER hook's probe is the PAGEHINT_DIRECT_ENTRY() of a function that is
 * called in the original's place, with its arguments, and calls the original
 * behind its ftrace site: so there is no recursion to detect, and other users of
 * the site are called once. A STUB hook's probe is called as a WRAPPER's, looks
 * at the arguments and returns to the original.
 */
#ifndef _PAGEHINT_HOOKS_H
#define _PAGEHINT_HOOKS_H

#include <linux/ftrace.h>
#include <linux/seq_file.h>
#include <linux/tracepoint.h>

#include <compat/call.h>
#include <pagehint/checks.h>
#include <pagehint/stats.h>

enum pagehint_mechanism {
	PAGEHINT_TRACEPOINT,
	PAGEHINT_ENTRY,
	PAGEHINT_WRAPPER,
	PAGEHINT_STUB,
};

/*
 * What a wrapper is counted as while it is inside. A task may be asleep in the
 * page cache for as long as a disk, or a server that is gone, lets it: only
 * unloading waits for that, by pagehint_hooks_wait_inside().
 */
enum pagehint_inside {
	PAGEHINT_INSIDE_ALLOCATOR,
	PAGEHINT_INSIDE_PAGE_CACHE,
	PAGEHINT_NR_INSIDE,
};

/* Attached first: what makes frames stable. Detached last. */
enum pagehint_side {
	PAGEHINT_ALLOC_SIDE,
	PAGEHINT_FREE_SIDE,
};

/**
 * struct pagehint_hook - one place where the module is attached
 * @target: name of the tracepoint or function in this kernel
 * @name: what it is for; the same on every kernel (test parameter leave_out)
 * @mechanism: see above
 * @side: when it is attached
 * @inside: WRAPPER: what it counts itself as
 * @optional: no hint's safety hangs on it; left out where the kernel has no such
 *	function, or somebody else has it
 * @probe: what is called
 * @set_original: WRAPPER: where to find the rest of the original function
 * @tracepoint: TRACEPOINT: found at load
 * @symbol: ENTRY, WRAPPER: found at load
 * @ops: ENTRY, WRAPPER: ftrace's handle
 * @calls: how often it was called, from the counters
 * @attached: it is
 * @error: why it is not
 */
struct pagehint_hook {
	const char *target;
	const char *name;
	enum pagehint_mechanism mechanism;
	enum pagehint_side side;
	enum pagehint_inside inside;
	bool optional;
	void *probe;
	void (*set_original)(unsigned long address);
	u64 (*calls)(void);
	struct tracepoint *tracepoint;
	struct pagehint_symbol symbol;
	struct ftrace_ops ops;
	bool attached;
	int error;
};

/* probes/alloc_free.c */
extern struct pagehint_hook pagehint_unused_hooks[];
extern const unsigned int pagehint_nr_unused_hooks;

/* probes/page_cache.c */
extern struct pagehint_hook pagehint_volatile_hooks[];
extern const unsigned int pagehint_nr_volatile_hooks;
extern struct pagehint_hook pagehint_volatile_free_hooks[];
extern const unsigned int pagehint_nr_volatile_free_hooks;

/* probes/crash.c */
u64 pagehint_crash_calls(void);
void pagehint_probe_crash(unsigned long ip, unsigned long parent_ip,
			  struct ftrace_ops *ops, struct ftrace_regs *fregs);

/* probes/rmap.c */
u64 pagehint_map_calls(void);
void pagehint_probe_map(unsigned long ip, unsigned long parent_ip,
			struct ftrace_ops *ops, struct ftrace_regs *fregs);

/* probes/anchor.c */
int pagehint_anchor_open(void);
void pagehint_anchor_close(void);

/* probes/attach.c */
int pagehint_hooks_find(struct pagehint_hook *hooks, unsigned int nr);
int pagehint_hooks_attach(struct pagehint_hook *hooks, unsigned int nr,
			  enum pagehint_side side);
void pagehint_hooks_detach(struct pagehint_hook *hooks, unsigned int nr,
			   enum pagehint_side side);
void pagehint_hooks_wait_inside(void);
int pagehint_hooks_prove(void);
void pagehint_hooks_show(struct seq_file *m, struct pagehint_hook *hooks,
			 unsigned int nr);

/*
 * Every WRAPPER says when it is inside, at the latest before it may sleep, so
 * that the module's text is not freed under it.
 */
DECLARE_PER_CPU(long [PAGEHINT_NR_INSIDE], pagehint_inside);

static __always_inline void pagehint_wrapper_enter(enum pagehint_inside where)
{
	this_cpu_inc(pagehint_inside[where]);
}

static __always_inline void pagehint_wrapper_exit(enum pagehint_inside where)
{
	this_cpu_dec(pagehint_inside[where]);
}

/*
 * For a WRAPPER: original_NAME, to be called by PAGEHINT_CALL(), and what finds it,
 * set_original_NAME(). @stub stands in as long as nothing is attached.
 */
#define PAGEHINT_ORIGINAL(name, stub)					\
PAGEHINT_CALL_DEFINE(original_##name, stub);				\
									\
static void set_original_##name(unsigned long address)			\
{									\
	PAGEHINT_CALL_SET(original_##name, address);			\
}

/* For any hook that one counter counts: calls_NAME(). */
#define PAGEHINT_CALLS(name, counter)					\
static u64 __maybe_unused calls_##name(void)				\
{									\
	return pagehint_counter_sum(counter);				\
}

/* module/resolve.c */
int pagehint_resolve(struct pagehint_symbol **symbols, unsigned int nr);
int pagehint_resolve_own(void);
void pagehint_drain_all_pages(void);
unsigned long pagehint_ftrace_site(unsigned long address);

#endif /* _PAGEHINT_HOOKS_H */
