// SPDX-License-Identifier: GPL-2.0
/*
 * The report: a file of lines, fields separated by tabs.
 *
 *	phase N NAME VALUE		a count; phases are numbered from 1
 *	violation N COUNT USAGE KIND WHERE RIP gfn=GFN cpu=CPU state=STATE
 *	excepted N COUNT USAGE KIND WHERE RIP gfn=GFN cpu=CPU state=STATE
 *	complaint N TEXT		the header of phase N or (0) the symbols could not be used
 *	end PHASES			the last line: nothing is missing
 *
 * USAGE is that of the frame, unused or volatile. KIND is load or store; "direct-"
 * through the direct map, "tail-" the part of an access that began in the page
 * before.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "exceptions.h"
#include "phase.h"
#include "report.h"

static struct symbols symbols;
static FILE *out;

static struct sites merged;

int report_open(const struct report_args *args)
{
	out = fopen(args->out, "we");
	if (!out) {
		fprintf(stderr, "oracle: %s: %s\n", args->out, strerror(errno));
		return -1;
	}
	return 0;
}

static const char *kind_name(uint8_t kind)
{
	static const char *const names[] = {
		[0] = "load",
		[SITE_STORE] = "store",
		[SITE_DIRECT] = "direct-load",
		[SITE_DIRECT | SITE_STORE] = "direct-store",
		[SITE_TAIL] = "tail-load",
		[SITE_TAIL | SITE_STORE] = "tail-store",
		[SITE_TAIL | SITE_DIRECT] = "direct-tail-load",
		[SITE_TAIL | SITE_DIRECT | SITE_STORE] = "direct-tail-store",
	};

	return names[kind & ~SITE_VOLATILE];
}

static void write_site(const char *what, unsigned int n, const struct site *site)
{
	char where[700];

	symbols_format(&symbols, site->rip, where, sizeof(where));
	fprintf(out, "%s\t%u\t%" PRIu64 "\t%s\t%s\t%s\t0x%" PRIx64 "\tgfn=0x%" PRIx64
		"\tcpu=%u\tstate=0x%02x\n", what, n, site->count,
		site->kind & SITE_VOLATILE ? "volatile" : "unused", kind_name(site->kind), where,
		site->rip, site->last_gfn, site->last_cpu, site->last_state);
}

static void write_count(unsigned int n, const char *name, uint64_t value)
{
	fprintf(out, "phase\t%u\t%s\t%" PRIu64 "\n", n, name, value);
}

static void write_sites(struct phase *phase, unsigned int n)
{
	uint64_t violations[2] = { 0 }, excepted[2] = { 0 };
	unsigned int i;

	memset(&merged, 0, sizeof(merged));
	for (i = 0; i < MAX_VCPUS; i++)
		if (phase->vcpu[i].sites)
			sites_merge(&merged, phase->vcpu[i].sites);
	sites_sort(&merged);

	for (i = 0; i < SITES_MAX && merged.slots[i].count; i++) {
		const struct site *site = &merged.slots[i];
		bool is_volatile = site->kind & SITE_VOLATILE;

		if (exception_find(&symbols, site->rip, site->kind)) {
			excepted[is_volatile] += site->count;
			write_site("excepted", n, site);
		} else {
			violations[is_volatile] += site->count;
			write_site("violation", n, site);
		}
	}
	write_count(n, "sites_without_room", merged.dropped);
	write_count(n, "excepted", excepted[false]);
	write_count(n, "excepted_volatile", excepted[true]);
	write_count(n, "violations_unused", violations[false]);
	write_count(n, "violations_volatile", violations[true]);
	write_count(n, "violations", violations[false] + violations[true] + merged.dropped);
}

static void write_phase(struct phase *phase, unsigned int n)
{
	struct vcpu_stats sum = { 0 };
	unsigned int i, used = 0;

	for (i = 0; i < MAX_VCPUS; i++) {
		const struct vcpu_stats *stats = &phase->vcpu[i];

		sum.direct += stats->direct;
		sum.translated += stats->translated;
		sum.outside += stats->outside;
		sum.io += stats->io;
		sum.unresolved += stats->unresolved;
		sum.unplaced += stats->unplaced;
		sum.crossing += stats->crossing;
		sum.verified += stats->verified;
		sum.differing += stats->differing;
		used += stats->direct + stats->translated > 0;
	}
	if (phase->complaint)
		fprintf(out, "complaint\t%u\t%s\n", n, phase->complaint);
	write_count(n, "extents", phase->coverage.nr_extents);
	write_count(n, "frames", phase->coverage.nr_frames);
	write_count(n, "cpus", used);
	write_count(n, "checked", sum.direct + sum.translated);
	write_count(n, "checked_direct", sum.direct);
	write_count(n, "checked_translated", sum.translated);
	write_count(n, "crossing", sum.crossing);
	write_count(n, "outside", sum.outside);
	write_count(n, "io", sum.io);
	write_count(n, "unresolved", sum.unresolved);
	write_count(n, "unplaced", sum.unplaced);
	write_count(n, "verified", sum.verified);
	write_count(n, "differing", sum.differing);
	write_count(n, "unused_frames_max", phase->unused_max);
	write_count(n, "volatile_frames_max", phase->volatile_max);
	write_count(n, "unused_frames_accessed", phase_frames_touched(phase->touched));
	write_count(n, "volatile_frames_accessed",
		    phase_frames_touched(phase->touched_volatile));
	write_sites(phase, n);
}

void report_write(const struct report_args *args)
{
	unsigned int nr = phases_end(), i;

	if (symbols_load(&symbols, args->symbols) <= 0)
		fprintf(out, "complaint\t0\t%s: no symbols: expected the guest's /proc/kallsyms\n",
			args->symbols);
	symbols_sort(&symbols);
	for (i = 0; i < nr; i++)
		write_phase(phase_at(i), i + 1);
	fprintf(out, "end\t%u\n", nr);
	if (fclose(out))
		fprintf(stderr, "oracle: %s: %s\n", args->out, strerror(errno));
	symbols_free(&symbols);
}
