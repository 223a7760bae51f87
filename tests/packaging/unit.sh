# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154 # what the sourcing script has
#
# Sourced by steps that run pagehintd as its unit would, without systemd: the
# command line, capabilities and limits are read from the unit. What it calls
# is recorded, and compared with what the unit's SystemCallFilter= lets through.

unit=$here/host/lib/systemd/system/pagehintd@.service
service_pid=

# unit_setting NAME: all its values
unit_setting()
{
	sed -n "s/^$1=//p" "$unit"
}

# service_start DIRECTORY OPTIONS: instance vm1, with DIRECTORY for /run/pagehintd
service_start()
{
	local command capabilities

	command=$(unit_setting ExecStart)
	command=${command//\/run\/pagehintd/$1}
	command=${command//%i/vm1}
	command=${command/\$OPTIONS/$2}
	capabilities=$(unit_setting CapabilityBoundingSet)
	capabilities=${capabilities//CAP_/}
	capabilities=${capabilities,,}
	mkdir -p "$1/vm1"
	service_control=$1/vm1/control
	daemon_log=$1/log
	[ "$(unit_setting LimitMEMLOCK)" = infinity ] || fail "the unit limits locked memory"
	# shellcheck disable=SC2086 # words, as systemd splits them
	setpriv --no-new-privs --inh-caps=-all \
		--bounding-set "-all,+${capabilities// /,+}" \
		strace -f -qq -o "$1/calls" $command >"$daemon_log" 2>&1 </dev/null 9>&- &
	service_pid=$!
}

service_alive()
{
	[ -n "$service_pid" ] && kill -0 "$service_pid" 2>/dev/null
}

# service_figure NAME: of its metrics, nothing when it is not there
service_figure()
{
	"$here/host/sbin/pagehintd" --status --control "$service_control" 2>/dev/null |
		awk -v name="$1" 'index($1, name) == 1 { print $2 }'
}

# As systemd stops it: SIGTERM to the first process (KillMode=mixed)
service_stop()
{
	local status=0

	pkill -TERM -P "$service_pid"
	wait "$service_pid" || status=$?
	service_pid=
	[ $status = 0 ] || fail "pagehintd ended with status $status: $(cat "$daemon_log")"
}

service_kill()
{
	service_alive || return 0
	pkill -KILL -P "$service_pid" || :
	kill -KILL "$service_pid" 2>/dev/null || :
}

# The system calls of a filter's sets
expand_calls()
{
	local word
	for word; do
		case $word in
		@*)	# shellcheck disable=SC2046 # words
			expand_calls $(systemd-analyze syscall-filter "$word" |
				sed '1d; s/#.*//') ;;
		*)	printf '%s\n' "$word" ;;
		esac
	done
}

# service_check_calls DIRECTORY: each call that was made is one that is allowed
service_check_calls()
{
	local line allowed=$1/allowed denied=$1/denied made=$1/made

	rm -f "$allowed" "$denied"
	touch "$allowed" "$denied"
	while read -r line; do
		# shellcheck disable=SC2086 # words
		case $line in
		~*)	expand_calls ${line#\~} >>"$denied" ;;
		*)	expand_calls $line >>"$allowed" ;;
		esac
	done < <(unit_setting SystemCallFilter)
	sed -n 's/^[0-9]* *\([a-z_0-9]*\)(.*/\1/p' "$1/calls" | sort -u >"$made"
	grep -q -x fallocate "$made" || fail "pagehintd dropped nothing that strace saw"
	comm -13 <(sort -u "$denied") <(sort -u "$allowed") >"$1/filter"
	grep -q -x fallocate "$1/filter" || fail "the filter of the unit cannot be expanded"
	line=$(comm -23 "$made" "$1/filter" | tr '\n' ' ')
	[ -z "$line" ] || fail "the unit's SystemCallFilter refuses what pagehintd calls: $line"
	printf '%s system calls of the %s allowed\n' "$(wc -l <"$made")" "$(wc -l <"$1/filter")"
}
