/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A backend carries the state bytes to a host. It knows no kernel event: it
 * has memory for the table, and starts and ends a lease.
 */
#ifndef _PAGEHINT_BACKEND_H
#define _PAGEHINT_BACKEND_H

#include <linux/jump_label.h>
#include <linux/seq_file.h>
#include <linux/types.h>

#include <pagehint/checks.h>

/**
 * struct pagehint_span - frames that belong together
 * @pfn: the first
 * @nr_frames: how many; all of them in the table
 */
struct pagehint_span {
	unsigned long pfn;
	unsigned long nr_frames;
};

/**
 * struct pagehint_backend - one way to a host
 * @name: value of the parameter backend=
 * @open: find the device and give the table its bytes (all STABLE), by
 *	pagehint_table_set_bytes(); on failure a sentence in @why, nothing kept
 * @close: undo open; no hook is attached
 * @lease_begin: hints may be acted on from now on; every frame is STABLE. On
 *	failure a sentence in the log
 * @lease_end: on return the host drops nothing. @leaving: PAGEHINT_LEAVING_*
 *	@for_sure: even if that means to wait for a host that does not answer
 * @lease_end_atomic: the same in a panic: no locks, no sleeping, bounded
 * @going_offline: this memory is to go: give back what the backend holds there
 * @going_online: memory comes back, perhaps in another place of the host's: on
 *	return the host acts on no hint of it until the next lease_begin
 * @takes_volatile: may page cache be dropped by this host? NULL: yes
 * @kernel_hints: does the kernel itself tell the host of free memory, and of every frame
 *	that is freed? Then the module does not. NULL: no
 * @ask: of these folios some frames are BUSY: on return they are not, but for those
 *	that another CPU just asks for. NULL: the host shares the table, and is waited for
 * @ask_each: the same for frames by themselves; process context, may sleep
 * @settle: pagehint_wait_not_busy() of a host that is told by calls
 * @nr_dropped: counts what the host drops, and starts anew with each lease; NULL
 *	if it drops nothing
 * @is_gone: would an access to this frame be interrupted, as the host has dropped its
 *	content? Any context. NULL: this host has no discard faults; one that has them
 *	is not wrong about what was offered to it
 * @interrupts: is it certain that this host interrupts whoever uses what it dropped? NULL: no
 * @make_usable: the host drops this frame no more, and if its content is gone, it
 *	reads as zeros. Any context. NULL with @is_gone
 * @show: what debugfs says of it
 *
 * Context: process, under control_mutex, but for lease_end_atomic, nr_dropped (any), and
 * for going_offline and going_online (either may be NULL), which are called with
 * the hotplug locks held and without control_mutex; ask and settle: any but NMI, and
 * not under zone->lock.
 */
struct pagehint_backend {
	const char *name;
	int (*open)(char *why);
	void (*close)(void);
	int (*lease_begin)(void);
	void (*lease_end)(u32 leaving, bool for_sure);
	void (*lease_end_atomic)(u32 leaving);
	void (*going_offline)(unsigned long pfn, unsigned long nr_pages);
	void (*going_online)(void);
	bool (*takes_volatile)(void);
	bool (*kernel_hints)(void);
	void (*ask)(const struct pagehint_span *spans, unsigned int nr);
	void (*ask_each)(unsigned long pfn, unsigned long nr_frames);
	u8 (*settle)(u8 *byte);
	u64 (*nr_dropped)(void);
	bool (*is_gone)(unsigned long pfn);
	bool (*interrupts)(void);
	void (*make_usable)(unsigned long pfn);
	void (*show)(struct seq_file *m);
};

extern const struct pagehint_backend pagehint_backend_essa;
extern const struct pagehint_backend pagehint_backend_kvm;
extern const struct pagehint_backend pagehint_backend_shm;
extern const struct pagehint_backend pagehint_backend_loop;
extern const struct pagehint_backend pagehint_backend_null;

/* The one in use, from open to close. */
extern const struct pagehint_backend *pagehint_backend;

int pagehint_backend_open(const char *name);
void pagehint_backend_close(void);
bool pagehint_backend_known(const char *name);

/*
 * On while the host is told by calls, and has to be asked. Whoever isolates a free block
 * then asks first whether he may: no call is made under zone->lock. module/teller.c
 */
DECLARE_STATIC_KEY_FALSE(pagehint_by_calls);
bool pagehint_teller_may_isolate(unsigned long pfn, unsigned int order);

/* Table memory of the guest's own, for backends without a device. */
int pagehint_own_table_open(char *why);
void pagehint_own_table_close(void);

/* Parameters of single backends, set by module/parameters.c. */
extern char *pagehint_shm_device;
extern unsigned int pagehint_loop_pause_us;
extern unsigned int pagehint_loop_hold_us;
extern unsigned int pagehint_loop_batch;

#endif /* _PAGEHINT_BACKEND_H */
