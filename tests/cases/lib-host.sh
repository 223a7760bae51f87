# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # what the sourcing script has
#
# Sourced by the cases that run on the host and drive the guest. A case says
# what it found in its last line; `fail` ends it.

fail()
{
	[ ! -e "${daemon_log:-}" ] || tail -n 30 "$daemon_log" | sed 's/^/  /' >&2
	echo "FAIL: $*" >&2
	exit 1
}

# What the host has of the guest's memory, in KiB
host_kib()
{
	echo $(($(stat -c %b "$vm_ram") / 2))
}

# wait_until SECONDS TEXT COMMAND...: polls; fails with TEXT
wait_until()
{
	local deadline text=$2
	deadline=$(vm_deadline "$1")
	shift 2

	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || fail "not in time: $text"
		sleep 0.2
	done
}

lease_in_force()
{
	daemon_state 2>/dev/null |
		grep -q '^pagehintd_lease{.*"in_force"} 1$'
}

# In the guest: load the module and wait for the lease
guest_load()
{
	vm_run -t 60 "modctl load /modules/pagehint.ko $*" || fail "the module was refused"
	wait_until 30 "a lease" lease_in_force
}

guest_unload()
{
	vm_run -t 120 "modctl unload pagehint" || fail "the module does not unload"
}

guest_counter()
{
	vm_run "awk '\$1 == \"$1\" { print \$2 }' /sys/kernel/debug/pagehint/counters"
}

# Verified memory load in the guest's background: SECONDS MIB
guest_load_start()
{
	# One line: the agent reads a command a line.
	vm_run "rm -rf /tmp/load /tmp/bg.*; mkdir -p /tmp/load /disk/load;" \
		"(memload stress $1 4 $2 $RANDOM /tmp/load /disk/load >/tmp/bg.out 2>&1;" \
		"echo \$? >/tmp/bg.status) &"
}

guest_load_ended()
{
	vm_run "test -e /tmp/bg.status"
}

# Its verdict: SECONDS to wait
guest_load_finish()
{
	wait_until "$1" "the end of the memory load" guest_load_ended
	# shellcheck disable=SC2016 # for the shell of the guest
	vm_run 'cat /tmp/bg.out; ! grep -q MISMATCH /tmp/bg.out && exit "$(cat /tmp/bg.status)"' >"$vm_dir/load.out" ||
		{ cat "$vm_dir/load.out"; fail "the guest's memory is not what it wrote"; }
	verified=$(awk '/MiB verified/ { sum += $6 } END { print sum + 0 }' "$vm_dir/load.out")
	[ "$verified" -gt 0 ] || fail "nothing was verified"
}
