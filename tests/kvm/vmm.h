/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A tiny VMM over the KVM API, to test the host's module with a guest that says
 * exactly what a test wants it to say.
 *
 * Anything unexpected ends the program with status 1 and a sentence: see check().
 */
#ifndef _VMM_H
#define _VMM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "orders.h"

#define MIB		(1UL << 20)
#define MAX_VCPUS	4

/* Slot 0 of every machine, at address 0 */
#define LOW_BYTES	(4 * MIB)
#define LOW_CODE	0x10000
#define LOW_ORDERS	0x20000		/* a page for each vCPU */
#define LOW_ENTRIES	0x30000		/* the same */
#define LOW_STACKS	0x50000		/* of the first; the others' below */
#define LOW_RAW		0x60000		/* code of vcpu_raw_call() */
#define LOW_SPARE	0x100000	/* for tests: answers, odd places */

struct machine;

struct vcpu {
	struct machine *machine;
	int fd;
	struct kvm_run *run;
	struct orders *orders;
	unsigned int nr_orders;
	struct pagehint_hc_entry *entries;
	uint64_t entries_gpa;
	pthread_t thread;		/* runner.c */
};

struct machine {
	int kvm;
	int vm;
	uint8_t *low;
	unsigned int nr_vcpus;
	struct vcpu vcpus[MAX_VCPUS];
};

/* guest.c; the section's ends are the linker's */
void guest_main(struct orders *orders);
extern const uint8_t __start_guest[], __stop_guest[];

/* machine.c */
void machine_open(struct machine *machine, unsigned int nr_vcpus);
void machine_close(struct machine *machine);
int machine_try_slot(struct machine *machine, unsigned int slot, uint64_t gpa, void *memory,
		     size_t bytes, uint32_t flags);
void machine_slot(struct machine *machine, unsigned int slot, uint64_t gpa, void *memory,
		  size_t bytes, uint32_t flags);
void machine_no_slot(struct machine *machine, unsigned int slot);
void machine_dirty_log(struct machine *machine, struct kvm_dirty_log *log);
void vcpu_run(struct vcpu *vcpu);
void vcpu_order(struct vcpu *vcpu, enum what what, uint64_t a, uint64_t b, uint64_t c,
		uint64_t d, uint64_t e);
void vcpu_obey(struct vcpu *vcpu, uint64_t rounds);
uint64_t vcpu_do(struct vcpu *vcpu, enum what what, uint64_t a, uint64_t b, uint64_t c);
void vcpu_fill(struct vcpu *vcpu, uint64_t gpa, uint64_t pages, uint64_t seed);
void vcpu_check(struct vcpu *vcpu, uint64_t gpa, uint64_t pages, uint64_t seed,
		const char *what);
void vcpu_check_zero(struct vcpu *vcpu, uint64_t gpa, uint64_t pages, const char *what);
void vcpu_get_mpstate(struct vcpu *vcpu);
void vcpu_set_mpstate(struct vcpu *vcpu);

/* runner.c */
void vcpu_start(struct vcpu *vcpu);
void vcpu_stop(struct vcpu *vcpu);
void vcpu_wait_rounds(struct vcpu *vcpu, uint64_t rounds);
double now(void);
void reclaim_slab(void);
void reclaim_volatile(uint64_t frames);

/* calls.c: pagehint's calls, well-formed */
struct pagehint_hc_query;
struct pagehint_hc_entry;
int64_t call_raw(struct vcpu *vcpu, uint64_t b, uint64_t c, uint64_t d, uint64_t si);
void call_unused(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages);
void call_volatile(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages);
void call_expect(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages,
		 uint8_t result);
int64_t call_query(struct vcpu *vcpu, struct pagehint_hc_query *answer);
uint64_t call_cookie(struct vcpu *vcpu);
int64_t call_state(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages,
		   uint8_t state);
int64_t call_stable(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages,
		    uint8_t *result);

/* host.c: what the host has, and what its module says */
#define HUGE_BYTES	(2 * MIB)

void *reserve(size_t bytes);
void *anonymous(size_t bytes);
void *anonymous_huge(size_t bytes);
size_t resident_kib(const void *memory, size_t bytes);
size_t huge_kib(const void *memory, size_t bytes);
#define LEAVE_OUT	"LEAVE_OUT"	/* in the environment: the test build's parameter */

void module_load(const char *parameters);
void module_load_test(const char *parameters);
void module_unload(void);
bool module_loaded(const char *name);
uint64_t counter(const char *name);
uint64_t counter_of(unsigned int age, const char *name);
void write_file(const char *path, const char *text);
void set_parameter(const char *name, const char *value);
void kill_child(pid_t pid);

/* main.c */
__attribute__((noreturn, format(printf, 1, 2))) void fail(const char *format, ...);
#define check(condition, ...) do { if (!(condition)) fail(__VA_ARGS__); } while (0)

struct test {
	const char *name;
	void (*run)(unsigned int scale);
	const char *what;
};

#endif /* _VMM_H */
