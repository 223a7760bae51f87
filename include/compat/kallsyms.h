/* SPDX-License-Identifier: GPL-2.0 */
/* 6.4 (3703bd54cd37) dropped the module argument of the symbol callback. */
#ifndef _PAGEHINT_COMPAT_KALLSYMS_H
#define _PAGEHINT_COMPAT_KALLSYMS_H

#include <linux/version.h>

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 4, 0)
#define PAGEHINT_SYMBOL_CALLBACK(name, data, symbol, address) \
	int name(void *data, const char *symbol, unsigned long address)
typedef int (*pagehint_symbol_fn)(void *, const char *, unsigned long);
#else
struct module;
#define PAGEHINT_SYMBOL_CALLBACK(name, data, symbol, address) \
	int name(void *data, const char *symbol, struct module *__mod, \
		 unsigned long address)
typedef int (*pagehint_symbol_fn)(void *, const char *, struct module *,
				  unsigned long);
#endif

#endif /* _PAGEHINT_COMPAT_KALLSYMS_H */
