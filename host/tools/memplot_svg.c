// SPDX-License-Identifier: GPL-2.0
/*
 * memplot as SVG: a file that reads well on light and on dark paper, alone or
 * within a page, without scripts or fonts of its own.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "memplot.h"

#define WIDTH		860.0
#define LEFT		64.0
#define RIGHT		24.0
#define PLOT_HEIGHT	280.0
#define PANEL_HEIGHT	200.0	/* where there are several */
#define PANEL_GAP	28.0
#define HEADING_HEIGHT	20.0	/* of a panel */
#define BOTTOM		52.0
#define TITLE_HEIGHT	40.0
#define EVENT_HEIGHT	17.0	/* a row of labels */
#define LEGEND_HEIGHT	22.0
#define CHARACTER	6.4	/* width, about */
#define MAX_EVENTS	64	/* more are not marked */
#define MAX_EVENT_ROWS	8

static const char *const colours[MAX_SERIES] = {
	"#2f81f7", "#d29922", "#2da44e", "#a371f7", "#1b9aaa", "#e5534b",
};

static const char style[] =
	"text{font:12px system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:#57606a}\n"
	".title{font-size:15px;font-weight:600;fill:#1f2328}\n"
	".heading{font-weight:600}\n"
	".event{fill:#1f2328;stroke:#ffffff;stroke-width:4px;paint-order:stroke}\n"
	".paper{fill:#ffffff}\n"
	".grid{stroke:#57606a;stroke-opacity:.18}\n"
	".axis{stroke:#57606a;stroke-opacity:.7}\n"
	".mark{stroke:#57606a;stroke-dasharray:3 3;stroke-opacity:.8}\n"
	"@media(prefers-color-scheme:dark){\n"
	"text{fill:#9ea7b3}.title,.event{fill:#e6edf3}.paper{fill:#0d1117}\n"
	".event{stroke:#0d1117}\n"
	".grid,.axis,.mark{stroke:#9ea7b3}\n"
	"}\n";

/* Where things are, in the picture's units. */
struct layout {
	struct axis x, y;
	double top, bottom, left, right;	/* of one panel */
	double height;
	bool legend, headings;
	unsigned int event_rows;
	unsigned int row_of[MAX_EVENTS];	/* of each event's label */
	bool left_of[MAX_EVENTS];		/* its label is on the left of its line */
};

static void print_text(FILE *file, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			fputs("&amp;", file);
			break;
		case '<':
			fputs("&lt;", file);
			break;
		case '>':
			fputs("&gt;", file);
			break;
		default:
			fputc(*text, file);
			break;
		}
	}
}

static double x_of(const struct layout *layout, double seconds)
{
	return layout->left + seconds / layout->x.end * (layout->right - layout->left);
}

static double y_of(const struct layout *layout, double value)
{
	return layout->bottom - value / layout->y.end * (layout->bottom - layout->top);
}

/* From left to right, all of one width */
static void place_panel(struct layout *layout, const struct picture *picture, size_t i)
{
	double width = WIDTH - LEFT - RIGHT - (picture->nr - 1) * PANEL_GAP;

	width /= picture->nr;
	layout->left = LEFT + i * (width + PANEL_GAP);
	layout->right = layout->left + width;
}

/* From the last one on, each label goes to the lowest row where it has room. */
static void place_events(struct layout *layout, const struct plot *plot)
{
	double taken_from[MAX_EVENT_ROWS];
	size_t e;

	for (e = 0; e < MAX_EVENT_ROWS; e++)
		taken_from[e] = INFINITY;
	for (e = plot->nr_events < MAX_EVENTS ? plot->nr_events : MAX_EVENTS; e-- > 0;) {
		double width = strlen(plot->events[e].label) * CHARACTER + 14;
		double from = x_of(layout, plot->events[e].seconds);
		unsigned int row = 0;

		layout->left_of[e] = from + width > layout->right;
		if (layout->left_of[e])
			from -= width;
		while (row < MAX_EVENT_ROWS - 1 && from + width > taken_from[row])
			row++;
		taken_from[row] = from;
		layout->row_of[e] = row;
		if (row + 1 > layout->event_rows)
			layout->event_rows = row + 1;
	}
}

static void lay_out(struct layout *layout, const struct picture *picture)
{
	double largest = 0, seconds = 1;
	size_t i, s;

	memset(layout, 0, sizeof(*layout));
	for (i = 0; i < picture->nr; i++) {
		const struct plot *plot = &picture->plots[i];

		largest = fmax(largest, plot_largest(plot));
		seconds = fmax(seconds, plot_seconds(plot));
		layout->headings |= !!plot->panel;
		for (s = 0; s < plot->nr_series; s++)
			layout->legend |= plot->names[s] && plot->nr_series > 1;
	}
	layout->y = axis_for(largest, 5);
	layout->x = axis_for(seconds, picture->nr > 1 ? 4 : 8);
	layout->x.end = seconds;
	/* As many rows as the panel with the most needs */
	for (i = 0; i < picture->nr; i++) {
		place_panel(layout, picture, i);
		place_events(layout, &picture->plots[i]);
	}
	layout->top = TITLE_HEIGHT + layout->event_rows * EVENT_HEIGHT + 8;
	if (layout->legend)
		layout->top += LEGEND_HEIGHT;
	if (layout->headings)
		layout->top += HEADING_HEIGHT;
	layout->bottom = layout->top + (picture->nr > 1 ? PANEL_HEIGHT : PLOT_HEIGHT);
	layout->height = layout->bottom + BOTTOM;
}

static void rule(FILE *file, const char *class, double x1, double y1, double x2, double y2)
{
	fprintf(file, "<line class=\"%s\" x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\"/>\n",
		class, x1, y1, x2, y2);
}

static void draw_axes(FILE *file, const struct layout *layout, const struct plot *plot,
		      bool first)
{
	double value;

	for (value = 0; value <= layout->y.end * 1.0001; value += layout->y.step) {
		double y = y_of(layout, value);

		rule(file, value > 0 ? "grid" : "axis", layout->left, y, layout->right, y);
		if (!first)
			continue;
		fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"end\">%g</text>\n",
			layout->left - 8, y + 4, value);
	}
	for (value = 0; value <= layout->x.end; value += layout->x.step) {
		double x = x_of(layout, value);

		rule(file, "axis", x, layout->bottom, x, layout->bottom + 5);
		fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">%g</text>\n",
			x, layout->bottom + 20, value);
	}
	fprintf(file, "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"middle\">time (s)</text>\n",
		(layout->left + layout->right) / 2, layout->bottom + 40);
	if (!first)
		return;
	fprintf(file, "<text transform=\"translate(18 %.1f) rotate(-90)\" text-anchor=\"middle\">",
		(layout->top + layout->bottom) / 2);
	fputs("memory (", file);
	print_text(file, plot->unit);
	fputs(")</text>\n", file);
}

/*
 * A line through the samples; under a single one, an area. Of several, the first
 * are thinner and drawn last, so that those below them show.
 */
static void draw_series(FILE *file, const struct layout *layout, const struct plot *plot, size_t s)
{
	double last_x = 0;
	int area;
	size_t i;

	for (area = plot->nr_series == 1; area >= 0; area--) {
		bool begun = false;

		fprintf(file, "<path d=\"");
		for (i = 0; i < plot->nr_samples; i++) {
			double value = plot->samples[i].values[s];

			if (isnan(value))
				continue;
			last_x = x_of(layout, plot->samples[i].seconds);
			if (!begun && area)
				fprintf(file, "M%.1f %.1f", last_x, layout->bottom);
			fprintf(file, "%s%.1f %.1f", begun || area ? "L" : "M", last_x,
				y_of(layout, value));
			begun = true;
		}
		if (area && begun)
			fprintf(file, "L%.1f %.1fZ", last_x, layout->bottom);
		if (area)
			fprintf(file, "\" fill=\"%s\" fill-opacity=\".18\"/>\n", colours[s]);
		else
			fprintf(file, "\" stroke=\"%s\" stroke-width=\"%g\" %s/>\n",
				colours[s], 2 + 1.5 * s, "fill=\"none\" stroke-linejoin=\"round\"");
	}
}

static double label_y(const struct layout *layout, size_t e)
{
	double first = layout->top - layout->event_rows * EVENT_HEIGHT - 8;

	return first + (layout->event_rows - layout->row_of[e]) * EVENT_HEIGHT;
}

/* All lines before all labels, which have the paper's colour around them. */
static void draw_events(FILE *file, const struct layout *layout, const struct plot *plot)
{
	size_t e;

	for (e = 0; e < plot->nr_events && e < MAX_EVENTS; e++) {
		double x = x_of(layout, plot->events[e].seconds);

		rule(file, "mark", x, label_y(layout, e) - 11, x, layout->bottom);
	}
	for (e = 0; e < plot->nr_events && e < MAX_EVENTS; e++) {
		double x = x_of(layout, plot->events[e].seconds);

		fprintf(file, "<text class=\"event\" x=\"%.1f\" y=\"%.1f\"%s>",
			layout->left_of[e] ? x - 5 : x + 5, label_y(layout, e) - 2,
			layout->left_of[e] ? " text-anchor=\"end\"" : "");
		print_text(file, plot->events[e].label);
		fputs("</text>\n", file);
	}
}

static void draw_legend(FILE *file, const struct layout *layout, const struct plot *plot)
{
	double x = layout->left;
	size_t s;

	for (s = 0; s < plot->nr_series && layout->legend; s++) {
		const char *name = plot->names[s] ? plot->names[s] : "?";

		fputs("<rect width=\"14\" height=\"4\" rx=\"2\" ", file);
		fprintf(file, "x=\"%.1f\" y=\"%.1f\" fill=\"%s\"/>\n",
			x, TITLE_HEIGHT + 2, colours[s]);
		fprintf(file, "<text x=\"%.1f\" y=\"%.1f\">", x + 20, TITLE_HEIGHT + 8);
		print_text(file, name);
		fputs("</text>\n", file);
		x += strlen(name) * CHARACTER + 44;
	}
}

static void draw_panel(FILE *file, const struct layout *layout, const struct plot *plot,
		       bool first)
{
	size_t s;

	if (plot->panel) {
		fprintf(file, "<text class=\"heading\" x=\"%.1f\" y=\"%.1f\">", layout->left,
			layout->top - layout->event_rows * EVENT_HEIGHT - 14);
		print_text(file, plot->panel);
		fputs("</text>\n", file);
	}
	draw_axes(file, layout, plot, first);
	for (s = plot->nr_series; s-- > 0;)
		draw_series(file, layout, plot, s);
	draw_events(file, layout, plot);
}

int svg_write(const struct picture *picture, const char *path)
{
	const struct plot *plot = &picture->plots[0];
	FILE *file = fopen(path, "w");
	struct layout layout;
	size_t i;

	if (!file)
		return -1;
	lay_out(&layout, picture);
	fputs("<svg xmlns=\"http://www.w3.org/2000/svg\" role=\"img\" ", file);
	fprintf(file, "viewBox=\"0 0 %g %g\" width=\"%g\" height=\"%g\">\n",
		WIDTH, layout.height, WIDTH, layout.height);
	fputs("<title>", file);
	print_text(file, plot->title);
	fprintf(file, "</title>\n<style>\n%s</style>\n", style);
	fputs("<rect class=\"paper\" width=\"100%\" height=\"100%\" rx=\"8\"/>\n", file);
	fprintf(file, "<text class=\"title\" x=\"%g\" y=\"26\">", LEFT);
	print_text(file, plot->title);
	fputs("</text>\n", file);
	place_panel(&layout, picture, 0);
	draw_legend(file, &layout, plot);
	for (i = 0; i < picture->nr; i++) {
		place_panel(&layout, picture, i);
		place_events(&layout, &picture->plots[i]);
		draw_panel(file, &layout, &picture->plots[i], i == 0);
	}
	fputs("</svg>\n", file);
	if (ferror(file)) {
		fclose(file);
		return -1;
	}
	return fclose(file);
}
