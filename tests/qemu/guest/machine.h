/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The bare guest: its console, its host, and accesses that may be interrupted.
 *
 * No interruption but by what is expected, no allocation, no sleeping. All
 * memory is mapped one to one (no DAT) except where with_dat() is used.
 */
#ifndef QEMU_GUEST_MACHINE_H
#define QEMU_GUEST_MACHINE_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FRAME_SIZE 4096ul

/* States as ESSA gives them; CHANGED is told by nobody, it shows in what a host may do */
enum {
	S = 0x00, U = 0x04, P = 0x08, V = 0x0c,
	RESIDENT = 0, PRESERVED = 2, ZERO = 3, HOST = 3,
	CHANGED = 0x10, RESULT = 0x0f,
};

enum { GET, SET_S, SET_U, SET_V, SET_P, SET_S_RESIDENT, SET_S_IF, OPERATIONS };

/* What a program interruption told: written by program_entry */
struct trap {
	uint64_t code;		/* 0: none */
	uint64_t identification;
	uint64_t address;	/* of the old PSW */
	uint64_t resume;	/* 0: none is expected */
};

enum {
	PROGRAM_OPERATION = 0x01, PROGRAM_PRIVILEGED = 0x02, PROGRAM_ADDRESSING = 0x05,
	PROGRAM_SPECIFICATION = 0x06, PROGRAM_BLOCK_VALIDITY = 0x1a,
};

enum access { LOAD, STORE, FETCH, ACCESSES };

/* machine.c */
void machine_init(void);
void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
void say_list(const char *before, const char *format, va_list list);
bool ask(const char *property, uint64_t value);
bool ask_text(const char *property, const char *text);
bool expect(const char *counter, uint64_t value);
bool send_from(uintptr_t sccb, const char *text);
void send_over(uintptr_t sccb, size_t length);
void start_second(void);
uint64_t second_access(enum access access, uintptr_t address, struct trap *result);

/* access.c; result->code is 0 if nothing happened */
uint64_t essa(uintptr_t address, unsigned int operation);
uint64_t essa_probe(uintptr_t address, unsigned int operation, bool problem_state,
		    struct trap *result);
uint64_t probe(enum access access, uintptr_t address, struct trap *result, uintptr_t *instruction);
void probe_move(uintptr_t to, uintptr_t from, struct trap *result);
void purge_tlb(void);
void dat_init(void);
uintptr_t dat_alias(uintptr_t address);
void dat_on(void);
void dat_off(void);
extern uint64_t essa_count[OPERATIONS];
extern uint64_t trap_count;

/* cells.c, rules.c */
void check_cells(bool kvm_reading);
void check_rules(void);
void check_after_reset(void);
uintptr_t new_frame(void);
void leave_states(void);
bool holds(uintptr_t frame, bool pattern);
void fill(uintptr_t frame);
void frames_reset(void);

/* main.c */
bool counted(void);
bool enough(void);
void check(bool good, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
