# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # what the sourcing script has
#
# Sourced by run, after stock.sh: a stock kernel of amd64 without a module of ours, in a
# QEMU that waits for a millisecond before it overwrites an int3. In that time the other CPU
# comes by and translates it; patch 0003 finds that out.

# int3_start: status of vm_start
int3_start()
{
	vm_defaults
	vm_kernel=6.12-amd64
	vm_mem=512
	vm_initrd=$build/vm/initramfs-qemu-$vm_kernel
	mkdir -p "$build/vm"
	"$top/tests/vm/initramfs" "$vm_kernel" "$vm_initrd"
	trap vm_stop EXIT
	vm_start
}

case_int3()
{
	local status=0 answer

	console=$log/int3
	export QEMU_TEST_INT3_PAUSE=1000
	int3_start
	answer=$(vm_run -t 300 "sh /cases/text_poke 20" 2>>"$console") || failed=$((failed + 1))
	checks=$((checks + 1))
	stock_stop
	text="${answer##*$'\n'}"

	QEMU_TEST_INT3_UNFINISHED=1 int3_start >"$log/int3.unfinished" 2>&1 || status=$?
	checks=$((checks + 1))
	if [ $status != "$vm_lost" ] || ! grep -q "Oops: int3" "$vm_console"; then
		printf 'fail: not finished, status %s, expected the guest to be lost\n' $status >>"$console"
		tail -n 20 "$vm_console" >>"$console"
		failed=$((failed + 1))
	fi
	text+="; not finished: $(grep -a -m 1 -o 'Oops: int3.*' "$vm_console" || :)"
	vm_stop
	trap - EXIT
	unset QEMU_TEST_INT3_PAUSE
}
