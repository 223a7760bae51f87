/* SPDX-License-Identifier: GPL-2.0 */
/* Memory management: names that differ between kernels. */
#ifndef _PAGEHINT_COMPAT_MM_H
#define _PAGEHINT_COMPAT_MM_H

#include <linux/mm.h>
#include <linux/mmzone.h>
#include <linux/version.h>

/*
 * Order of a block on a buddy free list. mm/internal.h: buddy_order(), not
 * part of the headers; the order has been in page_private since 2.6.
 */
static inline unsigned int pagehint_buddy_order(struct page *page)
{
	return page_private(page);
}

/* Largest order on the free lists: MAX_ORDER became inclusive in 6.4. */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 8, 0)
#define PAGEHINT_MAX_BUDDY_ORDER	MAX_PAGE_ORDER
#elif LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define PAGEHINT_MAX_BUDDY_ORDER	MAX_ORDER
#else
#define PAGEHINT_MAX_BUDDY_ORDER	(MAX_ORDER - 1)
#endif

#endif /* _PAGEHINT_COMPAT_MM_H */
