// SPDX-License-Identifier: GPL-2.0
/*
 * Test module: a livepatch of a function that pagehint redirects too. Bulk
 * allocation takes one page at a time: slow, and correct.
 */
#include <linux/gfp.h>
#include <linux/livepatch.h>
#include <linux/list.h>
#include <linux/mm.h>
#include <linux/module.h>

#include <compat/hooks.h>

static ulong calls;
module_param(calls, ulong, 0444);
MODULE_PARM_DESC(calls, "calls of the replacement (read only)");

static unsigned long one_by_one(gfp_t gfp, int preferred_nid, nodemask_t *nodemask,
				int nr_pages, struct list_head *page_list,
				struct page **page_array)
{
	struct page *page;
	int nr = 0;

	WRITE_ONCE(calls, calls + 1);
	while (page_array && nr < nr_pages && page_array[nr])
		nr++;
	if (nr == nr_pages)
		return nr;
	page = __alloc_pages(gfp, 0, preferred_nid, nodemask);
	if (!page)
		return nr;
	if (page_list)
		list_add(&page->lru, page_list);
	else
		page_array[nr] = page;
	return nr + 1;
}

static struct klp_func funcs[] = {
	{ .old_name = PAGEHINT_BULK_TARGET, .new_func = one_by_one },
	{ }
};

static struct klp_object objects[] = {
	{ .funcs = funcs },
	{ }
};

static struct klp_patch patch = { .mod = THIS_MODULE, .objs = objects };

static int __init patchbulk_init(void)
{
	return klp_enable_patch(&patch);
}

/* Only when the patch was disabled. */
static void __exit patchbulk_exit(void)
{
}

module_init(patchbulk_init);
module_exit(patchbulk_exit);

MODULE_DESCRIPTION("Test: another user that redirects a function of the page allocator");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
