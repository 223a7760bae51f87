// SPDX-License-Identifier: GPL-2.0
/*
 * The parts of the oracle that decide what an access means, without QEMU:
 * names of addresses, exceptions, counting, extents, and following the header.
 */
#include <fcntl.h>
#include <unistd.h>

#include "coverage.h"
#include "exceptions.h"
#include "phase.h"
#include "sites.h"
#include "symbols.h"

#include "test.h"

static const char kallsyms[] =
	"0000000000000000 A fixed_percpu_data\n"
	"ffffffff81000000 T _text\n"
	"ffffffff81000000 T startup_64\n"
	"ffffffff82000000 D some_data\n"
	"ffffffff81003000 t clear_page_rep\n"
	"ffffffff81003010 t clear_page_report\n"
	"ffffffff81003020 t link_path_walk.part.0.constprop.0\n"
	"ffffffff81003100 W kmem_cache_alloc\n"
	"ffffffff81003200 T _etext\n"
	"ffffffffc0000000 t clear_page_rep\t[bad]\n"
	"ffffffffc0000040 t bad_function\t[bad]\n";

static void symbols_from_text(struct symbols *symbols, const char *text)
{
	FILE *file = fmemopen((void *)text, strlen(text), "r");

	memset(symbols, 0, sizeof(*symbols));
	CHECK(file && symbols_read(symbols, file) >= 0, "a good table was refused");
	if (file)
		fclose(file);
	symbols_sort(symbols);
}

static void expect_name(const struct symbols *symbols, uint64_t addr, const char *expected)
{
	char text[256];

	symbols_format(symbols, addr, text, sizeof(text));
	CHECK(!strcmp(text, expected), "%#llx: expected %s, found %s",
	      (unsigned long long)addr, expected, text);
}

static void names(void)
{
	struct symbols symbols;
	size_t nr;

	symbols_from_text(&symbols, kallsyms);
	CHECK(symbols.nr == 9, "expected 9 symbols of code, found %zu", symbols.nr);
	expect_name(&symbols, 0xffffffff81003007, "clear_page_rep+0x7");
	expect_name(&symbols, 0xffffffff81003010, "clear_page_report+0x0");
	expect_name(&symbols, 0xffffffff8100300f, "clear_page_rep+0xf");
	expect_name(&symbols, 0xffffffffc0000001, "clear_page_rep+0x1 [bad]");
	expect_name(&symbols, 0xffffffff81003200, "0xffffffff81003200");
	expect_name(&symbols, 0xffffffff90000000, "0xffffffff90000000");
	expect_name(&symbols, 0xffffffff80ffffff, "0xffffffff80ffffff");
	expect_name(&symbols, 0x401000, "user");
	CHECK(symbols_find(&symbols, 0xffffffff81000008, &nr) && nr == 2,
	      "an address with two names: found %zu", nr);
	symbols_free(&symbols);
	CHECK(!symbols_find(&symbols, 0xffffffff81000008, &nr) && !nr, "found in an empty table");
}

static void bad_symbols(void)
{
	static const char *const texts[] = { "no address here\n", "ffffffff81000000\n", "\n" };
	struct symbols symbols = { 0 };
	size_t i;

	for (i = 0; i < ARRAY_SIZE(texts); i++) {
		FILE *file = fmemopen((void *)texts[i], strlen(texts[i]), "r");

		CHECK(symbols_read(&symbols, file) < 0, "accepted: %s", texts[i]);
		fclose(file);
	}
	CHECK(symbols_load(&symbols, "/nonexistent") < 0, "a missing file was read");
	symbols_free(&symbols);
}

#define STORE	(SITE_DIRECT | SITE_STORE)
#define TAIL	(SITE_DIRECT | SITE_TAIL)

static void exception_rules(void)
{
	static const struct {
		uint64_t addr;
		uint8_t kind;
		bool excepted;
		const char *what;
	} rules[] = {
		{ 0xffffffff81003007, STORE, true, "a store by clear_page_rep" },
		{ 0xffffffff81003007, SITE_STORE, false, "a store elsewhere by it" },
		{ 0xffffffff81003007, SITE_DIRECT, false, "a load by clear_page_rep" },
		{ 0xffffffff81003010, STORE, false, "a function whose name begins alike" },
		{ 0xffffffff81003028, TAIL, true, "a load beyond by link_path_walk.part.0" },
		{ 0xffffffff81003028, SITE_TAIL, false, "a load beyond its stack" },
		{ 0xffffffff81003028, SITE_DIRECT, false, "another load by it" },
		{ 0xffffffff81003028, STORE, false, "a store by link_path_walk.part.0" },
		{ 0xffffffff81003100, SITE_DIRECT, true, "a load by kmem_cache_alloc" },
		{ 0xffffffff81003100, 0, false, "a load by it from its stack" },
		{ 0xffffffff81003100, STORE, false, "a store by kmem_cache_alloc" },
		{ 0xffffffff81000000, STORE, false, "another function" },
		{ 0xffffffffc0000001, STORE, false, "a module's function of that name" },
		{ 0xffffffff81003007, STORE | SITE_VOLATILE, false, "page cache cleared" },
		{ 0xffffffff81003028, TAIL | SITE_VOLATILE, true, "a load beyond, of page cache" },
		{ 0xffffffff81003100, SITE_DIRECT | SITE_VOLATILE, true,
		  "a load by kmem_cache_alloc of page cache" },
		{ 0xffffffff81003028, SITE_DIRECT | SITE_VOLATILE, false,
		  "another load of page cache" },
		{ 0x401000, SITE_DIRECT, false, "user space" },
		{ 0xffffffff90000000, STORE, false, "an address without a name" },
	};
	struct symbols symbols;
	size_t i;

	symbols_from_text(&symbols, kallsyms);
	for (i = 0; i < ARRAY_SIZE(rules); i++) {
		bool excepted = exception_find(&symbols, rules[i].addr, rules[i].kind);

		CHECK(excepted == rules[i].excepted, "%s: expected %d, found %d",
		      rules[i].what, rules[i].excepted, excepted);
	}
	symbols_free(&symbols);
}

static struct sites sites_a, sites_b;

static void counting(void)
{
	struct site site = { .count = 1, .last_gfn = 7 };
	uint64_t sum = 0;
	size_t i;

	memset(&sites_a, 0, sizeof(sites_a));
	memset(&sites_b, 0, sizeof(sites_b));
	for (i = 0; i < 3 * SITES_MAX; i++) {
		site.rip = 0xffffffff81000000 + i % 100;
		site.kind = i & 1;
		sites_add(i % 3 ? &sites_a : &sites_b, &site);
	}
	sites_merge(&sites_a, &sites_b);
	CHECK(sites_a.nr == 100, "expected 100 sites, found %u", sites_a.nr);
	for (i = 0; i < SITES_MAX; i++)
		sum += sites_a.slots[i].count;
	CHECK(sum == 3 * SITES_MAX, "expected %d accesses, found %llu", 3 * SITES_MAX,
	      (unsigned long long)sum);

	/* A load and a store of one instruction are two sites. */
	memset(&sites_a, 0, sizeof(sites_a));
	site.rip = 1;
	site.kind = SITE_DIRECT;
	sites_add(&sites_a, &site);
	site.kind = STORE;
	site.count = 5;
	sites_add(&sites_a, &site);
	sites_sort(&sites_a);
	CHECK(sites_a.nr == 2 && sites_a.slots[0].kind == STORE && sites_a.slots[0].count == 5,
	      "the most frequent does not come first");

	/* So are accesses to an unused and to a volatile frame. */
	site.kind = STORE | SITE_VOLATILE;
	memset(&sites_b, 0, sizeof(sites_b));
	sites_add(&sites_b, &site);
	site.kind = STORE;
	sites_add(&sites_b, &site);
	CHECK(sites_b.nr == 2, "unused and volatile are one site");

	/* Nothing is lost when there is no room. */
	memset(&sites_a, 0, sizeof(sites_a));
	site.count = 1;
	for (i = 0; i < 2 * SITES_MAX; i++) {
		site.rip = i;
		sites_add(&sites_a, &site);
	}
	CHECK(sites_a.dropped && sites_a.nr + sites_a.dropped == 2 * SITES_MAX,
	      "%u sites and %llu dropped of %d", sites_a.nr,
	      (unsigned long long)sites_a.dropped, 2 * SITES_MAX);
}

#define TABLE_BYTES	65536

/* A machine with a PCI hole: 16 MiB below it, 32 MiB above 4 GiB. */
static struct pagehint_header *new_table(void)
{
	struct pagehint_header *header = calloc(1, TABLE_BYTES);

	header->magic = PAGEHINT_MAGIC;
	header->version = PAGEHINT_VERSION;
	header->frame_shift = PAGEHINT_FRAME_SHIFT;
	header->nr_extents = 2;
	header->extents[0] = (struct pagehint_extent){ .gfn = 0x100, .nr_frames = 4096 };
	header->extents[1] = (struct pagehint_extent){
		.gfn = 0x100000, .nr_frames = 8192, .table_offset = 4096
	};
	header->boot_id = 42;
	header->active = 1;
	return header;
}

static void extents(void)
{
	struct pagehint_header *header = new_table();
	struct coverage coverage;
	const char *error = coverage_init(&coverage, header, TABLE_BYTES);
	struct extent *low, *high;
	uint64_t gpa = 0;

	CHECK(!error, "refused: %s", error);
	low = extent_of_gpa(&coverage, 0x100000);
	high = extent_of_gpa(&coverage, 0x100000000);
	CHECK(low && high && low != high, "extents were not found");
	CHECK(!extent_of_gpa(&coverage, 0xfffff) && !extent_of_gpa(&coverage, 0x1100000) &&
	      !extent_of_gpa(&coverage, 0xffffffff) && !extent_of_gpa(&coverage, 0x102000000),
	      "found beyond an extent");

	((uint8_t *)header)[PAGEHINT_HEADER_BYTES + 4096 + 3] = PAGEHINT_UNUSED;
	CHECK(state_of(high, 0x100003fff) == PAGEHINT_UNUSED, "wrong byte");
	CHECK(state_of(high, 0x100004000) == PAGEHINT_STABLE, "wrong byte");

	/* QEMU keeps RAM in one piece, here after a block of 1 MiB. */
	CHECK(!extent_of_ram_place(&coverage, 0x200000, &gpa), "found without calibration");
	CHECK(coverage_calibrate(low, 0x123000, 0x223000) == CALIBRATION_NEW, "not new");
	CHECK(!coverage_all_calibrated(&coverage), "one extent is not");
	CHECK(coverage_calibrate(high, 0x100001000, 0x1201000) == CALIBRATION_NEW, "not new");
	CHECK(coverage_all_calibrated(&coverage), "all extents are");
	CHECK(coverage_calibrate(low, 0x100008, 0x200008) == CALIBRATION_AGREES, "differs");
	CHECK(coverage_calibrate(low, 0x100008, 0x300008) == CALIBRATION_DIFFERS, "agrees");
	CHECK(extent_of_ram_place(&coverage, 0x11fffff, &gpa) == low && gpa == 0x10fffff,
	      "last byte of the low extent: %#llx", (unsigned long long)gpa);
	CHECK(extent_of_ram_place(&coverage, 0x1200000, &gpa) == high && gpa == 0x100000000,
	      "first byte of the high extent: %#llx", (unsigned long long)gpa);
	CHECK(!extent_of_ram_place(&coverage, 0x1fffff, &gpa), "found before the extent");

	CHECK(direct_map_gpa(&coverage, DIRECT_MAP_4_LEVELS + 0x1234, &gpa) && gpa == 0x1234,
	      "direct map with 4 levels");
	CHECK(direct_map_gpa(&coverage, DIRECT_MAP_5_LEVELS + 0x1234, &gpa) && gpa == 0x1234,
	      "direct map with 5 levels");
	CHECK(!direct_map_gpa(&coverage, 0xffffffff81000000, &gpa) &&
	      !direct_map_gpa(&coverage, 0x7fffffff0000, &gpa) &&
	      !direct_map_gpa(&coverage, DIRECT_MAP_4_LEVELS - 1, &gpa),
	      "another address was taken for the direct map");
	free(header);
}

static void expect_refused(struct pagehint_header *header, const char *what)
{
	struct coverage coverage;

	CHECK(coverage_init(&coverage, header, TABLE_BYTES), "accepted: a wrong %s", what);
	free(header);
}

static void bad_headers(void)
{
	static const uint64_t bad_offsets[] = { TABLE_BYTES, UINT64_MAX - 8 };
	static const uint32_t bad_counts[] = { 0, PAGEHINT_MAX_EXTENTS + 1, UINT32_MAX };
	struct pagehint_header *header;
	size_t i;

	header = new_table();
	header->magic = PAGEHINT_HOST_MAGIC;
	expect_refused(header, "magic");
	header = new_table();
	header->version = PAGEHINT_VERSION + 1;
	expect_refused(header, "version");
	header = new_table();
	header->frame_shift = 16;
	expect_refused(header, "frame_shift");
	header = new_table();
	header->extents[1].nr_frames = TABLE_BYTES;
	expect_refused(header, "nr_frames");
	for (i = 0; i < ARRAY_SIZE(bad_counts); i++) {
		header = new_table();
		header->nr_extents = bad_counts[i];
		expect_refused(header, "nr_extents");
	}
	for (i = 0; i < ARRAY_SIZE(bad_offsets); i++) {
		header = new_table();
		header->extents[1].table_offset = bad_offsets[i];
		expect_refused(header, "table_offset");
	}
}

static void forbidden_states(void)
{
	unsigned int state;

	for (state = 0; state < 256; state++) {
		unsigned int usage = state & PAGEHINT_USAGE_MASK;
		bool expected = usage == PAGEHINT_UNUSED || usage == PAGEHINT_VOLATILE;

		CHECK(state_forbids_access(state) == expected, "state %#x", state);
		CHECK(state_is_volatile(state) == (usage == PAGEHINT_VOLATILE), "state %#x", state);
	}
}

static void following_the_header(void)
{
	char path[] = "/tmp/oracle-unit.XXXXXX";
	struct pagehint_header *header = new_table();
	struct pagehint_header line;
	int fd = mkstemp(path);

	header->active = 0;
	CHECK(fd >= 0 && write(fd, header, TABLE_BYTES) == TABLE_BYTES, "no file");
	CHECK(!phases_open(path), "the table was refused");
	unlink(path);
	line = *header;

#define HEADER(...)							\
	do {								\
		line = *header;						\
		__VA_ARGS__;						\
		CHECK(pwrite(fd, &line, sizeof(line), 0) == sizeof(line), "no write"); \
		phases_poll();						\
	} while (0)

	HEADER();
	CHECK(!phase_get(), "a phase before active");
	HEADER(line.active = 1);
	CHECK(phase_get() && phase_get()->coverage.nr_frames == 12288, "no phase");
	phases_poll();
	CHECK(phase_get() == phase_at(0), "a second phase of the same activation");
#define TOUCH(gpa)							\
	phase_touch(phase_at(0)->touched,				\
		    extent_of_gpa(&phase_at(0)->coverage, gpa), gpa)
	TOUCH(0x100000000);
	TOUCH(0x100000fff);
	TOUCH(0x100000);
#undef TOUCH
	CHECK(phase_frames_touched(phase_at(0)->touched) == 2, "expected 2 frames, found %llu",
	      (unsigned long long)phase_frames_touched(phase_at(0)->touched));
	HEADER();
	CHECK(!phase_get(), "the phase did not end");
	HEADER(line.active = 1, line.boot_id = 43);
	CHECK(phase_get() && phase_get() == phase_at(1), "no second phase");
	HEADER(line.active = 1, line.boot_id = 44, line.extents[0].nr_frames = 1);
	CHECK(phase_get() == phase_at(2) && phase_get()->coverage.nr_frames == 8193,
	      "extents of the old phase");
	HEADER(line.active = 1, line.boot_id = 45, line.version = 9);
	CHECK(phase_get() == phase_at(3) && phase_get()->complaint &&
	      !phase_get()->coverage.nr_extents, "a bad header without complaint");
	CHECK(phases_end() == 4 && !phase_get(), "expected 4 phases");
#undef HEADER
	close(fd);
	free(header);
	CHECK(phases_open("/dev/null"), "an empty file was taken for a table");
	CHECK(phases_open("/nonexistent"), "a missing file was taken for a table");
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "names", names },
		{ "bad_symbols", bad_symbols },
		{ "exception_rules", exception_rules },
		{ "counting", counting },
		{ "extents", extents },
		{ "bad_headers", bad_headers },
		{ "forbidden_states", forbidden_states },
		{ "following_the_header", following_the_header },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
