// SPDX-License-Identifier: GPL-2.0
/*
 * The only place that looks symbols up.
 *
 * kallsyms' own functions are not exported; the address of one,
 * kallsyms_on_each_symbol(), comes from a kprobe that is registered by that
 * name (disabled, so that no code is patched) and taken away again. One walk
 * over all symbols then finds every function that the module needs, and also
 * what a lookup by name would not show: functions of the same name, and the
 * compiler's clones.
 *
 * Context: process, at load.
 */
#include <pagehint/log.h>

#include <linux/kprobes.h>
#include <linux/string.h>

#include <compat/call.h>
#include <compat/kallsyms.h>
#include <pagehint/control.h>
#include <pagehint/hooks.h>

struct zone;

static int no_symbols(pagehint_symbol_fn fn, void *data)
{
	return -ENOENT;
}

static unsigned long no_site(unsigned long ip)
{
	return 0;
}

static void no_drain(struct zone *zone)
{
}

PAGEHINT_CALL_DEFINE(on_each_symbol, no_symbols);
PAGEHINT_CALL_DEFINE(ftrace_location_call, no_site);
PAGEHINT_CALL_DEFINE(drain_all_pages_call, no_drain);

struct walk {
	struct pagehint_symbol **symbols;
	unsigned int nr;
};

static PAGEHINT_SYMBOL_CALLBACK(one_symbol, data, name, address)
{
	struct walk *walk = data;
	unsigned int i;

	for (i = 0; i < walk->nr; i++) {
		struct pagehint_symbol *symbol = walk->symbols[i];

		if (symbol->name[0] != name[0])
			continue;
		if (!strcmp(symbol->name, name)) {
			symbol->address = address;
			symbol->definitions++;
		} else if (!symbol->twin[0] &&
			   pagehint_is_clone_of(symbol->name, name)) {
			strscpy(symbol->twin, name, sizeof(symbol->twin));
		}
	}
	return 0;
}

static unsigned long address_by_kprobe(const char *name)
{
	struct kprobe probe = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long address;

	if (register_kprobe(&probe))
		return 0;
	address = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return address;
}

/**
 * pagehint_resolve - look functions up
 * @symbols: their names; filled with what is known of them
 * @nr: how many
 *
 * Context: process.
 * Return: 0 or -ENOENT when kallsyms cannot be walked; whether a symbol will do
 * is for pagehint_check_symbol() to say.
 */
int pagehint_resolve(struct pagehint_symbol **symbols, unsigned int nr)
{
	struct walk walk = { symbols, nr };
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		symbols[i]->address = 0;
		symbols[i]->definitions = 0;
		symbols[i]->twin[0] = '\0';
	}
	err = PAGEHINT_CALL(on_each_symbol)(one_symbol, &walk);
	for (i = 0; i < nr && !err; i++)
		symbols[i]->site = symbols[i]->address ?
				   pagehint_ftrace_site(symbols[i]->address) : 0;
	return err;
}

/**
 * pagehint_ftrace_site - the ftrace site of a function
 * @address: of the function
 *
 * Context: process.
 * Return: its address or 0.
 */
unsigned long pagehint_ftrace_site(unsigned long address)
{
	return PAGEHINT_CALL(ftrace_location_call)(address);
}

/**
 * pagehint_drain_all_pages - put the pages of all per-CPU lists on the free lists
 *
 * So that a scan finds them. Where the kernel has no such function they stay
 * stable until they are next freed.
 *
 * Context: process, may sleep.
 */
void pagehint_drain_all_pages(void)
{
	PAGEHINT_CALL(drain_all_pages_call)(NULL);
}

/**
 * pagehint_resolve_own - find what the module calls of the kernel by address
 *
 * Context: process, once, before the other functions here.
 * Return: 0, or -ENOENT with a line in the log.
 */
int pagehint_resolve_own(void)
{
	struct pagehint_symbol location = { .name = "ftrace_location" };
	struct pagehint_symbol drain = { .name = "drain_all_pages" };
	struct pagehint_symbol *symbols[] = { &location, &drain };
	unsigned long address = address_by_kprobe("kallsyms_on_each_symbol");
	int err;

	if (!address) {
		pr_err("kallsyms_on_each_symbol was not found: pagehint needs a kernel with CONFIG_KPROBES and CONFIG_LIVEPATCH\n");
		return -ENOENT;
	}
	PAGEHINT_CALL_SET(on_each_symbol, address);
	err = pagehint_fail_point() ?: pagehint_resolve(symbols, ARRAY_SIZE(symbols));
	if (err)
		return err;
	if (location.definitions != 1) {
		pr_err("ftrace_location was not found: pagehint needs a kernel with CONFIG_DYNAMIC_FTRACE\n");
		return -ENOENT;
	}
	PAGEHINT_CALL_SET(ftrace_location_call, location.address);
	if (drain.definitions == 1)
		PAGEHINT_CALL_SET(drain_all_pages_call, drain.address);
	else
		pr_warn("drain_all_pages was not found: pages on per-CPU lists are not hinted until they are next freed\n");
	return 0;
}
