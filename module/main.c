// SPDX-License-Identifier: GPL-2.0
/*
 * pagehint: parameters, ordered load and unload, and what is in force.
 *
 * control_mutex serialises everything that changes what is in force: load,
 * unload, parameters, sleep, reboot. It is the outermost lock of the module.
 */
#include <pagehint/log.h>

#include <linux/cc_platform.h>
#include <linux/delay.h>
#include <linux/kernel.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <compat/kernel.h>
#include <pagehint/backend.h>
#include <pagehint/checks.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/hooks.h>
#include <pagehint/lazyfree.h>
#include <pagehint/mapped.h>
#include <pagehint/parameters.h>
#include <pagehint/stats.h>
#include <pagehint/stay.h>
#include <pagehint/table.h>
#include <pagehint/unused.h>
#include <pagehint/version.h>
#include <pagehint/volatile.h>

static DEFINE_MUTEX(control_mutex);

/* Under control_mutex. */
static bool ready;		/* loaded: parameters take effect */
static bool asleep;		/* between the PM notifier's prepare and post */
static bool shut_down;		/* rebooting: nothing is switched on again */
static bool leased;		/* backend->lease_begin() succeeded */
static bool hinting;		/* pagehint_unused_start() succeeded */
static bool caching;		/* pagehint_volatile_start() succeeded */
static bool cannot_cache;	/* page cache cannot be volatile on this kernel */
static bool cannot_unmap;	/* nor can mapped pages be watched */
static bool cannot_lazyfree;	/* nor what was given up be freed */
static bool cannot_stay;	/* nor is every way to them hooked */
static bool staying;		/* that is in force */

static bool enable = true;
static bool unused = true;
static bool volatile_pages;
bool pagehint_mapped_volatile;
static char *backend = "auto";
char *pagehint_shm_device;
unsigned int pagehint_loop_pause_us;
unsigned int pagehint_loop_hold_us;
unsigned int pagehint_loop_batch = 16;

/* ------------------------------------------------------------------------
 * What is in force
 */

static void stop_caching(void)
{
	if (caching)
		pagehint_volatile_stop();
	caching = false;
	staying = false;
}

static void stop_hinting(void)
{
	/* Who makes freed frames stable depends on this: see apply(). */
	stop_caching();
	if (hinting)
		pagehint_unused_stop();
	hinting = false;
}

static void stop(u32 leaving)
{
	stop_hinting();
	if (leased)
		pagehint_backend->lease_end(leaving, false);
	leased = false;
}

static bool kernel_hints(void)
{
	return pagehint_backend->kernel_hints && pagehint_backend->kernel_hints();
}

/* Without its hooks nothing stays volatile that is mapped, and the rest goes on. */
static int start_caching(bool stay)
{
	char why[PAGEHINT_WHY_BYTES] = "see the line above";
	int err;

	if (stay && !cannot_stay && !pagehint_stay_check(why)) {
		err = pagehint_volatile_start(hinting, true);
		staying = !err;
		if (err != -EBUSY)
			return err;
	}
	if (stay) {
		pr_warn("mapped pages do not stay volatile (mapped_volatile=0): %s\n", why);
		pagehint_mapped_volatile = false;
	}
	return pagehint_volatile_start(hinting, false);
}

/*
 * Brings what is in force in line with what is wanted. Under control_mutex.
 *
 * Volatile pages come last and go first: a volatile frame that is freed becomes
 * unused where free memory is hinted, and stable where it is not, so while that
 * changes nothing may be volatile.
 */
static int apply(u32 leaving)
{
	bool want_lease = enable && !asleep && !shut_down;
	bool want_hints = want_lease && unused && !kernel_hints();
	bool want_cache = want_lease && volatile_pages && !cannot_cache;
	bool want_stay = want_cache && pagehint_mapped_volatile;
	int err;

	if (!want_cache || hinting != want_hints || staying != want_stay)
		stop_caching();
	if (!want_hints)
		stop_hinting();
	if (!want_lease) {
		stop(leaving);
		return 0;
	}
	if (!leased) {
		err = pagehint_backend->lease_begin();
		if (err)
			return err;
		leased = true;
	}
	if (want_hints && !hinting) {
		err = pagehint_unused_start();
		if (err)
			return err;
		hinting = true;
	}
	if (want_cache && !caching && pagehint_backend->takes_volatile &&
	    !pagehint_backend->takes_volatile()) {
		pr_warn("page cache stays stable: the host takes free memory only\n");
		return 0;
	}
	if (want_cache && !caching) {
		err = start_caching(want_stay);
		/* At load somebody else's hook is no reason to do nothing at all. */
		if (err == -EBUSY && !ready) {
			pr_warn("page cache stays stable: remove the other user and write 1 to the parameter volatile\n");
			volatile_pages = false;
			return 0;
		}
		if (err)
			return err;
		caching = true;
	}
	return 0;
}

/**
 * pagehint_control_sleep - the guest goes to sleep or is awake again
 * @now_asleep: which
 *
 * Context: process, may sleep.
 */
void pagehint_control_sleep(bool now_asleep)
{
	mutex_lock(&control_mutex);
	asleep = now_asleep;
	if (apply(PAGEHINT_LEAVING_SLEEP))
		pr_err("hinting could not be taken up again after sleep: write 0 and then 1 to the parameter enable\n");
	mutex_unlock(&control_mutex);
}

/**
 * pagehint_control_renew - start over with a new lease
 *
 * Memory that went offline came back.
 *
 * Context: process, may sleep.
 */
void pagehint_control_renew(void)
{
	mutex_lock(&control_mutex);
	if (ready) {
		stop(PAGEHINT_LEAVING_OFF);
		if (apply(PAGEHINT_LEAVING_OFF))
			pr_err("hinting could not be taken up again after memory came online: write 0 and then 1 to the parameter enable\n");
	}
	mutex_unlock(&control_mutex);
}

/**
 * pagehint_control_shutdown - the guest reboots, powers off or starts a kernel
 * @next_kernel: it starts in this memory with no reset in between (kexec)
 *
 * Only the lease ends: without it nothing is dropped, and detaching would make
 * every reboot wait for grace periods.
 *
 * Context: process, may sleep.
 */
void pagehint_control_shutdown(bool next_kernel)
{
	mutex_lock(&control_mutex);
	shut_down = true;
	/* What is mapped and gone would be zeros to whoever still runs. */
	if (staying) {
		pagehint_stay_stop_mapping();
		pagehint_volatile_sweep(0, pagehint_table.nr_bytes);
	}
	if (leased)
		pagehint_backend->lease_end(PAGEHINT_LEAVING_REBOOT, next_kernel);
	leased = false;
	mutex_unlock(&control_mutex);
}

/**
 * pagehint_control_guests - guests of this guest may come
 *
 * They use mapped pages past everything that is hooked.
 *
 * Context: process, may sleep.
 */
void pagehint_control_guests(void)
{
	mutex_lock(&control_mutex);
	if (pagehint_mapped_volatile) {
		pr_warn("mapped pages do not stay volatile any more (mapped_volatile=0): kvm is being loaded\n");
		pagehint_mapped_volatile = false;
		if (ready && apply(PAGEHINT_LEAVING_OFF))
			pr_err("page cache could not be taken up again: write 0 and then 1 to the parameter volatile\n");
	}
	mutex_unlock(&control_mutex);
}

/**
 * pagehint_control_panic - the guest is dying
 *
 * Context: any, one CPU. Takes no lock: @leased may be changing on a CPU that
 * was stopped, and ending a lease twice does no harm.
 */
void pagehint_control_panic(void)
{
	const struct pagehint_backend *last = READ_ONCE(pagehint_backend);

	if (last && READ_ONCE(leased))
		last->lease_end_atomic(PAGEHINT_LEAVING_PANIC);
}

/* ------------------------------------------------------------------------
 * Parameters
 */

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
	char why[PAGEHINT_WHY_BYTES] = "this kernel cannot: see what was logged at load";
	bool *flag = kp->arg, before, wanted;
	int err;

	if (!value)
		value = "1";
	if (!parse_switch(value, &wanted))
		return pagehint_refuse_value(kp, value, "0 or 1");
	mutex_lock(&control_mutex);
	before = *flag;
	*flag = wanted;
	if (ready && wanted && flag == &pagehint_mapped_volatile &&
	    (cannot_stay || pagehint_stay_check(why))) {
		pr_err("%s=1: %s\n", kp->name, why);
		*flag = before;
		mutex_unlock(&control_mutex);
		return -EOPNOTSUPP;
	}
	if (ready && wanted && ((flag == &volatile_pages && cannot_cache) ||
				(flag == &pagehint_mapped && cannot_unmap) ||
				(flag == &pagehint_lazyfree && cannot_lazyfree))) {
		pr_err("%s=1: this kernel cannot: see the line that the module logged when it was loaded\n",
		       kp->name);
		*flag = before;
		mutex_unlock(&control_mutex);
		return -EOPNOTSUPP;
	}
	err = ready ? apply(PAGEHINT_LEAVING_OFF) : 0;
	if (err)
		*flag = before;
	/* What was given up before made no event that was heard. */
	else if (flag == &pagehint_lazyfree && wanted && !before)
		pagehint_volatile_rescan();
	mutex_unlock(&control_mutex);
	return err;
}

static const struct kernel_param_ops switch_ops = {
	.flags = KERNEL_PARAM_OPS_FL_NOARG,
	.set = set_switch,
	.get = param_get_bool,
};

module_param_cb(enable, &switch_ops, &enable, 0644);
MODULE_PARM_DESC(enable, "All hinting on (1) or off (0: every frame is stable, the host drops nothing); live; default 1");

module_param_cb(unused, &switch_ops, &unused, 0644);
MODULE_PARM_DESC(unused, "Hint free memory: 1 (attach and scan) or 0 (make stable and detach from the page allocator); live; default 1");

module_param_cb(volatile, &switch_ops, &volatile_pages, 0644);
MODULE_PARM_DESC(volatile, "Let the host drop clean, unmapped page cache: 1 or 0 (make stable and detach from the page cache); live; default 0");

module_param_cb(mapped, &switch_ops, &pagehint_mapped, 0644);
MODULE_PARM_DESC(mapped, "With volatile=1: unmap page cache that is mapped and that nobody used during two looks, so that the host may drop it: 1 or 0; live; default 0");

module_param_cb(lazyfree, &switch_ops, &pagehint_lazyfree, 0644);
MODULE_PARM_DESC(lazyfree, "With volatile=1: memory that a program gave up with MADV_FREE and that nobody used during two looks is freed at once, not when memory is short: 1 or 0; live; default 0");
module_param_cb(mapped_volatile, &switch_ops, &pagehint_mapped_volatile, 0644);
MODULE_PARM_DESC(mapped_volatile, "With volatile=1, on hosts that interrupt whoever uses what they dropped (backend=essa, z/VM): page cache that is mapped by a page fault stays volatile, and says nothing to the host: 1 or 0; live; default 0");

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

module_param_cb(backend, &backend_ops, &backend, 0444);
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

#ifdef PAGEHINT_TEST
static unsigned int fail_at;
module_param(fail_at, uint, 0444);
MODULE_PARM_DESC(fail_at, "Test build: the N-th point of loading that can fail does; default 0 (none)");

static char *leave_out = "";
module_param(leave_out, charp, 0444);
MODULE_PARM_DESC(leave_out, "Test build: hook or rule that is left out (destroys data, as a test expects); default none");

int pagehint_fail_point(void)
{
	static unsigned int points;

	if (ready || ++points != fail_at)
		return 0;
	pr_err("point %u fails for a test\n", points);
	return -EIO;
}

bool pagehint_left_out(const char *name)
{
	return !strcmp(name, leave_out);
}
#endif

/* ------------------------------------------------------------------------
 * Load and unload
 */

static int check_environment(void)
{
	const struct pagehint_environment env = {
		.page_poison = page_poisoning_enabled_static(),
		.debug_pagealloc = debug_pagealloc_enabled_static(),
		.kasan = IS_ENABLED(CONFIG_KASAN),
		.kmsan = IS_ENABLED(CONFIG_KMSAN),
		.confidential = cc_platform_has(CC_ATTR_MEM_ENCRYPT),
	};
	char why[PAGEHINT_WHY_BYTES];
	int err = pagehint_check_environment(&env, why);

	if (err)
		pr_err("%s\n", why);
	return err;
}

static int find_hooks(void)
{
	return pagehint_hooks_find(pagehint_unused_hooks, pagehint_nr_unused_hooks);
}

/* Without it the module runs with less, and says so. */
static int find_volatile_hooks(void)
{
	char why[PAGEHINT_WHY_BYTES] = "see the line above";
	int err = pagehint_hooks_find(pagehint_volatile_hooks, pagehint_nr_volatile_hooks) ?:
		  pagehint_hooks_find(pagehint_volatile_free_hooks,
				      pagehint_nr_volatile_free_hooks) ?:
		  pagehint_discard_hooks_find() ?:
		  pagehint_volatile_check(why);

	if (err == -EIO)
		return err;
	cannot_cache = err;
	if (err) {
		pr_warn("page cache stays stable (volatile=0): %s\n", why);
		volatile_pages = false;
		return 0;
	}
	err = pagehint_stay_hooks_find();
	cannot_stay = err;
	return err == -EIO ? err : 0;
}

/* As above. */
static int find_mapped(void)
{
	char why[PAGEHINT_WHY_BYTES] = "the kernel's symbols cannot be read";

	cannot_unmap = cannot_cache || pagehint_mapped_check(why);
	cannot_lazyfree = cannot_unmap || pagehint_lazyfree_check(why);
	if (cannot_unmap && pagehint_mapped && !cannot_cache)
		pr_warn("mapped page cache stays mapped (mapped=0): %s\n", why);
	if (cannot_lazyfree && pagehint_lazyfree && !cannot_cache)
		pr_warn("memory given up with MADV_FREE stays (lazyfree=0): %s\n", why);
	pagehint_mapped &= !cannot_unmap;
	pagehint_lazyfree &= !cannot_lazyfree;
	return 0;
}

static int open_backend(void)
{
	return pagehint_backend_open(backend);
}

static int start_all(void)
{
	int err;

	mutex_lock(&control_mutex);
	err = apply(PAGEHINT_LEAVING_OFF);
	if (err)
		stop(PAGEHINT_LEAVING_UNLOAD);
	else
		ready = true;
	mutex_unlock(&control_mutex);
	if (err)
		pagehint_hooks_wait_inside();
	return err;
}

static void stop_all(void)
{
	mutex_lock(&control_mutex);
	ready = false;
	stop(PAGEHINT_LEAVING_UNLOAD);
	/* What a notifier still wants to start must not start any more. */
	shut_down = true;
	mutex_unlock(&control_mutex);
	/* A reboot need not wait for this, and so not for the mutex. */
	pagehint_hooks_wait_inside();
}

/* In this order; undone in the opposite one. */
static const struct step {
	const char *name;
	int (*open)(void);
	void (*close)(void);
} steps[] = {
	{ "check the environment", check_environment },
	{ "look symbols up", pagehint_resolve_own },
	{ "find what to hook", find_hooks },
	{ "find what to hook in the page cache", find_volatile_hooks },
	{ "find how to unmap", find_mapped },
	{ "keep ftrace on", pagehint_anchor_open, pagehint_anchor_close },
	{ "prove that hooks work", pagehint_hooks_prove },
	{ "lay the table out", pagehint_table_layout, pagehint_table_free },
	{ "open the backend", open_backend, pagehint_backend_close },
	{ "register notifiers", pagehint_lifecycle_open, pagehint_lifecycle_close },
	{ "start hinting", start_all, stop_all },
	{ "open debugfs", pagehint_stats_open, pagehint_stats_close },
};

static void undo(unsigned int nr)
{
	while (nr--) {
		if (steps[nr].close)
			steps[nr].close();
	}
}

static int __init pagehint_init(void)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(steps); i++) {
		int err = pagehint_fail_point() ?: steps[i].open();

		if (err) {
			undo(i);
			pr_err("not loaded: could not %s (error %d)\n",
			       steps[i].name, err);
			return err;
		}
	}
	pr_info("loaded, backend %s, %lu MiB in %u extents, %llu MiB found free\n",
		pagehint_backend->name, pagehint_table.nr_frames >> (20 - PAGE_SHIFT),
		pagehint_table.nr_ranges,
		pagehint_counter_sum(PAGEHINT_SCANNED) >> (20 - PAGE_SHIFT));
	return 0;
}

static void __exit pagehint_exit(void)
{
	undo(ARRAY_SIZE(steps));
	pr_info("unloaded, every frame is stable\n");
}

module_init(pagehint_init);
module_exit(pagehint_exit);

MODULE_LICENSE("GPL");
MODULE_DESCRIPTION("Guest page hinting: the host may take back what the guest does not need");
MODULE_VERSION(PAGEHINT_RELEASE);
