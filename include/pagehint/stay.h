/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Folios that stay volatile while they are mapped, on hosts that interrupt whoever
 * uses what they dropped (parameter mapped_volatile): a page fault that maps what is
 * in the page cache anyway says nothing to the host. docs/mapped-volatile.md
 *
 * Only folios of one frame, and only what fault-around maps. Two things are apart:
 * whether fault-around may leave a folio volatile now (pagehint_stay_maps), and whether
 * folios may be volatile and mapped at all, by now or since earlier (pagehint_stay_rules):
 * then the loss of one is dealt with by whoever holds the folio lock, and by nobody else.
 */
#ifndef _PAGEHINT_STAY_H
#define _PAGEHINT_STAY_H

#include <linux/mm.h>
#include <linux/types.h>

#include <pagehint/checks.h>
#include <pagehint/volatile.h>

struct seq_file;

/* Parameter, set by module/parameters.c. */
extern bool pagehint_mapped_volatile;

#ifdef CONFIG_S390

/* Changed under control_mutex, read anywhere. */
extern bool pagehint_stay_maps;
extern bool pagehint_stay_rules;

static __always_inline bool pagehint_stay_on(void)
{
	return unlikely(READ_ONCE(pagehint_stay_rules));
}

/* module/stay.c */
int pagehint_stay_check(char *why);
int pagehint_stay_start(void);
void pagehint_stay_stop_mapping(void);
void pagehint_stay_stop(void);
bool pagehint_stay_leaves(struct folio *folio);
bool pagehint_stay_recover(struct folio *folio);
bool pagehint_stay_settle(struct folio *folio);
enum pagehint_kept pagehint_stay_make_stable(struct folio *folio);
bool pagehint_stay_use(struct folio *folio);
bool pagehint_stay_usable(struct page *page);
void pagehint_stay_recover_page(struct page *page);
unsigned long pagehint_stay_now(void);

/* probes/stay.c */
unsigned long pagehint_stay_sleeping_getter(void);
int pagehint_stay_hooks_find(void);
int pagehint_stay_hooks_attach(void);
void pagehint_stay_hooks_detach(void);
void pagehint_stay_hooks_show(struct seq_file *m);

#else

static inline bool pagehint_stay_on(void) { return false; }
static inline int pagehint_stay_check(char *why)
{
	snprintf(why, PAGEHINT_WHY_BYTES,
		 "no host of this architecture interrupts whoever uses what it dropped");
	return -EOPNOTSUPP;
}

static inline int pagehint_stay_start(void) { return -EOPNOTSUPP; }
static inline void pagehint_stay_stop_mapping(void) { }
static inline void pagehint_stay_stop(void) { }
static inline bool pagehint_stay_leaves(struct folio *folio) { return false; }
static inline bool pagehint_stay_recover(struct folio *folio) { return false; }
static inline bool pagehint_stay_settle(struct folio *folio) { return false; }
static inline enum pagehint_kept pagehint_stay_make_stable(struct folio *folio)
{
	return pagehint_volatile_make_stable(folio);
}

static inline unsigned long pagehint_stay_now(void) { return 0; }
static inline unsigned long pagehint_stay_sleeping_getter(void) { return 0; }
static inline int pagehint_stay_hooks_find(void) { return 0; }
static inline void pagehint_stay_hooks_show(struct seq_file *m) { }

#endif

#endif /* _PAGEHINT_STAY_H */
