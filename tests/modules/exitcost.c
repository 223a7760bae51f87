// SPDX-License-Identifier: GPL-2.0
/*
 * Test module: what one exit to the host costs this guest, by calls that are
 * refused at once, and for comparison what clearing a page does. Measured at
 * load, in nanoseconds; results are in /sys/module/exitcost/parameters.
 *
 * Each is the fastest of some rounds of calls in a row: what else the machine does
 * is not wanted.
 */
#include <linux/gfp.h>
#include <linux/kvm_para.h>
#include <linux/ktime.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/sched.h>

#define ROUNDS	50
#define CALLS	100

/* pagehint's number and the next one, which is nobody's; no such operation */
#define HYPERCALL	0x5048
#define OPERATION	99

static ulong kvm_ns;
module_param(kvm_ns, ulong, 0444);
MODULE_PARM_DESC(kvm_ns, "a hypercall that KVM refuses (read only)");

static ulong pagehint_ns;
module_param(pagehint_ns, ulong, 0444);
MODULE_PARM_DESC(pagehint_ns, "a hypercall that pagehint_kvm refuses (read only)");

static ulong clear_ns;
module_param(clear_ns, ulong, 0444);
MODULE_PARM_DESC(clear_ns, "clearing a page (read only)");

static void call_kvm(struct page *page)
{
	kvm_hypercall1(HYPERCALL + 1, OPERATION);
}

static void call_pagehint(struct page *page)
{
	kvm_hypercall1(HYPERCALL, OPERATION);
}

static void clear(struct page *page)
{
	clear_page(page_address(page));
}

static ulong measure(void (*call)(struct page *page), struct page *page)
{
	u64 fastest = U64_MAX;
	unsigned int i, j;

	for (i = 0; i < ROUNDS; i++) {
		u64 start = ktime_get_ns();

		for (j = 0; j < CALLS; j++)
			call(page);
		fastest = min(fastest, ktime_get_ns() - start);
		cond_resched();
	}
	return div_u64(fastest, CALLS);
}

static int __init exitcost_init(void)
{
	struct page *page;

	if (!kvm_para_available()) {
		pr_err("exitcost: expected a guest of KVM\n");
		return -EOPNOTSUPP;
	}
	page = alloc_page(GFP_KERNEL);
	if (!page)
		return -ENOMEM;
	kvm_ns = measure(call_kvm, page);
	pagehint_ns = measure(call_pagehint, page);
	clear_ns = measure(clear, page);
	__free_page(page);
	return 0;
}

static void __exit exitcost_exit(void)
{
}

module_init(exitcost_init);
module_exit(exitcost_exit);

MODULE_DESCRIPTION("What an exit to the host costs a guest");
MODULE_LICENSE("GPL");
