// SPDX-License-Identifier: GPL-2.0
/*
 * The tiny VMM's guest: 64-bit code, identity-mapped, without interrupts. It is
 * linked into the VMM, which copies the section "guest" into the guest's memory:
 * so all of it is in that section, and uses no data and no constants of others.
 */
#include <pagehint.h>

#include "orders.h"
#include "vmm.h"

#define GUEST __attribute__((section("guest")))
#define INLINE static inline __attribute__((always_inline))

INLINE int64_t hypercall(uint64_t number, uint64_t b, uint64_t c, uint64_t d, uint64_t si)
{
	int64_t answer;

	__asm__ volatile("vmmcall" : "=a"(answer)
		     : "a"(number), "b"(b), "c"(c), "d"(d), "S"(si) : "memory");
	return answer;
}

INLINE void fill(uint64_t address, uint64_t pages, uint64_t seed)
{
	volatile uint64_t *word = (void *)address;
	uint64_t i;

	for (i = 0; i < pages * PAGE_BYTES / 8; i++)
		word[i] = pattern((uint64_t)&word[i], seed);
}

INLINE uint64_t wrong(uint64_t address, uint64_t pages, uint64_t seed)
{
	volatile uint64_t *word = (void *)address;
	uint64_t i, nr = 0;

	for (i = 0; i < pages * PAGE_BYTES / 8; i++)
		nr += word[i] != pattern((uint64_t)&word[i], seed);
	return nr;
}

INLINE uint64_t nonzero(uint64_t address, uint64_t pages)
{
	volatile uint64_t *word = (void *)address;
	uint64_t i, nr = 0;

	for (i = 0; i < pages * PAGE_BYTES / 8; i++)
		nr += word[i] != 0;
	return nr;
}

INLINE int64_t one_entry(struct orders *orders, uint64_t operation, const struct order *order,
			 uint8_t state)
{
	struct pagehint_hc_entry volatile *entry = (void *)orders->entries;

	entry->gfn = order->arg[0] / PAGE_BYTES;
	entry->nr_frames = (uint32_t)order->arg[1];
	entry->state = state;
	entry->result = PAGEHINT_HC_RESULT_NONE;
	entry->reserved = 0;
	return hypercall(PAGEHINT_HYPERCALL, operation, orders->entries, 1, orders->cookie);
}

INLINE void hint(struct orders *orders, const struct order *order)
{
	fill(order->arg[0], order->arg[1], order->arg[2] + orders->done);
	if (one_entry(orders, PAGEHINT_HC_SET_STATE, order, PAGEHINT_VOLATILE) != 1)
		orders->errors++;
}

/*
 * Stable again. Content that the host says it kept must be there; whatever it says,
 * what is written afterwards must stay.
 */
INLINE uint64_t take_back(struct orders *orders, const struct order *order)
{
	struct pagehint_hc_entry volatile *entry = (void *)orders->entries;
	uint64_t address = order->arg[0], pages = order->arg[1], nr = 0;
	uint64_t seed = order->arg[2] + orders->done;

	if (one_entry(orders, PAGEHINT_HC_MAKE_STABLE, order, PAGEHINT_STABLE) != 1) {
		orders->errors++;
		orders->discarded++;
	} else if (entry->result == PAGEHINT_HC_RESULT_KEPT) {
		orders->kept++;
		nr = wrong(address, pages, seed);
	} else {
		orders->discarded++;
	}
	fill(address, pages, seed + 1);
	return nr + wrong(address, pages, seed + 1);
}

/* Hinted as unused, then used: what is written afterwards must stay. */
INLINE uint64_t unused(struct orders *orders, const struct order *order)
{
	uint64_t address = order->arg[0], pages = order->arg[1];
	uint64_t seed = order->arg[2] + orders->done;

	fill(address, pages, seed);
	if (one_entry(orders, PAGEHINT_HC_SET_STATE, order, PAGEHINT_UNUSED) != 1)
		orders->errors++;
	fill(address, pages, seed + 1);
	return wrong(address, pages, seed + 1);
}

INLINE void obey(struct orders *orders, struct order *order)
{
	const uint64_t *arg = order->arg;

	if (order->what == ORDER_CALL)
		order->answer = (uint64_t)hypercall(arg[0], arg[1], arg[2], arg[3], arg[4]);
	else if (order->what == ORDER_TAKE_COOKIE)
		orders->cookie = ((struct pagehint_hc_query volatile *)arg[0])->cookie;
	else if (order->what == ORDER_CALL_COOKIE)
		order->answer = (uint64_t)hypercall(arg[0], arg[1], arg[2], arg[3],
						    orders->cookie);
	else if (order->what == ORDER_FILL)
		fill(arg[0], arg[1], arg[2]);
	else if (order->what == ORDER_WRONG)
		order->answer = wrong(arg[0], arg[1], arg[2]);
	else if (order->what == ORDER_NONZERO)
		order->answer = nonzero(arg[0], arg[1]);
	else if (order->what == ORDER_HINT || order->what == ORDER_CYCLE)
		hint(orders, order);
	else if (order->what == ORDER_UNUSED)
		order->answer += unused(orders, order);
	if (order->what == ORDER_TAKE_BACK || order->what == ORDER_CYCLE)
		order->answer += take_back(orders, order);
}

GUEST __attribute__((noreturn)) void guest_main(struct orders *orders)
{
	unsigned int i;

	for (;;) {
		do {
			for (i = 0; i < MAX_ORDERS && orders->order[i].what != ORDER_END; i++)
				obey(orders, &orders->order[i]);
			*(volatile uint64_t *)&orders->done += 1;
		} while (orders->done < orders->rounds && !*(volatile uint64_t *)&orders->stop);
		__asm__ volatile("outb %%al, %0" : : "i"(ORDER_PORT), "a"(0) : "memory");
	}
}
