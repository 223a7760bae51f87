/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Names for addresses of the guest's code, from files in the format of
 * System.map and /proc/kallsyms.
 */
#ifndef ORACLE_SYMBOLS_H
#define ORACLE_SYMBOLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

/* Addresses below are the guest's user space, with any number of page-table levels. */
#define KERNEL_SPACE	0x8000000000000000ULL

struct symbol {
	uint64_t addr;
	char *name;
	char *module;	/* NULL: the kernel proper */
};

struct symbols {
	struct symbol *list;	/* by address after symbols_sort() */
	size_t nr;
	size_t room;
};

/* Adds the code symbols of @file. Returns how many, or -1 with errno set. */
long symbols_read(struct symbols *symbols, FILE *file);
long symbols_load(struct symbols *symbols, const char *path);
void symbols_sort(struct symbols *symbols);
void symbols_free(struct symbols *symbols);

/*
 * The symbols that @addr lies in: several when one address has several names.
 * Returns the first and sets *nr to their number; NULL if there is none.
 */
const struct symbol *symbols_find(const struct symbols *symbols, uint64_t addr, size_t *nr);

/* "name+0x12", "name+0x12 [module]", "user", or the bare address. */
void symbols_format(const struct symbols *symbols, uint64_t addr, char *text, size_t size);

#endif /* ORACLE_SYMBOLS_H */
