/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of backend essa; include/pagehint/backend.h is for the rest. */
#ifndef _PAGEHINT_MODULE_ESSA_H
#define _PAGEHINT_MODULE_ESSA_H

#include <linux/types.h>

#include <pagehint/vector.h>

/* module/essa_frames.c */
unsigned int pagehint_essa_tell(const struct pagehint_vector *vector);
unsigned int pagehint_essa_ask(const struct pagehint_vector *vector);
unsigned int pagehint_essa_repay(const struct pagehint_vector *vector);
void pagehint_essa_all_stable(void);
bool pagehint_essa_is_gone(unsigned long pfn);
void pagehint_essa_make_usable(unsigned long pfn);

/* module/essa_probe.c */
struct pagehint_essa_host {
	bool takes_volatile;	/* and remembers that it was told */
	bool kernel_hints;	/* the kernel tells of free memory itself (cmma=on) */
	bool interrupts;	/* whoever uses what was volatile and is gone */
};

int pagehint_essa_probe(struct pagehint_essa_host *host, char *why);

#endif /* _PAGEHINT_MODULE_ESSA_H */
