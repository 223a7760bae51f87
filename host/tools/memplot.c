// SPDX-License-Identifier: GPL-2.0
/*
 * memplot: draws memory over time, live in the terminal, and as SVG at the end.
 *
 *   memplot [--title TEXT] [--unit TEXT] [--svg FILE] [--quiet] <STREAM
 *
 * The stream has lines of fields separated by tabs:
 *
 *	SECONDS VALUE...	a sample of each series; an empty VALUE: none
 *	series NAME...		names of the series: there will be a legend
 *	event SECONDS LABEL	marked in the chart
 *	status TEXT		what happens now, below the live chart
 *	panel TITLE		what follows goes into a chart of its own, beside
 *				the one before; needs --quiet
 *
 * Lines that begin with # are comments. Where stdout is no terminal there are
 * plain lines instead of the live chart; with --quiet nothing.
 */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "memplot.h"

#define REDRAW_SECONDS	0.2

__attribute__((noreturn))
static void die(const char *what, const char *why)
{
	fprintf(stderr, "memplot: %s: %s\n", what, why);
	exit(1);
}

/* Room for one more; grows by doubling at powers of two. */
static void *grow(void *array, size_t nr, size_t size)
{
	if (nr & (nr - 1))
		return array;
	array = realloc(array, (nr ? nr * 2 : 1) * size);
	if (!array)
		die("memory", strerror(errno));
	return array;
}

static char *copy(const char *text)
{
	char *new = strdup(text);

	if (!new)
		die("memory", strerror(errno));
	return new;
}

struct axis axis_for(double largest, unsigned int marks)
{
	static const double round[] = { 1, 2, 2.5, 5, 10 };
	struct axis axis = { .end = 1, .step = 1 };
	double scale;
	size_t i;

	if (largest <= 0)
		return axis;
	scale = pow(10, floor(log10(largest / marks)));
	for (i = 0; i < sizeof(round) / sizeof(round[0]); i++) {
		axis.step = round[i] * scale;
		if (axis.step * marks >= largest)
			break;
	}
	axis.end = ceil(largest / axis.step) * axis.step;
	return axis;
}

double plot_largest(const struct plot *plot)
{
	double largest = 0;
	size_t i, s;

	for (i = 0; i < plot->nr_samples; i++) {
		for (s = 0; s < plot->nr_series; s++)
			largest = fmax(largest, plot->samples[i].values[s]);
	}
	return largest;
}

double plot_seconds(const struct plot *plot)
{
	return plot->nr_samples ? plot->samples[plot->nr_samples - 1].seconds : 0;
}

/* A number that fills the field, or false. */
static bool number(const char *field, double *value)
{
	char *end;

	errno = 0;
	*value = strtod(field, &end);
	return end != field && !*end && !errno && isfinite(*value);
}

static bool add_sample(struct plot *plot, double seconds, char *rest)
{
	struct sample sample = { .seconds = seconds };
	size_t nr = 0, s;
	char *field;

	for (s = 0; s < MAX_SERIES; s++)
		sample.values[s] = NAN;
	while ((field = strsep(&rest, "\t"))) {
		if (nr == MAX_SERIES)
			return false;
		if (*field && !number(field, &sample.values[nr]))
			return false;
		nr++;
	}
	if (!nr || seconds < plot_seconds(plot))
		return false;
	if (nr > plot->nr_series)
		plot->nr_series = nr;
	plot->samples = grow(plot->samples, plot->nr_samples, sizeof(sample));
	plot->samples[plot->nr_samples++] = sample;
	return true;
}

static bool add_event(struct plot *plot, char *rest)
{
	char *field = strsep(&rest, "\t");
	struct event event;

	if (!field || !rest || !number(field, &event.seconds))
		return false;
	event.label = copy(rest);
	plot->events = grow(plot->events, plot->nr_events, sizeof(event));
	plot->events[plot->nr_events++] = event;
	return true;
}

/* Its title, and what it shares with the others */
static bool begin_panel(struct picture *picture, char *title)
{
	struct plot *plot = &picture->plots[picture->nr - 1];

	if (picture->nr == MAX_PANELS)
		return false;
	if (plot->panel || plot->nr_samples || plot->nr_events)
		plot = &picture->plots[picture->nr++];
	plot->title = picture->plots[0].title;
	plot->unit = picture->plots[0].unit;
	plot->panel = copy(title);
	return true;
}

static bool name_series(struct plot *plot, char *rest)
{
	size_t nr = 0;
	char *field;

	while ((field = strsep(&rest, "\t"))) {
		if (nr == MAX_SERIES)
			return false;
		plot->names[nr++] = copy(field);
	}
	return nr > 0;
}

/* False for a line that is none of the stream's. */
static bool take_line(struct picture *picture, char *line, bool quiet)
{
	struct plot *plot = &picture->plots[picture->nr - 1];
	char *rest = line, *field;
	double seconds;

	if (!*line || *line == '#')
		return true;
	field = strsep(&rest, "\t");
	if (!rest)
		return false;
	if (!strcmp(field, "panel"))
		return quiet && begin_panel(picture, rest);
	if (!strcmp(field, "event"))
		return add_event(plot, rest);
	if (!strcmp(field, "series"))
		return name_series(plot, rest);
	if (!strcmp(field, "status")) {
		free(plot->status);
		plot->status = copy(rest);
		return true;
	}
	return number(field, &seconds) && add_sample(plot, seconds, rest);
}

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* Returns the number of lines that were not understood. */
static unsigned int read_stream(struct picture *picture, bool terminal, bool quiet)
{
	struct plot *plot = &picture->plots[0];	/* one only, but for --quiet */
	unsigned int bad = 0, nr = 0;
	double drawn = 0;
	char *line = NULL;
	size_t size = 0;
	ssize_t length;

	while ((length = getline(&line, &size, stdin)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		nr++;
		if (!take_line(picture, line, quiet)) {
			fprintf(stderr, "memplot: line %u: not of the form in the manual\n", nr);
			bad++;
			continue;
		}
		if (quiet)
			continue;
		if (!terminal) {
			lines_sample(plot);
		} else if (now() - drawn >= REDRAW_SECONDS) {
			terminal_draw(plot);
			drawn = now();
		}
	}
	free(line);
	if (terminal && !quiet)
		terminal_draw(plot);
	return bad;
}

static void forget(struct plot *plot)
{
	size_t i;

	for (i = 0; i < MAX_SERIES; i++)
		free(plot->names[i]);
	for (i = 0; i < plot->nr_events; i++)
		free(plot->events[i].label);
	free(plot->events);
	free(plot->samples);
	free(plot->status);
	free(plot->panel);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "title", required_argument, NULL, 't' },
		{ "unit", required_argument, NULL, 'u' },
		{ "svg", required_argument, NULL, 's' },
		{ "quiet", no_argument, NULL, 'q' },
		{ NULL, 0, NULL, 0 },
	};
	static struct picture picture = {
		.nr = 1,
		.plots[0] = { .title = "Memory of the host", .unit = "MiB" },
	};
	struct plot *plot = &picture.plots[0];
	const char *svg = NULL;
	bool quiet = false;
	unsigned int bad;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 't':
			plot->title = optarg;
			break;
		case 'u':
			plot->unit = optarg;
			break;
		case 's':
			svg = optarg;
			break;
		case 'q':
			quiet = true;
			break;
		default:
			return 2;
		}
	}
	bad = read_stream(&picture, isatty(STDOUT_FILENO), quiet);
	if (svg && svg_write(&picture, svg))
		die(svg, strerror(errno));
	while (picture.nr)
		forget(&picture.plots[--picture.nr]);
	return bad > 0;
}
