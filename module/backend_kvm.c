// SPDX-License-Identifier: GPL-2.0
/*
 * kvm: the host is told by hypercall. This file speaks to it: finding it, the
 * cookie, one vector. What is said is decided by module/teller_worker.c (in the
 * background), module/kvm_claim.c (free memory) and module/teller.c (whoever
 * needs a frame); the table is the guest's own, see include/pagehint/vector.h.
 *
 * The cookie stands for "the host remembers what it was told". After an error it
 * is 0, and nobody speaks to the host until the worker has queried it again: a
 * host that answers with an error has forgotten everything that was said under
 * that cookie and drops nothing of it (include/uapi/pagehint.h), and so has one
 * that is not there any more.
 *
 * Context: as each function says. A call never sleeps as far as the guest is
 * concerned; the host may take its time, as with any exit.
 */
#include <pagehint/log.h>

#include <linux/gfp.h>
#include <linux/io.h>
#include <linux/mm.h>
#include <linux/mutex.h>

#include <compat/hypercall.h>
#include <compat/mm.h>
#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>
#include <pagehint/stats.h>
#include <pagehint/table.h>
#include <pagehint/teller.h>

#include "kvm.h"

/* A host that does nothing of a vector so often will never do anything. */
#define PATIENCE	1000

static u64 cookie;	/* 0: not connected */
static long last_error;	/* why not, for people */
static bool dying;	/* in a panic */

/* Under query_mutex: written by the host. */
static struct pagehint_hc_query *answer_page;
static struct pagehint_hc_query host;	/* what it said last */
static DEFINE_MUTEX(query_mutex);

/* For queries in any context: nobody reads their answer. */
static struct pagehint_hc_query *forget_page;

static long call(unsigned int operation, void *memory, unsigned long count, u64 with)
{
	unsigned long gpa = virt_to_phys(memory);

	pagehint_count(PAGEHINT_HYPERCALLS, 1);
	if (pagehint_fake_host)
		return pagehint_fake_host_call(operation, gpa, count, with);
	return pagehint_hypercall(operation, gpa, count, with);
}

/*
 * Any context. Only the cookie that did not hold: there may be another one by now, and
 * under that the host was told of frames, for which it must be asked.
 */
static void give_up(u64 with)
{
	cmpxchg64(&cookie, with, 0);
}

/*
 * Any context. On return the host drops nothing that it was told of before. In this
 * order: with no cookie nobody asks the host before a frame is used again.
 */
static void forget(void)
{
	u64 with = READ_ONCE(cookie);

	call(PAGEHINT_HC_QUERY, forget_page, 0, 0);
	give_up(with);
}

/*
 * An answer that is not one of the contract's says nothing of what the host
 * believes: so it is made to forget.
 */
static void lose(u64 with, long ret)
{
	pagehint_count(PAGEHINT_HOST_LOST, 1);
	WRITE_ONCE(last_error, ret);
	if (ret < 0)
		give_up(with);
	else
		forget();
}

/**
 * pagehint_kvm_say - pass a vector to the host
 * @operation: PAGEHINT_HC_SET_STATE or _MAKE_STABLE
 * @vector: its entries
 *
 * A host may do a part of a vector: it is called again with the rest.
 * The frames are locked before the cookie is read: so it is the one that they were
 * told under, or a later one, of which the host has to know nothing of them.
 *
 * Context: any but NMI.
 * Return: the entries done, fewer than there are only if the connection is lost.
 */
unsigned int pagehint_kvm_say(unsigned int operation, struct pagehint_vector *vector)
{
	unsigned int done = 0, tries = 0;
	u64 with = READ_ONCE(cookie);

	while (with && done < vector->nr) {
		long ret = call(operation, vector->entries + done, vector->nr - done, with);

		if (ret < 0 || ret > vector->nr - done || (!ret && ++tries == PATIENCE)) {
			if (ret < 0 && operation == PAGEHINT_HC_SET_STATE)
				pagehint_kvm_refused(vector->entries + done, ret, done);
			lose(with, ret);
			break;
		}
		done += ret;
	}
	return done;
}

/**
 * pagehint_kvm_connected - does the host remember what it was told?
 *
 * Context: any. True only of the past.
 */
bool pagehint_kvm_connected(void)
{
	return READ_ONCE(cookie);
}

/* Under query_mutex. Leaves what the host said in @host. */
static int query(char *why)
{
	long ret;

	memset(answer_page, 0, sizeof(*answer_page));
	ret = pagehint_fail_point() ?: call(PAGEHINT_HC_QUERY, answer_page, 0, 0);
	host = *answer_page;
	return pagehint_check_answer(ret, &host, want_init_on_free(), why);
}

/*
 * Query the host: it forgets, and there is a new cookie. May sleep. Returns 0, or an
 * error; a line in the log when it is another one than last time.
 */
static int connect(void)
{
	static int reported;
	char why[PAGEHINT_WHY_BYTES];
	int err;

	mutex_lock(&query_mutex);
	err = query(why);
	if (!err && !READ_ONCE(dying))
		WRITE_ONCE(cookie, host.cookie);
	if (err && err != reported)
		pr_err_ratelimited("backend kvm: %s\n", why);
	reported = err;
	mutex_unlock(&query_mutex);
	return err;
}

/*
 * A volatile frame may be freed, allocated and zeroed before the host hears of it
 * (module/teller.c): so what it drops has to read as zeros.
 */
static bool takes_volatile(void)
{
	const u64 needed = PAGEHINT_F_VOLATILE | PAGEHINT_F_ZERO;

	return (READ_ONCE(host.features) & needed) == needed;
}

/**
 * pagehint_kvm_min_order - the smallest free block that is hinted
 *
 * Context: any.
 */
unsigned int pagehint_kvm_min_order(void)
{
	int order = READ_ONCE(pagehint_order);

	if (order < 0)
		return min_t(u32, READ_ONCE(host.unused_order), PAGEHINT_MAX_BUDDY_ORDER);
	return order;
}

/**
 * pagehint_kvm_entries - most entries of a vector
 *
 * Context: any.
 */
unsigned int pagehint_kvm_entries(void)
{
	if (pagehint_kvm_one_by_one())
		return 1;
	/* One at least: who asks for frames goes on until he has asked for all of them. */
	return clamp(min(READ_ONCE(host.max_entries), READ_ONCE(pagehint_kvm_batch)), 1U,
		     PAGEHINT_VECTOR_MAX);
}

static void free_pages_of_host(void)
{
	free_page((unsigned long)answer_page);
	free_page((unsigned long)forget_page);
	answer_page = NULL;
	forget_page = NULL;
}

static int find_host(char *why)
{
	int err;

	if (!pagehint_fake_host && !pagehint_on_kvm()) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "this guest does not run on KVM (CPUID does not say so): choose another backend");
		return -EOPNOTSUPP;
	}
	answer_page = (void *)get_zeroed_page(GFP_KERNEL);
	forget_page = (void *)get_zeroed_page(GFP_KERNEL);
	if (!answer_page || !forget_page) {
		snprintf(why, PAGEHINT_WHY_BYTES, "no memory: free some and load again");
		free_pages_of_host();
		return -ENOMEM;
	}
	mutex_lock(&query_mutex);
	err = query(why);
	mutex_unlock(&query_mutex);
	if (err)
		free_pages_of_host();
	return err;
}

static unsigned int say(enum pagehint_said said, struct pagehint_vector *vector)
{
	return pagehint_kvm_say(said == PAGEHINT_TELL ? PAGEHINT_HC_SET_STATE :
							PAGEHINT_HC_MAKE_STABLE, vector);
}

static void pass_begin(void)
{
	if (READ_ONCE(pagehint_kvm_drain))
		pagehint_drain_all_pages();
}

static void pass_end(bool complete)
{
	pagehint_kvm_claim_flush();
	if (complete && pagehint_kvm_connected())
		pagehint_kvm_all_told();
}

static const struct pagehint_teller teller = {
	.name = "kvm",
	.say = say,
	.entries = pagehint_kvm_entries,
	.listens = pagehint_kvm_connected,
	.listen = connect,
	.takes_volatile = takes_volatile,
	.skips = pagehint_kvm_is_refused,
	.pass_begin = pass_begin,
	.found_free = pagehint_kvm_claim,
	.pass_end = pass_end,
	.delay_ms = &pagehint_kvm_delay_ms,
	.max_frames = 4096,
};

static int kvm_open(char *why)
{
	int err;

	err = pagehint_own_table_open(why);
	if (err)
		return err;
	err = pagehint_fake_host_open();
	if (err) {
		snprintf(why, PAGEHINT_WHY_BYTES, "the fake host does not start (error %d)", err);
		goto err_table;
	}
	err = find_host(why);
	if (err)
		goto err_fake;
	err = pagehint_kvm_claim_open(why);
	if (err)
		goto err_host;
	err = pagehint_kvm_refused_open() ?: pagehint_teller_open(&teller);
	if (!err)
		return 0;
	snprintf(why, PAGEHINT_WHY_BYTES,
		 "no memory for a vector for each CPU: free some and load again");
	pagehint_kvm_refused_close();
	pagehint_kvm_claim_close();
err_host:
	free_pages_of_host();
err_fake:
	pagehint_fake_host_close();
err_table:
	pagehint_own_table_close();
	return err;
}

static void kvm_close(void)
{
	pagehint_teller_close();
	pagehint_kvm_refused_close();
	pagehint_kvm_claim_close();
	free_pages_of_host();
	pagehint_fake_host_close();
	pagehint_own_table_close();
}

static int kvm_lease_begin(void)
{
	int err = connect();

	if (err)
		return err;
	pagehint_kvm_refused_begin();
	err = pagehint_teller_start();
	if (err)
		forget();
	return err;
}

/*
 * At a reboot there still are volatile pages, and those who use them: once the host
 * has forgotten them, what is there counts as gone, and would have to be read again.
 */
static void kvm_lease_end(u32 leaving, bool for_sure)
{
	pagehint_teller_stop();
	pagehint_teller_ask_each(0, pagehint_table.nr_bytes);
	forget();
}

/*
 * A CPU that was stopped in a call holds only frames that nobody needs now. One that
 * still runs, and is the worker, does not connect again.
 */
static void kvm_lease_end_atomic(u32 leaving)
{
	WRITE_ONCE(dying, true);
	forget();
}

static void kvm_show(struct seq_file *m)
{
	seq_printf(m, "host %s, cookie %#llx, features %#llx, unused_order %u, max_entries %u\n",
		   pagehint_kvm_connected() ? "connected" : "not connected",
		   READ_ONCE(cookie), host.features, host.unused_order, host.max_entries);
	seq_printf(m, "order %u entries %u last_error %ld\n", pagehint_kvm_min_order(),
		   pagehint_kvm_entries(), READ_ONCE(last_error));
}

const struct pagehint_backend pagehint_backend_kvm = {
	.name = "kvm",
	.open = kvm_open,
	.close = kvm_close,
	.lease_begin = kvm_lease_begin,
	.lease_end = kvm_lease_end,
	.lease_end_atomic = kvm_lease_end_atomic,
	.takes_volatile = takes_volatile,
	.ask = pagehint_teller_ask,
	.ask_each = pagehint_teller_ask_each,
	.settle = pagehint_teller_settle,
	.nr_dropped = pagehint_teller_nr_gone,
	.show = kvm_show,
};
