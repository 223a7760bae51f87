/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Every line that the module logs begins with "pagehint_kvm: ". Include first.
 *
 * A guest can make this module log nothing: what guests do is counted and
 * traced.
 */
#ifndef _PAGEHINT_KVM_LOG_H
#define _PAGEHINT_KVM_LOG_H

#define pr_fmt(fmt) "pagehint_kvm: " fmt

#include <linux/printk.h>

#endif /* _PAGEHINT_KVM_LOG_H */
