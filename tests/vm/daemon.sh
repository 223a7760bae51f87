# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # what the sourcing script has
#
# Sourced after vm.sh: pagehintd for the running guest.

daemon_pid=

# daemon_start [--program FILE] OPTION...: on the guest's memory and table
daemon_start()
{
	local program=$build/host/pagehintd

	if [ "${1:-}" = --program ]; then
		program=$2
		shift 2
	fi
	daemon_log=$vm_dir/daemon.log
	daemon_control=$vm_dir/daemon.control
	"$program" --vm test --ram "$vm_ram" --table "$vm_table_file" --qmp "$vm_qmp_daemon" \
		--reset=qmp --control "$daemon_control" "$@" >>"$daemon_log" 2>&1 </dev/null &
	daemon_pid=$!
}

daemon_alive()
{
	[ -n "$daemon_pid" ] && kill -0 "$daemon_pid" 2>/dev/null
}

# daemon_state: all its figures
daemon_state()
{
	"$build/host/pagehintd" --status --control "$daemon_control"
}

# daemon_figure NAME: one of them, 0 when it is not there
daemon_figure()
{
	daemon_state | awk -v name="$1" '
		{ plain = $1; sub(/[{].*/, "", plain) }
		plain == name { sum += $2; found = 1 }
		END { if (!found) exit 1; printf "%d\n", sum }'
}

# daemon_stop: as a service manager would; its exit status
daemon_stop()
{
	local status=0

	kill -TERM "$daemon_pid"
	pid_gone "$daemon_pid" 15 || { echo "pagehintd does not end on SIGTERM"; return 1; }
	wait "$daemon_pid" || status=$?
	daemon_pid=
	return $status
}

# pid_gone PID SECONDS: wait for its end
pid_gone()
{
	local tries=$(($2 * 10))

	while kill -0 "$1" 2>/dev/null; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

daemon_kill()
{
	[ -z "$daemon_pid" ] || kill -KILL "$daemon_pid" 2>/dev/null || :
	daemon_pid=
}
