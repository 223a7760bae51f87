/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Free memory of which the host is told at once, by an instruction, as it is freed and
 * allocated: backend essa with the kernel's own CMMA off (cmma=off). Nothing elsewhere.
 */
#ifndef _PAGEHINT_AT_ONCE_H
#define _PAGEHINT_AT_ONCE_H

#include <linux/jump_label.h>
#include <linux/types.h>

#ifdef CONFIG_S390

DECLARE_STATIC_KEY_FALSE(pagehint_at_once);

/* module/essa_frames.c */
void pagehint_at_once_freed(unsigned long pfn, unsigned long nr_frames);
void pagehint_at_once_stable(unsigned long pfn, unsigned long nr_frames);

/**
 * pagehint_tell_freed - frames became UNUSED
 * @pfn: the first; those outside of the table are left alone
 * @nr_frames: how many
 *
 * Context: any; nobody can allocate them before this returns.
 */
static __always_inline void pagehint_tell_freed(unsigned long pfn, unsigned long nr_frames)
{
	if (static_branch_unlikely(&pagehint_at_once))
		pagehint_at_once_freed(pfn, nr_frames);
}

/**
 * pagehint_tell_stable - frames became STABLE that were UNUSED, or may have been
 * @pfn: the first; those outside of the table are left alone
 * @nr_frames: how many
 *
 * Context: any; nobody writes anything but zeros to them before this returns, and nobody
 * frees them.
 */
static __always_inline void pagehint_tell_stable(unsigned long pfn, unsigned long nr_frames)
{
	if (static_branch_unlikely(&pagehint_at_once))
		pagehint_at_once_stable(pfn, nr_frames);
}

#else

static inline void pagehint_tell_freed(unsigned long pfn, unsigned long nr_frames) { }
static inline void pagehint_tell_stable(unsigned long pfn, unsigned long nr_frames) { }

#endif

#endif /* _PAGEHINT_AT_ONCE_H */
