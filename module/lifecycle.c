// SPDX-License-Identifier: GPL-2.0
/*
 * Events in the life of the guest after which no hint may stand: memory going
 * offline, sleep, reboot and kexec, panic.
 *
 * Context: as each notifier says. Sleep and reboot take control_mutex; memory
 * hotplug must not (see module/unused.c).
 */
#include <pagehint/log.h>

#include <linux/memory.h>
#include <linux/module.h>
#include <linux/notifier.h>
#include <linux/panic_notifier.h>
#include <linux/reboot.h>
#include <linux/string.h>
#include <linux/suspend.h>
#include <linux/workqueue.h>

#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/table.h>
#include <pagehint/unused.h>
#include <pagehint/volatile.h>

static void renew(struct work_struct *work)
{
	pagehint_control_renew();
}

static DECLARE_WORK(renew_work, renew);

/* Under the hotplug locks: memory that the host knows is coming online. */
static bool comes_back;

/*
 * Process, may sleep, with the hotplug locks held.
 *
 * Memory that went offline may come back as another piece of hardware, backed
 * by another file than the host looked at for this lease. So the lease ends
 * before any of it is hinted, and the host has to look again.
 */
static int memory_event(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct memory_notify *range = data;

	switch (action) {
	case MEM_GOING_OFFLINE:
		if (pagehint_backend->going_offline)
			pagehint_backend->going_offline(range->start_pfn, range->nr_pages);
		pagehint_unused_going_offline(range->start_pfn, range->nr_pages);
		pagehint_volatile_going_offline(range->start_pfn, range->nr_pages);
		break;
	case MEM_OFFLINE:
		/* Isolated and offline: nothing frees into it any more. */
		pagehint_table_sweep(range->start_pfn, range->nr_pages);
		pagehint_unused_offline_done();
		pagehint_volatile_offline_done();
		break;
	case MEM_CANCEL_OFFLINE:
		pagehint_unused_offline_done();
		pagehint_volatile_offline_done();
		break;
	case MEM_GOING_ONLINE:
		comes_back = pagehint_table_reaches(range->start_pfn, range->nr_pages);
		if (comes_back && pagehint_backend->going_online)
			pagehint_backend->going_online();
		break;
	case MEM_ONLINE:
	case MEM_CANCEL_ONLINE:
		if (comes_back)
			schedule_work(&renew_work);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block memory_block = { .notifier_call = memory_event };

/*
 * Process, may sleep. Hibernation reads every page, and what it restores knows
 * nothing of the table; for suspend the same is simple and safe.
 */
static int sleep_event(struct notifier_block *nb, unsigned long action, void *data)
{
	if (pagehint_left_out("sleep_notifier"))
		return NOTIFY_OK;
	switch (action) {
	case PM_HIBERNATION_PREPARE:
	case PM_SUSPEND_PREPARE:
	case PM_RESTORE_PREPARE:
		pagehint_control_sleep(true);
		break;
	case PM_POST_HIBERNATION:
	case PM_POST_SUSPEND:
	case PM_POST_RESTORE:
		pagehint_control_sleep(false);
		break;
	}
	return NOTIFY_OK;
}

static struct notifier_block sleep_block = { .notifier_call = sleep_event };

/* Process, may sleep. kexec comes this way too, and says so. */
static int reboot_event(struct notifier_block *nb, unsigned long action, void *data)
{
	if (!pagehint_left_out("reboot_notifier"))
		pagehint_control_shutdown(data && !strcmp(data, "kexec reboot"));
	return NOTIFY_OK;
}

static struct notifier_block reboot_block = {
	.notifier_call = reboot_event,
	/* Late: drivers that free memory on their way out may still hint. */
	.priority = -100,
};

/* Any context, one CPU, no locks. */
static int panic_event(struct notifier_block *nb, unsigned long action, void *data)
{
	pagehint_control_panic();
	return NOTIFY_OK;
}

static struct notifier_block panic_block = {
	.notifier_call = panic_event,
	.priority = INT_MAX,
};

/*
 * Before it can have guests; and when it is loaded, as who switched the parameter on in
 * between did not find it yet.
 */
static int module_event(struct notifier_block *nb, unsigned long action, void *data)
{
	const struct module *module = data;

	if ((action == MODULE_STATE_COMING || action == MODULE_STATE_LIVE) &&
	    !strcmp(module->name, "kvm"))
		pagehint_control_guests();
	return NOTIFY_OK;
}

static struct notifier_block module_block = { .notifier_call = module_event };

/**
 * pagehint_lifecycle_open - watch these events
 *
 * Context: process, may sleep.
 * Return: 0 or an error with nothing registered.
 */
int pagehint_lifecycle_open(void)
{
	int err;

	err = pagehint_fail_point() ?: register_memory_notifier(&memory_block);
	if (err)
		return err;
	err = pagehint_fail_point() ?: register_pm_notifier(&sleep_block);
	if (err)
		goto err_memory;
	err = pagehint_fail_point() ?: register_reboot_notifier(&reboot_block);
	if (err)
		goto err_sleep;
	err = pagehint_fail_point() ?: register_module_notifier(&module_block);
	if (err)
		goto err_reboot;
	atomic_notifier_chain_register(&panic_notifier_list, &panic_block);
	return 0;

err_reboot:
	unregister_reboot_notifier(&reboot_block);
err_sleep:
	unregister_pm_notifier(&sleep_block);
err_memory:
	unregister_memory_notifier(&memory_block);
	cancel_work_sync(&renew_work);
	return err;
}

/**
 * pagehint_lifecycle_close - stop watching
 *
 * Context: process, may sleep.
 */
void pagehint_lifecycle_close(void)
{
	atomic_notifier_chain_unregister(&panic_notifier_list, &panic_block);
	unregister_module_notifier(&module_block);
	unregister_reboot_notifier(&reboot_block);
	unregister_pm_notifier(&sleep_block);
	unregister_memory_notifier(&memory_block);
	cancel_work_sync(&renew_work);
}
