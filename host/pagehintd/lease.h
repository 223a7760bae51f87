/* SPDX-License-Identifier: GPL-2.0 */
/* The host's half of the lease. */
#ifndef _LEASE_H
#define _LEASE_H

#include "guestmap.h"
#include "table.h"

/*
 * What this host has: dropped frames read as zeros, as holes of files do. Without
 * PAGEHINT_F_VOLATILE where the administrator wants the page cache left alone.
 */
#define HOST_FEATURES_NO_VOLATILE	(PAGEHINT_F_UNUSED | PAGEHINT_F_ZERO)
#define HOST_FEATURES \
	(HOST_FEATURES_NO_VOLATILE | PAGEHINT_F_VOLATILE | PAGEHINT_F_TEMPERATURE)

/*
 * An extent as it was when it was examined: checked against the table and the
 * map, and never read from the shared page again.
 */
struct lease_extent {
	uint64_t gfn;
	uint64_t nr_frames;
	uint64_t first;		/* index into the table */
	uint64_t file_frame;
	uint32_t file;
	bool confirmed;		/* proof of mapping found */
};

struct lease {
	enum lease_state state;
	enum refusal refusal;
	uint64_t boot_id;	/* of the guest that was examined last */
	uint64_t host_gen;	/* 0: not given out */
	uint64_t offered;	/* features, ours */
	uint64_t features;	/* of both sides: in force */
	unsigned int nr_extents;
	unsigned int nr_confirmed;
	struct lease_extent extents[PAGEHINT_MAX_EXTENTS];
	char why[256];		/* why it was refused, or extents left out */
};

uint64_t lease_asked_for(const struct table *table);
bool lease_examine(struct lease *lease, const struct table *table,
		   const struct guestmap *map, const struct ram_file *ram,
		   uint64_t offered);
void lease_announce(struct table *table, uint64_t features);
bool lease_offer(struct lease *lease, struct table *table);
bool lease_holds(const struct lease *lease, const struct table *table);
void lease_withdraw(struct lease *lease, struct table *table);

#endif /* _LEASE_H */
