/* SPDX-License-Identifier: GPL-2.0 */
/*
 * For the module of a KVM host (host/kvm): differences between the host's kernels.
 */
#ifndef _PAGEHINT_COMPAT_KVM_H
#define _PAGEHINT_COMPAT_KVM_H

#include <linux/atomic.h>
#include <linux/kvm_host.h>
#include <linux/rculist.h>
#include <linux/shrinker.h>
#include <linux/string.h>

#include <compat/kvm_kernel.h>

/* Running a guest of the guest's, or in system management mode */
static inline bool pagehint_vcpu_nested_or_smm(struct kvm_vcpu *vcpu)
{
	return vcpu->arch.hflags & (HF_GUEST_MASK | HF_SMM_MASK);
}

/*
 * Encrypted: neither registers nor memory are what they seem. A plain SEV guest shows
 * from 6.10 on, if it was made by KVM_SEV_INIT2; else only kvm_amd knows.
 */
static inline bool pagehint_vcpu_encrypted(struct kvm_vcpu *vcpu)
{
#if PAGEHINT_HOST_IS(6, 1)
	return vcpu->arch.guest_state_protected;
#else
	return vcpu->arch.guest_state_protected ||
	       vcpu->kvm->arch.vm_type != KVM_X86_DEFAULT_VM;
#endif
}

/* Dispatched to Xen's or Hyper-V's hypercalls by kvm_emulate_hypercall() */
static inline bool pagehint_vcpu_foreign_calls(struct kvm_vcpu *vcpu)
{
#if PAGEHINT_HOST_IS(7, 2)
	if (vcpu->kvm->arch.xen.hvm_config.flags)
		return true;
#else
	if (vcpu->kvm->arch.xen_hvm_config.flags)
		return true;
#endif
#if PAGEHINT_HOST_IS(6, 1) || defined(CONFIG_KVM_HYPERV)
	return vcpu->arch.hyperv_enabled && vcpu->kvm->arch.hyperv.hv_guest_os_id;
#else
	return false;
#endif
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

/*
 * Devices passed through, whose IOMMU mappings a drop would leave behind. 6.17 counts
 * them no more, so there it is the tie between VFIO and KVM, which VMMs make for the
 * first device and keep: a VM that had one is taken to have it still.
 */
static inline bool pagehint_has_devices(struct kvm *kvm)
{
#if PAGEHINT_HOST_IS(7, 2)
	bool found = kvm->arch.nr_possible_bypass_irqs;
	const struct kvm_device *device;

	rcu_read_lock();
	list_for_each_entry_rcu(device, &kvm->devices, vm_node)
		found |= !strcmp(device->ops->name, "kvm-vfio");
	rcu_read_unlock();
	return found || atomic_read(&kvm->arch.noncoherent_dma_count);
#else
	return atomic_read(&kvm->arch.assigned_device_count) ||
	       atomic_read(&kvm->arch.noncoherent_dma_count);
#endif
}

/* What unmaps the pages of a part of one mapping: 7.2 has no details of it. */
#if PAGEHINT_HOST_IS(7, 2)
#define PAGEHINT_ZAP	zap_vma_range
#define PAGEHINT_ZAP_PARAMETERS \
	struct vm_area_struct *vma, unsigned long start, unsigned long size
#define PAGEHINT_ZAP_ARGUMENTS(vma, start, size)	vma, start, size
#else
#define PAGEHINT_ZAP	zap_page_range_single
#define PAGEHINT_ZAP_PARAMETERS \
	struct vm_area_struct *vma, unsigned long start, unsigned long size, \
	struct zap_details *details
#define PAGEHINT_ZAP_ARGUMENTS(vma, start, size)	vma, start, size, NULL
#endif

/*
 * 6.7 (c42d50aefd17) allocates shrinkers: there @pattern is what one is made of, and
 * its private data is that one.
 */
#if PAGEHINT_HOST_IS(6, 1)
static inline int pagehint_shrinker_register(struct shrinker *shrinker)
{
	return register_shrinker(shrinker, "pagehint-kvm");
}

static inline void pagehint_shrinker_unregister(struct shrinker *shrinker)
{
	unregister_shrinker(shrinker);
}
#else
static inline int pagehint_shrinker_register(struct shrinker *pattern)
{
	struct shrinker *shrinker = shrinker_alloc(0, "pagehint-kvm");

	if (!shrinker)
		return -ENOMEM;
	shrinker->count_objects = pattern->count_objects;
	shrinker->scan_objects = pattern->scan_objects;
	shrinker->seeks = pattern->seeks;
	shrinker->batch = pattern->batch;
	pattern->private_data = shrinker;
	shrinker_register(shrinker);
	return 0;
}

/* Waits for reclaim that is in it. */
static inline void pagehint_shrinker_unregister(struct shrinker *pattern)
{
	shrinker_free(pattern->private_data);
}
#endif

#endif /* _PAGEHINT_COMPAT_KVM_H */
