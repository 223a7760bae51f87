// SPDX-License-Identifier: GPL-2.0
/*
 * mapcheck: mapped files, verified.
 *
 *   mapcheck hold KIND FILE MIB SEED
 *	Fills FILE unless it is there, maps it, verifies it, says "ready", and
 *	until SIGTERM: KIND idle leaves it alone, hot reads a word of each page
 *	five times a second, spin without end, locked and onfault have it in mlock() and mlock2(),
 *	lockall in mlockall(), huge maps it by huge pages as far as the kernel does that and
 *	leaves it alone, partlocked maps it so and then has one page of each 2 MiB in mlock(),
 *	which it reads as hot does. Then says how many page faults it had meanwhile,
 *	and verifies all of it again.
 *   mapcheck stress DIRECTORY SECONDS PROCESSES MIB SEED
 *	PROCESSES that use mappings of the same files in every way that a program
 *	can, leave them alone for a while, and use them again. The files do not
 *	change, but for one of each process's own. MIB are all files together. Says
 *	what this kernel is lacking, and how often each use was made.
 *   mapcheck leaks DIRECTORY
 *	After it, and after a drain of the LRU's batches: whatever is still in the
 *	page cache of a file there when all of it was to go is held by somebody who
 *	lost his reference.
 *
 * Exit status: 0, or 1 if any word was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <sys/stat.h>
#include <time.h>

#include "mapcheck-exec.h"
#include "mapcheck-kernel.h"
#include "mapcheck-ring.h"
#include "mapcheck-uses.h"

/* ------------------------------------------------------------------------
 * stress
 */

static const struct use {
	const char *name;
	void (*run)(struct process *p, struct held *held);
} uses[] = {
	{ "read", verify },
	{ "private_write", write_private },
	{ "fork", copy_after_fork },
	{ "shared_write", write_shared },
	{ "mprotect", change_protection },
	{ "mremap", move },
	{ "madvise", advise },
	{ "mlock", lock },
	{ "populate", populate },
	{ "storm", storm },
	{ "munmap", drop },
	{ "process_vm_readv", read_by_others },
	{ "write_from", write_from },
	{ "pipes", through_pipes },
	{ "futex", wait_in_page },
	{ "ptrace", debug },
	{ "core_dump", dump_core },
	{ "userfaultfd", fill_missing },
	{ "io_uring", through_ring },
	{ "exec", execute },
	{ "libraries", execute_with_libraries },
	{ "uprobe", probe_text },
	{ "program", compare_program },
};

#define NR_USES	(sizeof(uses) / sizeof(uses[0]))
/* With which a process begins, however slow the machine is: four have all. */
#define SHARE	6U

static void acquire(struct process *p, struct held *held)
{
	held->file = random_below(&p->random, NR_FILES);
	held->bytes = (1 + random_below(&p->random, p->file_bytes / PAGE_BYTES)) * PAGE_BYTES;
	held->is_private = random_below(&p->random, 2);
	held->memory = map(p->fds[held->file], held->bytes, PROT_READ,
			   held->is_private ? MAP_PRIVATE : MAP_SHARED);
}

static int run_process(struct process *p, const char *directory, unsigned int number,
		       double deadline)
{
	unsigned int turn = 0, times[NR_USES] = { 0 };

	p->random = pattern_mix(p->random + number);
	snprintf(p->directory, sizeof(p->directory), "%s", directory);
	snprintf(p->program, sizeof(p->program), "%s/mapcheck", directory);
	snprintf(p->own_path, sizeof(p->own_path), "%s/own%u", directory, number);
	snprintf(p->direct_path, sizeof(p->direct_path), "%s/direct%u", directory, number);
	p->own_key = p->random;
	fill_file(p->own_path, MIB, p->own_key);
	for (unsigned int i = 0; i < NR_HELD; i++)
		p->held[i].file = -1;
	do {
		struct held *held = &p->held[random_below(&p->random, NR_HELD)];
		size_t use;

		if (held->file < 0)
			acquire(p, held);
		/* Each in its turn at first, so that a short run has all of them. */
		if (turn < NR_USES)
			use = (turn++ + SHARE * number) % NR_USES;
		else
			use = random_below(&p->random, NR_USES);
		uses[use].run(p, held);
		times[use]++;
		/* Long enough, for some of them, to be taken for idle */
		usleep(random_below(&p->random, 10) ? random_below(&p->random, 20000) : 600000);
	} while (!p->wrong && !stop && (now() < deadline || turn < SHARE));
	printf("process %u: %llu MiB verified\n", number,
	       (unsigned long long)(p->verified / MIB));
	for (size_t i = 0; i < NR_USES; i++)
		printf("use %s %u\n", uses[i].name, times[i]);
	return p->wrong ? 1 : 0;
}

static void copy_program(const char *directory)
{
	char path[PATH_MAX];
	int from = open("/proc/self/exe", O_RDONLY), to;
	off_t offset = 0;
	struct stat status;

	snprintf(path, sizeof(path), "%s/mapcheck", directory);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0700);
	need(from >= 0 && to >= 0 && !fstat(from, &status), path);
	while (offset < status.st_size)
		need(sendfile(to, from, &offset, status.st_size - offset) > 0, "sendfile");
	need(!fsync(to), "fsync");
	close(from);
	close(to);
}

static int stress(char **arguments)
{
	const char *directory = arguments[0];
	unsigned int nr = strtoul(arguments[2], NULL, 0);
	static struct process process;
	double deadline;

	process.file_bytes = strtoul(arguments[3], NULL, 0) * MIB / NR_FILES;
	process.random = strtoull(arguments[4], NULL, 0);
	for (unsigned int i = 0; i < NR_FILES; i++) {
		char path[PATH_MAX];

		snprintf(path, sizeof(path), "%s/file%u", directory, i);
		process.keys[i] = pattern_mix(process.random + i + 1000);
		fill_file(path, process.file_bytes, process.keys[i]);
		process.fds[i] = open(path, O_RDONLY);
		need(process.fds[i] >= 0, path);
	}
	copy_program(directory);
	signal(SIGTERM, on_term);
	deadline = now() + strtod(arguments[1], NULL);
	for (unsigned int i = 0; i < nr; i++) {
		pid_t child = fork();

		need(child >= 0, "fork");
		if (!child)
			exit(run_process(&process, directory, i, deadline));
	}
	return worst_of_children(nr);
}

/* Pages of a file that do not leave the page cache */
static unsigned long stay(const char *path)
{
	static unsigned char there[64 * MIB / PAGE_BYTES];
	unsigned long nr = 0;
	struct stat status;
	char *memory;
	int fd = open(path, O_RDONLY);

	need(fd >= 0 && !fstat(fd, &status), path);
	if (!S_ISREG(status.st_mode) || !status.st_size) {
		close(fd);
		return 0;
	}
	need((size_t)status.st_size <= 64 * MIB, path);
	need(!fsync(fd) && !posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED), "fadvise");
	/* Without MAP_POPULATE nothing is mapped, and so nothing held. */
	memory = map(fd, (size_t)status.st_size, PROT_READ, MAP_SHARED);
	need(!mincore(memory, (size_t)status.st_size, there), "mincore");
	for (size_t i = 0; i * PAGE_BYTES < (size_t)status.st_size; i++)
		nr += there[i] & 1;
	munmap(memory, (size_t)status.st_size);
	close(fd);
	if (nr)
		fprintf(stderr, "MISMATCH %lu pages of %s are held by nobody and stay\n", nr, path);
	return nr;
}

static int leaks(const char *directory)
{
	DIR *stream = opendir(directory);
	unsigned long nr = 0, files = 0;
	struct dirent *entry;
	char path[PATH_MAX];

	need(stream, directory);
	while ((entry = readdir(stream))) {
		snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
		nr += stay(path);
		files++;
	}
	closedir(stream);
	printf("%lu files looked at, %lu pages stay\n", files, nr);
	return nr != 0;
}

int main(int argc, char **argv)
{
	if (argc == 6 && !strcmp(argv[1], "hold"))
		return hold(argv + 2);
	if (argc == 7 && !strcmp(argv[1], "stress"))
		return stress(argv + 2);
	if (argc == 3 && !strcmp(argv[1], "leaks"))
		return leaks(argv[2]);
	if (argc == 2 && !strcmp(argv[1], "true"))
		return 0;
	if (argc == 2 && !strcmp(argv[1], "probed"))
		return call_probed();
	fprintf(stderr, "usage: mapcheck hold KIND FILE MIB SEED\n"
		"       mapcheck stress DIRECTORY SECONDS PROCESSES MIB SEED\n"
		"       mapcheck leaks DIRECTORY\n");
	return 2;
}
