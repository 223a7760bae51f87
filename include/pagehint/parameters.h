/* SPDX-License-Identifier: GPL-2.0 */
/* Parameters; what is not within its limits is refused with a sentence. */
#ifndef _PAGEHINT_PARAMETERS_H
#define _PAGEHINT_PARAMETERS_H

#include <linux/moduleparam.h>

struct pagehint_limits {
	unsigned int *value;
	unsigned int min, max;
};

/* The name that backend= has, as it was at load */
extern char *pagehint_backend_wanted;

extern const struct kernel_param_ops pagehint_limited_ops;
int pagehint_refuse_value(const struct kernel_param *kp, const char *value,
			  const char *expected);

#endif /* _PAGEHINT_PARAMETERS_H */
