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

#endif /* _TESTS_H */
