/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Mapped page cache that nobody uses: it is unmapped, as reclaim would do, and
 * becomes a candidate for volatile like any other unmapped page.
 *
 * Context: everything but pagehint_mapped_check() is for the thread that
 * commits (module/volatile.c).
 */
#ifndef _PAGEHINT_MAPPED_H
#define _PAGEHINT_MAPPED_H

#include <linux/types.h>

struct folio;

int pagehint_mapped_check(char *why);
void pagehint_mapped_found(unsigned long pfn, bool file);
bool pagehint_mapped_look(unsigned long pfn);
void pagehint_mapped_round(bool (*look)(unsigned long pfn), bool (*stopping)(void));
void pagehint_mapped_end(void);
void pagehint_try_to_unmap(struct folio *folio);

/* Parameters, set by module/parameters.c. */
extern bool pagehint_mapped;
extern unsigned int pagehint_mapped_period_ms;

#endif /* _PAGEHINT_MAPPED_H */
