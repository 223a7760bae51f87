// SPDX-License-Identifier: GPL-2.0
/*
 * shm: the table lies in BAR 2 of an ivshmem-plain device, which is a file of
 * the host. This file finds and maps the BAR; module/lease.c does the rest.
 *
 * Firmware puts the BAR below 4 GiB, where the MTRRs make it uncached: every
 * transition would be a locked bus access. So it is moved above 4 GiB, and
 * what the page tables then say is verified.
 *
 * Context: process, under control_mutex.
 */
#include <pagehint/log.h>

#include <linux/io.h>
#include <linux/pci.h>
#include <linux/string.h>

#include <compat/caching.h>
#include <pagehint/backend.h>
#include <pagehint/control.h>
#include <pagehint/lease.h>
#include <pagehint/table.h>

#define VENDOR		0x1af4
#define DEVICE		0x1110
#define TABLE_BAR	2

static struct pci_dev *device;
static void *mapping;

static bool wanted(struct pci_dev *dev)
{
	return !pagehint_shm_device || !pagehint_shm_device[0] ||
	       !strcmp(pagehint_shm_device, pci_name(dev));
}

/* Moves the BAR to where it can be cached; it stays where it is if it cannot. */
static int move_bar(struct pci_dev *dev)
{
	int err;

	if (pci_resource_start(dev, TABLE_BAR) >> 32)
		return 0;
	pci_disable_device(dev);
	pci_release_resource(dev, TABLE_BAR);
	err = pci_assign_resource(dev, TABLE_BAR);
	return err ?: pci_enable_device(dev);
}

static int map_bar(struct pci_dev *dev, char *why)
{
	u64 start, bytes;
	int err;

	err = pagehint_fail_point() ?: pci_enable_device(dev);
	if (err) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "%s cannot be enabled (error %d): see the kernel's log",
			 pci_name(dev), err);
		return err;
	}
	err = move_bar(dev);
	if (err) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "%s: BAR %d cannot be moved above 4 GiB (error %d): the VM needs a 64-bit PCI window",
			 pci_name(dev), TABLE_BAR, err);
		goto err_disable;
	}
	err = pagehint_fail_point() ?: pci_request_region(dev, TABLE_BAR, "pagehint");
	if (err) {
		snprintf(why, PAGEHINT_WHY_BYTES,
			 "%s: BAR %d is in use by somebody else: give the VM a second ivshmem-plain device and name it with shm_device=",
			 pci_name(dev), TABLE_BAR);
		goto err_disable;
	}
	start = pci_resource_start(dev, TABLE_BAR);
	bytes = pci_resource_len(dev, TABLE_BAR);
	err = pagehint_check_table_size(pagehint_table.nr_bytes, bytes, why);
	if (err)
		goto err_release;
	mapping = memremap(start, bytes, MEMREMAP_WB);
	if (!mapping || pagehint_fail_point()) {
		snprintf(why, PAGEHINT_WHY_BYTES, "%s: BAR %d cannot be mapped as memory",
			 pci_name(dev), TABLE_BAR);
		err = -ENOMEM;
		goto err_unmap;
	}
	err = pagehint_check_caching(pagehint_caching_of((unsigned long)mapping),
				     start, why);
	if (err)
		goto err_unmap;
	err = pagehint_lease_open(mapping, bytes, why);
	if (err)
		goto err_unmap;
	return 0;

err_unmap:
	if (mapping)
		memunmap(mapping);
	mapping = NULL;
err_release:
	pci_release_region(dev, TABLE_BAR);
err_disable:
	if (pci_is_enabled(dev))
		pci_disable_device(dev);
	return err;
}

static int shm_open(char *why)
{
	struct pci_dev *dev = NULL;
	int err = -ENODEV;

	snprintf(why, PAGEHINT_WHY_BYTES,
		 "no ivshmem-plain device (PCI %04x:%04x)%s%s: give the VM one (-device ivshmem-plain,memdev=...)",
		 VENDOR, DEVICE,
		 pagehint_shm_device && pagehint_shm_device[0] ? " at " : "",
		 pagehint_shm_device ?: "");
	while ((dev = pci_get_device(VENDOR, DEVICE, dev))) {
		/* The flavour with interrupts has a register BAR 0 with size too. */
		if (!wanted(dev) || !pci_resource_len(dev, TABLE_BAR))
			continue;
		if (pci_dev_driver(dev)) {
			snprintf(why, PAGEHINT_WHY_BYTES,
				 "%s belongs to driver %s: unbind it, or name another device with shm_device=",
				 pci_name(dev), pci_dev_driver(dev)->name);
			err = -EBUSY;
			continue;
		}
		err = map_bar(dev, why);
		if (!err) {
			device = dev;
			return 0;
		}
	}
	return err;
}

static void shm_close(void)
{
	pagehint_lease_close();
	memunmap(mapping);
	mapping = NULL;
	pci_release_region(device, TABLE_BAR);
	pci_disable_device(device);
	pci_dev_put(device);
	device = NULL;
}

static void shm_show(struct seq_file *m)
{
	seq_printf(m, "device %s bar %d at %#llx bytes %llu write-back\n",
		   pci_name(device), TABLE_BAR,
		   (u64)pci_resource_start(device, TABLE_BAR),
		   (u64)pci_resource_len(device, TABLE_BAR));
	pagehint_lease_show(m);
}

const struct pagehint_backend pagehint_backend_shm = {
	.name = "shm",
	.open = shm_open,
	.close = shm_close,
	.lease_begin = pagehint_lease_begin,
	.lease_end = pagehint_lease_end,
	.lease_end_atomic = pagehint_lease_end_atomic,
	.going_offline = pagehint_lease_going_offline,
	.going_online = pagehint_lease_going_online,
	.nr_dropped = pagehint_lease_nr_dropped,
	.show = shm_show,
};
