# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2154,SC2034 # shared with other scripts
#
# Sourced by the parts of the bench: a guest, pagehintd, figures, requirements.
# A part prints `name value unit` lines on stdout and progress on stderr. It
# ends with status 1 if a requirement is not met, after all its figures.

# shellcheck source=tests/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/../tests/lib.sh"
# shellcheck source=tests/vm/vm.sh
. "$top/tests/vm/vm.sh"
# shellcheck source=tests/vm/daemon.sh
. "$top/tests/vm/daemon.sh"

bench_kernel=6.1-amd64
bench_failures=0

# One part at a time, and no tests beside it: it wants the machine for itself.
bench_lock()
{
	exec 9>"$build/vm.lock"
	flock -n 9 || { step "waiting for a run of tests or benches"; flock 9; }
}

# figure NAME VALUE UNIT
figure()
{
	printf '%s %s %s\n' "$1" "$2" "$3"
}

# require TEXT LEFT OPERATOR RIGHT: decimal numbers; TEXT says what was expected
require()
{
	local text=$1

	if ! awk -v left="$2" -v operator="$3" -v right="$4" 'BEGIN {
		if (left !~ /^-?[0-9.]+$/ || right !~ /^-?[0-9.]+$/)
			exit 1
		exit !(operator == "<=" ? left + 0 <= right + 0 : left + 0 >= right + 0) }'
	then
		printf '%s: REQUIREMENT NOT MET: %s: expected %s %s, found %s\n' \
			"${0##*/}" "$text" "$3" "$4" "$2" >&2
		bench_failures=$((bench_failures + 1))
	fi
}

# calculate EXPRESSION [FORMAT]: of awk
calculate()
{
	awk "BEGIN { printf \"${2:-%.2f}\", $1 }"
}

epoch_seconds()
{
	printf '%s' "${EPOCHREALTIME/,/.}"
}

# in_guest SECONDS WHAT COMMAND: a step that must succeed
in_guest()
{
	local seconds=$1 what=$2 output

	shift 2
	output=$(vm_run -t "$seconds" "$@" 2>&1) ||
		die "the guest failed to $what: $* said: $output"
}

# What the RAM file takes on the host, in KiB
ram_kib()
{
	local blocks

	blocks=$(stat -c %b "$vm_ram")
	printf '%s' $((blocks / 2))
}

# Ends when the memory has not moved by more than 1 MiB for so many seconds.
wait_until_quiet()
{
	local seconds=$1 limit=$((SECONDS + 60)) from now quiet=0

	from=$(ram_kib)
	while [ $quiet -lt $((seconds * 5)) ] && [ $SECONDS -lt $limit ]; do
		sleep 0.2
		now=$(ram_kib)
		if [ $((now - from)) -gt 1024 ] || [ $((from - now)) -gt 1024 ]; then
			from=$now
			quiet=0
		else
			quiet=$((quiet + 1))
		fi
	done
}

# guest_load_module PARAMETER...: load the module and wait until the host has the lease
guest_load_module()
{
	local tries=300

	vm_run -t 120 "modctl load /modules/pagehint.ko $*" >&2 ||
		die "the guest refused the module"
	until daemon_state 2>/dev/null | grep -q '^pagehintd_lease{.*"in_force"} 1$'; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || { cat "$daemon_log" >&2; die "no lease within 30 s"; }
		daemon_alive || { cat "$daemon_log" >&2; die "pagehintd ended"; }
		sleep 0.1
	done
}

# The process that drops
daemon_worker()
{
	local children

	children=$(cat "/proc/$daemon_pid/task/$daemon_pid/children")
	printf '%s' "${children%% *}"
}

# All processes of the daemon together: nanoseconds of CPU time
daemon_cpu_ns()
{
	local children pid sum=0 ns rest

	children=$(cat "/proc/$daemon_pid/task/$daemon_pid/children")
	for pid in $daemon_pid $children; do
		read -r ns rest <"/proc/$pid/schedstat"
		sum=$((sum + ns))
	done
	printf '%s' "$sum"
}

bench_cleanup()
{
	daemon_kill
	vm_stop
}

bench_end()
{
	[ $bench_failures = 0 ] || die "$bench_failures requirements not met, see above"
}

# lines_to_tsv FILE: passes `name value unit` lines on, writes them to FILE with
# tabs; status 1 if a line is none or a name comes twice
lines_to_tsv()
{
	awk -v file="$1" '
		BEGIN { printf "" >file }
		NF != 3 || $1 !~ /^[a-z][a-z0-9_]*$/ || $2 !~ /^(-?[0-9]+([.][0-9]+)?|never)$/ {
			printf "bench: expected a line `name value unit`, found: %s\n", $0 >"/dev/stderr"
			bad = 1
			next
		}
		seen[$1]++ {
			printf "bench: a second figure is called %s: %s\n", $1, $0 >"/dev/stderr"
			bad = 1
			next
		}
		{ print; fflush(); print $1 "\t" $2 "\t" $3 >file }
		END { exit bad }'
}
