/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Hypercall transport: between the state bytes and the vectors that a call takes.
 *
 * The host sees nothing of the table: it knows what it was told. So the table is
 * the guest's own, and BUSY and ABSENT, the bits of a host that shares it, say
 * what the guest knows of its host:
 *
 *	V		volatile, and the host was not told: stable again for nothing
 *	V|BUSY		the host was told: it may have dropped the content, or do so
 *	V|ABSENT	the host was asked: the content is gone
 *	U|BUSY		freed while V|BUSY: the host still believes that it is volatile
 *	U|ABSENT	free, and the host was told: nothing to be told again
 *	V|BUSY|ABSENT	a CPU is in a call about it, to tell or to ask; the same with U
 *
 * As with a host that shares the table, who needs a frame that is BUSY waits until
 * it is not (pagehint_wait_not_busy()); and waiting means here: asking the host.
 * BUSY with ABSENT is a lock of one frame. Who sets it holds it for one call,
 * interrupts off, and takes no other lock meanwhile: so others may spin on it in
 * any context but NMI. Frames may be freed while it is set, and stay locked.
 *
 * Also built in user space, for the tests.
 */
#ifndef _PAGEHINT_VECTOR_H
#define _PAGEHINT_VECTOR_H

#include <pagehint/platform.h>
#include <uapi/pagehint.h>

/* A CPU is in a call about the frame. */
#define PAGEHINT_IN_CALL	(PAGEHINT_BUSY | PAGEHINT_ABSENT)

#define PAGEHINT_VECTOR_MAX \
	((unsigned int)(PAGEHINT_FRAME_BYTES / sizeof(struct pagehint_hc_entry)))

/**
 * struct pagehint_vector - what one call says
 * @entries: memory for @max of them, at a multiple of an entry's size, in one frame
 * @nr: entries in use
 * @max: most of them, PAGEHINT_VECTOR_MAX at most
 * @table: the state bytes: that of frame n is the n-th
 */
struct pagehint_vector {
	struct pagehint_hc_entry *entries;
	unsigned int nr;
	unsigned int max;
	u8 *table;
};

/**
 * struct pagehint_answers - what became of frames that the host was asked for
 * @kept: volatile, and their content is there
 * @gone: volatile, and it is not
 * @freed: free: nobody wants to know
 */
struct pagehint_answers {
	unsigned long kept;
	unsigned long gone;
	unsigned long freed;
};

static inline bool pagehint_is_in_call(u8 state)
{
	return (state & PAGEHINT_USAGE_MASK) != PAGEHINT_STABLE &&
	       (state & PAGEHINT_IN_CALL) == PAGEHINT_IN_CALL;
}

/* The host believes that it is volatile, and no CPU is in a call about it. */
static inline bool pagehint_is_told(u8 state)
{
	return (state & PAGEHINT_USAGE_MASK) != PAGEHINT_STABLE &&
	       (state & PAGEHINT_IN_CALL) == PAGEHINT_BUSY;
}

/* That, and it was freed since. */
static inline bool pagehint_is_owed(u8 state)
{
	return (state & PAGEHINT_STATE_MASK) == (PAGEHINT_UNUSED | PAGEHINT_BUSY);
}

/* Volatile, and the host does not know. */
static inline bool pagehint_is_untold(u8 state)
{
	return (state & PAGEHINT_STATE_MASK) == PAGEHINT_VOLATILE;
}

u64 pagehint_vector_tell(struct pagehint_vector *vector, u64 gfn, u64 end);
unsigned long pagehint_vector_told(const struct pagehint_vector *vector, unsigned int done);
u64 pagehint_vector_ask(struct pagehint_vector *vector, u64 gfn, u64 end);
u64 pagehint_vector_repay(struct pagehint_vector *vector, u64 gfn, u64 end);
struct pagehint_answers pagehint_vector_answered(const struct pagehint_vector *vector,
						 unsigned int done);
bool pagehint_vector_block(struct pagehint_vector *vector, u64 gfn, u64 nr_frames, u64 unit,
			   unsigned long *fresh);
void pagehint_vector_hinted(u8 *first, unsigned long nr);

#endif /* _PAGEHINT_VECTOR_H */
