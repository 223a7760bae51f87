// SPDX-License-Identifier: GPL-2.0
/*
 * discardfault: uses page cache that the hypervisor has dropped, by ways that pass no
 * getter, and verifies what comes of it: the file's content, or an error, or (where there
 * is no other way out) zeros that nobody finds a second time. discardfault.ko does what
 * user space cannot; the hypervisor drops every volatile page at once.
 *
 *   discardfault SCENARIO FILE
 *	See the table at the end. FILE is written by it, on a file system that takes part.
 *
 * Those marked "mapped" need a module without the hook next_uptodate_page: fault-around
 * then maps pages that are volatile.
 *
 * Exit status: 0, or 1 if anything was not as it must be, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../modules/pagerace.h"
#include "discardfault-file.h"

/* The counters of a recovery come after the access that did not wait for it. */
static void expect(unsigned int which, unsigned long long least)
{
	double end = now() + PATIENCE_S;

	while (since(which) < least && now() < end)
		pause_ms(20);
	if (since(which) < least)
		complain("%s rose by %llu, expected %llu at least", counted[which],
			 since(which), least);
}

/* A mapping in which fault-around has entered all pages, as the first access does */
static uint64_t *map(int protection, int flags)
{
	uint64_t *words = mmap(NULL, PAGES * PAGE_BYTES, protection, flags, fd, 0);

	if (words == MAP_FAILED)
		die("mmap of %s", path);
	return words;
}

/* Maps all, and has page 0 recovered by that: the others are still gone. */
static uint64_t *mapped(int protection, int flags)
{
	uint64_t *words;

	drop();
	words = map(protection, flags);
	if (*word_of(words, 0) != right_word(0))
		complain("the first access to a mapping: a wrong word");
	expect(FAULTS, 1);
	for (unsigned int i = 1; i < PAGES; i++) {
		if (is_gone(i))
			return words;
	}
	errno = 0;
	die("no page is mapped and gone: was the hook left out?");
}

/* ------------------------------------------------------------------------
 * Kernel accesses by a reference
 */

static void plain(void)
{
	drop();
	for (unsigned int i = 0; i < PAGES; i++) {
		uint64_t word = help(DISCARDFAULT_PLAIN, i, NULL).word;

		if (word != right_word(i))
			complain("page %u: a load found %016" PRIx64 ", expected %016" PRIx64,
				 i, word, right_word(i));
	}
	expect(FAULTS, PAGES);
	expect(REDONE, PAGES);
	expect(REFILLED, PAGES);
	expect_none(ZEROS);
	read_all("refilled");
}

/* Here zeros are all that can be had; nobody else may find them. */
static void plain_off(void)
{
	drop();
	for (unsigned int i = 0; i < PAGES; i++) {
		uint64_t word = help(DISCARDFAULT_PLAIN_OFF, i, NULL).word;

		if (word && word != right_word(i))
			complain("page %u: a load found %016" PRIx64 ", expected 0", i, word);
	}
	expect(ZEROS, PAGES);
	read_all("after an access that found zeros");
}

static void to_user(void)
{
	drop();
	for (unsigned int i = 0; i < PAGES; i++) {
		struct discardfault fault;

		memset(page, 0xa5, PAGE_BYTES);
		fault = help(DISCARDFAULT_TO_USER, i, page);
		if (fault.result)
			complain("page %u: %lld bytes were not copied", i, (long long)fault.result);
		else
			verify(page, i, "copied to user memory");
	}
	expect(REDONE, PAGES);
	expect(REFILLED, PAGES);
	expect_none(ERRORS);
	expect_none(ZEROS);
}

/* An error at once; and soon, or who tries again would do so for ever, the content. */
static void to_user_atomic(void)
{
	drop();
	for (unsigned int i = 0; i < PAGES; i++) {
		double end = now() + PATIENCE_S;
		struct discardfault fault;

		page[0] = 0;
		fault = help(DISCARDFAULT_TO_USER_ATOMIC, i, page);
		if (!fault.result)
			complain("page %u: copied with page faults disabled", i);
		while (fault.result && now() < end) {
			pause_ms(10);
			if (!help(DISCARDFAULT_STATE, i, NULL).address)
				break;	/* it left the cache */
			fault = help(DISCARDFAULT_TO_USER_ATOMIC, i, page);
			if (!fault.result)
				verify(page, i, "copied when it was tried again");
		}
		if (now() >= end)
			complain("page %u: is not recovered", i);
	}
	expect(ERRORS, PAGES);
	expect_none(ZEROS);
	read_all("after copies with page faults disabled");
}

static void nofault(void)
{
	drop();
	for (unsigned int i = 0; i < PAGES; i++) {
		struct discardfault fault = help(DISCARDFAULT_NOFAULT, i, page);

		if (fault.result != -EFAULT)
			complain("page %u: copy_from_kernel_nofault() gave %lld, expected %d", i,
				 (long long)fault.result, -EFAULT);
	}
	expect(ERRORS, PAGES);
	expect_none(ZEROS);
	read_all("after copy_from_kernel_nofault()");
}

/*
 * Compaction without its hook: it copies with the folio locked, which the recovery needs,
 * so it copies zeros in the end, after seconds. The copy is then not uptodate, either.
 */
#define MOVED	4U

static void moved(void)
{
	struct pagerace race = { .count = MOVED };
	int other = open("/dev/pagerace", O_RDWR | O_CLOEXEC);

	if (other < 0)
		die("/dev/pagerace");
	drop();
	race.fd = fd;
	if (ioctl(other, PAGERACE_MIGRATE, &race))
		die("migration of %s", path);
	close(other);
	if (race.done != MOVED)
		complain("%llu pages of %u were moved", (unsigned long long)race.done, MOVED);
	expect(FAULTS, MOVED);
	read_all("moved");
}

/* ------------------------------------------------------------------------
 * /proc/kcore
 */

static off_t kcore_offset(int kcore, uint64_t address)
{
	Elf64_Ehdr header;
	Elf64_Phdr segment;

	if (pread(kcore, &header, sizeof(header), 0) != sizeof(header))
		die("the header of /proc/kcore");
	for (unsigned int i = 0; i < header.e_phnum; i++) {
		off_t at = (off_t)(header.e_phoff + i * sizeof(segment));

		if (pread(kcore, &segment, sizeof(segment), at) != sizeof(segment))
			die("segment %u of /proc/kcore", i);
		if (segment.p_type == PT_LOAD && address >= segment.p_vaddr &&
		    address - segment.p_vaddr < segment.p_memsz)
			return (off_t)(segment.p_offset + address - segment.p_vaddr);
	}
	errno = ENOENT;
	die("%#" PRIx64 " in /proc/kcore", address);
}

static void kcore(void)
{
	int kcore_fd = open("/proc/kcore", O_RDONLY | O_CLOEXEC);

	if (kcore_fd < 0)
		die("/proc/kcore");
	drop();
	for (unsigned int i = 0; i < PAGES; i++) {
		struct discardfault fault = help(DISCARDFAULT_STATE, i, NULL);
		ssize_t got;

		memset(page, 0xa5, PAGE_BYTES);
		got = pread(kcore_fd, page, PAGE_BYTES,
			    kcore_offset(kcore_fd, fault.kernel_address));
		if (got < 0 && errno != EFAULT)
			complain("page %u: /proc/kcore gave %s", i, strerrorname_np(errno));
		if (got > 0 && page[1] && page[1] != right_word(i))
			complain("page %u: /proc/kcore has %016" PRIx64, i, page[1]);
	}
	close(kcore_fd);
	expect(ERRORS, PAGES);
	expect_none(ZEROS);
	read_all("after /proc/kcore");
}

/* ------------------------------------------------------------------------
 * Mapped
 */

static void user(void)
{
	uint64_t *words = mapped(PROT_READ, MAP_SHARED);

	for (unsigned int i = 0; i < PAGES; i++)
		verify(words + i * PAGE_WORDS, i, "a mapping");
	/* Evicted, or refilled where unmapping left a reference in a CPU's LRU batch. */
	expect(REDONE, 1);
	expect_none(LOST);
	expect_none(ZEROS);
	expect_none(ERRORS);
	read_all("after a mapping");
	munmap(words, PAGES * PAGE_BYTES);
}

/* The kernel copies a page of the mapping for who writes to it. */
static void user_cow(void)
{
	uint64_t *words = mapped(PROT_READ | PROT_WRITE, MAP_PRIVATE);

	for (unsigned int i = 1; i < PAGES; i++) {
		volatile uint64_t *word = word_of(words, i);

		*(word - 1) = pattern_word(KEY, i * PAGE_BYTES);
	}
	for (unsigned int i = 0; i < PAGES; i++)
		verify(words + i * PAGE_WORDS, i, "a private copy");
	expect_none(ZEROS);
	read_all("after private copies");
	munmap(words, PAGES * PAGE_BYTES);
}

/* Written to while it is gone: the write is on the disk, or fsync() says that it is not. */
static void user_store(void)
{
	uint64_t *words = mapped(PROT_READ | PROT_WRITE, MAP_SHARED);
	int error;

	for (unsigned int i = 1; i < PAGES; i++)
		*word_of(words, i) = right_word(i);
	for (unsigned int i = 0; i < PAGES; i++)
		verify(words + i * PAGE_WORDS, i, "a mapping that is written to");
	error = fsync(fd) ? errno : 0;
	if (error && error != EIO)
		die("fsync of %s", path);
	if (since(LOST) && !error)
		complain("%llu pages were lost and fsync() says nothing", since(LOST));
	munmap(words, PAGES * PAGE_BYTES);
	posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	read_all("on the disk");
	expect_none(ZEROS);
}

/* write() from the mapping */
static void from_user(void)
{
	uint64_t *words = mapped(PROT_READ, MAP_SHARED);
	int pipes[2];

	if (pipe(pipes))
		die("pipe");
	for (unsigned int i = 1; i < PAGES; i++) {
		if (write(pipes[1], words + i * PAGE_WORDS, PAGE_BYTES) != (ssize_t)PAGE_BYTES ||
		    read(pipes[0], page, PAGE_BYTES) != (ssize_t)PAGE_BYTES)
			die("a pipe");
		verify(page, i, "written from a mapping");
	}
	expect(REDONE, 2);
	expect_none(ZEROS);
	expect_none(ERRORS);
	munmap(words, PAGES * PAGE_BYTES);
}

static void from_user_atomic(void)
{
	uint64_t *words = mapped(PROT_READ, MAP_SHARED);
	unsigned int refused = 0;

	for (unsigned int i = 1; i < PAGES; i++) {
		const uint64_t *from = words + i * PAGE_WORDS;

		refused += !!help(DISCARDFAULT_FROM_USER_ATOMIC, 0, from).result;
	}
	if (!refused)
		complain("no copy with page faults disabled failed");
	for (unsigned int i = 0; i < PAGES; i++)
		verify(words + i * PAGE_WORDS, i, "a mapping, after copies");
	expect(ERRORS, 1);
	expect_none(ZEROS);
	munmap(words, PAGES * PAGE_BYTES);
}

/* ------------------------------------------------------------------------
 * Inside a kprobe, which fetches a string from the mapping
 */

static void trace_write(const char *name, const char *text)
{
	char file[200];
	int file_fd;

	snprintf(file, sizeof(file), "/sys/kernel/tracing/%s", name);
	file_fd = open(file, O_WRONLY | O_CLOEXEC | (*text ? O_APPEND : O_TRUNC));
	if (file_fd < 0 || write(file_fd, text, strlen(text)) < 0)
		die("%s", file);
	close(file_fd);
}

static unsigned int trace_lines(const char *text)
{
	FILE *file = fopen("/sys/kernel/tracing/trace", "r");
	unsigned int found = 0;
	char line[8192];

	if (!file)
		die("the trace");
	while (fgets(line, sizeof(line), file))
		found += strstr(line, text) && strstr(line, "(fault)");
	fclose(file);
	return found;
}

static void kprobe(void)
{
	uint64_t *words = mapped(PROT_READ, MAP_SHARED);

	trace_write("kprobe_events", "p:discardfault do_sys_openat2 name=+0(%r3):ustring\n");
	trace_write("events/kprobes/discardfault/enable", "1");
	for (unsigned int i = 1; i < PAGES; i++) {
		if (open((char *)(words + i * PAGE_WORDS), O_RDONLY) >= 0 ||
		    (errno != ENOENT && errno != ENAMETOOLONG && errno != EFAULT))
			complain("page %u: opened as a name: %s", i, strerrorname_np(errno));
	}
	trace_write("events/kprobes/discardfault/enable", "0");
	if (!trace_lines("discardfault:"))
		complain("no probe was at a page that is gone");
	trace_write("kprobe_events", "-:discardfault\n");
	for (unsigned int i = 0; i < PAGES; i++)
		verify(words + i * PAGE_WORDS, i, "a mapping, after kprobes");
	expect(ERRORS, 1);
	expect_none(ZEROS);
	munmap(words, PAGES * PAGE_BYTES);
}

/* ------------------------------------------------------------------------
 * Two CPUs
 */

static uint64_t *shared_words;
static atomic_uint arrived;

static void meet(unsigned int nr)
{
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < nr)
		;
}

static void use_all(int cpu)
{
	pin(cpu);
	for (unsigned int i = 1; i < PAGES; i++) {
		meet(2 * i);
		verify(shared_words + i * PAGE_WORDS, i, "one of two CPUs");
	}
}

static void *other_cpu(void *unused)
{
	(void)unused;
	use_all(1);
	return NULL;
}

static void two_cpus(void)
{
	pthread_t thread;

	shared_words = mapped(PROT_READ, MAP_SHARED);
	if (pthread_create(&thread, NULL, other_cpu, NULL))
		die("a thread");
	use_all(0);
	pthread_join(thread, NULL);
	/* Page 0's and two of the first that they met at, at least */
	expect(FAULTS, 3);
	expect_none(ZEROS);
	expect_none(ERRORS);
	munmap(shared_words, PAGES * PAGE_BYTES);
}

/* Again and again, in opposite orders */
#define ROUNDS	15

static void *backwards(void *unused)
{
	(void)unused;
	pin(1);
	for (unsigned int i = PAGES; i-- > 0; )
		verify(shared_words + i * PAGE_WORDS, i, "a mapping, backwards");
	return NULL;
}

static void around(void)
{
	unsigned long long faults = 0;
	pthread_t thread;

	pin(0);
	for (unsigned int round = 0; round < ROUNDS && !atomic_load(&wrong); round++) {
		drop();
		shared_words = map(PROT_READ, MAP_SHARED);
		if (pthread_create(&thread, NULL, backwards, NULL))
			die("a thread");
		for (unsigned int i = 0; i < PAGES; i++)
			verify(shared_words + i * PAGE_WORDS, i, "a mapping");
		pthread_join(thread, NULL);
		munmap(shared_words, PAGES * PAGE_BYTES);
		read_all("after a mapping");
		faults += since(FAULTS);
		expect_none(ZEROS);
		expect_none(ERRORS);
		expect_none(LOST);
	}
	if (faults < 5 * ROUNDS)
		complain("%llu accesses were interrupted, expected %u", faults, 5 * ROUNDS);
}

/*
 * The module waits between the interruption and what it does (delay_at=discard_fault);
 * meanwhile the page goes, and its frame is somebody else's memory.
 */
#define REUSE_BYTES	(64UL << 20)

static void *reuse(void *unused)
{
	double end = now() + PATIENCE_S;
	uint64_t *memory;

	(void)unused;
	pin(1);
	meet(2);
	/* Until the other CPU is in the handler, which counts before it is delayed */
	while (since(FAULTS) < 2 && now() < end)
		pause_ms(5);
	if (fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, PAGE_BYTES,
		      (PAGES - 1) * PAGE_BYTES))
		die("a hole in %s", path);
	memory = mmap(NULL, REUSE_BYTES, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		die("memory");
	pattern_fill(memory, REUSE_BYTES, KEY + 1, 0);
	return memory;
}

static void reused(void)
{
	uint64_t *words = mapped(PROT_READ, MAP_SHARED), word;
	unsigned int index = PAGES - 1;
	pthread_t thread;
	void *memory;

	while (!is_gone(index))
		index--;
	if (pthread_create(&thread, NULL, reuse, NULL))
		die("a thread");
	pin(0);
	meet(2);
	word = *word_of(words, index);
	if (word)
		complain("a hole has %016" PRIx64, word);
	pthread_join(thread, &memory);
	if (pattern_verify(memory, REUSE_BYTES, KEY + 1, 0, "memory that took the frame"))
		atomic_fetch_add(&wrong, 1);
	munmap(memory, REUSE_BYTES);
	munmap(words, PAGES * PAGE_BYTES);
	expect(FAULTS, 2);
	expect_none(ZEROS);
	expect_none(ERRORS);
}

/* ------------------------------------------------------------------------ */

static const struct scenario scenarios[] = {
	{ "plain", plain },
	{ "plain_off", plain_off },
	{ "to_user", to_user },
	{ "to_user_atomic", to_user_atomic },
	{ "nofault", nofault },
	{ "kcore", kcore },
	{ "moved", moved },			/* without the hook folio_migrate_mapping */
	{ "user", user },			/* mapped, from here on */
	{ "user_cow", user_cow },
	{ "user_store", user_store },
	{ "from_user", from_user },
	{ "from_user_atomic", from_user_atomic },
	{ "kprobe", kprobe },
	{ "two_cpus", two_cpus },
	{ "around", around },
	{ "reused", reused },
};

static void tell(const char *scenario)
{
	(void)scenario;
	for (unsigned int which = 0; which < NR_COUNTED; which++) {
		if (since(which))
			printf(" %s %llu,", counted[which] + strlen("nr_discard_"), since(which));
	}
}

int main(int argc, char **argv)
{
	return run_scenario(argc, argv, scenarios, sizeof(scenarios) / sizeof(*scenarios), tell);
}
