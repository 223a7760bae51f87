# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # what the sourcing script has
#
# Sourced after vm.sh: pagehintd for the running guest.

daemon_pid=
daemon_more=()	# options of more VMs, after those of the running guest

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
	"$program" --vm test --ram "${vm_ram_files[@]}" --table "$vm_table_file" --qmp "$vm_qmp_daemon" \
		--reset=qmp --control "$daemon_control" "$@" \
		"${daemon_more[@]}" >>"$daemon_log" 2>&1 </dev/null &
	daemon_pid=$!
}

# The test build, whose supervisor waits longer: a worker that gets no CPU for a second while
# it has a range busy is rightly replaced, but a case may be about those that hang for ever.
daemon_start_patient()
{
	PAGEHINTD_TEST_BUSY_MS=30000 daemon_start --program "$build/host/pagehintd-test" "$@"
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

# daemon_figure NAME [VM]: one of them, the sum of all VMs or that of one
daemon_figure()
{
	daemon_state | awk -v name="$1" -v vm="${2:-}" '
		{ plain = $1; sub(/[{].*/, "", plain) }
		plain == name && (!vm || index($1, "{vm=\"" vm "\"")) { sum += $2; found = 1 }
		END { if (!found) exit 1; printf "%d\n", sum }'
}

# daemon_stop: as a service manager would; its exit status
daemon_stop()
{
	local status=0

	kill -TERM "$daemon_pid"
	pid_gone "$daemon_pid" 100 || { echo "pagehintd does not end on SIGTERM"; return 1; }
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

# Its worker (of the first VM), in daemon_worker; status 1 if there is none now
daemon_find_worker()
{
	daemon_worker=$(pgrep -P "$daemon_pid" | head -n 1)
	[ -n "$daemon_worker" ]
}

# pid_state PID LETTER: is it in that state (T: stopped)?
pid_state()
{
	[ "$(ps -o stat= -p "$1" | cut -c 1)" = "$2" ]
}

# Supervisor and worker at once, so that nobody is left to give claims back.
# Their end releases the locks; before, the next daemon refuses.
daemon_kill_all()
{
	kill -KILL "$daemon_pid" "$daemon_worker" 2>/dev/null || :
	wait "$daemon_pid" 2>/dev/null || :
	pid_gone "$daemon_worker" 100 || { echo "worker $daemon_worker does not end"; return 1; }
	daemon_pid=
}
