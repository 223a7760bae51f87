// SPDX-License-Identifier: GPL-2.0
/*
 * What is in force: brought in line with what the parameters want, what this
 * kernel can, and what the guest is doing (sleep, reboot, guests of its own).
 *
 * control_mutex serialises everything that changes it: load, unload, parameters,
 * sleep, reboot. It is the outermost lock of the module.
 */
#include <pagehint/log.h>

#include <linux/mutex.h>

#include <pagehint/backend.h>
#include <pagehint/checks.h>
#include <pagehint/control.h>
#include <pagehint/discard_fault.h>
#include <pagehint/hooks.h>
#include <pagehint/lazyfree.h>
#include <pagehint/mapped.h>
#include <pagehint/stay.h>
#include <pagehint/swap_cache.h>
#include <pagehint/table.h>
#include <pagehint/unused.h>
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
static bool cannot_swap;	/* nor is every way to the swap cache hooked */
static bool swapping;		/* that is in force */
static char no_swap[PAGEHINT_WHY_BYTES];	/* why not */

bool pagehint_enable = true;
bool pagehint_unused = true;
bool pagehint_volatile;
bool pagehint_mapped_volatile;

/**
 * pagehint_control_find_volatile - find what is to be hooked for volatile pages
 *
 * Without it the module runs with less, and says so.
 *
 * Context: load; may sleep.
 * Return: 0, or -EIO: the kernel's symbols cannot be read.
 */
int pagehint_control_find_volatile(void)
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
		pagehint_volatile = false;
		return 0;
	}
	err = pagehint_stay_hooks_find();
	cannot_stay = err;
	return err == -EIO ? err : 0;
}

/**
 * pagehint_control_find_mapped - find what unmaps and frees
 *
 * As above; after it.
 *
 * Context: load; may sleep.
 * Return: 0.
 */
int pagehint_control_find_mapped(void)
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

/**
 * pagehint_control_find_swap_cache - find what is to be hooked in the swap cache
 *
 * As above; after pagehint_control_find_volatile().
 *
 * Context: load; may sleep.
 * Return: 0, or -EIO: the kernel's symbols cannot be read.
 */
int pagehint_control_find_swap_cache(void)
{
	int err = -EOPNOTSUPP;

	snprintf(no_swap, sizeof(no_swap), "page cache cannot be volatile on this kernel");
	if (!cannot_cache)
		err = pagehint_swap_cache_check(no_swap);
	cannot_swap = err;
	if (err && pagehint_swapcache)
		pr_warn("swap cache stays stable (swapcache=0): %s\n", no_swap);
	pagehint_swapcache &= !err;
	return err == -EIO ? err : 0;
}

static void stop_caching(void)
{
	if (caching)
		pagehint_volatile_stop();
	caching = false;
	staying = false;
	swapping = false;
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

static void no_stay(const char *why)
{
	pr_warn("mapped pages do not stay volatile (mapped_volatile=0): %s\n", why);
	pagehint_mapped_volatile = false;
}

/* Without hooks of their own these two are left out, and the rest goes on. */
static int start_caching(bool stay, bool swap)
{
	char why[PAGEHINT_WHY_BYTES] = "see the line above";
	int err;

	if (stay && (cannot_stay || pagehint_stay_check(why))) {
		no_stay(why);
		stay = false;
	}
	err = pagehint_volatile_start(hinting, stay, swap);
	if (err == -EBUSY && swap) {
		swap = false;
		err = pagehint_volatile_start(hinting, stay, false);
		if (!err) {
			pr_warn("swap cache stays stable (swapcache=0): see the line above\n");
			pagehint_swapcache = false;
		}
	}
	if (err == -EBUSY && stay) {
		no_stay("see the line above");
		stay = false;
		err = pagehint_volatile_start(hinting, false, false);
	}
	staying = !err && stay;
	swapping = !err && swap;
	return err;
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
	bool want_lease = pagehint_enable && !asleep && !shut_down;
	bool want_hints = want_lease && pagehint_unused && !kernel_hints();
	bool want_cache = want_lease && pagehint_volatile && !cannot_cache;
	bool want_stay = want_cache && pagehint_mapped_volatile;
	bool want_swap = want_cache && pagehint_swapcache && !cannot_swap;
	int err;

	if (!want_cache || hinting != want_hints || staying != want_stay ||
	    swapping != want_swap)
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
		err = start_caching(want_stay, want_swap);
		/* At load somebody else's hook is no reason to do nothing at all. */
		if (err == -EBUSY && !ready) {
			pr_warn("page cache stays stable: remove the other user and write 1 to the parameter volatile\n");
			pagehint_volatile = false;
			return 0;
		}
		if (err)
			return err;
		caching = true;
	}
	return 0;
}

/**
 * pagehint_control_start - the module is loaded: begin
 *
 * Context: load; may sleep.
 * Return: 0 or a negative error, with nothing begun.
 */
int pagehint_control_start(void)
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

/**
 * pagehint_control_stop - the module is unloaded: end, for good
 *
 * Context: unload, or a load that failed later; may sleep.
 */
void pagehint_control_stop(void)
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

/* Why a switch cannot be on, in @why; or NULL */
static const char *refused(const bool *wanted, char why[PAGEHINT_WHY_BYTES])
{
	if ((wanted == &pagehint_volatile && cannot_cache) ||
	    (wanted == &pagehint_mapped && cannot_unmap) ||
	    (wanted == &pagehint_lazyfree && cannot_lazyfree) ||
	    (wanted == &pagehint_mapped_volatile && cannot_stay))
		return "this kernel cannot: see the line that the module logged when it was loaded";
	if (wanted == &pagehint_mapped_volatile && pagehint_stay_check(why))
		return why;
	if (wanted == &pagehint_swapcache && cannot_swap)
		return no_swap;
	return NULL;
}

/**
 * pagehint_control_switch - switch a part on or off
 * @wanted: one of the parameters that say what is wanted
 * @on: its new value
 * @name: the parameter's name, for the log
 *
 * Before the load is complete it is noted only.
 *
 * Context: process, may sleep.
 * Return: 0; -EOPNOTSUPP if this kernel or host cannot (logged), or what starting it
 * returned, with the old value in force.
 */
int pagehint_control_switch(bool *wanted, bool on, const char *name)
{
	char why_bytes[PAGEHINT_WHY_BYTES];
	const char *why = NULL;
	bool before;
	int err = 0;

	mutex_lock(&control_mutex);
	before = *wanted;
	if (ready && on)
		why = refused(wanted, why_bytes);
	if (why) {
		pr_err("%s=1: %s\n", name, why);
		err = -EOPNOTSUPP;
	} else {
		*wanted = on;
		err = ready ? apply(PAGEHINT_LEAVING_OFF) : 0;
	}
	if (err)
		*wanted = before;
	/* What was given up before made no event that was heard. */
	else if (wanted == &pagehint_lazyfree && on && !before)
		pagehint_volatile_rescan();
	mutex_unlock(&control_mutex);
	return err;
}

/**
 * pagehint_control_ready - is the load complete?
 *
 * Context: any.
 * Return: true from then on until the module is unloaded.
 */
bool pagehint_control_ready(void)
{
	return READ_ONCE(ready);
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
