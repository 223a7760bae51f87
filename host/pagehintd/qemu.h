/* SPDX-License-Identifier: GPL-2.0 */
/* What pagehintd asks of QEMU before it attaches, and the map that QEMU knows. */
#ifndef _QEMU_H
#define _QEMU_H

#include "guestmap.h"
#include "qmp.h"

/* What QEMU was told to do, where that is not what it does by default */
struct vm_actions {
	bool is_qemu;
	bool no_reboot;		/* -no-reboot: a reset is taken for a power-off */
	bool no_shutdown;	/* -no-shutdown: a power-off pauses the VM */
};

/* actions.c */
struct vm_actions actions_read(pid_t pid);

/* qemu.c */
enum exit_code qemu_check(struct qmp *qmp, const struct vm *vm, pid_t pid);
enum exit_code qemu_read_map(struct qmp *qmp, const struct vm *vm, pid_t pid,
			     struct guestmap *map);
bool qemu_run_state(struct qmp *qmp, char *state, size_t size);
bool qemu_set_action(struct qmp *qmp, const char *on_reboot, const char *on_shutdown);

#endif /* _QEMU_H */
