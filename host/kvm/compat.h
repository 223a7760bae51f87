/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between the host's kernels, and nowhere else.
 */
#ifndef _PAGEHINT_KVM_COMPAT_H
#define _PAGEHINT_KVM_COMPAT_H

#include <linux/atomic.h>
#include <linux/kvm_host.h>
#include <linux/shrinker.h>

#include "kernel.h"

/* Running a guest of the guest's, or in system management mode */
static inline bool pagehint_vcpu_nested_or_smm(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.hflags & (HF_GUEST_MASK | HF_SMM_MASK);
}

/* Dispatched to Xen's or Hyper-V's hypercalls by kvm_emulate_hypercall() */
static inline bool pagehint_vcpu_foreign_calls(struct kvm_vcpu *vcpu)
{
	return vcpu->kvm->arch.xen_hvm_config.flags ||
	       (vcpu->arch.hyperv_enabled && vcpu->kvm->arch.hyperv.hv_guest_os_id);
}

/*
 * Is a vCPU in the guest, or halted there? One that handles an exit, or waits for a
 * CPU, is not.
 */
static inline bool pagehint_guest_runs(struct kvm *kvm)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (READ_ONCE(vcpu->mode) != OUTSIDE_GUEST_MODE ||
		    READ_ONCE(vcpu->stat.generic.blocking))
			return true;
	}
	return false;
}

/* Devices passed through, whose IOMMU mappings a drop would leave behind */
static inline bool pagehint_has_devices(struct kvm *kvm)
{
	return atomic_read(&kvm->arch.assigned_device_count) ||
	       atomic_read(&kvm->arch.noncoherent_dma_count);
}

/* What unmaps pages of one mapping: in 7.2 by another name, and one argument less */
#if LINUX_VERSION_CODE < KERNEL_VERSION(7, 2, 0)
#define PAGEHINT_ZAP_NAME "zap_page_range_single"
#define PAGEHINT_ZAP_PARAMETERS struct vm_area_struct *vma, unsigned long start, \
				unsigned long bytes, struct zap_details *details
#define PAGEHINT_ZAP_ARGUMENTS(vma, start, bytes) vma, start, bytes, NULL
#else
#define PAGEHINT_ZAP_NAME "zap_vma_range"
#define PAGEHINT_ZAP_PARAMETERS struct vm_area_struct *vma, unsigned long start, \
				unsigned long bytes
#define PAGEHINT_ZAP_ARGUMENTS(vma, start, bytes) vma, start, bytes
#endif

/* 6.7 (c42d50aefd17) allocates shrinkers. */
static inline int pagehint_shrinker_register(struct shrinker *shrinker)
{
	return register_shrinker(shrinker, "pagehint-kvm");
}

static inline void pagehint_shrinker_unregister(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
}

#endif /* _PAGEHINT_KVM_COMPAT_H */
