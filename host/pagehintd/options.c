// SPDX-License-Identifier: GPL-2.0
/* The command line. What it says is checked here as far as it can be alone. */
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "pagehintd.h"

#define DEFAULT_UNUSED_AGE_MS	1000
#define MAX_UNUSED_AGE_MS	3600000
/* So that it is in a line of the control socket */
#define MAX_VM_NAME		200

static const char help[] =
"usage: pagehintd VM... [--control SOCKET]\n"
"       pagehintd --status --control SOCKET\n"
"       pagehintd --drop=SIZE[:VM] --control SOCKET\n"
"Takes memory back that guests do not use. Each VM is described by:\n"
"  --vm NAME          begins a VM; the name is for people\n"
"  --ram [ID=]FILE... its memory; of a memfd: ID=/proc/PID/fd/N\n"
"  --table FILE       the hint table (file of its ivshmem-plain device)\n"
"  --reset=qmp        how resets are learned of: QEMU is made to wait for us\n"
"  --reset=destroy    or: a reset ends QEMU's process (needs --pid or --qmp)\n"
"  --qmp SOCKET       a QMP socket for pagehintd alone\n"
"  --pid PID          QEMU's process, where --qmp does not tell\n"
"  --map GFN:COUNT:FILE:OFFSET\n"
"                     COUNT frames from GFN on are at byte OFFSET of a RAM\n"
"                     file; may be repeated; needed without --qmp\n"
"  --unused-age MS    drop frames that were unused so long (default 1000)\n"
"  --target-mib N     only while the memory takes more than N MiB (default 0)\n"
"  --volatile=target  clean page cache too: as much as --target-mib asks for\n"
"                     (default), or on command (--drop)\n"
"  --volatile=all     all that the guest offers, as unused memory\n"
"  --volatile=off     never; the guest is told so\n"
"  --dry-run          count what would be dropped, touch nothing\n"
"Options of the daemon:\n"
"  --control SOCKET   answer each connection with the state (OpenMetrics)\n"
"  --status           print the state of the daemon at --control\n"
"  --drop=SIZE[:VM]   take so much now: MiB, or with K, M, G, T, or all; unused\n"
"                     memory, then page cache; prints what was dropped\n"
"  --help, --version\n"
"Exit codes: 0 stopped, or all VMs ended; 1 internal; 2 usage; 3 a file;\n"
"4 locked by another pagehintd; 5 refused configuration; 6 QEMU; 7 a file shrank.\n"
"SIGUSR1 prints the state to stderr. See pagehintd(8).\n";

static int usage(const char *format, ...) __attribute__((format(printf, 1, 2)));

static int usage(const char *format, ...)
{
	char text[512];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	log_info(NULL, "%s (pagehintd --help)", text);
	return EXIT_USAGE;
}

/* The command line as it is walked through */
struct walk {
	char **argv;
	int argc, at;
	const char *name;	/* of the option, without its value */
	size_t name_length;
	const char *value;
};

static bool is_option(const struct walk *walk, const char *name)
{
	return strlen(name) == walk->name_length &&
	       !memcmp(walk->name, name, walk->name_length);
}

/* The value after "=", or the next word */
static bool take_value(struct walk *walk)
{
	if (!walk->value && walk->at < walk->argc && walk->argv[walk->at][0] != '-')
		walk->value = walk->argv[walk->at++];
	if (walk->value && *walk->value)
		return true;
	usage("expected a value after %s", walk->name);
	return false;
}

static bool take_number(struct walk *walk, uint64_t min, uint64_t max, uint64_t *number)
{
	char *end;

	if (!take_value(walk))
		return false;
	errno = 0;
	*number = strtoull(walk->value, &end, 0);
	if (!errno && !*end && *walk->value >= '0' && *walk->value <= '9' &&
	    *number >= min && *number <= max)
		return true;
	usage("expected a number from %llu to %llu after %.*s, found '%s'",
	      (unsigned long long)min, (unsigned long long)max, (int)walk->name_length,
	      walk->name, walk->value);
	return false;
}

static int add_ram(struct vm *vm, char *value)
{
	char *equals = strchr(value, '='), *slash = strchr(value, '/');
	struct ram_file *ram = &vm->ram[vm->nr_ram];

	if (vm->nr_ram == MAX_RAM_FILES)
		return usage("%s: more than %u RAM files", vm->name, MAX_RAM_FILES);
	if (equals && (!slash || equals < slash)) {
		*equals = '\0';
		ram->id = value;
		value = equals + 1;
	}
	if (!*value || (ram->id && !*ram->id))
		return usage("%s: expected --ram FILE or --ram ID=FILE", vm->name);
	ram->path = value;
	ram->fd = -1;
	vm->nr_ram++;
	return EXIT_OK;
}

static int set_reset(struct vm *vm, const char *value)
{
	if (!strcmp(value, "qmp"))
		vm->reset = RESET_QMP;
	else if (!strcmp(value, "destroy"))
		vm->reset = RESET_DESTROY;
	else
		return usage("expected --reset=qmp or --reset=destroy, found '%s'", value);
	return EXIT_OK;
}

#ifdef PAGEHINT_TEST_HOOKS
/* claimed|dropped[:N] */
static int set_test(struct vm *vm, int what, const char *value)
{
	const char *colon = strchr(value, ':');
	size_t length = colon ? (size_t)(colon - value) : strlen(value);

	vm->test.what = what;
	vm->test.range = colon ? strtoull(colon + 1, NULL, 0) : 1;
	if (length == 7 && !memcmp(value, "claimed", 7))
		vm->test.where = TEST_CLAIMED;
	else if (length == 7 && !memcmp(value, "dropped", 7))
		vm->test.where = TEST_DROPPED;
	else
		return usage("expected claimed[:N] or dropped[:N], found '%s'", value);
	return EXIT_OK;
}
#endif

static int set_volatile(struct vm *vm, const char *value)
{
	if (!strcmp(value, "off"))
		vm->volatile_policy = VOLATILE_OFF;
	else if (!strcmp(value, "target"))
		vm->volatile_policy = VOLATILE_TARGET;
	else if (!strcmp(value, "all"))
		vm->volatile_policy = VOLATILE_ALL;
	else
		return usage("expected --volatile=off, target or all, found '%s'",
			     value);
	return EXIT_OK;
}

static int vm_option(struct vm *vm, struct walk *walk)
{
	uint64_t number;
	int result;

	if (is_option(walk, "--ram")) {
		if (!take_value(walk))
			return EXIT_USAGE;
		result = add_ram(vm, (char *)walk->value);
		while (result == EXIT_OK && walk->at < walk->argc &&
		       walk->argv[walk->at][0] != '-')
			result = add_ram(vm, walk->argv[walk->at++]);
		return result;
	}
	if (is_option(walk, "--dry-run")) {
		vm->dry_run = true;
		return EXIT_OK;
	}
	if (is_option(walk, "--unused-age")) {
		if (!take_number(walk, 0, MAX_UNUSED_AGE_MS, &number))
			return EXIT_USAGE;
		vm->unused_age_ms = number;
		return EXIT_OK;
	}
	if (is_option(walk, "--target-mib"))
		return take_number(walk, 0, UINT64_MAX >> 20, &vm->target_mib) ?
		       EXIT_OK : EXIT_USAGE;
	if (is_option(walk, "--pid")) {
		if (!take_number(walk, 1, INT_MAX, &number))
			return EXIT_USAGE;
		vm->pid = number;
		return EXIT_OK;
	}
	if (!take_value(walk))
		return EXIT_USAGE;
	if (is_option(walk, "--table")) {
		vm->table_path = walk->value;
	} else if (is_option(walk, "--qmp")) {
		if (strlen(walk->value) >= sizeof(((struct sockaddr_un *)0)->sun_path))
			return usage("the path of a socket is too long: %s", walk->value);
		vm->qmp_path = walk->value;
	} else if (is_option(walk, "--reset")) {
		return set_reset(vm, walk->value);
	} else if (is_option(walk, "--volatile")) {
		return set_volatile(vm, walk->value);
	} else if (is_option(walk, "--map")) {
		if (vm->nr_map_text == MAX_MAP_ENTRIES)
			return usage("%s: more than %u --map", vm->name, MAX_MAP_ENTRIES);
		vm->map_text[vm->nr_map_text++] = walk->value;
#ifdef PAGEHINT_TEST_HOOKS
	} else if (is_option(walk, "--test-stall")) {
		return set_test(vm, TEST_STALL, walk->value);
	} else if (is_option(walk, "--test-die")) {
		return set_test(vm, TEST_DIE, walk->value);
#endif
	} else {
		return usage("unknown option %.*s", (int)walk->name_length, walk->name);
	}
	return EXIT_OK;
}

/* SIZE[:VM], SIZE in MiB or with a unit, or all */
static int parse_drop(struct drop_request *drop, char *text)
{
	static const char units[] = "KMGT";
	char *colon = strchr(text, ':'), *end = text;
	unsigned int shift;
	const char *unit;

	if (colon) {
		*colon = '\0';
		drop->vm = colon + 1;
		if (!*drop->vm || strlen(drop->vm) > MAX_VM_NAME)
			return usage("expected the name of a VM after --drop=%s:, found '%s'",
				     text, drop->vm);
	}
	drop->bytes = UINT64_MAX;
	if (!strcmp(text, "all"))
		return EXIT_OK;
	errno = 0;
	if (*text >= '0' && *text <= '9')
		drop->bytes = strtoull(text, &end, 10);
	unit = *end ? strchr(units, *end) : strchr(units, 'M');
	shift = unit ? 10 * (unit - units + 1) : 1;
	if (end == text || !unit || (*end && end[1]) || errno || !drop->bytes ||
	    drop->bytes >> (64 - shift))
		return usage("expected --drop=SIZE[:VM], SIZE as 300, 300M, 2G or all, found '%s'",
			     text);
	drop->bytes <<= shift;
	return EXIT_OK;
}

static int check_vm(const struct vm *vm)
{
	if (!vm->nr_ram)
		return usage("%s: no RAM file (--ram)", vm->name);
	if (!vm->table_path)
		return usage("%s: no hint table (--table)", vm->name);
	if (vm->reset == RESET_UNSET || (vm->reset == RESET_QMP && !vm->qmp_path) ||
	    (vm->reset == RESET_DESTROY && !vm->qmp_path && !vm->pid)) {
		log_info(vm->name, "no way to learn of the VM's resets, after which its hints would destroy the next kernel's memory: give --reset=qmp with --qmp, or --reset=destroy with --pid or --qmp");
		return EXIT_REFUSED;
	}
	if (!vm->qmp_path && !vm->nr_map_text)
		return usage("%s: without --qmp, say with --map where the guest's frames are",
			     vm->name);
	return EXIT_OK;
}

static int begin_vm(struct options *options, const char *name)
{
	struct vm *vm = &options->vm[options->nr_vms];
	unsigned int i;

	if (options->nr_vms == MAX_VMS)
		return usage("more than %u VMs", MAX_VMS);
	if (strpbrk(name, "\"\\\n"))
		return usage("expected a name without quotes and backslashes, found '%s'", name);
	if (strlen(name) > MAX_VM_NAME)
		return usage("expected a name of %u bytes at most, found '%s'", MAX_VM_NAME, name);
	for (i = 0; i < options->nr_vms; i++) {
		if (!strcmp(options->vm[i].name, name))
			return usage("two VMs are called %s", name);
	}
	vm->name = name;
	vm->unused_age_ms = DEFAULT_UNUSED_AGE_MS;
	vm->volatile_policy = VOLATILE_TARGET;
	vm->table_fd = -1;
	options->nr_vms++;
	return EXIT_OK;
}

/**
 * options_parse - fill the options
 *
 * Return: EXIT_OK, or an exit code after a line in the log; -1 if all was said
 * that was asked for (--help).
 */
int options_parse(struct options *options, int argc, char **argv)
{
	struct walk walk = { .argv = argv, .argc = argc, .at = 1 };
	unsigned int i;
	int result = EXIT_OK;

	while (walk.at < argc && result == EXIT_OK) {
		const char *equals;

		walk.name = argv[walk.at++];
		equals = strchr(walk.name, '=');
		walk.name_length = equals ? (size_t)(equals - walk.name) : strlen(walk.name);
		walk.value = equals ? equals + 1 : NULL;

		if (is_option(&walk, "--help")) {
			fputs(help, stdout);
			return -1;
		}
		if (is_option(&walk, "--version")) {
			printf("pagehintd %s (contract version %u)\n", PAGEHINTD_VERSION,
			       PAGEHINT_VERSION);
			return -1;
		}
		if (is_option(&walk, "--status")) {
			options->status = true;
		} else if (is_option(&walk, "--control")) {
			if (!take_value(&walk))
				return EXIT_USAGE;
			if (strlen(walk.value) >= sizeof(((struct sockaddr_un *)0)->sun_path))
				return usage("the path of a socket is too long: %s", walk.value);
			options->control = walk.value;
		} else if (is_option(&walk, "--drop")) {
			if (!take_value(&walk))
				return EXIT_USAGE;
			result = parse_drop(&options->drop, (char *)walk.value);
		} else if (is_option(&walk, "--vm")) {
			if (!take_value(&walk))
				return EXIT_USAGE;
			result = begin_vm(options, walk.value);
		} else if (options->nr_vms) {
			result = vm_option(&options->vm[options->nr_vms - 1], &walk);
		} else {
			return usage("expected --vm NAME first, found '%s'", walk.name);
		}
	}
	if (result != EXIT_OK)
		return result;
	if (options->status)
		return options->control && !options->nr_vms ? EXIT_OK :
		       usage("--status needs --control SOCKET and no --vm");
	if (options->drop.bytes)
		return options->control && !options->nr_vms ? EXIT_OK :
		       usage("--drop needs --control SOCKET and no --vm");
	if (!options->nr_vms)
		return usage("no VM given");
	for (i = 0; i < options->nr_vms && result == EXIT_OK; i++)
		result = check_vm(&options->vm[i]);
	return result;
}
