/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host's moves on one byte as a correct host makes them: the functions of
 * the contract, each in its own compare-and-swap loop. Shared by the unit
 * tests of the guest's moves.
 */
#ifndef _HOST_MODEL_H
#define _HOST_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include <uapi/pagehint.h>

/* Where a test wants guests to act: between a move's load and its swap. */
#ifndef HOST_STEP
#define HOST_STEP(byte)	((void)(byte))
#endif

/* The byte as the move left it, or as it was found when @changed is false. */
struct host_move {
	bool changed;
	uint8_t state;
};

static inline bool host_swap(uint8_t *byte, uint8_t *old, uint8_t new)
{
	return __atomic_compare_exchange_n(byte, old, new, false,
					   __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
}

static inline struct host_move host_claim(uint8_t *byte)
{
	uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
	uint8_t new;

	do {
		if (!pagehint_host_may_claim(old))
			return (struct host_move){ false, old };
		new = pagehint_host_claim(old);
		HOST_STEP(byte);
	} while (!host_swap(byte, &old, new));
	return (struct host_move){ true, new };
}

static inline struct host_move host_finish(uint8_t *byte,
					   __u8 (*move)(__u8 state))
{
	uint8_t old = __atomic_load_n(byte, __ATOMIC_RELAXED);
	uint8_t new;

	do {
		if (!pagehint_host_owns(old))
			return (struct host_move){ false, old };
		new = move(old);
		HOST_STEP(byte);
	} while (!host_swap(byte, &old, new));
	return (struct host_move){ true, new };
}

static inline struct host_move host_unclaim(uint8_t *byte)
{
	return host_finish(byte, pagehint_host_unclaim);
}

static inline struct host_move host_dropped(uint8_t *byte)
{
	return host_finish(byte, pagehint_host_dropped);
}

static inline struct host_move host_recover(uint8_t *byte)
{
	return host_finish(byte, pagehint_host_recover);
}

#endif /* _HOST_MODEL_H */
