// SPDX-License-Identifier: GPL-2.0
/*
 * kexec: loads a kernel into a running one, and starts it, by the same two
 * system calls as kexec-tools.
 *
 *   kexec load KERNEL INITRD CMDLINE	for `kexec execute`
 *   kexec crash KERNEL INITRD CMDLINE	for a panic
 *   kexec execute [SECONDS]		the loaded kernel takes over, after so long
 *
 * Exit status: 0, or 1 with the error's name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/kexec.h>
#include <linux/reboot.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static int failed(const char *what)
{
	fprintf(stderr, "kexec: %s: %s (%s)\n", what, strerrorname_np(errno), strerror(errno));
	return 1;
}

static int load(char **args, unsigned long flags)
{
	int kernel = open(args[0], O_RDONLY | O_CLOEXEC);
	int initrd = open(args[1], O_RDONLY | O_CLOEXEC);

	if (kernel < 0 || initrd < 0)
		return failed(kernel < 0 ? args[0] : args[1]);
	if (syscall(SYS_kexec_file_load, kernel, initrd, strlen(args[2]) + 1, args[2], flags))
		return failed("kexec_file_load");
	return 0;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "load"))
		return load(argv + 2, 0);
	if (argc == 5 && !strcmp(argv[1], "crash"))
		return load(argv + 2, KEXEC_FILE_ON_CRASH);
	if ((argc == 2 || argc == 3) && !strcmp(argv[1], "execute")) {
		if (argc == 3)
			sleep((unsigned int)strtoul(argv[2], NULL, 10));
		sync();
		syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2,
			LINUX_REBOOT_CMD_KEXEC, NULL);
		return failed("reboot");
	}
	fprintf(stderr, "usage: kexec load|crash KERNEL INITRD CMDLINE | execute [SECONDS]\n");
	return 2;
}
