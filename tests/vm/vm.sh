# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2119,SC2120 # shared with other scripts
#
# Sourced after tests/lib.sh: one guest under stock QEMU.
#
# Before vm_start, set (vm_defaults sets them all):
#   vm_kernel    name in the table of kernels
#   vm_initrd    file made by tests/vm/initramfs
#   vm_smp       argument of -smp; maxcpus must be 2 at least, or QEMU's guest
#                atomics are not atomic against the host
#   vm_mem       memory in MiB
#   vm_cmdline   added to the kernel's command line
#   vm_accel     argument of -accel
#   vm_disk      size of a disk with ext4 in MiB, 0 for none; stress-ng is on it
#   vm_swap      size of an empty disk for swap in MiB, 0 for none
#   vm_root, vm_scratch  disks that the guest knows by name (disks.sh)
#   vm_shared    yes: the memory is a file, $vm_ram, or one of each node
#   vm_nodes     NUMA nodes, each with its part of the memory
#   vm_table     size of the hint table $vm_table_file in bytes, 0: no device
#   vm_reset     exit: QEMU ends on a reset; allow: the guest may reset
#   vm_args      array: more arguments of QEMU
#   vm_slowdown  factor on all timeouts (instrumented runs)
#   vm_excuses   array: problems on the console that are wanted (console.sh)
# Then:
#   vm_start / vm_stop         boot and wait for the guest's agent / end it
#   vm_kill / vm_boot          QEMU dies, its files stay / another QEMU on the same files
#   vm_run [-t S] COMMAND      run it in the guest, output to stdout, its status
#   vm_send COMMAND            the same, and nobody waits for its end: the guest may end before
#   vm_qmp COMMAND [ARGUMENTS] over QMP
#   vm_wait_boot [-t S]        after a reset: until the agent speaks again
#   vm_alive                   is QEMU running?
#   vm_console_check           problems on the console since the last check
# Files: $vm_dir (private), $vm_console, $vm_ram, $vm_table_file, $vm_qmp_daemon
# (a QMP socket for pagehintd), $vm_pid; all RAM files: the array vm_ram_files.
#
# A guest that is lost or does not answer in time is an error of its own, with
# status 199: nothing that it did may be taken for a result.

vm_lost=199

# shellcheck source=tests/vm/arch.sh
. "$top/tests/vm/arch.sh"
# shellcheck source=tests/vm/console.sh
. "$top/tests/vm/console.sh"
# shellcheck source=tests/vm/disks.sh
. "$top/tests/vm/disks.sh"

# What no run of a healthy kernel prints. An OOM kill prints a call trace: a
# workload that runs out of memory has to be made smaller, or says that it does.
vm_problems='BUG|WARNING:|Oops|[Ss]tall|lockup|Bad page|Call Trace|blocked for more than|general protection|Kernel panic|segfault|init: '

vm_defaults()
{
	vm_kernel=6.1-amd64
	vm_smp=2
	vm_mem=1024
	vm_cmdline=
	vm_accel="tcg,thread=multi"
	vm_disk=384
	vm_shared=no
	vm_nodes=1
	vm_table=0
	vm_reset="exit"
	vm_args=()
	vm_slowdown=1
	vm_boot_seconds=300
	vm_program=
	vm_excuses=()
	vm_swap=0
	vm_root=no
	vm_scratch=()
	vm_pid=
	vm_serial=0
}

# A directory for files as large as the guest's memory (sparse).
vm_make_dir()
{
	local where=/dev/shm need=$(((vm_mem + 256 + $(vm_scratch_size)) * 1024))

	if [ "$(df --output=avail -k $where | tail -n 1)" -lt "$need" ]; then
		where=${TMPDIR:-/tmp}
	fi
	vm_dir=$(mktemp -d -p "$where" pagehint-vm.XXXXXX)
	vm_console=$vm_dir/console
	vm_ram=$vm_dir/ram
	vm_table_file=$vm_dir/table
	vm_qmp_own=$vm_dir/qmp
	vm_qmp_daemon=$vm_dir/qmp-daemon
	: >"$vm_console"
	vm_console_seen=0
	mkfifo "$vm_dir/control.in" "$vm_dir/control.out"
	exec {vm_to}<>"$vm_dir/control.in" {vm_from}<>"$vm_dir/control.out"
	vm_partial=
}

# The disk's template holds stress-ng: made once, copied sparse for each guest.
vm_make_disk()
{
	local arch template lock
	arch=$(kernel_field "$vm_kernel" arch)
	template=$build/vm/disk-$arch-$vm_disk.img
	if [ ! -e "$template" ]; then
		mkdir -p "$build/vm"
		# Another guest may need it at the same time.
		exec {lock}>"$template.lock"
		flock "$lock"
		if [ ! -e "$template" ]; then
			truncate -s "${vm_disk}M" "$template.new"
			quiet mkfs.log mkfs.ext4 -q -d "$cache/tools/$arch" \
				-E lazy_itable_init=0 "$template.new"
			mv "$template.new" "$template"
		fi
		exec {lock}>&-
	fi
	cp --sparse=always "$template" "$vm_dir/disk"
}

# The guest's memory, in one piece or by nodes
vm_memory_options()
{
	local kind=memory-backend-ram size=$((vm_mem / vm_nodes)) node

	[ "$vm_shared" != yes ] || kind=memory-backend-file,share=on
	vm_ram_files=()
	if [ "$vm_nodes" = 1 ]; then
		vm_qemu+=(-machine "$vm_machine,memory-backend=ram")
		vm_backend "$kind" ram "$size" "$vm_ram"
		return
	fi
	vm_qemu+=(-machine "$vm_machine")
	for ((node = 0; node < vm_nodes; node++)); do
		vm_backend "$kind" "ram$node" "$size" "$vm_ram.$node"
		vm_qemu+=(-numa "node,cpus=$node,memdev=ram$node")
	done
}

# vm_backend KIND ID MIB FILE
vm_backend()
{
	local options=$1,id=$2,size=$3M

	if [ "$vm_shared" = yes ]; then
		options+=,mem-path=$4
		vm_ram_files+=("$4")
	fi
	vm_qemu+=(-object "$options")
}

# vm_set_machine: of the kernel's architecture
vm_set_machine()
{
	case $(kernel_field "$vm_kernel" arch) in
	amd64)
		vm_machine=pc
		vm_bus=pci
		vm_console_name=ttyS0
		;;
	s390x)
		vm_machine=s390-ccw-virtio
		vm_bus=ccw
		vm_console_name=ttysclp0
		# 7 to 165 seconds, as the host is busy
		vm_boot_seconds=400
		;;
	esac
}

# The QEMU to call, with its firmware: $vm_program, which may be SUITE:PROGRAM; or of
# amd64 our own, of others that of the table of kernels
vm_qemu_program()
{
	local program=$vm_program suite directory

	if [ -z "$program" ] && [[ $vm_kernel == *-amd64 ]]; then
		vm_qemu=("$("$top/tests/qemu/path" x86_64)") || die "no QEMU"
		vm_qemu+=(-L "$(dirname "${vm_qemu[0]}")/../share/qemu" -L /usr/share/seabios)
		return
	fi
	program=${program:-$(kernel_field "$vm_kernel" qemu)}
	suite=${program%%:*}
	if [ "$suite" = "$program" ]; then
		vm_qemu=("$program")
		return
	fi
	directory=$cache/qemu/$suite
	vm_qemu=("$directory/${program#*:}" -L "$directory/firmware" -L /usr/share/seabios)
}

# no_timer_check: a busy host without KVM may not deliver the timer in time, and
# the kernel would take that for broken hardware and stop.
vm_command_line()
{
	vm_set_machine
	vm_qemu_program
	vm_qemu+=(-nodefaults -no-user-config -display none
		-accel "$vm_accel" -cpu max -smp "$vm_smp"
		-m "${vm_mem}M"
		-kernel "$cache/kernels/$vm_kernel/vmlinuz" -initrd "$vm_initrd"
		-append "console=$vm_console_name loglevel=5 panic=1 oops=panic no_timer_check $vm_cmdline"
		-chardev "file,id=console,path=$vm_console,append=on" -serial chardev:console
		-qmp "unix:$vm_qmp_own,server=on,wait=off"
		-qmp "unix:$vm_qmp_daemon,server=on,wait=off"
		-device "virtio-serial-$vm_bus"
		-chardev "pipe,id=control,path=$vm_dir/control"
		-device "virtserialport,chardev=control,name=pagehint.control"
		-d cpu_reset -D "$vm_dir/resets")
	vm_memory_options
	[ "$vm_reset" = allow ] || vm_qemu+=(-no-reboot)
	if [ "$vm_disk" != 0 ]; then
		vm_make_disk
		vm_qemu+=(-drive "file=$vm_dir/disk,if=none,id=disk,format=raw,cache=unsafe"
			-device "virtio-blk-$vm_bus,drive=disk,serial=disk")
	fi
	if [ "$vm_swap" != 0 ]; then
		truncate -s "${vm_swap}M" "$vm_dir/swap"
		vm_qemu+=(-drive "file=$vm_dir/swap,if=none,id=swap,format=raw,cache=unsafe"
			-device "virtio-blk-$vm_bus,drive=swap")
	fi
	vm_named_disk_options
	if [ "$vm_table" != 0 ]; then
		truncate -s "$vm_table" "$vm_table_file"
		vm_qemu+=(-object "memory-backend-file,id=table,mem-path=$vm_table_file,size=$vm_table,share=on"
			-device "ivshmem-plain,memdev=table")
	fi
	vm_qemu+=("${vm_args[@]}")
}

vm_start()
{
	vm_make_dir
	vm_command_line
	vm_boot
}

# QEMU before 10.0.4 (10.0.2 is in Debian's backports) has a fault that has nothing to do
# with the guest: a CPU that does I/O while another one sets up PCI devices may use a map of
# the memory that is freed already. Mended by commit 2865bf1c5795 ("system/physmem: fix
# use-after-free with dispatch"). Met once in some thousand boots, in two forms: QEMU ends
# (vm_qemu_ended), or, as we conclude, the I/O goes elsewhere; if that was the end of an
# interrupt, the CPU's APIC holds back all others from then on (vm_eoi_lost).
vm_qemu_ended()
{
	! vm_alive && grep -q -F "iotlb_to_section: Assertion \`section_index <" "$vm_dir/qemu.log"
}

# vm_eoi_lost: reads what vm_where prints. In each of its looks a CPU is halted with
# interrupts on (bit 9 of RFL) and an interrupt in service: Linux halts in no handler.
vm_eoi_lost()
{
	awk '
		/^CPU#/ { cpu = substr($1, 5) + 0; apic = 0 }
		/HLT=/ { halted[cpu] = /RFL=.....[2367abef]../ && /HLT=1/ }
		/^ISR/ {
			if (halted[apic] && $2 ~ /^[0-9]+$/)
				lost[apic]++
			apic++
		}
		END { exit !(lost[0] == 3 || lost[1] == 3) }'
}

# Boots, and once more if QEMU broke before the guest's agent came up: nothing of ours
# has run then. After that, the same fault is a lost guest as any other.
vm_boot()
{
	local status=0

	vm_boot_once || status=$?
	[ $status -eq $vm_lost ] || return $status
	if vm_alive && vm_where | vm_eoi_lost; then
		vm_kill
	elif ! vm_qemu_ended; then
		return $status
	fi
	printf 'QEMU broke at boot (a fault of QEMU before 10.0.4): one more try\n' >&2
	# What the first one complained of on the console is no problem of the second.
	vm_console_seen=$(stat -c %s "$vm_console")
	vm_boot_once
}

vm_boot_once()
{
	local _

	# What an earlier QEMU did not take, or its guest said last
	vm_partial=
	vm_line=
	while IFS= read -r -t 0.1 -u "$vm_from" _; do :; done
	while IFS= read -r -t 0.1 -u "$vm_to" _; do :; done
	"${vm_qemu[@]}" >"$vm_dir/qemu.log" 2>&1 </dev/null 9>&- &
	vm_pid=$!
	vm_wait_boot
}

# The host's process dies, as by the OOM killer. What the guest wrote to its disk
# is in the host's page cache, and so on the disk that the next one finds.
vm_kill()
{
	kill -KILL "$vm_pid" 2>/dev/null || :
	wait "$vm_pid" 2>/dev/null || :
	# Not our child, in a case: the run reaps it.
	while kill -0 "$vm_pid" 2>/dev/null; do
		sleep 0.1
	done
	vm_pid=
}

vm_alive()
{
	[ -n "$vm_pid" ] && kill -0 "$vm_pid" 2>/dev/null
}

# Ends QEMU at once, and removes everything of this guest.
vm_stop()
{
	[ -n "${vm_dir:-}" ] || return 0
	[ -z "$vm_pid" ] || vm_kill
	exec {vm_to}>&- {vm_from}>&-
	rm -rf "$vm_dir"
	vm_dir=
}

# vm_where: what the CPUs do, three times, and whether their timers run; entry 0 of the
# IDT tells the kernel's base
vm_where()
{
	local command

	for _ in 1 2 3; do
		for command in "info registers -a" "info lapic 0" "info lapic 1" "x /4wx 0xfffffe0000000000"; do
			vm_qmp human-monitor-command "{\"command-line\": \"$command\"}" |
				sed 's/\\r\\n/\n/g' | grep -E '^CPU#|R[IS]P=|PSW=mask|fffffe0000000000:|LVTT|Timer|IRR|ISR'
		done || :
		sleep 1
	done
}

# vm_triple_fault: the guest's CPU could not even take the exception that its kernel would
# have complained about (amd64). Nothing is on the console then. Status 1 if it did not.
vm_triple_fault()
{
	[ -e "$vm_dir/resets" ] && grep -m 1 "Triple fault" "$vm_dir/resets"
}

# vm_give_up TEXT: says what is known about a lost guest
vm_give_up()
{
	{
		printf 'the guest is lost: %s\n' "$1"
		sed 's/^/  qemu: /' "$vm_dir/qemu.log"
		vm_triple_fault || :
		tail -n 40 "$vm_console" | tr -d '\r' | sed 's/^/  console: /'
		! vm_alive || vm_where | sed 's/^/  /'
	} >&2
	return $vm_lost
}

# vm_read_line DEADLINE: the next line of the agent, in vm_line
vm_read_line()
{
	local deadline=$1 piece

	while :; do
		if IFS= read -r -t 1 -u "$vm_from" piece; then
			vm_line=$vm_partial$piece
			vm_partial=
			return 0
		fi
		vm_partial+=$piece
		vm_alive || { vm_give_up "QEMU ended"; return; }
		[ "$SECONDS" -lt "$deadline" ] || { vm_give_up "no answer in time"; return; }
	done
}

vm_deadline()
{
	printf '%s' $((SECONDS + $1 * vm_slowdown))
}

vm_wait_boot()
{
	local seconds=$vm_boot_seconds deadline

	if [ "${1:-}" = -t ]; then
		seconds=$2
	fi
	deadline=$(vm_deadline "$seconds")
	until [[ ${vm_line:-} == boot\ * ]]; do
		vm_read_line "$deadline" || return
	done
	vm_line=
}

# What ends the guest, or lets it sleep, may do so before the agent has told of its end.
vm_send()
{
	vm_serial=$((vm_serial + 1))
	vm_line=
	printf 'run %s.%s %s\n' "$BASHPID" "$vm_serial" "$*" >&"$vm_to"
}

vm_run()
{
	local seconds=200 deadline

	if [ "$1" = -t ]; then
		seconds=$2
		shift 2
	fi
	deadline=$(vm_deadline "$seconds")
	vm_serial=$((vm_serial + 1))
	printf 'run %s.%s %s\n' "$BASHPID" "$vm_serial" "$*" >&"$vm_to"
	while :; do
		vm_read_line "$deadline" || return
		case $vm_line in
		"out $BASHPID.$vm_serial "*)
			printf '%s\n' "${vm_line#"out $BASHPID.$vm_serial "}" ;;
		"end $BASHPID.$vm_serial "*)
			return "${vm_line#"end $BASHPID.$vm_serial "}" ;;
		"boot "*)
			vm_give_up "it was reset"
			return ;;
		esac
	done
}

vm_qmp()
{
	"$build/tests/qmp" "$vm_qmp_own" "$@"
}

# Waits until the console has shown the end of the last command, so that what
# the kernel printed before it is there too.
vm_console_sync()
{
	local tries=1000 mark

	vm_run true || return
	mark="agent: end $BASHPID.$vm_serial "
	until tail -c "+$((vm_console_seen + 1))" "$vm_console" | grep -q -F "$mark"; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { vm_give_up "the console is stuck"; return; }
		sleep 0.1
	done
}

# Prints the problems with their context; status 1 if there are any.
vm_console_check()
{
	local new status=0
	new=$(tail -c "+$((vm_console_seen + 1))" "$vm_console" | tr -d '\r\0' |
		vm_console_excuse "${vm_excuses[@]}")
	vm_console_seen=$(stat -c %s "$vm_console")
	if grep -q -E "$vm_problems" <<<"$new"; then
		grep -E -B 3 -A 30 -m 3 "$vm_problems" <<<"$new" | sed 's/^/  console: /'
		status=1
	fi
	return $status
}
