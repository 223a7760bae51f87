// SPDX-License-Identifier: GPL-2.0
/*
 * From a guest's frames to the VMM's memory, and the drop.
 *
 * A frame is dropped only where a drop means what the guest was promised, zeros
 * or the old content, and concerns nobody but this guest:
 *   private anonymous memory		its pages are unmapped, as by MADV_DONTNEED, or
 *					with lazy=1 by MADV_FREE
 *   shared memory of tmpfs or memfd	by MADV_REMOVE, with shared=1 alone: other
 *					processes may map the file
 * Never in private mappings of files (the file's content would come back), in
 * hugetlb, locked or device memory, under userfaultfd (its handler would be told,
 * and asked again), in read-only or private slots, and in a VMM of which any
 * memory is pinned: a device would go on writing to the page that was there.
 *
 * Memory slots: under kvm->srcu, which the caller holds. A slot that is taken
 * away meanwhile stays readable until then; KVM waits for us before it tells the
 * VMM that the slot is gone, and so nothing of what the VMM does with the memory
 * afterwards can be dropped.
 *
 * Mappings: mmap_lock is held while they are judged and their pages unmapped. For
 * MADV_FREE and MADV_REMOVE, which need not be asked for, it is released before
 * do_madvise() takes it again: docs/kvm-host.md, "Limits".
 */
#include "log.h"

#include <linux/fs.h>
#include <linux/hugetlb.h>
#include <linux/kvm_host.h>
#include <linux/magic.h>
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/pgtable.h>
#include <linux/userfaultfd_k.h>

#include <compat/kvm.h>

#include "pagehint_kvm.h"
#include "test_points.h"
#include "trace.h"

/* Of a transparent huge page, in frames */
#define HUGE_ORDER	(PMD_SHIFT - PAGE_SHIFT)

/* The slot that a guest may hint in at a frame, or NULL */
static struct kvm_memory_slot *slot_of(struct kvm *kvm, u64 gfn)
{
	struct kvm_memory_slot *slot = __gfn_to_memslot(kvm_memslots(kvm), gfn);

	if (!kvm_is_visible_memslot(slot))
		return NULL;
	/* Any flag but dirty logging is one that we know nothing good of. */
	if ((slot->flags & ~KVM_MEM_LOG_DIRTY_PAGES) && !pagehint_left_out("slot_flags"))
		return NULL;
	return slot;
}

static u64 frames_in_slot(const struct kvm_memory_slot *slot, u64 gfn, u64 nr_frames)
{
	return min_t(u64, nr_frames, slot->base_gfn + slot->npages - gfn);
}

/**
 * pagehint_memory_covers - may the guest hint all of this range?
 * @kvm: the VM
 * @gfn: first frame
 * @nr_frames: how many, of an entry that was checked
 *
 * Context: kvm->srcu.
 * Return: 0, or -EFAULT where there is no slot that is memory.
 */
int pagehint_memory_covers(struct kvm *kvm, u64 gfn, u64 nr_frames)
{
	while (nr_frames) {
		const struct kvm_memory_slot *slot = slot_of(kvm, gfn);
		u64 nr;

		if (!slot)
			return pagehint_left_out("slot_bounds") ? 0 : -EFAULT;
		nr = frames_in_slot(slot, gfn, nr_frames);
		gfn += nr;
		nr_frames -= nr;
	}
	return 0;
}

/*
 * Locked and pinned memory of a VMM, and devices: looked at anew for each piece.
 * Context: mmap_lock, under which it is locked, and accounted once it is pinned.
 */
static bool is_pinned(struct kvm *kvm)
{
	if (pagehint_left_out("pinned"))
		return false;
	return pagehint_has_devices(kvm) || READ_ONCE(kvm->mm->locked_vm) ||
	       atomic64_read(&kvm->mm->pinned_vm);
}

/*
 * Regular files of tmpfs: memfd and anonymous shared memory among them, devtmpfs,
 * which has the same magic number, not.
 */
static bool is_shmem(const struct vm_area_struct *vma)
{
	const struct inode *inode = file_inode(vma->vm_file);

	return inode->i_sb->s_magic == TMPFS_MAGIC && S_ISREG(inode->i_mode);
}

static bool is_watched(const struct vm_area_struct *vma)
{
#ifdef CONFIG_USERFAULTFD
	return vma->vm_userfaultfd_ctx.ctx;
#else
	return false;
#endif
}

/* Why not to drop in a mapping, or PAGEHINT_NR_STATS. Context: mmap_lock. */
static enum pagehint_stat refusal(struct kvm *kvm, struct vm_area_struct *vma)
{
	if (is_pinned(kvm))
		return PAGEHINT_STAT_REFUSED_PINNED;
	if (pagehint_left_out("whitelist"))
		return PAGEHINT_NR_STATS;
	if (vma->vm_flags & VM_HUGETLB)
		return PAGEHINT_STAT_REFUSED_HUGETLB;
	if (vma->vm_flags & VM_LOCKED)
		return PAGEHINT_STAT_REFUSED_LOCKED;
	if (vma->vm_flags & (VM_SPECIAL | VM_PFNMAP | VM_MIXEDMAP | VM_IO))
		return PAGEHINT_STAT_REFUSED_SPECIAL;
	if (is_watched(vma))
		return PAGEHINT_STAT_REFUSED_USERFAULT;
	if (vma_is_anonymous(vma) && !vma->vm_file && !(vma->vm_flags & VM_SHARED))
		return PAGEHINT_NR_STATS;
	if (!vma->vm_file || !is_shmem(vma) || !(vma->vm_flags & VM_SHARED) ||
	    !(vma->vm_flags & VM_MAYWRITE))
		return PAGEHINT_STAT_REFUSED_FILE;
	return READ_ONCE(pagehint_shared) ? PAGEHINT_NR_STATS : PAGEHINT_STAT_REFUSED_SHARED;
}

/*
 * Is an address mapped by a huge page now? A guess by the time it is used: only
 * profit hangs on it. Context: mmap_lock, and the address is in a mapping, which
 * keeps all tables above the lowest level.
 */
static bool in_huge_page(struct mm_struct *mm, unsigned long address)
{
#ifdef CONFIG_TRANSPARENT_HUGEPAGE
	pgd_t *pgd = pgd_offset(mm, address);
	p4d_t *p4d;
	pud_t *pud, upper;
	pmd_t lower;

	if (pgd_none(READ_ONCE(*pgd)))
		return false;
	p4d = p4d_offset(pgd, address);
	if (p4d_none(READ_ONCE(*p4d)))
		return false;
	pud = pud_offset(p4d, address);
	upper = READ_ONCE(*pud);
	if (!pud_present(upper) || pud_leaf(upper))
		return false;
	lower = READ_ONCE(*pmd_offset(pud, address));
	return pmd_present(lower) && pmd_trans_huge(lower);
#else
	return false;
#endif
}

/**
 * struct piece - the part of a range that is dropped by one call, or not at all
 * @end: of it; it begins where the range does
 * @vma: it is in; only under mmap_lock
 * @advice: what is done to it: MADV_DONTNEED here, else do_madvise()
 * @why: PAGEHINT_NR_STATS, or what to count its frames under instead of dropping
 * @splits: it is only a part of a huge page
 */
struct piece {
	unsigned long end;
	struct vm_area_struct *vma;
	int advice;
	enum pagehint_stat why;
	bool splits;
};

/* Context: mmap_lock. */
static void judge(struct kvm *kvm, unsigned long start, unsigned long end,
		  bool is_volatile, struct piece *piece)
{
	struct vm_area_struct *vma = find_vma(kvm->mm, start);
	int wanted = READ_ONCE(pagehint_order);
	unsigned int order = wanted < 0 ? HUGE_ORDER : wanted;

	piece->splits = false;
	piece->vma = vma;
	piece->end = end;
	if (!vma || vma->vm_start > start) {
		piece->why = PAGEHINT_STAT_REFUSED_UNMAPPED;
		if (vma)
			piece->end = min(end, vma->vm_start);
		return;
	}
	piece->end = min(end, vma->vm_end);
	piece->why = refusal(kvm, vma);
	if (piece->why != PAGEHINT_NR_STATS)
		return;
	piece->advice = vma->vm_file ? MADV_REMOVE :
			READ_ONCE(pagehint_lazy) && !is_volatile ? MADV_FREE : MADV_DONTNEED;

	/* Whole huge pages together; a part of one by itself. */
	if (IS_ALIGNED(start, PMD_SIZE) && piece->end - start >= PMD_SIZE) {
		piece->end = ALIGN_DOWN(piece->end, PMD_SIZE);
		return;
	}
	piece->end = min(piece->end, ALIGN(start + 1, PMD_SIZE));
	piece->splits = in_huge_page(kvm->mm, start) && !pagehint_left_out("huge_page");
	/* Volatile ones go when memory is short, and then a part is better than none. */
	if (piece->splits && !is_volatile && piece->end - start < PAGE_SIZE << order)
		piece->why = PAGEHINT_STAT_HUGE_SKIPPED;
}

/*
 * Judged and dropped, and then counted. With mmap_lock on entry and without it on
 * return; true: some of it may be gone now.
 */
static bool drop_piece(struct pagehint_vm *vm, unsigned long start, unsigned long end,
		       bool is_volatile, struct piece *piece)
{
	unsigned long bytes;
	u64 nr_frames;
	int err = 0;

	judge(vm->kvm, start, end, is_volatile, piece);
	bytes = piece->end - start;
	nr_frames = bytes >> PAGE_SHIFT;
	if (piece->why == PAGEHINT_NR_STATS && piece->advice == MADV_DONTNEED)
		pagehint_zap(piece->vma, start, bytes);
	mmap_read_unlock(vm->mm);

	if (piece->why != PAGEHINT_NR_STATS) {
		pagehint_count(vm, piece->why, nr_frames);
		return false;
	}
	pagehint_count(vm, PAGEHINT_STAT_DROP_CALLS, 1);
	if (piece->advice != MADV_DONTNEED)
		err = pagehint_madvise(vm->mm, start, bytes, piece->advice);
	if (err) {
		pagehint_count(vm, PAGEHINT_STAT_DROP_ERRORS, 1);
		return true;
	}
	if (piece->splits)
		pagehint_count(vm, PAGEHINT_STAT_HUGE_SPLIT, nr_frames);
	pagehint_count(vm, is_volatile ? PAGEHINT_STAT_DROPPED_VOLATILE :
					 PAGEHINT_STAT_DROPPED_UNUSED, nr_frames);
	return true;
}

/* Frames that follow each other in the VMM's memory too; @tried: some may be gone now */
static int drop_range(struct pagehint_vm *vm, unsigned long start, unsigned long end,
		      bool is_volatile, bool *tried)
{
	struct piece piece;
	int err;

	for (; start < end; start = piece.end) {
		err = mmap_read_lock_killable(vm->mm);
		if (err)
			return -EINTR;
		*tried |= drop_piece(vm, start, end, is_volatile, &piece);
		cond_resched();
	}
	return 0;
}

/**
 * pagehint_memory_drop - give frames back to the host, as far as they can be
 * @vm: the VM; its mm is the caller's or held by mmget()
 * @gfn: first frame
 * @nr_frames: how many
 * @is_volatile: and not unused
 *
 * Context: process, may sleep; kvm->srcu; for volatile frames vm->lock, so that
 * nobody hears that a frame is kept while it is dropped.
 * Return: 0: content may be gone, -EPERM: all of it is there, -EINTR: the VMM is
 * being killed, content may be gone.
 */
int pagehint_memory_drop(struct pagehint_vm *vm, u64 gfn, u64 nr_frames, bool is_volatile)
{
	u64 left = nr_frames, at = gfn;
	unsigned long start = 0, end = 0;
	bool tried = false;
	int err = 0;

	while (left && !err) {
		const struct kvm_memory_slot *slot = slot_of(vm->kvm, at);
		u64 nr = slot ? frames_in_slot(slot, at, left) : 1;
		unsigned long hva = slot ? __gfn_to_hva_memslot(slot, at) : 0;

		if (!slot)
			pagehint_count(vm, PAGEHINT_STAT_REFUSED_SLOT, 1);
		/* Slots that continue each other are one range. */
		if (!slot || (hva != end && (!end || !pagehint_left_out("continues")))) {
			err = drop_range(vm, start, end, is_volatile, &tried);
			start = hva;
			end = hva;
		}
		if (slot)
			end += nr << PAGE_SHIFT;
		at += nr;
		left -= nr;
		/* A range without memory may be long, and none of it is work. */
		if (!slot)
			cond_resched();
	}
	if (!err)
		err = drop_range(vm, start, end, is_volatile, &tried);
	trace_pagehint_kvm_drop(vm->kvm, gfn, nr_frames, is_volatile, tried);
	return err ?: tried ? 0 : -EPERM;
}

/**
 * pagehint_memory_preferred_order - the smallest block worth a hint to us
 * @kvm: the VM
 *
 * Where the memory can have huge pages, a smaller block would only split one:
 * judged by the largest slot, a VM's memory proper.
 *
 * Context: process, may sleep; kvm->srcu; current->mm is the VM's.
 * Return: the order of a block in frames.
 */
unsigned int pagehint_memory_preferred_order(struct kvm *kvm)
{
	const struct kvm_memory_slot *slot, *largest = NULL;
	/*
	 * Once: the macro names its argument twice, and another set of slots may
	 * take the place of this one, which kvm->srcu keeps as it is.
	 */
	struct kvm_memslots *slots = kvm_memslots(kvm);
	const struct vm_area_struct *vma;
	unsigned int order = 0;
	int bucket;

	if (pagehint_order >= 0)
		return pagehint_order;
	kvm_for_each_memslot(slot, bucket, slots) {
		if (kvm_is_visible_memslot((struct kvm_memory_slot *)slot) &&
		    (!largest || slot->npages > largest->npages))
			largest = slot;
	}
	if (!largest || mmap_read_lock_killable(kvm->mm))
		return 0;
	vma = find_vma(kvm->mm, largest->userspace_addr);
	if (vma && vma->vm_start <= largest->userspace_addr &&
	    pagehint_huge_pages_possible(vma->vm_flags))
		order = HUGE_ORDER;
	mmap_read_unlock(kvm->mm);
	return order;
}
