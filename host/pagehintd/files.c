// SPDX-License-Identifier: GPL-2.0
/* Opening, checking and locking the files of a VM. Nothing in them is touched. */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "guestmap.h"

/* Header and some frames; QEMU's BARs are powers of two */
#define MIN_TABLE_BYTES		(2 * PAGEHINT_HEADER_BYTES)

static int open_file(const struct vm *vm, const char *what, const char *path,
		     struct stat *st)
{
	int fd = open(path, O_RDWR | O_CLOEXEC);

	if (fd < 0) {
		log_info(vm->name, "cannot open the %s %s for reading and writing: %s; give the file that QEMU uses, or create it with its full size before QEMU starts (truncate -s)",
			 what, path, strerror(errno));
		return -1;
	}
	if (fstat(fd, st) || !S_ISREG(st->st_mode)) {
		log_info(vm->name, "expected a file as %s, found something else: %s", what, path);
		return -1;
	}
	return fd;
}

static int open_table(struct vm *vm)
{
	struct stat st;

	vm->table_fd = open_file(vm, "hint table", vm->table_path, &st);
	if (vm->table_fd < 0)
		return EXIT_FILE;
	vm->table_dev = st.st_dev;
	vm->table_ino = st.st_ino;
	vm->table_bytes = st.st_size;
	if (vm->table_bytes < MIN_TABLE_BYTES || (vm->table_bytes & (vm->table_bytes - 1))) {
		log_info(vm->name, "expected a hint table of 2^n bytes, %u at least, found %lu in %s: is it the file of the ivshmem device?",
			 MIN_TABLE_BYTES, vm->table_bytes, vm->table_path);
		return EXIT_FILE;
	}
	return EXIT_OK;
}

static int open_ram(struct vm *vm, struct ram_file *ram)
{
	struct statfs fs;
	struct stat st;

	ram->fd = open_file(vm, "RAM file", ram->path, &st);
	if (ram->fd < 0)
		return EXIT_FILE;
	ram->dev = st.st_dev;
	ram->ino = st.st_ino;
	ram->bytes = st.st_size;
	if (!ram->bytes || ram->bytes % PAGEHINT_FRAME_BYTES) {
		log_info(vm->name, "expected whole frames of %lu bytes in %s, found %lu bytes",
			 PAGEHINT_FRAME_BYTES, ram->path, ram->bytes);
		return EXIT_FILE;
	}
	if (!fstatfs(ram->fd, &fs) && fs.f_type == HUGETLBFS_MAGIC) {
		log_info(vm->name, "%s is in huge pages (hugetlbfs), of which single frames cannot be freed: use a memory backend without them",
			 ram->path);
		return EXIT_REFUSED;
	}
	return EXIT_OK;
}

static int check_distinct(const struct vm *vm)
{
	unsigned int i, j;

	for (i = 0; i < vm->nr_ram; i++) {
		const struct ram_file *ram = &vm->ram[i];

		if (ram->dev == vm->table_dev && ram->ino == vm->table_ino) {
			log_info(vm->name, "%s is given as RAM file and as hint table", ram->path);
			return EXIT_USAGE;
		}
		for (j = 0; j < i; j++) {
			if (ram->dev == vm->ram[j].dev && ram->ino == vm->ram[j].ino) {
				log_info(vm->name, "%s and %s are the same file", ram->path,
					 vm->ram[j].path);
				return EXIT_USAGE;
			}
		}
	}
	return EXIT_OK;
}

/* GFN:COUNT:FILE:OFFSET; frames, but for OFFSET, which is in bytes */
static int add_map(struct vm *vm, const char *text)
{
	const char *last = strrchr(text, ':');
	struct guestmap_entry entry;
	uint64_t offset;
	char *end;
	unsigned int i;
	int err;

	entry.gfn = strtoull(text, &end, 0);
	if (end == text || *end != ':')
		goto malformed;
	text = end + 1;
	entry.nr_frames = strtoull(text, &end, 0);
	if (end == text || *end != ':' || end >= last)
		goto malformed;
	text = end + 1;
	offset = strtoull(last + 1, &end, 0);
	if (end == last + 1 || *end || offset % PAGEHINT_FRAME_BYTES)
		goto malformed;
	entry.file_frame = offset >> PAGEHINT_FRAME_SHIFT;
	for (i = 0; i < vm->nr_ram; i++) {
		size_t length = strlen(vm->ram[i].path);

		if (length == (size_t)(last - text) && !memcmp(vm->ram[i].path, text, length))
			break;
	}
	if (i == vm->nr_ram) {
		log_info(vm->name, "--map names %.*s, which is not one of the RAM files (--ram)",
			 (int)(last - text), text);
		return EXIT_USAGE;
	}
	entry.file = i;
	err = guestmap_add(&vm->map, entry);
	if (err) {
		log_info(vm->name, "--map %#lx:%lu... %s", entry.gfn,
			 entry.nr_frames,
			 err == -EEXIST ? "overlaps another --map, in the guest or in the file" :
			 err == -ENOSPC ? "is one too many" : "is empty or out of range");
		return EXIT_USAGE;
	}
	return EXIT_OK;

malformed:
	log_info(vm->name, "expected --map GFN:COUNT:FILE:OFFSET (two numbers of frames, a RAM file, a multiple of %lu), found '%s'",
		 PAGEHINT_FRAME_BYTES, text);
	return EXIT_USAGE;
}

/*
 * The lock is on the inode, whatever path leads there, and lives as long as the
 * supervisor or any worker.
 */
static int lock_file(const struct vm *vm, int fd, const char *path)
{
	if (!flock(fd, LOCK_EX | LOCK_NB))
		return EXIT_OK;
	if (errno != EWOULDBLOCK) {
		log_info(vm->name, "cannot lock %s: %s", path, strerror(errno));
		return EXIT_FILE;
	}
	log_info(vm->name, "%s is locked: another pagehintd has this VM, or a worker of one that was killed (see: fuser %s); stop it first",
		 path, path);
	return EXIT_LOCKED;
}

static int lock_files(const struct vm *vm)
{
	int result = lock_file(vm, vm->table_fd, vm->table_path);
	unsigned int i;

	for (i = 0; i < vm->nr_ram && result == EXIT_OK; i++)
		result = lock_file(vm, vm->ram[i].fd, vm->ram[i].path);
	return result;
}

/**
 * files_open - open, check and lock the files of all VMs
 *
 * Return: an exit code; then the reason is in the log.
 */
int files_open(struct vm *vm, unsigned int nr_vms)
{
	unsigned int i, j;
	int result;

	for (i = 0; i < nr_vms; i++) {
		const char *small;

		result = open_table(&vm[i]);
		for (j = 0; j < vm[i].nr_ram && result == EXIT_OK; j++)
			result = open_ram(&vm[i], &vm[i].ram[j]);
		if (result == EXIT_OK)
			result = check_distinct(&vm[i]);
		for (j = 0; j < vm[i].nr_map_text && result == EXIT_OK; j++)
			result = add_map(&vm[i], vm[i].map_text[j]);
		if (result != EXIT_OK)
			return result;
		small = guestmap_check_sizes(&vm[i].map, vm[i].ram, vm[i].nr_ram);
		if (small) {
			log_info(vm[i].name, "--map names frames beyond the end of %s", small);
			return EXIT_USAGE;
		}
	}
	for (i = 0; i < nr_vms; i++) {
		result = lock_files(&vm[i]);
		if (result != EXIT_OK)
			return result;
	}
	return EXIT_OK;
}

/* What the VM's memory takes of the host's, as far as its files tell */
uint64_t files_allocated_bytes(const struct vm *vm)
{
	uint64_t bytes = 0;
	unsigned int i;

	for (i = 0; i < vm->nr_ram; i++) {
		struct stat st;

		if (!fstat(vm->ram[i].fd, &st))
			bytes += (uint64_t)st.st_blocks * 512;
	}
	return bytes;
}

/*
 * NULL, or the path of a RAM file that has lost its end since it was opened: the
 * guest's memory is gone, and what we know of its layout is wrong.
 */
const char *files_shrunk(const struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_ram; i++) {
		struct stat st;

		if (fstat(vm->ram[i].fd, &st) || (uint64_t)st.st_size < vm->ram[i].bytes)
			return vm->ram[i].path;
	}
	return NULL;
}
