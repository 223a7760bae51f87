// SPDX-License-Identifier: GPL-2.0
/*
 * damage FILE OFFSET DEVICE: overwrites 4 KiB of a file on the device that its
 * file system is on, and drops the file's clean page cache: see damage.h.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>

#include "damage.h"

int main(int argc, char **argv)
{
	int fd;

	if (argc != 4) {
		fprintf(stderr, "usage: damage FILE OFFSET DEVICE\n");
		return 2;
	}
	fd = open(argv[1], O_RDWR);
	if (fd < 0 || damage_file(fd, strtoull(argv[2], NULL, 0), argv[3])) {
		fprintf(stderr, "damage: %s at %s on %s: %s\n", argv[1], argv[2], argv[3],
			strerror(errno));
		return 1;
	}
	return 0;
}
