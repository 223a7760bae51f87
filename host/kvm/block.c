// SPDX-License-Identifier: GPL-2.0
/*
 * The volatile frames of one block. The rule: a frame is kept if it has been
 * volatile without a break since the guest said so, and was not dropped.
 * Everything else, a frame never heard of too, is not.
 *
 * Context: the VM's lock is held, and ranges are within the block.
 */
#include "block.h"

static bool is_volatile(u8 byte)
{
	return (byte & PAGEHINT_USAGE_MASK) == PAGEHINT_VOLATILE;
}

static bool is_there(u8 byte)
{
	return is_volatile(byte) && !(byte & PAGEHINT_ABSENT);
}

/* Takes a frame's byte out of the counts. */
static void uncount(struct pagehint_block *block, struct pagehint_tally *tally, u8 byte)
{
	u8 temperature = byte >> PAGEHINT_TEMP_SHIFT;

	if (!is_volatile(byte))
		return;
	if (byte & PAGEHINT_ABSENT) {
		block->absent--;
		tally->absent--;
	} else {
		block->there[temperature]--;
		tally->there[temperature]--;
	}
}

/**
 * pagehint_block_make_volatile - the guest can have these contents again
 * @block: the block
 * @tally: of the VM
 * @first: frame
 * @nr: of frames
 * @temperature: 0 cold .. 15 hot
 *
 * One that was dropped stays so: a guest that says twice that a frame is
 * volatile, and never heard that it is gone, must still hear it.
 */
void pagehint_block_make_volatile(struct pagehint_block *block, struct pagehint_tally *tally,
				  unsigned int first, unsigned int nr, u8 temperature)
{
	unsigned int i;

	for (i = first; i < first + nr; i++) {
		if (block->state[i] & PAGEHINT_ABSENT)
			continue;
		uncount(block, tally, block->state[i]);
		block->state[i] = PAGEHINT_VOLATILE | (u8)(temperature << PAGEHINT_TEMP_SHIFT);
		block->there[temperature]++;
		tally->there[temperature]++;
	}
}

/**
 * pagehint_block_make_stable - nothing of this range is dropped from now on
 * @block: the block
 * @tally: of the VM
 * @first: frame
 * @nr: of frames
 *
 * Return: how many of them are kept. The content of the others is gone, or was
 * never known.
 */
unsigned int pagehint_block_make_stable(struct pagehint_block *block,
					struct pagehint_tally *tally,
					unsigned int first, unsigned int nr)
{
	unsigned int i, kept = 0;

	for (i = first; i < first + nr; i++) {
		kept += is_there(block->state[i]);
		uncount(block, tally, block->state[i]);
		block->state[i] = PAGEHINT_STABLE;
	}
	return kept;
}

/**
 * pagehint_block_find - frames to drop
 * @block: the block
 * @temperature: of the frames
 * @first: where to look from; the first frame found
 * @nr: how many follow each other
 *
 * Return: true if there are any.
 */
bool pagehint_block_find(const struct pagehint_block *block, u8 temperature,
			 unsigned int *first, unsigned int *nr)
{
	const u8 wanted = PAGEHINT_VOLATILE | (u8)(temperature << PAGEHINT_TEMP_SHIFT);
	unsigned int i = *first, end;

	if (!block->there[temperature])
		return false;
	while (i < PAGEHINT_BLOCK_FRAMES && block->state[i] != wanted)
		i++;
	for (end = i; end < PAGEHINT_BLOCK_FRAMES && block->state[end] == wanted; end++)
		;
	*first = i;
	*nr = end - i;
	return end > i;
}

/**
 * pagehint_block_dropped - frames found by pagehint_block_find() are gone
 * @block: the block
 * @tally: of the VM
 * @first: frame
 * @nr: of frames
 */
void pagehint_block_dropped(struct pagehint_block *block, struct pagehint_tally *tally,
			    unsigned int first, unsigned int nr)
{
	unsigned int i;

	for (i = first; i < first + nr; i++) {
		if (!is_there(block->state[i]))
			continue;
		uncount(block, tally, block->state[i]);
		block->state[i] |= PAGEHINT_ABSENT;
		block->absent++;
		tally->absent++;
	}
}

/**
 * pagehint_block_empty - is nothing known of any frame?
 * @block: the block
 *
 * Return: true if the block can be forgotten.
 */
bool pagehint_block_empty(const struct pagehint_block *block)
{
	unsigned int t;

	if (block->absent)
		return false;
	for (t = 0; t < PAGEHINT_TEMPERATURES; t++) {
		if (block->there[t])
			return false;
	}
	return true;
}
