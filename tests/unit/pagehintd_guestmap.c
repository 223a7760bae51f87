// SPDX-License-Identifier: GPL-2.0
/*
 * Where the guest's memory lies in the RAM files: what real QEMU 7.2 shows with
 * `info mtree -f` (fixtures/), and maps that must not be accepted.
 */
#include <errno.h>

#include <guestmap.h>

/* test.h has its own */
#undef ARRAY_SIZE
#include "test.h"

static char *read_fixture(const char *name)
{
	static char text[1 << 20];
	const char *directory = getenv("FIXTURES");
	char path[512];
	size_t length;
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", directory ? directory : "tests/unit/fixtures",
		 name);
	file = fopen(path, "r");
	if (!file) {
		FAIL("no %s", path);
		return "";
	}
	length = fread(text, 1, sizeof(text) - 1, file);
	text[length] = '\0';
	fclose(file);
	return text;
}

static const struct guestmap_backend backends[] = {
	{ "ram", 0 }, { "ram0", 1 }, { "ram1", 2 }, { "dimm", 3 },
};

static void expect(const char *fixture, const struct guestmap_entry *entries, unsigned int nr)
{
	struct guestmap map;
	unsigned int i;
	int err = guestmap_from_mtree(&map, read_fixture(fixture), backends,
				      ARRAY_SIZE(backends));

	CHECK(!err, "%s: error %d", fixture, err);
	CHECK(map.nr == nr, "%s: expected %u entries, found %u", fixture, nr, map.nr);
	for (i = 0; i < nr && i < map.nr; i++) {
		const struct guestmap_entry *a = &entries[i], *b = &map.entry[i];

		CHECK(a->gfn == b->gfn && a->nr_frames == b->nr_frames &&
		      a->file_frame == b->file_frame && a->file == b->file,
		      "%s, entry %u: expected gfn %#llx+%#llx at %#llx of %u, found %#llx+%#llx at %#llx of %u",
		      fixture, i, (unsigned long long)a->gfn, (unsigned long long)a->nr_frames,
		      (unsigned long long)a->file_frame, a->file, (unsigned long long)b->gfn,
		      (unsigned long long)b->nr_frames, (unsigned long long)b->file_frame,
		      b->file);
	}
}

#define EXPECT(fixture, ...) do {						\
	const struct guestmap_entry entries[] = { __VA_ARGS__ };		\
	expect(fixture, entries, ARRAY_SIZE(entries));				\
} while (0)

static void real_qemu(void)
{
	EXPECT("mtree-7.2-pc-1g.txt",
	       { 0, 0xc0, 0, 0 }, { 0x100, 0x3ff00, 0x100, 0 });
	EXPECT("mtree-7.2-pc-6g.txt",
	       { 0, 0xc0, 0, 0 }, { 0x100, 0xbff00, 0x100, 0 },
	       { 0x100000, 0xc0000, 0xc0000, 0 });
	EXPECT("mtree-7.2-q35-6g.txt",
	       { 0, 0xc0, 0, 0 }, { 0x100, 0x7ff00, 0x100, 0 },
	       { 0x100000, 0x100000, 0x80000, 0 });
	EXPECT("mtree-7.2-pc-numa.txt",
	       { 0, 0xc0, 0, 1 }, { 0x100, 0x7ff00, 0x100, 1 },
	       { 0x80000, 0x40000, 0, 2 }, { 0x100000, 0xc0000, 0x40000, 2 });
	/* With a VGA adapter, after the firmware has shadowed itself */
	EXPECT("mtree-7.2-pc-numa-vga-booted.txt",
	       { 0, 0xa0, 0, 1 }, { 0xc0, 0x7ff40, 0xc0, 1 },
	       { 0x80000, 0x40000, 0, 2 }, { 0x100000, 0xc0000, 0x40000, 2 });
	EXPECT("mtree-7.2-pc-dimm.txt",
	       { 0, 0xc0, 0, 0 }, { 0x100, 0x3ff00, 0x100, 0 },
	       { 0x100000, 0x20000, 0, 3 });
}

#define VIEW "FlatView #1\n AS \"memory\", root: system\n Root memory region: system\n"

static int parse(const char *text)
{
	struct guestmap map;

	return guestmap_from_mtree(&map, text, backends, ARRAY_SIZE(backends));
}

static void strange_views(void)
{
	static const char canonical[] = VIEW
		"  0000-0fff (prio 0, ram): /objects/ram @3000 KVM\r\n";
	struct guestmap map;

	CHECK(parse("") == -ENOENT, "an empty text is a map");
	CHECK(parse("FlatView #0\n AS \"I/O\", root: io\n"
		    "  0000000000000000-0000000000000fff (prio 0, ram): ram\n") == -ENOENT,
	      "a view of another address space is the memory");
	CHECK(parse(VIEW "  0000000000000000-0000000000000fff (prio 0, ram): rampage\n") ==
	      -ENOENT, "a backend's name matches the start of another's");
	CHECK(parse(VIEW "  0000000000000000-00000000000007ff (prio 0, ram): ram\n") == -EINVAL,
	      "half a frame is accepted");
	CHECK(parse(VIEW "  0000000000001000-0000000000000fff (prio 0, ram): ram\n") == -EINVAL,
	      "an empty range is accepted");
	CHECK(parse(VIEW "  0000000000000000-ffffffffffffffff (prio 0, ram): ram\n") == -EINVAL,
	      "a range that wraps is accepted");
	CHECK(parse(VIEW "  0000000000000000-0000000000000fff (prio 0, ram): ram\n"
		    "  0000000000001000-0000000000001fff (prio 0, ram): ram\n") == -EEXIST,
	      "two frames of the guest at one place of the file are accepted");
	CHECK(!guestmap_from_mtree(&map, canonical, backends, ARRAY_SIZE(backends)) &&
	      map.nr == 1 && map.entry[0].file_frame == 3,
	      "a canonical path, an offset and an accelerator's name are not understood");
}

static void find(void)
{
	struct guestmap map = { 0 };
	uint64_t file_frame;
	uint32_t file;

	CHECK(!guestmap_add(&map, (struct guestmap_entry) {
		.gfn = 100, .nr_frames = 50, .file_frame = 1000, .file = 0 }), "add");
	CHECK(!guestmap_add(&map, (struct guestmap_entry) {
		.gfn = 10, .nr_frames = 20, .file_frame = 0, .file = 0 }), "add before");
	CHECK(!guestmap_add(&map, (struct guestmap_entry) {
		.gfn = 150, .nr_frames = 50, .file_frame = 1050, .file = 0 }), "add joined");
	CHECK(map.nr == 2, "neighbours are not joined: %u entries", map.nr);
	CHECK(guestmap_find(&map, 100, 100, &file, &file_frame) && file_frame == 1000, "all");
	CHECK(guestmap_find(&map, 149, 2, &file, &file_frame) && file_frame == 1049, "middle");
	CHECK(!guestmap_find(&map, 99, 2, &file, &file_frame), "before the start");
	CHECK(!guestmap_find(&map, 199, 2, &file, &file_frame), "beyond the end");
	CHECK(!guestmap_find(&map, 150, UINT64_MAX, &file, &file_frame), "overflow");
	CHECK(guestmap_add(&map, (struct guestmap_entry) {
		.gfn = 29, .nr_frames = 1, .file_frame = 5000, .file = 0 }) == -EEXIST,
	      "overlap in the guest");
	CHECK(guestmap_add(&map, (struct guestmap_entry) {
		.gfn = 1000, .nr_frames = 10, .file_frame = 1095, .file = 0 }) == -EEXIST,
	      "overlap in the file");
	CHECK(guestmap_add(&map, (struct guestmap_entry) {
		.gfn = UINT64_MAX, .nr_frames = 2, .file = 1 }) == -EINVAL, "wraps");
	CHECK(guestmap_add(&map, (struct guestmap_entry) { .gfn = 1000, .file = 1 }) == -EINVAL,
	      "empty");
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "real_qemu", real_qemu },
		{ "strange_views", strange_views },
		{ "find", find },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
