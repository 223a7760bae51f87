/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The places in the guest's code that accessed frames which the host might
 * have dropped: one table per virtual CPU, so that counting takes no lock and
 * no atomic operation; merged when the run is over.
 */
#ifndef ORACLE_SITES_H
#define ORACLE_SITES_H

#include <stdbool.h>
#include <stdint.h>

/*
 * A correct guest has a handful. A guest with a hook left out has thousands:
 * what finds no room is counted together, and counts as a violation.
 */
#define SITES_MAX	4096

struct site {
	uint64_t rip;
	uint64_t count;
	uint64_t last_gfn;
	uint32_t last_cpu;
	uint8_t last_state;
	uint8_t kind;		/* of access: SITE_* */
};

#define SITE_STORE	1	/* else a load */
#define SITE_DIRECT	2	/* through the direct map of RAM */
#define SITE_TAIL	4	/* what an access that began in the page before touched */
#define SITE_VOLATILE	8	/* the frame was volatile, else unused */

struct sites {
	uint64_t dropped;	/* accesses that found no room */
	uint32_t nr;
	struct site slots[SITES_MAX];
};

/* Adds site->count accesses; the last_* of @site replace the old ones. */
void sites_add(struct sites *sites, const struct site *site);

void sites_merge(struct sites *into, const struct sites *from);

/* The most frequent first, unused slots last. The table cannot be added to after that. */
void sites_sort(struct sites *sites);

#endif /* ORACLE_SITES_H */
