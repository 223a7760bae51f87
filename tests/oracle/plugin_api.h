/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The part of QEMU's TCG plugin interface that the oracle uses, declared here
 * because Debian's bookworm packages QEMU without qemu-plugin.h.
 *
 * This file is the only place that knows which QEMU the plugin is built for:
 *
 *	QEMU 7.2 (bookworm)		interface version 1
 *	QEMU 10.0 (bookworm-backports)	interface version 4
 *
 * QEMU refuses a plugin whose version it does not speak, so there is one for each
 * (build.mk). The functions below
 * have the same arguments in both; enum arguments are declared as int, which
 * is how they are passed. What differs in meaning is
 * qemu_plugin_hwaddr_phys_addr(): a guest physical address from QEMU 8.1 on,
 * before that the place in QEMU's own numbering of all RAM blocks. coverage.c
 * measures the difference and so needs to know neither.
 */
#ifndef ORACLE_PLUGIN_API_H
#define ORACLE_PLUGIN_API_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifndef ORACLE_PLUGIN_VERSION
#error "ORACLE_PLUGIN_VERSION: the interface version of the QEMU that it is for"
#endif

#define QEMU_PLUGIN_EXPORT	__attribute__((visibility("default")))

/* enum qemu_plugin_cb_flags, enum qemu_plugin_mem_rw */
#define QEMU_PLUGIN_CB_NO_REGS	0
#define QEMU_PLUGIN_MEM_RW	3

typedef uint64_t qemu_plugin_id_t;
typedef uint32_t qemu_plugin_meminfo_t;

struct qemu_plugin_tb;
struct qemu_plugin_insn;
struct qemu_plugin_hwaddr;

/* The start of qemu_info_t, which only ever grew at its end. */
struct qemu_plugin_info {
	const char *target_name;
	struct {
		int min;
		int cur;
	} version;
	bool system_emulation;
};

typedef void (*qemu_plugin_udata_cb)(qemu_plugin_id_t id, void *udata);
typedef void (*qemu_plugin_vcpu_cb)(qemu_plugin_id_t id, unsigned int vcpu);
typedef void (*qemu_plugin_tb_cb)(qemu_plugin_id_t id, struct qemu_plugin_tb *tb);
typedef void (*qemu_plugin_mem_cb)(unsigned int vcpu, qemu_plugin_meminfo_t info,
				   uint64_t vaddr, void *udata);

void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, qemu_plugin_udata_cb cb, void *udata);
void qemu_plugin_register_vcpu_idle_cb(qemu_plugin_id_t id, qemu_plugin_vcpu_cb cb);
void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id, qemu_plugin_tb_cb cb);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn, qemu_plugin_mem_cb cb,
				      int flags, int rw, void *udata);

size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t n);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);

unsigned int qemu_plugin_mem_size_shift(qemu_plugin_meminfo_t info);
bool qemu_plugin_mem_is_store(qemu_plugin_meminfo_t info);
struct qemu_plugin_hwaddr *qemu_plugin_get_hwaddr(qemu_plugin_meminfo_t info, uint64_t vaddr);
bool qemu_plugin_hwaddr_is_io(const struct qemu_plugin_hwaddr *hwaddr);
uint64_t qemu_plugin_hwaddr_phys_addr(const struct qemu_plugin_hwaddr *hwaddr);

#endif /* ORACLE_PLUGIN_API_H */
