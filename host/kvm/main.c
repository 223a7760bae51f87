// SPDX-License-Identifier: GPL-2.0
/*
 * pagehint_kvm: answers pagehint's hypercalls on a stock KVM host.
 *
 * Parameters, load, unload, and KVM going away underneath.
 */
#include "log.h"

#include <linux/err.h>
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/mutex.h>
#include <linux/notifier.h>

#include <pagehint/version.h>

#include "pagehint_kvm.h"
#include "test_points.h"

/* The largest block of the guests' page allocators, MAX_ORDER - 1 of 6.1 */
#define LARGEST_ORDER	10

bool pagehint_lazy;
module_param_named(lazy, pagehint_lazy, bool, 0644);
MODULE_PARM_DESC(lazy, "Unused guest memory: 0 (drop it at once) or 1 (MADV_FREE: the host takes it when memory is short, private anonymous memory only); live; default 0");

bool pagehint_shared;
module_param_named(shared, pagehint_shared, bool, 0644);
MODULE_PARM_DESC(shared, "Guest memory that is a shared tmpfs file or memfd: 0 (never drop) or 1 (punch holes, which every process that maps the file sees: vhost-user, other VMs); live; default 0");

bool pagehint_volatile = true;
module_param_named(volatile, pagehint_volatile, bool, 0444);
MODULE_PARM_DESC(volatile, "Offer guests to take their clean page cache when the host's memory is short: 1 or 0 (unused memory only); default 1");

int pagehint_order = -1;

static int set_order(const char *value, const struct kernel_param *kp)
{
	int order, err = kstrtoint(value, 10, &order);

	if (err || order < -1 || order > LARGEST_ORDER) {
		pr_err("order=%.*s: expected -1 (by the guest's memory) or an order from 0 (4 KiB) to %d (4 MiB)\n",
		       (int)strcspn(value, "\n"), value, LARGEST_ORDER);
		return -EINVAL;
	}
	WRITE_ONCE(pagehint_order, order);
	return 0;
}

static const struct kernel_param_ops order_ops = {
	.set = set_order,
	.get = param_get_int,
};

module_param_cb(order, &order_ops, &pagehint_order, 0644);
MODULE_PARM_DESC(order, "Smallest block of unused memory worth a hint, as a power of two of 4 KiB pages: 0 to 10, or -1 (9, which is 2 MiB, where the guest's memory may have huge pages, else 0); smaller ones never split a huge page; guests learn it when they query; live; default -1");

/* Outermost lock: running, and every change of it. */
static DEFINE_MUTEX(control_mutex);
static bool running;
static const struct module *kvm_module;	/* compared, never looked into */

/*
 * Under control_mutex. Before this, guests are served; after it, none is, no
 * CPU is in this module and what was volatile and is not dropped just stays. No
 * guest hears that nobody answers any more before dropping has ended.
 */
static void stop(void)
{
	if (!running)
		return;
	running = false;
	if (!pagehint_left_out("refuse_first"))
		pagehint_vms_refuse();
	pagehint_hooks_detach_calls();
	pagehint_vms_forget();
	pagehint_hooks_detach_destroy();
}

/*
 * kvm.ko goes. Its VMs have gone before it, so no guest notices; but the hooks
 * are in its text, which is freed after this has returned.
 */
static int kvm_goes(struct notifier_block *block, unsigned long event, void *data)
{
	if (event != MODULE_STATE_GOING || data != kvm_module)
		return NOTIFY_DONE;
	mutex_lock(&control_mutex);
	if (running)
		pr_info("the module kvm goes away: nothing is left to do, unload pagehint_kvm and load it again after kvm\n");
	stop();
	mutex_unlock(&control_mutex);
	return NOTIFY_DONE;
}

static struct notifier_block modules_block = { .notifier_call = kvm_goes };

/* Under control_mutex; all that hooks use is there. */
static int start(void)
{
	struct module *kvm = pagehint_symbols_find();
	int err;

	if (IS_ERR(kvm))
		return PTR_ERR(kvm);
	kvm_module = kvm;
	err = pagehint_hooks_attach();
	running = !err;
	/*
	 * Until here KVM could not go away. From here on the notifier, which waits
	 * for control_mutex, comes before its text goes.
	 */
	module_put(kvm);
	return err;
}

static int __init pagehint_kvm_init(void)
{
	int err;

	err = pagehint_state_open();
	if (err)
		return err;
	pagehint_stats_open();
	err = pagehint_shrinker_open();
	if (err)
		goto close_state;
	err = register_module_notifier(&modules_block);
	if (err)
		goto close_shrinker;
	mutex_lock(&control_mutex);
	err = start();
	mutex_unlock(&control_mutex);
	if (err)
		goto unregister;
	pr_info("release %s loaded: guests may hint unused%s memory (lazy=%d shared=%d order=%d)\n",
		PAGEHINT_RELEASE, pagehint_volatile ? " and volatile" : "", pagehint_lazy,
		pagehint_shared, pagehint_order);
	return 0;

unregister:
	unregister_module_notifier(&modules_block);
close_shrinker:
	pagehint_shrinker_close();
close_state:
	pagehint_stats_close();
	pagehint_state_close();
	return err;
}

static void __exit pagehint_kvm_exit(void)
{
	mutex_lock(&control_mutex);
	stop();
	mutex_unlock(&control_mutex);
	unregister_module_notifier(&modules_block);
	pagehint_shrinker_close();
	pagehint_stats_close();
	pagehint_state_close();
	pr_info("unloaded: volatile memory that was dropped is discarded to its guests, all else is there\n");
}

module_init(pagehint_kvm_init);
module_exit(pagehint_kvm_exit);

MODULE_SOFTDEP("pre: kvm");
MODULE_DESCRIPTION("Guest page hinting on a stock KVM: takes unused and volatile guest memory back");
MODULE_VERSION(PAGEHINT_RELEASE);
MODULE_LICENSE("GPL");
