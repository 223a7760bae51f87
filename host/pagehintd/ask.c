// SPDX-License-Identifier: GPL-2.0
/* pagehintd --status and --drop: the client of a daemon's control socket. */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "control.h"

/* Return: a connection on which the line was said, or -1 after one in the log */
static int say(const char *path, const char *line)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	strncpy(address.sun_path, path, sizeof(address.sun_path) - 1);
	if (fd >= 0 && !connect(fd, (struct sockaddr *)&address, sizeof(address)) &&
	    send(fd, line, strlen(line), MSG_NOSIGNAL) == (ssize_t)strlen(line))
		return fd;
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

/* pagehintd --drop: prints the answer when it is carried out. */
int ask_drop(const char *path, const struct drop_request *drop)
{
	char text[4 * CONTROL_LINE], size[24] = "all";
	ssize_t length, total = 0;
	int fd;

	if (drop->bytes != UINT64_MAX)
		snprintf(size, sizeof(size), "%lu", drop->bytes);
	snprintf(text, sizeof(text), "drop %s%s%s\n", size, drop->vm ? " " : "",
		 drop->vm ? drop->vm : "");
	fd = say(path, text);
	if (fd < 0)
		return EXIT_FILE;
	while ((length = read(fd, text + total, sizeof(text) - 1 - total)) > 0)
		total += length;
	close(fd);
	text[total] = '\0';
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
