/* SPDX-License-Identifier: GPL-2.0 */
/* What discardfault.ko does for user space, by ioctl on /dev/discardfault. */
#ifndef TESTS_DISCARDFAULT_H
#define TESTS_DISCARDFAULT_H

#include <linux/ioctl.h>
#include <linux/types.h>

/*
 * One page of the file @fd. The module finds it in the page cache by itself, by no
 * function that pagehint hooks, and uses it through the kernel's own mapping.
 */
struct discardfault {
	__u64 index;
	__u64 argument;		/* TO_USER*, NOFAULT: to where; FROM_USER_ATOMIC: from where */
	__s32 fd;
	__u32 state;		/* STATE: what ESSA says of the frame, old state format */
	__u64 address;		/* STATE: of the frame, absolute; 0: no page there */
	__u64 kernel_address;	/* STATE */
	__s64 result;		/* bytes not copied, or a negative error; MOVE: 0 or one */
	__u64 word;		/* PLAIN*: the second eight bytes of the page */
};

#define DISCARDFAULT_STATE	_IOWR('d', 1, struct discardfault)
/* One load, with interrupts on, and off */
#define DISCARDFAULT_PLAIN	_IOWR('d', 2, struct discardfault)
#define DISCARDFAULT_PLAIN_OFF	_IOWR('d', 3, struct discardfault)
#define DISCARDFAULT_NOFAULT	_IOWR('d', 4, struct discardfault)
/* The page to user memory, as read() does, where a page fault may sleep, and not */
#define DISCARDFAULT_TO_USER	_IOWR('d', 5, struct discardfault)
#define DISCARDFAULT_TO_USER_ATOMIC _IOWR('d', 6, struct discardfault)
/* User memory, wherever it is, with page faults disabled */
#define DISCARDFAULT_FROM_USER_ATOMIC _IOWR('d', 7, struct discardfault)
/* Moves the page to another frame with its mappings, as compaction does */
#define DISCARDFAULT_MOVE	_IOWR('d', 8, struct discardfault)

#endif /* TESTS_DISCARDFAULT_H */
