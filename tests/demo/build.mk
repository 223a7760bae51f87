# SPDX-License-Identifier: GPL-2.0
#
# The demo, and the plotter that it shares with the benches.

MEMPLOT := $(BUILD)/host/memplot
MEMPLOT_SOURCES := $(wildcard host/tools/memplot*.c)

$(MEMPLOT): $(MEMPLOT_SOURCES) host/tools/memplot.h | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -D_GNU_SOURCE -o $@ $(MEMPLOT_SOURCES) -lm

demo-build: modules guest-programs guest-tools $(BUILD)/tests/qmp $(PAGEHINTD_PROGRAMS) $(MEMPLOT)

demo: ## watch a guest's freed memory return to the host (build/demo.svg)
	@tests/demo/run

.PHONY: demo demo-build
