// SPDX-License-Identifier: GPL-2.0
/*
 * How long frames have been volatile, and which of them are dropped first: the
 * coldest by what the guest says, and among those the ones that have been
 * volatile for longest without interruption.
 *
 * Eight neighbours share an age, that of the one which became volatile last: a
 * drop of single frames among them would cost as much as one of all, and the
 * guest reads several pages at a time. That is two bytes for 32 KiB of guest.
 *
 * An age is one of 16 classes. Class n becomes n + 1 whenever the clock passes a
 * multiple of 2^n seconds (of 2^30 ns). All groups of a class change together, so
 * that no younger one ever overtakes an older one, and 4 bits reach from a second
 * to hours.
 */
#include <errno.h>
#include <string.h>
#include <sys/mman.h>

#include "ages.h"
#include "table.h"

#define CLOCK_SHIFT	30

int ages_init(struct ages *ages, uint64_t nr_frames)
{
	uint64_t groups = nr_frames / AGES_GROUP * sizeof(*ages->group);
	void *memory = mmap(NULL, groups + nr_frames / BLOCK_FRAMES, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		return -errno;
	ages->group = memory;
	ages->known = (uint8_t *)memory + groups;
	ages->nr_frames = nr_frames;
	return 0;
}

/* Another guest: its frames begin anew. */
void ages_forget(struct ages *ages)
{
	if (!ages->group)
		return;
	memset(ages->group, 0, ages->nr_frames / AGES_GROUP * sizeof(*ages->group));
	memset(ages->known, 0, ages->nr_frames / BLOCK_FRAMES);
	memset(ages->frames, 0, sizeof(ages->frames));
}

/* The first word of the table is its first frames, whatever the byte order. */
static uint64_t load_word(const uint8_t *state)
{
	uint64_t word = table_read(*(const word_t *)state);

#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	word = __builtin_bswap64(word);
#endif
	return word;
}

/* Bit 7 of each byte that is of this usage, neither absent nor busy */
static uint64_t claimable(uint64_t word, uint8_t usage)
{
	uint64_t differs = (word & EACH_BYTE(PAGEHINT_STATE_MASK)) ^ EACH_BYTE(usage);

	/* At most 0x0f: no carry */
	return ~(differs + EACH_BYTE(0x7f)) & EACH_BYTE(0x80);
}

/* Bit n: frame n of the word is. The product puts bits 7, 15, .. 63 side by side. */
static uint8_t claimable_frames(uint64_t word, uint8_t usage)
{
	return claimable(word, usage) * 0x0002040810204081ULL >> 56;
}

/* Of a whole block */
static bool any_claimable(const uint8_t *state, uint8_t usage)
{
	const word_t *word = (const word_t *)state;
	uint64_t any = 0;
	unsigned int i;

	for (i = 0; i < BLOCK_FRAMES / sizeof(*word); i++)
		any |= claimable(table_read(word[i]), usage);
	return any;
}

/* Bit n: frame n of the word at @at is from @first on and before @end */
static uint8_t frames_within(uint64_t at, uint64_t first, uint64_t end)
{
	uint8_t within = 0xff;

	if (at < first)
		within <<= first - at;
	if (end - at < AGES_GROUP)
		within &= 0xff >> (AGES_GROUP - (end - at));
	return within;
}

/* The hottest of these frames decides for all. */
static unsigned int order_of(const struct ages *ages, uint64_t word, uint8_t frames,
			     uint8_t age)
{
	unsigned int hottest = 0;

	if (!ages->temperatures) {
		frames = 0;
	} else if (word == EACH_BYTE(word)) {
		hottest = (uint8_t)word >> PAGEHINT_TEMP_SHIFT;
		frames = 0;
	}
	for (; frames; frames &= frames - 1) {
		unsigned int shift = 8 * __builtin_ctz(frames) + PAGEHINT_TEMP_SHIFT;
		unsigned int temperature = word >> shift & (NR_TEMPERATURES - 1);

		if (temperature > hottest)
			hottest = temperature;
	}
	return hottest * AGES_CLASSES + (AGES_CLASSES - 1 - age);
}

/* A look begins: what has each class become since the last one? */
void ages_begin(struct ages *ages, uint64_t now_ns)
{
	unsigned int class;

	for (class = 0; class < AGES_CLASSES; class++) {
		unsigned int shift = CLOCK_SHIFT + class;
		bool passed = now_ns >> shift != ages->looked_ns >> shift;

		ages->older[class] = class + (passed && class < AGES_CLASSES - 1);
	}
	ages->looked_ns = now_ns;
	memset(ages->frames, 0, sizeof(ages->frames));
}

static void look_at_group(struct ages *ages, struct ages_group *group, uint64_t word,
			  uint8_t within)
{
	uint8_t members = claimable_frames(word, PAGEHINT_VOLATILE) & within;

	group->age = members & ~group->members ? 0 : ages->older[group->age];
	group->members = (group->members & ~within) | members;
	if (members)
		ages->frames[order_of(ages, word, members, group->age)] +=
			__builtin_popcount(members);
}

/**
 * ages_look - see which frames of a piece are volatile, and for how long
 * @state: of the whole table, which ends with a whole word
 */
void ages_look(struct ages *ages, const uint8_t *state, uint64_t first, uint64_t nr)
{
	uint64_t end = first + nr, at = first - first % AGES_GROUP;

	while (at < end) {
		uint8_t *known = &ages->known[at / BLOCK_FRAMES];
		struct ages_group *group = &ages->group[at / AGES_GROUP];

		if (at % BLOCK_FRAMES == 0 && end - at >= BLOCK_FRAMES && at >= first &&
		    !any_claimable(&state[at], PAGEHINT_VOLATILE)) {
			if (*known)
				memset(group, 0, BLOCK_FRAMES / AGES_GROUP * sizeof(*group));
			*known = false;
			at += BLOCK_FRAMES;
			continue;
		}
		*known = true;
		look_at_group(ages, group, load_word(&state[at]), frames_within(at, first, end));
		at += AGES_GROUP;
	}
}

/**
 * ages_choose - the volatile frames that go first, by the last look
 * @wanted: how many
 */
struct choice ages_choose(const struct ages *ages, uint64_t wanted)
{
	unsigned int order = 0;

	while (order < AGES_ORDERS - 1 && ages->frames[order] < wanted)
		wanted -= ages->frames[order++];
	return (struct choice) {
		.usage = PAGEHINT_VOLATILE, .ages = ages, .last = order, .nr_last = wanted,
	};
}

/* Which of the eight frames at @at? All of them, or none, that qualify. */
static uint8_t choose(struct choice *choice, uint64_t word, uint64_t at, uint8_t within)
{
	uint8_t frames = claimable_frames(word, choice->usage) & within;
	unsigned int order = 0, nr;

	if (choice->ages && frames) {
		const struct ages_group *group = &choice->ages->group[at / AGES_GROUP];

		/* One that came since is younger than all that were counted. */
		frames &= group->members;
		order = order_of(choice->ages, word, frames, group->age);
	}
	if (!frames || order > choice->last)
		return 0;
	if (order == choice->last) {
		if (!choice->nr_last)
			return 0;
		nr = __builtin_popcount(frames);
		choice->nr_last -= nr < choice->nr_last ? nr : choice->nr_last;
	}
	return frames;
}

static bool run_add_word(struct run *run, const struct scan_piece *piece, uint64_t at,
			 uint8_t frames, scan_take_fn take, void *context)
{
	unsigned int n;

	if (!frames)
		return run_hand_over(run, take, context);
	for (n = 0; n < AGES_GROUP; n++) {
		uint64_t file_frame = piece->file_frame + (at + n - piece->first);

		if (frames >> n & 1) {
			if (!run->count)
				run->first = at + n;
			run->count++;
		}
		if ((!(frames >> n & 1) || (file_frame + 1) % PAGEHINT_MAX_BUSY == 0) &&
		    !run_hand_over(run, take, context))
			return false;
	}
	return true;
}

/**
 * choice_take - hand over the chosen frames of a piece
 *
 * In ranges as those of scan_piece(): in the order of the table, neighbours
 * together, whatever their order among the chosen.
 *
 * Return: false if @take said so.
 */
bool choice_take(struct choice *choice, const struct scan_piece *piece,
		 scan_take_fn take, void *context)
{
	uint64_t end = piece->first + piece->nr_frames;
	uint64_t at = piece->first - piece->first % AGES_GROUP;
	struct run run = { .count = 0 };

	while (at < end) {
		uint8_t within = frames_within(at, piece->first, end);

		if (at % BLOCK_FRAMES == 0 && end - at >= BLOCK_FRAMES && at >= piece->first &&
		    !any_claimable(&piece->state[at], choice->usage)) {
			if (!run_hand_over(&run, take, context))
				return false;
			at += BLOCK_FRAMES;
			continue;
		}
		if (!run_add_word(&run, piece, at,
				  choose(choice, load_word(&piece->state[at]), at, within),
				  take, context))
			return false;
		at += AGES_GROUP;
	}
	return run_hand_over(&run, take, context);
}
