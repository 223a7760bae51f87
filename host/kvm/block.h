/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the host knows of the frames of one block (2 MiB) of a guest: which are
 * volatile, how cold, and which of those it has dropped.
 *
 * Pure: also built in user space (tests/unit/kvm_block.c). Whoever calls holds
 * the lock of the VM that the block belongs to.
 *
 * A frame's byte is as in the contract: 0, or VOLATILE with its temperature,
 * with ABSENT once it was dropped. There is no BUSY: a drop is done under the
 * lock, so nobody sees a frame between VOLATILE and ABSENT.
 */
#ifndef _PAGEHINT_KVM_BLOCK_H
#define _PAGEHINT_KVM_BLOCK_H

#include <pagehint/platform.h>
#include <uapi/pagehint.h>

#define PAGEHINT_BLOCK_SHIFT	9
#define PAGEHINT_BLOCK_FRAMES	512U
#define PAGEHINT_TEMPERATURES	16

PAGEHINT_ASSERT(PAGEHINT_BLOCK_FRAMES >> PAGEHINT_BLOCK_SHIFT == 1);

/**
 * struct pagehint_tally - frames by what they are
 * @there: volatile with their content, by temperature
 * @absent: volatile and dropped
 */
struct pagehint_tally {
	u64 there[PAGEHINT_TEMPERATURES];
	u64 absent;
};

/**
 * struct pagehint_block - one block
 * @there: volatile frames with their content, by temperature
 * @absent: volatile frames that were dropped
 * @state: by frame
 */
struct pagehint_block {
	u16 there[PAGEHINT_TEMPERATURES];
	u16 absent;
	u8 state[PAGEHINT_BLOCK_FRAMES];
};

void pagehint_block_make_volatile(struct pagehint_block *block, struct pagehint_tally *tally,
				  unsigned int first, unsigned int nr, u8 temperature);
unsigned int pagehint_block_make_stable(struct pagehint_block *block,
					struct pagehint_tally *tally,
					unsigned int first, unsigned int nr);
bool pagehint_block_find(const struct pagehint_block *block, u8 temperature,
			 unsigned int *first, unsigned int *nr);
void pagehint_block_dropped(struct pagehint_block *block, struct pagehint_tally *tally,
			    unsigned int first, unsigned int nr);
bool pagehint_block_empty(const struct pagehint_block *block);

#endif /* _PAGEHINT_KVM_BLOCK_H */
