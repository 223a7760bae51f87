// SPDX-License-Identifier: GPL-2.0
/*
 * The bare guest's life: all checks, a reset by the host, one by the guest itself,
 * and then round after round, in each of which the host may break a rule (mutants
 * of the device) and the checks should tell.
 */
#include <stdarg.h>
#include "machine.h"

/* Outside of the image: resets leave it alone */
#define LIFE 0x300000ul
#define MAGIC 0x50484c4946450000ul

#define MESSAGES 20

extern char _start[];

static uint64_t checks, failed;
static bool in_round;

/* Statistics of what no round repeats */
bool counted(void)
{
	return !in_round;
}

/* In a round only the first failure counts, and what follows may take for ever. */
bool enough(void)
{
	return in_round && failed;
}

void check(bool good, const char *format, ...)
{
	va_list list;

	checks++;
	if (good)
		return;
	if (++failed > MESSAGES)
		return;
	va_start(list, format);
	say_list("fail: ", format, list);
	va_end(list);
}

static void say_result(const char *what, uint64_t number)
{
	say("%s %lu checks %lu failed %lu", what, number, checks, failed);
	checks = 0;
	failed = 0;
}

static void say_totals(void)
{
	static const char *const keys[OPERATIONS] = {
		"op-get", "op-set-stable", "op-set-unused", "op-set-volatile",
		"op-set-potentially-volatile", "op-set-stable-resident", "op-set-stable-if",
	};
	unsigned int i;

	for (i = 0; i < OPERATIONS; i++)
		expect(keys[i], essa_count[i]);
	expect("faults", trap_count);
}

static bool available(void)
{
	struct trap result;

	essa_probe(0, GET, false, &result);
	return !result.code;
}

/* diag 308, subcode 1: the reset of kexec. On from the PSW at 0, which is a short one. */
static void reset_load_normal(void)
{
	volatile uint64_t *zero = NULL;

	__asm__("" : "+a"(zero));
	*zero = 0x0008000080000000ul | (uintptr_t)_start;
	__asm__ volatile("	lghi	%%r2,0\n"
			 "	lghi	%%r3,1\n"
			 "	diag	%%r2,%%r3,0x308\n"
			 : : : "r2", "r3", "cc", "memory");
}

static void rounds(void)
{
	uint64_t round;

	in_round = true;
	for (round = 1;; round++) {
		ask("clean", round);
		frames_reset();
		ask("round", round);
		check_cells(false);
		check_cells(true);
		check_rules();
		say_result("round", round);
	}
}

int main(void);
int main(void)
{
	volatile uint64_t *life = (volatile uint64_t *)LIFE;

	machine_init();
	if (!available()) {
		say("no ESSA");
		return 0;
	}
	dat_init();
	start_second();
	switch (*life) {
	case MAGIC:
		check_after_reset();
		say_result("reset", 1);
		leave_states();
		*life = MAGIC + 1;
		reset_load_normal();
		break;
	case MAGIC + 1:
		check_after_reset();
		say_result("reset", 2);
		*life = 0;
		rounds();
		break;
	default:
		check_cells(false);
		say_result("cells", 0);
		check_cells(true);
		say_result("kvm-reading", 0);
		check_rules();
		say_totals();
		say_result("rules", 0);
		leave_states();
		*life = MAGIC;
		say("host system_reset 0");
	}
	return 0;
}
