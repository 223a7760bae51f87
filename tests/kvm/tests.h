/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The tests of the tiny VMM; main.c lists them. @scale is 1 in the short form.
 */
#ifndef _TESTS_H
#define _TESTS_H

#include "vmm.h"

/* contents.c */
void test_unused(unsigned int scale);

#endif /* _TESTS_H */
