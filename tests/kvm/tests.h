/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tests of the tiny VMM; main.c lists them. @scale is 1 in the short form.
 */
#ifndef _TESTS_H
#define _TESTS_H

#include "vmm.h"

/* contents.c */
void test_query(unsigned int scale);
void test_unused(unsigned int scale);
void test_volatile(unsigned int scale);
void test_edges(unsigned int scale);
void test_huge(unsigned int scale);
void test_lazy(unsigned int scale);

/* fuzz.c */
void test_fuzz(unsigned int scale);

/* refused.c */
void test_refused(unsigned int scale);
void test_guest_memfd(unsigned int scale);

/* reset.c */
void test_reset(unsigned int scale);
void test_reload(unsigned int scale);
void test_restore(unsigned int scale);

/* slots.c */
void test_slots(unsigned int scale);
void test_slots_walk(unsigned int scale);

/* modes.c */
void test_modes(unsigned int scale);

/* load.c */
void test_unload(unsigned int scale);
void test_storm(unsigned int scale);
void test_destroy(unsigned int scale);

/* reclaim.c */
void test_paused(unsigned int scale);
void test_left_alone(unsigned int scale);
void test_coldest(unsigned int scale);
void test_unload_drop(unsigned int scale);
void test_reset_drop(unsigned int scale);

/* pressure.c */
void test_pressure(unsigned int scale);

#endif /* _TESTS_H */
