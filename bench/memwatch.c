// SPDX-License-Identifier: GPL-2.0
/*
 * memwatch: the memory that a guest's RAM file takes, from now on, and how much
 * of the guest's memory its hint table calls unused.
 *
 *   memwatch RAM_FILE SECONDS [TABLE_FILE]
 *
 * Looks every 10 ms, and prints lines
 *
 *	EPOCH_SECONDS KIB LATE_MS UNUSED_KIB WAITED_MS
 *
 * separated by tabs: the first and the last look, each change of KIB or of a MiB
 * of UNUSED_KIB, and the look before it, so that a line drawn through them has
 * no slopes that were not there. LATE_MS is the most by which a look since the
 * last line came too late: what a machine that is busy with something else does
 * to all times that are measured on it. UNUSED_KIB is 0 without a table. WAITED_MS
 * is for how long process PID, since it began, wanted to run and no CPU was free.
 */
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <pagehint.h>

#define PERIOD_NS	10000000L
#define NSEC_PER_SEC	1000000000L
#define FRAME_KIB	(PAGEHINT_FRAME_BYTES >> 10)

struct watched {
	int ram;
	const unsigned char *table;	/* or NULL */
	size_t table_bytes;
	int schedstat;		/* of the process, or -1 */
};

struct look {
	double seconds;		/* since the epoch, as EPOCHREALTIME of bash */
	long kib;
	long unused_kib;
	double waited_ms;
};

static volatile sig_atomic_t stop;

static void on_term(int signal)
{
	(void)signal;
	stop = 1;
}

__attribute__((noreturn))
static void die(const char *what)
{
	fprintf(stderr, "memwatch: %s: %s\n", what, strerror(errno));
	exit(1);
}

static double now(clockid_t clock)
{
	struct timespec time;

	clock_gettime(clock, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

/* Bytes beyond the guest's last frame are zero, which is stable. */
static long count_unused(const struct watched *watched)
{
	long count = 0;
	size_t i;

	for (i = PAGEHINT_HEADER_BYTES; i < watched->table_bytes; i++)
		count += (watched->table[i] & PAGEHINT_USAGE_MASK) == PAGEHINT_UNUSED;
	return count;
}

/* The second number of the file, in nanoseconds */
static double waited_ms(int schedstat)
{
	unsigned long long ran, waited;
	char text[128];
	ssize_t length = pread(schedstat, text, sizeof(text) - 1, 0);

	if (length <= 0)
		die("schedstat");
	text[length] = '\0';
	if (sscanf(text, "%llu %llu", &ran, &waited) != 2)
		die("schedstat");
	return (double)waited / 1e6;
}

static struct look look_at(const struct watched *watched)
{
	struct look look = { .seconds = now(CLOCK_REALTIME) };
	struct stat st;

	if (fstat(watched->ram, &st))
		die("fstat");
	look.kib = (long)st.st_blocks / 2;
	if (watched->table)
		look.unused_kib = count_unused(watched) * (long)FRAME_KIB;
	if (watched->schedstat >= 0)
		look.waited_ms = waited_ms(watched->schedstat);
	return look;
}

static int open_file(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

static void map_table(struct watched *watched, const char *path)
{
	int fd = open_file(path);
	struct stat st;

	if (fstat(fd, &st))
		die(path);
	watched->table_bytes = (size_t)st.st_size;
	watched->table = mmap(NULL, watched->table_bytes, PROT_READ, MAP_SHARED, fd, 0);
	if (watched->table == MAP_FAILED)
		die(path);
	close(fd);
}

static void print(const struct look *look, double late)
{
	printf("%.3f\t%ld\t%.0f\t%ld\t%.0f\n", look->seconds, look->kib, late * 1e3,
	       look->unused_kib, look->waited_ms);
}

static void watch(const struct watched *watched)
{
	struct look printed = look_at(watched), last = printed, look;
	const struct timespec period = { .tv_nsec = PERIOD_NS };
	double late = 0, due;
	bool last_printed = true;

	print(&printed, 0);
	while (!stop) {
		due = now(CLOCK_MONOTONIC) + (double)PERIOD_NS / NSEC_PER_SEC;
		nanosleep(&period, NULL);
		late = fmax(late, now(CLOCK_MONOTONIC) - due);
		look = look_at(watched);
		if (look.kib != last.kib ||
		    labs(look.unused_kib - printed.unused_kib) >= 1024) {
			if (!last_printed)
				print(&last, 0);
			print(&look, late);
			printed = look;
			late = 0;
		}
		last_printed = printed.seconds == look.seconds;
		last = look;
	}
	if (!last_printed)
		print(&last, late);
}

int main(int argc, char **argv)
{
	struct sigaction action = { .sa_handler = on_term };
	struct watched watched = { .ram = -1, .schedstat = -1 };
	char path[64];

	if (argc != 2 && argc != 4) {
		fprintf(stderr, "usage: memwatch RAM_FILE [TABLE_FILE PID]\n");
		return 2;
	}
	watched.ram = open_file(argv[1]);
	if (argc == 4) {
		map_table(&watched, argv[2]);
		snprintf(path, sizeof(path), "/proc/%s/schedstat", argv[3]);
		watched.schedstat = open_file(path);
	}
	/* Each line at once: who started us may read before our end. */
	setvbuf(stdout, NULL, _IOLBF, 0);
	sigaction(SIGTERM, &action, NULL);
	watch(&watched);
	return 0;
}
