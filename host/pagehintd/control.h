/* SPDX-License-Identifier: GPL-2.0 */
/* The control socket: lines that ask for the state, or for memory. */
#ifndef _CONTROL_H
#define _CONTROL_H

#include <poll.h>

#include "pagehintd.h"

#define CONTROL_CONNECTIONS	8
#define CONTROL_LINE		512
/* The listener and who is connected */
#define CONTROL_POLL_FDS	(1 + CONTROL_CONNECTIONS)

struct connection {
	int fd;			/* -1: none */
	uint64_t since_ns;
	char line[CONTROL_LINE];
	size_t used;
	int vm;			/* whose answer it waits for, or -1 */
};

struct control {
	const struct vm *vm;
	struct vm_shared *const *shared;
	unsigned int nr_vms;
	bool gone[MAX_VMS];	/* given up: no worker will answer */
	int listener;		/* -1: no socket */
	struct connection connection[CONTROL_CONNECTIONS];
};

bool control_open(struct control *control, const char *path);
void control_poll(const struct control *control, struct pollfd *fds);
bool control_is_open(const struct control *control);
void control_step(struct control *control);
void control_worker_ended(struct control *control, unsigned int vm);
void control_close(struct control *control);

#endif /* _CONTROL_H */
