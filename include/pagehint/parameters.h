/* SPDX-License-Identifier: GPL-2.0 */
/* Parameters that are numbers within limits: refused with a sentence otherwise. */
#ifndef _PAGEHINT_PARAMETERS_H
#define _PAGEHINT_PARAMETERS_H

#include <linux/moduleparam.h>

struct pagehint_limits {
	unsigned int *value;
	unsigned int min, max;
};

extern const struct kernel_param_ops pagehint_limited_ops;
int pagehint_refuse_value(const struct kernel_param *kp, const char *value,
			  const char *expected);

#endif /* _PAGEHINT_PARAMETERS_H */
