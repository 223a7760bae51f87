// SPDX-License-Identifier: GPL-2.0
/*
 * The page allocator: every way a block leaves its free lists or enters them.
 *
 *   mm_page_alloc          out: the allocator proper, after it zeroed the block
 *   alloc_pages_bulk exit  out: single frames off the per-CPU list, no event
 *   __isolate_free_page exit  out: compaction, contiguous allocation, free page
 *                          reporting; under zone->lock
 *   compaction_alloc exit  out: what compaction had isolated, given back and kept
 *                          (6.12: include/compat/hooks.h); may sleep before
 *   mm_page_free           in: all frees, before the block is on any list
 *   __putback_isolated_page entry  in: isolated blocks that were not used;
 *                          under zone->lock
 *
 * A probe turns one event into one call of module/unused.c and decides
 * nothing. Context: as the event's; possibly with interrupts off, under
 * zone->lock, or (7.x) in NMI.
 */
#include <linux/list.h>
#include <linux/mm.h>
#include <trace/events/kmem.h>

#include <compat/call.h>
#include <compat/ftrace.h>
#include <compat/hooks.h>
#include <pagehint/backend.h>
#include <pagehint/hooks.h>
#include <pagehint/unused.h>

static void probe_mm_page_free(void *data, struct page *page, unsigned int order)
{
	pagehint_probe_enter();
	pagehint_unused_free(page_to_pfn(page), order);
	pagehint_probe_exit();
}

static void probe_mm_page_alloc(void *data, struct page *page, unsigned int order,
				gfp_t gfp, int migratetype)
{
	pagehint_probe_enter();
	pagehint_unused_alloc(page_to_pfn(page), order);
	pagehint_probe_exit();
}

static void allocated(struct page *page, unsigned int order)
{
	preempt_disable_notrace();
	pagehint_unused_alloc(page_to_pfn(page), order);
	preempt_enable_notrace();
}

static unsigned long no_bulk(PAGEHINT_BULK_PROTO)
{
	return 0;
}

PAGEHINT_ORIGINAL(bulk, no_bulk)

/*
 * May sleep inside the original, but only before it has taken a frame without
 * an event. Entries that the caller had filled already are stable and stay so.
 */
static noinline __used unsigned long wrap_bulk(PAGEHINT_BULK_PROTO)
{
	unsigned long nr, i;
	struct page *page;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_ALLOCATOR);
	nr = PAGEHINT_CALL(original_bulk)(PAGEHINT_BULK_ARGS);
	if (array) {
		for (i = 0; i < nr; i++) {
			if (array[i])
				allocated(array[i], 0);
		}
	}
	if (list) {
		list_for_each_entry(page, list, lru)
			allocated(page, 0);
	}
	pagehint_count(PAGEHINT_CALLS_BULK, 1);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_ALLOCATOR);
	return nr;
}

PAGEHINT_DIRECT_ENTRY(direct_bulk, wrap_bulk);

static int no_isolate(struct page *page, unsigned int order)
{
	return 0;
}

PAGEHINT_ORIGINAL(isolate, no_isolate)

/* Under zone->lock with interrupts off: the block cannot be seen before this. */
static noinline __used int wrap_isolate(struct page *page, unsigned int order)
{
	int taken = 0;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_ALLOCATOR);
	if (!static_branch_unlikely(&pagehint_by_calls) ||
	    pagehint_teller_may_isolate(page_to_pfn(page), order))
		taken = PAGEHINT_CALL(original_isolate)(page, order);
	if (taken)
		pagehint_unused_alloc(page_to_pfn(page), order);
	pagehint_count(PAGEHINT_CALLS_ISOLATE, 1);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_ALLOCATOR);
	return taken;
}

PAGEHINT_DIRECT_ENTRY(direct_isolate, wrap_isolate);

#ifdef PAGEHINT_COMPACTION_TARGET

static struct folio *no_compaction(PAGEHINT_COMPACTION_PROTO)
{
	return NULL;
}

PAGEHINT_ORIGINAL(compaction, no_compaction)

/*
 * The block is of a list of the caller's, so nobody else sees it before this. The
 * original wrote nothing but zeros to it.
 */
static noinline __used struct folio *wrap_compaction(PAGEHINT_COMPACTION_PROTO)
{
	struct folio *taken;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_ALLOCATOR);
	taken = PAGEHINT_CALL(original_compaction)(PAGEHINT_COMPACTION_ARGS);
	if (taken)
		allocated(&taken->page, folio_order(taken));
	pagehint_count(PAGEHINT_CALLS_COMPACTION, 1);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_ALLOCATOR);
	return taken;
}

PAGEHINT_DIRECT_ENTRY(direct_compaction, wrap_compaction);

PAGEHINT_CALLS(compaction, PAGEHINT_CALLS_COMPACTION)

#endif /* PAGEHINT_COMPACTION_TARGET */

/* Under zone->lock, before the block is on its list again. */
static void notrace probe_putback(unsigned long ip, unsigned long parent_ip,
				  struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct page *page = (struct page *)pagehint_ftrace_argument(fregs, 0);
	unsigned int order = pagehint_ftrace_argument(fregs, 1);

	pagehint_unused_free(page_to_pfn(page), order);
	pagehint_count(PAGEHINT_CALLS_PUTBACK, 1);
}

static u64 calls_alloc(void)
{
	return pagehint_counter_sum(PAGEHINT_ALLOC_ONE) +
	       pagehint_counter_sum(PAGEHINT_ALLOC_ONE_TAKEN) +
	       pagehint_counter_sum(PAGEHINT_ALLOC_ONE_PLAIN) +
	       pagehint_counter_sum(PAGEHINT_ALLOC_BLOCKS);
}

static u64 calls_free(void)
{
	return pagehint_counter_sum(PAGEHINT_FREED_ONE) +
	       pagehint_counter_sum(PAGEHINT_FREED_ONE_AGAIN) +
	       pagehint_counter_sum(PAGEHINT_FREED_BLOCKS);
}

PAGEHINT_CALLS(bulk, PAGEHINT_CALLS_BULK)
PAGEHINT_CALLS(isolate, PAGEHINT_CALLS_ISOLATE)
PAGEHINT_CALLS(putback, PAGEHINT_CALLS_PUTBACK)

struct pagehint_hook pagehint_unused_hooks[] = {
	{
		.target = "mm_page_alloc", .name = "mm_page_alloc",
		.mechanism = PAGEHINT_TRACEPOINT, .side = PAGEHINT_ALLOC_SIDE,
		.probe = probe_mm_page_alloc, .calls = calls_alloc,
	}, {
		.target = PAGEHINT_BULK_TARGET, .name = "alloc_pages_bulk",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.probe = direct_bulk, .set_original = set_original_bulk,
		.calls = calls_bulk,
	}, {
		.target = "__isolate_free_page", .name = "isolate_free_page",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.probe = direct_isolate, .set_original = set_original_isolate,
		.calls = calls_isolate,
#ifdef PAGEHINT_COMPACTION_TARGET
	}, {
		.target = PAGEHINT_COMPACTION_TARGET, .name = "compaction_alloc",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.probe = direct_compaction, .set_original = set_original_compaction,
		.calls = calls_compaction,
#endif
	}, {
		.target = "mm_page_free", .name = "mm_page_free",
		.mechanism = PAGEHINT_TRACEPOINT, .side = PAGEHINT_FREE_SIDE,
		.probe = probe_mm_page_free, .calls = calls_free,
	}, {
		.target = "__putback_isolated_page", .name = "putback_isolated_page",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_FREE_SIDE,
		.probe = probe_putback, .calls = calls_putback,
	}, {
		.target = "__crash_kexec", .name = "crash",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_ALLOC_SIDE,
		.optional = true,
		.probe = pagehint_probe_crash, .calls = pagehint_crash_calls,
	},
};

const unsigned int pagehint_nr_unused_hooks = ARRAY_SIZE(pagehint_unused_hooks);

/* The compiler checks the probes against the tracepoints' prototypes. */
static void __maybe_unused check_prototypes(void)
{
	check_trace_callback_type_mm_page_free(probe_mm_page_free);
	check_trace_callback_type_mm_page_alloc(probe_mm_page_alloc);
}
