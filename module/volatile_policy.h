/* SPDX-License-Identifier: GPL-2.0 */
/* Which file systems' pages may become volatile: module/volatile.c. */
#ifndef _PAGEHINT_VOLATILE_POLICY_H
#define _PAGEHINT_VOLATILE_POLICY_H

#include <linux/types.h>

struct super_block;

bool pagehint_volatile_file_system(struct super_block *sb);

#endif /* _PAGEHINT_VOLATILE_POLICY_H */
