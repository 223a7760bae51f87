/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Fault-around's getter: it runs for every page that is mapped, sixteen to a page fault,
 * and what it returns is nearly always stable. So on x86 its wrapper has no frame of its
 * own, and C only behind the screen: 16 instructions a page, where a C function in its
 * place took 38.
 *
 *	PAGEHINT_DIRECT_FAULT_AROUND(entry, original, usable, again, pages)
 *
 * @entry: what a direct call goes to
 * @original: PAGEHINT_CALL_DEFINE() of what lies behind the site
 * @usable: C: may this folio be mapped as it is?
 * @again: C: (folio, xas, end) is called if not; returns another, or NULL
 * @pages: an unsigned long: where the array of all struct page would begin
 *
 * The screen in assembly is that of @usable: pagehint_folio_is_stable(), and then
 * uptodate, in this order.
 */
#ifndef _PAGEHINT_COMPAT_FAULT_AROUND_H
#define _PAGEHINT_COMPAT_FAULT_AROUND_H

#include <linux/build_bug.h>
#include <linux/mm_types.h>
#include <linux/objtool.h>
#include <linux/page-flags.h>
#include <linux/stringify.h>
#include <linux/version.h>

#include <compat/call.h>
#include <compat/ftrace.h>
#include <compat/page_cache.h>
#include <pagehint/table.h>

#ifdef CONFIG_X86_64

#include <asm/unwind_hints.h>

/* Where its arguments xas and end are; PG_uptodate in a folio's flags */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 12, 0)
#define PAGEHINT_FAULT_AROUND_XAS	"%rdi"
#define PAGEHINT_FAULT_AROUND_END	"%rdx"
#define PAGEHINT_FAULT_AROUND_UPTODATE	8
#else
#define PAGEHINT_FAULT_AROUND_XAS	"%rdx"
#define PAGEHINT_FAULT_AROUND_END	"%rcx"
#define PAGEHINT_FAULT_AROUND_UPTODATE	4
#endif

/*
 * On the stack, from its top: end, xas, the way into the original, which nobody
 * returns to, and into its caller. To an unwinder this is a function that the original
 * called; the hint is for the last instruction, where that is over.
 *
 * NULL, less the beginning of the array, is a frame behind any table: the array's entry
 * for the table's end is an address of the kernel's.
 */
#define PAGEHINT_DIRECT_FAULT_AROUND(entry, original, usable, again, pages)	\
	static_assert(sizeof(struct page) == 64);			\
	static_assert(IS_ENABLED(CONFIG_SPARSEMEM_VMEMMAP));		\
	static_assert(offsetof(struct folio, flags) == 0);		\
	static_assert(1 << PG_uptodate == PAGEHINT_FAULT_AROUND_UPTODATE);	\
	static_assert(PAGEHINT_STABLE == 0);				\
	static_assert(offsetof(struct pagehint_table, bytes) == 0);	\
	void entry(void);						\
	asm(PAGEHINT_ASM_BEGIN(entry)					\
	    "	push " PAGEHINT_FAULT_AROUND_XAS "\n"			\
	    "	push " PAGEHINT_FAULT_AROUND_END "\n"			\
	    "	call " STATIC_CALL_TRAMP_STR(original) "\n"		\
	    "	mov %rax, %rcx\n"					\
	    "	sub " #pages "(%rip), %rcx\n"				\
	    "	shr $6, %rcx\n"						\
	    "	cmp pagehint_volatile_end(%rip), %rcx\n"		\
	    "	jae 3f\n"						\
	    "	mov pagehint_table(%rip), %rdx\n"			\
	    "	cmpb $0, (%rdx, %rcx)\n"				\
	    "	jne 4f\n"						\
	    "1:	testb $" __stringify(PAGEHINT_FAULT_AROUND_UPTODATE) ", (%rax)\n" \
	    "	jz 4f\n"						\
	    "2:	add $24, %rsp\n"					\
	    UNWIND_HINT_FUNC						\
	    "	" ASM_RET						\
	    "3:	test %rax, %rax\n"					\
	    "	jnz 1b\n"						\
	    "	jmp 2b\n"						\
	    "4:	mov %rax, %rdi\n"					\
	    "	mov 8(%rsp), %rsi\n"					\
	    "	mov (%rsp), %rdx\n"					\
	    "	call " #again "\n"					\
	    "	jmp 2b\n"						\
	    PAGEHINT_ASM_END(entry))

#else

#define PAGEHINT_DIRECT_FAULT_AROUND(entry, original, usable, again, pages)	\
static noinline __used struct folio *					\
entry##_wrapper(PAGEHINT_FAULT_AROUND_PROTO)				\
{									\
	struct folio *found = PAGEHINT_CALL(original)(PAGEHINT_FAULT_AROUND_ARGS); \
									\
	return !found || likely(usable(found)) ? found :		\
	       again(found, xas, end);		\
}									\
PAGEHINT_DIRECT_ENTRY(entry, entry##_wrapper)

#endif

#endif /* _PAGEHINT_COMPAT_FAULT_AROUND_H */
