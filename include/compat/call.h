/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls to functions of the kernel that were found by address.
 *
 * Where there are static calls (x86) the call becomes a direct one: under IBT
 * an indirect call to a function without ENDBR (static, or sealed at boot) is
 * a fault, and behind a function's ftrace site there never is one. Elsewhere
 * (s390) it is a call through a pointer.
 *
 *	PAGEHINT_CALL_DEFINE(name, stub)  stub: a function of the same type that
 *					  stands in until the address is known
 *	PAGEHINT_CALL_SET(name, address)  context: process, may sleep
 *	PAGEHINT_CALL(name)(arguments)
 */
#ifndef _PAGEHINT_COMPAT_CALL_H
#define _PAGEHINT_COMPAT_CALL_H

#ifdef CONFIG_HAVE_STATIC_CALL

#include <linux/static_call.h>

#define PAGEHINT_CALL_DEFINE(name, stub)	DEFINE_STATIC_CALL(name, stub)
#define PAGEHINT_CALL_SET(name, address) \
	static_call_update(name, (typeof(&STATIC_CALL_TRAMP(name)))(address))
#define PAGEHINT_CALL(name)			static_call(name)

#else

#define PAGEHINT_CALL_DEFINE(name, stub)	static typeof(&(stub)) name = stub
#define PAGEHINT_CALL_SET(name, address) \
	WRITE_ONCE(name, (typeof(name))(address))
#define PAGEHINT_CALL(name)			READ_ONCE(name)

#endif

#endif /* _PAGEHINT_COMPAT_CALL_H */
