# SPDX-License-Identifier: GPL-2.0
#
# pagehintd. Included by the top Makefile, with its variables.

PAGEHINTD_DIR := host/pagehintd
PAGEHINTD_SOURCES := $(wildcard $(PAGEHINTD_DIR)/*.c)
PAGEHINTD_INPUTS := $(PAGEHINTD_SOURCES) $(wildcard $(PAGEHINTD_DIR)/*.h) include/uapi/pagehint.h include/pagehint/version.h
PAGEHINTD_CFLAGS := $(USER_CFLAGS) -Iinclude -D_GNU_SOURCE -I$(PAGEHINTD_DIR)
PAGEHINTD_PROGRAMS := $(BUILD)/host/pagehintd $(BUILD)/host/pagehintd-test

$(BUILD)/host/pagehintd: $(PAGEHINTD_INPUTS) | setup-build
	@mkdir -p $(@D)
	$(CC) $(PAGEHINTD_CFLAGS) -o $@ $(PAGEHINTD_SOURCES) -ljson-c

# With --test-stall, --test-die and the environment's PAGEHINTD_TEST_LATE_MS (a client of the
# control socket speaks so late), PAGEHINTD_TEST_BUSY_MS (a worker may have one range busy
# for so long, in place of a second) and PAGEHINTD_TEST_LOOK_MS (it is kept from its CPU for so
# long while it counts frames); never to be installed
$(BUILD)/host/pagehintd-test: $(PAGEHINTD_INPUTS) | setup-build
	@mkdir -p $(@D)
	$(CC) $(PAGEHINTD_CFLAGS) -DPAGEHINT_TEST_HOOKS -o $@ $(PAGEHINTD_SOURCES) -ljson-c

pagehintd: $(PAGEHINTD_PROGRAMS) ## the host daemon

.PHONY: pagehintd

# Unit tests, under sanitizers, and that they can fail; result lines as tests/unit/run gathers them.
PAGEHINTD_UNIT := $(BUILD)/tests/unit
PAGEHINTD_TESTS := $(addprefix $(PAGEHINTD_UNIT)/pagehintd_,guestmap lease drop ages fuzz daemon volatile hostile)
PAGEHINTD_TEST_CFLAGS := -std=c11 -O1 -g $(WARNINGS) -Iinclude/uapi -Iinclude -D_GNU_SOURCE \
	-I$(PAGEHINTD_DIR) -DPAGEHINT_TEST_HOOKS -pthread -fsanitize=address,undefined \
	-fno-sanitize-recover=all
PAGEHINTD_TEST_HEADERS := tests/unit/test.h $(wildcard tests/unit/pagehintd_*.h) $(PAGEHINTD_INPUTS)
# Calls that the fuzzer looks at before they happen
PAGEHINTD_FUZZ_FLAGS := -include tests/unit/pagehintd_seam.h \
	-Wl,--wrap=fallocate,--wrap=pread,--wrap=poll,--wrap=now_ns

$(PAGEHINTD_UNIT)/pagehintd.asan: $(PAGEHINTD_INPUTS) | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(PAGEHINTD_TEST_CFLAGS) -o $@ $(PAGEHINTD_SOURCES) -ljson-c

# All of the daemon but main() and what needs QEMU
$(PAGEHINTD_UNIT)/pagehintd_%: tests/unit/pagehintd_%.c $(PAGEHINTD_TEST_HEADERS) \
			       | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(PAGEHINTD_TEST_CFLAGS) -o $@ $< \
		$(addprefix $(PAGEHINTD_DIR)/,drop.c scan.c ages.c lease.c table.c guestmap.c util.c)

$(PAGEHINTD_UNIT)/pagehintd_fuzz: tests/unit/pagehintd_fuzz.c $(PAGEHINTD_TEST_HEADERS) \
				  | setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(PAGEHINTD_TEST_CFLAGS) $(PAGEHINTD_FUZZ_FLAGS) -o $@ $< \
		$(addprefix $(PAGEHINTD_DIR)/,drop.c scan.c ages.c lease.c table.c guestmap.c util.c \
			reclaim.c files.c)

test-unit-pagehintd: $(PAGEHINTD_TESTS) $(PAGEHINTD_UNIT)/pagehintd.asan
	@export PAGEHINTD=$(PAGEHINTD_UNIT)/pagehintd.asan; status=0; \
	for test in $(PAGEHINTD_TESTS); do \
		$$test $(if $(SHORT),--short) || status=1; \
	done; \
	$(if $(SHORT),,tests/unit/pagehintd_mutants || status=1;) \
	exit $$status

# With a real QEMU, whose guest is its firmware
test-unit-pagehintd-qmp: $(PAGEHINTD_UNIT)/pagehintd.asan $(BUILD)/tests/qmp | setup-vm
	@PAGEHINTD=$(PAGEHINTD_UNIT)/pagehintd.asan tests/unit/pagehintd_qmp.sh

.PHONY: test-unit-pagehintd test-unit-pagehintd-qmp
