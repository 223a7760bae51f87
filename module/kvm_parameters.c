// SPDX-License-Identifier: GPL-2.0
/* Parameters of backend kvm. */
#include <pagehint/log.h>

#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/string.h>

#include <compat/mm.h>
#include <pagehint/parameters.h>

#include "kvm.h"

int pagehint_order = -1;

static int set_order(const char *value, const struct kernel_param *kp)
{
	unsigned int order;
	char expected[48];

	if (sysfs_streq(value, "host")) {
		WRITE_ONCE(pagehint_order, -1);
		return 0;
	}
	if (kstrtouint(value, 0, &order) || order > PAGEHINT_MAX_BUDDY_ORDER) {
		snprintf(expected, sizeof(expected), "host, or a number from 0 to %d",
			 PAGEHINT_MAX_BUDDY_ORDER);
		return pagehint_refuse_value(kp, value, expected);
	}
	WRITE_ONCE(pagehint_order, order);
	return 0;
}

static int show_order(char *buffer, const struct kernel_param *kp)
{
	int order = READ_ONCE(pagehint_order);

	return order < 0 ? sysfs_emit(buffer, "host\n") : sysfs_emit(buffer, "%d\n", order);
}

static const struct kernel_param_ops order_ops = {
	.set = set_order,
	.get = show_order,
};

module_param_cb(order, &order_ops, NULL, 0644);
MODULE_PARM_DESC(order, "backend=kvm: the smallest free block that is hinted, as the order of its size in pages: host (what the host prefers) or 0 to 10; live; default host");

unsigned int pagehint_kvm_delay_ms = 1000;
static struct pagehint_limits delay_limits = { &pagehint_kvm_delay_ms, 1, 60000 };
module_param_cb(kvm_delay_ms, &pagehint_limited_ops, &delay_limits, 0644);
MODULE_PARM_DESC(kvm_delay_ms, "backend=kvm: pause between two looks for what the host is to be told, in milliseconds, 1 to 60000; live; default 1000");

unsigned int pagehint_kvm_batch = 64;
static struct pagehint_limits batch_limits = { &pagehint_kvm_batch, 1, PAGEHINT_VECTOR_MAX };
module_param_cb(kvm_batch, &pagehint_limited_ops, &batch_limits, 0644);
MODULE_PARM_DESC(kvm_batch, "backend=kvm: most blocks or ranges of a call to the host, 1 to 256; live; default 64");

bool pagehint_kvm_drain;
module_param_named(kvm_drain, pagehint_kvm_drain, bool, 0644);
MODULE_PARM_DESC(kvm_drain, "backend=kvm: before each look, empty the CPUs' lists of free pages, so that those are hinted too; live; default 0");
