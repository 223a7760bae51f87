# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # what the sourcing script has
#
# Sourced by run: stock kernels on the machine with ESSA, without a module of ours. They
# make free frames unused and allocated ones stable by themselves (CMMA), unless told
# cmma=off.

# shellcheck source=tests/vm/vm.sh
. "$top/tests/vm/vm.sh"

# stock_start COMMAND_LINE
stock_start()
{
	vm_defaults
	vm_kernel=6.1-s390x
	vm_program=$("$top/tests/qemu/path" s390x)
	vm_args=(-device "s390-essa,id=essa")
	vm_mem=512
	vm_cmdline=$1
	vm_initrd=$build/vm/initramfs-qemu-$vm_kernel
	mkdir -p "$build/vm"
	"$top/tests/vm/initramfs" "$vm_kernel" "$vm_initrd"
	trap vm_stop EXIT
	vm_start
}

stock_stop()
{
	vm_console_check >>"$console" || failed=$((failed + 1))
	vm_stop
	trap - EXIT
}

stock_set()
{
	vm_qmp qom-set "{\"path\": \"$machine_path\", \"property\": \"$1\", \"value\": $2}" >>"$log/answers"
}

# What it counts at this moment, in the array statistics
stock_statistics()
{
	local key value

	statistics=()
	while read -r key value; do
		statistics[$key]=$value
	done < <(vm_qmp qom-get "{\"path\": \"$machine_path\", \"property\": \"statistics\"}" |
		grep -o '"[a-zA-Z-]*": [0-9]*' | tr -d '":')
	[ -n "${statistics[op-get]:-}" ] || die "no statistics from QEMU"
}

# expect_number TEXT NUMBER OPERATOR NUMBER, as for test(1)
expect_number()
{
	checks=$((checks + 1))
	if test "$2" "$3" "$4"; then
		return
	fi
	printf 'fail: %s is %s, expected %s %s\n' "$1" "$2" "$3" "$4" >>"$console"
	failed=$((failed + 1))
}

resident_kib()
{
	awk '$1 == "VmRSS:" { print $2 }' "/proc/$vm_pid/status"
}

# CMMA under a host that takes what it may: nothing is lost, nothing faults, devices
# find stable frames only, and memory comes back on demand.
case_stock()
{
	local -A statistics
	local key before after boot verified

	console=$log/stock
	stock_start ""
	stock_statistics
	boot="${statistics[op-set-stable]} set stable and ${statistics[op-set-unused]} set unused in boot"
	stock_set random-unused 3000
	stock_set random-preserve 1000
	vm_run -t 300 "sh -c '. /cases/lib.sh; load_start 15 64; sleep 5;" \
		"echo 3 >/proc/sys/vm/drop_caches; load_finish; echo \$verified'" >"$log/load" || failed=$((failed + 1))
	verified=$(tail -n 1 "$log/load")
	stock_set random-unused 0
	stock_set random-preserve 0
	vm_run -t 120 "dd if=/dev/urandom of=/dev/shm/file bs=1M count=150; rm /dev/shm/file" >>"$log/load"
	before=$(resident_kib)
	stock_set discard-unused 1000000000
	after=$(resident_kib)
	stock_statistics
	for key in op-set-stable op-set-unused; do
		expect_number $key "${statistics[$key]}" -ge 20000
	done
	for key in made-volatile discarded-volatile faults io-unused io-volatile io-discarded; do
		expect_number $key "${statistics[$key]}" -eq 0
	done
	expect_number "memory returned, of 150 MiB, in KiB" $((before - after)) -ge $((145 << 10))
	expect_number "MiB verified" "${verified:-0}" -ge 10
	stock_stop
	text="$boot; with a load ${statistics[op-set-stable]} and ${statistics[op-set-unused]}, ${statistics[discarded-unused]} discarded, ${statistics[preserved]} preserved, 0x1a: ${statistics[faults]}; $verified MiB verified; QEMU's memory $((before >> 10)) -> $((after >> 10)) MiB"
}

case_stock_off()
{
	local -A statistics
	local key

	console=$log/stock_off
	stock_start cmma=off
	stock_statistics
	for key in op-set-stable op-set-unused op-set-volatile; do
		expect_number $key "${statistics[$key]}" -eq 0
	done
	stock_stop
	text="cmma=off: no operation but ${statistics[op-get]} get"
}
