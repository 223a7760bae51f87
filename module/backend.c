// SPDX-License-Identifier: GPL-2.0
/*
 * Choosing a backend, the null backend, and the table memory that backends
 * without a device share.
 *
 * Context: process, under control_mutex.
 */
#include <pagehint/log.h>

#include <linux/mm.h>
#include <linux/slab.h>
#include <linux/string.h>

#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/table.h>

const struct pagehint_backend *pagehint_backend;

static const struct pagehint_backend * const backends[] = {
	&pagehint_backend_essa,
	&pagehint_backend_kvm,
	&pagehint_backend_shm,
	&pagehint_backend_loop,
	&pagehint_backend_null,
};

/* What auto tries: backends with a host behind them. */
static const struct pagehint_backend * const automatic[] = {
#ifdef CONFIG_S390
	&pagehint_backend_essa,
#endif
	&pagehint_backend_kvm,
	&pagehint_backend_shm,
};

/**
 * pagehint_backend_known - is this a value of the parameter backend=?
 * @name: the value
 *
 * Context: any.
 * Return: true if it is.
 */
bool pagehint_backend_known(const char *name)
{
	unsigned int i;

	if (!strcmp(name, "auto"))
		return true;
	for (i = 0; i < ARRAY_SIZE(backends); i++) {
		if (!strcmp(name, backends[i]->name))
			return true;
	}
	return false;
}

static int open_one(const struct pagehint_backend *backend, char *why)
{
	int err = pagehint_fail_point();

	if (err)
		snprintf(why, PAGEHINT_WHY_BYTES, "failed for a test");
	else
		err = backend->open(why);
	if (!err)
		pagehint_backend = backend;
	return err;
}

/**
 * pagehint_backend_open - open the backend of that name
 * @name: a known name
 *
 * Context: process, may sleep; the table is laid out.
 * Return: 0, or an error with a line in the log: for auto, one line for each
 * that was tried.
 */
int pagehint_backend_open(const char *name)
{
	char why[PAGEHINT_WHY_BYTES];
	unsigned int i;
	int err;

	if (strcmp(name, "auto")) {
		for (i = 0; i < ARRAY_SIZE(backends); i++) {
			if (strcmp(name, backends[i]->name))
				continue;
			err = open_one(backends[i], why);
			if (err)
				pr_err("backend %s: %s\n", name, why);
			return err;
		}
		return -EINVAL;
	}
	for (i = 0; i < ARRAY_SIZE(automatic); i++) {
		err = open_one(automatic[i], why);
		if (!err)
			return 0;
		pr_info("backend auto tried %s: %s\n", automatic[i]->name, why);
		if (err == -ENOMEM)
			return err;
	}
	pr_err("backend auto found no host: see the lines above for what each of them needs, or load with backend=null (dry run) or backend=loop (test)\n");
	return -EOPNOTSUPP;
}

/**
 * pagehint_backend_close - close the backend in use
 *
 * Context: process, may sleep; no hook is attached and no lease in force.
 */
void pagehint_backend_close(void)
{
	if (!pagehint_backend)
		return;
	pagehint_backend->close();
	pagehint_backend = NULL;
}

/**
 * pagehint_own_table_open - give the table memory of the guest's own
 * @why: the sentence when it fails
 *
 * Context: process, may sleep.
 * Return: 0 or -ENOMEM.
 */
int pagehint_own_table_open(char *why)
{
	u8 *bytes = kvzalloc(pagehint_table.nr_bytes, GFP_KERNEL);

	if (!bytes) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "no memory for a table of %lu KiB: free some and load again",
			 pagehint_table.nr_bytes >> 10);
		return -ENOMEM;
	}
	pagehint_table_set_bytes(bytes);
	return 0;
}

/**
 * pagehint_own_table_close - undo pagehint_own_table_open()
 *
 * Context: process.
 */
void pagehint_own_table_close(void)
{
	u8 *bytes = pagehint_table.bytes;

	pagehint_table_set_bytes(NULL);
	kvfree(bytes);
}

#ifndef CONFIG_S390
/* module/backend_essa.c is for s390 */
static int essa_open(char *why)
{
	snprintf(why, PAGEHINT_WHY_BYTES,
		 "ESSA is an instruction of s390x, and this is another processor: choose another backend");
	return -EOPNOTSUPP;
}

const struct pagehint_backend pagehint_backend_essa = {
	.name = "essa",
	.open = essa_open,
};
#endif

/* Dry run: the table is kept and nobody reads it but the statistics. */

static int null_lease_begin(void)
{
	return 0;
}

static void null_lease_end(u32 leaving, bool for_sure)
{
}

static void null_lease_end_atomic(u32 leaving)
{
}

static void null_show(struct seq_file *m)
{
	seq_puts(m, "host none: states are counted and nothing is dropped\n");
}

const struct pagehint_backend pagehint_backend_null = {
	.name = "null",
	.open = pagehint_own_table_open,
	.close = pagehint_own_table_close,
	.lease_begin = null_lease_begin,
	.lease_end = null_lease_end,
	.lease_end_atomic = null_lease_end_atomic,
	.show = null_show,
};
