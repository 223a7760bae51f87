// SPDX-License-Identifier: GPL-2.0
/*
 * frames: memory whose place in the machine is known, so that a crash kernel
 * can look for it, or an error be injected there.
 *
 *   frames hold LIST MIB KEY	fill locked memory with a pattern of KEY and of
 *				each frame's address, write the addresses to
 *				LIST, then a line `last`, and stay for ever
 *   frames vmcore LIST KEY	verify the frames of LIST in /proc/vmcore
 *   frames file FILE PAGES	print the addresses of its first pages in the page cache
 *
 * Exit status: 0, or 1 if any word was wrong, or 2 if it could not run.
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pattern.h"

#define PAGE_BYTES	4096UL
#define PAGEMAP_PFN	((1ULL << 55) - 1)
#define PAGEMAP_PRESENT	(1ULL << 63)

__attribute__((noreturn))
static void die(const char *what)
{
	fprintf(stderr, "frames: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t address_of(int pagemap, const void *memory)
{
	uint64_t entry;
	off_t offset = (off_t)((uintptr_t)memory / PAGE_BYTES * sizeof(entry));

	if (pread(pagemap, &entry, sizeof(entry), offset) != sizeof(entry))
		die("/proc/self/pagemap");
	if (!(entry & PAGEMAP_PRESENT) || !(entry & PAGEMAP_PFN)) {
		fprintf(stderr, "frames: a locked page has no frame: run as root\n");
		exit(2);
	}
	return (entry & PAGEMAP_PFN) * PAGE_BYTES;
}

__attribute__((noreturn))
static void hold(const char *list, size_t bytes, uint64_t key)
{
	uint8_t *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	FILE *out = fopen(list, "w");

	if (memory == MAP_FAILED || mlock(memory, bytes))
		die("locked memory");
	if (pagemap < 0 || !out)
		die(pagemap < 0 ? "/proc/self/pagemap" : list);
	for (size_t at = 0; at < bytes; at += PAGE_BYTES) {
		uint64_t address = address_of(pagemap, memory + at);

		pattern_fill((uint64_t *)(memory + at), PAGE_BYTES, key, address);
		fprintf(out, "%#" PRIx64 "\n", address);
	}
	fprintf(out, "last\n");
	if (fflush(out) || fsync(fileno(out)) || fclose(out))
		die(list);
	for (;;)
		pause();
}

static int print_file(const char *file, size_t nr)
{
	int fd = open(file, O_RDONLY | O_CLOEXEC);
	int pagemap = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
	const volatile uint8_t *memory;

	if (fd < 0 || pagemap < 0)
		die(fd < 0 ? file : "/proc/self/pagemap");
	memory = mmap(NULL, nr * PAGE_BYTES, PROT_READ, MAP_SHARED, fd, 0);
	if (memory == MAP_FAILED)
		die("mmap");
	for (size_t at = 0; at < nr * PAGE_BYTES; at += PAGE_BYTES) {
		(void)memory[at];
		printf("%#" PRIx64 "\n", address_of(pagemap, (const void *)(memory + at)));
	}
	return 0;
}

/* The offset of a physical address in an ELF core, or -1 */
static off_t offset_of(const Elf64_Phdr *segments, unsigned int nr, uint64_t address)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (segments[i].p_type == PT_LOAD && address >= segments[i].p_paddr &&
		    address - segments[i].p_paddr < segments[i].p_filesz)
			return (off_t)(segments[i].p_offset + (address - segments[i].p_paddr));
	}
	return -1;
}

static int check_vmcore(const char *list, uint64_t key)
{
	static uint64_t words[PAGE_BYTES / sizeof(uint64_t)];
	int core = open("/proc/vmcore", O_RDONLY | O_CLOEXEC);
	unsigned long frames = 0;
	FILE *in = fopen(list, "r");
	Elf64_Phdr segments[256];
	uint64_t address, wrong = 0;
	Elf64_Ehdr elf;
	ssize_t size;

	if (core < 0 || !in)
		die(core < 0 ? "/proc/vmcore" : list);
	if (pread(core, &elf, sizeof(elf), 0) != sizeof(elf) ||
	    memcmp(elf.e_ident, ELFMAG, SELFMAG) || elf.e_phnum > 256)
		die("/proc/vmcore: no ELF header");
	size = (ssize_t)(elf.e_phnum * sizeof(*segments));
	if (pread(core, segments, (size_t)size, (off_t)elf.e_phoff) != size)
		die("/proc/vmcore: no program headers");
	while (fscanf(in, "%" SCNx64, &address) == 1) {
		off_t offset = offset_of(segments, elf.e_phnum, address);

		if (offset < 0 || pread(core, words, sizeof(words), offset) != sizeof(words)) {
			fprintf(stderr, "frames: no frame %#" PRIx64 " in /proc/vmcore\n",
				address);
			return 2;
		}
		wrong += pattern_verify(words, sizeof(words), key, address, "vmcore");
		frames++;
	}
	printf("frames: %lu frames verified, %" PRIu64 " words wrong\n", frames, wrong);
	return wrong || !frames;
}

int main(int argc, char **argv)
{
	if (argc == 5 && !strcmp(argv[1], "hold"))
		hold(argv[2], strtoul(argv[3], NULL, 0) << 20,
		     strtoul(argv[4], NULL, 0));
	if (argc == 4 && !strcmp(argv[1], "vmcore"))
		return check_vmcore(argv[2], strtoul(argv[3], NULL, 0));
	if (argc == 4 && !strcmp(argv[1], "file"))
		return print_file(argv[2], strtoul(argv[3], NULL, 0));
	fprintf(stderr, "usage: frames hold LIST MIB KEY | vmcore LIST KEY | file FILE PAGES\n");
	return 2;
}
