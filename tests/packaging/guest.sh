# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # shared with the sourcing script
#
# Sourced by the steps that run a guest, after vm.sh: waiting, and the memory
# that the guest's file $ram takes on the host.

# guest COMMAND: must succeed
guest()
{
	vm_run "$1" || fail "in the guest: $1"
}

# until_true SECONDS TEXT COMMAND...; what the logs of the step say on failure
until_true()
{
	local deadline=$((SECONDS + $1)) text=$2
	shift 2
	until "$@"; do
		[ "$SECONDS" -lt "$deadline" ] || { cat "$daemon_log"; fail "not in time: $text"; }
		sleep 0.2
	done
}

host_mib()
{
	echo $(($(stat -c %b "$ram") / 2048))
}

below_mib()
{
	[ "$(host_mib)" -lt "$1" ]
}

# Nothing left to take of what was free before: it stays as it is for 2 s
settled()
{
	local now
	now=$(host_mib)
	sleep 2
	[ "$(host_mib)" = "$now" ]
}

# A file of 128 MiB comes and goes; at least 122 MiB return. Sets returned.
remove_file()
{
	local before

	until_true 200 "memory that was free at boot back" settled
	guest "dd if=/dev/zero of=/tmp/file bs=1M count=128 2>/dev/null"
	before=$(host_mib)
	guest "rm /tmp/file"
	until_true 200 "122 of 128 MiB back, from $before MiB" below_mib $((before - 121))
	returned=$((before - $(host_mib)))
}
