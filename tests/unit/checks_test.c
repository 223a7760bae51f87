// SPDX-License-Identifier: GPL-2.0
/*
 * Every refusal of module/checks.c with its sentence, and what must not be
 * refused. A sentence has to name the reason and the remedy.
 */
#include <pagehint/checks.h>

#include "test.h"

static char why[PAGEHINT_WHY_BYTES];

/* @found is 0 and says nothing, or it is @error and says all of @words. */
static void expect(int line, int found, int error, const char *const *words)
{
	if (found != error)
		test_fail(__FILE__, line, "expected %d, returned %d: %s", error, found, why);
	if (!error && why[0])
		test_fail(__FILE__, line, "not refused, but says: %s", why);
	if (strlen(why) >= PAGEHINT_WHY_BYTES - 1)
		test_fail(__FILE__, line, "the sentence is cut off: %s", why);
	for (; error && *words; words++) {
		if (!strstr(why, *words))
			test_fail(__FILE__, line, "does not say '%s': %s", *words, why);
	}
	why[0] = '\0';
}

#define PASSES(call)	expect(__LINE__, call, 0, NULL)
#define REFUSED(call, error, ...)					\
	expect(__LINE__, call, -(error), (const char *const[]){ __VA_ARGS__, NULL })

static void environment(void)
{
	static const struct {
		struct pagehint_environment env;
		const char *reason, *remedy;
	} refused[] = {
		{ { .page_poison = true }, "page_poison=1 expects", "boot without page_poison=1" },
		{ { .debug_pagealloc = true }, "debug_pagealloc unmaps",
		  "boot without debug_pagealloc=on" },
		{ { .kasan = true }, "KASAN", "use a kernel without CONFIG_KASAN" },
		{ { .kmsan = true }, "KMSAN", "use a kernel without CONFIG_KMSAN" },
		{ { .confidential = true }, "confidential guest", "do not load pagehint here" },
	};
	struct pagehint_environment all = { true, true, true, true, true };
	size_t i;

	PASSES(pagehint_check_environment(&(struct pagehint_environment){ 0 }, why));
	for (i = 0; i < ARRAY_SIZE(refused); i++)
		REFUSED(pagehint_check_environment(&refused[i].env, why), EOPNOTSUPP,
			refused[i].reason, refused[i].remedy);
	REFUSED(pagehint_check_environment(&all, why), EOPNOTSUPP, "page_poison");
}

static void clones(void)
{
	static const struct {
		const char *symbol;
		bool clone;
	} cases[] = {
		{ "alloc_pages", false },
		{ "alloc_pages_bulk", false },
		{ "alloc_page", false },
		{ "__alloc_pages", false },
		{ "alloc_pages.cold", false },
		{ "alloc_pages.isra.0", true },
		{ "alloc_pages.constprop.0", true },
		{ "alloc_pages.part.0", true },
		{ "alloc_pages.constprop.0.isra.0", true },
		{ "", false },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(cases); i++)
		CHECK(pagehint_is_clone_of("alloc_pages", cases[i].symbol) == cases[i].clone,
		      "'%s': expected %d", cases[i].symbol, cases[i].clone);
}

static void symbols(void)
{
	const struct pagehint_symbol good = {
		.name = "alloc_pages", .address = 0x1000, .definitions = 1, .site = 0x1004,
	};
	struct pagehint_symbol bad;

	PASSES(pagehint_check_symbol(&good, why));

	bad = good;
	strcpy(bad.twin, "alloc_pages.isra.0");
	REFUSED(pagehint_check_symbol(&bad, why), EOPNOTSUPP, "alloc_pages.isra.0", "report");
	/* The clone is what explains that the function itself is gone. */
	bad.definitions = 0;
	bad.address = 0;
	REFUSED(pagehint_check_symbol(&bad, why), EOPNOTSUPP, "alloc_pages.isra.0", "report");

	bad = good;
	bad.address = 0;
	REFUSED(pagehint_check_symbol(&bad, why), ENOENT, "alloc_pages is not in", "report");
	bad = good;
	bad.definitions = 0;
	REFUSED(pagehint_check_symbol(&bad, why), ENOENT, "alloc_pages is not in", "report");
	bad = good;
	bad.definitions = 2;
	REFUSED(pagehint_check_symbol(&bad, why), EOPNOTSUPP, "2 functions are named alloc_pages",
		"report");
	bad = good;
	bad.site = 0;
	REFUSED(pagehint_check_symbol(&bad, why), ENOENT, "alloc_pages has no ftrace site",
		"report");
}

static void attach_errors(void)
{
	REFUSED(pagehint_check_attach_error("f", -ENODEV, false, why), ENODEV,
		"ftrace has shut itself down", "hook f", "reboot");
	REFUSED(pagehint_check_attach_error("f", -ENODEV, true, why), ENODEV,
		"ftrace has shut itself down", "reboot");
	REFUSED(pagehint_check_attach_error("f", -EBUSY, true, why), EBUSY,
		"ftrace is switched off", "kernel.ftrace_enabled=1");
	REFUSED(pagehint_check_attach_error("f", -EBUSY, false, why), EBUSY,
		"f is already redirected", "enabled_functions");
	REFUSED(pagehint_check_attach_error("f", -ENOMEM, false, why), ENOMEM,
		"f could not be hooked (error -12)", "report");
}

static void table_size(void)
{
	/* 1 GiB: 262144 frames, and the header, need a device of 512 KiB. */
	const u64 frames = 262144, need = frames + PAGEHINT_HEADER_BYTES;

	PASSES(pagehint_check_table_size(frames, need, why));
	PASSES(pagehint_check_table_size(frames, 1 << 20, why));
	PASSES(pagehint_check_table_size(0, PAGEHINT_HEADER_BYTES, why));
	REFUSED(pagehint_check_table_size(frames, need - 1, why), ENOSPC,
		"has 259 KiB", "needs 260 KiB", "size=512K");
	REFUSED(pagehint_check_table_size(frames, 256 << 10, why), ENOSPC,
		"has 256 KiB", "needs 260 KiB", "size=512K");
	REFUSED(pagehint_check_table_size(1, PAGEHINT_HEADER_BYTES, why), ENOSPC,
		"has 4 KiB", "needs 5 KiB", "size=8K");
	REFUSED(pagehint_check_table_size(1, 0, why), ENOSPC, "has 0 KiB", "size=8K");
	/* 16 TiB: no overflow on the way */
	REFUSED(pagehint_check_table_size(1ULL << 32, 1 << 20, why), ENOSPC, "size=8388608K");
}

static void caching(void)
{
	PASSES(pagehint_check_caching(PAGEHINT_WRITE_BACK, 0xfe000000, why));
	REFUSED(pagehint_check_caching(PAGEHINT_NOT_WRITE_BACK, 0xfe000000, why), EOPNOTSUPP,
		"0xfe000000 is not mapped write-back", "above 4 GiB");
	REFUSED(pagehint_check_caching(PAGEHINT_CACHING_UNKNOWN, 0xfe000000, why), EOPNOTSUPP,
		"0xfe000000 has an unknown memory type", "above 4 GiB");
}

static void header(void)
{
	struct pagehint_header header;

	memset(&header, 0, sizeof(header));
	PASSES(pagehint_check_header(&header, why));
	/* Whatever the host wrote is for check_host(). */
	header.host_magic = 7;
	PASSES(pagehint_check_header(&header, why));

	/* An earlier kernel, of any version */
	header.magic = PAGEHINT_MAGIC;
	header.version = 99;
	header.header_bytes = PAGEHINT_HEADER_BYTES;
	PASSES(pagehint_check_header(&header, why));

	header.header_bytes = 8192;
	REFUSED(pagehint_check_header(&header, why), EINVAL,
		"says 8192 bytes, expected 4096", "zero the table file");
	header.magic = 0x123;
	REFUSED(pagehint_check_header(&header, why), EINVAL, "not a pagehint table",
		"expected magic 0x31544e4948474150", "found 0x123", "a memory file of its own");
	header.magic = __builtin_bswap64(PAGEHINT_MAGIC);
	REFUSED(pagehint_check_header(&header, why), EINVAL, "not a pagehint table");
}

static void host(void)
{
	struct pagehint_header good, header;

	memset(&good, 0, sizeof(good));
	PASSES(pagehint_check_host(&good, false, why));
	PASSES(pagehint_check_host(&good, true, why));

	good.host_magic = PAGEHINT_HOST_MAGIC;
	good.host_version = PAGEHINT_VERSION;
	good.host_features = PAGEHINT_F_ALL;
	PASSES(pagehint_check_host(&good, false, why));
	PASSES(pagehint_check_host(&good, true, why));

	header = good;
	header.host_magic = PAGEHINT_MAGIC;
	REFUSED(pagehint_check_host(&header, false, why), EINVAL, "not pagehintd's",
		"expected magic 0x3154534f48474150", "found 0x31544e4948474150",
		"zero the table file");
	header = good;
	header.host_version = 0;
	REFUSED(pagehint_check_host(&header, false, why), EPROTO, "host speaks version 0",
		"module version 1", "upgrade the older");
	header.host_version = 2;
	REFUSED(pagehint_check_host(&header, false, why), EPROTO, "host speaks version 2",
		"module version 1", "upgrade the older");
	header = good;
	header.host_features |= 1ULL << 63;
	REFUSED(pagehint_check_host(&header, false, why), EPROTO, "features 0x800000000000000f",
		"version 1", "knows only 0xf", "upgrade pagehint.ko");
	header = good;
	header.host_features &= ~PAGEHINT_F_ZERO;
	PASSES(pagehint_check_host(&header, false, why));
	REFUSED(pagehint_check_host(&header, true, why), EOPNOTSUPP, "init_on_free=1",
		"upgrade pagehintd or boot with init_on_free=0");
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "environment", environment },
		{ "clones", clones },
		{ "symbols", symbols },
		{ "attach_errors", attach_errors },
		{ "table_size", table_size },
		{ "caching", caching },
		{ "header", header },
		{ "host", host },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
