// SPDX-License-Identifier: GPL-2.0
/*
 * modctl: inserts or removes one module by one system call. (busybox's insmod
 * tries a failing module a second time by another way; a test that counts
 * failed loads cannot use it.)
 *
 *   modctl load FILE [PARAMETER=VALUE...]
 *   modctl unload NAME
 *
 * Exit status: 0, or 1 with the error's name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failed(const char *what)
{
	fprintf(stderr, "modctl: %s: %s (%s)\n", what, strerrorname_np(errno), strerror(errno));
	return 1;
}

static int load(char **args)
{
	char parameters[4096] = "";
	size_t used = 0;
	int fd = open(args[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		return failed(args[0]);
	for (char **arg = args + 1; *arg; arg++) {
		used += (size_t)snprintf(parameters + used, sizeof(parameters) - used, "%s ", *arg);
		if (used >= sizeof(parameters)) {
			fprintf(stderr, "modctl: parameters longer than %zu bytes\n",
				sizeof(parameters));
			return 1;
		}
	}
	if (syscall(SYS_finit_module, fd, parameters, 0))
		return failed(args[0]);
	return 0;
}

int main(int argc, char **argv)
{
	if (argc >= 3 && !strcmp(argv[1], "load"))
		return load(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "unload"))
		return syscall(SYS_delete_module, argv[2], O_NONBLOCK) ? failed(argv[2]) : 0;
	fprintf(stderr, "usage: modctl load FILE [PARAMETER=VALUE...] | unload NAME\n");
	return 2;
}
