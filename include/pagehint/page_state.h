/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's moves on the state bytes (contract: include/uapi/pagehint.h).
 *
 * Every function takes the address of a byte in the table. Who may call what
 * on one frame at the same time is the caller's business and said with each
 * function; against the host every move is safe at any time.
 */
#ifndef _PAGEHINT_PAGE_STATE_H
#define _PAGEHINT_PAGE_STATE_H

#include <pagehint/platform.h>
#include <uapi/pagehint.h>

/**
 * enum pagehint_kept - what became of a volatile frame made stable
 * @PAGEHINT_WAS_STABLE: it was not volatile; nothing changed
 * @PAGEHINT_KEPT: it is stable and its content is whole
 * @PAGEHINT_DISCARDED: the content is gone and the caller owns the frame in
 *	state RECOVERING: it must deal with the loss and then call
 *	pagehint_state_recovered()
 */
enum pagehint_kept {
	PAGEHINT_WAS_STABLE,
	PAGEHINT_KEPT,
	PAGEHINT_DISCARDED,
};

/**
 * struct pagehint_changed - what a move over a range did
 * @frames: frames whose usage changed
 * @absent: those of them that the host had dropped
 */
struct pagehint_changed {
	unsigned int frames;
	unsigned int absent;
};

bool pagehint_state_free_slow(u8 *byte);
u8 pagehint_state_alloc_slow(u8 *byte, u8 seen);
unsigned int pagehint_state_free_range(u8 *first, unsigned long nr);
struct pagehint_changed pagehint_state_alloc_range(u8 *first, unsigned long nr);
unsigned int pagehint_state_scan_range(u8 *first, unsigned long nr);

bool pagehint_state_make_volatile(u8 *byte, u8 temperature);
enum pagehint_kept pagehint_state_make_stable(u8 *byte);
void pagehint_state_recovered(u8 *byte);
bool pagehint_state_set_temperature(u8 *byte, u8 temperature);

/**
 * pagehint_state_free - a frame was freed: it becomes UNUSED
 * @byte: its state
 *
 * The plain store is enough: the host never writes to a STABLE byte, and the
 * guest's only writer is the CPU that frees the frame. Release, so that no
 * store to the old content can land after the host may have dropped it.
 *
 * Context: any, NMI included; never waits. The caller owns the frame.
 * Return: true when the frame was STABLE before.
 */
static __always_inline bool pagehint_state_free(u8 *byte)
{
	if (likely(READ_ONCE(*byte) == PAGEHINT_STABLE)) {
		/* Release: see above. */
		smp_store_release(byte, PAGEHINT_UNUSED);
		return true;
	}
	return pagehint_state_free_slow(byte);
}

/**
 * pagehint_state_alloc - a frame was allocated: UNUSED becomes STABLE
 * @byte: its state
 *
 * Any other usage is left alone. Waits while the host has the frame BUSY.
 *
 * Context: any, NMI included; may spin. The caller owns the frame.
 * Return: the state that was left, UNUSED or UNUSED|ABSENT where the usage
 * changed, any other where it did not.
 */
static __always_inline u8 pagehint_state_alloc(u8 *byte)
{
	u8 seen = pagehint_cmpxchg(byte, (u8)PAGEHINT_UNUSED, (u8)PAGEHINT_STABLE);

	if (likely(seen == PAGEHINT_UNUSED))
		return seen;
	return pagehint_state_alloc_slow(byte, seen);
}

#endif /* _PAGEHINT_PAGE_STATE_H */
