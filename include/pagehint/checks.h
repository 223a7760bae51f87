/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module refuses, as functions over their inputs: a stock guest
 * cannot show most of it, so the decisions are tested in user space.
 *
 * Each returns 0, or a negative errno with a sentence in @why that names the
 * reason and the remedy. @why holds PAGEHINT_WHY_BYTES.
 */
#ifndef _PAGEHINT_CHECKS_H
#define _PAGEHINT_CHECKS_H

#include <pagehint/platform.h>
#include <uapi/pagehint.h>

#define PAGEHINT_WHY_BYTES	256
#define PAGEHINT_NAME_BYTES	64

/**
 * struct pagehint_environment - what was found of the kernel we run in
 * @page_poison: freed pages are filled with a pattern that must still be there
 * @debug_pagealloc: freed pages are unmapped
 * @kasan: freed pages are poisoned in shadow memory or by tags
 * @kmsan: freed pages are poisoned in shadow memory
 * @confidential: the guest's memory is encrypted or not the host's to give
 */
struct pagehint_environment {
	bool page_poison;
	bool debug_pagealloc;
	bool kasan;
	bool kmsan;
	bool confidential;
};

/**
 * struct pagehint_symbol - what kallsyms knows of a function to be hooked
 * @name: its name
 * @address: 0 when there is none
 * @definitions: how many symbols have exactly this name
 * @twin: the first clone found beside it (NAME.isra.0 and the like), or empty
 * @site: address of its ftrace site, 0 when it has none
 */
struct pagehint_symbol {
	const char *name;
	unsigned long address;
	unsigned int definitions;
	char twin[PAGEHINT_NAME_BYTES];
	unsigned long site;
};

/**
 * enum pagehint_caching - how the processor caches a mapping
 * @PAGEHINT_CACHING_UNKNOWN: the page tables did not tell
 * @PAGEHINT_WRITE_BACK: as ordinary memory
 * @PAGEHINT_NOT_WRITE_BACK: anything else
 */
enum pagehint_caching {
	PAGEHINT_CACHING_UNKNOWN,
	PAGEHINT_WRITE_BACK,
	PAGEHINT_NOT_WRITE_BACK,
};

int pagehint_check_environment(const struct pagehint_environment *env, char *why);
bool pagehint_is_clone_of(const char *name, const char *symbol);
int pagehint_check_symbol(const struct pagehint_symbol *symbol, char *why);
int pagehint_check_attach_error(const char *target, int error, bool own_function,
				char *why);
int pagehint_check_table_size(u64 table_bytes, u64 bar_bytes, char *why);
int pagehint_check_caching(enum pagehint_caching caching, u64 address, char *why);
int pagehint_check_header(const struct pagehint_header *header, char *why);
int pagehint_check_host(const struct pagehint_header *header, bool need_zeros,
			char *why);
int pagehint_check_answer(long ret, const struct pagehint_hc_query *host, bool need_zeros,
			  char *why);

#endif /* _PAGEHINT_CHECKS_H */
