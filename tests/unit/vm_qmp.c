// SPDX-License-Identifier: GPL-2.0
/*
 * The test bed's client of QMP (tests/vm/qmp.c) against a QEMU that is a thread of
 * this one: it says what a case wants, in one write, wherever QEMU's events may lie
 * between its answers, and keeps what it is told.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "test.h"

#define GREETING	"{\"QMP\": {\"version\": {}, \"capabilities\": []}}\n"
#define RETURN		"{\"return\": {}}\n"
#define EVENT(name)	"{\"timestamp\": {\"seconds\": 1}, \"event\": \"" name "\"}\n"

/* What QEMU says when it is connected, and after each line that it was told; NULL: it hangs up */
static const char *const *script;
static char told[4][200];
static char path[100];
static int listener;

static void *qemu(void *unused)
{
	int fd = accept(listener, NULL, NULL);
	unsigned int i;

	(void)unused;
	for (i = 0; script[i]; i++) {
		size_t used = 0;

		if (send(fd, script[i], strlen(script[i]), MSG_NOSIGNAL) < 0)
			break;
		while (used < sizeof(told[i]) - 1 && recv(fd, told[i] + used, 1, 0) == 1 &&
		       told[i][used] != '\n')
			used++;
		told[i][used] = '\0';
	}
	close(fd);
	return NULL;
}

/* Runs the client on the script: its exit status, its output in @said */
static int client(const char *const *lines, const char *options, const char *arguments,
		  char *said, size_t size)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	char command[400];
	pthread_t thread;
	size_t used;
	FILE *pipe;
	int status;

	memset(told, 0, sizeof(told));
	script = lines;
	snprintf(path, sizeof(path), "/tmp/vm_qmp.%d", (int)getpid());
	strcpy(address.sun_path, path);
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	unlink(path);
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 1)) {
		FAIL("no socket at %s", path);
		return -1;
	}
	pthread_create(&thread, NULL, qemu, NULL);
	snprintf(command, sizeof(command), "%s %s %s %s 2>&1", QMP, options, path, arguments);
	pipe = popen(command, "r");
	used = fread(said, 1, size - 1, pipe);
	said[used] = '\0';
	status = pclose(pipe);
	/* Hangs up, if QEMU still waits to be told something */
	shutdown(listener, SHUT_RDWR);
	pthread_join(thread, NULL);
	close(listener);
	unlink(path);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

#define EXPECT(script, options, arguments, status, text) do {				\
	char _said[500];								\
	int _status = client(script, options, arguments, _said, sizeof(_said));		\
											\
	CHECK(_status == (status), "status %d, expected %d: %s", _status, status, _said); \
	CHECK(strstr(_said, text), "said '%s', expected '%s'", _said, text);		\
} while (0)

static void plain(void)
{
	static const char *const lines[] = { GREETING, RETURN, "{\"return\": 1}\n", NULL };

	EXPECT(lines, "", "query", 0, "{\"return\": 1}");
	CHECK(!strcmp(told[0], "{\"execute\": \"qmp_capabilities\"}"), "told: %s", told[0]);
	CHECK(!strcmp(told[1], "{\"execute\": \"query\"}"), "told: %s", told[1]);
	EXPECT(lines, "", "query '{\"a\": 1}'", 0, "{\"return\": 1}");
	CHECK(!strcmp(told[1], "{\"execute\": \"query\", \"arguments\": {\"a\": 1}}"),
	      "told: %s", told[1]);
}

/* An event that came with an answer, and lies there unread when the next command is given */
static void events_between(void)
{
	static const char *const lines[] = {
		GREETING,
		RETURN EVENT("ACPI_DEVICE_OST") EVENT("ACPI_DEVICE_OST"),
		EVENT("RESET") "{\"return\": 1}\n" EVENT("RESET"),
		NULL
	};

	EXPECT(lines, "", "query", 0, "{\"return\": 1}");
	CHECK(!strcmp(told[1], "{\"execute\": \"query\"}"), "told: %s", told[1]);
}

static void waits_for_event(void)
{
	static const char *const after[] = {
		GREETING, RETURN, RETURN EVENT("RESET") EVENT("STOP"), NULL
	};
	static const char *const never[] = {
		GREETING, RETURN, RETURN EVENT("RESET"), NULL
	};

	EXPECT(after, "-e STOP", "stop", 0, "\"event\": \"STOP\"");
	EXPECT(never, "-t 1 -e STOP", "stop", 2, "\"STOP\": not seen in time");
}

static void errors(void)
{
	static const char *const refused[] = {
		GREETING, RETURN, "{\"error\": {\"class\": \"GenericError\"}}\n", NULL
	};
	static const char *const silent[] = { GREETING, RETURN, "", NULL };
	static const char *const gone[] = { GREETING, RETURN, NULL };

	EXPECT(refused, "", "query", 1, "GenericError");
	EXPECT(silent, "-t 1", "query", 2, "not seen in time");
	EXPECT(gone, "", "query", 2, "closed");
}

int main(int argc, char **argv)
{
	static const struct test_case cases[] = {
		{ "plain", plain },
		{ "events_between", events_between },
		{ "waits_for_event", waits_for_event },
		{ "errors", errors },
	};

	return test_main(argc, argv, cases, ARRAY_SIZE(cases));
}
