/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Test builds take leave_out=NAME: a rule is not kept, so that a test can show
 * that it notices; and pause_at=NAME with pause_ms=N: who comes to this point
 * sleeps for so long. In other builds this costs nothing.
 */
#ifndef _PAGEHINT_KVM_TEST_POINTS_H
#define _PAGEHINT_KVM_TEST_POINTS_H

#include <linux/types.h>

#ifdef PAGEHINT_TEST
bool pagehint_left_out(const char *name);
void pagehint_test_pause(const char *name);
#else
static inline bool pagehint_left_out(const char *name) { return false; }
static inline void pagehint_test_pause(const char *name) { }
#endif

#endif /* _PAGEHINT_KVM_TEST_POINTS_H */
