// SPDX-License-Identifier: GPL-2.0
/*
 * Backend essa: is there ESSA, does it do what it should, and who tells the host of
 * free memory. All of it by execution, on pages of our own.
 *
 * Context: process, at load.
 */
#include <pagehint/log.h>

#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/mm.h>
#include <linux/string.h>

#include <compat/essa.h>
#include <pagehint/checks.h>
#include <pagehint/control.h>

#include "essa.h"

#define PATTERN	0x69
#define TRIES	16

static unsigned int operate(unsigned long pfn, enum pagehint_essa_operation operation)
{
	switch (operation) {
	case PAGEHINT_ESSA_SET_STABLE:
		return pagehint_essa_set_stable(pfn);
	case PAGEHINT_ESSA_SET_UNUSED:
		return pagehint_essa_set_unused(pfn);
	case PAGEHINT_ESSA_SET_VOLATILE:
		return pagehint_essa_set_volatile(pfn);
	case PAGEHINT_ESSA_SET_POTENTIAL:
		return pagehint_essa_set_potential(pfn);
	case PAGEHINT_ESSA_SET_STABLE_RESIDENT:
		return pagehint_essa_set_stable_resident(pfn);
	case PAGEHINT_ESSA_SET_STABLE_IF:
		return pagehint_essa_set_stable_if(pfn);
	default:
		return pagehint_essa_get(pfn);
	}
}

/* One after the other; the host may take the frame at any moment. */
static const struct step {
	enum pagehint_essa_operation operation;
	unsigned int usage;	/* afterwards */
	bool needed;		/* or else only page cache is out of the question */
} steps[] = {
	{ PAGEHINT_ESSA_SET_UNUSED, PAGEHINT_ESSA_UNUSED, true },
	{ PAGEHINT_ESSA_SET_STABLE, PAGEHINT_ESSA_STABLE, true },
	{ PAGEHINT_ESSA_SET_VOLATILE, PAGEHINT_ESSA_VOLATILE, false },
	{ PAGEHINT_ESSA_SET_STABLE, PAGEHINT_ESSA_STABLE, true },
	{ PAGEHINT_ESSA_SET_STABLE_RESIDENT, PAGEHINT_ESSA_STABLE, false },
};

static int walk(unsigned long pfn, struct pagehint_essa_host *host, char *why)
{
	unsigned int i;

	host->takes_volatile = true;
	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		unsigned int result = operate(pfn, steps[i].operation), now;

		now = pagehint_essa_get(pfn);
		if (!(result & PAGEHINT_ESSA_FAULT) &&
		    pagehint_essa_is_usage(now, steps[i].usage))
			continue;
		if (steps[i].needed) {
			snprintf(why, PAGEHINT_WHY_BYTES,
				 "ESSA does not work here: expected usage %#x after operation %u, found state %#x: report it with the hypervisor's version, or choose another backend",
				 steps[i].usage, steps[i].operation, now);
			return -EOPNOTSUPP;
		}
		host->takes_volatile = false;
	}
	return 0;
}

/*
 * Content that is said to be kept is there. Nothing makes a page potentially volatile yet:
 * so only the test build tries that.
 */
static int keep(struct page *page, char *why)
{
	const enum pagehint_essa_operation ways[] = {
		PAGEHINT_ESSA_SET_VOLATILE,
#ifdef PAGEHINT_TEST
		PAGEHINT_ESSA_SET_POTENTIAL,
#endif
	};
	unsigned long pfn = page_to_pfn(page);
	void *content = page_address(page);
	unsigned int i, result;

	for (i = 0; i < ARRAY_SIZE(ways); i++) {
		enum pagehint_essa_verdict verdict;

		memset(content, PATTERN, PAGE_SIZE);
		operate(pfn, ways[i]);
		result = pagehint_essa_set_stable_if(pfn);
		verdict = pagehint_essa_judge_if(result);
		if (verdict == PAGEHINT_ESSA_KEPT && memchr_inv(content, PATTERN, PAGE_SIZE)) {
			snprintf(why, PAGEHINT_WHY_BYTES,
				 "ESSA says that content is kept (result %#x) that is not: report it with the hypervisor's version, or choose another backend",
				 result);
			return -EOPNOTSUPP;
		}
		if (verdict != PAGEHINT_ESSA_KEPT)
			pagehint_essa_set_stable(pfn);
	}
	return 0;
}

/*
 * A page that was just freed is unused if the kernel says so to the host, and nobody
 * else does. With interrupts off it stays on this CPU's list, most of the time.
 */
static bool kernel_hints(void)
{
	unsigned int i;

	for (i = 0; i < TRIES; i++) {
		struct page *page = alloc_page(GFP_KERNEL);
		unsigned long flags;
		unsigned int result;

		if (!page)
			continue;
		local_irq_save(flags);
		__free_page(page);
		result = pagehint_essa_get(page_to_pfn(page));
		local_irq_restore(flags);
		if (pagehint_essa_is_usage(result, PAGEHINT_ESSA_UNUSED))
			return true;
	}
	return false;
}

/**
 * pagehint_essa_probe - look for ESSA, and at what it does
 * @host: gets what was found
 * @why: the sentence when it will not do
 *
 * Return: 0 or an error.
 */
int pagehint_essa_probe(struct pagehint_essa_host *host, char *why)
{
	struct page *page;
	int err;

	page = pagehint_fail_point() ? NULL : alloc_page(GFP_KERNEL);
	if (!page) {
		snprintf(why, PAGEHINT_WHY_BYTES, "no memory: free some and load again");
		return -ENOMEM;
	}
	if (pagehint_essa_get(page_to_pfn(page)) & PAGEHINT_ESSA_FAULT) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "no ESSA here: expected the instruction to tell the state of a page, found an illegal operation: let the hypervisor give it to this guest (KVM: CPU model with cmm=on), or choose another backend");
		err = -EOPNOTSUPP;
	} else {
		err = walk(page_to_pfn(page), host, why) ?: keep(page, why);
	}
	if (!err) {
		host->kernel_hints = kernel_hints();
		host->interrupts = pagehint_essa_interrupts();
	}
	__free_page(page);
	return err;
}
