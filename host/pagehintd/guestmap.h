/* SPDX-License-Identifier: GPL-2.0 */
/* Where the guest's frames lie in the RAM files: the host's own knowledge. */
#ifndef _GUESTMAP_H
#define _GUESTMAP_H

#include "pagehintd.h"

/* A memory backend of QEMU that is one of our RAM files */
struct guestmap_backend {
	const char *name;	/* as in info mtree */
	uint32_t file;
};

int guestmap_add(struct guestmap *map, struct guestmap_entry entry);
int guestmap_from_mtree(struct guestmap *map, const char *text,
			const struct guestmap_backend *backends, unsigned int nr);
const char *guestmap_check_sizes(const struct guestmap *map, const struct ram_file *ram,
				 unsigned int nr_ram);
bool guestmap_find(const struct guestmap *map, uint64_t gfn, uint64_t nr_frames,
		   uint32_t *file, uint64_t *file_frame);

#endif /* _GUESTMAP_H */
