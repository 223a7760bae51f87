# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# blocks.sh: blocks of memory that go offline, for cases whose memory is to lie in those
# that do. Sourced after lib.sh.
#
#   offline_block BLOCK    /sys/devices/system/memory/memoryN; does it go?
#   hold_what_stays        what is free in blocks that never go is held, so that what comes
#                          after lies in those that go
#   release_what_stays

# Its pages may be in use for a moment; one that has memory which the kernel reserved when
# it booted never goes.
offline_block()
{
	for _ in $(seq 20); do
		! echo offline 2>/dev/null >"$1/state" || return 0
		sleep 0.2
	done
	return 1
}

hold_what_stays()
{
	: >/tmp/blocks.stays
	movecheck hold >/tmp/blocks.stays 2>&1 &
	stays_pid=$!
	comes_true grep -q ready /tmp/blocks.stays ||
		fail "nothing is held: $(cat /tmp/blocks.stays)"
	cat /tmp/blocks.stays
}

release_what_stays()
{
	kill -TERM "$stays_pid"
	wait "$stays_pid" || fail "what stays was not held: $(cat /tmp/blocks.stays)"
}
