// SPDX-License-Identifier: GPL-2.0
/*
 * Test build only: loading that fails at any of its points; hooks and rules that
 * are left out, to show what they are good for; delays at critical points, and a
 * host that drops less than it may, so that the directed tests
 * (tests/cases/guest/race) run into races that are otherwise rare. Also counts the
 * meetings, as evidence.
 *
 * Built without ftrace sites, as what calls it: it runs while a folio is frozen.
 *
 * Context: any.
 */
#include <pagehint/log.h>

#include <linux/atomic.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>
#include <linux/sysfs.h>

#include <pagehint/control.h>

static unsigned int fail_at;
module_param(fail_at, uint, 0444);
MODULE_PARM_DESC(fail_at, "Test build: the N-th point of loading that can fail does; default 0 (none)");

static char *leave_out = "";
module_param(leave_out, charp, 0444);
MODULE_PARM_DESC(leave_out, "Test build: hook or rule that is left out (destroys data, as a test expects); default none");

int pagehint_fail_point(void)
{
	static unsigned int points;

	if (pagehint_control_ready() || ++points != fail_at)
		return 0;
	pr_err("point %u fails for a test\n", points);
	return -EIO;
}

bool pagehint_left_out(const char *name)
{
	return !strcmp(name, leave_out);
}

static char *delay_at = "";
module_param(delay_at, charp, 0444);
MODULE_PARM_DESC(delay_at, "Test build: point at which everybody is delayed; default none");

static unsigned int delay_us;
module_param(delay_us, uint, 0644);
MODULE_PARM_DESC(delay_us, "Test build: for so many microseconds; live; default 0");

void pagehint_test_delay(const char *name)
{
	unsigned int us = READ_ONCE(delay_us);

	if (!us || strcmp(name, delay_at))
		return;
	mdelay(us / 1000);
	udelay(us % 1000);
}

static atomic_long_t met;

static int get_met(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(&met));
}

static const struct kernel_param_ops met_ops = { .get = get_met };

module_param_cb(delays_met, &met_ops, NULL, 0444);
MODULE_PARM_DESC(delays_met, "Test build: how often somebody came during the delay, and a rule decided (read only)");

/* @name: the point whose delay made the meeting likely */
void pagehint_test_met(const char *name)
{
	if (!strcmp(name, delay_at))
		atomic_long_inc(&met);
}

static unsigned int drop_every = 1;
module_param(drop_every, uint, 0444);
MODULE_PARM_DESC(drop_every, "Test build, backend=loop: of so many frames only the last is dropped; default 1");

bool pagehint_test_spared(unsigned long pfn)
{
	return drop_every > 1 && pfn % drop_every != drop_every - 1;
}
