// SPDX-License-Identifier: GPL-2.0
/*
 * Well-formed calls: the host's memory goes down, what the guest finds
 * afterwards is what the contract says, and the neighbours are untouched.
 */
#include <pagehint.h>

#include <stdio.h>

#include "tests.h"

#define GPA	(256 * MIB)

void test_unused(unsigned int scale)
{
	const size_t bytes = 8 * MIB * scale, pages = bytes / PAGE_BYTES;
	uint8_t *memory = anonymous(bytes);
	size_t before, after, hinted = pages - 2;
	struct machine machine;
	struct vcpu *vcpu = &machine.vcpus[0];
	uint64_t cookie;
	int64_t ret;

	machine_open(&machine, 1);
	machine_slot(&machine, 1, GPA, memory, bytes, 0);
	cookie = call_cookie(vcpu);
	vcpu_do(vcpu, ORDER_FILL, GPA, pages, 1);
	before = resident_kib(memory, bytes);
	/* All but the first and the last page */
	ret = call_state(vcpu, cookie, GPA + PAGE_BYTES, hinted, PAGEHINT_UNUSED);
	check(ret == 1, "SET_STATE: expected 1 entry done, found %lld", (long long)ret);
	after = resident_kib(memory, bytes);
	printf("unused: %zu KiB hinted; resident before %zu KiB, after %zu KiB\n",
	       hinted * 4, before, after);
	check(before - after >= hinted * 4 * 95 / 100, "less than 95 %% came back");
	ret = (int64_t)vcpu_do(vcpu, ORDER_NONZERO, GPA + PAGE_BYTES, hinted, 0);
	check(!ret, "%lld words of dropped pages are not zero", (long long)ret);
	ret = (int64_t)vcpu_do(vcpu, ORDER_WRONG, GPA, 1, 1);
	check(!ret, "the page before the range: %lld words wrong", (long long)ret);
	ret = (int64_t)vcpu_do(vcpu, ORDER_WRONG, GPA + bytes - PAGE_BYTES, 1, 1);
	check(!ret, "the page after the range: %lld words wrong", (long long)ret);
	machine_close(&machine);
}
