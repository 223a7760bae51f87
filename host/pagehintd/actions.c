// SPDX-License-Identifier: GPL-2.0
/*
 * What QEMU was told to do when its guest resets or powers off. QMP sets that
 * and does not show it, so QEMU's command line has to tell (not a -readconfig
 * file, nor what another QMP client set since).
 */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "qemu.h"

/* reboot=reset|shutdown and shutdown=poweroff|pause among others; the last counts */
static void parse_action(struct vm_actions *actions, const char *text)
{
	while (*text) {
		size_t length = strcspn(text, ",");

		if (!strncmp(text, "reboot=", 7))
			actions->no_reboot = length == 15 && !memcmp(text, "reboot=shutdown", 15);
		else if (!strncmp(text, "shutdown=", 9))
			actions->no_shutdown = length == 14 && !memcmp(text, "shutdown=pause", 14);
		text += length;
		text += *text == ',';
	}
}

/**
 * actions_read - what a process was told on its command line
 * @pid: the process
 *
 * Of one that is not QEMU, or cannot be read: nothing.
 */
struct vm_actions actions_read(pid_t pid)
{
	struct vm_actions actions = { 0 };
	char path[64], text[65536];
	const char *word, *end;
	bool is_value = false;
	ssize_t length;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return actions;
	length = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (length <= 0)
		return actions;
	text[length] = '\0';
	actions.is_qemu = strstr(text, "qemu");
	end = text + length;
	for (word = text; word < end; word += strlen(word) + 1) {
		/* QEMU takes both -option and --option. */
		const char *name = word + !strncmp(word, "--", 2);

		if (is_value)
			parse_action(&actions, word);
		is_value = !is_value && !strcmp(name, "-action");
		if (!strcmp(name, "-no-reboot"))
			actions.no_reboot = true;
		else if (!strcmp(name, "-no-shutdown"))
			actions.no_shutdown = true;
	}
	return actions;
}
