/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host module's tracepoints, for perf, bpftrace and tracefs
 * (/sys/kernel/tracing/events/pagehint_kvm).
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM pagehint_kvm

#if !defined(_PAGEHINT_KVM_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define _PAGEHINT_KVM_TRACE_H

#include <linux/tracepoint.h>

struct kvm;

/* After a call was answered; the thread is the vCPU's. */
TRACE_EVENT(pagehint_kvm_call,
	TP_PROTO(struct kvm *kvm, u64 operation, u64 gpa, u64 count, long ret),
	TP_ARGS(kvm, operation, gpa, count, ret),
	TP_STRUCT__entry(
		__field(const void *, kvm)
		__field(u64, operation)
		__field(u64, gpa)
		__field(u64, count)
		__field(long, ret)
	),
	TP_fast_assign(
		__entry->kvm = kvm;
		__entry->operation = operation;
		__entry->gpa = gpa;
		__entry->count = count;
		__entry->ret = ret;
	),
	TP_printk("kvm=%p operation=%llu gpa=%#llx count=%llu ret=%ld", __entry->kvm,
		  __entry->operation, __entry->gpa, __entry->count, __entry->ret)
);

/* After a range was dropped, or as much of it as could be. */
TRACE_EVENT(pagehint_kvm_drop,
	TP_PROTO(struct kvm *kvm, u64 gfn, u64 nr_frames, bool is_volatile, bool tried),
	TP_ARGS(kvm, gfn, nr_frames, is_volatile, tried),
	TP_STRUCT__entry(
		__field(const void *, kvm)
		__field(u64, gfn)
		__field(u64, nr_frames)
		__field(bool, is_volatile)
		__field(bool, tried)
	),
	TP_fast_assign(
		__entry->kvm = kvm;
		__entry->gfn = gfn;
		__entry->nr_frames = nr_frames;
		__entry->is_volatile = is_volatile;
		__entry->tried = tried;
	),
	TP_printk("kvm=%p gfn=%#llx nr_frames=%llu volatile=%d tried=%d", __entry->kvm,
		  __entry->gfn, __entry->nr_frames, __entry->is_volatile, __entry->tried)
);

/* After all that a guest said was forgotten. */
TRACE_EVENT(pagehint_kvm_reset,
	TP_PROTO(struct kvm *kvm),
	TP_ARGS(kvm),
	TP_STRUCT__entry(
		__field(const void *, kvm)
	),
	TP_fast_assign(
		__entry->kvm = kvm;
	),
	TP_printk("kvm=%p", __entry->kvm)
);

#endif /* _PAGEHINT_KVM_TRACE_H */

#undef TRACE_INCLUDE_PATH
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_PATH .
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
