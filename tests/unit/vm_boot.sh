#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# When a guest that does not come up is booted once more (vm_boot of tests/vm/vm.sh):
# only for the known fault of QEMU, in each of its two forms, and only once. What a
# guest said that had lost the end of an interrupt is in fixtures/. Result lines as
# in test.h.
#
# shellcheck disable=SC2317,SC2329 # cases, and what vm.sh calls, by name

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/vm/vm.sh
. "$top/tests/vm/vm.sh"
# shellcheck source=tests/unit/cases.sh
. "$top/tests/unit/cases.sh"

seen=$top/tests/unit/fixtures/lapic-eoi-lost.txt
vm_dir=$(mktemp -d)
vm_console=$vm_dir/console
vm_console_seen=0
printf 'rcu: INFO: rcu_preempt detected stalls on CPUs/tasks:\n' >"$vm_console"
trap 'rm -rf "$vm_dir"' EXIT

# What vm_boot is made of. The file boots has the status of each boot to come.
vm_boot_once()
{
	local status

	status=$(sed -n 1p "$vm_dir/boots")
	sed -i 1d "$vm_dir/boots"
	return "$status"
}

vm_alive() { [ "$alive" = yes ]; }
vm_where() { cat "$where"; }
vm_kill() { kills=$((kills + 1)); }

# boots STATUS LEFT STATUS...: vm_boot ends so, LEFT boots are not used
boots()
{
	local expected=$1 left=$2 status=0

	shift 2
	kills=0
	printf '%s\n' "$@" >"$vm_dir/boots"
	vm_boot 2>"$vm_dir/said" || status=$?
	[ "$status" = "$expected" ] || problem "vm_boot ended with $status, expected $expected"
	[ "$(wc -l <"$vm_dir/boots")" = "$left" ] || problem "not $left boots are left"
}

eoi_lost()
{
	vm_eoi_lost <"$seen" || problem "an interrupt that was never ended is not seen"
}

# no_eoi_lost SED: what was seen, if it had been otherwise
no_eoi_lost()
{
	! sed "$1" "$seen" | vm_eoi_lost || problem "seen with '$1'"
}

no_eoi_lost_otherwise()
{
	no_eoi_lost 's/HLT=1/HLT=0/'
	no_eoi_lost 's/RFL=00000.../RFL=00000046/'
	no_eoi_lost 's/^\(ISR.*\) 236/\1 (none)/'
	no_eoi_lost '0,/^ISR/s/^\(ISR.*\) 236/\1 (none)/'
	no_eoi_lost "20,\$d"
	no_eoi_lost 's/.*/PSW=mask 0706c00180000000 addr 000000000012a4b6/'
	! vm_eoi_lost </dev/null || problem "seen in nothing"
}

boots_once_more()
{
	alive=yes
	where=$seen
	boots 0 0 "$vm_lost" 0
	[ "$kills" = 1 ] || problem "the first QEMU was ended $kills times"
	grep -q 'one more try' "$vm_dir/said" || problem "nothing was said"
	vm_console_check >"$vm_dir/said" || problem "the first boot's console counts"
	boots "$vm_lost" 1 "$vm_lost" "$vm_lost" 0
	alive=no
	printf "qemu: iotlb_to_section: Assertion \`section_index < d->map.sections_nb' failed\n" \
		>"$vm_dir/qemu.log"
	boots 0 0 "$vm_lost" 0
	[ "$kills" = 0 ] || problem "a QEMU that had ended was ended"
}

boots_no_more()
{
	alive=yes
	where=/dev/null
	: >"$vm_dir/qemu.log"
	boots 0 1 0 0
	boots "$vm_lost" 1 "$vm_lost" 0
	boots 3 1 3 0
	alive=no
	where=$seen
	boots "$vm_lost" 1 "$vm_lost" 0
	[ "$kills" = 0 ] || problem "a guest that is lost is ended before it was looked at"
}

run_cases vm_boot eoi_lost no_eoi_lost_otherwise boots_once_more boots_no_more
