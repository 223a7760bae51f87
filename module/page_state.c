// SPDX-License-Identifier: GPL-2.0
/*
 * The state machine of a page frame, guest side. Also built in user space,
 * where tests/unit runs every state x move x host move against a model.
 *
 * Each move is one compare-and-swap on one byte (or on eight frames at once),
 * so what another CPU or the host sees in between is always a legal state.
 * No locks, no allocation; safe in NMI. Only a byte with BUSY set makes a move
 * wait, and only where the frame cannot be declined (allocation) or its fate
 * must be known (make stable).
 */
#include <pagehint/page_state.h>

static u8 usage_of(u8 state)
{
	return state & PAGEHINT_USAGE_MASK;
}

/* Only where it is aligned: a block of the allocator is, to its size. */
#define WORD_FITS(type, first, nr) \
	((nr) >= sizeof(type) && !((unsigned long)(first) % sizeof(type)))

/**
 * pagehint_state_free_slow - a frame was freed that was not plainly STABLE
 * @byte: its state
 *
 * Keeps BUSY (the host is dropping and will finish; with ABSENT a call is under
 * way, see vector.h) and forgets everything else: V, V|ABSENT, P, U|ABSENT,
 * PENDING and RECOVERING become U, V|BUSY becomes U|BUSY. A frame freed while
 * UNUSED is legal: a failed memcg charge frees before mm_page_alloc.
 *
 * Context: as pagehint_state_free().
 * Return: true when the usage was STABLE before.
 */
bool pagehint_state_free_slow(u8 *byte)
{
	u8 old = READ_ONCE(*byte);

	for (;;) {
		u8 new = PAGEHINT_UNUSED;
		u8 seen;

		if (pagehint_host_owns(old))
			new |= old & (PAGEHINT_BUSY | PAGEHINT_ABSENT);
		seen = pagehint_cmpxchg(byte, old, new);
		if (seen == old)
			return usage_of(old) == PAGEHINT_STABLE;
		old = seen;
	}
}

/**
 * pagehint_state_alloc_slow - a frame was allocated that was not plainly UNUSED
 * @byte: its state
 *
 * Context: as pagehint_state_alloc().
 * Return: as pagehint_state_alloc().
 */
u8 pagehint_state_alloc_slow(u8 *byte)
{
	/* Acquire: whoever made it STABLE before (a sweep) waited for the host. */
	u8 seen = smp_load_acquire(byte);

	while (usage_of(seen) == PAGEHINT_UNUSED) {
		u8 old = seen;

		if (old & PAGEHINT_BUSY) {
			seen = pagehint_wait_not_busy(byte);
			continue;
		}
		seen = pagehint_cmpxchg(byte, old, (u8)PAGEHINT_STABLE);
		if (seen == old)
			break;
	}
	return seen;
}

/**
 * pagehint_state_free_range - frames were freed: they become UNUSED
 * @first: state of its first frame
 * @nr: frames
 *
 * Context: as pagehint_state_free().
 * Return: the number of frames that were STABLE before.
 */
unsigned int pagehint_state_free_range(u8 *first, unsigned long nr)
{
	unsigned int changed = 0;

	while (nr) {
		if (WORD_FITS(u64, first, nr) && pagehint_state_free_u64(first)) {
			changed += sizeof(u64);
			first += sizeof(u64);
			nr -= sizeof(u64);
			continue;
		}
		changed += pagehint_state_free(first);
		first++;
		nr--;
	}
	return changed;
}

/**
 * pagehint_state_alloc_range - make UNUSED frames STABLE
 * @first: state of its first frame
 * @nr: frames
 *
 * For frames that were allocated, and for frames that are still free when
 * hinting is switched off: no event may then make them UNUSED again meanwhile.
 * Waits where the host is BUSY. VOLATILE frames are left to whoever can recover
 * them.
 *
 * Context: as pagehint_state_alloc().
 * Return: the frames whose usage changed.
 */
struct pagehint_changed pagehint_state_alloc_range(u8 *first, unsigned long nr)
{
	struct pagehint_changed changed = { 0 };

	while (nr) {
		unsigned int moved = 1;
		u8 state;

		if (WORD_FITS(u64, first, nr) && pagehint_state_alloc_u64(first, &state))
			moved = sizeof(u64);
		else
			state = pagehint_state_alloc(first);
		if (usage_of(state) == PAGEHINT_UNUSED) {
			changed.frames += moved;
			if (state & PAGEHINT_ABSENT)
				changed.absent += moved;
		}
		first += moved;
		nr -= moved;
	}
	return changed;
}

/**
 * pagehint_state_scan_range - hint a block that was found on a free list
 * @first: state of its first frame
 * @nr: frames
 *
 * Only STABLE becomes UNUSED: a frame that the events already hinted may have
 * been dropped since.
 *
 * Context: the zone's lock, which keeps the block on its free list, and so
 * keeps every allocation event for it later than this.
 * Return: the number of frames that were STABLE before.
 */
unsigned int pagehint_state_scan_range(u8 *first, unsigned long nr)
{
	unsigned int changed = 0;

	for (; nr; first++, nr--) {
		if (READ_ONCE(*first) == PAGEHINT_STABLE) {
			/* Release as in pagehint_state_free(). */
			smp_store_release(first, PAGEHINT_UNUSED);
			changed++;
		}
	}
	return changed;
}

/**
 * pagehint_state_make_volatile - the content of a frame may be dropped
 * @byte: its state
 * @temperature: 0 cold .. 15 hot
 *
 * By compare-and-swap: whoever else moves the frame meanwhile wins. Release is
 * implied, so the content is complete before the host may judge it.
 *
 * Context: any; the caller made sure that nobody uses the content.
 * Return: false when the frame was not plainly STABLE; nothing changed then.
 */
bool pagehint_state_make_volatile(u8 *byte, u8 temperature)
{
	u8 new = PAGEHINT_VOLATILE |
		 ((temperature << PAGEHINT_TEMP_SHIFT) & PAGEHINT_TEMP_MASK);

	return pagehint_cmpxchg(byte, (u8)PAGEHINT_STABLE, new) == PAGEHINT_STABLE;
}

/**
 * pagehint_state_make_stable - the content of a frame is needed
 * @byte: its state
 *
 * Exactly one of several callers gets PAGEHINT_DISCARDED; the others spin here
 * until it has called pagehint_state_recovered(), because a frame published
 * STABLE before the loss is dealt with would hand out garbage.
 *
 * Context: any; may spin on the host (BUSY) or on another CPU (RECOVERING),
 * which therefore keeps interrupts off.
 * Return: what became of the frame.
 */
enum pagehint_kept pagehint_state_make_stable(u8 *byte)
{
	/* Acquire pairs with recovered(): who finds STABLE sees the recovery. */
	u8 old = smp_load_acquire(byte);

	for (;;) {
		bool absent = old & PAGEHINT_ABSENT;
		u8 usage = usage_of(old);
		u8 seen;

		if (old == PAGEHINT_RECOVERING) {
			cpu_relax();
			old = smp_load_acquire(byte); /* of recovered(), too */
			continue;
		}
		if (usage == PAGEHINT_STABLE || usage == PAGEHINT_UNUSED)
			return PAGEHINT_WAS_STABLE;
		if (old & PAGEHINT_BUSY) {
			pagehint_wait_not_busy(byte);
			old = smp_load_acquire(byte); /* of recovered(), too */
			continue;
		}
		seen = pagehint_cmpxchg(byte, old, absent ? (u8)PAGEHINT_RECOVERING :
							    (u8)PAGEHINT_STABLE);
		if (seen == old)
			return absent ? PAGEHINT_DISCARDED : PAGEHINT_KEPT;
		old = seen;
	}
}

/**
 * pagehint_state_keep - the content of a frame is needed, and the host left it alone
 * @byte: its state
 *
 * The usual case of pagehint_state_make_stable(): nobody has to recover, and so
 * nobody has to wait.
 *
 * Context: any.
 * Return: false when the frame was not plainly VOLATILE, or the host moved it
 * meanwhile; nothing changed then.
 */
bool pagehint_state_keep(u8 *byte)
{
	u8 old = READ_ONCE(*byte);

	if ((old & PAGEHINT_STATE_MASK) != PAGEHINT_VOLATILE)
		return false;
	return pagehint_cmpxchg(byte, old, (u8)PAGEHINT_STABLE) == old;
}

/**
 * pagehint_state_recovered - the loss of a frame's content is dealt with
 * @byte: its state, RECOVERING and owned by the caller
 *
 * Context: the CPU that got PAGEHINT_DISCARDED. Release: who sees STABLE also
 * sees what the recovery wrote (that the page is not uptodate).
 */
void pagehint_state_recovered(u8 *byte)
{
	/* Release: the recovery is visible before the frame is STABLE. */
	smp_store_release(byte, PAGEHINT_STABLE);
}

/**
 * pagehint_state_lost - the loss of a frame's content is known, and left to somebody else
 * @byte: its state, RECOVERING and owned by the caller
 *
 * Who comes next finds it VOLATILE and ABSENT, as this one did.
 *
 * Context: as pagehint_state_recovered().
 */
void pagehint_state_lost(u8 *byte)
{
	/* Release: who sees it so sees what the caller did. */
	smp_store_release(byte, PAGEHINT_VOLATILE | PAGEHINT_ABSENT);
}

/**
 * pagehint_state_make_volatile_range - the content of a folio may be dropped
 * @first: state of its first frame
 * @nr: frames
 * @temperature: 0 cold .. 15 hot
 *
 * From the last frame to the first, whose state is the one that others look at:
 * who sees it VOLATILE sees all of them so.
 *
 * Context: as pagehint_state_make_volatile(); the caller keeps everybody else
 * from making these frames stable meanwhile (a frozen reference count).
 * Return: false when one of them was not plainly STABLE; nothing changed then.
 */
bool pagehint_state_make_volatile_range(u8 *first, unsigned long nr, u8 temperature)
{
	unsigned long i;

	for (i = 0; i < nr; i++) {
		if (READ_ONCE(first[i]) != PAGEHINT_STABLE)
			return false;
	}
	/* Nobody but the caller moves STABLE bytes: none of these can fail. */
	for (i = nr; i-- > 0; )
		pagehint_state_make_volatile(&first[i], temperature);
	return true;
}

/* The host is the only other one who moves it: the caller owns the first frame. */
static bool make_tail_stable(u8 *byte)
{
	enum pagehint_kept kept = pagehint_state_make_stable(byte);

	if (kept == PAGEHINT_DISCARDED)
		pagehint_state_recovered(byte);
	return kept == PAGEHINT_DISCARDED;
}

/**
 * pagehint_state_make_stable_range - the content of a folio is needed
 * @first: state of its first frame
 * @nr: frames
 *
 * As pagehint_state_make_stable(), for all frames at once: the first one is
 * RECOVERING while the others become STABLE, and one that is lost is the loss
 * of all. Exactly one of several callers gets PAGEHINT_DISCARDED and must then
 * call pagehint_state_recovered() with @first; until then the others spin.
 *
 * Context: as pagehint_state_make_stable(): with interrupts off.
 * Return: what became of the folio.
 */
enum pagehint_kept pagehint_state_make_stable_range(u8 *first, unsigned long nr)
{
	bool lost = false;
	unsigned long i;
	u8 old;

	if (nr == 1)
		return pagehint_state_make_stable(first);
	for (;;) {
		/* Acquire: of recovered(), as in pagehint_state_make_stable(). */
		old = smp_load_acquire(first);
		if (old == PAGEHINT_RECOVERING) {
			cpu_relax();
			continue;
		}
		if (usage_of(old) == PAGEHINT_STABLE || usage_of(old) == PAGEHINT_UNUSED)
			return PAGEHINT_WAS_STABLE;
		if (old & PAGEHINT_BUSY) {
			pagehint_wait_not_busy(first);
			continue;
		}
		if (pagehint_cmpxchg(first, old, (u8)PAGEHINT_RECOVERING) == old)
			break;
	}
	lost = old & PAGEHINT_ABSENT;
	for (i = 1; i < nr; i++) {
		if (make_tail_stable(&first[i]))
			lost = true;
	}
	if (lost)
		return PAGEHINT_DISCARDED;
	pagehint_state_recovered(first);
	return PAGEHINT_KEPT;
}

/**
 * pagehint_state_release - VOLATILE frames were freed and are hinted no more
 * @first: state of the first
 * @nr: frames
 *
 * For when free memory is not hinted: nobody would make UNUSED frames STABLE
 * again. So unlike pagehint_state_free() this waits where the host is BUSY.
 *
 * Context: any, NMI included; may spin. The caller owns the frames.
 * Return: the number of frames that were VOLATILE.
 */
unsigned int pagehint_state_release(u8 *first, unsigned long nr)
{
	unsigned int released = 0;

	for (; nr; first++, nr--) {
		u8 old = READ_ONCE(*first);

		while (usage_of(old) == PAGEHINT_VOLATILE) {
			u8 seen;

			if (old & PAGEHINT_BUSY) {
				old = pagehint_wait_not_busy(first);
				continue;
			}
			seen = pagehint_cmpxchg(first, old, (u8)PAGEHINT_STABLE);
			if (seen == old) {
				released++;
				break;
			}
			old = seen;
		}
	}
	return released;
}

/**
 * pagehint_state_set_temperature - say how warm a hinted frame is
 * @byte: its state
 * @temperature: 0 cold .. 15 hot
 *
 * Context: any. Gives up when anything else changes at the same time: it is a
 * hint.
 * Return: true when the temperature was set.
 */
bool pagehint_state_set_temperature(u8 *byte, u8 temperature)
{
	u8 old = READ_ONCE(*byte);
	u8 new = (old & PAGEHINT_STATE_MASK) |
		 ((temperature << PAGEHINT_TEMP_SHIFT) & PAGEHINT_TEMP_MASK);

	if (usage_of(old) == PAGEHINT_STABLE)
		return false;
	return pagehint_cmpxchg(byte, old, new) == old;
}
