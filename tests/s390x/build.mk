# SPDX-License-Identifier: GPL-2.0
#
# The guest of s390x: under backend loop on a stock QEMU, and under backend essa on the
# one that has ESSA (tests/qemu).

S390X_KERNEL := 6.1-s390x

vm-s390x: setup-s390x
	@$(MAKE) --no-print-directory vm KERNELS=$(S390X_KERNEL)

test-s390x: vm-s390x qemu ## cases in guests of s390x (tests/s390x/table); CASES="a b": only these; SHORT=1: less, LONG=1: all
	@tests/vm/run --kernel $(S390X_KERNEL) --table tests/s390x/table --suite s390x \
		--with tests/s390x/guests.sh $(if $(SHORT),,$(if $(LONG),--soak,--long)) $(CASES)

.PHONY: vm-s390x test-s390x
