// SPDX-License-Identifier: GPL-2.0
/*
 * What pagehintd asks of QEMU: is this a configuration under which memory may
 * be taken, and where does the guest's memory lie?
 *
 * Each failure is a line in the log. An answer that does not have the form that
 * QEMU 7.2 and later give is an error, never a guess.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "qemu.h"

static json_object *qom_get(struct qmp *qmp, const char *path, const char *property)
{
	json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "path", json_object_new_string(path));
	json_object_object_add(arguments, "property", json_object_new_string(property));
	return qmp_call(qmp, "qom-get", arguments);
}

static json_object *qom_list(struct qmp *qmp, const char *path)
{
	json_object *arguments = json_object_new_object();

	json_object_object_add(arguments, "path", json_object_new_string(path));
	return qmp_call(qmp, "qom-list", arguments);
}

static const char *member(json_object *object, const char *name)
{
	json_object *value;

	if (!json_object_object_get_ex(object, name, &value))
		return "";
	return json_object_get_string(value);
}

/*
 * Is the backend this file? By the inode, as QEMU's process sees the path. A
 * memfd has no path: false.
 */
static bool backend_is_file(struct qmp *qmp, const char *object, pid_t pid,
			    dev_t dev, ino_t ino)
{
	json_object *value = qom_get(qmp, object, "mem-path");
	const char *path = json_object_get_string(value);
	char seen[4200];
	struct stat st;
	bool same;

	if (!path) {
		json_object_put(value);
		return false;
	}
	snprintf(seen, sizeof(seen), "/proc/%d/%s%s", (int)pid,
		 path[0] == '/' ? "root" : "cwd/", path);
	same = !stat(seen, &st) && st.st_dev == dev && st.st_ino == ino;
	json_object_put(value);
	return same;
}

/* -1: no such property */
static int get_bool(struct qmp *qmp, const char *object, const char *property)
{
	json_object *value = qom_get(qmp, object, property);
	int is = json_object_is_type(value, json_type_boolean) ?
		 json_object_get_boolean(value) : -1;

	json_object_put(value);
	return is;
}

struct backends {
	json_object *list;	/* of qom-list /objects: owns the names */
	struct guestmap_backend known[MAX_RAM_FILES];
	unsigned int nr;
	bool found[MAX_RAM_FILES];
};

/* Which of QEMU's memory backends are our RAM files? */
static enum exit_code find_backends(struct qmp *qmp, const struct vm *vm, pid_t pid,
				    struct backends *backends)
{
	size_t i, nr;
	unsigned int file;

	memset(backends, 0, sizeof(*backends));
	backends->list = qom_list(qmp, "/objects");
	if (!json_object_is_type(backends->list, json_type_array))
		goto no_answer;
	nr = json_object_array_length(backends->list);
	for (i = 0; i < nr; i++) {
		json_object *entry = json_object_array_get_idx(backends->list, i);
		const char *name = member(entry, "name");
		char path[300];

		if (strncmp(member(entry, "type"), "child<memory-backend-", 21))
			continue;
		snprintf(path, sizeof(path), "/objects/%s", name);
		for (file = 0; file < vm->nr_ram; file++) {
			const struct ram_file *ram = &vm->ram[file];

			if (ram->id ? !strcmp(ram->id, name) :
			    backend_is_file(qmp, path, pid, ram->dev, ram->ino))
				break;
		}
		if (qmp->fd < 0)
			goto no_answer;
		if (file == vm->nr_ram)
			continue;
		if (get_bool(qmp, path, "share") != 1) {
			log_info(vm->name, "memory backend %s has share=off: what is dropped from %s would stay in QEMU; start QEMU with share=on",
				 name, vm->ram[file].path);
			return EXIT_REFUSED;
		}
		backends->known[backends->nr++] = (struct guestmap_backend) {
			.name = name, .file = file,
		};
		backends->found[file] = true;
		if (backends->nr == MAX_RAM_FILES)
			break;
	}
	for (file = 0; file < vm->nr_ram; file++) {
		if (backends->found[file])
			continue;
		log_info(vm->name, "expected a memory backend of QEMU (process %d) with %s %s, found none: name its file with --ram, a memfd with --ram ID=/proc/%d/fd/N",
			 (int)pid, vm->ram[file].id ? "id" : "mem-path",
			 vm->ram[file].id ? vm->ram[file].id : vm->ram[file].path, (int)pid);
		return EXIT_REFUSED;
	}
	return EXIT_OK;

no_answer:
	log_info(vm->name, "QEMU does not list its memory backends: %s", qmp->error);
	return EXIT_QEMU;
}

/* One device with our table, if it is one: counted in *tables */
static enum exit_code check_ivshmem(struct qmp *qmp, const struct vm *vm, pid_t pid,
				    const char *device, unsigned int *tables)
{
	json_object *backend = qom_get(qmp, device, "memdev");
	const char *object = json_object_get_string(backend);
	enum exit_code result = EXIT_OK;
	json_object *master, *path = NULL;

	/* A memfd cannot be compared: then the proofs of mapping decide. */
	if (object)
		path = qom_get(qmp, object, "mem-path");
	if (!object || (path && !backend_is_file(qmp, object, pid, vm->table_dev,
						 vm->table_ino)))
		goto out;
	master = qom_get(qmp, device, "master");
	if (!master || !strcmp(json_object_get_string(master), "on")) {
		log_info(vm->name, "the ivshmem device %s has master=on: migration would carry the hints of pages that it does not carry; start QEMU with master=off",
			 device);
		result = EXIT_REFUSED;
	} else if (get_bool(qmp, object, "share") != 1) {
		log_info(vm->name, "the hint table's memory backend %s has share=off: guest and host would not see each other; start QEMU with share=on",
			 object);
		result = EXIT_REFUSED;
	}
	json_object_put(master);
	++*tables;
out:
	json_object_put(path);
	json_object_put(backend);
	return result;
}

static enum exit_code check_table_devices(struct qmp *qmp, const struct vm *vm, pid_t pid)
{
	static const char *const parents[] = {
		"/machine/peripheral", "/machine/peripheral-anon",
	};
	enum exit_code result = EXIT_OK;
	unsigned int tables = 0;
	size_t i, j;

	for (i = 0; i < ARRAY_SIZE(parents) && result == EXIT_OK; i++) {
		json_object *list = qom_list(qmp, parents[i]);

		if (!json_object_is_type(list, json_type_array)) {
			log_info(vm->name, "QEMU does not list its devices: %s", qmp->error);
			json_object_put(list);
			return EXIT_QEMU;
		}
		for (j = 0; j < json_object_array_length(list) && result == EXIT_OK; j++) {
			json_object *entry = json_object_array_get_idx(list, j);
			char path[300];

			if (strcmp(member(entry, "type"), "child<ivshmem-plain>"))
				continue;
			snprintf(path, sizeof(path), "%s/%s", parents[i],
				 member(entry, "name"));
			result = check_ivshmem(qmp, vm, pid, path, &tables);
		}
		json_object_put(list);
	}
	if (result == EXIT_OK && !tables) {
		log_info(vm->name, "expected an ivshmem-plain device of QEMU (process %d) on %s, found none: is it the table of this VM?",
			 (int)pid, vm->table_path);
		result = EXIT_REFUSED;
	}
	return result;
}

/**
 * qemu_check - may this VM's memory be taken at all?
 *
 * Pinned memory is not seen here but in the process's VmLck and VmPin, which is
 * where VFIO, vdpa and io_uring account it. The accelerator is not checked.
 */
enum exit_code qemu_check(struct qmp *qmp, const struct vm *vm, pid_t pid)
{
	struct backends backends;
	enum exit_code result = find_backends(qmp, vm, pid, &backends);

	json_object_put(backends.list);
	if (result == EXIT_OK)
		result = check_table_devices(qmp, vm, pid);
	return result;
}

/**
 * qemu_read_map - where the guest's frames lie, as QEMU has it now
 *
 * Asked again for each lease: memory may have been plugged.
 */
enum exit_code qemu_read_map(struct qmp *qmp, const struct vm *vm, pid_t pid,
			     struct guestmap *map)
{
	struct backends backends;
	json_object *arguments, *text = NULL;
	const char *small;
	enum exit_code result = find_backends(qmp, vm, pid, &backends);
	int err;

	if (result != EXIT_OK)
		goto out;
	arguments = json_object_new_object();
	json_object_object_add(arguments, "command-line",
			       json_object_new_string("info mtree -f"));
	text = qmp_call(qmp, "human-monitor-command", arguments);
	result = EXIT_QEMU;
	if (!json_object_is_type(text, json_type_string)) {
		log_info(vm->name, "QEMU does not show its memory map (info mtree -f): %s; give --map instead",
			 qmp->error);
		goto out;
	}
	err = guestmap_from_mtree(map, json_object_get_string(text), backends.known,
				  backends.nr);
	if (err) {
		log_info(vm->name, "the RAM files' places cannot be read from QEMU's memory map (info mtree -f): %s; give --map instead",
			 strerror(-err));
		goto out;
	}
	small = guestmap_check_sizes(map, vm->ram, vm->nr_ram);
	if (small) {
		log_info(vm->name, "QEMU maps more of %s than the file has", small);
		goto out;
	}
	result = EXIT_OK;
out:
	json_object_put(text);
	json_object_put(backends.list);
	return result;
}

/* "running", "paused", "shutdown", ... */
bool qemu_run_state(struct qmp *qmp, char *state, size_t size)
{
	json_object *status = qmp_call(qmp, "query-status", NULL);

	if (!status)
		return false;
	snprintf(state, size, "%s", member(status, "status"));
	json_object_put(status);
	return true;
}

/* @on_shutdown: NULL leaves it as it is */
bool qemu_set_action(struct qmp *qmp, const char *on_reboot, const char *on_shutdown)
{
	json_object *arguments = json_object_new_object(), *reply;

	json_object_object_add(arguments, "reboot", json_object_new_string(on_reboot));
	if (on_shutdown)
		json_object_object_add(arguments, "shutdown",
				       json_object_new_string(on_shutdown));
	reply = qmp_call(qmp, "set-action", arguments);
	if (!reply)
		return false;
	json_object_put(reply);
	return true;
}
