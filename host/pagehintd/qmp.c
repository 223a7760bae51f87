// SPDX-License-Identifier: GPL-2.0
/*
 * A client of QEMU's machine protocol (QMP) over a Unix socket.
 *
 * A connection on which anything unexpected happens is closed: what depends on
 * it then stops until it is made anew.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "qmp.h"

#define REPLY_TIMEOUT_MS	30000
#define MAX_MESSAGE		(16 << 20)
#define READ_STEP		65536

void qmp_init(struct qmp *qmp, const char *vm)
{
	memset(qmp, 0, sizeof(*qmp));
	qmp->vm = vm;
	qmp->fd = -1;
}

void qmp_close(struct qmp *qmp)
{
	if (qmp->fd >= 0)
		close(qmp->fd);
	qmp->fd = -1;
	qmp->used = 0;
	json_object_put(qmp->reply);
	qmp->reply = NULL;
}

static bool broken(struct qmp *qmp, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static bool broken(struct qmp *qmp, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(qmp->error, sizeof(qmp->error), format, args);
	va_end(args);
	qmp_close(qmp);
	return false;
}

static void dispatch(struct qmp *qmp, json_object *message)
{
	json_object *name, *data = NULL;

	if (json_object_object_get_ex(message, "event", &name)) {
		json_object_object_get_ex(message, "data", &data);
		if (qmp->on_event)
			qmp->on_event(qmp->context, json_object_get_string(name), data);
		return;
	}
	json_object_put(qmp->reply);
	qmp->reply = json_object_get(message);
}

/* Take whole lines off the buffer. */
static bool dispatch_lines(struct qmp *qmp)
{
	char *line = qmp->buffer, *end;

	while ((end = memchr(line, '\n', qmp->buffer + qmp->used - line))) {
		json_object *message;

		*end = '\0';
		message = json_tokener_parse(line);
		if (!json_object_is_type(message, json_type_object)) {
			json_object_put(message);
			return broken(qmp, "QEMU said something that is not QMP: %.80s", line);
		}
		dispatch(qmp, message);
		json_object_put(message);
		line = end + 1;
	}
	qmp->used -= line - qmp->buffer;
	memmove(qmp->buffer, line, qmp->used);
	return true;
}

/**
 * qmp_process - read what is there, without waiting
 *
 * Return: false if the connection is gone.
 */
bool qmp_process(struct qmp *qmp)
{
	while (qmp->fd >= 0) {
		ssize_t got;

		if (qmp->size - qmp->used < READ_STEP) {
			size_t size = qmp->size + 2 * READ_STEP;
			char *buffer = size > MAX_MESSAGE ? NULL :
							    realloc(qmp->buffer, size);

			if (!buffer)
				return broken(qmp, "a message from QEMU is too large");
			qmp->buffer = buffer;
			qmp->size = size;
		}
		got = recv(qmp->fd, qmp->buffer + qmp->used, READ_STEP, MSG_DONTWAIT);
		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0 && errno == EAGAIN)
			return true;
		if (got <= 0)
			return broken(qmp, "QEMU closed the connection");
		qmp->used += got;
		if (!dispatch_lines(qmp))
			return false;
	}
	return false;
}

/* Wait for something to read, a little at a time. */
static bool wait_once(struct qmp *qmp, uint64_t deadline)
{
	struct pollfd poll_fd = { .fd = qmp->fd, .events = POLLIN };

	if (now_ns() > deadline)
		return broken(qmp, "QEMU gave no answer in time");
	poll(&poll_fd, 1, 100);
	if (qmp->on_wait)
		qmp->on_wait(qmp->context);
	return qmp_process(qmp);
}

/* Until an event handler has set the flag */
bool qmp_wait_for(struct qmp *qmp, const bool *flag, unsigned int timeout_ms)
{
	uint64_t deadline = now_ns() + timeout_ms * NSEC_PER_MSEC;

	while (!*flag) {
		if (!wait_once(qmp, deadline))
			return false;
	}
	return true;
}

static json_object *next_reply(struct qmp *qmp)
{
	uint64_t deadline = now_ns() + REPLY_TIMEOUT_MS * NSEC_PER_MSEC;
	json_object *reply;

	while (!qmp->reply) {
		if (!wait_once(qmp, deadline))
			return NULL;
	}
	reply = qmp->reply;
	qmp->reply = NULL;
	return reply;
}

static bool send_all(struct qmp *qmp, const char *text, size_t length)
{
	while (length) {
		ssize_t sent = send(qmp->fd, text, length, MSG_NOSIGNAL);

		if (sent < 0 && errno == EINTR)
			continue;
		if (sent <= 0)
			return broken(qmp, "cannot write to QEMU: %s", strerror(errno));
		text += sent;
		length -= sent;
	}
	return true;
}

/**
 * qmp_call - one command and its answer
 * @arguments: an object, which is consumed, or NULL
 *
 * Return: what QEMU returned, to be put by the caller; NULL if there is an
 * error, whose text is in qmp->error. The connection may be closed then.
 */
json_object *qmp_call(struct qmp *qmp, const char *command, json_object *arguments)
{
	json_object *request, *reply, *value = NULL, *text;
	const char *line;
	size_t length;
	bool sent;

	if (qmp->fd < 0) {
		json_object_put(arguments);
		snprintf(qmp->error, sizeof(qmp->error), "not connected");
		return NULL;
	}
	request = json_object_new_object();
	json_object_object_add(request, "execute", json_object_new_string(command));
	if (arguments)
		json_object_object_add(request, "arguments", arguments);
	line = json_object_to_json_string_length(request, JSON_C_TO_STRING_PLAIN, &length);
	sent = send_all(qmp, line, length) && send_all(qmp, "\n", 1);
	json_object_put(request);
	reply = sent ? next_reply(qmp) : NULL;
	if (!reply)
		return NULL;
	if (json_object_object_get_ex(reply, "return", &value)) {
		json_object_get(value);
	} else {
		snprintf(qmp->error, sizeof(qmp->error), "%s: no reason given", command);
		if (json_object_object_get_ex(reply, "error", &value) &&
		    json_object_object_get_ex(value, "desc", &text))
			snprintf(qmp->error, sizeof(qmp->error), "%s: %s", command,
				 json_object_get_string(text));
		value = NULL;
	}
	json_object_put(reply);
	return value;
}

/**
 * qmp_connect - connect and shake hands
 *
 * Return: 0, or the error of connect (-ENOENT, -ECONNREFUSED: there is no QEMU),
 * or -EPROTO with the text in qmp->error.
 */
int qmp_connect(struct qmp *qmp, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	json_object *reply;
	int err;

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", path);
	qmp->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (qmp->fd < 0)
		return -errno;
	if (connect(qmp->fd, (struct sockaddr *)&address, sizeof(address))) {
		err = -errno;
		qmp_close(qmp);
		return err;
	}
	reply = next_reply(qmp);
	if (reply && !json_object_object_get_ex(reply, "QMP", NULL))
		broken(qmp, "%s is not a QMP socket", path);
	json_object_put(reply);
	reply = qmp_call(qmp, "qmp_capabilities", NULL);
	if (!reply) {
		qmp_close(qmp);
		return -EPROTO;
	}
	json_object_put(reply);
	return 0;
}

/* The process that listens: QEMU, unless somebody opened the socket for it */
pid_t qmp_peer(const struct qmp *qmp)
{
	struct ucred peer;
	socklen_t size = sizeof(peer);

	if (getsockopt(qmp->fd, SOL_SOCKET, SO_PEERCRED, &peer, &size))
		return 0;
	return peer.pid;
}
