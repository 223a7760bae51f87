// SPDX-License-Identifier: GPL-2.0
/*
 * Test build only: rules that are left out, pauses at critical points, and
 * reclaim that asks for exactly so many frames.
 *
 * Context: process, may sleep.
 */
#include "log.h"

#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include "pagehint_kvm.h"
#include "test_points.h"

static char *leave_out = "";
module_param(leave_out, charp, 0444);
MODULE_PARM_DESC(leave_out, "Test build: rule that is left out (destroys data, as a test expects); default none");

static char *pause_at = "";
module_param(pause_at, charp, 0444);
MODULE_PARM_DESC(pause_at, "Test build: point at which everybody sleeps; default none");

static unsigned int pause_ms;
module_param(pause_ms, uint, 0644);
MODULE_PARM_DESC(pause_ms, "Test build: for so many milliseconds; live; default 0");

static int set_ask(const char *value, const struct kernel_param *kp)
{
	unsigned long nr;
	int err = kstrtoul(value, 10, &nr);

	if (!err)
		pagehint_reclaim_ask(nr);
	return err;
}

static const struct kernel_param_ops ask_ops = { .set = set_ask };

module_param_cb(ask, &ask_ops, NULL, 0200);
MODULE_PARM_DESC(ask, "Test build: volatile frames that reclaim wants now (write only)");

bool pagehint_left_out(const char *name)
{
	return !strcmp(name, leave_out);
}

void pagehint_test_pause(const char *name)
{
	unsigned int ms = READ_ONCE(pause_ms);

	if (ms && !strcmp(name, pause_at))
		msleep(ms);
}
