# SPDX-License-Identifier: GPL-2.0
#
# The oracle: a TCG plugin, its load for the guest, and its unit tests.

# One for each version of QEMU's interface (plugin_api.h)
ORACLE_VERSIONS := 1 4
ORACLE_PLUGINS := $(patsubst %,$(BUILD)/tests/oracle-%.so,$(ORACLE_VERSIONS))
ORACLE_GUEST := $(addprefix $(BUILD)/tests/oracle-,scatter cacheways)
ORACLE_UNIT := $(BUILD)/tests/unit-oracle
# The guest's, one of KERNELS
ORACLE_KERNEL ?= $(firstword $(KERNELS))
# What needs no QEMU around it
ORACLE_PARTS := $(addprefix tests/oracle/,coverage.c exceptions.c phase.c sites.c symbols.c)
ORACLE_HEADERS := $(wildcard tests/oracle/*.h) include/uapi/pagehint.h
ORACLE_CFLAGS := $(USER_CFLAGS) -D_GNU_SOURCE
ORACLE_ALL := vm $(ORACLE_PLUGINS) $(ORACLE_GUEST)

# The symbols that it does not define are QEMU's.
$(ORACLE_PLUGINS): $(BUILD)/tests/oracle-%.so: tests/oracle/oracle.c tests/oracle/report.c \
		   $(ORACLE_PARTS) $(ORACLE_HEADERS) | setup-build
	@mkdir -p $(@D)
	$(CC) $(ORACLE_CFLAGS) -DORACLE_PLUGIN_VERSION=$* -fPIC -shared -fvisibility=hidden -o $@ $(filter %.c,$^)

$(ORACLE_GUEST): $(BUILD)/tests/oracle-%: tests/oracle/%.c tests/guest/pattern.h | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -static -o $@ $<

$(ORACLE_UNIT): tests/unit/oracle_parts.c tests/unit/test.h $(ORACLE_PARTS) $(ORACLE_HEADERS) \
		| setup-build setup-check
	@mkdir -p $(@D)
	$(CC) $(ORACLE_CFLAGS) -fsanitize=address,undefined -fno-sanitize-recover=all \
		-Itests/oracle -o $@ $(filter %.c,$^)

test-unit-oracle: $(ORACLE_UNIT)
	@$(ORACLE_UNIT)

test-oracle-short: $(ORACLE_ALL)
	@tests/oracle/run --kernel $(ORACLE_KERNEL)

test-oracle: $(ORACLE_ALL) ## every memory access of a guest checked, with negative controls; SHORT=1: less
	@tests/oracle/run --kernel $(ORACLE_KERNEL) $(if $(SHORT),,--long)

.PHONY: test-unit-oracle test-oracle-short test-oracle
