/* SPDX-License-Identifier: GPL-2.0 */
/* What the parts of a worker share. One worker has one VM. */
#ifndef _WORKER_H
#define _WORKER_H

#include "ages.h"
#include "drop.h"
#include "guestmap.h"
#include "lease.h"
#include "qemu.h"
#include "qmp.h"
#include "scan.h"
#include "table.h"

/* Bounds what a guest that flips bytes can cost. */
struct bucket {
	uint64_t tokens;
	uint64_t filled_ns;
};

/* What QEMU has said and nobody has dealt with yet */
struct vm_events {
	bool shutdown;
	bool reset;
	bool runs;		/* now, by STOP and RESUME */
	bool ran;		/* when SHUTDOWN came */
	char reason[64];
};

struct worker {
	const struct vm *vm;
	struct vm_shared *shared;
	struct table table;
	struct guestmap map;
	struct lease lease;
	struct scan scan;
	struct ages ages;
	struct drop drop;
	struct bucket bucket;
	struct qmp qmp;
	struct vm_events events;
	struct vm_actions actions;
	int signal_fd;
	int pidfd;		/* QEMU, or -1 */
	pid_t pid;
	bool attached;		/* checks passed, QMP connected if there is one */
	bool was_attached;
	bool gone;		/* the process ended before we could watch it */
	bool armed;		/* a reset pauses the VM until we go on with it */
	bool pinned;
	bool stopping;
	bool had_volatile;	/* when frames were counted last */
	uint64_t next_lease_ns;
	uint64_t next_connect_ns;
	uint64_t next_second_ns;
	uint64_t next_histogram_ns;
	uint64_t next_scan_ns;
	uint64_t scanned_ns;	/* the last scan began */
	uint64_t above_since_ns;	/* the target; 0: not */
	uint64_t log_window_ns;
	unsigned int nr_logged;
};

/* attach.c */
enum exit_code worker_attach(struct worker *worker);
void worker_resume(struct worker *worker);
void worker_clear_table(struct worker *worker);
void worker_disconnected(struct worker *worker);
bool worker_pinned(struct worker *worker);

/* reset.c */
void reset_on_event(void *context, const char *name, json_object *data);
bool reset_arm(struct worker *worker);
bool reset_attach(struct worker *worker);
void reset_handle(struct worker *worker);
void reset_leave(struct worker *worker);

/* reclaim.c */
bool worker_undisturbed(void *context);
uint64_t reclaim_scan(struct worker *worker);
uint64_t reclaim_volatile(struct worker *worker);
void reclaim_look(struct worker *worker);
bool reclaim_now(struct worker *worker, struct drop_command *command);

/* command.c */
void command_step(struct worker *worker);

#endif /* _WORKER_H */
