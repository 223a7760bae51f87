// SPDX-License-Identifier: GPL-2.0
/*
 * The host's memory is really short: a process takes more than there is, and what
 * is volatile in the guest goes before anybody is killed.
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

static size_t available_kib(void)
{
	FILE *file = fopen("/proc/meminfo", "re");
	char line[128];
	size_t kib = 0;

	check(file, "/proc/meminfo: %m");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "MemAvailable: %zu", &kib) == 1)
			break;
	}
	fclose(file);
	return kib;
}

/* Takes a MiB at a time, for as long as the other end of the pipe is open. */
static void __attribute__((noreturn)) hog(int in, size_t most)
{
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (size_t taken = 0; read(in, &byte, 1) == 1; taken += MIB) {
		void *memory;

		if (taken >= most)
			continue;
		memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS |
			      MAP_POPULATE, -1, 0);
		if (memory != MAP_FAILED)
			memset(memory, 1, MIB);
	}
	_exit(0);
}

/*
 * The hog takes what was available and half of what is volatile: if that is not
 * given up, the kernel has to kill the hog, which fails the case.
 */
void test_pressure(unsigned int scale)
{
	const size_t bytes = 64 * MIB * scale, pages = bytes / PAGE_BYTES;
	uint8_t *memory = anonymous(bytes);
	const double deadline = now() + 240;
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	size_t most, before, after, taken = 0;
	uint64_t cookie, dropped = 0;
	int pipes[2], status;
	pid_t child;

	machine_open(&machine, 2);
	machine_slot(&machine, 1, GPA, memory, bytes, 0);
	cookie = call_cookie(vcpu);
	/* By the VMM: the guest's faults are slow here. */
	for (size_t i = 0; i < bytes; i += 8)
		*(uint64_t *)(memory + i) = pattern(GPA + i, 1);
	call_volatile(vcpu, cookie, GPA, pages);
	before = resident_kib(memory, bytes);
	most = available_kib() * 1024 + bytes / 2;
	vcpu_start(&machine.vcpus[1]);

	check(!pipe(pipes), "pipe: %m");
	child = fork();
	check(child >= 0, "fork: %m");
	if (!child) {
		close(pipes[1]);
		hog(pipes[0], most);
	}
	close(pipes[0]);
	signal(SIGPIPE, SIG_IGN);
	while (taken < most && now() < deadline) {
		if (write(pipes[1], "", 1) != 1)
			break;
		taken += MIB;
		/* It takes one at a time: the pipe must not run ahead of it. */
		usleep(1000);
		dropped = counter("nr_dropped_volatile");
	}
	for (int i = 0; i < 50 && dropped * PAGE_BYTES < bytes / 4; i++) {
		usleep(100000);
		dropped = counter("nr_dropped_volatile");
	}
	after = resident_kib(memory, bytes);
	vcpu_stop(&machine.vcpus[1]);
	close(pipes[1]);
	check(waitpid(child, &status, 0) == child && WIFEXITED(status),
	      "the process that took %zu MiB was killed; of %zu volatile frames %llu were dropped",
	      taken / MIB, pages, (unsigned long long)dropped);
	printf("a process took %zu MiB: volatile %zu KiB before, %zu after; %llu frames dropped\n",
	       taken / MIB, before, after, (unsigned long long)dropped);
	check(dropped, "nothing was dropped");
	/* Page by page: kept and right, or discarded */
	for (size_t i = 0; i < pages; i += 61) {
		uint8_t result;

		check(call_stable(vcpu, cookie, GPA + i * PAGE_BYTES, 1, &result) == 1,
		      "MAKE_STABLE of page %zu", i);
		if (result == PAGEHINT_HC_RESULT_KEPT)
			vcpu_check(vcpu, GPA + i * PAGE_BYTES, 1, 1, "kept under pressure");
	}
	machine_close(&machine);
}
