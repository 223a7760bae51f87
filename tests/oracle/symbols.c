// SPDX-License-Identifier: GPL-2.0
/*
 * Reading and searching symbol tables.
 */
#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "symbols.h"

/*
 * The last symbol of the kernel's code would seem to reach up to the modules.
 * These mark ends, not functions.
 */
static const char *const ends[] = { "_etext", "_einittext", "__end_of_code" };

static bool is_end(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(ends) / sizeof(ends[0]); i++)
		if (!strcmp(name, ends[i]))
			return true;
	return false;
}

static int add(struct symbols *symbols, uint64_t addr, const char *name, const char *module)
{
	struct symbol *symbol;

	if (symbols->nr == symbols->room) {
		size_t room = symbols->room ? symbols->room * 2 : 1 << 16;

		symbol = realloc(symbols->list, room * sizeof(*symbol));
		if (!symbol)
			return -1;
		symbols->list = symbol;
		symbols->room = room;
	}
	symbol = &symbols->list[symbols->nr];
	symbol->addr = addr;
	symbol->name = strdup(name);
	symbol->module = module ? strdup(module) : NULL;
	if (!symbol->name || (module && !symbol->module)) {
		free(symbol->name);
		return -1;
	}
	symbols->nr++;
	return 0;
}

/* "ffffffff81000000 T _text" or "ffffffffc0000000 t init	[ext4]" */
static int add_line(struct symbols *symbols, const char *line)
{
	char name[512], module[128];
	uint64_t addr;
	char type;
	int fields;

	fields = sscanf(line, "%" SCNx64 " %c %511s [%127[^]]]", &addr, &type, name, module);
	if (fields < 3) {
		errno = EINVAL;
		return -1;
	}
	/* Code only; in System.map, per-CPU variables have small addresses. */
	type = tolower((unsigned char)type);
	if ((type != 't' && type != 'w') || addr < KERNEL_SPACE)
		return 0;
	return add(symbols, addr, name, fields == 4 ? module : NULL) ? -1 : 1;
}

long symbols_read(struct symbols *symbols, FILE *file)
{
	size_t size = 0;
	char *line = NULL;
	long nr = 0;

	while (getline(&line, &size, file) >= 0) {
		int added = add_line(symbols, line);

		if (added < 0) {
			nr = -1;
			break;
		}
		nr += added;
	}
	free(line);
	return nr;
}

long symbols_load(struct symbols *symbols, const char *path)
{
	FILE *file = fopen(path, "re");
	long nr;

	if (!file)
		return -1;
	nr = symbols_read(symbols, file);
	fclose(file);
	return nr;
}

static int by_address(const void *a, const void *b)
{
	const struct symbol *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

void symbols_sort(struct symbols *symbols)
{
	if (symbols->nr)
		qsort(symbols->list, symbols->nr, sizeof(*symbols->list), by_address);
}

void symbols_free(struct symbols *symbols)
{
	size_t i;

	for (i = 0; i < symbols->nr; i++) {
		free(symbols->list[i].name);
		free(symbols->list[i].module);
	}
	free(symbols->list);
	memset(symbols, 0, sizeof(*symbols));
}

const struct symbol *symbols_find(const struct symbols *symbols, uint64_t addr, size_t *nr)
{
	size_t low = 0, high = symbols->nr, first, i;

	*nr = 0;
	/* The number of symbols at or below addr. */
	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (symbols->list[middle].addr <= addr)
			low = middle + 1;
		else
			high = middle;
	}
	if (!low)
		return NULL;
	for (first = low - 1; first > 0; first--)
		if (symbols->list[first - 1].addr != symbols->list[low - 1].addr)
			break;
	for (i = first; i < low; i++)
		if (is_end(symbols->list[i].name))
			return NULL;
	*nr = low - first;
	return &symbols->list[first];
}

void symbols_format(const struct symbols *symbols, uint64_t addr, char *text, size_t size)
{
	const struct symbol *symbol;
	size_t nr;

	if (addr < KERNEL_SPACE) {
		snprintf(text, size, "user");
		return;
	}
	symbol = symbols_find(symbols, addr, &nr);
	if (!symbol)
		snprintf(text, size, "0x%" PRIx64, addr);
	else if (symbol->module)
		snprintf(text, size, "%s+0x%" PRIx64 " [%s]", symbol->name, addr - symbol->addr,
			 symbol->module);
	else
		snprintf(text, size, "%s+0x%" PRIx64, symbol->name, addr - symbol->addr);
}
