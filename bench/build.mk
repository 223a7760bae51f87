# SPDX-License-Identifier: GPL-2.0
#
# The bench: figures beside those of what people use today (docs/bench.md).

BENCH_PROGRAMS := $(BUILD)/bench/memwatch $(BUILD)/bench/idleguest \
	$(addprefix $(BUILD)/bench/guest/,fragment cputime taskcost taskexit readcost cacheread)

$(BUILD)/bench/%: bench/%.c include/uapi/pagehint.h | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -D_GNU_SOURCE -o $@ $< -lm

# Run in guests, without libraries
$(BUILD)/bench/guest/%: bench/guest/%.c bench/guest/ticks.h tests/guest/pattern.h | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -Itests/guest -static -o $@ $<

# The one with a library: that of the guest's disk (tests/vm/fetch-root)
$(BUILD)/bench/guest/taskexit: bench/guest/taskexit.c | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -o $@ $<

$(BUILD)/bench/guest-s390x/%: bench/guest/%.c bench/guest/ticks.h | setup-s390x
	@mkdir -p $(@D)
	s390x-linux-gnu-gcc-12 $(USER_CFLAGS) -DTICKS_OF_TOD -static -o $@ $<

# On s390x, by hand: make bench-essa (bench/essa)
bench-essa: vm-s390x qemu $(BUILD)/bench/guest-s390x/readcost ## figures of s390x: ESSA and instructions, CMMA alone and with the module
	@$(MAKE) --no-print-directory bench-modules KERNELS=$(S390X_KERNEL)
	@bench/essa

.PHONY: bench-essa

bench-modules: kernels
	@for kernel in $(KERNELS); do \
		tests/vm/build-module $$kernel $(BUILD)/bench-modules/$$kernel bench/modules .; \
	done

bench-build: qemu modules modules-test bench-modules guest-programs guest-tools guest-root $(BUILD)/tests/qmp $(PAGEHINTD_PROGRAMS) \
	     $(MEMPLOT) $(BENCH_PROGRAMS)

bench: ## figures: cost in the guest and on the host, memory returned (build/bench.tsv)
	@bench/run

test-bench: bench-build ## instruction counts against their budgets; SHORT=1: not those of a compilation
	@bench/gate $(if $(SHORT),short)

.PHONY: test-bench bench bench-build bench-modules

# Run by tests/unit/run with the others
UNIT_OTHERS += test-unit-bench

test-unit-bench: $(MEMPLOT)
	@tests/unit/bench_readme.sh

.PHONY: test-unit-bench
