// SPDX-License-Identifier: GPL-2.0
/* pagehintd --status and --drop: the client of a daemon's control socket. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

/* A client that is kept from speaking, as on a busy host */
static void test_late(void)
{
#ifdef PAGEHINT_TEST_HOOKS
	const char *late_ms = getenv("PAGEHINTD_TEST_LATE_MS");

	if (late_ms)
		usleep(1000 * strtoul(late_ms, NULL, 10));
#endif
}

/*
 * A daemon does not wait long for a line: who says nothing gets its state. If the host is
 * so busy that the line comes too late, that is what there is to read.
 *
 * Return: a connection on which the line was said, or -1 after one in the log
 */
static int say(const char *path, const char *line)
{
	ssize_t length = strlen(line);
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		test_late();
		if (send(fd, line, length, MSG_NOSIGNAL) == length || errno == EPIPE)
			return fd;
	}
	log_info(NULL, "cannot connect to %s: %s; is pagehintd running with --control %s?",
		 path, strerror(errno), path);
	if (fd >= 0)
		close(fd);
	return -1;
}

/* pagehintd --status */
int ask_status(const char *path)
{
	int fd = say(path, "status\n");
	char text[65536];
	ssize_t length, total = 0;

	if (fd < 0)
		return EXIT_FILE;
	while ((length = read(fd, text, sizeof(text))) > 0)
		total += fwrite(text, 1, length, stdout);
	close(fd);
	return total && !fflush(stdout) ? EXIT_OK : EXIT_INTERNAL;
}

/* Return: the length of the answer, or -1 after a line in the log */
static ssize_t answer(const char *path, const char *line, char *text, size_t size)
{
	ssize_t length, total = 0;
	int fd = say(path, line);

	if (fd < 0)
		return -1;
	while ((length = read(fd, text + total, size - 1 - total)) > 0)
		total += length;
	close(fd);
	text[total] = '\0';
	return total;
}

/* pagehintd --drop: prints the answer when it is carried out. */
int ask_drop(const char *path, const struct drop_request *drop)
{
	char line[4 * CONTROL_LINE], text[4 * CONTROL_LINE], size[24] = "all";
	unsigned int tries = 10;

	if (drop->bytes != UINT64_MAX)
		snprintf(size, sizeof(size), "%lu", drop->bytes);
	snprintf(line, sizeof(line), "drop %s%s%s\n", size, drop->vm ? " " : "",
		 drop->vm ? drop->vm : "");
	/* The daemon's state in place of an answer: it did not hear of the drop. */
	do {
		if (answer(path, line, text, sizeof(text)) < 0)
			return EXIT_FILE;
	} while (text[0] == '#' && --tries);
	if (text[0] == '#') {
		log_info(NULL, "the daemon at %s waits 100 ms for a command, which was not enough: the host has too little CPU; nothing was dropped",
			 path);
		return EXIT_REFUSED;
	}
	if (!strncmp(text, "error: ", 7)) {
		log_info(NULL, "%.*s", (int)strcspn(text + 7, "\n"), text + 7);
		return EXIT_REFUSED;
	}
	if (!strchr(text, '\n')) {
		log_info(NULL, "the daemon at %s ended before it answered", path);
		return EXIT_INTERNAL;
	}
	fputs(text, stdout);
	return fflush(stdout) ? EXIT_INTERNAL : EXIT_OK;
}
