// SPDX-License-Identifier: GPL-2.0
/*
 * Counting accesses by instruction and kind: a hash table with linear probing.
 */
#include <stdlib.h>

#include "sites.h"

/* Beyond this filling, probing gets slow; the rest is counted as dropped. */
#define SITES_FULL	(SITES_MAX - SITES_MAX / 8)

_Static_assert((SITES_MAX & (SITES_MAX - 1)) == 0, "the hash is masked");

static uint32_t hash(uint64_t rip, uint8_t kind)
{
	return ((rip * 16 + kind) * 0x9e3779b97f4a7c15ULL) >> 40;
}

void sites_add(struct sites *sites, const struct site *site)
{
	uint32_t i = hash(site->rip, site->kind) & (SITES_MAX - 1);
	struct site *slot;
	uint64_t count;

	for (;; i = (i + 1) & (SITES_MAX - 1)) {
		slot = &sites->slots[i];
		if (!slot->count)
			break;
		if (slot->rip == site->rip && slot->kind == site->kind) {
			count = slot->count;
			*slot = *site;
			slot->count += count;
			return;
		}
	}
	if (sites->nr >= SITES_FULL) {
		sites->dropped += site->count;
		return;
	}
	*slot = *site;
	sites->nr++;
}

void sites_merge(struct sites *into, const struct sites *from)
{
	uint32_t i;

	into->dropped += from->dropped;
	for (i = 0; i < SITES_MAX; i++)
		if (from->slots[i].count)
			sites_add(into, &from->slots[i]);
}

static int by_count(const void *a, const void *b)
{
	const struct site *x = a, *y = b;

	return (x->count < y->count) - (x->count > y->count);
}

void sites_sort(struct sites *sites)
{
	qsort(sites->slots, SITES_MAX, sizeof(struct site), by_count);
}
