/* SPDX-License-Identifier: GPL-2.0 */
/* Between the files of backend kvm; include/pagehint/backend.h is for the rest. */
#ifndef _PAGEHINT_KVM_H
#define _PAGEHINT_KVM_H

#include <linux/types.h>

#include <pagehint/vector.h>

/* module/backend_kvm.c */
unsigned int pagehint_kvm_say(unsigned int operation, struct pagehint_vector *vector);
bool pagehint_kvm_connected(void);
unsigned int pagehint_kvm_min_order(void);
unsigned int pagehint_kvm_entries(void);

/* module/kvm_claim.c */
int pagehint_kvm_claim_open(char *why);
void pagehint_kvm_claim_close(void);
void pagehint_kvm_claim(unsigned long pfn, unsigned long end);
void pagehint_kvm_claim_flush(void);

/* module/kvm_refused.c */
int pagehint_kvm_refused_open(void);
void pagehint_kvm_refused_close(void);
void pagehint_kvm_refused_begin(void);
void pagehint_kvm_refused(const struct pagehint_hc_entry *entry, long error, bool in_part);
bool pagehint_kvm_is_refused(unsigned long pfn);
bool pagehint_kvm_one_by_one(void);
void pagehint_kvm_all_told(void);

/* Parameters: module/kvm_parameters.c */
extern int pagehint_order;
extern unsigned int pagehint_kvm_delay_ms;
extern unsigned int pagehint_kvm_batch;
extern bool pagehint_kvm_drain;

/* A host inside of the guest, for VMs without KVM: module/fake_host.c */
#ifdef PAGEHINT_TEST
extern bool pagehint_fake_host;
int pagehint_fake_host_open(void);
void pagehint_fake_host_close(void);
long pagehint_fake_host_call(unsigned int operation, unsigned long gpa,
			     unsigned long count, unsigned long cookie);
#else
#define pagehint_fake_host	false
static inline int pagehint_fake_host_open(void) { return 0; }
static inline void pagehint_fake_host_close(void) { }
static inline long pagehint_fake_host_call(unsigned int operation, unsigned long gpa,
					   unsigned long count, unsigned long cookie)
{
	return -PAGEHINT_HC_ENOSYS;
}
#endif

#endif /* _PAGEHINT_KVM_H */
