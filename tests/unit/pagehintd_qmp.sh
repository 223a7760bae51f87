#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# pagehintd against a real QEMU whose guest gets no further than its firmware:
# what is refused, how resets and power-off go, what happens when one of the two
# starts first or dies. Result lines as in test.h.
#
# usage: pagehintd_qmp.sh [--short]
#
# shellcheck disable=SC2317 # cases are called by name

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/unit/cases.sh
. "$top/tests/unit/cases.sh"

program=${PAGEHINTD:-$build/host/pagehintd-test}
qmp=$build/tests/qmp
dir=$(mktemp -d /dev/shm/pagehintd-qmp.XXXXXX)
qemu=
daemon=
log=$dir/daemon.log

cleanup()
{
	local pid

	for pid in $daemon $qemu; do
		kill -KILL "$pid" 2>/dev/null || :
	done
	wait
	rm -rf "$dir"
}
trap cleanup EXIT

# qemu_start OPTION...: 256 MiB in $dir/ram, two QMP sockets: ours and its
qemu_start()
{
	rm -f "$dir"/own.sock "$dir"/daemon.sock
	qemu-system-x86_64 -accel tcg,thread=multi -display none -serial none -monitor none \
		-nodefaults -qmp "unix:$dir/own.sock,server=on,wait=off" \
		-qmp "unix:$dir/daemon.sock,server=on,wait=off" -m 256M "$@" &
	qemu=$!
	wait_for "QEMU's sockets" test -S "$dir/daemon.sock"
}

memory=(-machine "pc,memory-backend=ram"
	-object "memory-backend-file,id=ram,size=256M,mem-path=$dir/ram,share=on")
table=(-object "memory-backend-file,id=ph,size=1M,mem-path=$dir/table,share=on")
device=(-device "ivshmem-plain,memdev=ph")

qemu_stop()
{
	kill -KILL "$qemu" 2>/dev/null || :
	wait "$qemu" 2>/dev/null || :
	qemu=
}

files()
{
	rm -f "$dir/ram" "$dir/table"
	truncate -s 256M "$dir/ram"
	truncate -s 1M "$dir/table"
}

# boots poweroff|reset: prints the -drive of a disk whose boot sector does that
boots()
{
	local code

	case $1 in
	# mov dx,604; mov ax,2000; out dx,ax: PM1a_CNT, as SeaBIOS places it
	poweroff) code='\xba\x04\x06\xb8\x00\x20\xef' ;;
	# mov dx,cf9; mov al,6; out dx,al
	reset)	  code='\xba\xf9\x0c\xb0\x06\xee' ;;
	esac
	truncate -s 1M "$dir/disk"
	# and: hlt; jmp to it
	printf '%b' "$code\\xf4\\xeb\\xfd" | dd of="$dir/disk" conv=notrunc status=none
	printf '\x55\xaa' | dd of="$dir/disk" bs=1 seek=510 conv=notrunc status=none
	printf '%s' "file=$dir/disk,format=raw"
}

# A table as a kernel leaves it that was reset in the middle of its work
dirty_table()
{
	head -c 40960 /dev/zero | tr '\0' '\1' |
		dd of="$dir/table" bs=4096 seek=1 conv=notrunc status=none
}

table_is_zero()
{
	cmp -s -n $((1 << 20)) "$dir/table" /dev/zero
}

daemon_start()
{
	: >"$log"
	"$program" --vm test --ram "$dir/ram" --table "$dir/table" --qmp "$dir/daemon.sock" \
		--reset=qmp --control "$dir/control" "$@" >>"$log" 2>&1 &
	daemon=$!
}

# daemon_exit CODE: it ends by itself, with this code
daemon_exit()
{
	local status=0

	wait_for "the end of pagehintd" process_gone "$daemon"
	wait "$daemon" || status=$?
	daemon=
	[ "$status" = "$1" ] || problem "pagehintd ended with $status, expected $1"
}

daemon_stop()
{
	kill -TERM "$daemon"
	daemon_exit 0
}

process_gone()
{
	# A zombie has ended too.
	[ ! -e "/proc/$1" ] || grep -q '^State:.Z' "/proc/$1/status"
}

# wait_for WHAT COMMAND...: until it succeeds, 30 s at most
wait_for()
{
	local what=$1 tries=300
	shift

	until "$@" 2>/dev/null; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || { problem "waited in vain for $what"; return 0; }
		sleep 0.1
	done
}

logged()
{
	grep -q -e "$1" "$log"
}

state_is()
{
	"$qmp" "$dir/own.sock" query-status | grep -q -e "\"status\": \"$1\""
}

# figure NAME VALUE
figure()
{
	"$program" --status --control "$dir/control" | grep -q -F -x -e "$1{vm=\"test\"} $2"
}

ask()
{
	"$qmp" "$dir/own.sock" "$@" >/dev/null || problem "QMP $*"
}

refused_share_off()
{
	files
	qemu_start -machine "pc,memory-backend=ram" "${table[@]}" "${device[@]}" \
		-object "memory-backend-file,id=ram,size=256M,mem-path=$dir/ram,share=off"
	daemon_start
	daemon_exit 5
	logged 'share=off' || problem "no reason given"
	qemu_stop
}

refused_master()
{
	files
	qemu_start "${memory[@]}" "${table[@]}" -device ivshmem-plain,memdev=ph,master=on
	daemon_start
	daemon_exit 5
	logged 'master=on' || problem "no reason given"
	qemu_stop
}

refused_wrong_table()
{
	files
	truncate -s 1M "$dir/other"
	qemu_start "${memory[@]}" "${device[@]}" \
		-object "memory-backend-file,id=ph,size=1M,mem-path=$dir/other,share=on"
	daemon_start
	daemon_exit 5
	logged 'none: is it the table' || problem "no reason given"
	qemu_stop
}

memfd_there()
{
	fd=$(find "/proc/$qemu/fd" -lname '/memfd:memory-backend-memfd*' 2>/dev/null) || :
	[ -n "$fd" ]
}

# Memory of two nodes, one of them a memfd
numa_memfd()
{
	local fd

	files
	truncate -s 128M "$dir/ram"
	qemu_start -machine pc -smp 2 "${table[@]}" "${device[@]}" \
		-object "memory-backend-file,id=ram0,size=128M,mem-path=$dir/ram,share=on" \
		-object memory-backend-memfd,id=ram1,size=128M,share=on \
		-numa node,memdev=ram0 -numa node,memdev=ram1
	# The sockets are there before memory is.
	wait_for "QEMU's memfd" memfd_there
	# Its name is not right, then not given.
	daemon_start --ram "ram9=$fd"
	daemon_exit 5
	daemon_start --ram "$fd"
	daemon_exit 5
	daemon_start --ram "ram1=$fd"
	wait_for "attaching" logged 'attached'
	daemon_stop
	qemu_stop
}

# The daemon first: what an earlier guest left is cleared before the next
daemon_first()
{
	files
	dirty_table
	rm -f "$dir/daemon.sock"
	daemon_start
	wait_for "waiting" logged 'waiting for it'
	wait_for "a clear table" table_is_zero
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}"
	wait_for "attaching" logged 'attached'
	qemu_stop
	daemon_exit 0
}

# A reset is held, the table cleared, the reset carried through
reset()
{
	files
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}"
	daemon_start
	wait_for "attaching" logged 'attached'
	dirty_table
	ask system_reset
	wait_for "a clear table" table_is_zero
	wait_for "the reset" logged 'the VM was reset'
	wait_for "a running VM" state_is running
	# The next is not held: nobody had a lease since.
	ask -e RESET system_reset
	wait_for "a running VM" state_is running
	daemon_stop
	qemu_stop
}

# A VM that its operator had stopped stays so
reset_while_stopped()
{
	files
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}" -S
	daemon_start
	wait_for "attaching" logged 'attached'
	dirty_table
	ask system_reset
	wait_for "the reset" logged 'the VM was reset'
	table_is_zero || problem "the table is not clear"
	state_is prelaunch || problem "the VM runs"
	daemon_stop
	qemu_stop
}

# After a stop QEMU does as it would without us
actions_restored()
{
	files
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}"
	daemon_start
	wait_for "attaching" logged 'attached'
	daemon_stop
	ask system_reset
	state_is running || problem "a reset is held that nobody carries through"
	qemu_stop

	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}" -S \
		-drive "$(boots poweroff)"
	daemon_start
	wait_for "attaching" logged 'attached'
	daemon_stop
	ask cont
	wait_for "the end of QEMU" process_gone "$qemu"
	qemu_stop
}

# What QEMU's command line says of resets and power-off holds, with us and after us
actions_kept()
{
	files
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}" -no-reboot
	daemon_start
	wait_for "attaching" logged 'attached'
	daemon_stop
	ask system_reset
	wait_for "the end of QEMU" process_gone "$qemu"
	qemu_stop

	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}" -S -action reboot=shutdown \
		-drive "$(boots reset)"
	daemon_start
	wait_for "attaching" logged 'attached'
	dirty_table
	ask cont
	daemon_exit 0
	logged 'the VM ends (guest-reset)' || problem "QEMU ended otherwise"
	table_is_zero || problem "the table is not clear"
	qemu_stop

	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}" -S --no-shutdown \
		-drive "$(boots poweroff)"
	daemon_start
	wait_for "attaching" logged 'attached'
	dirty_table
	ask cont
	wait_for "the VM that is off" logged 'is off (guest-shutdown) and stays'
	state_is shutdown || problem "the VM is not off"
	table_is_zero || problem "the table is not clear"
	daemon_stop
	# The next does not take it for a reset that was held.
	daemon_start
	wait_for "attaching" logged 'attached'
	daemon_stop
	state_is shutdown || problem "a VM that was off was reset"
	qemu_stop
}

# Reset while no daemon is there: the VM waits for the next one
reset_without_daemon()
{
	local worker pid

	files
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}"
	daemon_start
	wait_for "attaching" logged 'attached'
	worker=$(cat "/proc/$daemon/task/$daemon/children")
	kill -STOP "$daemon"
	# shellcheck disable=SC2086 # pids
	kill -KILL $worker "$daemon"
	wait "$daemon" 2>/dev/null || :
	# It has the locks of the files until it has ended, too.
	for pid in $worker; do
		wait_for "the end of the worker" process_gone "$pid"
	done
	dirty_table
	ask system_reset
	wait_for "the held reset" state_is shutdown
	table_is_zero && problem "cleared by nobody"
	daemon_start
	wait_for "the reset" logged 'the VM was reset'
	wait_for "a clear table" table_is_zero
	wait_for "a running VM" state_is running
	daemon_stop
	qemu_stop
}

# All of it killed between system_reset and cont: a VM that ran runs again
reset_half_done()
{
	files
	printf 'HPRESRAN' | dd of="$dir/table" bs=1 seek=192 conv=notrunc status=none
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}" -S
	daemon_start
	wait_for "a running VM" state_is running
	wait_for "a clear table" table_is_zero
	daemon_stop
	qemu_stop
}

# shutdown=pause must not keep QEMU from ending
power_off()
{
	files
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}" -S \
		-drive "$(boots poweroff)"
	daemon_start
	wait_for "attaching" logged 'attached'
	dirty_table
	ask cont
	daemon_exit 0
	logged 'the VM ends (guest-shutdown)' || problem "QEMU ended otherwise"
	table_is_zero || problem "the table is not clear"
	wait "$qemu" || problem "QEMU ended with $?"
	qemu=
}

# The guest resets itself
guest_resets()
{
	files
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}" -S \
		-drive "$(boots reset)"
	daemon_start
	wait_for "attaching" logged 'attached'
	dirty_table
	ask cont
	wait_for "the reset" logged 'the VM was reset (guest-reset)'
	wait_for "a clear table" table_is_zero
	wait_for "a running VM" state_is running
	daemon_stop
	qemu_stop
}

# A worker that dies connects anew and holds resets again
worker_replaced()
{
	local worker

	files
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}"
	daemon_start
	wait_for "attaching" logged 'attached'
	worker=$(cat "/proc/$daemon/task/$daemon/children")
	kill -KILL "${worker%% *}"
	wait_for "a new worker" figure pagehintd_worker_restarts_total 1
	wait_for "its connection" figure pagehintd_qmp_connects_total 2
	dirty_table
	ask system_reset
	wait_for "the reset" logged 'the VM was reset'
	table_is_zero || problem "the table is not clear"
	daemon_stop
	qemu_stop
}

destroy()
{
	files
	qemu_start "${memory[@]}" "${table[@]}" "${device[@]}"
	# Given after --reset=qmp, it counts.
	daemon_start --reset=destroy
	wait_for "attaching" logged 'attached'
	dirty_table
	ask system_reset
	daemon_exit 0
	table_is_zero || problem "the table is not clear"
	wait_for "the end of QEMU" process_gone "$qemu"
	qemu_stop
}

case_failed()
{
	cat "$log" >&2
	# shellcheck disable=SC2086 # pids, or none
	kill -KILL $daemon $qemu 2>/dev/null || :
	daemon=
	qemu=
}

run_cases pagehintd_qmp refused_share_off refused_master refused_wrong_table numa_memfd \
	daemon_first reset reset_while_stopped actions_restored actions_kept \
	reset_without_daemon reset_half_done power_off guest_resets worker_replaced destroy
