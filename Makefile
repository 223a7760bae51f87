# SPDX-License-Identifier: GPL-2.0
#
# pagehint: everything that people and CI call. `make help` lists it.
# Output goes below build/; downloads to build/cache or $PAGEHINT_CACHE.
# What is missing on a Debian 12 machine is installed (as root).

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

# Of the guests: ARCH=s390x is KERNELS=6.1-s390x
ARCH ?= amd64
# Kernels of tests/vm/kernels that modules are built for and tested on
KERNELS ?= 6.1-$(ARCH)
# ... and those that cases run in; KERNELS alone, if it is given
VM_KERNELS ?= $(KERNELS) $(if $(filter file,$(origin KERNELS)),$(if $(filter amd64,$(ARCH)),6.12-amd64))
# TEST=1: modules with test parameters (fail_at, leave_out), never to be installed
TEST ?=

CC := gcc
WARNINGS := -Wall -Wextra -Werror
USER_CFLAGS := -std=c11 -O2 -g $(WARNINGS) -Iinclude/uapi

BUILD := build
# A kernel's name ends in its architecture.
GUEST_ARCHES := $(sort $(foreach kernel,$(KERNELS),$(lastword $(subst -, ,$(kernel)))))
GUEST_NAMES := $(patsubst tests/guest/%.c,%,$(wildcard tests/guest/*.c))
GUEST_HEADERS := $(wildcard tests/guest/*.h tests/modules/*.h)
GUEST_DIR_amd64 := $(BUILD)/guest
GUEST_DIR_s390x := $(BUILD)/guest-s390x
MODULE_SOURCES := Kbuild include module probes

help: ## this list
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' \
		$(MAKEFILE_LIST)

# Parts that bring their own rules: all of them define their targets with the
# variables above, and write build/results/SUITE.tsv where they are tests.
-include host/pagehintd/build.mk
-include tests/unit/build.mk
-include tests/oracle/build.mk
-include tests/demo/build.mk
-include tests/kvm/build.mk
-include tests/s390x/build.mk
-include tests/qemu/build.mk
-include bench/build.mk
-include packaging/build.mk
-include tests/soak.mk

setup-build:
	@tests/vm/setup build

setup-vm:
	@tests/vm/setup vm

setup-check:
	@tests/vm/setup check

setup-s390x:
	@tests/vm/setup s390x

kernels: | setup-build $(if $(filter %-s390x,$(KERNELS)),setup-s390x)
	@for kernel in $(KERNELS); do tests/vm/fetch-kernel $$kernel; done

modules: kernels ## the guest module for each of KERNELS (TEST=1: with test parameters)
	@for kernel in $(KERNELS); do \
		tests/vm/build-module $$kernel $(BUILD)/modules$(if $(TEST),-test)/$$kernel . \
			$(MODULE_SOURCES) -- $(if $(TEST),PAGEHINT_TEST=1); \
	done

# The host's: for a KVM host, and for tests that bring their own (make test-kvm)
modules-kvm: kernels ## the host's module for KVM, for each of KERNELS
	@for kernel in $(KERNELS); do \
		tests/vm/build-module $$kernel $(BUILD)/modules-kvm$(if $(TEST),-test)/$$kernel . \
			Kbuild include host/kvm -- PAGEHINT_KVM=1 $(if $(TEST),PAGEHINT_TEST=1); \
	done

.PHONY: modules-kvm

modules-test:
	@$(MAKE) --no-print-directory modules TEST=1

test-modules: kernels
	@for kernel in $(KERNELS); do \
		tests/vm/build-module $$kernel $(BUILD)/test-modules/$$kernel tests/modules . \
			-- PAGEHINT_INCLUDE=$(CURDIR)/include; \
	done

guest-programs: $(foreach arch,$(GUEST_ARCHES),$(addprefix $(GUEST_DIR_$(arch))/,$(GUEST_NAMES)))

$(GUEST_DIR_amd64)/%: tests/guest/%.c $(GUEST_HEADERS) | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -static -o $@ $<

$(GUEST_DIR_s390x)/%: tests/guest/%.c $(GUEST_HEADERS) | setup-s390x
	@mkdir -p $(@D)
	s390x-linux-gnu-gcc-12 $(USER_CFLAGS) -static -o $@ $<

$(BUILD)/tests/qmp: tests/vm/qmp.c | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -o $@ $<

# A host that breaks the contract, for the cases hostile_*
$(BUILD)/tests/hostile-host: tests/vm/hostile-host.c include/uapi/pagehint.h | setup-build
	@mkdir -p $(@D)
	$(CC) $(USER_CFLAGS) -o $@ $<

vm: $(BUILD)/tests/hostile-host

guest-tools: | setup-build setup-vm
	@for arch in $(GUEST_ARCHES); do tests/vm/fetch-tools $$arch; done
	@for kernel in $(KERNELS); do tests/vm/fetch-qemu $$kernel; done

# The disk with programs and modules for cases on real file systems
guest-root: kernels | setup-build setup-vm
	@for arch in $(GUEST_ARCHES); do tests/vm/fetch-root $$arch; done
	@for kernel in $(KERNELS); do tests/vm/root-image $$kernel; done

vm: guest-root
.PHONY: guest-root

# All that a test in a guest needs
vm: modules modules-test test-modules guest-programs guest-tools $(BUILD)/tests/qmp \
    $(PAGEHINTD_PROGRAMS)

test-vm: qemu ## cases in guests (tests/cases/table) of VM_KERNELS; CASES="a b": only these; LONG=1: all
	@$(MAKE) --no-print-directory vm KERNELS="$(VM_KERNELS)"
	@tests/vm/run $(if $(LONG),--long) $(CASES)

check: setup-build setup-check kernels ## style, sparse, compiler warnings, short unit tests (not with STYLE=1)
	@tests/check/all $(firstword $(KERNELS)) $(if $(STYLE),style)

test: ## all tests in their short form
	@tests/all

clean: ## remove what was built; downloads stay
	@find $(BUILD) -mindepth 1 -maxdepth 1 ! -name cache -exec rm -rf {} +

.PHONY: help setup-build setup-vm setup-check setup-s390x kernels modules modules-test test-modules \
	guest-programs guest-tools vm test-vm check test clean
