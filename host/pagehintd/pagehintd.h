/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pagehintd: what all its parts share: the configuration of a VM, the state
 * that a worker and its supervisor share, exit codes, logging.
 *
 * One supervisor process; one worker process for each VM. All decisions about a
 * VM are the worker's. The supervisor keeps the locks, watches the workers and
 * answers who asks for the state.
 */
#ifndef _PAGEHINTD_H
#define _PAGEHINTD_H

#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include <pagehint.h>
#include <pagehint/version.h>

#define PAGEHINTD_VERSION	PAGEHINT_RELEASE

#define MAX_VMS		64
#define MAX_RAM_FILES	16
#define MAX_MAP_ENTRIES	64

#define NSEC_PER_MSEC	1000000ULL
#define NSEC_PER_SEC	1000000000ULL

#define ARRAY_SIZE(a)	(sizeof(a) / sizeof((a)[0]))

/* Exit codes, of the daemon and of its workers; pagehintd.8 lists them. */
enum exit_code {
	EXIT_OK		= 0,
	EXIT_INTERNAL	= 1,	/* out of memory, a system call that cannot fail */
	EXIT_USAGE	= 2,
	EXIT_FILE	= 3,	/* missing, of the wrong kind or size */
	EXIT_LOCKED	= 4,	/* another pagehintd has the VM */
	EXIT_REFUSED	= 5,	/* a configuration under which nothing may be dropped */
	EXIT_QEMU	= 6,	/* QEMU gives no answer that makes sense */
	EXIT_FILE_LOST	= 7,	/* the table or a RAM file shrank while in use */
	/* workers only */
	EXIT_DETACHED	= 20,	/* the VM ended */
};

enum reset_mode { RESET_UNSET, RESET_QMP, RESET_DESTROY };

/* When frames of clean page cache are taken without being asked for */
enum volatile_policy {
	VOLATILE_OFF,		/* never, nor on command; the guest is told */
	VOLATILE_TARGET,	/* as many as --target-mib asks for */
	VOLATILE_ALL,		/* as unused ones, at once */
};

struct ram_file {
	const char *path;
	const char *id;		/* QEMU's name of the backend, or NULL */
	int fd;
	dev_t dev;
	ino_t ino;
	uint64_t bytes;
};

/* So many frames of the guest lie at so many frames into one RAM file. */
struct guestmap_entry {
	uint64_t gfn;
	uint64_t nr_frames;
	uint64_t file_frame;
	uint32_t file;
};

struct guestmap {
	unsigned int nr;
	struct guestmap_entry entry[MAX_MAP_ENTRIES];
};

/* Where a test build stops or kills the worker, and at which range. */
struct test_hook {
	enum { TEST_NOTHING, TEST_STALL, TEST_DIE } what;
	enum { TEST_CLAIMED, TEST_DROPPED } where;
	uint64_t range;
};

/* One VM as the options describe it; constant once the daemon runs. */
struct vm {
	const char *name;
	struct ram_file ram[MAX_RAM_FILES];
	unsigned int nr_ram;
	struct guestmap map;		/* from --map; empty: ask QEMU */
	const char *map_text[MAX_MAP_ENTRIES];
	unsigned int nr_map_text;
	const char *table_path;
	int table_fd;
	dev_t table_dev;
	ino_t table_ino;
	uint64_t table_bytes;		/* of the file */
	const char *qmp_path;
	pid_t pid;			/* from --pid, or 0 */
	enum reset_mode reset;
	unsigned int unused_age_ms;
	uint64_t target_mib;		/* 0: no target, always drop */
	enum volatile_policy volatile_policy;
	bool dry_run;
	struct test_hook test;
};

enum lease_state {
	LEASE_NONE,		/* no guest asks for one */
	LEASE_REFUSED,
	LEASE_OFFERED,		/* host_gen is given out, no echo yet */
	LEASE_IN_FORCE,
	NR_LEASE_STATES
};

/* Why a guest gets no lease. */
enum refusal {
	REFUSED_NOT,
	REFUSED_MAGIC,
	REFUSED_VERSION,
	REFUSED_HEADER,		/* header_bytes, frame_shift, active */
	REFUSED_FEATURES,
	REFUSED_TABLE_SIZE,
	REFUSED_EXTENTS,	/* count, range, overlap */
	REFUSED_PROOF,		/* no extent could be confirmed */
	NR_REFUSALS
};

/* Why a worker with a lease in force does not drop, or has no lease. */
enum pause {
	PAUSE_NOT,
	PAUSE_NO_QEMU,		/* not started yet, or QMP is disconnected */
	PAUSE_PINNED,		/* VmLck or VmPin */
	PAUSE_TARGET,		/* allocated memory is below --target-mib */
	PAUSE_DRY_RUN,
	NR_PAUSES
};

/* Frames by the state byte, as in the last histogram. */
enum frame_state {
	FRAMES_STABLE, FRAMES_UNUSED, FRAMES_UNUSED_ABSENT, FRAMES_UNUSED_BUSY,
	FRAMES_VOLATILE, FRAMES_VOLATILE_ABSENT, FRAMES_VOLATILE_BUSY,
	FRAMES_POTENTIAL, FRAMES_OTHER,
	NR_FRAME_STATES
};

#define NR_TEMPERATURES	16

/*
 * The range that a worker has in flight, as it knows it: the guest can write to
 * the header's copy. Written by the worker, read by the supervisor and, after
 * the worker is reaped, by the next one.
 */
struct inflight {
	uint64_t first;
	uint32_t count;		/* 0: none */
	uint32_t seq;
};

/* What became of a command to drop. */
enum command_result {
	COMMAND_DONE,		/* as much as there was, up to what was wanted */
	COMMAND_NO_QEMU,
	COMMAND_NO_LEASE,
	COMMAND_PINNED,
	COMMAND_DRY_RUN,
	COMMAND_LOST,		/* supervisor: the worker ended */
	NR_COMMAND_RESULTS
};

/*
 * A command of the administrator, from the supervisor to a worker. There is one
 * at a time: the supervisor writes again once it is answered.
 */
struct drop_command {
	uint64_t wanted;	/* supervisor: frames; UINT64_MAX: all */
	uint32_t asked;		/* supervisor: counts commands (release) */
	uint32_t answered;	/* worker: the last it is done with (release) */
	uint64_t nr_unused;	/* worker: frames dropped for it */
	uint64_t nr_volatile;
	uint32_t result;	/* worker: enum command_result */
};

/*
 * Anonymous memory that a VM's workers share with the supervisor. Written by
 * the worker alone, but for the fields marked; single loads and stores.
 */
struct vm_shared {
	struct inflight inflight;
	uint64_t heartbeat;
	uint64_t nr_ranges;		/* also numbers the test hooks */
	uint64_t nr_dropped;
	uint64_t volatile_dropped[NR_TEMPERATURES];	/* part of it */
	uint64_t nr_would_drop;		/* --dry-run: ripe in the last scan */
	uint64_t nr_drop_errors;
	uint64_t nr_claims_lost;	/* ranges cut short: the guest was first */
	uint64_t nr_recovered;
	uint64_t nr_scans;
	uint64_t nr_resets;
	uint64_t nr_commands;		/* to drop, carried out */
	uint64_t nr_qmp_connects;
	uint64_t busy_max_ns;
	uint64_t cpu_ns;		/* of this worker */
	uint64_t cpu_ns_dead;		/* supervisor: of those before it */
	uint64_t nr_restarts;		/* supervisor */
	uint64_t refusals[NR_REFUSALS];
	uint64_t frames[NR_FRAME_STATES];
	uint64_t volatile_frames[NR_TEMPERATURES];
	struct drop_command command;
	uint32_t lease;			/* enum lease_state */
	uint32_t pause;			/* enum pause */
	uint32_t nr_extents;
	uint32_t nr_confirmed;
	uint32_t resetting;		/* between system_reset and cont */
	int32_t qemu_pid;
	char why[256];			/* the last refusal; for people */
};

#define shared_set(field, value) __atomic_store_n(&(field), value, __ATOMIC_RELAXED)
#define shared_add(field, value) __atomic_fetch_add(&(field), value, __ATOMIC_RELAXED)
#define shared_get(field)	 __atomic_load_n(&(field), __ATOMIC_RELAXED)

/* util.c */
void log_info(const char *vm, const char *format, ...)
	__attribute__((format(printf, 2, 3)));
uint64_t now_ns(void);
bool process_maps_file(pid_t pid, dev_t dev, ino_t ino);
pid_t find_process_mapping(dev_t dev, ino_t ino);
uint64_t pinned_kib(pid_t pid);

/* options.c */
/* --drop=SIZE[:VM] */
struct drop_request {
	uint64_t bytes;		/* 0: no such option; UINT64_MAX: all */
	const char *vm;		/* NULL: the only one */
};

struct options {
	struct vm vm[MAX_VMS];
	unsigned int nr_vms;
	const char *control;
	bool status;
	struct drop_request drop;
};

int options_parse(struct options *options, int argc, char **argv);

/* files.c */
int files_open(struct vm *vm, unsigned int nr_vms);
uint64_t files_allocated_bytes(const struct vm *vm);
const char *files_shrunk(const struct vm *vm);

/* supervisor.c */
int supervise(struct vm *vm, unsigned int nr_vms, const char *control);

/* worker.c */
int worker_run(const struct vm *vm, struct vm_shared *shared, bool recover_only);

/* status.c */
char *status_metrics(const struct vm *vm, struct vm_shared *const *shared,
		     unsigned int nr_vms, size_t *size);
void status_to_stderr(const struct vm *vm, struct vm_shared *const *shared,
		      unsigned int nr_vms);

/* ask.c */
int ask_status(const char *path);
int ask_drop(const char *path, const struct drop_request *drop);

#endif /* _PAGEHINTD_H */
