# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # what the sourcing script has
#
# Sourced by run, after stock.sh: a stock kernel of amd64 without a module of ours, in a
# QEMU that waits for a millisecond before it overwrites an int3. In that time the other CPU
# comes by and translates it; patch 0003 finds that out. Without it (the control) the guest
# is lost, in its boot or soon after tracepoints are switched under load.

# int3_run: boots, and switches tracepoints; status of vm_start or of the case
int3_run()
{
	vm_defaults
	vm_kernel=6.12-amd64
	vm_mem=512
	vm_initrd=$build/vm/initramfs-qemu-$vm_kernel
	mkdir -p "$build/vm"
	"$top/tests/vm/initramfs" "$vm_kernel" "$vm_initrd"
	trap vm_stop EXIT
	vm_start || return
	vm_run -t 400 "sh /cases/text_poke $1"
}

# What the kernel says of an int3 that it knows nothing of. The CPU that meets one while
# it handles another resets the guest, with no word.
int3_seen()
{
	grep -a -m 1 -o 'Oops: int3.*' "$vm_console" || vm_triple_fault
}

case_int3()
{
	local status=0 seen=

	console=$log/int3
	export QEMU_TEST_INT3_PAUSE=1000
	int3_run 20 >"$log/int3.finished" 2>>"$console" || failed=$((failed + 1))
	checks=$((checks + 1))
	text=$(tail -n 1 "$log/int3.finished")
	stock_stop

	# Ends with the guest: the time is a limit.
	QEMU_TEST_INT3_UNFINISHED=1 int3_run 300 >"$log/int3.unfinished" 2>&1 || status=$?
	checks=$((checks + 1))
	if [ $status != "$vm_lost" ] || ! seen=$(int3_seen); then
		printf 'fail: not finished, status %s, expected the guest to be lost\n' $status >>"$console"
		tail -n 20 "$vm_console" >>"$console"
		failed=$((failed + 1))
	fi
	text+="; not finished: $seen"
	vm_stop
	trap - EXIT
	unset QEMU_TEST_INT3_PAUSE
}
