/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel does for others with pages of files that mapcheck.c's processes map: it
 * finds them by their page tables (GUP, at once and one by one), or copies from them.
 */
#ifndef TESTS_MAPCHECK_KERNEL_H
#define TESTS_MAPCHECK_KERNEL_H

#include <elf.h>
#include <linux/futex.h>
#include <linux/userfaultfd.h>
#include <sys/ioctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/sendfile.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>

#include "mapcheck-uses.h"

/* Through the page tables of a process by the kernel, at once and one by one */
static void read_by_others(struct process *p, struct held *held)
{
	static uint64_t words[PIPE_BYTES / sizeof(uint64_t)];
	size_t bytes, first = part(p, held, &bytes);
	struct iovec local = { words, bytes };
	struct iovec remote = { (char *)held->memory + first, bytes };
	int fd = open("/proc/self/mem", O_RDONLY);

	need(process_vm_readv(getpid(), &local, 1, &remote, 1, 0) == (ssize_t)bytes,
	     "process_vm_readv");
	check_words(p, words, bytes, p->keys[held->file], first, "process_vm_readv");
	need(fd >= 0 && pread(fd, words, bytes, (off_t)(uintptr_t)remote.iov_base) ==
	     (ssize_t)bytes, "/proc/self/mem");
	check_words(p, words, bytes, p->keys[held->file], first, "/proc/self/mem");
	close(fd);
}

/* What was written to the file for copies has the words of another one from @first on. */
static void check_copy(struct process *p, uint64_t key, size_t first, size_t bytes,
		       const char *how)
{
	static uint64_t words[PIPE_BYTES / sizeof(uint64_t)];
	int fd = open(p->direct_path, O_RDONLY);

	need(fd >= 0 && pread(fd, words, bytes, 0) == (ssize_t)bytes, "pread");
	check_words(p, words, bytes, key, first, how);
	close(fd);
}

static int open_copy(struct process *p, int flags)
{
	int fd = open(p->direct_path, O_RDWR | O_CREAT | flags, 0600);

	need(fd >= 0, p->direct_path);
	return fd;
}

/* A device reads the pages, or write() does. */
static void write_from(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	int fd = open_copy(p, random_below(&p->random, 2) ? O_DIRECT : 0);

	need(pwrite(fd, (char *)held->memory + first, bytes, 0) == (ssize_t)bytes,
	     "write from a mapping");
	close(fd);
	check_copy(p, p->keys[held->file], first, bytes, "written from a mapping");
}

static void read_pipe(struct process *p, int fd, size_t bytes, uint64_t key, size_t first,
		      const char *how)
{
	static uint64_t words[PIPE_BYTES / sizeof(uint64_t)];
	size_t done = 0;

	while (done < bytes) {
		ssize_t nr = read(fd, (char *)words + done, bytes - done);

		need(nr > 0, "read of a pipe");
		done += nr;
	}
	check_words(p, words, bytes, key, first, how);
}

static void through_pipes(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	struct iovec pages = { (char *)held->memory + first, bytes };
	uint64_t key = p->keys[held->file];
	off_t offset = first;
	int ends[2];
	ssize_t nr;

	need(!pipe(ends), "pipe");
	nr = vmsplice(ends[1], &pages, 1, 0);
	need(nr > 0, "vmsplice");
	read_pipe(p, ends[0], nr, key, first, "vmsplice");
	nr = sendfile(ends[1], p->fds[held->file], &offset, bytes);
	need(nr > 0, "sendfile");
	read_pipe(p, ends[0], nr, key, first, "sendfile");
	close(ends[0]);
	close(ends[1]);
}

/* A futex in a file's page is found by the page. */
static void wait_in_page(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	uint32_t *word = (uint32_t *)((char *)held->memory + first);
	uint64_t expected = pattern_word(p->keys[held->file], first);
	const struct timespec soon = { .tv_nsec = 1000000 };
	uint32_t value;

	memcpy(&value, &expected, sizeof(value));
	errno = 0;
	if (syscall(SYS_futex, word, FUTEX_WAIT, value, &soon, NULL, 0) != -1 ||
	    errno != ETIMEDOUT) {
		fprintf(stderr, "MISMATCH futex: %s\n", strerror(errno));
		p->wrong++;
	}
}

/* ------------------------------------------------------------------------
 * Another process's memory
 */

/* A debugger reads words, and writes one into a mapping that may only be read: a copy. */
static void debug(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	uint64_t key = p->keys[held->file];
	char *memory = (char *)held->memory + first;
	int status;
	pid_t child = fork();

	need(child >= 0, "fork");
	if (!child) {
		if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
			_exit(2);
		raise(SIGSTOP);
		_exit(0);
	}
	need(waitpid(child, &status, 0) == child && WIFSTOPPED(status), "ptrace");
	if (held->is_private) {
		need(!ptrace(PTRACE_POKEDATA, child, memory, 1L), "PTRACE_POKEDATA");
		p->wrong += ptrace(PTRACE_PEEKDATA, child, memory, NULL) != 1;
	}
	for (size_t at = 8; at < bytes; at += 8 + 8 * random_below(&p->random, 64)) {
		uint64_t word = (uint64_t)ptrace(PTRACE_PEEKDATA, child, memory + at, NULL);

		check_words(p, &word, sizeof(word), key, first + at, "ptrace");
	}
	need(!ptrace(PTRACE_CONT, child, NULL, NULL) && waitpid(child, &status, 0) == child &&
	     !status, "the end of who was traced");
	check_words(p, memory, bytes, key, first, "beside what a debugger wrote");
}

/* A part of the file, once shared and once private, and nothing else of what is held */
static void die_with_core(struct process *p, struct held *held, size_t first, size_t bytes,
			  char *const area[2])
{
	const struct rlimit no_limit = { RLIM_INFINITY, RLIM_INFINITY };
	int filter = open("/proc/self/coredump_filter", O_WRONLY);

	/* Anonymous, and private and shared mappings of files */
	if (filter < 0 || write(filter, "0xf", 3) != 3 || setrlimit(RLIMIT_CORE, &no_limit) ||
	    chdir(p->directory))
		_exit(2);
	for (unsigned int i = 0; i < NR_HELD; i++)
		if (p->held[i].file >= 0)
			madvise(p->held[i].memory, p->held[i].bytes, MADV_DONTDUMP);
	for (unsigned int i = 0; i < 2; i++)
		if (mmap(area[i], bytes, PROT_READ, MAP_FIXED | (i ? MAP_SHARED : MAP_PRIVATE),
			 p->fds[held->file], (off_t)first) != area[i])
			_exit(2);
	/* Some of it is mapped before, and some by the dump. */
	*(volatile char *)area[0];
	abort();
}

/* Where in a core file the memory at an address is; 0: nowhere */
static off_t in_core(int core, uintptr_t address, size_t bytes)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	need(pread(core, &header, sizeof(header), 0) == sizeof(header), "a core file");
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		need(pread(core, &segment, sizeof(segment),
			   (off_t)(header.e_phoff + i * sizeof(segment))) == sizeof(segment),
		     "a core file");
		if (segment.p_type == PT_LOAD && segment.p_vaddr <= address &&
		    segment.p_vaddr + segment.p_filesz >= address + bytes)
			return (off_t)(segment.p_offset + address - segment.p_vaddr);
	}
	return 0;
}

static void dump_core(struct process *p, struct held *held)
{
	static uint64_t words[PIPE_BYTES / sizeof(uint64_t)];
	size_t bytes, first = part(p, held, &bytes);
	char path[PATH_MAX + 32], pattern[16] = "";
	char *area[2];
	int fd = open("/proc/sys/kernel/core_pattern", O_RDONLY), status;
	pid_t child;

	need(fd >= 0 && read(fd, pattern, sizeof(pattern) - 1) > 0, "core_pattern");
	close(fd);
	if (strcmp(pattern, "core.%p\n")) {
		lack("core dumps: core_pattern is not core.%p");
		return;
	}
	for (unsigned int i = 0; i < 2; i++) {
		area[i] = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		need(area[i] != MAP_FAILED, "mmap");
	}
	child = fork();
	need(child >= 0, "fork");
	if (!child)
		die_with_core(p, held, first, bytes, area);
	need(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WCOREDUMP(status),
	     "a core dump");
	snprintf(path, sizeof(path), "%s/core.%d", p->directory, (int)child);
	fd = open(path, O_RDONLY);
	need(fd >= 0, path);
	for (unsigned int i = 0; i < 2; i++) {
		off_t at = in_core(fd, (uintptr_t)area[i], bytes);

		need(at > 0, "the mapping in the core file");
		need(pread(fd, words, bytes, at) == (ssize_t)bytes, "pread of a core file");
		check_words(p, words, bytes, p->keys[held->file], first, "core dump");
		munmap(area[i], bytes);
	}
	close(fd);
	need(!unlink(path), path);
}

/* ------------------------------------------------------------------------
 * userfaultfd: pages are filled from a mapping
 */

static void fill_missing(struct process *p, struct held *held)
{
	size_t bytes, first = part(p, held, &bytes);
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area;
	struct uffdio_copy copy;
	char *missing;
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0) {
		lack("userfaultfd");
		return;
	}
	need(!ioctl(fd, UFFDIO_API, &api), "UFFDIO_API");
	missing = mmap(NULL, bytes, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	need(missing != MAP_FAILED, "mmap");
	area = (struct uffdio_register){
		.range = { (uintptr_t)missing, bytes }, .mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	need(!ioctl(fd, UFFDIO_REGISTER, &area), "UFFDIO_REGISTER");
	for (size_t done = 0; done < bytes; done += copy.copy > 0 ? (size_t)copy.copy : 0) {
		copy = (struct uffdio_copy){
			.dst = (uintptr_t)missing + done, .len = bytes - done,
			.src = (uintptr_t)held->memory + first + done,
		};
		need(!ioctl(fd, UFFDIO_COPY, &copy) || errno == EAGAIN, "UFFDIO_COPY");
	}
	check_words(p, missing, bytes, p->keys[held->file], first, "userfaultfd");
	munmap(missing, bytes);
	close(fd);
}

#endif /* TESTS_MAPCHECK_KERNEL_H */
