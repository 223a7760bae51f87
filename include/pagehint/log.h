/* SPDX-License-Identifier: GPL-2.0 */
/* Every line that the module logs begins with "pagehint: ". Include first. */
#ifndef _PAGEHINT_LOG_H
#define _PAGEHINT_LOG_H

#define pr_fmt(fmt) "pagehint: " fmt

#include <linux/printk.h>

#endif /* _PAGEHINT_LOG_H */
