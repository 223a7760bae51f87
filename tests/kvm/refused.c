// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that host/kvm must not drop: each kind is hinted as unused and as volatile,
 * stays as it is, and is counted under its own name.
 */
#define _GNU_SOURCE
#include <pagehint.h>

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "tests.h"

#define GPA	(256 * MIB)
#define BYTES	(64 * PAGE_BYTES)
#define PAGES	64

static int new_file(const char *path, size_t bytes)
{
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	check(fd >= 0 && !ftruncate(fd, (off_t)bytes), "%s: %m", path);
	return fd;
}

static void *map(int fd, size_t bytes, int protection, int flags)
{
	/* One piece of work: it crosses no border. */
	void *memory = mmap(reserve(bytes), bytes, protection, flags | MAP_FIXED, fd, 0);

	check(memory != MAP_FAILED, "mmap of %zu bytes: %m", bytes);
	return memory;
}

/* Each returns memory of a kind that is refused. */

/* The file's content would come back. */
static void *private_file(void)
{
	int fd = new_file("/tmp/private", BYTES);
	char page[PAGE_BYTES];

	memset(page, 'f', sizeof(page));
	for (int i = 0; i < PAGES; i++)
		check(write(fd, page, sizeof(page)) == (ssize_t)sizeof(page), "write: %m");
	return map(fd, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

static void *private_zero(void)
{
	int fd = open("/dev/zero", O_RDWR | O_CLOEXEC);

	check(fd >= 0, "/dev/zero: %m");
	return map(fd, BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE);
}

/* A file system on which a hole would be a hole in somebody's file */
static void *shared_file(void)
{
	mkdir("/tmp/ramfs", 0700);
	check(!mount("ramfs", "/tmp/ramfs", "ramfs", 0, NULL), "mount of a ramfs: %m");
	return map(new_file("/tmp/ramfs/file", BYTES), BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static void *hugetlb(void)
{
	write_file("/proc/sys/vm/nr_hugepages", "4");
	return map(-1, HUGE_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB);
}

static void *userfault(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	uint8_t *memory = anonymous(BYTES);
	struct uffdio_register range = {
		.range = { .start = (uintptr_t)memory, .len = BYTES },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};
	int fd = (int)syscall(SYS_userfaultfd, O_CLOEXEC);

	/* All pages are there before: nobody answers faults. */
	memset(memory, 1, BYTES);
	check(fd >= 0 && !ioctl(fd, UFFDIO_API, &api) && !ioctl(fd, UFFDIO_REGISTER, &range),
	      "userfaultfd: %m");
	return memory;
}

static void *locked(void)
{
	void *memory = anonymous(BYTES);

	check(!mlock(memory, BYTES), "mlock: %m");
	return memory;
}

/* Memory of a device: the BIOS */
static void *device(void)
{
	int fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	void *memory;

	check(fd >= 0, "/dev/mem: %m");
	memory = mmap(NULL, BYTES / 4, PROT_READ, MAP_SHARED, fd, 0xf0000);
	check(memory != MAP_FAILED, "mmap of the BIOS: %m");
	return memory;
}

static void *nothing(void)
{
	uint8_t *memory = anonymous(BYTES);

	check(!munmap(memory, BYTES), "munmap: %m");
	return memory;
}

static void *memfd(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);

	check(fd >= 0 && !ftruncate(fd, BYTES), "memfd: %m");
	return map(fd, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
}

static void *anonymous_shared(void)
{
	return map(-1, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS);
}

/* With shared=1: nobody may write to the file any more */
static void *sealed(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC | MFD_ALLOW_SEALING);
	uint8_t *memory;

	check(fd >= 0 && !ftruncate(fd, BYTES), "memfd: %m");
	memory = map(fd, BYTES, PROT_READ | PROT_WRITE, MAP_SHARED);
	check(!fcntl(fd, F_ADD_SEALS, F_SEAL_FUTURE_WRITE), "F_SEAL_FUTURE_WRITE: %m");
	return memory;
}

static void *shared_read_only(void)
{
	int fd = memfd_create("guest", MFD_CLOEXEC);
	char name[64];

	check(fd >= 0 && !ftruncate(fd, BYTES), "memfd: %m");
	snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	check(fd >= 0, "%s: %m", name);
	return map(fd, BYTES, PROT_READ, MAP_SHARED);
}

/*
 * @counter: under which its frames are counted
 * @pages: of it that are hinted
 * @fills: the guest can write there
 * @shared: of the module's parameter
 */
struct kind {
	const char *name;
	void *(*make)(void);
	const char *counter;
	uint64_t pages;
	bool fills;
	bool shared;
};

static const struct kind kinds[] = {
	{ "a private mapping of a file", private_file, "nr_refused_file", PAGES, true, true },
	{ "/dev/zero, private", private_zero, "nr_refused_file", PAGES, true, true },
	{ "a file on a ramfs", shared_file, "nr_refused_file", PAGES, true, true },
	{ "a memfd mapped read-only", shared_read_only, "nr_refused_file", PAGES, false, true },
	{ "hugetlb", hugetlb, "nr_refused_hugetlb", 512, true, true },
	{ "userfaultfd", userfault, "nr_refused_userfaultfd", PAGES, true, true },
	{ "device memory", device, "nr_refused_special", PAGES / 4, false, true },
	{ "no mapping", nothing, "nr_refused_unmapped", PAGES, false, true },
	{ "a memfd without shared=1", memfd, "nr_refused_shared", PAGES, true, false },
	{ "shared anonymous memory without shared=1", anonymous_shared, "nr_refused_shared",
	  PAGES, true, false },
	{ "a sealed memfd", sealed, "nr_drop_errors", PAGES, true, true },
	/* Counts for all memory of the VMM: last. */
	{ "locked memory", locked, "nr_refused_pinned", PAGES, true, true },
};

/* An error of one call counts once, a refused frame as a frame. */
static uint64_t expected(const struct kind *kind)
{
	return strcmp(kind->counter, "nr_drop_errors") ? kind->pages : 1;
}

static void try_kind(const struct kind *kind)
{
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	uint8_t *memory;
	uint64_t cookie, before;

	set_parameter("shared", kind->shared ? "1" : "0");
	memory = kind->make();
	machine_open(&machine, 2);
	machine_slot(&machine, 1, GPA, memory, kind->pages * PAGE_BYTES, 0);
	cookie = call_cookie(vcpu);
	if (kind->fills)
		vcpu_fill(vcpu, GPA, kind->pages, 1);
	call_unused(vcpu, cookie, GPA, kind->pages);
	check(counter(kind->counter) == expected(kind),
	      "%s, unused: expected %s to be %llu, found %llu",
	      kind->name, kind->counter, (unsigned long long)expected(kind),
	      (unsigned long long)counter(kind->counter));
	check(!counter("nr_dropped_unused"), "%s: dropped", kind->name);

	/* Reclaim meets it too, and says that it is there. */
	before = counter(kind->counter);
	call_volatile(vcpu, cookie, GPA, kind->pages);
	vcpu_start(&machine.vcpus[1]);
	for (double deadline = now() + 60; counter(kind->counter) == before; usleep(20000)) {
		check(now() < deadline, "%s: reclaim did not come by in a minute", kind->name);
		reclaim_slab();
	}
	vcpu_stop(&machine.vcpus[1]);
	check(!counter("nr_dropped_volatile"), "%s: dropped", kind->name);
	call_expect(vcpu, cookie, GPA, kind->pages, strcmp(kind->counter, "nr_drop_errors") ?
		    PAGEHINT_HC_RESULT_KEPT : PAGEHINT_HC_RESULT_DISCARDED);
	if (kind->fills)
		vcpu_check(vcpu, GPA, kind->pages, 1, kind->name);
	printf("  %-42s %s\n", kind->name, kind->counter);
	machine_close(&machine);
}

/* In a read-only slot and in one of which only a part is there, the guest is told. */
static void try_slots(void)
{
	uint8_t *memory = anonymous(2 * BYTES);
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	int64_t ret;

	machine_open(&machine, 1);
	memset(memory, 5, 2 * BYTES);
	machine_slot(&machine, 1, GPA, memory, BYTES, KVM_MEM_READONLY);
	machine_slot(&machine, 2, GPA + BYTES, memory + BYTES, BYTES, 0);
	for (uint64_t first = PAGES - 1; first < 2 * PAGES; first += PAGES) {
		for (int state = PAGEHINT_UNUSED; state <= PAGEHINT_VOLATILE; state += 2) {
			ret = call_state(vcpu, call_cookie(vcpu), GPA + first * PAGE_BYTES, 2,
					 (uint8_t)state);
			check(ret == -PAGEHINT_HC_EFAULT, "frame %llu: expected -14, found %lld",
			      (unsigned long long)first, (long long)ret);
		}
	}
	for (size_t i = 0; i < 2 * BYTES; i++)
		check(memory[i] == 5, "memory was touched at %#zx", i);
	printf("  %-42s the call is refused\n", "read-only slots, ends of slots");
	machine_close(&machine);
}

/* Shared memory, where the administrator says so: both kinds come back. */
static void try_shared(void)
{
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	uint8_t *memory = memfd();
	uint64_t cookie;

	set_parameter("shared", "1");
	machine_open(&machine, 2);
	machine_slot(&machine, 1, GPA, memory, BYTES, 0);
	cookie = call_cookie(vcpu);
	vcpu_fill(vcpu, GPA, PAGES, 1);
	call_unused(vcpu, cookie, GPA + PAGE_BYTES, PAGES / 2);
	check(resident_kib(memory, BYTES) == BYTES / 2048, "%zu KiB resident",
	      resident_kib(memory, BYTES));
	call_volatile(vcpu, cookie, GPA + (PAGES / 2 + 1) * PAGE_BYTES, PAGES / 4);
	vcpu_start(&machine.vcpus[1]);
	reclaim_volatile(PAGES / 4);
	vcpu_stop(&machine.vcpus[1]);
	check(resident_kib(memory, BYTES) == BYTES / 4096, "%zu KiB resident",
	      resident_kib(memory, BYTES));
	vcpu_check_zero(vcpu, GPA + PAGE_BYTES, PAGES / 4 * 3, "dropped");
	vcpu_check(vcpu, GPA, 1, 1, "before the range");
	vcpu_check(vcpu, GPA + (PAGES / 4 * 3 + 1) * PAGE_BYTES, PAGES / 4 - 1, 1, "after it");
	printf("  %-42s dropped\n", "a memfd with shared=1");
	machine_close(&machine);
}

void test_refused(unsigned int scale)
{
	(void)scale;
	try_slots();
	try_shared();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		try_kind(&kinds[i]);
	set_parameter("shared", "0");
	printf("%zu kinds of memory refused, each under its own counter\n",
	       sizeof(kinds) / sizeof(kinds[0]) + 1);
}
