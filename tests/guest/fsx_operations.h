/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations of fsx, part of fsx.c: each does one thing to a file, and
 * compares what comes out of it with the model or does the same to the model.
 */

static void read_buffered(struct file *file)
{
	struct range range = any_range();
	ssize_t got;

	got = pread(file->fd, buffer, range.bytes, (off_t)range.offset);
	if (!within(file, &range))
		range.bytes = 0;
	if (got != (ssize_t)range.bytes)
		die("%zd of %zu bytes at %#zx", got, range.bytes, range.offset);
	compare(file, buffer, range.offset, range.bytes);
}

/* As much as the page cache has, or EAGAIN */
static void read_nowait(struct file *file)
{
	struct range range = any_range();
	struct iovec vector = { buffer, range.bytes };
	ssize_t got;

	got = preadv2(file->fd, &vector, 1, (off_t)range.offset, RWF_NOWAIT);
	if (got < 0 && errno != EAGAIN)
		die("%zu bytes at %#zx", range.bytes, range.offset);
	if (got > 0 && !within(file, &range))
		die("%zd bytes past the end", got);
	if (got > 0)
		compare(file, buffer, range.offset, (size_t)got);
}

static void read_direct(struct file *file)
{
	struct range range = page_range();
	ssize_t got;

	got = pread(file->direct, buffer, range.bytes, (off_t)range.offset);
	if (!within(file, &range))
		range.bytes = 0;
	if (got != (ssize_t)range.bytes)
		die("%zd of %zu bytes at %#zx", got, range.bytes, range.offset);
	compare(file, buffer, range.offset, range.bytes);
}

/* With the rest of the last page, which is zeros; and what is mapped already. */
static void read_mapped(struct file *file)
{
	struct range range = page_range();
	const uint8_t *memory;

	if (!within(file, &range))
		return;
	range.bytes = (range.bytes + PAGE_BYTES - 1) & ~(PAGE_BYTES - 1);
	memory = map(file, range, PROT_READ, MAP_SHARED);
	compare(file, memory, range.offset, range.bytes);
	munmap((void *)memory, range.bytes);
	if (file->kept)
		compare(file, file->kept + range.offset, range.offset, range.bytes);
}

/* At most what fits into the pipe; the pages in it stay the file's. */
static void from_pipe(const struct file *file, struct range range, ssize_t put)
{
	size_t got = 0;

	if (put < 0)
		die("%zu bytes at %#zx", range.bytes, range.offset);
	while (got < (size_t)put) {
		ssize_t some = read(pipe_ends[0], buffer + got, (size_t)put - got);

		if (some <= 0)
			die("%zd bytes out of the pipe", some);
		got += (size_t)some;
	}
	compare(file, buffer, range.offset, got);
}

static bool pipe_range(const struct file *file, struct range *range)
{
	*range = any_range();
	if (range->bytes > PIPE_BYTES)
		range->bytes = PIPE_BYTES;
	return within(file, range);
}

static void read_sendfile(struct file *file)
{
	struct range range;
	off_t offset;

	if (!pipe_range(file, &range))
		return;
	offset = (off_t)range.offset;
	from_pipe(file, range, sendfile(pipe_ends[1], file->fd, &offset, range.bytes));
}

static void read_splice(struct file *file)
{
	struct range range;
	loff_t offset;

	if (!pipe_range(file, &range))
		return;
	offset = (loff_t)range.offset;
	from_pipe(file, range, splice(file->fd, &offset, pipe_ends[1], NULL, range.bytes, 0));
}

static void read_forked(struct file *file)
{
	struct range range = { 0, file->size };
	uint8_t *memory;
	int status;
	pid_t child;

	if (!file->size)
		return;
	memory = map(file, range, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	child = fork();
	if (child < 0)
		die("fork");
	if (!child) {
		wrong = 0;
		compare(file, memory, 0, range.bytes);
		memset(memory, 1, range.bytes);
		_exit(wrong ? 1 : 0);
	}
	if (waitpid(child, &status, 0) != child)
		die("waitpid");
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		fprintf(stderr, "fsx: a child ended with status %#x\n", status);
		wrong++;
	}
	compare(file, memory, 0, range.bytes);
	munmap(memory, range.bytes);
}

/* Copies on write: out of the page cache, not into the file */
static void write_private(struct file *file)
{
	struct range range = page_range();
	uint8_t *memory;

	if (!within(file, &range))
		return;
	memory = map(file, range, PROT_READ | PROT_WRITE, MAP_PRIVATE);
	for (size_t at = 0; at < range.bytes; at += PAGE_BYTES)
		memory[at]++;
	for (size_t at = 0; at < range.bytes; at += PAGE_BYTES)
		memory[at]--;
	compare(file, memory, range.offset, range.bytes);
	munmap(memory, range.bytes);
}

static void write_buffered(struct file *file)
{
	struct range range = any_range();

	fresh(range.bytes);
	if (pwrite(file->fd, buffer, range.bytes, (off_t)range.offset) != (ssize_t)range.bytes)
		die("%zu bytes at %#zx", range.bytes, range.offset);
	model_write(file, range, buffer);
}

static void write_direct(struct file *file)
{
	struct range range = page_range();

	if (!file->written_directly)
		return;
	fresh(range.bytes);
	if (pwrite(file->direct, buffer, range.bytes, (off_t)range.offset) != (ssize_t)range.bytes)
		die("%zu bytes at %#zx", range.bytes, range.offset);
	model_write(file, range, buffer);
}

static void write_mapped(struct file *file)
{
	struct range range = page_range();
	uint8_t *memory;

	if (!within(file, &range))
		return;
	fresh(range.bytes);
	memory = map(file, range, PROT_READ | PROT_WRITE, MAP_SHARED);
	memcpy(memory, buffer, range.bytes);
	if (!draw(4) && msync(memory, range.bytes, MS_SYNC))
		die("msync of %zu bytes at %#zx", range.bytes, range.offset);
	munmap(memory, range.bytes);
	model_write(file, range, buffer);
}

static void write_splice(struct file *file)
{
	struct range range = any_range();
	loff_t offset = (loff_t)range.offset;
	size_t put = 0;

	if (range.bytes > PIPE_BYTES)
		range.bytes = PIPE_BYTES;
	fresh(range.bytes);
	if (write(pipe_ends[1], buffer, range.bytes) != (ssize_t)range.bytes)
		die("%zu bytes into the pipe", range.bytes);
	while (put < range.bytes) {
		ssize_t some = splice(pipe_ends[0], NULL, file->fd, &offset, range.bytes - put, 0);

		if (some <= 0)
			die("%zu bytes at %#zx", range.bytes, range.offset);
		put += (size_t)some;
	}
	model_write(file, range, buffer);
}

/* The same range of another file, as far as that has it */
static bool range_of_other(const struct file *other, struct range *range)
{
	*range = page_range();
	if (!within(other, range))
		return false;
	range->bytes &= ~(PAGE_BYTES - 1);
	return range->bytes;
}

static void copy_range(struct file *file)
{
	struct file *other = other_file(file);
	struct range range = any_range();
	loff_t from, to;
	ssize_t got;

	/* A file system may clone instead. */
	if (!file->shares_extents || !other->shares_extents || !within(other, &range))
		return;
	from = (loff_t)range.offset;
	to = from;
	got = copy_file_range(other->fd, &from, file->fd, &to, range.bytes, 0);
	if (got <= 0)
		die("%zu bytes at %#zx", range.bytes, range.offset);
	range.bytes = (size_t)got;
	model_write(file, range, other->model + range.offset);
}

static void clone_range(struct file *file)
{
	struct file *other = other_file(file);
	struct file_clone_range request;
	struct range range;

	if (!file->shares_extents || !other->shares_extents || !range_of_other(other, &range))
		return;
	request = (struct file_clone_range){
		.src_fd = other->fd, .src_offset = range.offset,
		.src_length = range.bytes, .dest_offset = range.offset,
	};
	if (done(ioctl(file->fd, FICLONERANGE, &request), "clone", range))
		model_write(file, range, other->model + range.offset);
}

/* Pages of one file, held by get_user_pages while the device reads them */
static void write_from_mapping(struct file *file)
{
	struct file *other = other_file(file);
	struct range range;
	uint8_t *memory;

	if (!file->written_directly || !range_of_other(other, &range))
		return;
	memory = map(other, range, PROT_READ, MAP_SHARED);
	if (pwrite(file->direct, memory, range.bytes, (off_t)range.offset) != (ssize_t)range.bytes)
		die("%zu bytes at %#zx", range.bytes, range.offset);
	munmap(memory, range.bytes);
	model_write(file, range, other->model + range.offset);
}

/* The device writes into pages of a file, which become dirty afterwards. */
static void read_into_mapping(struct file *file)
{
	struct file *other = other_file(file);
	struct range range;
	uint8_t *memory;
	ssize_t got;

	if (file->written_directly || !range_of_other(other, &range) || !within(file, &range))
		return;
	range.bytes &= ~(PAGE_BYTES - 1);
	if (!range.bytes)
		return;
	memory = map(file, range, PROT_READ | PROT_WRITE, MAP_SHARED);
	got = pread(other->direct, memory, range.bytes, (off_t)range.offset);
	if (got != (ssize_t)range.bytes)
		die("%zd of %zu bytes at %#zx", got, range.bytes, range.offset);
	munmap(memory, range.bytes);
	model_write(file, range, other->model + range.offset);
}

static void truncate_file(struct file *file)
{
	size_t size = draw(2) ? draw(capacity + 1) : file->size / 2;

	if (ftruncate(file->fd, (off_t)size))
		die("to %#zx", size);
	model_resize(file, size);
}

static void punch_hole(struct file *file)
{
	struct range range = any_range();

	if (!done(fallocate(file->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			    (off_t)range.offset, (off_t)range.bytes), "hole", range))
		return;
	if (within(file, &range))
		model_zero(file, range);
}

static void zero_range(struct file *file)
{
	struct range range = any_range();

	if (!done(fallocate(file->fd, FALLOC_FL_ZERO_RANGE, (off_t)range.offset,
			    (off_t)range.bytes), "zeros", range))
		return;
	model_zero(file, range);
	if (range.offset + range.bytes > file->size)
		file->size = range.offset + range.bytes;
}

static void allocate(struct file *file)
{
	struct range range = any_range();

	if (done(fallocate(file->fd, 0, (off_t)range.offset, (off_t)range.bytes),
		 "allocation", range) && range.offset + range.bytes > file->size)
		file->size = range.offset + range.bytes;
}

static void collapse_range(struct file *file)
{
	struct range range = page_range();
	size_t end = range.offset + range.bytes;

	if (end >= file->size)
		return;
	if (!done(fallocate(file->fd, FALLOC_FL_COLLAPSE_RANGE, (off_t)range.offset,
			    (off_t)range.bytes), "collapse", range))
		return;
	memmove(file->model + range.offset, file->model + end, file->size - end);
	model_resize(file, file->size - range.bytes);
}

static void insert_range(struct file *file)
{
	struct range range = page_range();
	size_t end = range.offset + range.bytes;

	if (range.offset >= file->size || file->size + range.bytes > capacity)
		return;
	if (!done(fallocate(file->fd, FALLOC_FL_INSERT_RANGE, (off_t)range.offset,
			    (off_t)range.bytes), "insertion", range))
		return;
	memmove(file->model + end, file->model + range.offset, file->size - range.offset);
	file->size += range.bytes;
	model_zero(file, range);
}

/*
 * What is called a hole must read as zeros. Not so on stock 6.1 on XFS, beside
 * drop_caches within seconds,
 * - with writeback on its way: the kernel looks at an extent first, not yet written,
 *   and at the page cache later; if the page was written and reclaimed in between,
 *   it calls it a hole (iomap_seek_hole);
 * - with extents reserved for copy on write: xfs_seek_iomap_begin passes an end
 *   where xfs_trim_extent wants a length, and goes on over written extents, of
 *   which it calls a hole what is not in the page cache.
 */
static void seek_holes(struct file *file)
{
	off_t hole = 0, data;

	if (file->shares_extents)
		return;
	if (fdatasync(file->fd))
		die("fdatasync");
	while ((size_t)hole < file->size) {
		hole = lseek(file->fd, hole, SEEK_HOLE);
		if (hole < 0)
			die("SEEK_HOLE");
		data = lseek(file->fd, hole, SEEK_DATA);
		if (data < 0 && errno != ENXIO)
			die("SEEK_DATA at %#llx", (long long)hole);
		if (data < 0)
			data = (off_t)file->size;
		memset(buffer, 0, (size_t)(data - hole));
		compare(file, buffer, (size_t)hole, (size_t)(data - hole));
		hole = data;
	}
}

static void sync_file(struct file *file)
{
	int status;

	switch (draw(3)) {
	case 0:
		status = fsync(file->fd);
		break;
	case 1:
		status = fdatasync(file->fd);
		break;
	default:
		status = sync_file_range(file->fd, 0, 0, SYNC_FILE_RANGE_WRITE);
	}
	if (status)
		die("sync");
}

static void advise(struct file *file)
{
	unsigned char resident[1];
	struct range range = page_range();
	uint8_t *memory;

	switch (draw(5)) {
	case 0:
		posix_fadvise(file->fd, 0, 0, POSIX_FADV_DONTNEED);
		return;
	case 1:
		readahead(file->fd, (off_t)range.offset, range.bytes);
		return;
	case 2:
		posix_fadvise(file->fd, 0, 0, draw(2) ? POSIX_FADV_RANDOM : POSIX_FADV_NORMAL);
		return;
	}
	if (!within(file, &range))
		return;
	memory = map(file, range, PROT_READ, MAP_SHARED);
	if (mincore(memory, 1, resident))
		die("mincore");
	madvise(memory, range.bytes, MADV_POPULATE_READ);
	compare(file, memory, range.offset, range.bytes);
	madvise(memory, range.bytes, draw(2) ? MADV_PAGEOUT : MADV_COLD);
	munmap(memory, range.bytes);
}

/* A mapping that stays, locked or not, until the next time */
static void keep_mapping(struct file *file)
{
	struct range range = { 0, capacity };

	if (file->kept) {
		munmap(file->kept, capacity);
		file->kept = NULL;
		return;
	}
	file->kept = map(file, range, PROT_READ, MAP_SHARED);
	if (file->size && draw(2) && mlock(file->kept, file->size))
		die("mlock of %zu bytes", file->size);
}
