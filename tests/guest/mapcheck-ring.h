/* SPDX-License-Identifier: GPL-2.0 */
/*
 * io_uring for mapcheck.c, by its system calls: files are read into a buffer that is
 * registered, and so pinned, and written from mappings of files.
 */
#ifndef TESTS_MAPCHECK_RING_H
#define TESTS_MAPCHECK_RING_H

#include <linux/io_uring.h>
#include <stdatomic.h>

#include "mapcheck-kernel.h"

struct ring {
	int fd;
	size_t bytes, sqes_bytes;
	char *memory;
	struct io_uring_sqe *sqes;
	struct io_uring_params params;
};

static bool ring_open(struct ring *ring)
{
	size_t more;

	*ring = (struct ring){ 0 };
	ring->fd = (int)syscall(SYS_io_uring_setup, 4, &ring->params);
	if (ring->fd < 0)
		return false;
	need(ring->params.features & IORING_FEAT_SINGLE_MMAP, "io_uring in one mapping");
	ring->bytes = ring->params.sq_off.array + ring->params.sq_entries * sizeof(unsigned int);
	more = ring->params.cq_off.cqes + ring->params.cq_entries * sizeof(struct io_uring_cqe);
	if (more > ring->bytes)
		ring->bytes = more;
	ring->sqes_bytes = ring->params.sq_entries * sizeof(struct io_uring_sqe);
	ring->memory = mmap(NULL, ring->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_POPULATE,
			    ring->fd, IORING_OFF_SQ_RING);
	ring->sqes = mmap(NULL, ring->sqes_bytes, PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_POPULATE, ring->fd, IORING_OFF_SQES);
	need(ring->memory != MAP_FAILED && ring->sqes != MAP_FAILED, "mmap of an io_uring");
	return true;
}

static void ring_close(struct ring *ring)
{
	munmap(ring->memory, ring->bytes);
	munmap(ring->sqes, ring->sqes_bytes);
	close(ring->fd);
}

static unsigned int *ring_word(struct ring *ring, unsigned int offset)
{
	return (unsigned int *)(ring->memory + offset);
}

/* One request, and what became of it */
static int ring_do(struct ring *ring, const struct io_uring_sqe *sqe)
{
	unsigned int *tail = ring_word(ring, ring->params.sq_off.tail);
	unsigned int *head = ring_word(ring, ring->params.cq_off.head);
	unsigned int slot = *tail & *ring_word(ring, ring->params.sq_off.ring_mask);
	struct io_uring_cqe *cqes = (struct io_uring_cqe *)(ring->memory +
							    ring->params.cq_off.cqes);
	int result;

	ring->sqes[slot] = *sqe;
	ring_word(ring, ring->params.sq_off.array)[slot] = slot;
	__atomic_store_n(tail, *tail + 1, __ATOMIC_RELEASE);
	while (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS, NULL, 0) < 0)
		need(errno == EINTR, "io_uring_enter");
	need(__atomic_load_n(ring_word(ring, ring->params.cq_off.tail), __ATOMIC_ACQUIRE) != *head,
	     "an answer of io_uring");
	result = cqes[*head & *ring_word(ring, ring->params.cq_off.ring_mask)].res;
	__atomic_store_n(head, *head + 1, __ATOMIC_RELEASE);
	return result;
}

/* All of it, in as many requests as it takes */
static void ring_transfer(struct ring *ring, unsigned int opcode, int fd, char *memory,
			  size_t bytes, size_t offset, bool later)
{
	for (size_t done = 0; done < bytes;) {
		struct io_uring_sqe sqe = {
			.opcode = (unsigned char)opcode, .fd = fd, .off = offset + done,
			.addr = (uintptr_t)memory + done, .len = (unsigned int)(bytes - done),
			/* By a thread of the kernel */
			.flags = later ? IOSQE_ASYNC : 0,
		};
		int result = ring_do(ring, &sqe);

		errno = result < 0 ? -result : EIO;
		need(result > 0, "io_uring");
		done += (size_t)result;
	}
}

static bool ring_register(struct ring *ring, char *memory, size_t bytes)
{
	struct iovec buffer = { memory, bytes };

	return !syscall(SYS_io_uring_register, ring->fd, IORING_REGISTER_BUFFERS, &buffer, 1);
}

static void through_ring(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	char *memory = (char *)held->memory + first, *buffer, *copy;
	uint64_t key = p->keys[held->file];
	bool later = random_below(&p->random, 2);
	struct ring ring;
	int fd;

	if (!ring_open(&ring)) {
		lack("io_uring");
		return;
	}
	buffer = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(buffer != MAP_FAILED, "mmap");
	need(ring_register(&ring, buffer, bytes), "registering a buffer");
	ring_transfer(&ring, IORING_OP_READ_FIXED, p->fds[held->file], buffer, bytes, first, later);
	check_words(p, buffer, bytes, key, first, "io_uring, into a registered buffer");
	need(!syscall(SYS_io_uring_register, ring.fd, IORING_UNREGISTER_BUFFERS, NULL, 0),
	     "giving a buffer back");

	fd = open_copy(p, random_below(&p->random, 2) ? O_DIRECT : 0);
	ring_transfer(&ring, IORING_OP_WRITE, fd, memory, bytes, 0, later);
	check_copy(p, key, first, bytes, "io_uring, from a mapping");

	/* Of a private mapping the copies are pinned; 6.1 pins nothing of files. */
	copy = map(p->fds[held->file], held->bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	if (ring_register(&ring, copy + first, bytes)) {
		ring_transfer(&ring, IORING_OP_WRITE_FIXED, fd, copy + first, bytes, 0, later);
		check_copy(p, key, first, bytes, "io_uring, from a registered mapping");
	} else {
		need(errno == EOPNOTSUPP, "registering a mapping of a file");
		lack("io_uring's registered mappings of files");
	}
	close(fd);
	munmap(copy, held->bytes);
	munmap(buffer, bytes);
	ring_close(&ring);
}

#endif /* TESTS_MAPCHECK_RING_H */
