/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The release, of module and daemon. DKMS wants it as a literal in dkms.conf;
 * tests/check/packaging sees to it that both agree.
 */
#ifndef _PAGEHINT_VERSION_H
#define _PAGEHINT_VERSION_H

#define PAGEHINT_RELEASE	"0.1"

#endif /* _PAGEHINT_VERSION_H */
