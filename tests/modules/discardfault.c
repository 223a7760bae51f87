// SPDX-License-Identifier: GPL-2.0
/*
 * Test module (s390x): uses pages of the page cache without any getter, in all the ways
 * that a CPU may be interrupted in when the host has dropped them: see discardfault.h.
 * The user of it is tests/guest/discardfault.c.
 */
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/gfp.h>
#include <linux/irqflags.h>
#include <linux/kprobes.h>
#include <linux/migrate.h>
#include <linux/miscdevice.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/pagemap.h>
#include <linux/rmap.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

#include "discardfault.h"

static struct folio *hold(struct address_space *mapping, unsigned long index)
{
	struct folio *folio;

	rcu_read_lock();
	folio = xa_load(&mapping->i_pages, index);
	if (!folio || xa_is_value(folio) || !folio_try_get_rcu(folio))
		folio = NULL;
	rcu_read_unlock();
	return folio;
}

static u32 essa_get(unsigned long address)
{
	unsigned long result;

	asm volatile(".insn rrf,0xb9ab0000,%0,%1,0,0" : "=d" (result) : "d" (address) : "memory");
	return result;
}

static u64 second_word(void *page)
{
	return READ_ONCE(((u64 *)page)[1]);
}

static u64 second_word_irqs_off(void *page)
{
	unsigned long flags;
	u64 word;

	local_irq_save(flags);
	word = second_word(page);
	local_irq_restore(flags);
	return word;
}

static long nofault(void *page, void __user *to)
{
	void *copy = (void *)get_zeroed_page(GFP_KERNEL);
	long err = -ENOMEM;

	if (!copy)
		return err;
	err = copy_from_kernel_nofault(copy, page, PAGE_SIZE);
	if (!err && copy_to_user(to, copy, PAGE_SIZE))
		err = -EIO;
	free_page((unsigned long)copy);
	return err;
}

static unsigned long to_user_atomic(void *page, void __user *to)
{
	unsigned long left;

	pagefault_disable();
	left = __copy_to_user_inatomic(to, page, PAGE_SIZE);
	pagefault_enable();
	return left;
}

static unsigned long from_user_atomic(const void __user *from)
{
	unsigned long left;
	u64 word;

	pagefault_disable();
	left = __copy_from_user_inatomic(&word, from, sizeof(word));
	pagefault_enable();
	return left;
}

/* ------------------------------------------------------------------------
 * Migration, as migrate_pages() does it to a page that it isolated, by frame
 */

static void (*take_entries_out)(struct folio *folio, enum ttu_flags flags);
static void (*put_entries_back)(struct folio *from, struct folio *to, bool locked);

static void *find(const char *name)
{
	struct kprobe probe = { .symbol_name = name, .flags = KPROBE_FLAG_DISABLED };
	void *address;

	if (register_kprobe(&probe))
		return NULL;
	address = probe.addr;
	unregister_kprobe(&probe);
	return address;
}

static int move(struct folio *from)
{
	struct folio *to = folio_alloc(GFP_HIGHUSER_MOVABLE, 0);
	int err = -EAGAIN;
	bool active;

	if (!to)
		return -ENOMEM;
	__folio_set_locked(to);
	folio_lock(from);
	active = folio_test_active(from);
	take_entries_out(from, 0);
	if (from->mapping && !folio_test_writeback(from) && !folio_mapped(from))
		err = from->mapping->a_ops->migrate_folio(from->mapping, to, from, MIGRATE_SYNC);
	put_entries_back(from, err ? from : to, false);
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

static int use(unsigned int command, struct folio *folio, struct discardfault *fault)
{
	void *page = page_address(&folio->page);
	void __user *user = (void __user *)fault->argument;

	switch (command) {
	case DISCARDFAULT_STATE:
		fault->address = page_to_phys(&folio->page);
		fault->kernel_address = (unsigned long)page;
		fault->state = essa_get(fault->address);
		return 0;
	case DISCARDFAULT_PLAIN:
		fault->word = second_word(page);
		return 0;
	case DISCARDFAULT_PLAIN_OFF:
		fault->word = second_word_irqs_off(page);
		return 0;
	case DISCARDFAULT_NOFAULT:
		fault->result = nofault(page, user);
		return 0;
	case DISCARDFAULT_TO_USER:
		fault->result = copy_to_user(user, page, PAGE_SIZE);
		return 0;
	case DISCARDFAULT_MOVE:
		fault->result = move(folio);
		return 0;
	case DISCARDFAULT_TO_USER_ATOMIC:
		fault->result = to_user_atomic(page, user);
		return 0;
	default:
		return -ENOTTY;
	}
}

static int run(unsigned int command, struct address_space *mapping, struct discardfault *fault)
{
	struct folio *folio;
	int err;

	if (command == DISCARDFAULT_FROM_USER_ATOMIC) {
		fault->result = from_user_atomic((void __user *)fault->argument);
		return 0;
	}
	folio = hold(mapping, fault->index);
	if (!folio)
		return command == DISCARDFAULT_STATE ? 0 : -ENOENT;
	err = folio_test_large(folio) ? -EINVAL : use(command, folio, fault);
	folio_put(folio);
	return err;
}

static long discardfault_ioctl(struct file *file, unsigned int command, unsigned long argument)
{
	struct discardfault __user *user = (void __user *)argument;
	struct discardfault fault;
	struct fd fd;
	int err;

	if (copy_from_user(&fault, user, sizeof(fault)))
		return -EFAULT;
	fd = fdget(fault.fd);
	if (!fd.file)
		return -EBADF;
	err = run(command, fd.file->f_mapping, &fault);
	fdput(fd);
	if (!err && copy_to_user(user, &fault, sizeof(fault)))
		err = -EFAULT;
	return err;
}

static const struct file_operations discardfault_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = discardfault_ioctl,
};

static struct miscdevice device = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "discardfault",
	.fops = &discardfault_fops,
};

static int __init discardfault_init(void)
{
	take_entries_out = find("try_to_migrate");
	put_entries_back = find("remove_migration_ptes");
	return take_entries_out && put_entries_back ? misc_register(&device) : -ENOENT;
}

static void __exit discardfault_exit(void)
{
	misc_deregister(&device);
}

module_init(discardfault_init);
module_exit(discardfault_exit);

MODULE_DESCRIPTION("Test: uses page cache that the host has dropped");
MODULE_LICENSE("GPL");
