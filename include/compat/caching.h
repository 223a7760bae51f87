/* SPDX-License-Identifier: GPL-2.0 */
/* How a mapping of the kernel is cached, as its page tables say. */
#ifndef _PAGEHINT_COMPAT_CACHING_H
#define _PAGEHINT_COMPAT_CACHING_H

#include <pagehint/checks.h>

#ifdef CONFIG_X86

#include <asm/pgtable_types.h>

static inline enum pagehint_caching pagehint_caching_of(unsigned long address)
{
	unsigned int level;
	pte_t *pte = lookup_address(address, &level);
	unsigned long pat = level == PG_LEVEL_4K ? _PAGE_PAT : _PAGE_PAT_LARGE;

	if (!pte || !(pte_flags(*pte) & _PAGE_PRESENT))
		return PAGEHINT_CACHING_UNKNOWN;
	/* PAT entry 0 is write-back: none of the three selector bits is set. */
	return pte_flags(*pte) & (_PAGE_PWT | _PAGE_PCD | pat) ?
	       PAGEHINT_NOT_WRITE_BACK : PAGEHINT_WRITE_BACK;
}

#elif defined(CONFIG_S390)

/* PCI memory is reached by special instructions there: never a table. */
static inline enum pagehint_caching pagehint_caching_of(unsigned long address)
{
	return PAGEHINT_NOT_WRITE_BACK;
}

#else
#error "pagehint: say how to read a mapping's memory type on this architecture"
#endif

#endif /* _PAGEHINT_COMPAT_CACHING_H */
