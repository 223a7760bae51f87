// SPDX-License-Identifier: GPL-2.0
/*
 * memplot in the terminal: a chart of block characters that is drawn over
 * itself, or plain lines where there is no terminal.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "memplot.h"

#define MAX_COLUMNS	240
#define MAX_ROWS	60
#define LABEL_COLUMNS	8	/* of the vertical axis */
#define EIGHTHS		8

static const char *const bars[EIGHTHS + 1] = {
	" ", "▁", "▂", "▃", "▄", "▅", "▆", "▇", "█",
};

static const char *const marks[MAX_SERIES] = { "●", "▲", "■", "◆", "✚", "○" };
static const int colours[MAX_SERIES] = { 34, 33, 32, 35, 36, 31 };

struct chart {
	unsigned int columns, rows;	/* of the plotting area */
	struct axis x, y;
	double values[MAX_COLUMNS][MAX_SERIES];
};

/* A value for people; a series may have ended, or not begun. */
static void print_value(const struct plot *plot, const struct sample *sample, size_t s)
{
	const char *name = plot->names[s] ? plot->names[s] : "";

	printf(" %s%s", name, *name ? " " : "");
	if (isnan(sample->values[s]))
		putchar('-');
	else
		printf("%.0f %s", sample->values[s], plot->unit);
}

/* Room for title, two lines of axis, events and status within the window. */
static void measure(struct chart *chart, const struct plot *plot)
{
	struct winsize window = { .ws_col = 80, .ws_row = 24 };
	unsigned int events = plot->nr_events < 5 ? 5 : plot->nr_events, rows;

	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &window) || window.ws_col < 40 ||
	    window.ws_row < 16) {
		window.ws_col = 80;
		window.ws_row = 24;
	}
	chart->columns = window.ws_col - LABEL_COLUMNS - 3;
	if (chart->columns > MAX_COLUMNS)
		chart->columns = MAX_COLUMNS;
	rows = window.ws_row > events + 12 ? window.ws_row - events - 6 : 6;
	chart->rows = rows < 16 ? rows : 16;
	chart->y = axis_for(plot_largest(plot), 4);
	chart->x = axis_for(fmax(plot_seconds(plot), 10), 6);
	chart->x.end = fmax(plot_seconds(plot), 10);
}

static unsigned int column_of(const struct chart *chart, double seconds)
{
	double column = seconds / chart->x.end * (chart->columns - 1);

	return fmin(fmax(column, 0), chart->columns - 1);
}

/* The last sample of each column; those without one, up to a series' end, as the one before. */
static void place_samples(struct chart *chart, const struct plot *plot)
{
	unsigned int end[MAX_SERIES] = { 0 }, column;
	size_t i, s;

	for (column = 0; column < chart->columns; column++) {
		for (s = 0; s < MAX_SERIES; s++)
			chart->values[column][s] = NAN;
	}
	for (i = 0; i < plot->nr_samples; i++) {
		column = column_of(chart, plot->samples[i].seconds);
		for (s = 0; s < plot->nr_series; s++) {
			if (isnan(plot->samples[i].values[s]))
				continue;
			chart->values[column][s] = plot->samples[i].values[s];
			end[s] = column;
		}
	}
	for (s = 0; s < plot->nr_series; s++) {
		for (column = 1; column <= end[s]; column++) {
			if (isnan(chart->values[column][s]))
				chart->values[column][s] = chart->values[column - 1][s];
		}
	}
}

/* One series is an area of eighths; several are marks. */
static void draw_cell(const struct chart *chart, const struct plot *plot,
		      unsigned int column, unsigned int row)
{
	double bottom = chart->y.end * row / chart->rows;
	double height = chart->y.end / chart->rows;
	size_t s, e;

	for (s = plot->nr_series; s-- > 0;) {
		double value = chart->values[column][s];

		if (plot->nr_series == 1 && value > bottom) {
			double eighths = fmin((value - bottom) / height * EIGHTHS, EIGHTHS);

			printf("\033[%dm%s\033[0m", colours[s], bars[(int)eighths]);
			return;
		}
		if (plot->nr_series > 1 && value >= bottom && value < bottom + height) {
			printf("\033[%dm%s\033[0m", colours[s], marks[s]);
			return;
		}
	}
	for (e = 0; e < plot->nr_events; e++) {
		if (column_of(chart, plot->events[e].seconds) == column) {
			if (row == chart->rows - 1)
				printf("\033[1m%c\033[0m", (int)('a' + e % 26));
			else
				printf("\033[2m┊\033[0m");
			return;
		}
	}
	putchar(' ');
}

static void draw_time_axis(const struct chart *chart)
{
	char labels[MAX_COLUMNS + 16];
	unsigned int column;
	double seconds;

	printf("%*s └", LABEL_COLUMNS, "0");
	for (column = 0; column < chart->columns; column++)
		fputs("─", stdout);
	memset(labels, ' ', sizeof(labels));
	for (seconds = 0; seconds <= chart->x.end; seconds += chart->x.step) {
		char text[16];
		int length = snprintf(text, sizeof(text), "%g", seconds);

		memcpy(&labels[column_of(chart, seconds)], text, length);
	}
	memcpy(&labels[chart->columns - 1], " s", 3);
	printf("\033[K\n%*s  %s\033[K\n", LABEL_COLUMNS, "", labels);
}

static void draw_rows(const struct chart *chart, const struct plot *plot)
{
	unsigned int row, column, marked = 0;

	for (row = chart->rows; row-- > 0;) {
		/* The mark of the axis that this row reaches, if any. */
		double top = chart->y.end * (row + 1) / chart->rows;
		unsigned int mark = floor(chart->y.end / chart->y.step + 0.001) - marked;

		if (top < chart->y.step * mark + chart->y.end / chart->rows && mark) {
			printf("%*g ┤", LABEL_COLUMNS, chart->y.step * mark);
			marked++;
		} else {
			printf("%*s │", LABEL_COLUMNS, "");
		}
		for (column = 0; column < chart->columns; column++)
			draw_cell(chart, plot, column, row);
		fputs("\033[K\n", stdout);
	}
}

static unsigned int draw_below(const struct plot *plot)
{
	const struct sample *last = &plot->samples[plot->nr_samples - 1];
	unsigned int lines = 0;
	size_t s, e;

	for (e = 0; e < plot->nr_events; e++, lines++)
		printf("  \033[1m%c\033[0m %6.1f s  %s\033[K\n", (int)('a' + e % 26),
		       plot->events[e].seconds, plot->events[e].label);
	printf("  now %5.1f s ", last->seconds);
	for (s = 0; s < plot->nr_series; s++) {
		printf(" \033[%dm%s\033[0m", colours[s], plot->nr_series > 1 ? marks[s] : "█");
		print_value(plot, last, s);
	}
	printf("%s%s\033[K\n\033[J", plot->status ? "  " : "", plot->status ? plot->status : "");
	return lines + 1;
}

void terminal_draw(const struct plot *plot)
{
	static unsigned int drawn;	/* lines of the last time */
	struct chart chart;

	if (!plot->nr_samples)
		return;
	measure(&chart, plot);
	place_samples(&chart, plot);
	if (drawn)
		printf("\033[%uA\r", drawn);
	printf("  \033[1m%s\033[0m (%s)\033[K\n", plot->title, plot->unit);
	draw_rows(&chart, plot);
	draw_time_axis(&chart);
	drawn = 1 + chart.rows + 2 + draw_below(plot);
	fflush(stdout);
}

void lines_sample(const struct plot *plot)
{
	static size_t events;
	static double printed = -1;
	static char last_status[128];
	const struct sample *last;
	size_t s;

	for (; events < plot->nr_events; events++)
		printf("  %6.1f s  %s\n", plot->events[events].seconds,
		       plot->events[events].label);
	if (plot->status && *plot->status &&
	    strncmp(last_status, plot->status, sizeof(last_status) - 1)) {
		snprintf(last_status, sizeof(last_status), "%s", plot->status);
		printf("            %s\n", last_status);
	}
	if (plot->nr_samples && plot_seconds(plot) >= printed + 1) {
		last = &plot->samples[plot->nr_samples - 1];
		printed = last->seconds;
		printf("  %6.1f s ", last->seconds);
		for (s = 0; s < plot->nr_series; s++)
			print_value(plot, last, s);
		putchar('\n');
	}
	fflush(stdout);
}
