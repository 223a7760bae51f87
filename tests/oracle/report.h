/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the oracle found, written when QEMU exits.
 */
#ifndef ORACLE_REPORT_H
#define ORACLE_REPORT_H

/* The plugin's arguments. */
struct report_args {
	const char *table;
	const char *symbols;
	const char *out;
};

/* Opens the output: what can fail, fails early. */
int report_open(const struct report_args *args);

void report_write(const struct report_args *args);

#endif /* ORACLE_REPORT_H */
