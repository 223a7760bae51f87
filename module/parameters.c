// SPDX-License-Identifier: GPL-2.0
/*
 * The module's parameters: what they are called, what values they take, and what
 * is said about others. What they switch is module/control.c's.
 *
 * Context: process. The kernel's lock of this module's parameters is held, outside
 * of all of ours.
 */
#include <pagehint/log.h>

#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/string.h>

#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/lazyfree.h>
#include <pagehint/mapped.h>
#include <pagehint/parameters.h>
#include <pagehint/stay.h>
#include <pagehint/swap_cache.h>
#include <pagehint/table.h>
#include <pagehint/volatile.h>

char *pagehint_backend_wanted = "auto";
char *pagehint_shm_device;
unsigned int pagehint_loop_pause_us;
unsigned int pagehint_loop_hold_us;
unsigned int pagehint_loop_batch = 16;

/**
 * pagehint_refuse_value - say why a value of a parameter is refused
 * @kp: the parameter
 * @value: what was wanted
 * @expected: what would do
 *
 * Return: -EINVAL.
 */
int pagehint_refuse_value(const struct kernel_param *kp, const char *value,
			  const char *expected)
{
	/* sysfs hands over the newline of an echo too. */
	pr_err("%s=%.*s: expected %s\n", kp->name, (int)strcspn(value, "\n"),
	       value, expected);
	return -EINVAL;
}

/* Stricter than kstrtobool(), which takes "nonsense" for a no. */
static bool parse_switch(const char *value, bool *on)
{
	*on = sysfs_streq(value, "1") || sysfs_streq(value, "y") ||
	      sysfs_streq(value, "Y");
	return *on || sysfs_streq(value, "0") || sysfs_streq(value, "n") ||
	       sysfs_streq(value, "N");
}

static int set_switch(const char *value, const struct kernel_param *kp)
{
	bool on;

	if (!value)
		value = "1";
	if (!parse_switch(value, &on))
		return pagehint_refuse_value(kp, value, "0 or 1");
	return pagehint_control_switch(kp->arg, on, kp->name);
}

static const struct kernel_param_ops switch_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_switch,
	.get = param_get_bool,
};

module_param_cb(enable, &switch_ops, &pagehint_enable, 0644);
MODULE_PARM_DESC(enable, "All hinting on (1) or off (0: every frame is stable, the host drops nothing); live; default 1");

module_param_cb(unused, &switch_ops, &pagehint_unused, 0644);
MODULE_PARM_DESC(unused, "Hint free memory: 1 (attach and scan) or 0 (make stable and detach from the page allocator); live; default 1");

module_param_cb(volatile, &switch_ops, &pagehint_volatile, 0644);
MODULE_PARM_DESC(volatile, "Let the host drop clean, unmapped page cache: 1 or 0 (make stable and detach from the page cache); live; default 0");

module_param_cb(mapped, &switch_ops, &pagehint_mapped, 0644);
MODULE_PARM_DESC(mapped, "With volatile=1: unmap page cache that is mapped and that nobody used during two looks, so that the host may drop it: 1 or 0; live; default 0");

module_param_cb(lazyfree, &switch_ops, &pagehint_lazyfree, 0644);
MODULE_PARM_DESC(lazyfree, "With volatile=1: memory that a program gave up with MADV_FREE and that nobody used during two looks is freed at once, not when memory is short: 1 or 0; live; default 0");
module_param_cb(mapped_volatile, &switch_ops, &pagehint_mapped_volatile, 0644);
MODULE_PARM_DESC(mapped_volatile, "With volatile=1, on hosts that interrupt whoever uses what they dropped (backend=essa, z/VM): page cache that is mapped by a page fault stays volatile, and says nothing to the host: 1 or 0; live; default 0");

module_param_cb(swapcache, &switch_ops, &pagehint_swapcache, 0644);
MODULE_PARM_DESC(swapcache, "With volatile=1, Linux 6.1 on amd64: let the host drop clean, unmapped swap cache, too, of swap on disks (not zram or zswap, not with memory cgroups v1): 1 or 0; live; default 0");

static int set_file_systems(const char *value, const struct kernel_param *kp)
{
	if (pagehint_volatile_set_file_systems(value))
		return pagehint_refuse_value(kp, value,
				    "names of file systems with commas between them, 126 characters at most");
	return 0;
}

static int get_file_systems(char *buffer, const struct kernel_param *kp)
{
	const char *names = pagehint_volatile_file_systems();

	return sysfs_emit(buffer, "%.*s\n", max((int)strlen(names) - 1, 0), names);
}

static const struct kernel_param_ops file_systems_ops = {
	.set = set_file_systems,
	.get = get_file_systems,
};

module_param_cb(volatile_filesystems, &file_systems_ops, NULL, 0644);
MODULE_PARM_DESC(volatile_filesystems, "File systems whose files' page cache may be volatile; only those on a block device are; live; default ext4,xfs,btrfs");

static int set_backend(const char *value, const struct kernel_param *kp)
{
	if (!pagehint_backend_known(value))
		return pagehint_refuse_value(kp, value, "auto, essa, kvm, shm, loop or null");
	return param_set_charp(value, kp);
}

static const struct kernel_param_ops backend_ops = {
	.set = set_backend,
	.get = param_get_charp,
	.free = param_free_charp,
};

module_param_cb(backend, &backend_ops, &pagehint_backend_wanted, 0444);
MODULE_PARM_DESC(backend, "How the host learns: auto (first that works of: essa on s390x, kvm, shm), essa (an instruction of s390x), kvm (hypercalls, to a KVM host with the module pagehint_kvm), shm (table in an ivshmem-plain device), loop (test: the guest drops its own frames), null (dry run); default auto");

module_param_named(shm_device, pagehint_shm_device, charp, 0444);
MODULE_PARM_DESC(shm_device, "backend=shm: PCI address of the ivshmem-plain device, DDDD:BB:DD.F; default the first that will do");

static int set_limited(const char *value, const struct kernel_param *kp)
{
	const struct pagehint_limits *limits = kp->arg;
	unsigned int number;
	char expected[48];

	if (kstrtouint(value, 0, &number) || number < limits->min ||
	    number > limits->max) {
		snprintf(expected, sizeof(expected), "a number from %u to %u",
			 limits->min, limits->max);
		return pagehint_refuse_value(kp, value, expected);
	}
	WRITE_ONCE(*limits->value, number);
	return 0;
}

static int get_limited(char *buffer, const struct kernel_param *kp)
{
	const struct pagehint_limits *limits = kp->arg;

	return sysfs_emit(buffer, "%u\n", READ_ONCE(*limits->value));
}

const struct kernel_param_ops pagehint_limited_ops = {
	.set = set_limited,
	.get = get_limited,
};

static struct pagehint_limits pause_limits = { &pagehint_loop_pause_us, 0, 10000000 };
module_param_cb(loop_pause_us, &pagehint_limited_ops, &pause_limits, 0644);
MODULE_PARM_DESC(loop_pause_us, "backend=loop: pause between two rounds over the table, in microseconds, 0 to 10000000; live; default 0");

static struct pagehint_limits hold_limits = { &pagehint_loop_hold_us, 0, 1000 };
module_param_cb(loop_hold_us, &pagehint_limited_ops, &hold_limits, 0644);
MODULE_PARM_DESC(loop_hold_us, "backend=loop: time that frames stay busy before they are dropped, in microseconds, 0 to 1000; live; default 0");

static struct pagehint_limits batch_limits = { &pagehint_loop_batch, 1, PAGEHINT_MAX_BUSY };
module_param_cb(loop_batch, &pagehint_limited_ops, &batch_limits, 0644);
MODULE_PARM_DESC(loop_batch, "backend=loop: most frames dropped at a time, 1 to 512; live; default 16");

static struct pagehint_limits delay_limits = { &pagehint_volatile_delay_ms, 10, 60000 };
module_param_cb(volatile_delay_ms, &pagehint_limited_ops, &delay_limits, 0644);
MODULE_PARM_DESC(volatile_delay_ms, "A page of the page cache is left alone for one to two times so long after it was read, written or unmapped, in milliseconds, 10 to 60000; live; default 500");

static struct pagehint_limits cache_batch_limits = { &pagehint_volatile_batch, 1, 4096 };
module_param_cb(volatile_batch, &pagehint_limited_ops, &cache_batch_limits, 0644);
MODULE_PARM_DESC(volatile_batch, "Pages of the page cache that are looked at before the thread that does it gives way, 1 to 4096; live; default 64");

static struct pagehint_limits mapped_limits = { &pagehint_mapped_period_ms, 100, 600000 };
module_param_cb(mapped_period_ms, &pagehint_limited_ops, &mapped_limits, 0644);
MODULE_PARM_DESC(mapped_period_ms, "mapped=1, lazyfree=1: time between two looks at a mapped page, in milliseconds, 100 to 600000; live; default 2000");

module_param_named(volatile_evict, pagehint_volatile_evicts, bool, 0644);
MODULE_PARM_DESC(volatile_evict, "Page cache that the host dropped leaves the cache by itself, so that it is read again with readahead; 0: when it is next used; live; default 1");
