/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The daemon as a process, for tests: start it on a guest of pagehintd_guest.h,
 * read its figures and its log, stop it. The daemon is $PAGEHINTD.
 */
#ifndef _PAGEHINTD_PROCESS_H
#define _PAGEHINTD_PROCESS_H

#include <errno.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "pagehintd_guest.h"

#define WAIT_SECONDS	60	/* or $PAGEHINTD_TEST_WAIT */

struct daemon {
	pid_t pid;
	char control[100], log[100];
};

static inline double wait_seconds(void)
{
	const char *seconds = getenv("PAGEHINTD_TEST_WAIT");

	return seconds ? atof(seconds) : WAIT_SECONDS;
}

static inline const char *program(void)
{
	const char *name = getenv("PAGEHINTD");

	return name ? name : "build/host/pagehintd-test";
}

/*
 * A worker that is kept from running with a range in flight is replaced after a second, as
 * one that hangs is. Restarts can be counted on a busy machine only where they mean that a
 * worker died, or hangs for very long.
 */
static inline void set_busy_limit(const char *const *arguments)
{
	bool hangs = false;

	while (*arguments)
		hangs |= !strncmp(*arguments++, "--test-stall=", 13);
	if (hangs)
		unsetenv("PAGEHINTD_TEST_BUSY_MS");
	else
		setenv("PAGEHINTD_TEST_BUSY_MS", "30000", 1);
}

/* Runs the daemon with the arguments; its stderr goes to daemon->log. */
static inline void daemon_start_args(struct daemon *daemon, const char *const *arguments)
{
	const char *directory = getenv("PAGEHINTD_TEST_DIR");
	static int number;
	int fd;

	number++;
	snprintf(daemon->log, sizeof(daemon->log), "%s/pagehintd-test-%d-%d.log",
		 directory ? directory : "/dev/shm", (int)getpid(), number);
	set_busy_limit(arguments);
	fflush(NULL);
	daemon->pid = fork();
	if (daemon->pid)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	fd = open(daemon->log, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	dup2(fd, STDOUT_FILENO);
	dup2(fd, STDERR_FILENO);
	execv(program(), (char *const *)arguments);
	_exit(127);
}

static inline void daemon_start_more(struct daemon *daemon, const struct guest *guest,
				     const char *age, const char *extra, const char *more)
{
	char pid[32];

	snprintf(pid, sizeof(pid), "--pid=%d", (int)getpid());
	snprintf(daemon->control, sizeof(daemon->control), "%.89s.control", guest->ram_path);
	daemon_start_args(daemon, (const char *const[]) {
		program(), "--vm", "test", "--ram", guest->ram_path, "--table",
		guest->table_path, guest->map[0], guest->map[1], pid, "--reset=destroy",
		"--control", daemon->control, "--unused-age", age, extra, more, NULL });
}

static inline void daemon_start(struct daemon *daemon, const struct guest *guest,
				const char *age, const char *extra)
{
	daemon_start_more(daemon, guest, age, extra, NULL);
}

static inline char *daemon_log(const struct daemon *daemon)
{
	static char text[65536];
	FILE *file = fopen(daemon->log, "r");
	size_t length = 0;

	if (file) {
		length = fread(text, 1, sizeof(text) - 1, file);
		fclose(file);
	}
	text[length] = '\0';
	return text;
}

static inline bool daemon_said(const struct daemon *daemon, const char *what)
{
	return strstr(daemon_log(daemon), what);
}

/* Its exit code, or 1000 + the signal; the daemon is left no files. */
static inline int daemon_wait(struct daemon *daemon)
{
	int status;

	if (waitpid(daemon->pid, &status, 0) != daemon->pid)
		return -1;
	if (test_failed())
		fprintf(stderr, "%s", daemon_log(daemon));
	return WIFEXITED(status) ? WEXITSTATUS(status) : 1000 + WTERMSIG(status);
}

static inline void daemon_forget(const struct daemon *daemon)
{
	unlink(daemon->log);
}

static inline void daemon_stop(struct daemon *daemon)
{
	int code;

	kill(daemon->pid, SIGTERM);
	code = daemon_wait(daemon);
	CHECK(!code, "expected exit code 0 after SIGTERM, found %d", code);
	daemon_forget(daemon);
}

/* One figure from the control socket, -1 if it is not there */
static inline double figure(const struct daemon *daemon, const char *name)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	static char text[1 << 18];
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	size_t length = 0;
	char *line;
	ssize_t got;

	strcpy(address.sun_path, daemon->control);
	if (connect(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	send(fd, "status\n", 7, MSG_NOSIGNAL);
	while ((got = read(fd, text + length, sizeof(text) - 1 - length)) > 0)
		length += got;
	close(fd);
	text[length] = '\0';
	if (!strstr(text, "# EOF\n"))
		return -1;
	for (line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		if (!strncmp(line, name, strlen(name)) && line[strlen(name)] == ' ')
			return atof(line + strlen(name));
	}
	return -1;
}

/* Runs pagehintd with --control and one more option; what it says, in @text. */
static inline int daemon_ask(const struct daemon *daemon, const char *option, char *text,
			     size_t size)
{
	size_t length = 0;
	int fds[2], status;
	ssize_t got;
	pid_t pid;

	text[0] = '\0';
	if (pipe(fds))
		return -1;
	fflush(NULL);
	pid = fork();
	if (!pid) {
		dup2(fds[1], STDOUT_FILENO);
		dup2(fds[1], STDERR_FILENO);
		close(fds[0]);
		execl(program(), program(), option, "--control", daemon->control, NULL);
		_exit(127);
	}
	close(fds[1]);
	while ((got = read(fds[0], text + length, size - 1 - length)) > 0)
		length += got;
	text[length] = '\0';
	close(fds[0]);
	if (waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

#define VM(name)	name "{vm=\"test\"}"
#define IN_FORCE	"pagehintd_lease{vm=\"test\",pagehintd_lease=\"in_force\"}"
#define DROPPED		VM("pagehintd_dropped_frames_total")
#define RECOVERED	VM("pagehintd_recovered_frames_total")
#define UNUSED		"pagehintd_frames{vm=\"test\",state=\"unused\"}"
#define RESTARTS	VM("pagehintd_worker_restarts_total")

/* Wait until the condition holds. It is judged as it was seen, since it may not last. */
#define WAIT_FOR(condition, ...) do {						\
	double wait_end = test_now() + wait_seconds();				\
	bool wait_ok;								\
										\
	while (!(wait_ok = (condition)) && test_now() < wait_end)		\
		usleep(10000);							\
	CHECK(wait_ok, __VA_ARGS__);						\
} while (0)

static inline void check_at_rest(const struct guest *guest)
{
	CHECK(!guest_count(guest, PAGEHINT_BUSY, PAGEHINT_BUSY), "frames are left busy");
	CHECK(!guest->header->busy_count, "the record of a range is left");
}

#endif /* _PAGEHINTD_PROCESS_H */
