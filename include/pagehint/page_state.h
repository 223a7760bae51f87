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
 *	pagehint_state_recovered() or pagehint_state_lost()
 * @PAGEHINT_LEFT: of a folio (module/discard.c): the content is gone, the folio is not
 *	uptodate, and it stays volatile until whoever holds its lock has unmapped it
 */
enum pagehint_kept {
	PAGEHINT_WAS_STABLE,
	PAGEHINT_KEPT,
	PAGEHINT_DISCARDED,
	PAGEHINT_LEFT,
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
u8 pagehint_state_alloc_slow(u8 *byte);
unsigned int pagehint_state_free_range(u8 *first, unsigned long nr);
struct pagehint_changed pagehint_state_alloc_range(u8 *first, unsigned long nr);
unsigned int pagehint_state_scan_range(u8 *first, unsigned long nr);

bool pagehint_state_make_volatile(u8 *byte, u8 temperature);
bool pagehint_state_make_volatile_range(u8 *first, unsigned long nr, u8 temperature);
bool pagehint_state_keep(u8 *byte);
enum pagehint_kept pagehint_state_make_stable(u8 *byte);
enum pagehint_kept pagehint_state_make_stable_range(u8 *first, unsigned long nr);
unsigned int pagehint_state_release(u8 *first, unsigned long nr);
void pagehint_state_recovered(u8 *byte);
void pagehint_state_lost(u8 *byte);
bool pagehint_state_set_temperature(u8 *byte, u8 temperature);

/* Volatile, whoever's turn it is. */
static inline bool pagehint_state_is_volatile(u8 state)
{
	return (state & PAGEHINT_USAGE_MASK) == PAGEHINT_VOLATILE;
}

/* Volatile, and the host has its content no more. */
static inline bool pagehint_state_is_volatile_absent(u8 state)
{
	return (state & PAGEHINT_STATE_MASK) == (PAGEHINT_VOLATILE | PAGEHINT_ABSENT);
}

/**
 * pagehint_state_free_plain - the usual case of pagehint_state_free()
 * @byte: its state
 *
 * The plain store is enough: the host never writes to a STABLE byte, and the
 * guest's only writer is the CPU that frees the frame. Release, so that no
 * store to the old content can land after the host may have dropped it.
 *
 * Context: any, NMI included; never waits. The caller owns the frame.
 * Return: false when the frame was not STABLE; nothing changed then.
 */
static __always_inline bool pagehint_state_free_plain(u8 *byte)
{
	if (unlikely(READ_ONCE(*byte) != PAGEHINT_STABLE))
		return false;
	/* Release: see above. */
	smp_store_release(byte, PAGEHINT_UNUSED);
	return true;
}

/**
 * pagehint_state_free - a frame was freed: it becomes UNUSED
 * @byte: its state
 *
 * Context: any, NMI included; never waits. The caller owns the frame.
 * Return: true when the frame was STABLE before.
 */
static __always_inline bool pagehint_state_free(u8 *byte)
{
	return pagehint_state_free_plain(byte) || pagehint_state_free_slow(byte);
}

/**
 * pagehint_state_alloc_plain - the usual case of pagehint_state_alloc()
 * @byte: its state
 *
 * The compare-and-swap decides against the host, which may claim the frame at
 * any moment; acquire is implied.
 *
 * Context: any, NMI included; never waits. The caller owns the frame.
 * Return: false when the frame was not plainly UNUSED; nothing changed then.
 */
static __always_inline bool pagehint_state_alloc_plain(u8 *byte)
{
	return likely(pagehint_cmpxchg(byte, (u8)PAGEHINT_UNUSED, (u8)PAGEHINT_STABLE) ==
		      PAGEHINT_UNUSED);
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
	if (pagehint_state_alloc_plain(byte))
		return PAGEHINT_UNUSED;
	return pagehint_state_alloc_slow(byte);
}

/* The same state in every byte of a word. */
#define PAGEHINT_WORD_OF(type, state) \
	((type)((0x0101010101010101ULL >> (64 - 8 * sizeof(type))) * (state)))

/*
 * A word of frames that are all in the same state moves at once; any other is
 * left to be moved frame by frame.
 *
 * Free: the plain store is as good as for one frame: nobody else writes to
 * STABLE bytes. Alloc: as for one frame, the compare-and-swap decides between
 * guest and host; @state is what was there.
 */
#define PAGEHINT_WORD(type, first)	(*(type *)(first))

#define PAGEHINT_WORD_MOVES(type)					\
static __always_inline bool pagehint_state_free_##type(u8 *first)	\
{									\
	if (READ_ONCE(PAGEHINT_WORD(type, first)) !=			\
	    PAGEHINT_WORD_OF(type, PAGEHINT_STABLE))			\
		return false;						\
	/* Release: see above. */					\
	smp_store_release(&PAGEHINT_WORD(type, first),			\
			  PAGEHINT_WORD_OF(type, PAGEHINT_UNUSED));	\
	return true;							\
}									\
									\
static __always_inline bool pagehint_state_alloc_##type(u8 *first, u8 *state) \
{									\
	type old = READ_ONCE(PAGEHINT_WORD(type, first));		\
	type stable = PAGEHINT_WORD_OF(type, PAGEHINT_STABLE);		\
									\
	*state = (u8)old;						\
	if (old == stable)						\
		return true;						\
	if (old != PAGEHINT_WORD_OF(type, PAGEHINT_UNUSED) &&		\
	    old != PAGEHINT_WORD_OF(type, PAGEHINT_UNUSED | PAGEHINT_ABSENT)) \
		return false;						\
	return pagehint_cmpxchg(&PAGEHINT_WORD(type, first), old, stable) == old; \
}

PAGEHINT_WORD_MOVES(u16)
PAGEHINT_WORD_MOVES(u32)
PAGEHINT_WORD_MOVES(u64)

/* Blocks of so many frames, and no larger ones, are moved as one word. */
#define PAGEHINT_MAX_WORD_ORDER	3

/**
 * pagehint_state_free_word - a small block was freed: it becomes UNUSED
 * @first: state of its first frame
 * @order: 1 to PAGEHINT_MAX_WORD_ORDER; the block is aligned to it
 *
 * Context: as pagehint_state_free().
 * Return: false when the frames were not all STABLE; nothing changed then.
 */
static __always_inline bool pagehint_state_free_word(u8 *first, unsigned int order)
{
	if (order == 1)
		return pagehint_state_free_u16(first);
	if (order == 2)
		return pagehint_state_free_u32(first);
	return pagehint_state_free_u64(first);
}

/**
 * pagehint_state_alloc_word - a small block was allocated: UNUSED becomes STABLE
 * @first: state of its first frame
 * @order: 1 to PAGEHINT_MAX_WORD_ORDER; the block is aligned to it
 * @state: the state that all of its frames left, or were in already (STABLE)
 *
 * Context: as pagehint_state_alloc(), but never waits.
 * Return: false when the frames were not all in one state that needs no wait;
 * nothing changed then.
 */
static __always_inline bool pagehint_state_alloc_word(u8 *first, unsigned int order,
						      u8 *state)
{
	if (order == 1)
		return pagehint_state_alloc_u16(first, state);
	if (order == 2)
		return pagehint_state_alloc_u32(first, state);
	return pagehint_state_alloc_u64(first, state);
}

#endif /* _PAGEHINT_PAGE_STATE_H */
