// SPDX-License-Identifier: GPL-2.0
/*
 * The oracle: a TCG plugin for stock QEMU that watches every memory access of
 * the guest's CPUs against the shared table of page states.
 *
 * An access to a frame whose usage is U or V is an access to memory that the
 * host may take away at this moment. A correct guest has made the frame stable
 * before: so each such access is a violation, unless its function is in the
 * table of exceptions.c. No host need drop anything for a mistake to show.
 *
 * Arguments: table=FILE	the shared table (memory-backend-file of ivshmem)
 *	      symbols=FILE	the guest's /proc/kallsyms, read when QEMU exits:
 *				the guest itself writes it to a port, because
 *				Debian's System.map is empty. The guest must be
 *				booted with nokaslr (coverage.c)
 *	      out=FILE		the report, written when QEMU exits (report.c)
 *
 * What it sees: loads and stores of guest instructions, user and kernel, also
 * those made in QEMU's helpers (atomic, string, FPU state). What it does not
 * see: page walks, instruction fetches, the stack frame that an interrupt
 * pushes, DMA.
 *
 * Concurrency. Both sides run in parallel (MTTCG), and the callback runs after
 * the access, on the same thread and before the CPU's next instruction.
 * - No false alarm by delay: between access and callback another CPU can free
 *   the frame, or make it volatile, only if the accessing CPU need not do
 *   anything more for that - drop a reference, unlock the folio, leave an RCU
 *   section, answer a TLB shootdown before a mapping counts as gone. All of
 *   these come after the access in the order of the accessing CPU, and so
 *   after the callback. A reader that has no claim on what it reads, and
 *   throws it away, is caught rightly: the host could drop the frame under it.
 *   exceptions.c lists these.
 * - A violation can be missed if the frame becomes stable between access and
 *   callback, which is a window of one instruction; and what is seen is only
 *   how TCG schedules: hence the directed tests besides.
 * - The state byte is read through another mapping of the same page of the
 *   host's page cache: coherent, and a single byte does not tear.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "phase.h"
#include "plugin_api.h"
#include "report.h"
#include "symbols.h"

QEMU_PLUGIN_EXPORT int qemu_plugin_version = ORACLE_PLUGIN_VERSION;
QEMU_PLUGIN_EXPORT int qemu_plugin_install(qemu_plugin_id_t id,
					   const struct qemu_plugin_info *info,
					   int argc, char **argv);

/* The longest access that a callback reports: a vector register. */
#define MAX_ACCESS_BYTES	64

/* How often, in accesses of one CPU, the header is looked at. */
#define POLL_INTERVAL		256
/* ... and the frames in usage U and V are counted, at most. */
#define SAMPLE_INTERVAL		(1 << 20)

static struct report_args args;

static struct {
	uint64_t accesses;
} __attribute__((aligned(128))) vcpus[MAX_VCPUS];

/* One access to one page. */
struct access {
	unsigned int cpu;
	qemu_plugin_meminfo_t info;
	uint64_t vaddr;
	uint64_t rip;
	uint8_t kind;	/* SITE_DIRECT, SITE_TAIL */
};

static __attribute__((noinline)) void found(struct phase *phase, const struct access *access,
					    const struct extent *extent, uint64_t gpa,
					    uint8_t state)
{
	struct vcpu_stats *stats = &phase->vcpu[access->cpu];
	struct site site = {
		.rip = access->rip,
		.count = 1,
		.last_gfn = gpa >> PAGEHINT_FRAME_SHIFT,
		.last_cpu = access->cpu,
		.last_state = state,
		.kind = access->kind | (qemu_plugin_mem_is_store(access->info) ? SITE_STORE : 0) |
			(state_is_volatile(state) ? SITE_VOLATILE : 0),
	};

	if (!stats->sites) {
		stats->sites = calloc(1, sizeof(*stats->sites));
		if (!stats->sites)
			abort();
	}
	sites_add(stats->sites, &site);
	phase_touch(state_is_volatile(state) ? phase->touched_volatile : phase->touched,
		    extent, gpa);
}

static inline void check(struct phase *phase, const struct access *access,
			 const struct extent *extent, uint64_t gpa)
{
	uint8_t state = state_of(extent, gpa);

	if (__builtin_expect(state_forbids_access(state), 0))
		found(phase, access, extent, gpa, state);
}

/* QEMU's number of the place in RAM, or false: a device. */
static bool ask_qemu(const struct access *access, uint64_t *place)
{
	struct qemu_plugin_hwaddr *hwaddr = qemu_plugin_get_hwaddr(access->info, access->vaddr);

	if (!hwaddr || qemu_plugin_hwaddr_is_io(hwaddr))
		return false;
	*place = qemu_plugin_hwaddr_phys_addr(hwaddr);
	return true;
}

static __attribute__((noinline)) void verify(struct vcpu_stats *stats,
					     const struct access *access,
					     struct extent *extent, uint64_t gpa)
{
	uint64_t place;

	if (!ask_qemu(access, &place))
		return;
	stats->verified++;
	if (coverage_calibrate(extent, gpa, place) == CALIBRATION_DIFFERS)
		stats->differing++;
}

static inline void access_page(struct phase *phase, struct access *access, bool sample)
{
	struct vcpu_stats *stats = &phase->vcpu[access->cpu];
	struct extent *extent;
	uint64_t gpa, place;

	if (direct_map_gpa(&phase->coverage, access->vaddr, &gpa)) {
		extent = extent_of_gpa(&phase->coverage, gpa);
		if (!extent) {
			stats->outside++;
			return;
		}
		stats->direct++;
		access->kind |= SITE_DIRECT;
		if (__builtin_expect(sample || atomic_load_explicit(&extent->ram_place,
								    memory_order_relaxed) ==
						       RAM_PLACE_UNKNOWN, 0))
			verify(stats, access, extent, gpa);
		check(phase, access, extent, gpa);
		return;
	}
	if (!ask_qemu(access, &place)) {
		/* Where QEMU has lost track it says "device"; no user here maps one. */
		if (access->vaddr < KERNEL_SPACE)
			stats->unresolved++;
		else
			stats->io++;
		return;
	}
	extent = extent_of_ram_place(&phase->coverage, place, &gpa);
	if (extent) {
		stats->translated++;
		check(phase, access, extent, gpa);
	} else if (coverage_all_calibrated(&phase->coverage)) {
		stats->outside++;
	} else {
		stats->unplaced++;
	}
}

static void on_access(unsigned int cpu, qemu_plugin_meminfo_t info, uint64_t vaddr, void *rip)
{
	struct access access = { cpu, info, vaddr, (uintptr_t)rip, 0 };
	uint64_t n = ++vcpus[cpu].accesses;
	struct phase *phase;
	uint64_t in_page;
	bool sample;

	sample = n % POLL_INTERVAL == 0;
	if (sample)
		phases_poll();
	phase = phase_get();
	if (!phase)
		return;
	if (n % SAMPLE_INTERVAL == 0)
		phase_sample_hinted(phase);
	access_page(phase, &access, sample);

	in_page = vaddr % PAGEHINT_FRAME_BYTES;
	if (in_page > PAGEHINT_FRAME_BYTES - MAX_ACCESS_BYTES) {
		uint64_t size = 1ULL << qemu_plugin_mem_size_shift(info);

		if (in_page + size > PAGEHINT_FRAME_BYTES) {
			phase->vcpu[cpu].crossing++;
			access.vaddr = vaddr - in_page + PAGEHINT_FRAME_BYTES;
			access.kind = SITE_TAIL;
			access_page(phase, &access, false);
		}
	}
}

/*
 * Every instruction is instrumented from the start, also before the guest
 * activates its table: a callback then returns at once. (Instrumenting only
 * from then on would need qemu_plugin_reset() to flush what is translated,
 * which up to QEMU 9 returns with QEMU's plugin lock held.)
 */
static void on_translation(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
	size_t n = qemu_plugin_tb_n_insns(tb), i;

	(void)id;
	phases_poll();
	for (i = 0; i < n; i++) {
		struct qemu_plugin_insn *insn = qemu_plugin_tb_get_insn(tb, i);
		uint64_t rip = qemu_plugin_insn_vaddr(insn);

		qemu_plugin_register_vcpu_mem_cb(insn, on_access, QEMU_PLUGIN_CB_NO_REGS,
						 QEMU_PLUGIN_MEM_RW, (void *)(uintptr_t)rip);
	}
}

/* An idle guest makes no accesses that would notice the end of a phase. */
static void on_idle(qemu_plugin_id_t id, unsigned int cpu)
{
	struct phase *phase;

	(void)id;
	(void)cpu;
	phases_poll();
	phase = phase_get();
	if (phase)
		phase_sample_hinted(phase);
}

static void on_qemu_exit(qemu_plugin_id_t id, void *udata)
{
	(void)id;
	(void)udata;
	report_write(&args);
}

static int bad_argument(const char *text, const char *why)
{
	fprintf(stderr, "oracle: %s: %s; expected table=FILE,symbols=FILE,out=FILE\n",
		text, why);
	return 1;
}

static int parse(int argc, char **argv)
{
	const struct {
		const char *name;
		const char **value;
	} known[] = {
		{ "table=", &args.table },
		{ "symbols=", &args.symbols },
		{ "out=", &args.out },
	};
	const size_t nr_known = sizeof(known) / sizeof(known[0]);
	size_t j;
	int i;

	for (i = 0; i < argc; i++) {
		for (j = 0; j < nr_known; j++)
			if (!strncmp(argv[i], known[j].name, strlen(known[j].name)))
				break;
		if (j == nr_known)
			return bad_argument(argv[i], "unknown argument");
		*known[j].value = strdup(argv[i] + strlen(known[j].name));
	}
	if (!args.table || !args.symbols || !args.out)
		return bad_argument("arguments", "one is missing");
	return 0;
}

int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_plugin_info *info,
			int argc, char **argv)
{
	const char *error;

	if (!info->system_emulation || strcmp(info->target_name, "x86_64")) {
		fprintf(stderr, "oracle: the guest is %s: expected a whole x86_64 machine\n",
			info->target_name);
		return 1;
	}
	if (parse(argc, argv))
		return 1;
	if (report_open(&args))
		return 1;
	error = phases_open(args.table);
	if (error)
		return bad_argument(args.table, error);
	qemu_plugin_register_vcpu_tb_trans_cb(id, on_translation);
	qemu_plugin_register_vcpu_idle_cb(id, on_idle);
	qemu_plugin_register_atexit_cb(id, on_qemu_exit, NULL);
	return 0;
}
