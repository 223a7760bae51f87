// SPDX-License-Identifier: GPL-2.0
/*
 * Test module: does to the page cache of a file what user space cannot steer
 * well enough to meet a race: see pagerace.h. The users of it are the directed
 * tests of volatile pages (tests/guest/pagerace.c, tests/cases/guest/race).
 */
#include <linux/delay.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/highmem.h>
#include <linux/ktime.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/migrate.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/pagemap.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>
#ifdef CONFIG_X86
#include <asm/apic.h>
#include <asm/nmi.h>
#endif

#include <compat/page_cache.h>

#include "pagerace.h"

#define NMI_PATIENCE_S	5
/* In one request: registering the handler costs a grace period. */
#define NMIS		400
#define NMI_PAUSE_US	300

static DEFINE_MUTEX(mutex);	/* one request at a time, but for NMI's waiting */

/* ------------------------------------------------------------------------
 * Looking, without a reference
 */

static int peek(struct address_space *mapping, struct pagerace *race)
{
	unsigned long i;

	rcu_read_lock();
	for (i = race->index; i < race->index + race->count; i++) {
		struct folio *folio = xa_load(&mapping->i_pages, i);

		if (!folio || xa_is_value(folio))
			continue;
		race->present++;
		race->uptodate += folio_test_uptodate(folio);
		race->dirty += folio_test_dirty(folio);
		race->large += folio_test_large(folio);
	}
	rcu_read_unlock();
	return 0;
}

/* ------------------------------------------------------------------------
 * Dirtying, as GUP users do
 */

/* As tests/guest/pattern.h: the whole page becomes that of the new key. */
static void fill(struct page *page, u64 key, u64 offset)
{
	u64 *words = kmap_local_page(page);
	unsigned int i;

	for (i = 0; i < PAGE_SIZE / sizeof(*words); i++)
		words[i] = ((key + offset + i * sizeof(*words)) *
			    0x9e3779b97f4a7c15ULL ^ key >> 7) | 1;
	kunmap_local(words);
}

/* In a random order would be no better: whoever is delayed waits for all. */
static int dirty(struct address_space *mapping, struct pagerace *race)
{
	unsigned long i;

	for (i = race->index; i < race->index + race->count; i++) {
		struct page *page = find_get_page(mapping, i);

		if (!page)
			continue;
		if (PageUptodate(page)) {
			fill(page, race->argument, (u64)i << PAGE_SHIFT);
			set_page_dirty(page);
			race->dirty++;
			race->met += PageLocked(page);
		}
		put_page(page);
	}
	return 0;
}

/* ------------------------------------------------------------------------
 * A page that is locked for as long as the test wants
 */

static struct page *locked;

static int lock(struct address_space *mapping, struct pagerace *race)
{
	if (race->argument)
		return locked && pagehint_folio_remove(page_folio(locked)) ? 0 : -ENOENT;
	if (locked)
		return -EBUSY;
	locked = find_lock_page(mapping, race->index);
	return locked ? 0 : -ENOENT;
}

static int unlock(struct address_space *mapping, struct pagerace *race)
{
	if (!locked)
		return -ENOENT;
	unlock_page(locked);
	put_page(locked);
	locked = NULL;
	return 0;
}

/* ------------------------------------------------------------------------
 * Migration, as migrate_pages() does it to a page that it isolated, by frame
 */

static struct folio *hold(struct address_space *mapping, unsigned long index)
{
	struct folio *folio;

	rcu_read_lock();
	folio = xa_load(&mapping->i_pages, index);
	if (!folio || xa_is_value(folio) || !folio_try_get(folio))
		folio = NULL;
	rcu_read_unlock();
	return folio;
}

static int migrate_one(struct address_space *mapping, struct folio *from)
{
	struct folio *to = folio_alloc(GFP_HIGHUSER_MOVABLE, folio_order(from));
	bool active;
	int err = -ENOMEM;

	if (!to)
		return err;
	__folio_set_locked(to);
	folio_lock(from);
	active = folio_test_active(from);
	err = -EAGAIN;
	if (from->mapping == mapping && !folio_test_writeback(from))
		err = mapping->a_ops->migrate_folio(mapping, to, from, MIGRATE_SYNC);
	if (!err) {
		from->mapping = NULL;
		/* It goes from the list that it is on: we cannot isolate it. */
		if (active)
			folio_set_active(from);
		folio_add_lru(to);
	}
	folio_unlock(from);
	folio_unlock(to);
	folio_put(to);
	return err;
}

static int migrate(struct address_space *mapping, struct pagerace *race)
{
	unsigned long i = race->index, end = i + race->count;

	while (i < end) {
		struct folio *folio = hold(mapping, i);

		i++;
		if (!folio)
			continue;
		i = folio_next_index(folio);
		if (!migrate_one(mapping, folio))
			race->done += folio_nr_pages(folio);
		folio_put(folio);
	}
	return 0;
}

/* ------------------------------------------------------------------------
 * Contiguous allocation, as for huge pages of 1 GiB and for devices (CMA)
 */

/* Frames: as many as can be had around a page without much that cannot be moved */
#define CONTIG_FRAMES	64UL

static unsigned long frame_of(struct address_space *mapping, unsigned long index)
{
	struct folio *folio;
	unsigned long pfn = 0;

	rcu_read_lock();
	folio = xa_load(&mapping->i_pages, index);
	if (folio && !xa_is_value(folio))
		pfn = page_to_pfn(folio_file_page(folio, index));
	rcu_read_unlock();
	return pfn;
}

static bool take_contiguous(unsigned long pfn, unsigned long nr)
{
	if (!pfn_to_online_page(pfn) ||
	    alloc_contig_range(pfn, pfn + nr, MIGRATE_MOVABLE, GFP_KERNEL | __GFP_NOWARN))
		return false;
	free_contig_range(pfn, nr);
	return true;
}

/* Each page once, wherever it is by then: it may have been moved with one before it. */
static int contig(struct address_space *mapping, struct pagerace *race)
{
	unsigned long i;

	for (i = race->index; i < race->index + race->count; i++) {
		unsigned long pfn = frame_of(mapping, i);

		if (!pfn)
			continue;
		if (!(i % CONTIG_FRAMES) &&
		    take_contiguous(ALIGN_DOWN(pfn, CONTIG_FRAMES), CONTIG_FRAMES))
			race->done += CONTIG_FRAMES;
		else if (frame_of(mapping, i) == pfn && take_contiguous(pfn, 1))
			race->done++;
		cond_resched();
	}
	return 0;
}

/* ------------------------------------------------------------------------
 * Lookup in NMI, where one CPU can send another one an NMI
 */

#ifdef CONFIG_X86

static struct nmi_request {
	struct address_space *mapping;
	struct pagerace *race;
	unsigned long at;
	unsigned int cpu;
	bool wanted, done;
} nmi;

static int on_nmi(unsigned int type, struct pt_regs *regs)
{
	struct pagerace *race = nmi.race;
	unsigned long i;

	if (!READ_ONCE(nmi.wanted) || smp_processor_id() != nmi.cpu)
		return NMI_DONE;
	WRITE_ONCE(nmi.wanted, false);
	for (i = race->index; i < race->index + race->count; i++) {
		struct folio *folio = xa_load(&nmi.mapping->i_pages, i);
		struct page *page;

		if (folio && !xa_is_value(folio) && !folio_ref_count(folio))
			race->met++;
		WRITE_ONCE(nmi.at, i);
		page = find_get_page(nmi.mapping, i);
		if (!page)
			continue;
		race->done++;
		put_page(page);
	}
	/* The sender sees what was counted. */
	smp_store_release(&nmi.done, true);
	return NMI_HANDLED;
}

static void send_nmi(struct address_space *mapping, struct pagerace *race)
{
	ktime_t end = ktime_add_ms(ktime_get(), NMI_PATIENCE_S * MSEC_PER_SEC);

	nmi.mapping = mapping;
	nmi.race = race;
	nmi.cpu = race->argument;
	WRITE_ONCE(nmi.done, false);
	/* The handler sees the request whole. */
	smp_store_release(&nmi.wanted, true);
	apic->send_IPI(nmi.cpu, NMI_VECTOR);
	/* Pairs with the handler's. */
	while (!smp_load_acquire(&nmi.done)) {
		cpu_relax();
		if (ktime_before(ktime_get(), end))
			continue;
		pr_err("pagerace: HARM: CPU %u does not come back from its NMI, which looks page %lu up\n",
		       nmi.cpu, READ_ONCE(nmi.at));
		/* What it uses must stay. */
		for (;;)
			msleep(1000);
	}
}

static int in_nmi_of_cpu(struct address_space *mapping, struct pagerace *race)
{
	unsigned int i;
	int err;

	if (race->argument >= nr_cpu_ids || !cpu_online(race->argument) ||
	    race->argument == raw_smp_processor_id())
		return -EINVAL;
	err = register_nmi_handler(NMI_LOCAL, on_nmi, 0, "pagerace");
	if (err)
		return err;
	for (i = 0; i < NMIS; i++) {
		send_nmi(mapping, race);
		udelay(NMI_PAUSE_US);
	}
	unregister_nmi_handler(NMI_LOCAL, "pagerace");
	return 0;
}

#else

static int in_nmi_of_cpu(struct address_space *mapping, struct pagerace *race)
{
	return -EOPNOTSUPP;
}

#endif

/* ------------------------------------------------------------------------
 * The device
 */

static int run(unsigned int command, struct address_space *mapping,
	       struct pagerace *race)
{
	switch (command) {
	case PAGERACE_PEEK:
		return peek(mapping, race);
	case PAGERACE_DIRTY:
		return dirty(mapping, race);
	case PAGERACE_LOCK:
		return lock(mapping, race);
	case PAGERACE_UNLOCK:
		return unlock(mapping, race);
	case PAGERACE_MIGRATE:
		return migrate(mapping, race);
	case PAGERACE_CONTIG:
		return contig(mapping, race);
	case PAGERACE_NMI:
		return in_nmi_of_cpu(mapping, race);
	default:
		return -ENOTTY;
	}
}

static long pagerace_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct pagerace __user *user = (void __user *)argument;
	static struct pagerace race;	/* an NMI that does not come back uses it */
	struct file *raced;
	int err = -EFAULT;

	mutex_lock(&mutex);
	if (copy_from_user(&race, user, sizeof(race)))
		goto out;
	raced = fget(race.fd);
	err = -EBADF;
	if (!raced)
		goto out;
	err = run(command, raced->f_mapping, &race);
	fput(raced);
	if (!err && copy_to_user(user, &race, sizeof(race)))
		err = -EFAULT;
out:
	mutex_unlock(&mutex);
	return err;
}

static const struct file_operations pagerace_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = pagerace_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "pagerace",
	.fops = &pagerace_fops,
};

module_misc_device(device);

MODULE_DESCRIPTION("Test: drives races about the page cache");
MODULE_LICENSE("GPL");
