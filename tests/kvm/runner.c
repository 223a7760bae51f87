// SPDX-License-Identifier: GPL-2.0
/*
 * vCPUs that run in threads of their own, and reclaim that a test asks for.
 */
#define _GNU_SOURCE
#include "vmm.h"

#include <pthread.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

static void *run(void *context)
{
	vcpu_obey(context, UINT64_MAX);
	return NULL;
}

/* Carries the orders out until vcpu_stop(); no orders: it spins. */
void vcpu_start(struct vcpu *vcpu)
{
	vcpu->orders->stop = 0;
	check(!pthread_create(&vcpu->thread, NULL, run, vcpu), "pthread_create: %m");
	vcpu_wait_rounds(vcpu, 1);
}

void vcpu_stop(struct vcpu *vcpu)
{
	*(volatile uint64_t *)&vcpu->orders->stop = 1;
	check(!pthread_join(vcpu->thread, NULL), "pthread_join: %m");
	vcpu->orders->stop = 0;
}

/* Until it went through its orders so many times, since its start */
void vcpu_wait_rounds(struct vcpu *vcpu, uint64_t rounds)
{
	const double deadline = now() + 360;

	while (*(volatile uint64_t *)&vcpu->orders->done < rounds) {
		check(now() < deadline, "a vCPU did not get to round %llu in six minutes",
		      (unsigned long long)rounds);
		usleep(1000);
	}
}

double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* Every shrinker of the host is asked for all that it has. */
void reclaim_slab(void)
{
	write_file("/proc/sys/vm/drop_caches", "2");
}

/*
 * Until so many volatile frames of the VM were dropped; a vCPU must run. Reclaim only asks,
 * and what cannot be had at the moment it does not get: so it asks again.
 */
void reclaim_volatile(uint64_t frames)
{
	const double deadline = now() + 180;

	while (counter("nr_dropped_volatile") < frames) {
		check(now() < deadline,
		      "of %llu volatile frames only %llu were dropped in three minutes",
		      (unsigned long long)frames,
		      (unsigned long long)counter("nr_dropped_volatile"));
		reclaim_slab();
		usleep(20000);
	}
}
