// SPDX-License-Identifier: GPL-2.0
/*
 * Resets. A kernel that is reset leaves a table full of hints, and the next one
 * would be eaten by them. So QEMU is told to pause instead (set-action
 * reboot=shutdown,shutdown=pause); the pause is ours: zero the table, then let
 * the reset happen.
 *
 * Under reboot=shutdown a system_reset only reports itself again, and firmware
 * resets once or twice by itself, so the action goes back to reset first and is
 * armed again when a guest asks for a lease, before it gets one. A guest that
 * resets in between never echoes a host_gen that it was not given.
 */
#include <string.h>

#include "qemu.h"
#include "worker.h"

#define STOP_TIMEOUT_NS		(30 * NSEC_PER_SEC)
#define RESET_TIMEOUT_MS	30000

/*
 * Between system_reset and cont the VM looks as if its operator had stopped it.
 * If all of pagehintd dies there, this tells the next one that it ran: in a field
 * of the host's that means nothing while busy_count is 0.
 */
#define NOTE_RAN	0x4e41525345525048ULL

void reset_on_event(void *context, const char *name, json_object *data)
{
	struct worker *worker = context;
	struct vm_events *events = &worker->events;
	json_object *reason;

	if (!strcmp(name, "SHUTDOWN")) {
		/* The last of several counts. */
		if (!events->shutdown)
			events->ran = events->runs;
		events->shutdown = true;
		events->reason[0] = '\0';
		if (json_object_object_get_ex(data, "reason", &reason))
			strncpy(events->reason, json_object_get_string(reason),
				sizeof(events->reason) - 1);
	} else if (!strcmp(name, "RESET")) {
		events->reset = true;
	} else if (!strcmp(name, "STOP")) {
		events->runs = false;
	} else if (!strcmp(name, "RESUME")) {
		events->runs = true;
	}
}

/**
 * reset_arm - from now on no guest of this VM resets without us
 *
 * Return: false if QEMU does not do it, or a reset came before.
 */
bool reset_arm(struct worker *worker)
{
	const char *on_shutdown = worker->vm->reset == RESET_QMP ? "pause" : NULL;

	if (worker->armed || worker->qmp.fd < 0)
		return worker->armed || worker->vm->reset == RESET_DESTROY;
	if (!qemu_set_action(&worker->qmp, "shutdown", on_shutdown)) {
		log_info(worker->vm->name, "QEMU does not let resets be held (%s): nothing is dropped; QEMU 6.0 or later is needed",
			 worker->qmp.error);
		return false;
	}
	worker->armed = true;
	return !worker->events.shutdown;
}

static void call(struct worker *worker, const char *command)
{
	json_object *reply = qmp_call(&worker->qmp, command, NULL);

	if (!reply)
		log_info(worker->vm->name, "QEMU did not carry out %s: %s", command,
			 worker->qmp.error);
	json_object_put(reply);
}

/* What QEMU does by itself, as its command line says: as without us */
static bool give_back(struct worker *worker)
{
	const struct vm_actions *own = &worker->actions;

	return qemu_set_action(&worker->qmp, own->no_reboot ? "shutdown" : "reset",
			       own->no_shutdown ? "pause" : "poweroff");
}

/* The VM powered off, or is not to survive its reset. */
static void vm_is_off(struct worker *worker)
{
	struct vm_events *events = &worker->events;

	events->shutdown = false;
	table_zero(&worker->table);
	if (worker->actions.no_shutdown) {
		log_info(worker->vm->name, "the VM is off (%s) and stays there, as QEMU has -no-shutdown",
			 events->reason);
		return;
	}
	log_info(worker->vm->name, "the VM ends (%s)", events->reason);
	call(worker, "quit");
}

/* The VM is stopped: make the reset happen that was held. */
static void reset_vm(struct worker *worker)
{
	struct vm_events *events = &worker->events;
	bool ran = events->ran;

	table_zero(&worker->table);
	scan_forget(&worker->scan);
	ages_forget(&worker->ages);
	if (ran)
		table_write(worker->table.header->busy_first, NOTE_RAN);
	shared_set(worker->shared->resetting, ran ? 2 : 1);
	if (!give_back(worker)) {
		log_info(worker->vm->name, "QEMU did not carry out set-action: %s; the VM stays paused until it does",
			 worker->qmp.error);
		qmp_close(&worker->qmp);
		return;
	}
	worker->armed = false;
	events->shutdown = false;
	events->reset = false;
	call(worker, "system_reset");
	/* A cont before QEMU got to the reset would be refused. */
	if (!qmp_wait_for(&worker->qmp, &events->reset, RESET_TIMEOUT_MS)) {
		log_info(worker->vm->name, "QEMU did not reset: %s", worker->qmp.error);
		return;
	}
	if (ran)
		call(worker, "cont");
	if (worker->qmp.fd < 0)
		return;
	table_write(worker->table.header->busy_first, 0);
	shared_set(worker->shared->resetting, 0);
	shared_add(worker->shared->nr_resets, 1);
	log_info(worker->vm->name, "the VM was reset (%s); its hint table was cleared before",
		 events->reason[0] ? events->reason : "found it waiting for that");
}

/**
 * reset_handle - QEMU has reported SHUTDOWN
 *
 * A reset is carried through, but not against -no-reboot. Anything else,
 * guest-panic too, was to end QEMU: it only still lives because of shutdown=pause.
 */
void reset_handle(struct worker *worker)
{
	struct vm_events *events = &worker->events;
	uint64_t deadline = now_ns() + STOP_TIMEOUT_NS;
	char state[32];

	lease_withdraw(&worker->lease, &worker->table);
	if (worker->vm->reset == RESET_DESTROY || !worker->armed) {
		/* QEMU is about to end; its pidfd tells. */
		events->shutdown = false;
		return;
	}
	do {
		if (!qemu_run_state(&worker->qmp, state, sizeof(state)))
			return;
		if (now_ns() > deadline) {
			log_info(worker->vm->name, "QEMU reports SHUTDOWN (%s) but runs on: another QMP client? Nothing is dropped until the next guest asks",
				 events->reason);
			qmp_close(&worker->qmp);
			return;
		}
	} while (!strcmp(state, "running"));

	if (!worker->actions.no_reboot &&
	    (!events->reason[0] || strstr(events->reason, "reset")))
		reset_vm(worker);
	else
		vm_is_off(worker);
}

/**
 * reset_attach - see what became of the VM while no daemon was there
 *
 * It may wait for a reset, or for the end of one that a worker died in.
 */
bool reset_attach(struct worker *worker)
{
	struct vm_events *events = &worker->events;
	uint32_t resetting = shared_get(worker->shared->resetting);
	bool noted = table_read(worker->table.header->busy_first) == NOTE_RAN, off;
	char state[32];

	memset(events, 0, sizeof(*events));
	worker->armed = false;
	if (!qemu_run_state(&worker->qmp, state, sizeof(state)))
		return false;
	events->runs = !strcmp(state, "running");
	if (!reset_arm(worker) && !events->shutdown)
		return false;
	off = !strcmp(state, "shutdown");
	if (resetting && !events->runs) {
		/* Zeroed but perhaps not reset: once more does no harm. */
		events->shutdown = true;
		events->ran = resetting == 2;
	} else if (noted && (off || !strcmp(state, "prelaunch"))) {
		events->shutdown = true;
		events->ran = true;
	} else if (off && worker->vm->reset == RESET_QMP && !worker->actions.no_shutdown) {
		/* Under -no-shutdown it may be off: its operator knows. */
		events->shutdown = true;
		events->ran = true;
	} else if (noted) {
		table_write(worker->table.header->busy_first, 0);
	}
	return true;
}

/* The daemon ends, QEMU does not: as if we had never been there. */
void reset_leave(struct worker *worker)
{
	if (worker->vm->reset != RESET_QMP || worker->qmp.fd < 0 || worker->vm->dry_run ||
	    !worker->was_attached)
		return;
	if (qmp_process(&worker->qmp) && worker->events.shutdown)
		reset_handle(worker);
	if (worker->qmp.fd < 0)
		return;
	if (!give_back(worker))
		log_info(worker->vm->name, "resets and power-off still pause the VM: %s; start pagehintd again, or use set-action",
			 worker->qmp.error);
	/* One may have come before the action was back. */
	else if (worker->events.shutdown)
		reset_handle(worker);
}
