// SPDX-License-Identifier: GPL-2.0
/*
 * The table of exceptions: by function and kind of access, never by count.
 *
 * A line here is a claim about the kernel's source, and must hold for any
 * number of accesses: a store only where what is stored is zero and the frame
 * is not in anybody's use yet, so that a drop leaves the same content; a load
 * only where the value is thrown away unless the frame is known to be in use.
 *
 * Such a load may as well meet a volatile frame. A store may not: page cache
 * that is freed is not volatile any more before somebody else gets the frame.
 */
#include <string.h>

#include "exceptions.h"
#include "sites.h"

#define ZEROING \
	"the allocator zeroes a frame before its tracepoint makes it stable: zeros, dropped or not"
#define WORDS \
	"load_unaligned_zeropad() reads up to 7 bytes beyond a string, and masks them off"
#define FREELIST \
	"reads the next pointer of an object that may be free; a cmpxchg then tells whether it was"

static const struct exception exceptions[] = {
	/*
	 * One of these, by the CPU's features (alternatives), called from
	 * prep_new_page -> post_alloc_hook -> kernel_init_pages.
	 */
	{ "clear_page_orig", EXCEPT_STORE, ZEROING },
	{ "clear_page_rep", EXCEPT_STORE, ZEROING },
	{ "clear_page_erms", EXCEPT_STORE, ZEROING },

	/*
	 * The functions that load_unaligned_zeropad() is inlined into, by
	 * itself or through hash_name() and dentry_string_cmp(). Where the
	 * string ends a page, the word reaches into the next frame, whoever
	 * has it.
	 */
	{ "link_path_walk", EXCEPT_LOAD_TAIL, WORDS },
	{ "hashlen_string", EXCEPT_LOAD_TAIL, WORDS },
	{ "full_name_hash", EXCEPT_LOAD_TAIL, WORDS },
	{ "__d_lookup_rcu", EXCEPT_LOAD_TAIL, WORDS },
	{ "d_same_name", EXCEPT_LOAD_TAIL, WORDS },
	{ "__d_lookup", EXCEPT_LOAD_TAIL, WORDS },
	{ "d_alloc_parallel", EXCEPT_LOAD_TAIL, WORDS },
	{ "csum_partial", EXCEPT_LOAD_TAIL, WORDS },

	/*
	 * The functions that slab_alloc_node() is inlined into, and with it
	 * get_freepointer_safe(): between the read of c->freelist and this one
	 * an interrupt may have freed the object together with its slab. Then
	 * tid has changed, and this_cpu_cmpxchg_double() fails.
	 */
	{ "kmem_cache_alloc", EXCEPT_LOAD, FREELIST },
	{ "kmem_cache_alloc_lru", EXCEPT_LOAD, FREELIST },
	{ "kmem_cache_alloc_node", EXCEPT_LOAD, FREELIST },
	{ "__kmem_cache_alloc_node", EXCEPT_LOAD, FREELIST },
};

/* "name" and what the compiler made of it: "name.cold", "name.part.0" */
static bool is_function(const char *symbol, const char *function)
{
	size_t len = strlen(function);

	return !strncmp(symbol, function, len) && (!symbol[len] || symbol[len] == '.');
}

static bool is_kind(uint8_t site_kind, enum exception_kind kind)
{
	if (kind != EXCEPT_STORE)
		site_kind &= ~SITE_VOLATILE;
	switch (kind) {
	case EXCEPT_STORE:
		return site_kind == (SITE_DIRECT | SITE_STORE);
	case EXCEPT_LOAD:
		return site_kind == SITE_DIRECT;
	case EXCEPT_LOAD_TAIL:
		return site_kind == (SITE_DIRECT | SITE_TAIL);
	}
	return false;
}

const struct exception *exception_find(const struct symbols *symbols, uint64_t addr,
				       uint8_t kind)
{
	const struct symbol *symbol;
	size_t nr, i, j;

	symbol = symbols_find(symbols, addr, &nr);
	for (i = 0; i < nr; i++) {
		if (symbol[i].module)
			continue;
		for (j = 0; j < sizeof(exceptions) / sizeof(exceptions[0]); j++)
			if (is_kind(kind, exceptions[j].kind) &&
			    is_function(symbol[i].name, exceptions[j].function))
				return &exceptions[j];
	}
	return NULL;
}
