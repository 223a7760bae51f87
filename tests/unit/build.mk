# SPDX-License-Identifier: GPL-2.0
#
# Unit tests: the state machine of a frame and the refusals, in user space,
# under sanitizers. Those of pagehintd and of the oracle bring their own rules
# (test-unit-pagehintd, test-unit-oracle) and are run from here.

UNIT_BUILD := $(BUILD)/tests/unit
UNIT_PROGRAMS := $(addprefix $(UNIT_BUILD)/,page_state_table page_state_host page_state_ranges \
	page_state_folios page_state_interleave page_state_threads page_state_threads.tsan checks_test checks_fuzz)
UNIT_OTHERS := $(if $(wildcard host/pagehintd/build.mk),test-unit-pagehintd) \
	$(if $(wildcard tests/oracle/build.mk),test-unit-oracle)
# The pure parts of the host's module for KVM
UNIT_PROGRAMS += $(UNIT_BUILD)/kvm_entries $(UNIT_BUILD)/kvm_block
UNIT_OTHERS += test-unit-vm-boot test-unit-memload
# Not for `make check`, which is to be quick: with a real QEMU, and the newer mutants
UNIT_OTHERS += $(if $(CHECK),,test-unit-pagehintd-qmp test-unit-kvm-mutants test-unit-vector-mutants)
UNIT_HEADERS := $(wildcard tests/unit/*.h) include/uapi/pagehint.h \
	$(addprefix include/pagehint/,platform.h page_state.h checks.h)
UNIT_THREADS := tests/unit/page_state_threads.c tests/unit/threads_cache.c \
	tests/unit/threads_host.c

# No strict aliasing, as in the kernel: words of eight state bytes.
UNIT_CFLAGS := -std=gnu11 -O1 -g $(WARNINGS) -fno-strict-aliasing -Iinclude -pthread
UNIT_ASAN := -fsanitize=address,undefined -fno-sanitize-recover=all

$(UNIT_BUILD)/page_state_%: tests/unit/page_state_%.c module/page_state.c $(UNIT_HEADERS) \
			    | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(UNIT_ASAN) -o $@ $(filter %.c,$^)

# Includes page_state.c with its accesses to memory replaced
$(UNIT_BUILD)/page_state_interleave: tests/unit/page_state_interleave.c module/page_state.c \
				     $(UNIT_HEADERS) | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(UNIT_ASAN) -o $@ $<

$(UNIT_BUILD)/page_state_threads: $(UNIT_THREADS) module/page_state.c $(UNIT_HEADERS) \
				  | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(UNIT_ASAN) -o $@ $(filter %.c,$^)

$(UNIT_BUILD)/page_state_threads.tsan: $(UNIT_THREADS) module/page_state.c $(UNIT_HEADERS) \
				       | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) -fsanitize=thread -include tests/unit/word_order.h -c \
		-o $@.page_state.o module/page_state.c
	$(CC) $(UNIT_CFLAGS) -fsanitize=thread -o $@ $(UNIT_THREADS) $@.page_state.o

$(UNIT_BUILD)/checks_%: tests/unit/checks_%.c module/checks.c $(UNIT_HEADERS) \
			   | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(UNIT_ASAN) -o $@ $(filter %.c,$^)

$(UNIT_BUILD)/kvm_%: tests/unit/kvm_%.c host/kvm/%.c host/kvm/%.h $(UNIT_HEADERS) \
		      | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(UNIT_ASAN) -Ihost/kvm -o $@ $(filter %.c,$^)

# The guest's vectors of calls to KVM
UNIT_PROGRAMS += $(UNIT_BUILD)/vector $(UNIT_BUILD)/vector_threads
UNIT_HEADERS += include/pagehint/vector.h

# Includes vector.c with its loads replaced
$(UNIT_BUILD)/vector: tests/unit/vector.c module/vector.c $(UNIT_HEADERS) | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(UNIT_ASAN) -o $@ $<

$(UNIT_BUILD)/vector_threads: tests/unit/vector_threads.c module/vector.c module/page_state.c \
			       $(UNIT_HEADERS) | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(UNIT_ASAN) -o $@ $(filter %.c,$^)

# What results of ESSA mean
UNIT_PROGRAMS += $(UNIT_BUILD)/essa

$(UNIT_BUILD)/essa: tests/unit/essa.c include/pagehint/essa.h $(UNIT_HEADERS) | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(UNIT_CFLAGS) $(UNIT_ASAN) -o $@ $<

# The test bed's client of QMP
UNIT_PROGRAMS += $(UNIT_BUILD)/vm_qmp

$(UNIT_BUILD)/qmp: tests/vm/qmp.c | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) -std=c11 -O1 -g $(WARNINGS) $(UNIT_ASAN) -o $@ $<

$(UNIT_BUILD)/vm_qmp: tests/unit/vm_qmp.c $(UNIT_BUILD)/qmp $(UNIT_HEADERS)
	$(CC) $(UNIT_CFLAGS) $(UNIT_ASAN) -DQMP='"$(UNIT_BUILD)/qmp"' -o $@ $<

test-unit-vector-mutants:
	@tests/unit/vector_mutants

.PHONY: test-unit-vector-mutants

test-unit-kvm-mutants:
	@tests/unit/kvm_mutants

.PHONY: test-unit-kvm-mutants

test-unit: $(UNIT_PROGRAMS) ## unit tests, under sanitizers, and that they can fail; SHORT=1: fewer steps
	@tests/unit/run $(if $(SHORT),--short) $(UNIT_PROGRAMS) $(addprefix make:,$(UNIT_OTHERS))

# The test bed's own
test-unit-vm-boot:
	@tests/unit/vm_boot.sh

$(UNIT_BUILD)/memload: tests/guest/memload.c $(wildcard tests/guest/*.h) | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O1 -g $(WARNINGS) $(UNIT_ASAN) -o $@ $<

test-unit-memload: $(UNIT_BUILD)/memload
	@tests/unit/memload.sh

test-unit-short:
	@$(MAKE) --no-print-directory test-unit SHORT=1

.PHONY: test-unit test-unit-short test-unit-vm-boot test-unit-memload

SEED ?= 1
ROUNDS ?= 100000
FUZZERS := $(UNIT_BUILD)/checks_fuzz $(UNIT_BUILD)/pagehintd_fuzz

test-fuzz: $(FUZZERS) ## the fuzzers of both sides; SEED=N ROUNDS=N
	@for fuzzer in $(FUZZERS); do \
		$$fuzzer --seed $(SEED) --rounds $(ROUNDS) || exit 1; \
	done

.PHONY: test-fuzz
