# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Sourced by the cases that run in the guest, for busybox. A case says what it
# found in its last line; `fail` ends it.
#
# Before its argument a case may be given the hostile host to load with (load_hostile):
# NAME.kvm.ARGUMENT, one in the guest that is told by calls; NAME.essa.ARGUMENT, the QEMU
# that the guest runs in (tests/s390x/essa.sh), which takes frames at random; else backend
# loop.

set -eu

debugfs=/sys/kernel/debug/pagehint
parameters=/sys/module/pagehint/parameters
seed=$(date +%s)
# Seconds that what must come is waited for, however slow the machine is
patience=100

# What this kernel calls functions that are hooked (include/compat/)
# shellcheck disable=SC2034 # for the cases
case $(uname -r) in
6.1.*)	bulk_function=__alloc_pages_bulk map_function=page_add_file_rmap
	lazyfree_function=mark_page_lazyfree ;;
*)	bulk_function=alloc_pages_bulk_noprof map_function=folio_add_file_rmap_ptes
	lazyfree_function=folio_mark_lazyfree ;;
esac

hostile=loop
case ${1:-} in
kvm | kvm.* | essa | essa.*)
	hostile=${1%%.*}
	argument=${1#"$hostile"}
	shift
	set -- "${argument#.}" "$@" ;;
esac

fail()
{
	dmesg | tail -n 20 | sed "s/^/  dmesg: /" >&2
	echo "FAIL: $*" >&2
	exit 1
}

skip()
{
	echo "$*"
	exit 77
}

# comes_true COMMAND...: is it, by then?
comes_true()
{
	local end=$(($(date +%s) + patience))

	until "$@"; do
		[ "$(date +%s)" -lt $end ] || return 1
		sleep 0.2
	done
}

loaded()
{
	grep -q '^pagehint ' /proc/modules
}

# The product, or the build with test parameters
load()
{
	modctl load /modules/pagehint.ko "$@" || fail "load $*: refused"
}

load_test()
{
	modctl load /modules/pagehint-test.ko "$@" || fail "load (test build) $*: refused"
}

unload()
{
	modctl unload pagehint || fail "unload: refused"
	nothing_left
}

# Parameters of the host that takes everything it may, as fast as it can: backend loop, or one
# that is told by calls, and that forgets now and then what it was told.
hostile_host()
{
	case $hostile in
	loop)	echo backend=loop ;;
	kvm)	echo backend=kvm fake_host=1 order=0 kvm_delay_ms=20 fake_forget=20000 ;;
	essa)	echo backend=essa essa_delay_ms=20 ;;
	esac
}

load_hostile()
{
	# shellcheck disable=SC2046 # several parameters
	if [ "$hostile" = kvm ]; then
		load_test $(hostile_host) loop_hold_us=100 loop_pause_us=1000 "$@"
	else
		load $(hostile_host) "$@"
	fi
}

# Does the kernel tell the host of free memory (CMMA of s390x), and so the module not?
kernel_hints()
{
	grep -q '^free_memory hinted by the kernel' $debugfs/backend
}

# Frames that it took. With essa a guest learns that late, and of free memory never: there
# it is what the host was told it may take.
host_took()
{
	if [ "$hostile" != essa ]; then
		counter nr_loop_discarded
	elif kernel_hints; then
		counter nr_host_told
	else
		counter nr_essa_set_unused
	fi
}

# Away for a moment, as a host whose module is replaced; it has forgotten everything.
# Backend loop is never.
host_goes_away()
{
	[ "$hostile" = kvm ] || return 0
	set_parameter fake_gone 1
	sleep 0.2
	set_parameter fake_gone 0
}

# Under a load it went and forgot: often enough?
lost_enough()
{
	[ "$hostile" != kvm ] || has_counted nr_host_lost 2
}

host_was_lost()
{
	lost_enough ||
		fail "the host was lost $(counter nr_host_lost) times: nothing was tested"
}

# nothing_left: no trace of the module in the kernel
nothing_left()
{
	! loaded || fail "the module is still in /proc/modules"
	[ ! -e $debugfs ] || fail "$debugfs is still there"
	[ ! -e /sys/module/pagehint ] || fail "/sys/module/pagehint is still there"
	if grep -i pagehint /sys/kernel/tracing/enabled_functions; then
		fail "ftrace entries are left"
	fi
	hooked >/tmp/hooked.now
	cmp -s /tmp/hooked.before /tmp/hooked.now ||
		fail "enabled_functions changed: $(diff /tmp/hooked.before /tmp/hooked.now | tr '\n' ' ')"
}

# What ftrace holds; remembered before a case loads anything. Not what is there as long
# as the module is, on a function of its own (probes/anchor.c).
hooked()
{
	sed '/^anchor \[pagehint\]/d' /sys/kernel/tracing/enabled_functions | cut -d' ' -f1,2
	wc -l </sys/kernel/debug/kprobes/list
}

[ -e /tmp/hooked.before ] || hooked >/tmp/hooked.before

# value FILE NAME: of a line `NAME value`
value()
{
	awk -v name="$2" '$1 == name { print $2; found = 1 } END { exit !found }' "$debugfs/$1" ||
		fail "no $2 in $debugfs/$1"
}

counter()
{
	value counters "$1"
}

frames()
{
	value states "$1"
}

# has_counted COUNTER LEAST
has_counted()
{
	[ "$(counter "$1")" -ge "$2" ]
}

set_parameter()
{
	echo "$2" >"$parameters/$1" || fail "$1=$2: refused"
}

# Frames that were used again after the host had taken them, or, with essa, might have
came_back()
{
	if [ "$hostile" = essa ]; then
		counter nr_stable
	else
		counter nr_taken
	fi
}

# until_busy_met NUMBER: until more than so many waited for a frame that was busy, which needs
# somebody who frees and one who allocates at the same moment
until_busy_met()
{
	local met=1

	has_counted nr_busy_waits $(($1 + 1)) && return
	load_start 600 64
	comes_true has_counted nr_busy_waits $(($1 + 1)) || met=0
	kill -TERM "$load_pid"
	load_finish
	[ $met = 1 ]
}

# A mark in the kernel's log, and what came after it
mark()
{
	mark="mark $$ $(cat /proc/uptime)"
	echo "<6>$mark" >/dev/kmsg
}

log_since_mark()
{
	dmesg | awk -v mark="$mark" 'found { print } index($0, mark) { found = 1 }'
}

# expect_refused PATTERN PARAMETER...: no load, a sentence of ours that matches,
# nothing left behind. `expect_refused --test` for the test build.
expect_refused()
{
	local file=/modules/pagehint.ko pattern

	if [ "$1" = --test ]; then
		file=/modules/pagehint-test.ko
		shift
	fi
	pattern=$1
	shift
	mark
	if modctl load $file "$@"; then
		modctl unload pagehint
		fail "loaded with '$*', expected a refusal: $pattern"
	fi
	if ! log_since_mark | grep pagehint: | grep -q -i -E "$pattern"; then
		log_since_mark
		fail "refused '$*' without a sentence that matches: $pattern"
	fi
	log_since_mark | grep pagehint: | sed 's/^/  said: /'
	nothing_left
}

# Memory load in the background, contents verified; $1 seconds, $2 MiB, niced by $3.
# Once it has said something it can be told to end.
load_start()
{
	mkdir -p /disk/load /tmp/load
	: >/tmp/memload.out
	(
		# $$ is not the subshell.
		read -r pid _ </proc/self/stat
		renice -n "${3:-0}" -p "$pid" >/dev/null
		exec memload stress "$1" 2 "$2" "$seed" /tmp/load /disk/load
	) >/tmp/memload.out 2>&1 &
	load_pid=$!
	until [ -s /tmp/memload.out ] || ! load_running; do
		sleep 0.05
	done
}

load_running()
{
	kill -0 "$load_pid" 2>/dev/null
}

# The verdict on what load_start started; sets verified, in MiB.
# shellcheck disable=SC2034 # for the case
load_finish()
{
	local status=0

	wait "$load_pid" || status=$?
	if [ $status != 0 ] || grep -q MISMATCH /tmp/memload.out; then
		sed 's/^/  /' /tmp/memload.out
		fail "memload: status $status"
	fi
	verified=$(awk '/MiB verified/ { sum += $6 } END { print sum + 0 }' /tmp/memload.out)
}
