# SPDX-License-Identifier: GPL-2.0
#
# What an administrator installs (docs/install.md): the guest's module through
# DKMS, signed or not; the host's daemon with its manual and unit. Included by
# the top Makefile.

# The modules. DKMSFLAGS goes to dkms as it is.
KVER ?=
DKMSFLAGS ?=

dkms-install: ## the guest's module through DKMS; KVER=: for that kernel, not the running one
	@packaging/dkms guest install $(KVER) $(DKMSFLAGS)

dkms-remove: ## out of DKMS again; KVER=: for that kernel only
	@packaging/dkms guest remove $(KVER) $(DKMSFLAGS)

dkms-install-kvm: ## the module of a KVM host through DKMS; KVER=: as above
	@packaging/dkms kvm install $(KVER) $(DKMSFLAGS)

dkms-remove-kvm: ## out of DKMS again; KVER=: for that kernel only
	@packaging/dkms kvm remove $(KVER) $(DKMSFLAGS)

# By default the key that DKMS signs with. GENERATE=1 makes one if there is none.
MODULE ?= pagehint.ko
KEY ?= /var/lib/dkms/mok.key
CERT ?= /var/lib/dkms/mok.pub
SIGN_FILE ?=
GENERATE ?=

sign: ## sign MODULE=FILE for Secure Boot with KEY=, CERT=; GENERATE=1: make them
	@packaging/sign $(if $(GENERATE),--generate) '$(MODULE)' '$(KEY)' '$(CERT)' $(SIGN_FILE)

# The host's daemon
PREFIX ?= /usr/local
DESTDIR ?=
SBIN_DIR := $(DESTDIR)$(PREFIX)/sbin
MAN_DIR := $(DESTDIR)$(PREFIX)/share/man/man8
UNIT_DIR := $(DESTDIR)$(PREFIX)/lib/systemd/system

install: $(BUILD)/host/pagehintd ## pagehintd, its manual and unit; PREFIX=, DESTDIR=
	install -D -m 755 $(BUILD)/host/pagehintd $(SBIN_DIR)/pagehintd
	install -D -m 644 $(PAGEHINTD_DIR)/pagehintd.8 $(MAN_DIR)/pagehintd.8
	install -d $(UNIT_DIR)
	sed 's|/usr/local/sbin|$(PREFIX)/sbin|' $(PAGEHINTD_DIR)/pagehintd@.service \
		>$(UNIT_DIR)/pagehintd@.service
	chmod 644 $(UNIT_DIR)/pagehintd@.service

uninstall: ## what make install has put there
	rm -f $(SBIN_DIR)/pagehintd $(MAN_DIR)/pagehintd.8 $(UNIT_DIR)/pagehintd@.service

check-packaging: $(BUILD)/host/pagehintd | setup-check
	@tests/check/packaging $<

# Tests: all that an administrator does, below build/packaging
test-packaging: vm packaging-tools ## installing as documented: DKMS, signing, the unit, QEMU's and libvirt's configuration
	@tests/packaging/run

packaging-tools: | setup-build
	@tests/vm/setup packaging
	@tests/packaging/fetch-dkms

.PHONY: dkms-install dkms-remove dkms-install-kvm dkms-remove-kvm sign install uninstall test-packaging packaging-tools check-packaging
