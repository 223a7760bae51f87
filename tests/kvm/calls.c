// SPDX-License-Identifier: GPL-2.0
/*
 * pagehint's hypercalls, as a guest that keeps the contract makes them.
 */
#include <pagehint.h>

#include "vmm.h"

int64_t call_raw(struct vcpu *vcpu, uint64_t b, uint64_t c, uint64_t d, uint64_t si)
{
	vcpu_order(vcpu, ORDER_CALL, PAGEHINT_HYPERCALL, b, c, d, si);
	vcpu_obey(vcpu, 1);
	return (int64_t)vcpu->orders->order[0].answer;
}

int64_t call_query(struct vcpu *vcpu, struct pagehint_hc_query *answer)
{
	int64_t ret = call_raw(vcpu, PAGEHINT_HC_QUERY, vcpu->entries_gpa, 0, 0);

	*answer = *(struct pagehint_hc_query *)vcpu->entries;
	return ret;
}

/* Of a query that must be answered */
uint64_t call_cookie(struct vcpu *vcpu)
{
	struct pagehint_hc_query answer;
	int64_t ret = call_query(vcpu, &answer);

	check(!ret, "expected a query to be answered 0, found %lld", (long long)ret);
	check(answer.cookie, "a query was answered with cookie 0");
	return answer.cookie;
}

static int64_t one_entry(struct vcpu *vcpu, uint64_t operation, uint64_t cookie, uint64_t gpa,
			 uint64_t pages, uint8_t state)
{
	*vcpu->entries = (struct pagehint_hc_entry){
		.gfn = gpa / PAGE_BYTES, .nr_frames = (uint32_t)pages, .state = state,
	};
	return call_raw(vcpu, operation, vcpu->entries_gpa, 1, cookie);
}

int64_t call_state(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages,
		   uint8_t state)
{
	return one_entry(vcpu, PAGEHINT_HC_SET_STATE, cookie, gpa, pages, state);
}

int64_t call_stable(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages,
		    uint8_t *result)
{
	int64_t ret = one_entry(vcpu, PAGEHINT_HC_MAKE_STABLE, cookie, gpa, pages,
				PAGEHINT_STABLE);

	*result = vcpu->entries->result;
	return ret;
}

/* What must be answered: one entry done */

void call_unused(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages)
{
	int64_t ret = call_state(vcpu, cookie, gpa, pages, PAGEHINT_UNUSED);

	check(ret == 1, "%#llx unused: expected 1 entry done, found %lld",
	      (unsigned long long)gpa, (long long)ret);
}

void call_volatile(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages)
{
	int64_t ret = call_state(vcpu, cookie, gpa, pages, PAGEHINT_VOLATILE);

	check(ret == 1, "%#llx volatile: expected 1 entry done, found %lld",
	      (unsigned long long)gpa, (long long)ret);
}

void call_expect(struct vcpu *vcpu, uint64_t cookie, uint64_t gpa, uint64_t pages,
		 uint8_t result)
{
	uint8_t found;
	int64_t ret = call_stable(vcpu, cookie, gpa, pages, &found);

	check(ret == 1, "%#llx stable: expected 1 entry done, found %lld",
	      (unsigned long long)gpa, (long long)ret);
	check(found == result, "%#llx, %llu pages, stable: expected the result %u, found %u",
	      (unsigned long long)gpa, (unsigned long long)pages, result, found);
}
