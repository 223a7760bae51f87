// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's half of the lease: header, proofs of mapping, handshake.
 *
 * Context: process, under control_mutex, but for poll (a work item) and the
 * panic path. Who writes the header's guest lines: open, begin and end, which
 * control_mutex serialises, and poll, which is the only one to write
 * host_gen_echo while it is queued and is cancelled before anything else
 * writes it.
 */
#include <pagehint/log.h>

#include <linux/delay.h>
#include <linux/gfp.h>
#include <linux/jiffies.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/random.h>
#include <linux/ratelimit.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/workqueue.h>

#include <pagehint/control.h>
#include <pagehint/lease.h>
#include <pagehint/table.h>

#include "trace.h"

#define POLL_MS			100
/* A host that is alive, or its supervisor, ends a range well within this. */
#define BUSY_TIMEOUT_MS		5000
/* In a panic: about 100 ms. */
#define BUSY_PANIC_ROUNDS	100000

static struct pagehint_header *header;
/*
 * Under proof_mutex, which memory offlining takes under the hotplug locks,
 * where control_mutex is not to be had.
 */
static struct page *proofs[PAGEHINT_MAX_EXTENTS];
static DEFINE_MUTEX(proof_mutex);
/*
 * The last host_gen that was looked at and found wanting: logged once. A host
 * that has a new one each time must not fill the guest's log.
 */
static u64 refused_gen;
static DEFINE_RATELIMIT_STATE(refusals, 60 * HZ, 5);

static void poll(struct work_struct *work);
static DECLARE_DELAYED_WORK(poll_work, poll);

static u64 random_id(void)
{
	u64 id;

	do {
		id = get_random_u64();
	} while (!id);
	return id;
}

static bool lies_in(struct page *page, const struct pagehint_range *range)
{
	unsigned long pfn = page_to_pfn(page);

	return pfn >= range->gfn && pfn - range->gfn < range->nr_frames;
}

/*
 * A page within the range. The zones' usual pages first; where a node has more
 * ranges than zones (hotplug), the allocator of contiguous ranges, from the
 * end of the range, where little that cannot move lies.
 */
static struct page *page_in_range(const struct pagehint_range *range)
{
	const gfp_t zones[] = { GFP_KERNEL, GFP_KERNEL | GFP_DMA32,
				GFP_HIGHUSER_MOVABLE };
	unsigned long pfn;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(zones); i++) {
		struct page *page = alloc_pages_node(range->node, zones[i] |
				__GFP_THISNODE | __GFP_NOWARN | __GFP_ZERO, 0);

		if (page && lies_in(page, range))
			return page;
		if (page)
			__free_page(page);
	}
	for (pfn = range->gfn + range->nr_frames - 1; pfn > range->gfn; ) {
		if (!alloc_contig_range(pfn, pfn + 1, MIGRATE_MOVABLE,
					GFP_KERNEL | __GFP_NOWARN)) {
			clear_page(page_address(pfn_to_page(pfn)));
			return pfn_to_page(pfn);
		}
		if (pfn - range->gfn < pageblock_nr_pages)
			break;
		pfn -= pageblock_nr_pages;
		cond_resched();
	}
	return NULL;
}

static void free_proof(unsigned int i)
{
	/* A nonce must not be found where nobody vouches for it. */
	clear_page(page_address(proofs[i]));
	__free_page(proofs[i]);
	proofs[i] = NULL;
}

static void free_proofs(void)
{
	unsigned int i;

	mutex_lock(&proof_mutex);
	for (i = 0; i < ARRAY_SIZE(proofs); i++) {
		if (proofs[i])
			free_proof(i);
	}
	mutex_unlock(&proof_mutex);
}

/**
 * pagehint_lease_going_offline - memory is about to be taken offline
 * @pfn: first frame
 * @nr_pages: how many
 *
 * A proof cannot be migrated, so it would keep its memory online for ever. The
 * host has seen it; it looks again only for another lease.
 *
 * Context: process, may sleep, hotplug locks held.
 */
void pagehint_lease_going_offline(unsigned long pfn, unsigned long nr_pages)
{
	unsigned int i;

	mutex_lock(&proof_mutex);
	for (i = 0; i < ARRAY_SIZE(proofs); i++) {
		if (proofs[i] && page_to_pfn(proofs[i]) - pfn < nr_pages)
			free_proof(i);
	}
	mutex_unlock(&proof_mutex);
}

/**
 * pagehint_lease_going_online - memory comes back
 *
 * What the host is dropping now lies elsewhere: no need to wait for it.
 *
 * Context: process, may sleep, hotplug locks held; lease_begin may run at the
 * same time: the host looks at what it begins after the memory was plugged.
 */
void pagehint_lease_going_online(void)
{
	WRITE_ONCE(header->active, 0);
	smp_mb();	/* before any of it is unused: the host claims, then looks */
}

/* Those that are missing. Under proof_mutex. */
static void get_proofs(void)
{
	unsigned int i;

	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		if (proofs[i])
			continue;
		proofs[i] = page_in_range(&pagehint_table.ranges[i]);
		/* No proof, no drops from this range: smaller, but safe. */
		if (!proofs[i])
			pr_warn("no free page in extent %u (gfn %#lx, %lu frames): the host cannot verify it and will not use it\n",
				i, pagehint_table.ranges[i].gfn,
				pagehint_table.ranges[i].nr_frames);
	}
}

static bool host_idle(void)
{
	/* Acquire: whatever the host did to frames is complete. */
	return !smp_load_acquire(&header->busy_count);
}

static bool wait_host_idle(void)
{
	unsigned long end = jiffies + msecs_to_jiffies(BUSY_TIMEOUT_MS);

	while (!host_idle()) {
		if (time_after(jiffies, end))
			return false;
		usleep_range(100, 200);
	}
	return true;
}

/**
 * pagehint_lease_open - take a header page into use
 * @memory: the header, with the table behind it
 * @bytes: size of both
 * @why: the sentence when it is refused
 *
 * Whatever an earlier kernel left is gone afterwards: not active, every frame
 * STABLE.
 *
 * Context: process, may sleep.
 * Return: 0 or an error; nothing is kept then.
 */
int pagehint_lease_open(struct pagehint_header *memory, u64 bytes, char *why)
{
	struct pagehint_header *copy;
	int err;

	copy = kmemdup(memory, sizeof(*copy), GFP_KERNEL);
	if (!copy || pagehint_fail_point()) {
		kfree(copy);
		snprintf(why, PAGEHINT_WHY_BYTES, "no memory: free some and load again");
		return -ENOMEM;
	}
	err = pagehint_check_table_size(pagehint_table.nr_bytes, bytes, why);
	if (!err)
		err = pagehint_check_header(copy, why);
	if (!err)
		err = pagehint_check_host(copy, want_init_on_free(), why);
	kfree(copy);
	if (err)
		return err;

	header = memory;
	WRITE_ONCE(header->active, 0);
	smp_mb();	/* the end of an older lease before the host is looked at */
	if (!wait_host_idle()) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "the host has been dropping one range for %d s: is pagehintd stopped? Start it (again), it recovers the table",
			 BUSY_TIMEOUT_MS / 1000);
		header = NULL;
		return -EBUSY;
	}
	memset((u8 *)memory + PAGEHINT_HEADER_BYTES, PAGEHINT_STABLE,
	       bytes - PAGEHINT_HEADER_BYTES);
	pagehint_table_set_bytes((u8 *)memory + PAGEHINT_HEADER_BYTES);
	return 0;
}

/**
 * pagehint_lease_close - let go of the header page
 *
 * Context: process; the lease has ended and no hook is attached.
 */
void pagehint_lease_close(void)
{
	pagehint_table_set_bytes(NULL);
	free_proofs();
	header = NULL;
}

static void write_extents(u64 boot_id)
{
	unsigned int i;

	memset(header->extents, 0, sizeof(header->extents));
	for (i = 0; i < pagehint_table.nr_ranges; i++) {
		const struct pagehint_range *range = &pagehint_table.ranges[i];
		struct pagehint_extent *extent = &header->extents[i];
		struct pagehint_proof *proof;

		extent->gfn = range->gfn;
		extent->nr_frames = range->nr_frames;
		extent->table_offset = range->gfn;
		extent->node = range->node;
		extent->nonce = random_id();
		if (!proofs[i])
			continue;
		extent->proof_gfn = page_to_pfn(proofs[i]);
		proof = page_address(proofs[i]);
		proof->magic = PAGEHINT_PROOF_MAGIC;
		proof->gfn = extent->proof_gfn;
		proof->nonce = extent->nonce;
		proof->boot_id = boot_id;
	}
	header->nr_extents = pagehint_table.nr_ranges;
}

/**
 * pagehint_lease_begin - ask the host for a lease
 *
 * The host answers when it likes; poll sees it.
 *
 * Context: process, may sleep; every frame is STABLE, no lease is in force.
 * Return: 0 or an error with a line in the log.
 */
int pagehint_lease_begin(void)
{
	u64 boot_id = random_id();
	int err = pagehint_fail_point();

	if (err)
		return err;
	header->magic = PAGEHINT_MAGIC;
	header->version = PAGEHINT_VERSION;
	header->header_bytes = PAGEHINT_HEADER_BYTES;
	header->features = PAGEHINT_F_UNUSED | PAGEHINT_F_VOLATILE |
			   PAGEHINT_F_TEMPERATURE;
	header->table_bytes = pagehint_table.nr_bytes;
	header->frame_shift = PAGEHINT_FRAME_SHIFT;
	mutex_lock(&proof_mutex);
	get_proofs();
	write_extents(boot_id);
	mutex_unlock(&proof_mutex);
	header->leaving = PAGEHINT_LEAVING_NOT;
	header->host_gen_echo = 0;
	header->boot_id = boot_id;
	/* Release: who sees active sees all of the above. */
	smp_store_release(&header->active, 1);
	refused_gen = 0;
	queue_delayed_work(system_freezable_wq, &poll_work, 0);
	trace_pagehint_lease(true, boot_id);
	return 0;
}

/**
 * pagehint_lease_end - end the lease
 * @leaving: PAGEHINT_LEAVING_*
 * @for_sure: wait for the end of a drop as long as it takes
 *
 * On return the host drops nothing. A host that died in the middle of a range
 * cannot say so: then its supervisor does within a second, or the frames of
 * that range stay BUSY and whoever allocates them waits. A next kernel would not:
 * it has to be for sure then.
 *
 * Context: process, may sleep.
 */
void pagehint_lease_end(u32 leaving, bool for_sure)
{
	cancel_delayed_work_sync(&poll_work);
	header->leaving = leaving;
	WRITE_ONCE(header->active, 0);
	smp_mb();	/* pairs with the host's barrier after its claim */
	while (!wait_host_idle()) {
		pr_warn("the host has been dropping one range for %d s: is pagehintd stopped?%s\n",
			BUSY_TIMEOUT_MS / 1000,
			for_sure ? " The next kernel waits for it; start pagehintd (again)" : "");
		if (!for_sure)
			break;
	}
	WRITE_ONCE(header->host_gen_echo, 0);
	trace_pagehint_lease(false, header->boot_id);
}

/**
 * pagehint_lease_end_atomic - end the lease in a panic
 * @leaving: PAGEHINT_LEAVING_PANIC
 *
 * Context: any; bounded.
 */
void pagehint_lease_end_atomic(u32 leaving)
{
	unsigned int i;

	header->leaving = leaving;
	WRITE_ONCE(header->active, 0);
	smp_mb();	/* as in pagehint_lease_end() */
	for (i = 0; i < BUSY_PANIC_ROUNDS && !host_idle(); i++)
		udelay(1);
}

/* Is a host there that wants its generation echoed? Not in any hot path. */
static void poll(struct work_struct *work)
{
	/* Acquire: host_boot_id and the host's line belong to this host_gen. */
	u64 gen = smp_load_acquire(&header->host_gen);

	if (gen != header->host_gen_echo && gen != refused_gen &&
	    (!gen || READ_ONCE(header->host_boot_id) == header->boot_id)) {
		char why[PAGEHINT_WHY_BYTES];

		if (gen && pagehint_check_host(header, want_init_on_free(), why)) {
			refused_gen = gen;
			/* Not to the one before it either, whose line this was. */
			WRITE_ONCE(header->host_gen_echo, 0);
			if (__ratelimit(&refusals))
				pr_err("%s; nothing is given to this host\n", why);
		} else {
			/* Release: nothing that the host takes under it is older. */
			smp_store_release(&header->host_gen_echo, gen);
		}
	}
	queue_delayed_work(system_freezable_wq, &poll_work,
			   msecs_to_jiffies(POLL_MS));
}

/**
 * pagehint_lease_nr_dropped - how many frames the host says it has dropped
 *
 * A hostile host may say anything.
 *
 * Context: any, while the backend is open.
 */
u64 pagehint_lease_nr_dropped(void)
{
	return READ_ONCE(header->nr_dropped);
}

/**
 * pagehint_lease_show - the state of the lease, for debugfs
 * @m: where to
 *
 * Context: process.
 */
void pagehint_lease_show(struct seq_file *m)
{
	u64 gen = READ_ONCE(header->host_gen);
	bool host = READ_ONCE(header->host_magic) == PAGEHINT_HOST_MAGIC;

	if (!host)
		seq_puts(m, "host none yet\n");
	else
		seq_printf(m, "host version %u features %#llx\n",
			   header->host_version, header->host_features);
	seq_printf(m, "features %#llx negotiated %#llx\n", header->features,
		   header->features & header->host_features);
	seq_printf(m, "lease %s\n",
		   !READ_ONCE(header->active) ? "off" :
		   gen && gen == READ_ONCE(header->host_gen_echo) ? "in force" :
		   gen && gen == refused_gen ? "host refused" : "asked for");
	seq_printf(m, "boot_id %#llx host_gen %#llx\n", header->boot_id, gen);
	seq_printf(m, "extents_confirmed %#llx\n", header->extents_confirmed);
	seq_printf(m, "host_dropped_frames %llu\n", READ_ONCE(header->nr_dropped));
}
