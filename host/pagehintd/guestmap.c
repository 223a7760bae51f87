// SPDX-License-Identifier: GPL-2.0
/*
 * Where the guest's frames lie in the RAM files: from --map, or from what QEMU
 * shows with `info mtree -f`.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "guestmap.h"

/* The largest physical address of any machine that we know: 52 bits */
#define MAX_GFN		(1ULL << (52 - PAGEHINT_FRAME_SHIFT))

/**
 * guestmap_add - add an entry, in order, joined with its neighbour if it can be
 *
 * Return: 0, -EINVAL for an entry that wraps or is empty, -EEXIST if it
 * overlaps another, in the guest or in the file, -ENOSPC.
 */
int guestmap_add(struct guestmap *map, struct guestmap_entry entry)
{
	struct guestmap_entry *left;
	unsigned int i, at = map->nr;

	if (!entry.nr_frames || entry.gfn >= MAX_GFN || entry.file_frame >= MAX_GFN ||
	    entry.nr_frames > MAX_GFN - entry.gfn ||
	    entry.nr_frames > MAX_GFN - entry.file_frame)
		return -EINVAL;
	for (i = 0; i < map->nr; i++) {
		const struct guestmap_entry *other = &map->entry[i];

		if (entry.gfn < other->gfn + other->nr_frames &&
		    other->gfn < entry.gfn + entry.nr_frames)
			return -EEXIST;
		if (entry.file == other->file &&
		    entry.file_frame < other->file_frame + other->nr_frames &&
		    other->file_frame < entry.file_frame + entry.nr_frames)
			return -EEXIST;
		if (other->gfn > entry.gfn && at == map->nr)
			at = i;
	}
	left = at ? &map->entry[at - 1] : NULL;
	if (left && left->file == entry.file &&
	    left->gfn + left->nr_frames == entry.gfn &&
	    left->file_frame + left->nr_frames == entry.file_frame) {
		left->nr_frames += entry.nr_frames;
		return 0;
	}
	if (map->nr == MAX_MAP_ENTRIES)
		return -ENOSPC;
	memmove(&map->entry[at + 1], &map->entry[at],
		(map->nr - at) * sizeof(entry));
	map->entry[at] = entry;
	map->nr++;
	return 0;
}

/*
 * The name in a line of a flat view, which is followed by the offset or by an
 * accelerator's name or by nothing. QEMU writes the backend's id, or its path
 * with old machine types.
 */
static const char *after_name(const char *text, const char *name)
{
	size_t length = strlen(name);

	if (!strncmp(text, "/objects/", 9))
		text += 9;
	if (strncmp(text, name, length))
		return NULL;
	text += length;
	return (*text == '\0' || *text == ' ') ? text : NULL;
}

/* "  0000000100000000-00000001bfffffff (prio 0, ram): ram @00000000c0000000" */
static int add_line(struct guestmap *map, const char *line,
		    const struct guestmap_backend *backends, unsigned int nr)
{
	unsigned long long first, last, offset;
	const char *rest = NULL;
	char kind[16];
	int name_at = 0;
	unsigned int i;

	if (sscanf(line, " %llx-%llx (prio %*d, %15[^)]): %n", &first, &last, kind,
		   &name_at) != 3 || !name_at)
		return 0;
	/* rom: RAM that the chipset shows read-only, as below 1 MiB */
	if (strcmp(kind, "ram") && strcmp(kind, "rom"))
		return 0;
	for (i = 0; i < nr && !rest; i++)
		rest = after_name(line + name_at, backends[i].name);
	if (!rest)
		return 0;
	i--;
	if (sscanf(rest, " @%llx", &offset) != 1)
		offset = 0;
	if (last < first || (first | (last + 1) | offset) & (PAGEHINT_FRAME_BYTES - 1))
		return -EINVAL;
	return guestmap_add(map, (struct guestmap_entry) {
		.gfn = first >> PAGEHINT_FRAME_SHIFT,
		.nr_frames = (last + 1 - first) >> PAGEHINT_FRAME_SHIFT,
		.file_frame = offset >> PAGEHINT_FRAME_SHIFT,
		.file = backends[i].file,
	});
}

/**
 * guestmap_from_mtree - fill a map from QEMU's `info mtree -f`
 *
 * The flat view that counts is the one of the address space "memory"; several
 * address spaces may share it.
 *
 * Return: 0, -ENOENT if there is no such view or none of the backends is in it,
 * or as guestmap_add().
 */
int guestmap_from_mtree(struct guestmap *map, const char *text,
			const struct guestmap_backend *backends, unsigned int nr)
{
	bool is_memory = false;
	char line[256];

	map->nr = 0;
	while (*text) {
		size_t length = strcspn(text, "\r\n");
		int err;

		snprintf(line, sizeof(line), "%.*s", (int)length, text);
		text += length;
		text += strspn(text, "\r\n");
		if (!strncmp(line, "FlatView", 8)) {
			if (is_memory)
				break;
		} else if (!strncmp(line, " AS \"memory\", root: system", 26)) {
			is_memory = true;
		} else if (is_memory) {
			err = add_line(map, line, backends, nr);
			if (err)
				return err;
		}
	}
	return map->nr ? 0 : -ENOENT;
}

/* NULL, or the path of a file that is too small for the map */
const char *guestmap_check_sizes(const struct guestmap *map, const struct ram_file *ram,
				 unsigned int nr_ram)
{
	unsigned int i;

	for (i = 0; i < map->nr; i++) {
		const struct guestmap_entry *entry = &map->entry[i];
		uint64_t frames;

		if (entry->file >= nr_ram)
			return "(no file)";
		frames = ram[entry->file].bytes >> PAGEHINT_FRAME_SHIFT;
		if (entry->file_frame + entry->nr_frames > frames)
			return ram[entry->file].path;
	}
	return NULL;
}

/* Are all the frames in one piece of one file? The caller excludes overflow. */
bool guestmap_find(const struct guestmap *map, uint64_t gfn, uint64_t nr_frames,
		   uint32_t *file, uint64_t *file_frame)
{
	unsigned int i;

	for (i = 0; i < map->nr; i++) {
		const struct guestmap_entry *entry = &map->entry[i];

		if (gfn < entry->gfn || gfn - entry->gfn >= entry->nr_frames)
			continue;
		if (nr_frames > entry->nr_frames - (gfn - entry->gfn))
			return false;
		*file = entry->file;
		*file_frame = entry->file_frame + (gfn - entry->gfn);
		return true;
	}
	return false;
}
