// SPDX-License-Identifier: GPL-2.0
/*
 * The state, as OpenMetrics text and in a form for people. All of it comes from
 * memory that the workers write.
 */
#include <stdio.h>

#include "pagehintd.h"

static const char *const lease_names[NR_LEASE_STATES] = {
	[LEASE_NONE] = "none", [LEASE_REFUSED] = "refused",
	[LEASE_OFFERED] = "offered", [LEASE_IN_FORCE] = "in_force",
};

static const char *const refusal_names[NR_REFUSALS] = {
	[REFUSED_NOT] = "", [REFUSED_MAGIC] = "magic", [REFUSED_VERSION] = "version",
	[REFUSED_HEADER] = "header", [REFUSED_FEATURES] = "features",
	[REFUSED_TABLE_SIZE] = "table_size", [REFUSED_EXTENTS] = "extents",
	[REFUSED_PROOF] = "proof",
};

static const char *const pause_names[NR_PAUSES] = {
	[PAUSE_NOT] = "none", [PAUSE_NO_QEMU] = "no_qemu", [PAUSE_PINNED] = "pinned",
	[PAUSE_TARGET] = "target", [PAUSE_DRY_RUN] = "dry_run",
};

static const char *const frame_names[NR_FRAME_STATES] = {
	[FRAMES_STABLE] = "stable", [FRAMES_UNUSED] = "unused",
	[FRAMES_UNUSED_ABSENT] = "unused_absent", [FRAMES_UNUSED_BUSY] = "unused_busy",
	[FRAMES_VOLATILE] = "volatile", [FRAMES_VOLATILE_ABSENT] = "volatile_absent",
	[FRAMES_VOLATILE_BUSY] = "volatile_busy", [FRAMES_POTENTIAL] = "potential",
	[FRAMES_OTHER] = "other",
};

struct metric {
	const char *name;	/* without _total */
	const char *help;
	enum { COUNTER, GAUGE } type;
	size_t offset;		/* of a uint64_t, or of a uint32_t if is_u32 */
	bool is_u32;
};

#define FIELD64(f)	.offset = offsetof(struct vm_shared, f)
#define FIELD32(f)	.offset = offsetof(struct vm_shared, f), .is_u32 = true

static const struct metric metrics[] = {
	{ "pagehintd_dropped_frames", "Frames dropped.", COUNTER, FIELD64(nr_dropped) },
	{ "pagehintd_ranges", "Ranges that a drop was begun of.", COUNTER, FIELD64(nr_ranges) },
	{ "pagehintd_ranges_cut", "Ranges in which the guest was first.", COUNTER,
	  FIELD64(nr_claims_lost) },
	{ "pagehintd_drop_errors", "Holes that could not be punched.", COUNTER,
	  FIELD64(nr_drop_errors) },
	{ "pagehintd_recovered_frames", "Frames given back that a worker left busy.", COUNTER,
	  FIELD64(nr_recovered) },
	{ "pagehintd_scans", "Passes over the table.", COUNTER, FIELD64(nr_scans) },
	{ "pagehintd_resets", "Resets of the VM carried through.", COUNTER, FIELD64(nr_resets) },
	{ "pagehintd_qmp_connects", "Connections made to QEMU.", COUNTER,
	  FIELD64(nr_qmp_connects) },
	{ "pagehintd_worker_restarts", "Workers that were replaced.", COUNTER,
	  FIELD64(nr_restarts) },
	{ "pagehintd_drop_commands", "Commands to drop that were carried out.", COUNTER,
	  FIELD64(nr_commands) },
	{ "pagehintd_would_drop_frames", "Dry run: frames that would go now.", GAUGE,
	  FIELD64(nr_would_drop) },
	{ "pagehintd_extents", "Extents of the guest.", GAUGE, FIELD32(nr_extents) },
	{ "pagehintd_extents_confirmed", "Extents whose proof was found.", GAUGE,
	  FIELD32(nr_confirmed) },
};

static uint64_t metric_value(const struct metric *metric, const struct vm_shared *shared)
{
	const char *field = (const char *)shared + metric->offset;

	return metric->is_u32 ? shared_get(*(const uint32_t *)field) :
				shared_get(*(const uint64_t *)field);
}

static void head(FILE *out, const char *name, const char *type, const char *text)
{
	fprintf(out, "# TYPE %s %s\n# HELP %s %s\n", name, type, name, text);
}

static uint64_t volatile_dropped(const struct vm_shared *shared)
{
	uint64_t sum = 0;
	unsigned int i;

	for (i = 0; i < NR_TEMPERATURES; i++)
		sum += shared_get(shared->volatile_dropped[i]);
	return sum;
}

static double cpu_seconds(const struct vm_shared *shared)
{
	return (shared_get(shared->cpu_ns) + shared_get(shared->cpu_ns_dead)) / 1e9;
}

static void one_of(FILE *out, const struct vm *vm, const char *name, const char *label,
		   const char *const *names, unsigned int nr, unsigned int is)
{
	unsigned int i;

	for (i = 0; i < nr; i++)
		fprintf(out, "%s{vm=\"%s\",%s=\"%s\"} %d\n", name, vm->name, label, names[i],
			i == is);
}

static void by_temperature(FILE *out, const struct vm *vm, const char *name,
			   const uint64_t *frames)
{
	unsigned int i;

	for (i = 0; i < NR_TEMPERATURES; i++)
		fprintf(out, "%s{vm=\"%s\",temperature=\"%u\"} %lu\n", name, vm->name, i,
			shared_get(frames[i]));
}

/* Clean page cache, by the temperature that the guest gives it */
static void write_volatile(FILE *out, const struct vm *vm, struct vm_shared *const *shared,
			   unsigned int nr_vms)
{
	unsigned int i;

	head(out, "pagehintd_volatile_frames", "gauge", "Volatile frames that may be dropped.");
	for (i = 0; i < nr_vms; i++)
		by_temperature(out, &vm[i], "pagehintd_volatile_frames",
			       shared[i]->volatile_frames);
	head(out, "pagehintd_volatile_dropped_frames", "counter", "Volatile frames dropped.");
	for (i = 0; i < nr_vms; i++)
		by_temperature(out, &vm[i], "pagehintd_volatile_dropped_frames_total",
			       shared[i]->volatile_dropped);
	head(out, "pagehintd_volatile_dropped_bytes", "counter",
	     "Memory dropped that was volatile.");
	for (i = 0; i < nr_vms; i++)
		fprintf(out, "pagehintd_volatile_dropped_bytes_total{vm=\"%s\"} %lu\n",
			vm[i].name, volatile_dropped(shared[i]) * PAGEHINT_FRAME_BYTES);
}

static void write_metrics(FILE *out, const struct vm *vm, struct vm_shared *const *shared,
			  unsigned int nr_vms)
{
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(metrics); i++) {
		const struct metric *metric = &metrics[i];
		bool counter = metric->type == COUNTER;

		head(out, metric->name, counter ? "counter" : "gauge", metric->help);
		for (j = 0; j < nr_vms; j++)
			fprintf(out, "%s%s{vm=\"%s\"} %lu\n", metric->name,
				counter ? "_total" : "", vm[j].name,
				metric_value(metric, shared[j]));
	}
	head(out, "pagehintd_dropped_bytes", "counter", "Memory dropped.");
	for (j = 0; j < nr_vms; j++)
		fprintf(out, "pagehintd_dropped_bytes_total{vm=\"%s\"} %lu\n",
			vm[j].name, shared_get(shared[j]->nr_dropped) * PAGEHINT_FRAME_BYTES);
	head(out, "pagehintd_ram_allocated_bytes", "gauge", "What the RAM files take.");
	for (j = 0; j < nr_vms; j++)
		fprintf(out, "pagehintd_ram_allocated_bytes{vm=\"%s\"} %lu\n",
			vm[j].name, files_allocated_bytes(&vm[j]));
	head(out, "pagehintd_cpu_seconds", "counter", "CPU time of the workers.");
	for (j = 0; j < nr_vms; j++)
		fprintf(out, "pagehintd_cpu_seconds_total{vm=\"%s\"} %.6f\n", vm[j].name,
			cpu_seconds(shared[j]));
	head(out, "pagehintd_busy_max_seconds", "gauge", "The longest that a range was busy.");
	for (j = 0; j < nr_vms; j++)
		fprintf(out, "pagehintd_busy_max_seconds{vm=\"%s\"} %.9f\n", vm[j].name,
			shared_get(shared[j]->busy_max_ns) / 1e9);
	head(out, "pagehintd_lease", "stateset", "The lease.");
	for (j = 0; j < nr_vms; j++)
		one_of(out, &vm[j], "pagehintd_lease", "pagehintd_lease", lease_names,
		       NR_LEASE_STATES, shared_get(shared[j]->lease));
	head(out, "pagehintd_pause", "stateset", "Why nothing is dropped.");
	for (j = 0; j < nr_vms; j++)
		one_of(out, &vm[j], "pagehintd_pause", "pagehintd_pause", pause_names,
		       NR_PAUSES, shared_get(shared[j]->pause));
	head(out, "pagehintd_frames", "gauge", "Frames of the guest by state.");
	for (j = 0; j < nr_vms; j++)
		for (i = 0; i < NR_FRAME_STATES; i++)
			fprintf(out, "pagehintd_frames{vm=\"%s\",state=\"%s\"} %lu\n",
				vm[j].name, frame_names[i], shared_get(shared[j]->frames[i]));
	head(out, "pagehintd_refusals", "counter", "Guests that got no lease.");
	for (j = 0; j < nr_vms; j++)
		for (i = REFUSED_NOT + 1; i < NR_REFUSALS; i++)
			fprintf(out, "pagehintd_refusals_total{vm=\"%s\",reason=\"%s\"} %lu\n",
				vm[j].name, refusal_names[i],
				shared_get(shared[j]->refusals[i]));
	write_volatile(out, vm, shared, nr_vms);
	fputs("# EOF\n", out);
}

/**
 * status_metrics - the state of all VMs
 *
 * Return: text of @size bytes to be freed, or NULL without memory.
 */
char *status_metrics(const struct vm *vm, struct vm_shared *const *shared,
		     unsigned int nr_vms, size_t *size)
{
	char *text = NULL;
	FILE *out = open_memstream(&text, size);

	if (!out)
		return NULL;
	write_metrics(out, vm, shared, nr_vms);
	fclose(out);
	return text;
}

void status_to_stderr(const struct vm *vm, struct vm_shared *const *shared,
		      unsigned int nr_vms)
{
	unsigned int i;

	for (i = 0; i < nr_vms; i++) {
		const struct vm_shared *s = shared[i];
		uint32_t lease = shared_get(s->lease), pause = shared_get(s->pause);

		log_info(vm[i].name, "lease %s, %u of %u extents confirmed, pause %s, resets %lu",
			 lease < NR_LEASE_STATES ? lease_names[lease] : "?",
			 shared_get(s->nr_confirmed), shared_get(s->nr_extents),
			 pause < NR_PAUSES ? pause_names[pause] : "?", shared_get(s->nr_resets));
		log_info(vm[i].name, "memory %lu MiB, dropped %lu MiB (%lu volatile) in %lu ranges, longest busy %.3f ms",
			 files_allocated_bytes(&vm[i]) >> 20,
			 shared_get(s->nr_dropped) >> (20 - PAGEHINT_FRAME_SHIFT),
			 volatile_dropped(s) >> (20 - PAGEHINT_FRAME_SHIFT),
			 shared_get(s->nr_ranges), shared_get(s->busy_max_ns) / 1e6);
		log_info(vm[i].name, "frames: %lu unused, %lu absent, %lu volatile, %lu absent, %lu stable; workers replaced %lu, cpu %.3f s",
			 shared_get(s->frames[FRAMES_UNUSED]),
			 shared_get(s->frames[FRAMES_UNUSED_ABSENT]),
			 shared_get(s->frames[FRAMES_VOLATILE]),
			 shared_get(s->frames[FRAMES_VOLATILE_ABSENT]),
			 shared_get(s->frames[FRAMES_STABLE]), shared_get(s->nr_restarts),
			 cpu_seconds(s));
		if (lease == LEASE_REFUSED || (lease != LEASE_NONE && s->why[0]))
			log_info(vm[i].name, "%.250s", s->why);
	}
}
