# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # what the sourcing script has
#
# Sourced: a machine with the device s390-essa, its console and its QMP, for scripts
# that answer what the guest asks for line by line. For guests with Linux there is
# tests/vm/vm.sh.

machine_path=/machine/peripheral/essa

# machine_start DIRECTORY [-device properties] ARGUMENT...: a QEMU with QMP on our pipes
machine_start()
{
	local directory=$1 properties=$2
	shift 2

	mkfifo "$directory/console.in" "$directory/console.out"
	exec {machine_console}<>"$directory/console.out"
	coproc MACHINE {
		exec "$("$top/tests/qemu/path" s390x)" -M s390-ccw-virtio -cpu max -nodefaults \
			-no-user-config -display none -device "s390-essa,id=essa$properties" \
			-chardev "pipe,id=console,path=$directory/console" -serial chardev:console \
			-qmp stdio "$@" 2>"$directory/qemu.log"
	}
	# shellcheck disable=SC2153 # of coproc
	machine_pid=$MACHINE_PID
	# Those of a coproc are closed in subshells.
	exec {machine_from}<&"${MACHINE[0]}" {machine_to}>&"${MACHINE[1]}"
	machine_answer >/dev/null && qmp '{"execute": "qmp_capabilities"}' >/dev/null
}

machine_stop()
{
	[ -n "${machine_pid:-}" ] || return 0
	kill -KILL "$machine_pid" 2>/dev/null || :
	wait "$machine_pid" 2>/dev/null || :
	machine_pid=
	[ -z "${machine_from:-}" ] || exec {machine_from}<&- {machine_to}>&-
	machine_from=
}

# The next answer, not an event; status 1 if it is an error or none comes
machine_answer()
{
	local line

	while IFS= read -r -t 30 -u "$machine_from" line; do
		case $line in
		*'"QMP"'* | *'"return"'*)
			printf '%s\n' "$line"
			return 0 ;;
		*'"error"'*)
			printf '%s\n' "$line"
			return 1 ;;
		esac
	done
	echo "no answer from QEMU"
	return 1
}

# qmp JSON: one command, its answer
qmp()
{
	printf '%s\n' "$1" >&"$machine_to"
	machine_answer
}

# essa_set PROPERTY VALUE, as in JSON
essa_set()
{
	qmp "{\"execute\": \"qom-set\", \"arguments\": {\"path\": \"$machine_path\", \"property\": \"$1\", \"value\": $2}}"
}

# essa_statistics: a line `KEY NUMBER` each
essa_statistics()
{
	qmp "{\"execute\": \"qom-get\", \"arguments\": {\"path\": \"$machine_path\", \"property\": \"statistics\"}}" |
		grep -o '"[a-zA-Z-]*": [0-9]*' | tr -d '":'
}
