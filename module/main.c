// SPDX-License-Identifier: GPL-2.0
/*
 * pagehint: ordered load and unload. Everything that a step opened is closed in
 * the opposite order, on unload and when a later step fails.
 */
#include <pagehint/log.h>

#include <linux/cc_platform.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>

#include <compat/kernel.h>
#include <pagehint/backend.h>
#include <pagehint/checks.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>
#include <pagehint/parameters.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>
#include <pagehint/version.h>

static int check_environment(void)
{
	const struct pagehint_environment env = {
		.page_poison = page_poisoning_enabled_static(),
		.debug_pagealloc = debug_pagealloc_enabled_static(),
		.kasan = IS_ENABLED(CONFIG_KASAN),
		.kmsan = IS_ENABLED(CONFIG_KMSAN),
		.confidential = cc_platform_has(CC_ATTR_MEM_ENCRYPT),
	};
	char why[PAGEHINT_WHY_BYTES];
	int err = pagehint_check_environment(&env, why);

	if (err)
		pr_err("%s\n", why);
	return err;
}

static int find_hooks(void)
{
	return pagehint_hooks_find(pagehint_unused_hooks, pagehint_nr_unused_hooks);
}

static int open_backend(void)
{
	return pagehint_backend_open(pagehint_backend_wanted);
}

/* In this order; undone in the opposite one. */
static const struct step {
	const char *name;
	int (*open)(void);
	void (*close)(void);
} steps[] = {
	{ "check the environment", check_environment },
	{ "look symbols up", pagehint_resolve_own },
	{ "find what to hook", find_hooks },
	{ "find what to hook in the page cache", pagehint_control_find_volatile },
	{ "find how to unmap", pagehint_control_find_mapped },
	{ "find what to hook in the swap cache", pagehint_control_find_swap_cache },
	{ "keep ftrace on", pagehint_anchor_open, pagehint_anchor_close },
	{ "prove that hooks work", pagehint_hooks_prove },
	{ "lay the table out", pagehint_table_layout, pagehint_table_free },
	{ "open the backend", open_backend, pagehint_backend_close },
	{ "register notifiers", pagehint_lifecycle_open, pagehint_lifecycle_close },
	{ "start hinting", pagehint_control_start, pagehint_control_stop },
	{ "open debugfs", pagehint_stats_open, pagehint_stats_close },
};

static void undo(unsigned int nr)
{
	while (nr--) {
		if (steps[nr].close)
			steps[nr].close();
	}
}

static int __init pagehint_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		int err = pagehint_fail_point() ?: steps[i].open();

		if (err) {
			undo(i);
			pr_err("not loaded: could not %s (error %d)\n",
			       steps[i].name, err);
			return err;
		}
	}
	pr_info("loaded, backend %s, %lu MiB in %u extents, %llu MiB found free\n",
		pagehint_backend->name, pagehint_table.nr_frames >> (20 - PAGE_SHIFT),
		pagehint_table.nr_ranges,
		pagehint_counter_sum(PAGEHINT_SCANNED) >> (20 - PAGE_SHIFT));
	return 0;
}

static void __exit pagehint_exit(void)
{
	undo(ARRAY_SIZE(steps));
	pr_info("unloaded, every frame is stable\n");
}

module_init(pagehint_init);
module_exit(pagehint_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Guest page hinting: the host may take back what the guest does not need");
MODULE_VERSION(PAGEHINT_RELEASE);
