/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */
/*
 * pagehint: the contract between a guest and its host.
 *
 * One file, compiled into the guest module, the host daemon and the tests, so
 * that no two of them can disagree. It holds the state byte of a page frame,
 * the moves that each side may make, the header page of the shared-table
 * transport and the calls of the hypercall transport.
 *
 * Sizes are in bytes and frames are 4 KiB unless a name says otherwise. All
 * integers are in the guest's byte order; guest and host of one table have the
 * same (the magic number tells when they do not).
 *
 * Memory ordering is part of the contract and stands next to each move.
 */
#ifndef _UAPI_PAGEHINT_H
#define _UAPI_PAGEHINT_H

#include <linux/types.h>

#define PAGEHINT_FRAME_SHIFT	12
#define PAGEHINT_FRAME_BYTES	(1UL << PAGEHINT_FRAME_SHIFT)

/* ------------------------------------------------------------------------
 * The state byte of a frame
 *
 *   bits 0-1  usage, in the order of s390's ESSA instruction
 *   bit  2    ABSENT: the host dropped the content, the frame reads as zeros
 *   bit  3    BUSY: the host is dropping the content now
 *   bits 4-7  temperature, 0 cold .. 15 hot: a hint, never a condition
 *
 * Only the guest changes the usage. Only the host sets BUSY and ABSENT, and it
 * never writes to a byte whose usage is STABLE. With usage STABLE, bits 2 and 3
 * are therefore the guest's own: RECOVERING and PENDING.
 *
 * Every change of a byte whose usage is not STABLE is a compare-and-swap that
 * is atomic against the other side: on x86 always with a LOCK prefix, which
 * cmpxchg() loses on a guest with one CPU.
 */
#define PAGEHINT_USAGE_MASK	0x03
#define PAGEHINT_STABLE		0x00	/* content matters */
#define PAGEHINT_UNUSED		0x01	/* no content: may become zeros at any time */
#define PAGEHINT_POTENTIAL	0x02	/* volatile while clean (ESSA only) */
#define PAGEHINT_VOLATILE	0x03	/* content can be had again: may be dropped */

#define PAGEHINT_ABSENT		0x04
#define PAGEHINT_BUSY		0x08

/* The guest's own intermediate states: usage STABLE plus one bit. */
#define PAGEHINT_RECOVERING	(PAGEHINT_STABLE | 0x04) /* one CPU undoes a drop */
#define PAGEHINT_PENDING	(PAGEHINT_STABLE | 0x08) /* V on its way by vector */

#define PAGEHINT_TEMP_SHIFT	4
#define PAGEHINT_TEMP_MASK	0xf0
#define PAGEHINT_STATE_MASK	0x0f	/* all but the temperature */

/*
 * The host's moves, as functions of the byte alone: each user wraps them in
 * its own compare-and-swap loop, and so keeps what the guest changed in
 * between (VOLATILE to UNUSED, the temperature).
 *
 * Order of one drop, each step complete before the next begins:
 *   1. the range is recorded in pagehint_header.busy_*  (full barrier)
 *   2. claim every byte of the range                    (full barrier)
 *   3. read the lease: no longer valid -> unclaim, stop
 *   4. drop the content                                 (full barrier)
 *   5. dropped() on every byte that was claimed
 *   6. the record of the range is cleared               (release)
 */

/**
 * pagehint_host_may_claim - may the host start to drop this frame?
 * @state: the state byte
 *
 * POTENTIAL frames are for hosts that see dirty bits, which a table does not
 * show: not here.
 */
static inline int pagehint_host_may_claim(__u8 state)
{
	__u8 usage = state & PAGEHINT_USAGE_MASK;

	return (usage == PAGEHINT_UNUSED || usage == PAGEHINT_VOLATILE) &&
	       !(state & (PAGEHINT_ABSENT | PAGEHINT_BUSY));
}

/**
 * pagehint_host_owns - did this host's claim survive in the byte?
 * @state: the state byte
 *
 * False for PENDING, which has the same bit but belongs to the guest.
 */
static inline int pagehint_host_owns(__u8 state)
{
	return (state & PAGEHINT_BUSY) &&
	       (state & PAGEHINT_USAGE_MASK) != PAGEHINT_STABLE;
}

/* claimed: may_claim() must hold */
static inline __u8 pagehint_host_claim(__u8 state)
{
	return state | PAGEHINT_BUSY;
}

/* nothing was dropped after all: owns() must hold */
static inline __u8 pagehint_host_unclaim(__u8 state)
{
	return state & (__u8)~PAGEHINT_BUSY;
}

/* the content is gone and reads as zeros: owns() must hold */
static inline __u8 pagehint_host_dropped(__u8 state)
{
	return (state & (__u8)~PAGEHINT_BUSY) | PAGEHINT_ABSENT;
}

/*
 * After a host worker died somewhere between claim and dropped(). Whether the
 * content went is not known and recovery drops nothing: an UNUSED frame has no
 * content either way, a VOLATILE one must be taken for gone. owns() must hold,
 * and the old worker must be reaped: a system call of its could still drop.
 */
static inline __u8 pagehint_host_recover(__u8 state)
{
	if ((state & PAGEHINT_USAGE_MASK) == PAGEHINT_UNUSED)
		return pagehint_host_unclaim(state);
	return pagehint_host_dropped(state);
}

/*
 * The guest's moves (module/page_state.c):
 *
 *   freed           S -> U, by a plain store with release: the host does not
 *                   touch S. V, V|ABSENT, U|ABSENT, PENDING -> U and
 *                   V|BUSY -> U|BUSY by compare-and-swap. Never waits.
 *   allocated       U -> S and U|ABSENT -> S by compare-and-swap, acquire.
 *                   On U|BUSY it spins: the only wait in the protocol. Every
 *                   other usage is left alone.
 *   made volatile   S -> V, release.
 *   made stable     V -> S: kept. V|ABSENT -> RECOVERING: discarded; its owner
 *                   publishes S (release) when the discard is dealt with.
 */

/* ------------------------------------------------------------------------
 * Shared-table transport: one header page, then one state byte per frame
 *
 * The file (on the guest's side: the ivshmem BAR) has the size of the next
 * power of two of PAGEHINT_HEADER_BYTES + frames covered, holes between them
 * included. All zeros means that
 * no host has attached yet: the guest hints and nothing is dropped.
 *
 * Guest and host write to different cache lines. A field is written by the
 * side that its line names, and by nobody else, but for one case: the host
 * zeroes the whole file while no guest runs (before the VM starts, and on
 * reset with the VM paused).
 */
#define PAGEHINT_MAGIC		0x31544e4948474150ULL	/* "PAGHINT1" */
#define PAGEHINT_HOST_MAGIC	0x3154534f48474150ULL	/* "PAGHOST1" */
#define PAGEHINT_PROOF_MAGIC	0x31464f5250474150ULL	/* "PAGPROF1" */
#define PAGEHINT_VERSION	1

#define PAGEHINT_HEADER_BYTES	4096
#define PAGEHINT_MAX_EXTENTS	56
/* At most so many frames of one VM are BUSY at a time: 2 MiB. */
#define PAGEHINT_MAX_BUSY	512

/*
 * Features. Both sides state theirs; a side that meets a bit it does not know
 * refuses the other. In force is what both have.
 */
#define PAGEHINT_F_UNUSED	(1ULL << 0) /* free frames are hinted / taken */
#define PAGEHINT_F_VOLATILE	(1ULL << 1) /* clean page cache too */
#define PAGEHINT_F_TEMPERATURE	(1ULL << 2) /* bits 4-7 mean something */
#define PAGEHINT_F_ZERO		(1ULL << 3) /* dropped frames read as zeros: host
					     * only; init_on_free=1 needs it
					     */
#define PAGEHINT_F_ALL		0xfULL

/*
 * An extent: frames that are contiguous in the guest's physical memory, on
 * one NUMA node, and so in one file of the host. Written by the guest before
 * it sets active, constant while active.
 *
 * The proof shows that the host computed the right place: the guest fills the
 * frame proof_gfn with struct pagehint_proof and the host reads it at the file
 * offset that it would drop. It defeats a table of another guest, a wrong PCI
 * hole and swapped NUMA files. Until its proof is confirmed, no frame of an
 * extent is dropped.
 */
struct pagehint_extent {
	__u64 gfn;		/* first frame */
	__u64 nr_frames;
	__u64 table_offset;	/* of the first frame's byte, from the table's start */
	__u64 proof_gfn;	/* within the extent; a frame the guest owns */
	__u64 nonce;		/* random, never 0 */
	__u32 node;		/* NUMA node, for people */
	__u32 reserved0;
	__u64 reserved1[2];
};

/* At the start of the proof frame; the rest of the frame is zero. */
struct pagehint_proof {
	__u64 magic;		/* PAGEHINT_PROOF_MAGIC */
	__u64 gfn;		/* this frame */
	__u64 nonce;		/* as in the extent */
	__u64 boot_id;		/* as in the header */
};

/* Why a guest ended its lease (pagehint_header.leaving), for people. */
#define PAGEHINT_LEAVING_NOT	0
#define PAGEHINT_LEAVING_UNLOAD	1
#define PAGEHINT_LEAVING_OFF	2	/* parameters enable=0 or unused=0 */
#define PAGEHINT_LEAVING_REBOOT	3	/* also kexec and power-off */
#define PAGEHINT_LEAVING_PANIC	4
#define PAGEHINT_LEAVING_SLEEP	5	/* suspend or hibernation */

/*
 * The lease: hints hold only while both sides agree that they speak to each
 * other, now.
 *
 *   guest: extents, proofs, boot_id (random), host_gen_echo = 0;
 *          active = 1 (release)
 *   host:  sees an active boot_id that it does not know; checks versions,
 *          features, extents and proofs; writes extents_confirmed,
 *          host_boot_id = boot_id, then host_gen = random (release)
 *   guest: polls (100 ms); host_gen is new and host_boot_id is its own
 *          boot_id: host_gen_echo = host_gen (release)
 *   host:  drops only while active is 1, boot_id is host_boot_id and
 *          host_gen_echo is host_gen - read after the claim (step 3 above)
 *
 * A host that starts anew writes a new host_gen, and has nothing until the
 * guest has run and echoed it. A lease does not expire: a stopped guest keeps
 * it, and so its unused memory can be taken while it is stopped.
 *
 * To end it the guest writes active = 0, a full barrier, and waits for
 * busy_count to be 0 (acquire): from then on nothing is dropped. A guest that
 * resets without a word leaves all this in place: the host must learn of
 * resets from the VMM and zero the file before the next kernel runs.
 */
struct pagehint_header {
	/* Line 0: the guest; constant while active. */
	__u64 magic;		/* PAGEHINT_MAGIC */
	__u32 version;		/* PAGEHINT_VERSION */
	__u32 header_bytes;	/* PAGEHINT_HEADER_BYTES */
	__u64 features;		/* PAGEHINT_F_* */
	__u64 table_bytes;	/* state bytes in use, after the header */
	__u32 frame_shift;	/* PAGEHINT_FRAME_SHIFT */
	__u32 nr_extents;
	__u64 reserved0[3];

	/* Line 1: the guest; the lease. */
	__u64 boot_id;		/* random per activation, never 0 */
	__u64 host_gen_echo;
	__u32 active;		/* 1: the lease may be in force */
	__u32 leaving;		/* PAGEHINT_LEAVING_* */
	__u64 reserved1[5];

	/* Line 2: the host; the lease. */
	__u64 host_magic;	/* PAGEHINT_HOST_MAGIC, 0: no host yet */
	__u32 host_version;
	__u32 reserved2;
	__u64 host_features;
	__u64 host_gen;		/* random per start of the host and guest, 0: none */
	__u64 host_boot_id;	/* the guest that host_gen is meant for */
	__u64 extents_confirmed; /* bit n: the proof of extent n was found */
	__u64 reserved3[2];

	/* Line 3: the host; the range it drops now, and counts. */
	__u64 busy_first;	/* index into the table */
	__u32 busy_count;	/* frames, 0: none; <= PAGEHINT_MAX_BUSY */
	__u32 busy_seq;		/* counts ranges: a change shows progress */
	__u64 nr_dropped;	/* frames dropped under this lease */
	__u64 reserved4[5];

	__u64 reserved5[32];

	struct pagehint_extent extents[PAGEHINT_MAX_EXTENTS];
};

/* ------------------------------------------------------------------------
 * Hypercall transport (KVM)
 *
 * One hypercall number, outside of KVM's own; the first argument selects the
 * operation. Errors are negative: -PAGEHINT_HC_ENOSYS is also what a stock
 * host answers.
 *
 * Arguments are those of KVM's calls, in order: operation (RBX), address (RCX),
 * count (RDX), cookie (RSI), with the number in RAX; 64-bit kernel code only.
 * An entry is at a multiple of its size, a query's answer at one of 8, both
 * within one frame. A query is answered 0 and begins anew: the host forgets what
 * was volatile, and the cookie changes. So it is also how a guest takes back
 * everything that it said (unload, kexec, panic).
 *
 * SET_STATE takes UNUSED, VOLATILE and STABLE (no longer either, nothing is
 * asked); MAKE_STABLE takes STABLE, and each entry gets one result: KEPT if all
 * of its frames are. Entries before the number answered are in force and no
 * others; the guest calls again with the rest. After a negative answer to either the
 * host has forgotten what was said under that cookie and drops nothing of it.
 *
 * Unused frames are done with when the call returns: the host keeps no list of
 * them. Volatile ones it may drop at any moment until it is told otherwise, and
 * they read as zeros then (PAGEHINT_F_ZERO).
 */
#define PAGEHINT_HYPERCALL	0x5048	/* "PH" */

#define PAGEHINT_HC_QUERY	0 /* () -> gpa of struct pagehint_hc_query filled */
#define PAGEHINT_HC_SET_STATE	1 /* (gpa of entries, count, cookie) -> entries done */
#define PAGEHINT_HC_MAKE_STABLE	2 /* (gpa of entries, count, cookie) -> entries done */

#define PAGEHINT_HC_ENOSYS	1000	/* KVM_ENOSYS */
#define PAGEHINT_HC_EINVAL	22
#define PAGEHINT_HC_EFAULT	14
#define PAGEHINT_HC_ESTALE	116	/* wrong cookie: the host forgot everything */

struct pagehint_hc_query {
	__u32 version;
	__u32 max_entries;	/* per call */
	__u64 features;		/* PAGEHINT_F_* */
	__u64 cookie;		/* changes when the host forgets its state; never 0 */
	__u32 unused_order;	/* smallest block worth a hint: 0 = 4 KiB */
	__u32 reserved;
};

/* Answers of MAKE_STABLE; everything but KEPT means that the content is gone. */
#define PAGEHINT_HC_RESULT_NONE		0
#define PAGEHINT_HC_RESULT_KEPT		1
#define PAGEHINT_HC_RESULT_DISCARDED	2

/*
 * One entry is bounded, so that one call is: a host cannot stop in the middle of
 * one, as the answer counts whole entries. It does one at least and may stop
 * after any: the guest calls again with the rest.
 */
#define PAGEHINT_HC_MAX_FRAMES	(1U << 16)	/* per entry: 256 MiB */

/* One entry of a vector: @nr_frames frames from @gfn on. A vector does not
 * cross a page; 256 entries fill one.
 */
struct pagehint_hc_entry {
	__u64 gfn;
	__u32 nr_frames;
	__u8 state;		/* usage and temperature, as in the state byte */
	__u8 result;		/* written by the host */
	__u16 reserved;
};

/* ------------------------------------------------------------------------ */

#ifndef __KERNEL__
#include <stddef.h>
#endif

#ifdef __cplusplus
#define PAGEHINT_ASSERT(cond) static_assert(cond, #cond)
#else
#define PAGEHINT_ASSERT(cond) _Static_assert(cond, #cond)
#endif

PAGEHINT_ASSERT(sizeof(struct pagehint_header) == PAGEHINT_HEADER_BYTES);
PAGEHINT_ASSERT(sizeof(struct pagehint_extent) == 64);
PAGEHINT_ASSERT(sizeof(struct pagehint_proof) == 32);
PAGEHINT_ASSERT(offsetof(struct pagehint_header, boot_id) == 64);
PAGEHINT_ASSERT(offsetof(struct pagehint_header, active) == 80);
PAGEHINT_ASSERT(offsetof(struct pagehint_header, host_magic) == 128);
PAGEHINT_ASSERT(offsetof(struct pagehint_header, host_gen) == 152);
PAGEHINT_ASSERT(offsetof(struct pagehint_header, extents_confirmed) == 168);
PAGEHINT_ASSERT(offsetof(struct pagehint_header, busy_first) == 192);
PAGEHINT_ASSERT(offsetof(struct pagehint_header, busy_count) == 200);
PAGEHINT_ASSERT(offsetof(struct pagehint_header, extents) == 512);
PAGEHINT_ASSERT(sizeof(struct pagehint_hc_query) == 32);
PAGEHINT_ASSERT(sizeof(struct pagehint_hc_entry) == 16);
PAGEHINT_ASSERT(PAGEHINT_FRAME_BYTES % sizeof(struct pagehint_hc_entry) == 0);

#endif /* _UAPI_PAGEHINT_H */
