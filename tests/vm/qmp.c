// SPDX-License-Identifier: GPL-2.0
/*
 * qmp: one command to a QEMU over its QMP socket, for test scripts.
 *
 *   qmp [-t SECONDS] SOCKET COMMAND [ARGUMENTS]
 *	Execute COMMAND with ARGUMENTS, a JSON object; prints the answer.
 *	Exit status 0, or 1 if QEMU answered with an error.
 *   qmp [-t SECONDS] -e EVENT SOCKET [COMMAND [ARGUMENTS]]
 *	The same, then wait for EVENT, which comes after the answer, and print it.
 *
 * Exit status 2: no connection, or none any more, or no answer within SECONDS
 * (default 100).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

__attribute__((noreturn))
static void die(const char *what, const char *why)
{
	fprintf(stderr, "qmp: %s: %s\n", what, why);
	exit(2);
}

/*
 * For reading alone: with an event unread in its buffer, a stream of both directions
 * would first seek back, which a socket cannot, and drop what is to be written.
 */
static FILE *connect_to(const char *path, long seconds)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	struct timeval timeout = { .tv_sec = seconds };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	FILE *stream;

	if (strlen(path) >= sizeof(address.sun_path))
		die(path, "longer than the address of a socket can be");
	strcpy(address.sun_path, path);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout)) ||
	    connect(fd, (struct sockaddr *)&address, sizeof(address)))
		die(path, strerror(errno));
	stream = fdopen(fd, "r");
	if (!stream)
		die(path, strerror(errno));
	return stream;
}

/* The next line that contains @wanted or @other; others are events. */
static char *wait_for(FILE *stream, const char *wanted, const char *other)
{
	static char *line;
	static size_t size;

	while (getline(&line, &size, stream) > 0)
		if (strstr(line, wanted) || (other && strstr(line, other)))
			return line;
	die(wanted, ferror(stream) && errno == EAGAIN ? "not seen in time" :
							"QEMU has closed the connection before");
}

/* Returns whether it succeeded. */
static int execute(FILE *stream, const char *command, const char *arguments)
{
	const char *answer;
	char *line;
	int length;

	length = asprintf(&line, "{\"execute\": \"%s\"%s%s}\n", command,
			  arguments ? ", \"arguments\": " : "", arguments ? arguments : "");
	if (length < 0)
		die(command, strerror(errno));
	if (send(fileno(stream), line, length, MSG_NOSIGNAL) != length)
		die(command, "not sent");
	free(line);
	answer = wait_for(stream, "{\"return\":", "{\"error\":");
	if (strcmp(command, "qmp_capabilities"))
		fputs(answer, stdout);
	return !strncmp(answer, "{\"return\":", 10);
}

int main(int argc, char **argv)
{
	const char *event = NULL;
	long seconds = 100;
	FILE *stream;
	int option;

	while ((option = getopt(argc, argv, "t:e:")) != -1) {
		if (option == 't')
			seconds = strtol(optarg, NULL, 10);
		else if (option == 'e')
			event = optarg;
		else
			return 2;
	}
	argc -= optind;
	argv += optind;
	if (argc < (event ? 1 : 2) || argc > 3) {
		fprintf(stderr, "usage: qmp [-t SECONDS] [-e EVENT] SOCKET COMMAND [ARGUMENTS]\n");
		return 2;
	}
	stream = connect_to(argv[0], seconds);
	wait_for(stream, "\"QMP\"", NULL);
	if (!execute(stream, "qmp_capabilities", NULL))
		die(argv[0], "no capabilities");
	if (argc > 1 && !execute(stream, argv[1], argc > 2 ? argv[2] : NULL))
		return 1;
	if (event) {
		char quoted[128];

		snprintf(quoted, sizeof(quoted), "\"event\": \"%s\"", event);
		fputs(wait_for(stream, quoted, NULL), stdout);
	}
	return 0;
}
