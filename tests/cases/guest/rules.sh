# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# rules.sh SCENARIO NAME SECONDS: what the case `rule` does in the guest: under
# memory load with verified contents, and the hostile host of backend loop, a
# test build with the rule NAME left out ("none": all kept) is loaded and
#
#   reload      unloaded, again and again
#   toggle      unused= is switched off and on
#
# The host pauses between its rounds: one that is too fast takes a frame while it is
# still free, and never looks at it again. With toggle for much longer than one side takes to
# detach, which waits for all CPUs: it would take what is unused before the other side goes.
# Without page cache: the rules are not about it, and a cycle is five times as long with it.
#
# Ends with the load's verdict. With a rule left out the guest may break down.
# shellcheck source=tests/cases/guest/lib.sh
. /cases/lib.sh

scenario=$1
rule=$2
seconds=$3

cycle_reload()
{
	load_test backend=loop loop_pause_us=100000 volatile=0 leave_out="$rule"
	sleep 0.5
	modctl unload pagehint || fail "not unloaded"
}

cycle_toggle()
{
	loaded || load_test backend=loop loop_pause_us=1000000 volatile=0 leave_out="$rule"
	set_parameter unused 0
	sleep 1.5
	set_parameter unused 1
	sleep 0.5
}

rm -f /tmp/rule.status
modctl load /modules/allocstress.ko hold_ms=20 || fail "allocstress.ko: refused"
load_start 6000 256
(while [ ! -e /tmp/rule.status ]; do
	echo 1 >/proc/sys/vm/compact_memory
	sleep 0.3
done) &
end=$(($(date +%s) + seconds))
cycles=0
while [ "$(date +%s)" -lt $end ]; do
	"cycle_$scenario"
	cycles=$((cycles + 1))
	! grep -q MISMATCH /tmp/memload.out || break
done
kill -TERM "$load_pid"
load_finish
touch /tmp/rule.status
! loaded || modctl unload pagehint || fail "not unloaded"
bad=$(cat /sys/module/allocstress/parameters/mismatches)
modctl unload allocstress || fail "allocstress: not unloaded"
[ "$bad" = 0 ] || fail "allocstress: MISMATCH, $bad words"
echo "$cycles cycles, $verified MiB verified"
