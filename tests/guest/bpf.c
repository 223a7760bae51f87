// SPDX-License-Identifier: GPL-2.0
/*
 * bpf: attaches BPF programs that do nothing, as bpftrace and its like attach
 * theirs, and says how often they ran.
 *
 *   bpf SECONDS KIND:NAME...
 *	KIND is raw (a tracepoint), fentry or fexit (a function, by a BPF
 *	trampoline). Prints `attached` when all are, and
 *	a line `KIND:NAME RUNS` for each after SECONDS, or SIGTERM.
 *
 * Exit status: 0, or 1 with the error's name.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define MOST_PROGRAMS	8

__attribute__((noreturn))
static void die(const char *what)
{
	fprintf(stderr, "bpf: %s: %s (%s)\n", what, strerrorname_np(errno), strerror(errno));
	exit(1);
}

static int bpf(enum bpf_cmd command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

/* What follows a type's record, in bytes */
static size_t tail_of(const struct btf_type *type)
{
	size_t nr = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return sizeof(uint32_t);
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return nr * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return nr * sizeof(struct btf_enum);
	case BTF_KIND_FUNC_PROTO:
		return nr * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return nr * sizeof(struct btf_var_secinfo);
	case 19: /* BTF_KIND_ENUM64, younger than Debian 12's headers */
		return nr * 3 * sizeof(uint32_t);
	default:
		return 0;
	}
}

/* The number of a function in the kernel's type information */
static uint32_t btf_id_of(const char *name)
{
	static const char path[] = "/sys/kernel/btf/vmlinux";
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	const struct btf_header *header;
	const char *strings;
	struct stat status;
	size_t at = 0, got = 0;
	uint32_t id = 0;
	char *bytes;

	if (fd < 0 || fstat(fd, &status))
		die(path);
	bytes = malloc((size_t)status.st_size);
	while (bytes && got < (size_t)status.st_size) {
		ssize_t n = read(fd, bytes + got, (size_t)status.st_size - got);

		if (n <= 0)
			die(path);
		got += (size_t)n;
	}
	if (!bytes)
		die("memory");
	close(fd);
	header = (const void *)bytes;
	strings = bytes + header->hdr_len + header->str_off;
	while (at < header->type_len) {
		const struct btf_type *type = (const void *)
			(bytes + header->hdr_len + header->type_off + at);

		id++;
		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC &&
		    !strcmp(strings + type->name_off, name)) {
			free(bytes);
			return id;
		}
		at += sizeof(*type) + tail_of(type);
	}
	errno = ENOENT;
	die(name);
}

/* attach KIND:NAME: the program's file descriptor */
static int attach(const char *what)
{
	const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	union bpf_attr load = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.insns = (uintptr_t)nothing,
		.insn_cnt = 2,
		.license = (uintptr_t)"GPL",
	};
	const char *name = strchr(what, ':');
	union bpf_attr open = { };
	int fd;

	if (!name) {
		errno = EINVAL;
		die(what);
	}
	name++;
	if (!strncmp(what, "raw:", 4)) {
		load.prog_type = BPF_PROG_TYPE_RAW_TRACEPOINT;
		open.raw_tracepoint.name = (uintptr_t)name;
	} else {
		load.expected_attach_type = strncmp(what, "fexit:", 6) ?
					    BPF_TRACE_FENTRY : BPF_TRACE_FEXIT;
		load.attach_btf_id = btf_id_of(name);
	}
	fd = bpf(BPF_PROG_LOAD, &load);
	if (fd < 0)
		die(what);
	open.raw_tracepoint.prog_fd = (uint32_t)fd;
	if (bpf(BPF_RAW_TRACEPOINT_OPEN, &open) < 0)
		die(what);
	return fd;
}

static unsigned long long runs_of(int fd)
{
	struct bpf_prog_info info = { };
	union bpf_attr attr = {
		.info = { .bpf_fd = (uint32_t)fd, .info_len = sizeof(info),
			  .info = (uintptr_t)&info },
	};

	if (bpf(BPF_OBJ_GET_INFO_BY_FD, &attr))
		die("BPF_OBJ_GET_INFO_BY_FD");
	return info.run_cnt;
}

int main(int argc, char **argv)
{
	union bpf_attr stats = { .enable_stats = { .type = BPF_STATS_RUN_TIME } };
	int programs[MOST_PROGRAMS], nr = argc - 2;
	struct timespec most = { };
	sigset_t term;

	if (nr < 1 || nr > MOST_PROGRAMS) {
		fprintf(stderr, "usage: bpf SECONDS KIND:NAME...\n");
		return 2;
	}
	most.tv_sec = strtol(argv[1], NULL, 0);
	sigemptyset(&term);
	sigaddset(&term, SIGTERM);
	sigprocmask(SIG_BLOCK, &term, NULL);
	if (bpf(BPF_ENABLE_STATS, &stats) < 0)
		die("BPF_ENABLE_STATS");
	for (int i = 0; i < nr; i++)
		programs[i] = attach(argv[i + 2]);
	puts("attached");
	fflush(stdout);
	sigtimedwait(&term, NULL, &most);
	for (int i = 0; i < nr; i++)
		printf("%s %llu\n", argv[i + 2], runs_of(programs[i]));
	return 0;
}
