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
