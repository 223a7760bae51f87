// SPDX-License-Identifier: GPL-2.0
/*
 * The control socket, the supervisor's side. A connection says one line and gets
 * one answer:
 *
 *	status			the state as OpenMetrics text; also for who is silent
 *	drop BYTES|all [VM]	what was dropped as name=value, or "error: ..."
 *
 * Nothing here waits for a client or a worker: the supervisor has workers to watch.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

/* Who has said nothing by then wants the state, as who says "status". */
#define SILENCE_NS	(100 * NSEC_PER_MSEC)
#define LINE_NS		NSEC_PER_SEC
#define SEND_BUFFER	(1 << 20)

static const char *const result_texts[NR_COMMAND_RESULTS] = {
	[COMMAND_NO_QEMU] = "pagehintd is not connected to the VM's QEMU",
	[COMMAND_NO_LEASE] = "no lease is in force: has the guest loaded pagehint, and run since?",
	[COMMAND_PINNED] = "memory of the VM is locked or pinned",
	[COMMAND_DRY_RUN] = "pagehintd runs with --dry-run",
	[COMMAND_LOST] = "the worker of the VM ended",
};

/**
 * control_open - make the socket
 * @path: NULL: there is to be none
 *
 * Return: false after a line in the log.
 */
bool control_open(struct control *control, const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	unsigned int i;
	mode_t mask;
	int fd, err;

	control->listener = -1;
	for (i = 0; i < CONTROL_CONNECTIONS; i++)
		control->connection[i].fd = -1;
	if (!path)
		return true;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return false;
	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (!connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		log_info(NULL, "another daemon answers at %s: give another --control", path);
		close(fd);
		return false;
	}
	if (errno == ECONNREFUSED)
		unlink(path);
	mask = umask(0177);
	err = bind(fd, (struct sockaddr *)&address, sizeof(address)) || listen(fd, 16);
	umask(mask);
	if (err) {
		log_info(NULL, "cannot listen at %s: %s", path, strerror(errno));
		close(fd);
		return false;
	}
	control->listener = fd;
	return true;
}

/* Fills CONTROL_POLL_FDS of @fds; poll() passes over those that are -1. */
void control_poll(const struct control *control, struct pollfd *fds)
{
	bool room = false;
	unsigned int i;

	for (i = 0; i < CONTROL_CONNECTIONS; i++) {
		const struct connection *connection = &control->connection[i];

		room |= connection->fd < 0;
		fds[1 + i] = (struct pollfd) {
			.fd = connection->vm < 0 ? connection->fd : -1, .events = POLLIN,
		};
	}
	/* Others wait in the listener's queue. */
	fds[0] = (struct pollfd) { .fd = room ? control->listener : -1, .events = POLLIN };
}

/* Is anybody connected, so that control_step() must be called soon? */
bool control_is_open(const struct control *control)
{
	unsigned int i;

	for (i = 0; i < CONTROL_CONNECTIONS; i++) {
		if (control->connection[i].fd >= 0)
			return true;
	}
	return false;
}

/* The answer. Who does not read what it is told gets less of it. */
static void finish(struct connection *connection, const char *text, size_t size)
{
	int buffer = SEND_BUFFER;

	setsockopt(connection->fd, SOL_SOCKET, SO_SNDBUF, &buffer, sizeof(buffer));
	send(connection->fd, text, size, MSG_NOSIGNAL);
	close(connection->fd);
	connection->fd = -1;
}

static void finish_line(struct connection *connection, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

static void finish_line(struct connection *connection, const char *format, ...)
{
	char text[2 * CONTROL_LINE];
	va_list args;
	int length;

	va_start(args, format);
	length = vsnprintf(text, sizeof(text) - 1, format, args);
	va_end(args);
	if (length > (int)sizeof(text) - 2)
		length = sizeof(text) - 2;
	text[length] = '\n';
	finish(connection, text, length + 1);
}

static void answer_status(struct control *control, struct connection *connection)
{
	size_t size;
	char *text = status_metrics(control->vm, control->shared, control->nr_vms, &size);

	if (text)
		finish(connection, text, size);
	else
		finish_line(connection, "error: no memory");
	free(text);
}

/* Return: which VM, or -1 when the connection was told what is wrong */
static int find_vm(struct control *control, struct connection *connection, const char *name)
{
	unsigned int i;

	if (!*name && control->nr_vms == 1)
		return 0;
	for (i = 0; i < control->nr_vms && *name; i++) {
		if (!strcmp(control->vm[i].name, name))
			return i;
	}
	if (*name)
		finish_line(connection, "error: no VM is called '%s'", name);
	else
		finish_line(connection, "error: expected the name of one of %u VMs",
			    control->nr_vms);
	return -1;
}

static void begin_drop(struct control *control, struct connection *connection,
		       const char *arguments)
{
	uint64_t bytes = UINT64_MAX;
	struct drop_command *command;
	const char *name = arguments;
	char *end;
	int vm;

	if (!strncmp(arguments, "all", 3)) {
		name += 3;
	} else {
		errno = 0;
		bytes = strtoull(arguments, &end, 10);
		name = end;
		if (*arguments < '0' || *arguments > '9' || errno || !bytes)
			name = "?";
	}
	if (*name && *name != ' ') {
		finish_line(connection, "error: expected drop BYTES|all [VM], found 'drop %s'",
			    arguments);
		return;
	}
	vm = find_vm(control, connection, *name ? name + 1 : name);
	if (vm < 0)
		return;
	if (control->gone[vm]) {
		finish_line(connection, "error: the VM %s has ended or was given up",
			    control->vm[vm].name);
		return;
	}
	command = &control->shared[vm]->command;
	if (__atomic_load_n(&command->answered, __ATOMIC_ACQUIRE) != command->asked) {
		finish_line(connection, "error: another drop of %s is under way",
			    control->vm[vm].name);
		return;
	}
	shared_set(command->nr_unused, 0);
	shared_set(command->nr_volatile, 0);
	shared_set(command->wanted, bytes == UINT64_MAX ? bytes :
		   bytes / PAGEHINT_FRAME_BYTES + !!(bytes % PAGEHINT_FRAME_BYTES));
	/* Release: the worker that sees the number sees what is wanted. */
	__atomic_store_n(&command->asked, command->asked + 1, __ATOMIC_RELEASE);
	connection->vm = vm;
}

static void answer_drop(struct control *control, struct connection *connection)
{
	const struct vm *vm = &control->vm[connection->vm];
	const struct drop_command *command = &control->shared[connection->vm]->command;
	uint64_t unused, of_cache;
	char figures[200];

	if (__atomic_load_n(&command->answered, __ATOMIC_ACQUIRE) != command->asked)
		return;
	unused = shared_get(command->nr_unused) * PAGEHINT_FRAME_BYTES;
	of_cache = shared_get(command->nr_volatile) * PAGEHINT_FRAME_BYTES;
	snprintf(figures, sizeof(figures),
		 "dropped_bytes=%lu unused_bytes=%lu volatile_bytes=%lu memory_bytes=%lu",
		 unused + of_cache, unused, of_cache, files_allocated_bytes(vm));
	if (command->result == COMMAND_DONE)
		finish_line(connection, "%s", figures);
	else
		finish_line(connection, "error: %s: %s (%s)", vm->name,
			    result_texts[command->result], figures);
}

static void obey(struct control *control, struct connection *connection)
{
	char *line = connection->line;

	if (!*line || !strcmp(line, "status"))
		answer_status(control, connection);
	else if (!strncmp(line, "drop ", 5))
		begin_drop(control, connection, line + 5);
	else
		finish_line(connection, "error: expected 'status' or 'drop BYTES [VM]', found '%s'",
			    line);
}

/* A line, or what there is of one when its time is over or no more will come */
static void read_line(struct control *control, struct connection *connection)
{
	uint64_t age = now_ns() - connection->since_ns;
	ssize_t got = read(connection->fd, connection->line + connection->used,
			   sizeof(connection->line) - 1 - connection->used);
	char *end;

	if (got > 0)
		connection->used += got;
	end = memchr(connection->line, '\n', connection->used);
	if (!end && (got > 0 || (got < 0 && errno == EAGAIN)) &&
	    connection->used < sizeof(connection->line) - 1 &&
	    age < (connection->used ? LINE_NS : SILENCE_NS))
		return;
	if (!end && connection->used == sizeof(connection->line) - 1) {
		finish_line(connection, "error: expected a line of less than %u bytes",
			    CONTROL_LINE);
		return;
	}
	if (!end)
		end = connection->line + connection->used;
	*end = '\0';
	obey(control, connection);
}

static void accept_all(struct control *control)
{
	unsigned int i;

	for (i = 0; i < CONTROL_CONNECTIONS; i++) {
		struct connection *connection = &control->connection[i];

		if (connection->fd >= 0)
			continue;
		connection->fd = accept4(control->listener, NULL, NULL,
					 SOCK_CLOEXEC | SOCK_NONBLOCK);
		if (connection->fd < 0)
			return;
		connection->since_ns = now_ns();
		connection->used = 0;
		connection->vm = -1;
	}
}

void control_step(struct control *control)
{
	unsigned int i;

	if (control->listener < 0)
		return;
	accept_all(control);
	for (i = 0; i < CONTROL_CONNECTIONS; i++) {
		struct connection *connection = &control->connection[i];

		if (connection->fd >= 0 && connection->vm < 0)
			read_line(control, connection);
		if (connection->fd >= 0 && connection->vm >= 0)
			answer_drop(control, connection);
	}
}

/* It is reaped: what it was asked and has not answered, nobody will. */
void control_worker_ended(struct control *control, unsigned int vm)
{
	struct drop_command *command = &control->shared[vm]->command;

	if (command->answered == command->asked)
		return;
	shared_set(command->result, COMMAND_LOST);
	shared_set(command->answered, command->asked);
}

/* Also for a worker, which has nothing to say to anybody */
void control_close(struct control *control)
{
	unsigned int i;

	if (control->listener >= 0)
		close(control->listener);
	for (i = 0; i < CONTROL_CONNECTIONS; i++) {
		if (control->connection[i].fd >= 0)
			close(control->connection[i].fd);
	}
}
