/* SPDX-License-Identifier: GPL-2.0 */
/* How long frames have been volatile, and which of them are dropped first. */
#ifndef _AGES_H
#define _AGES_H

#include "scan.h"

/* Frames that have one age and go together: 32 KiB, a word of the table */
#define AGES_GROUP		8
#define AGES_CLASSES		16
/* By temperature, and within one by age: the coldest and oldest are 0. */
#define AGES_ORDERS		(NR_TEMPERATURES * AGES_CLASSES)

struct ages_group {
	uint8_t members;	/* bit n: frame n was volatile at the last look */
	uint8_t age;		/* class: doubles with each */
};

struct ages {
	struct ages_group *group;
	uint8_t *known;		/* per BLOCK_FRAMES: may any of them have members? */
	uint64_t nr_frames;
	uint64_t looked_ns;
	bool temperatures;	/* bits 4-7 mean something */
	uint8_t older[AGES_CLASSES];	/* what each class is by now */
	uint64_t frames[AGES_ORDERS];	/* found by the last look */
};

/* Which frames to take: all of a usage, or of the volatile ones the first in order. */
struct choice {
	uint8_t usage;
	const struct ages *ages;	/* NULL: as they come, all of order 0 */
	unsigned int last;		/* order; all before it are taken */
	uint64_t nr_last;		/* how many frames of that order still are */
};

int ages_init(struct ages *ages, uint64_t nr_frames);
void ages_forget(struct ages *ages);
void ages_begin(struct ages *ages, uint64_t now_ns);
void ages_look(struct ages *ages, const uint8_t *state, uint64_t first, uint64_t nr);
struct choice ages_choose(const struct ages *ages, uint64_t wanted);
bool choice_take(struct choice *choice, const struct scan_piece *piece,
		 scan_take_fn take, void *context);

#endif /* _AGES_H */
