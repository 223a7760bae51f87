// SPDX-License-Identifier: GPL-2.0
/*
 * Attaching to a VM: find its process, check that its memory may be taken, get
 * to know of resets. Nothing is offered to a guest before all this is done.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

#include "qemu.h"
#include "worker.h"

#define CONNECT_EVERY_NS	(500 * NSEC_PER_MSEC)

bool worker_pinned(struct worker *worker)
{
	uint64_t kib = pinned_kib(worker->pid);

	if (!!kib != worker->pinned) {
		worker->pinned = kib;
		if (kib)
			log_info(worker->vm->name, "%llu KiB of process %d are locked or pinned (VmLck, VmPin): nothing is dropped; start QEMU without mlock, prealloc of locked memory, VFIO and vdpa devices",
				 (unsigned long long)kib, (int)worker->pid);
		else
			log_info(worker->vm->name, "nothing of process %d is locked or pinned any more",
				 (int)worker->pid);
	}
	return worker->pinned;
}

static void warn_of_reboot(const struct worker *worker)
{
	if (!worker->actions.is_qemu || worker->actions.no_reboot)
		return;
	log_info(worker->vm->name, "warning: --reset=destroy says that a reset ends the VM, but process %d has neither -no-reboot nor -action reboot=shutdown: a guest that resets would lose memory contents; with --qmp pagehintd sets it itself",
		 (int)worker->pid);
}

static enum exit_code find_process(struct worker *worker)
{
	const struct vm *vm = worker->vm;
	pid_t pid = vm->pid ? vm->pid : qmp_peer(&worker->qmp);
	unsigned int i;

	if (worker->pidfd >= 0 && worker->pid == pid)
		return EXIT_OK;
	if (worker->pidfd >= 0)
		close(worker->pidfd);
	worker->pid = pid;
	worker->pidfd = pidfd_open(pid, 0);
	if (worker->pidfd < 0) {
		log_info(vm->name, "cannot watch process %d: %s; expected the VM's process (--pid)",
			 (int)pid, strerror(errno));
		return EXIT_REFUSED;
	}
	for (i = 0; i < vm->nr_ram; i++) {
		const struct ram_file *ram = &vm->ram[i];

		if (process_maps_file(pid, ram->dev, ram->ino))
			continue;
		log_info(vm->name, "process %d does not map %s: give the process of this VM with --pid, and the file of its memory with --ram (as root)",
			 (int)pid, ram->path);
		return EXIT_REFUSED;
	}
	worker->actions = actions_read(pid);
	shared_set(worker->shared->qemu_pid, pid);
	return EXIT_OK;
}

/*
 * What a guest left behind must go before the next one. Whoever maps the table is
 * that next one, if we were slow: it may have asked for a lease already, which
 * zeroes would make it wait for in vain. Until it echoes, nothing of it is dropped.
 */
void worker_clear_table(struct worker *worker)
{
	const struct vm *vm = worker->vm;
	pid_t user;

	if (vm->dry_run)
		return;
	user = find_process_mapping(vm->table_dev, vm->table_ino);
	if (user)
		log_info(vm->name, "process %d uses %s: it is left as it is", (int)user,
			 vm->table_path);
	else
		table_zero(&worker->table);
}

/* Before QEMU starts there is no guest: what an earlier one left must go. */
static void wait_for_qemu(struct worker *worker, const char *reason)
{
	const struct vm *vm = worker->vm;

	if (worker->next_connect_ns)
		return;
	log_info(vm->name, "no QEMU at %s yet (%s): waiting for it", vm->qmp_path, reason);
	worker_clear_table(worker);
}

static enum exit_code check_vm(struct worker *worker)
{
	const struct vm *vm = worker->vm;
	enum exit_code result = find_process(worker);

	if (result != EXIT_OK)
		return result;
	if (worker_pinned(worker) && !worker->was_attached)
		return EXIT_REFUSED;
	if (!vm->qmp_path) {
		if (!worker->was_attached)
			warn_of_reboot(worker);
		return EXIT_OK;
	}
	result = qemu_check(&worker->qmp, vm, worker->pid);
	if (result == EXIT_OK && !vm->nr_map_text)
		result = qemu_read_map(&worker->qmp, vm, worker->pid, &worker->map);
	return result;
}

/**
 * worker_attach - try to attach; called until worker->attached
 *
 * Return: not EXIT_OK if this VM is not to be attached to at all.
 */
enum exit_code worker_attach(struct worker *worker)
{
	const struct vm *vm = worker->vm;
	uint64_t now = now_ns();
	enum exit_code result;

	if (now < worker->next_connect_ns)
		return EXIT_OK;
	if (vm->qmp_path) {
		int err = qmp_connect(&worker->qmp, vm->qmp_path);

		if (err == -ENOENT || err == -ECONNREFUSED) {
			wait_for_qemu(worker, strerror(-err));
			worker->next_connect_ns = now + CONNECT_EVERY_NS;
			return EXIT_OK;
		}
		if (err) {
			log_info(vm->name, "cannot speak QMP at %s: %s; is another client connected? It serves one at a time: give pagehintd its own -qmp",
				 vm->qmp_path,
				 err == -EPROTO ? worker->qmp.error : strerror(-err));
			worker->next_connect_ns = now + CONNECT_EVERY_NS;
			return worker->was_attached ? EXIT_OK : EXIT_QEMU;
		}
		shared_add(worker->shared->nr_qmp_connects, 1);
	}
	result = check_vm(worker);
	/* The connection broke: that says nothing against this VM. */
	if (vm->qmp_path && worker->qmp.fd < 0) {
		worker->next_connect_ns = now + CONNECT_EVERY_NS;
		return EXIT_OK;
	}
	if (result != EXIT_OK)
		return result;
	if (vm->qmp_path && !vm->dry_run && !reset_attach(worker)) {
		qmp_close(&worker->qmp);
		return worker->was_attached ? EXIT_OK : EXIT_QEMU;
	}
	worker->attached = true;
	worker->was_attached = true;
	log_info(vm->name, "attached to process %d%s", (int)worker->pid,
		 vm->dry_run ? " (dry run)" : "");
	return EXIT_OK;
}

/* What is dropped without QMP could be the next kernel's: stop. */
void worker_disconnected(struct worker *worker)
{
	log_info(worker->vm->name, "lost QMP (%s): nothing is dropped until it is back",
		 worker->qmp.error);
	lease_withdraw(&worker->lease, &worker->table);
	worker->attached = false;
	worker->armed = false;
	worker->next_connect_ns = now_ns() + CONNECT_EVERY_NS;
}

/* Go on where a worker before this one was: with the same process, if it lives. */
void worker_resume(struct worker *worker)
{
	const struct vm *vm = worker->vm;
	pid_t pid = shared_get(worker->shared->qemu_pid);

	if (!pid)
		return;
	worker->was_attached = true;
	worker->actions = actions_read(pid);
	worker->pid = pid;
	worker->pidfd = pidfd_open(pid, 0);
	worker->gone = worker->pidfd < 0 ||
		       !process_maps_file(pid, vm->ram[0].dev, vm->ram[0].ino);
}
