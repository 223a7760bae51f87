/* SPDX-License-Identifier: GPL-2.0 */
/*
 * memplot's data: series over time and marked events, as they were read.
 */
#ifndef _MEMPLOT_H
#define _MEMPLOT_H

#include <stdbool.h>
#include <stddef.h>

#define MAX_SERIES	6
#define MAX_PANELS	4

struct sample {
	double seconds;
	double values[MAX_SERIES];	/* NAN where there is none */
};

struct event {
	double seconds;
	char *label;
};

struct plot {
	const char *title;
	const char *unit;
	char *names[MAX_SERIES];	/* NULL: no legend */
	size_t nr_series;
	struct sample *samples;
	size_t nr_samples;
	struct event *events;
	size_t nr_events;
	char *status;			/* what happens now, or NULL */
	char *panel;			/* heading, where there are several; or NULL */
};

/* Plots side by side, under one title, with the same axes and series. */
struct picture {
	struct plot plots[MAX_PANELS];
	size_t nr;
};

/* An axis from 0: its end and the distance of its marks, both round numbers. */
struct axis {
	double end;
	double step;
};

struct axis axis_for(double largest, unsigned int marks);
double plot_largest(const struct plot *plot);
double plot_seconds(const struct plot *plot);

/* In the terminal, again and again in the same place. */
void terminal_draw(const struct plot *plot);
/* Where no terminal is: a line now and then, and one for each event. */
void lines_sample(const struct plot *plot);

/* Returns 0, or -1 with errno set. */
int svg_write(const struct picture *picture, const char *path);

#endif /* _MEMPLOT_H */
