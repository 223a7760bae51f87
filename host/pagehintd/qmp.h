/* SPDX-License-Identifier: GPL-2.0 */
/* A client of QEMU's machine protocol: one command at a time, events between. */
#ifndef _QMP_H
#define _QMP_H

#include <json-c/json.h>

#include "pagehintd.h"

/* Gets every event, also during a command. */
typedef void (*qmp_event_fn)(void *context, const char *name, struct json_object *data);

struct qmp {
	const char *vm;		/* for log lines */
	int fd;			/* -1: not connected */
	qmp_event_fn on_event;
	void (*on_wait)(void *context);	/* at least every 200 ms while waiting */
	void *context;
	char *buffer;
	size_t used, size;
	json_object *reply;	/* the answer to the command under way */
	char error[256];	/* of the last command that failed */
};

void qmp_init(struct qmp *qmp, const char *vm);
int qmp_connect(struct qmp *qmp, const char *path);
void qmp_close(struct qmp *qmp);
pid_t qmp_peer(const struct qmp *qmp);
bool qmp_process(struct qmp *qmp);
json_object *qmp_call(struct qmp *qmp, const char *command, json_object *arguments);
bool qmp_wait_for(struct qmp *qmp, const bool *flag, unsigned int timeout_ms);

#endif /* _QMP_H */
