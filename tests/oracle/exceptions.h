/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions of the kernel that may access a frame that the host might drop.
 */
#ifndef ORACLE_EXCEPTIONS_H
#define ORACLE_EXCEPTIONS_H

#include <stdint.h>

#include "symbols.h"

/*
 * All of them name accesses through the direct map, so that a function is not
 * excused for the use of a stack or of other mapped memory that is unused.
 */
enum exception_kind {
	EXCEPT_STORE,
	EXCEPT_LOAD,
	EXCEPT_LOAD_TAIL,	/* the part of a load that reaches into the next page */
};

struct exception {
	const char *function;
	enum exception_kind kind;
	const char *why;
};

/*
 * The exception that covers an access of kind SITE_* by the instruction at
 * @addr, or NULL. Only the kernel proper has exceptions, not its modules.
 */
const struct exception *exception_find(const struct symbols *symbols, uint64_t addr,
				       uint8_t kind);

#endif /* ORACLE_EXCEPTIONS_H */
