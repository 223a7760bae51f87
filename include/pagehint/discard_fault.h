/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The last line: the guest used a frame that the host had dropped, and no getter
 * was asked first. Hosts with discard faults (s390x) interrupt such an access; on
 * others this is nothing at all. docs/discard-faults.md
 */
#ifndef _PAGEHINT_DISCARD_FAULT_H
#define _PAGEHINT_DISCARD_FAULT_H

#include <linux/types.h>

struct folio;
struct pt_regs;
struct seq_file;

#ifdef CONFIG_S390

/**
 * enum pagehint_recovery - what became of a frame that was asked for
 * @PAGEHINT_RECOVERY_WAITS: nothing yet
 * @PAGEHINT_RECOVERED: the access may be redone: it finds the content, or a page fault
 * @PAGEHINT_LOST: whoever redoes it finds zeros, or the same interruption
 */
enum pagehint_recovery {
	PAGEHINT_RECOVERY_WAITS,
	PAGEHINT_RECOVERED,
	PAGEHINT_LOST,
};

/* In the place of an address: it was not used, and is asked for by one of our hooks. */
#define PAGEHINT_FROM_HOOK	1UL

/* probes/discard_fault.c */
int pagehint_discard_hooks_find(void);
int pagehint_discard_hooks_attach(void);
void pagehint_discard_hooks_detach(void);
void pagehint_discard_hooks_show(struct seq_file *m);

/* module/discard_fault.c */
int pagehint_discard_open(void);
void pagehint_discard_close(void);
void pagehint_discard_fault(struct pt_regs *regs);
void pagehint_discard_set_fixup(unsigned long address);
void pagehint_discard_late(unsigned long pfn);

/* module/discard_recover.c */
int pagehint_recovery_open(void);
void pagehint_recovery_flush(void);
void pagehint_recovery_close(void);
bool pagehint_recovery_now(unsigned long pfn);
bool pagehint_recovery_is_usual(unsigned long pfn);
bool pagehint_recovery_is_asked(unsigned long pfn);
int pagehint_recovery_ask(unsigned long pfn, unsigned long from);
enum pagehint_recovery pagehint_recovery_state(int at, unsigned long pfn);
enum pagehint_recovery pagehint_recovery_wait(int at, unsigned long pfn);
struct folio *pagehint_recovery_hold(unsigned long pfn);

#else

static inline int pagehint_discard_hooks_find(void) { return 0; }
static inline void pagehint_discard_hooks_show(struct seq_file *m) { }
static inline int pagehint_discard_open(void) { return 0; }
static inline void pagehint_discard_close(void) { }
static inline void pagehint_discard_late(unsigned long pfn) { }
static inline struct folio *pagehint_recovery_hold(unsigned long pfn) { return NULL; }

#endif

#endif /* _PAGEHINT_DISCARD_FAULT_H */
