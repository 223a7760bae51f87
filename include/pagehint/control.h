/* SPDX-License-Identifier: GPL-2.0 */
/* The module as a whole: what is wanted, what is in force, test points. */
#ifndef _PAGEHINT_CONTROL_H
#define _PAGEHINT_CONTROL_H

#include <linux/types.h>

/* What is wanted; changed by pagehint_control_switch() and, where it cannot be, at load */
extern bool pagehint_enable;
extern bool pagehint_unused;
extern bool pagehint_volatile;

int pagehint_control_find_volatile(void);
int pagehint_control_find_mapped(void);
int pagehint_control_find_swap_cache(void);
int pagehint_control_start(void);
void pagehint_control_stop(void);
bool pagehint_control_ready(void);
int pagehint_control_switch(bool *wanted, bool on, const char *name);
void pagehint_control_sleep(bool asleep);
void pagehint_control_shutdown(bool next_kernel);
void pagehint_control_guests(void);
void pagehint_control_panic(void);
void pagehint_control_renew(void);
int pagehint_lifecycle_open(void);
void pagehint_lifecycle_close(void);

/*
 * Test builds take fail_at=N: the N-th of all points that can fail does; and
 * leave_out=NAME: a hook is not attached, or a rule of docs/correctness.md not
 * kept, so that a test can show what it is good for; and delay_at=NAME with
 * delay_us=N: who comes to this point spins for so long; delays_met counts those
 * who came meanwhile and met with a rule. In other builds this costs nothing.
 */
#ifdef PAGEHINT_TEST
int pagehint_fail_point(void);
bool pagehint_left_out(const char *name);
void pagehint_test_delay(const char *name);
void pagehint_test_met(const char *name);
bool pagehint_test_spared(unsigned long pfn);
#else
static inline int pagehint_fail_point(void) { return 0; }
static inline bool pagehint_left_out(const char *name) { return false; }
static inline void pagehint_test_delay(const char *name) { }
static inline void pagehint_test_met(const char *name) { }
static inline bool pagehint_test_spared(unsigned long pfn) { return false; }
#endif

#endif /* _PAGEHINT_CONTROL_H */
