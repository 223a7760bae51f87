/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tiny VMM has its guest do, one order after the other, by a page that
 * both see. A vCPU has a page of its own.
 */
#ifndef _ORDERS_H
#define _ORDERS_H

#include <stdint.h>

#define ORDER_PORT	0x80	/* the guest writes there when it is done */
#define MAX_ORDERS	62
#define PAGE_BYTES	4096UL

enum what {
	ORDER_END,
	ORDER_CALL,	/* a hypercall: RAX, RBX, RCX, RDX, RSI -> RAX */
	ORDER_TAKE_COOKIE, /* address of a query's answer: its cookie is the vCPU's */
	ORDER_CALL_COOKIE, /* as CALL, RSI is the vCPU's cookie */
	ORDER_FILL,	/* address, pages, seed: write the pattern */
	ORDER_WRONG,	/* address, pages, seed -> words that are not the pattern */
	ORDER_NONZERO,	/* address, pages -> words that are not zero */
	ORDER_CYCLE,	/* address, pages, seed: volatile and back -> words wrong */
	ORDER_HINT,	/* address, pages, seed: fill, and volatile */
	ORDER_TAKE_BACK, /* the same, of this round's HINT -> words wrong */
	ORDER_UNUSED,	/* address, pages, seed: fill, free, use -> words wrong */
};

struct order {
	uint64_t what;
	uint64_t arg[5];
	uint64_t answer;
	uint64_t reserved;
};

/*
 * @rounds: how often the orders are carried out: numbers of wrong words add up
 * @stop: a round that ends with this set is the last
 * @done: rounds so far
 * @entries: address of a page for vectors
 * @cookie: that calls are made with
 * @kept, @discarded, @errors: of CYCLE and TAKE_BACK, what the host answered
 */
struct orders {
	uint64_t rounds;
	uint64_t stop;
	uint64_t done;
	uint64_t entries;
	uint64_t kept;
	uint64_t discarded;
	uint64_t errors;
	uint64_t cookie;
	uint64_t reserved[8];
	struct order order[MAX_ORDERS];
};

_Static_assert(sizeof(struct orders) == PAGE_BYTES, "one page");

/* The word at an address: no two pages have the same content, and none is zero. */
static inline uint64_t pattern(uint64_t address, uint64_t seed)
{
	return (address ^ (seed << 32)) | 1;
}

#endif /* _ORDERS_H */
