/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Damages a file behind the page cache's back, for the controls of programs
 * that verify: one block of it is overwritten on the device, and the file's
 * clean pages are dropped, so that the next reader finds something wrong.
 * Not for btrfs, whose extents are not at addresses of the device.
 */
#ifndef TESTS_DAMAGE_H
#define TESTS_DAMAGE_H

#include <errno.h>
#include <fcntl.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DAMAGE_BYTES	4096

/* Where the block at @offset is on the device, or 0: not there alone */
static inline uint64_t damage_find(int fd, uint64_t offset)
{
	struct {
		struct fiemap map;
		struct fiemap_extent extent;
	} request = {
		.map = { .fm_start = offset, .fm_length = 1, .fm_flags = FIEMAP_FLAG_SYNC,
			 .fm_extent_count = 1 },
	};
	const struct fiemap_extent *extent = request.map.fm_extents;

	if (ioctl(fd, FS_IOC_FIEMAP, &request.map) || !request.map.fm_mapped_extents)
		return 0;
	if (extent->fe_flags & ~(FIEMAP_EXTENT_LAST | FIEMAP_EXTENT_MERGED))
		return 0;
	return extent->fe_physical + (offset - extent->fe_logical);
}

/* Returns 0, or -1 with errno; a block without an extent is ENODATA. */
static inline int damage_file(int fd, uint64_t offset, const char *device_path)
{
	uint64_t physical;
	int device, status;
	void *garbage;

	if (fsync(fd))
		return -1;
	physical = damage_find(fd, offset);
	if (!physical) {
		errno = ENODATA;
		return -1;
	}
	device = open(device_path, O_WRONLY | O_DIRECT | O_SYNC);
	if (device < 0)
		return -1;
	garbage = aligned_alloc(DAMAGE_BYTES, DAMAGE_BYTES);
	if (!garbage)
		return -1;
	memset(garbage, 0xa5, DAMAGE_BYTES);
	status = pwrite(device, garbage, DAMAGE_BYTES, (off_t)physical) == DAMAGE_BYTES ? 0 : -1;
	free(garbage);
	close(device);
	if (status)
		return status;
	status = posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
	if (status)
		errno = status;
	return status ? -1 : 0;
}

#endif /* TESTS_DAMAGE_H */
