// SPDX-License-Identifier: GPL-2.0
/*
 * The host's memory is really short: a process takes more than there is, and all
 * that is volatile in the guest goes before anybody is killed.
 */
#define _GNU_SOURCE
#include <pagehint.h>

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests.h"

#define GPA	(256 * MIB)

static size_t number_of(const char *path, const char *name)
{
	FILE *file = fopen(path, "re");
	char line[128], found[64];
	size_t value;

	check(file, "%s: %m", path);
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%63s %zu", found, &value) == 2 && !strcmp(found, name)) {
			fclose(file);
			return value;
		}
	}
	fail("%s has no %s", path, name);
}

/* Takes a MiB for each byte that it gets, and answers with one. */
static void __attribute__((noreturn)) hog(int in, int out, size_t most)
{
	uint8_t *memory = mmap(NULL, most, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	char byte = 1;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	/* Whom the kernel would kill first, whoever is larger */
	write_file("/proc/self/oom_score_adj", "1000");
	for (size_t taken = 0; taken < most && memory != MAP_FAILED; taken += MIB) {
		if (read(in, &byte, 1) != 1)
			break;
		memset(memory + taken, 1, MIB);
		if (write(out, &byte, 1) != 1)
			break;
	}
	_exit(0);
}

/*
 * The child takes memory until nearly all that is volatile was dropped (it is dropped as it is
 * needed, and the last of it may be gone in the moment when nobody looks), and three quarters as
 * much as was volatile since the first was dropped: so it is not only counted.
 */
static size_t take_all(size_t pages, size_t most, pid_t *child)
{
	int to[2], from[2];
	const size_t enough = pages - pages / 32;
	size_t taken = 0, before = 0;
	uint64_t dropped;
	char byte = 1;

	signal(SIGPIPE, SIG_IGN);
	check(!pipe(to) && !pipe(from), "pipe: %m");
	*child = fork();
	check(*child >= 0, "fork: %m");
	if (!*child) {
		close(to[1]);
		close(from[0]);
		hog(to[0], from[1], most);
	}
	close(to[0]);
	close(from[1]);
	while (taken < most) {
		if (write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1)
			break;
		taken += MIB;
		dropped = counter("nr_dropped_volatile");
		if (!dropped)
			before = taken;
		if (dropped >= enough && taken - before >= pages * PAGE_BYTES * 3 / 4)
			break;
	}
	close(to[1]);
	close(from[0]);
	return taken;
}

void test_pressure(unsigned int scale)
{
	const size_t bytes = 64 * MIB * scale, pages = bytes / PAGE_BYTES;
	const size_t kills = number_of("/proc/vmstat", "oom_kill");
	uint8_t *memory = anonymous(bytes);
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	size_t before, after, taken, kept = 0;
	uint64_t cookie, dropped;
	double start;
	int status;
	pid_t child;

	machine_open(&machine, 2);
	machine_slot(&machine, 1, GPA, memory, bytes, 0);
	cookie = call_cookie(vcpu);
	/* By the VMM: the guest's faults are slow here. */
	for (size_t i = 0; i < bytes; i += 8)
		*(uint64_t *)(memory + i) = pattern(GPA + i, 1);
	call_volatile(vcpu, cookie, GPA, pages);
	before = resident_kib(memory, bytes);
	vcpu_start(&machine.vcpus[1]);
	start = now();
	taken = take_all(pages, number_of("/proc/meminfo", "MemTotal:") * 1024, &child);
	dropped = counter("nr_dropped_volatile");
	after = resident_kib(memory, bytes);
	vcpu_stop(&machine.vcpus[1]);
	check(waitpid(child, &status, 0) == child, "waitpid: %m");
	check(WIFEXITED(status) && number_of("/proc/vmstat", "oom_kill") == kills,
	      "killed after %.1f seconds and %zu MiB; of %zu frames %llu dropped, %llu times not now",
	      now() - start, taken / MIB, pages, (unsigned long long)dropped,
	      (unsigned long long)counter("nr_reclaim_not_now"));
	/* Page by page: kept and right, or discarded */
	for (size_t i = 0; i < pages; i += 61) {
		uint8_t result;

		check(call_stable(vcpu, cookie, GPA + i * PAGE_BYTES, 1, &result) == 1,
		      "MAKE_STABLE of page %zu", i);
		if (result != PAGEHINT_HC_RESULT_KEPT)
			continue;
		kept++;
		vcpu_check(vcpu, GPA + i * PAGE_BYTES, 1, 1, "kept under pressure");
	}
	printf("a process took %zu MiB, nobody was killed: ", taken / MIB);
	printf("%zu KiB volatile, before %zu KiB, after %zu KiB: %zu %% came back\n",
	       bytes / 1024, before, after, (before - after) * 100 / before);
	check((before - after) * 100 >= before * 95, "less than 95 %% came back");
	check(kept <= (pages - dropped) && pages >= dropped, "%zu pages are kept", kept);
	machine_close(&machine);
}
