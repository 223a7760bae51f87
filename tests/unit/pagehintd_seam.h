/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Included before every file of pagehintd that a fuzzer is built from: lets a
 * guest act between the daemon's look at a state byte and its compare-and-swap,
 * which is the only moment at which the two can meet.
 */
#ifndef _PAGEHINTD_SEAM_H
#define _PAGEHINTD_SEAM_H

#include <stdbool.h>
#include <stdint.h>

extern void (*guest_before_swap)(uint8_t *byte);

static inline bool swap_after_guest(uint8_t *byte, uint8_t *old, uint8_t new)
{
	if (guest_before_swap)
		guest_before_swap(byte);
	return __atomic_compare_exchange_n(byte, old, new, false, __ATOMIC_SEQ_CST,
					   __ATOMIC_RELAXED);
}

#define __atomic_compare_exchange_n(byte, old, new, weak, success, failure) \
	swap_after_guest(byte, old, new)

#endif /* _PAGEHINTD_SEAM_H */
