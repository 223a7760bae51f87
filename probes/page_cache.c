// SPDX-License-Identifier: GPL-2.0
/*
 * The page cache: every way to the content of a folio that nobody holds, and
 * the events after which one might be let go (docs/page-cache-paths.md).
 *
 *   __filemap_get_folio exit     one folio; may sleep; NMI: answers a miss
 *                                (6.12: filemap_get_entry, which does not sleep)
 *   filemap_get_read_batch exit  folios for read(); the caller may sleep
 *   next_uptodate_page exit      fault-around; under RCU and a page table lock
 *                                (6.12: next_uptodate_folio)
 *   folio_migrate_mapping entry  before migration copies; the folio is locked
 *                                (6.12: folio_mc_copy, as the mapping moves later)
 *   filemap_fault entry          only to evict what was dropped, for readahead, and only
 *                                on 6.12: on 6.1 it calls the first of these itself
 *   mm_page_free                 where free memory is not hinted
 *
 *   mm_filemap_add_to_page_cache, folio_end_writeback,
 *   mark_page_lazyfree (6.12: folio_mark_lazyfree),
 *   split_huge_page_to_list (6.12: split_huge_page_to_list_to_order):
 *                                candidates
 *   tlb_finish_mmu               something was unmapped: there may be candidates
 *
 * A probe turns one event into one call of module/ and decides nothing, but for
 * the inline screen: a folio that is stable and uptodate passes.
 *
 * Context: as above; the candidates' is any, with any locks of others held. No lock is
 * taken or waited for here, but the folio locks that eviction tries, where the caller may
 * sleep (module/evict.c), and the one that use_found() is handed.
 */
#include <pagehint/log.h>

#include <linux/instruction_pointer.h>
#include <linux/mm.h>
#include <linux/pagemap.h>
#include <linux/pagevec.h>
#include <linux/preempt.h>
#include <linux/xarray.h>
#include <trace/events/filemap.h>
#include <trace/events/kmem.h>

#include <compat/call.h>
#include <compat/fault_around.h>
#include <compat/ftrace.h>
#include <compat/hooks.h>
#include <compat/page_cache.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>
#include <pagehint/lazyfree.h>
#include <pagehint/stay.h>
#include <pagehint/swap_cache.h>
#include <pagehint/volatile.h>

/* ------------------------------------------------------------------------
 * One folio
 */

static struct folio *no_folio(PAGEHINT_GET_FOLIO_PROTO)
{
	return NULL;
}

PAGEHINT_ORIGINAL(get_folio, no_folio)

/* filemap_fault(), where that calls the original itself. */
static unsigned long fault_begin, fault_size;

/*
 * A page fault's first look: nothing is held but mmap_lock, and who finds nothing reads
 * ahead. So if what it found is gone, that leaves the cache, and is not found.
 * Return: whether it is so.
 */
static bool evict_found(struct folio *folio)
{
	/* Of the file that is mapped, or none: whoever holds it keeps it from being reused. */
	struct address_space *mapping = READ_ONCE(folio->mapping);
	pgoff_t index = READ_ONCE(folio->index);

	if (!mapping || !pagehint_volatile_find_dropped(folio))
		return false;
	folio_put(folio);
	pagehint_volatile_evict_at(mapping, index);
	return true;
}

/* Of one that is not stable */
static bool is_of_swap(struct folio *folio)
{
	return pagehint_swap_cache_on() && folio_test_swapbacked(folio);
}

/*
 * Who gets it locked may write to it at once. So if it is lost, and mapped perhaps
 * (module/stay.c), that is dealt with here.
 */
static noinline struct folio *use_found(struct folio *folio, bool locked, bool first_look)
{
	/* Swap cache: who wants its content comes by other ways (probes/swap_cache.c). */
	if (is_of_swap(folio) && !pagehint_left_out("swap_generic"))
		return folio;
	if (first_look && evict_found(folio))
		return NULL;
	pagehint_volatile_use(folio);
	if (pagehint_stay_on() && locked && !pagehint_folio_is_stable(folio) &&
	    !pagehint_left_out("stay_locked_getter"))
		pagehint_stay_recover(folio);
	return folio;
}

/*
 * The result may be NULL, a value entry (a shadow, a swap entry), or a folio of
 * any mapping. Its caller tests uptodate after this if it wants the content.
 *
 * In NMI (a profiler that looks for a build ID) the folio may be the one that
 * this CPU is just making stable or volatile: waiting for it would be for ever.
 */
static noinline __used struct folio *wrap_get_folio(PAGEHINT_GET_FOLIO_PROTO)
{
	struct folio *result;

	if (unlikely(in_nmi()) && !pagehint_left_out("nmi_miss"))
		return NULL;
	if (PAGEHINT_GET_FOLIO_SLEEPS)
		pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	result = PAGEHINT_CALL(original_get_folio)(PAGEHINT_GET_FOLIO_ARGS);
	if (result && !xa_is_value(result) && unlikely(!pagehint_folio_is_stable(result)))
		result = use_found(result, PAGEHINT_GET_FOLIO_LOCKS,
				   PAGEHINT_GET_FOLIO_IS_FIRST &&
				   _RET_IP_ - fault_begin < fault_size);
	if (PAGEHINT_GET_FOLIO_SLEEPS)
		pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return result;
}

PAGEHINT_DIRECT_ENTRY(direct_get_folio, wrap_get_folio);

/* ------------------------------------------------------------------------
 * A batch for reading
 */

static void no_batch(PAGEHINT_READ_BATCH_PROTO)
{
}

PAGEHINT_ORIGINAL(read_batch, no_batch)

static noinline void settle(struct address_space *mapping, struct folio_batch *fbatch)
{
	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	pagehint_volatile_settle(mapping, fbatch);
	pagehint_count(PAGEHINT_CALLS_SETTLE, 1);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
}

/*
 * The original tests uptodate by itself, before this makes the folios stable:
 * so here it is tested again, of every one. Does not sleep, and so does not say
 * that it is inside, but where a folio is not as it should be.
 */
static noinline __used void wrap_read_batch(PAGEHINT_READ_BATCH_PROTO)
{
	unsigned int i;

	PAGEHINT_CALL(original_read_batch)(PAGEHINT_READ_BATCH_ARGS);
	for (i = 0; i < folio_batch_count(fbatch); i++) {
		struct folio *folio = fbatch->folios[i];

		if ((pagehint_folio_is_stable(folio) || pagehint_volatile_keep(folio)) &&
		    likely(folio_test_uptodate(folio)))
			continue;
		settle(mapping, fbatch);
		return;
	}
}

PAGEHINT_DIRECT_ENTRY(direct_read_batch, wrap_read_batch);

/* ------------------------------------------------------------------------
 * Fault-around
 */

static struct folio *no_next(PAGEHINT_FAULT_AROUND_PROTO)
{
	return NULL;
}

PAGEHINT_CALL_DEFINE(original_fault_around, no_next);

/* Where struct page of frame 0 would be. */
static unsigned long first_page __used;

static void set_original_fault_around(unsigned long address)
{
	first_page = (unsigned long)pfn_to_page(0);
	PAGEHINT_CALL_SET(original_fault_around, address);
}

/* Uptodate last: see pagehint_folio_is_stable(). */
static __always_inline bool may_be_mapped(const struct folio *folio)
{
	return pagehint_folio_is_stable(folio) && folio_test_uptodate((struct folio *)folio);
}

/*
 * The original returns a locked folio that its caller maps without a further look. One whose
 * content is gone is passed over, as the original does with one that is not uptodate. If it
 * can be seen that the host dropped it, it stays as it is, for filemap_fault to find and to
 * evict with its neighbours: were it recovered here, it would be read again without them.
 * One that is volatile may be mapped as it is, on some hosts (module/stay.c).
 */
static noinline __used struct folio *map_another(struct folio *found, struct xa_state *xas,
						 pgoff_t end)
{
	/* The lock keeps it in the mapping, which the original compared. */
	struct address_space *mapping = found->mapping;

	while (found) {
		bool dropped = false, stays = false;

		if (unlikely(!pagehint_folio_is_stable(found))) {
			stays = pagehint_stay_leaves(found);
			dropped = !stays && pagehint_volatile_find_dropped(found);
			if (!stays && (!dropped || pagehint_left_out("uptodate_retest")))
				pagehint_volatile_use(found);
		}
		if ((likely(!dropped) && likely(folio_test_uptodate(found))) ||
		    pagehint_left_out("uptodate_retest")) {
			if (stays)
				pagehint_test_delay("map");
			break;
		}
		folio_unlock(found);
		folio_put(found);
		found = PAGEHINT_CALL(original_fault_around)(PAGEHINT_FAULT_AROUND_AGAIN);
	}
	return found;
}

PAGEHINT_DIRECT_FAULT_AROUND(direct_fault_around, original_fault_around, may_be_mapped,
			     map_another, first_page);

/* ------------------------------------------------------------------------
 * Migration, page faults, frees
 */

/*
 * The folio is locked, and held by whoever migrates it. To the page cache its
 * copy comes without an event: it is a candidate because the source may have
 * been one, or was volatile.
 */
static void notrace probe_copy(unsigned long ip, unsigned long parent_ip,
			       struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct folio *source = (struct folio *)
		pagehint_ftrace_argument(fregs, PAGEHINT_COPY_SOURCE);
	struct folio *copy = (struct folio *)
		pagehint_ftrace_argument(fregs, PAGEHINT_COPY_DESTINATION);

	/* Of the swap cache: probes/swap_cache.c, after this one. */
	if (unlikely(!pagehint_folio_is_stable(source)) && !is_of_swap(source))
		pagehint_volatile_use(source);
	if (!folio_test_anon(source) && !folio_test_swapbacked(source))
		pagehint_candidate(folio_pfn(copy));
	pagehint_count(PAGEHINT_CALLS_COPY, 1);
}

#if !PAGEHINT_FAULT_CALLS_GET_FOLIO

static vm_fault_t no_fault(struct vm_fault *vmf)
{
	return VM_FAULT_SIGBUS;
}

PAGEHINT_ORIGINAL(fault, no_fault)

static noinline __used vm_fault_t wrap_fault(struct vm_fault *vmf)
{
	vm_fault_t result;

	pagehint_wrapper_enter(PAGEHINT_INSIDE_PAGE_CACHE);
	pagehint_volatile_evict_at(vmf->vma->vm_file->f_mapping, vmf->pgoff);
	pagehint_count(PAGEHINT_CALLS_FAULT, 1);
	result = PAGEHINT_CALL(original_fault)(vmf);
	pagehint_wrapper_exit(PAGEHINT_INSIDE_PAGE_CACHE);
	return result;
}

PAGEHINT_DIRECT_ENTRY(direct_fault, wrap_fault);

#endif

static void probe_mm_page_free(void *data, struct page *page, unsigned int order)
{
	pagehint_probe_enter();
	pagehint_volatile_free(page_to_pfn(page), order);
	pagehint_probe_exit();
}

/* ------------------------------------------------------------------------
 * Candidates
 */

static void candidate(struct folio *folio)
{
	if (!folio_test_anon(folio) && !folio_test_swapbacked(folio))
		pagehint_candidate(folio_pfn(folio));
}

static void probe_add(void *data, struct folio *folio)
{
	candidate(folio);
}

static void notrace probe_end_writeback(unsigned long ip, unsigned long parent_ip,
					struct ftrace_ops *ops,
					struct ftrace_regs *fregs)
{
	candidate((struct folio *)pagehint_ftrace_argument(fregs, 0));
	pagehint_count(PAGEHINT_CALLS_WRITTEN, 1);
}

/* Once for all pages whose mapping goes: the thread looks which they were. */
PAGEHINT_DIRECT_FLAG_STUB(direct_unmap, pagehint_candidates_unmapped);

/* MADV_FREE, under the page table lock, for each page or huge page. */
static void notrace probe_lazyfree(unsigned long ip, unsigned long parent_ip,
				   struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct page *page = (struct page *)pagehint_ftrace_argument(fregs, 0);

	if (READ_ONCE(pagehint_lazyfree))
		pagehint_candidate(page_to_pfn(compound_head(page)));
	pagehint_count(PAGEHINT_CALLS_LAZYFREE, 1);
}

/*
 * Its parts will be folios of their own, and of those behind the first nothing tells. This
 * is before, as at the end they may be gone. One that is looked at before it is a folio
 * counts as on its way to the LRU, and is looked at once more.
 */
static void notrace probe_split(unsigned long ip, unsigned long parent_ip,
				struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct folio *folio = page_folio((struct page *)pagehint_ftrace_argument(fregs, 0));
	unsigned long pfn = folio_pfn(folio), end = pfn + folio_nr_pages(folio);

	pagehint_count(PAGEHINT_CALLS_SPLIT, 1);
	if (folio_test_anon(folio) || folio_test_swapbacked(folio))
		return;
	for (; pfn < end; pfn++)
		pagehint_candidate(pfn);
}

PAGEHINT_CALLS(settle, PAGEHINT_CALLS_SETTLE)

static u64 calls_kept(void)
{
	return pagehint_counter_sum(PAGEHINT_VOLATILE_KEPT) +
	       pagehint_counter_sum(PAGEHINT_VOLATILE_DISCARDED);
}

PAGEHINT_CALLS(copy, PAGEHINT_CALLS_COPY)
PAGEHINT_CALLS(fault, PAGEHINT_CALLS_FAULT)
PAGEHINT_CALLS(written, PAGEHINT_CALLS_WRITTEN)
PAGEHINT_CALLS(unmap, PAGEHINT_CALLS_UNMAP)
PAGEHINT_CALLS(lazyfree, PAGEHINT_CALLS_LAZYFREE)
PAGEHINT_CALLS(split, PAGEHINT_CALLS_SPLIT)
PAGEHINT_CALLS(candidates, PAGEHINT_CANDIDATES)
PAGEHINT_CALLS(freed, PAGEHINT_VOLATILE_FREED)

struct pagehint_hook pagehint_volatile_hooks[] = {
	{
		.target = PAGEHINT_GET_FOLIO_TARGET, .name = "filemap_get_folio",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_get_folio, .set_original = set_original_get_folio,
		.calls = calls_kept,
	}, {
		.target = PAGEHINT_READ_BATCH_TARGET, .name = "filemap_get_read_batch",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_read_batch, .set_original = set_original_read_batch,
		.calls = calls_settle,
	}, {
		.target = PAGEHINT_FAULT_AROUND_TARGET, .name = "next_uptodate_page",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE,
		.probe = direct_fault_around, .set_original = set_original_fault_around,
		.calls = calls_kept,
	}, {
		.target = PAGEHINT_COPY_TARGET, .name = "folio_migrate_mapping",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_ALLOC_SIDE,
		.probe = probe_copy, .calls = calls_copy,
#if !PAGEHINT_FAULT_CALLS_GET_FOLIO
	}, {
		.target = "filemap_fault", .name = "filemap_fault",
		.mechanism = PAGEHINT_WRAPPER, .side = PAGEHINT_ALLOC_SIDE,
		.inside = PAGEHINT_INSIDE_PAGE_CACHE, .optional = true,
		.probe = direct_fault, .set_original = set_original_fault,
		.calls = calls_fault,
#endif
	}, {
		.target = "mm_filemap_add_to_page_cache", .name = "add_to_page_cache",
		.mechanism = PAGEHINT_TRACEPOINT, .side = PAGEHINT_FREE_SIDE,
		.probe = probe_add, .calls = calls_candidates,
	}, {
		.target = "folio_end_writeback", .name = "folio_end_writeback",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_FREE_SIDE,
		.optional = true,
		.probe = probe_end_writeback, .calls = calls_written,
	}, {
		.target = PAGEHINT_UNMAP_TARGET, .name = "unmap",
		.mechanism = PAGEHINT_STUB, .side = PAGEHINT_FREE_SIDE,
		.optional = true,
		.probe = direct_unmap, .calls = calls_unmap,
	}, {
		.target = PAGEHINT_LAZYFREE_TARGET, .name = "mark_page_lazyfree",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_FREE_SIDE,
		.optional = true,
		.probe = probe_lazyfree, .calls = calls_lazyfree,
	}, {
		.target = PAGEHINT_SPLIT_TARGET, .name = "split_huge_page",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_FREE_SIDE,
		.optional = true,
		.probe = probe_split, .calls = calls_split,
#ifdef PAGEHINT_TEST
	}, {
		.target = PAGEHINT_MAP_TARGET, .name = "page_add_file_rmap",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_ALLOC_SIDE,
		.optional = true,
		.probe = pagehint_probe_map, .calls = pagehint_map_calls,
#ifdef PAGEHINT_MAP_HUGE_TARGET
	}, {
		.target = PAGEHINT_MAP_HUGE_TARGET, .name = "folio_add_file_rmap_pmd",
		.mechanism = PAGEHINT_ENTRY, .side = PAGEHINT_ALLOC_SIDE,
		.optional = true,
		.probe = pagehint_probe_map, .calls = pagehint_map_calls,
#endif
#endif
	},
};

const unsigned int pagehint_nr_volatile_hooks = ARRAY_SIZE(pagehint_volatile_hooks);

struct pagehint_hook pagehint_volatile_free_hooks[] = {
	{
		.target = "mm_page_free", .name = "mm_page_free_volatile",
		.mechanism = PAGEHINT_TRACEPOINT, .side = PAGEHINT_ALLOC_SIDE,
		.probe = probe_mm_page_free, .calls = calls_freed,
	},
};

const unsigned int pagehint_nr_volatile_free_hooks =
	ARRAY_SIZE(pagehint_volatile_free_hooks);

/**
 * pagehint_sleeping_getter - the hooked function in which a task may sleep and
 * then look a folio up
 *
 * Context: process, after the hooks were found.
 * Return: its address; 0 when there is none in this kernel.
 */
unsigned long pagehint_sleeping_getter(void)
{
	return PAGEHINT_GET_FOLIO_SLEEPS ? pagehint_volatile_hooks[0].symbol.address : 0;
}

/**
 * pagehint_fault_open - find filemap_fault(), if a page fault's look is known by it
 *
 * Without it what the host dropped is read again page by page when it is faulted in.
 *
 * Context: process, at load, after pagehint_unhooked_open(); no hook is attached.
 */
void pagehint_fault_open(void)
{
	struct pagehint_symbol fault = { .name = "filemap_fault" };
	struct pagehint_symbol *symbols[] = { &fault };

	if (!PAGEHINT_FAULT_CALLS_GET_FOLIO)
		return;
	if (!pagehint_resolve(symbols, 1) && fault.definitions == 1) {
		fault_begin = fault.address;
		fault_size = pagehint_symbol_size(fault.address);
	}
	if (!fault_size)
		pr_warn("filemap_fault was not found: page faults on what the host dropped do not read ahead\n");
}

/* The compiler checks the probes against the tracepoints' prototypes. */
static void __maybe_unused check_prototypes(void)
{
	check_trace_callback_type_mm_filemap_add_to_page_cache(probe_add);
	check_trace_callback_type_mm_page_free(probe_mm_page_free);
}
