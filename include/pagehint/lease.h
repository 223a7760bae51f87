/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's half of the lease over a shared table (contract:
 * include/uapi/pagehint.h). The transport gives the memory, this does the
 * header, the proofs and the handshake.
 */
#ifndef _PAGEHINT_LEASE_H
#define _PAGEHINT_LEASE_H

#include <linux/seq_file.h>

#include <pagehint/checks.h>

int pagehint_lease_open(struct pagehint_header *header, u64 bytes, char *why);
void pagehint_lease_close(void);
int pagehint_lease_begin(void);
void pagehint_lease_end(u32 leaving, bool for_sure);
void pagehint_lease_end_atomic(u32 leaving);
void pagehint_lease_going_offline(unsigned long pfn, unsigned long nr_pages);
void pagehint_lease_going_online(void);
u64 pagehint_lease_nr_dropped(void);
void pagehint_lease_show(struct seq_file *m);

#endif /* _PAGEHINT_LEASE_H */
