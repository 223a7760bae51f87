# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # what the sourcing script has
#
# Sourced by the cases that run on the host and drive the guest. A case says
# what it found in its last line; `fail` ends it.

# TEXT...: after what the command $fail_shows tells, if there is one, and what was said last
fail()
{
	[ -z "${fail_shows:-}" ] || "$fail_shows" || :
	# Of the agent's words there is one for each question that the case asked.
	[ ! -s "${vm_console:-}" ] || { grep -a -v "agent: end" "$vm_console" || :; } |
		tail -n 20 | tr -d '\r' | sed "s/^/  console: /" >&2
	[ ! -s "${vm_dir:-}/qemu.log" ] || sed "s/^/  qemu: /" "$vm_dir/qemu.log" >&2
	[ ! -e "${daemon_log:-}" ] || tail -n 30 "$daemon_log" | sed 's/^/  /' >&2
	echo "FAIL: $*" >&2
	exit 1
}

# What the host has of the guest's memory, in KiB, or of the RAM files FILE...
host_kib()
{
	[ $# -gt 0 ] || set -- "${vm_ram_files[@]}"
	stat -c %b "$@" | awk '{ sum += $1 } END { print sum / 2 }'
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

# lease_found VM 0|1: what the daemon says of it. Not from a pipe: a reader that
# has seen enough would end who writes.
lease_found()
{
	local found

	found=$(daemon_state 2>/dev/null) &&
		grep -q "^pagehintd_lease{vm=\"$1\",.*\"in_force\"} $2\$" <<<"$found"
}

lease_in_force()
{
	lease_found "${1:-test}" 1
}

# Its word for it is needed: no answer is none.
lease_ended()
{
	lease_found "${1:-test}" 0
}

# In the guest: load the module and wait for the lease. With a name in $left_out
# the test build, without that hook or rule.
guest_load()
{
	vm_run "modctl load /modules/pagehint${left_out:+-test}.ko" \
		"${left_out:+leave_out=$left_out} $*" || fail "the module was refused"
	wait_until 100 "a lease" lease_in_force
}

guest_unload()
{
	vm_run "modctl unload pagehint" || fail "the module does not unload"
}

guest_counter()
{
	vm_run "awk '\$1 == \"$1\" { print \$2 }' /sys/kernel/debug/pagehint/counters"
}

# Verified memory load in the guest's background: SECONDS MIB. Once it has said something
# it can be told to end.
guest_load_start()
{
	# One line: the agent reads a command a line.
	vm_run "rm -rf /tmp/load /tmp/bg.*; mkdir -p /tmp/load /disk/load;" \
		"(memload stress $1 4 $2 $RANDOM /tmp/load /disk/load >/tmp/bg.out 2>&1 &" \
		"echo \$! >/tmp/bg.pid; wait \$!;" \
		"echo \$? >/tmp/bg.status) &" \
		"until [ -s /tmp/bg.out ] || [ -s /tmp/bg.status ]; do sleep 0.05; done"
}

guest_load_ended()
{
	vm_run "test -s /tmp/bg.status"
}

# Before its time: it verifies what it has and ends
guest_load_end()
{
	vm_run "kill -TERM \$(cat /tmp/bg.pid)" || fail "the memory load does not run any more"
	guest_load_finish "${1:-120}"
}

# What keeps it from its end: does it run, wait for memory, or for a frame?
guest_load_where()
{
	# shellcheck disable=SC2016 # for the shell of the guest
	vm_run 'cat /tmp/bg.out /sys/kernel/debug/pagehint/states; uptime; for pid in $(pidof memload); do' \
		'echo "memload $pid:" $(cut -d " " -f 3,14,15 /proc/$pid/stat);' \
		'cat /proc/$pid/stack; done' | sed 's/^/  guest: /' >&2
}

# Its verdict: SECONDS to wait
guest_load_finish()
{
	local fail_shows=guest_load_where

	wait_until "$1" "the end of the memory load" guest_load_ended
	fail_shows=
	# shellcheck disable=SC2016 # for the shell of the guest
	vm_run 'cat /tmp/bg.out; ! grep -q MISMATCH /tmp/bg.out && exit "$(cat /tmp/bg.status)"' >"$vm_dir/load.out" ||
		{ cat "$vm_dir/load.out"; fail "the guest's memory is not what it wrote"; }
	verified=$(awk '/MiB verified/ { sum += $6 } END { print sum + 0 }' "$vm_dir/load.out")
	[ "$verified" -gt 0 ] || fail "nothing was verified"
}

# Frames were dropped since $dropped_before: [VM]
dropped_more()
{
	[ "$(daemon_figure pagehintd_dropped_frames_total "${1:-}")" -gt $((dropped_before + 500)) ]
}

# drops_go_on TEXT [VM]: there is a lease, and the load's frames are dropped under it
drops_go_on()
{
	wait_until 100 "a lease $1" lease_in_force "${2:-test}"
	dropped_before=$(daemon_figure pagehintd_dropped_frames_total "${2:-}")
	wait_until 100 "drops $1" dropped_more "${2:-}"
}

# Nothing that the host did is left on any frame, now that no host is there.
guest_states_clean()
{
	vm_run "cat /sys/kernel/debug/pagehint/states" >"$vm_dir/states"
	awk '($1 == "unused_busy" || $1 == "illegal") && $2 { bad = 1 } END { exit bad || !NR }' \
		"$vm_dir/states" || { cat "$vm_dir/states"; fail "frames were left busy"; }
}

# A number in the table's header: OFFSET BYTES
header_field()
{
	od -A n -t "u$2" -j "$1" -N "$2" "$vm_table_file" | tr -d ' '
}

# Supervisor and worker stopped (SIGSTOP) with nothing busy
daemon_stop_idle()
{
	local tries=100

	# First, or it would replace a worker that is stopped with a range busy.
	kill -STOP "$daemon_pid"
	daemon_find_worker || fail "no worker"
	while :; do
		kill -STOP "$daemon_worker"
		wait_until 100 "the worker's stop" pid_state "$daemon_worker" T
		[ "$(header_field 200 4)" != 0 ] || return 0
		kill -CONT "$daemon_worker"
		[ $((tries -= 1)) -gt 0 ] || fail "no moment with nothing busy"
		sleep 0.0$((RANDOM % 100))
	done
}

# Of the range on record: how many frames are U|BUSY now
busy_frames()
{
	local first count

	first=$(header_field 192 8)
	count=$(header_field 200 4)
	[ "$count" -gt 0 ] || { echo 0; return; }
	od -A n -v -w1 -t u1 -j $((4096 + first)) -N "$count" "$vm_table_file" | grep -c -w 9 || :
}

# The worker that was there when the supervisor was stopped; one that has been replaced never
# stops
stopped_or_replaced()
{
	pid_state "$daemon_worker" T || pid_state "$daemon_worker" Z ||
		[ "$(pgrep -P "$daemon_pid" | head -n 1)" != "$daemon_worker" ]
}

# daemon_start_stalled [claimed|dropped]: a daemon whose worker stopped between BUSY
# and the drop, or between the drop and ABSENT,
# with $busy frames, and whose supervisor is stopped, so that nobody helps
daemon_start_stalled()
{
	local tries=100

	# A claim can come too late for every frame of its range: not that. Nor where the
	# supervisor was stopped too late: it replaces the worker after a second.
	while :; do
		daemon_start --program "$build/host/pagehintd-test" --unused-age 0 \
			"--test-stall=${1:-claimed}:$((RANDOM % 60 + 1))"
		wait_until 100 "a worker" daemon_find_worker
		kill -STOP "$daemon_pid"
		wait_until 100 "the worker's stop (${1:-claimed})" stopped_or_replaced
		busy=0
		! pid_state "$daemon_worker" T || busy=$(busy_frames)
		[ "$busy" = 0 ] || break
		[ $((tries -= 1)) -gt 0 ] || fail "no frame was busy when the worker stopped"
		daemon_find_worker || :
		daemon_kill_all || fail "it lives on"
	done
}
