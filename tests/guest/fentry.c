// SPDX-License-Identifier: GPL-2.0
/*
 * fentry: attaches a BPF program, which does nothing, to the entry of a function of a
 * kernel module, and keeps it there until it is killed.
 *
 *   fentry FUNCTION MODULE
 *
 * Says "attached" when it is. Exit status: 1 with the error's name if it cannot be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/bpf.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Of a module they go on where the kernel's end. */
struct types {
	const struct btf_header *header;
	const char *strings;
	__u32 first_id, nr;
	__u32 first_string;
};

static void fail(const char *what)
{
	fprintf(stderr, "fentry: %s: %s (%s)\n", what, strerrorname_np(errno), strerror(errno));
	exit(1);
}

static int bpf(int command, union bpf_attr *attr)
{
	return (int)syscall(SYS_bpf, command, attr, sizeof(*attr));
}

static size_t bytes_behind(const struct btf_type *type)
{
	size_t nr = BTF_INFO_VLEN(type->info);

	switch (BTF_INFO_KIND(type->info)) {
	case BTF_KIND_INT:
	case BTF_KIND_VAR:
	case BTF_KIND_DECL_TAG:
		return 4;
	case BTF_KIND_ARRAY:
		return sizeof(struct btf_array);
	case BTF_KIND_STRUCT:
	case BTF_KIND_UNION:
		return nr * sizeof(struct btf_member);
	case BTF_KIND_ENUM:
		return nr * sizeof(struct btf_enum);
	case BTF_KIND_ENUM64:
		return nr * sizeof(struct btf_enum64);
	case BTF_KIND_FUNC_PROTO:
		return nr * sizeof(struct btf_param);
	case BTF_KIND_DATASEC:
		return nr * sizeof(struct btf_var_secinfo);
	default:
		return 0;
	}
}

static const char *string_of(const struct types *types, const struct types *base, __u32 offset)
{
	return base && offset < types->first_string ? base->strings + offset :
						      types->strings + offset - types->first_string;
}

/* The id of a function, or 0; counts the types. */
static __u32 look_for(struct types *types, const struct types *base, const char *function)
{
	const char *at = (const char *)types->header + types->header->hdr_len +
			 types->header->type_off;
	const char *end = at + types->header->type_len;
	__u32 found = 0;

	for (types->nr = 0; at < end; types->nr++) {
		const struct btf_type *type = (const struct btf_type *)at;

		if (BTF_INFO_KIND(type->info) == BTF_KIND_FUNC &&
		    !strcmp(string_of(types, base, type->name_off), function))
			found = types->first_id + types->nr;
		at += sizeof(*type) + bytes_behind(type);
	}
	return found;
}

static void read_types(struct types *types, const char *module)
{
	char path[128];
	struct stat status;
	size_t done = 0;
	char *data;
	int fd;

	snprintf(path, sizeof(path), "/sys/kernel/btf/%s", module);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || fstat(fd, &status))
		fail(path);
	data = malloc((size_t)status.st_size);
	if (!data)
		fail("malloc");
	while (done < (size_t)status.st_size) {
		ssize_t got = read(fd, data + done, (size_t)status.st_size - done);

		if (got <= 0)
			fail(path);
		done += (size_t)got;
	}
	close(fd);
	types->header = (const struct btf_header *)data;
	types->strings = data + types->header->hdr_len + types->header->str_off;
}

/* A descriptor of the kernel's own copy */
static int open_types(const char *module)
{
	union bpf_attr attr = { .start_id = 0 };

	while (!bpf(BPF_BTF_GET_NEXT_ID, &attr)) {
		__u32 id = attr.next_id;
		char name[64] = "";
		struct bpf_btf_info info = {
			.name = (__u64)(unsigned long)name,
			.name_len = sizeof(name),
		};
		union bpf_attr of_id = { .btf_id = id };
		int fd = bpf(BPF_BTF_GET_FD_BY_ID, &of_id);
		union bpf_attr of_fd = {
			.info = { .bpf_fd = (__u32)fd, .info_len = sizeof(info),
				  .info = (__u64)(unsigned long)&info },
		};

		if (fd >= 0 && !bpf(BPF_OBJ_GET_INFO_BY_FD, &of_fd) && info.kernel_btf &&
		    !strcmp(name, module))
			return fd;
		if (fd >= 0)
			close(fd);
		memset(&attr, 0, sizeof(attr));
		attr.start_id = id;
	}
	fail(module);
	return -1;
}

static int load_program(__u32 function, int types)
{
	static const struct bpf_insn nothing[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	static char log[4096];
	union bpf_attr attr = {
		.prog_type = BPF_PROG_TYPE_TRACING,
		.expected_attach_type = BPF_TRACE_FENTRY,
		.insns = (__u64)(unsigned long)nothing,
		.insn_cnt = sizeof(nothing) / sizeof(nothing[0]),
		.license = (__u64)(unsigned long)"GPL",
		.log_buf = (__u64)(unsigned long)log,
		.log_size = sizeof(log),
		.log_level = 1,
		.attach_btf_id = function,
		.attach_btf_obj_fd = (__u32)types,
	};
	int fd = bpf(BPF_PROG_LOAD, &attr);

	if (fd < 0) {
		fprintf(stderr, "%s", log);
		fail("BPF_PROG_LOAD");
	}
	return fd;
}

int main(int argc, char **argv)
{
	struct types kernel = { .first_id = 1 }, module = { .first_id = 1 };
	union bpf_attr attr = { 0 };
	__u32 function;

	if (argc != 3) {
		fprintf(stderr, "usage: fentry FUNCTION MODULE\n");
		return 2;
	}
	read_types(&kernel, "vmlinux");
	look_for(&kernel, NULL, "");
	read_types(&module, argv[2]);
	module.first_id = kernel.first_id + kernel.nr;
	module.first_string = kernel.header->str_len;
	function = look_for(&module, &kernel, argv[1]);
	if (!function) {
		fprintf(stderr, "fentry: %s has no function %s\n", argv[2], argv[1]);
		return 1;
	}
	attr.raw_tracepoint.prog_fd = (__u32)load_program(function, open_types(argv[2]));
	if (bpf(BPF_RAW_TRACEPOINT_OPEN, &attr) < 0)
		fail("attach");
	printf("attached\n");
	fflush(stdout);
	pause();
	return 0;
}
