// SPDX-License-Identifier: GPL-2.0
/*
 * Functions of KVM and of the kernel that this module cannot link to: newer
 * kernels export KVM's to kvm-amd and kvm-intel only, do_madvise() and what unmaps
 * pages to nobody.
 *
 * They are found by name at load and called by static calls, which are direct
 * calls and so hold under IBT. The two functions of the vendor module are called
 * through KVM's own table, which says by itself which vendor's they are: their
 * module is pinned by every VM, and so by whoever calls us for one.
 */
#include "log.h"

#include <linux/build_bug.h>
#include <linux/ftrace.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/stringify.h>

#include <compat/call.h>
#include <compat/kvm.h>

#include "pagehint_kvm.h"

/* "module:name", so that nobody else's function of that name is found */
#if IS_MODULE(CONFIG_KVM)
#define KVM_PREFIX "kvm:"
#else
#define KVM_PREFIX ""
#endif

static unsigned long no_lookup(const char *name)
{
	return 0;
}

static unsigned long no_site(unsigned long ip)
{
	return 0;
}

static int no_read(struct kvm *kvm, gpa_t gpa, void *data, unsigned long len)
{
	return -EFAULT;
}

static int no_write(struct kvm *kvm, gpa_t gpa, const void *data, unsigned long len)
{
	return -EFAULT;
}

static int no_skip(struct kvm_vcpu *vcpu)
{
	return 0;
}

static struct module *no_module(const char *name)
{
	return NULL;
}

static int no_madvise(struct mm_struct *mm, unsigned long start, size_t len, int behavior)
{
	return -EINVAL;
}

static void no_zap(PAGEHINT_ZAP_PARAMETERS)
{
}

/* What is found by name is called as it is declared. */
static_assert(__same_type(no_lookup, kallsyms_lookup_name));
static_assert(__same_type(no_module, find_module));
static_assert(__same_type(no_site, ftrace_location));
static_assert(__same_type(no_read, kvm_read_guest));
static_assert(__same_type(no_write, kvm_write_guest));
static_assert(__same_type(no_skip, kvm_skip_emulated_instruction));
static_assert(__same_type(no_madvise, do_madvise));
static_assert(__same_type(no_zap, PAGEHINT_ZAP));

PAGEHINT_CALL_DEFINE(lookup_call, no_lookup);
PAGEHINT_CALL_DEFINE(module_call, no_module);
PAGEHINT_CALL_DEFINE(site_call, no_site);
PAGEHINT_CALL_DEFINE(read_call, no_read);
PAGEHINT_CALL_DEFINE(write_call, no_write);
PAGEHINT_CALL_DEFINE(skip_call, no_skip);
PAGEHINT_CALL_DEFINE(madvise_call, no_madvise);
PAGEHINT_CALL_DEFINE(zap_call, no_zap);

struct pagehint_kvm_symbols pagehint_symbols;

/* Written once at load, before anything is hooked. */
static const struct kvm_x86_ops *vendor;
static const unsigned long *huge_page_flags;

static unsigned long address_of_lookup(void)
{
	struct kprobe probe = {
		.symbol_name = "kallsyms_lookup_name",
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long address;

	if (register_kprobe(&probe))
		return 0;
	address = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return address;
}

static unsigned long find(const char *name, int *err)
{
	unsigned long address = PAGEHINT_CALL(lookup_call)(name);

	if (!address && !*err) {
		pr_err("%s was not found: this kernel's KVM is not one that pagehint_kvm knows, report its version\n",
		       name);
		*err = -ENOENT;
	}
	return address;
}

static int find_all(void)
{
	unsigned long read, write, skip, madvise, zap, site;
	int err = 0;

	pagehint_symbols.emulate_hypercall = find(KVM_PREFIX "kvm_emulate_hypercall", &err);
	pagehint_symbols.get_mpstate = find(KVM_PREFIX "kvm_arch_vcpu_ioctl_get_mpstate", &err);
	pagehint_symbols.set_mpstate = find(KVM_PREFIX "kvm_arch_vcpu_ioctl_set_mpstate", &err);
	pagehint_symbols.pre_destroy_vm = find(KVM_PREFIX "kvm_arch_pre_destroy_vm", &err);
	vendor = (const struct kvm_x86_ops *)find(KVM_PREFIX "kvm_x86_ops", &err);
	read = find(KVM_PREFIX "kvm_read_guest", &err);
	write = find(KVM_PREFIX "kvm_write_guest", &err);
	skip = find(KVM_PREFIX "kvm_skip_emulated_instruction", &err);
	madvise = find("do_madvise", &err);
	zap = find(__stringify(PAGEHINT_ZAP), &err);
	site = find("ftrace_location", &err);
	if (err)
		return err;

	PAGEHINT_CALL_SET(read_call, read);
	PAGEHINT_CALL_SET(write_call, write);
	PAGEHINT_CALL_SET(skip_call, skip);
	PAGEHINT_CALL_SET(madvise_call, madvise);
	PAGEHINT_CALL_SET(zap_call, zap);
	PAGEHINT_CALL_SET(site_call, site);
	/* Without it every memory is taken for one with huge pages. */
	huge_page_flags = (const unsigned long *)
			  PAGEHINT_CALL(lookup_call)("transparent_hugepage_flags");
	return 0;
}

/* NULL: built in */
static struct module *get_kvm(void)
{
	struct module *kvm;
	unsigned long address;
	int err = 0;

	if (!IS_MODULE(CONFIG_KVM))
		return NULL;
	address = find("find_module", &err);
	if (err)
		return ERR_PTR(err);
	PAGEHINT_CALL_SET(module_call, address);
	/* What find_module() found stays for as long as this. */
	preempt_disable();
	kvm = PAGEHINT_CALL(module_call)("kvm");
	if (kvm && !try_module_get(kvm))
		kvm = NULL;
	preempt_enable();
	if (!kvm) {
		pr_err("the module kvm is not loaded: load kvm_amd or kvm_intel first\n");
		return ERR_PTR(-ENODEV);
	}
	return kvm;
}

/**
 * pagehint_symbols_find - look everything up
 *
 * Context: process, at load, before anything is hooked.
 * Return: the module kvm with a reference, NULL where KVM is built in, or an
 * error with a line in the log.
 */
struct module *pagehint_symbols_find(void)
{
	unsigned long address = address_of_lookup();
	struct module *kvm;
	int err;

	if (!address) {
		pr_err("kallsyms_lookup_name was not found: pagehint_kvm needs a kernel with CONFIG_KPROBES and CONFIG_KALLSYMS\n");
		return ERR_PTR(-ENOENT);
	}
	PAGEHINT_CALL_SET(lookup_call, address);
	kvm = get_kvm();
	if (IS_ERR(kvm))
		return kvm;
	err = find_all();
	if (err) {
		module_put(kvm);
		return ERR_PTR(err);
	}
	return kvm;
}

/**
 * pagehint_ftrace_site - the ftrace site of a function
 * @address: of the function
 *
 * Context: process.
 * Return: its address or 0.
 */
unsigned long pagehint_ftrace_site(unsigned long address)
{
	return PAGEHINT_CALL(site_call)(address);
}

/**
 * pagehint_vcpu_cpl - the privilege level that a vCPU runs at
 * @vcpu: loaded on this CPU
 *
 * Return: 0 for the guest's kernel .. 3 for its user space.
 */
int pagehint_vcpu_cpl(struct kvm_vcpu *vcpu)
{
	return vendor->get_cpl(vcpu);
}

/**
 * pagehint_vcpu_long_code - does a vCPU run 64-bit code?
 * @vcpu: loaded on this CPU, its state not protected from us
 *
 * Return: true if its registers are 64 bits wide.
 */
bool pagehint_vcpu_long_code(struct kvm_vcpu *vcpu)
{
	int cs_db, cs_l;

	if (!(vcpu->arch.efer & EFER_LMA))
		return false;
	vendor->get_cs_db_l_bits(vcpu, &cs_db, &cs_l);
	return cs_l;
}

/* Context: process, may sleep; kvm->srcu is held and current->mm is the VM's. */
int pagehint_read_guest(struct kvm *kvm, u64 gpa, void *data, unsigned long bytes)
{
	return PAGEHINT_CALL(read_call)(kvm, gpa, data, bytes);
}

/* As pagehint_read_guest(); tells dirty logging. */
int pagehint_write_guest(struct kvm *kvm, u64 gpa, const void *data, unsigned long bytes)
{
	return PAGEHINT_CALL(write_call)(kvm, gpa, data, bytes);
}

/* What the hypercall's handler returns: 1 to go on, 0 to leave to user space */
int pagehint_skip_instruction(struct kvm_vcpu *vcpu)
{
	return PAGEHINT_CALL(skip_call)(vcpu);
}

/* Context: process, may sleep; takes mmap_lock. */
int pagehint_madvise(struct mm_struct *mm, unsigned long start, size_t bytes, int advice)
{
	return PAGEHINT_CALL(madvise_call)(mm, start, bytes, advice);
}

/* What MADV_DONTNEED does in one mapping. Context: process, may sleep; mmap_lock. */
void pagehint_zap(struct vm_area_struct *vma, unsigned long start, unsigned long bytes)
{
	PAGEHINT_CALL(zap_call)(PAGEHINT_ZAP_ARGUMENTS(vma, start, bytes));
}

/**
 * pagehint_huge_pages_possible - may a mapping have transparent huge pages?
 * @vm_flags: its flags
 *
 * Return: false if it surely does not get any.
 */
bool pagehint_huge_pages_possible(unsigned long vm_flags)
{
	unsigned long flags;

	if (!IS_ENABLED(CONFIG_TRANSPARENT_HUGEPAGE) || (vm_flags & VM_NOHUGEPAGE))
		return false;
	if (!huge_page_flags)
		return true;
	flags = READ_ONCE(*huge_page_flags);
	if (flags & BIT(TRANSPARENT_HUGEPAGE_FLAG))
		return true;
	return (flags & BIT(TRANSPARENT_HUGEPAGE_REQ_MADV_FLAG)) && (vm_flags & VM_HUGEPAGE);
}
