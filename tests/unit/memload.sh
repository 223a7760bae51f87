#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The memory load that other tests run in a guest (tests/guest/memload.c) comes to its
# end when it is told to, at any moment, with the verdict on what it has. Result lines
# as in test.h.
#
# shellcheck disable=SC2317,SC2329 # cases are called by name

# shellcheck source=tests/lib.sh
. "$(dirname "$0")/../lib.sh"
# shellcheck source=tests/unit/cases.sh
. "$top/tests/unit/cases.sh"

memload=$build/tests/unit/memload
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# ended_after PROCESSES SECONDS: told to end so long after its first line
ended_after()
{
	local pid status=0 processes=$1 verified

	mkfifo "$dir/said"
	"$memload" stress 6000 "$processes" 8 1 "$dir" >"$dir/said" 2>"$dir/errors" &
	pid=$!
	exec 3<"$dir/said"
	read -r -u 3
	rm "$dir/said"
	sleep "$2"
	kill -TERM $pid
	verified=$(timeout 60 grep -c ' [1-9][0-9]* rounds, .* 0 words wrong$' <&3) || status=$?
	exec 3<&-
	if [ $status = 124 ]; then
		problem "told to end after $2 s: went on"
		kill -KILL -- -$pid
	fi
	status=0
	wait $pid || status=$?
	[ $status = 0 ] || problem "told to end after $2 s: status $status"
	[ "$verified" = "$processes" ] ||
		problem "told to end after $2 s: $verified of $processes processes have a verdict"
	[ ! -s "$dir/errors" ] || problem "$(head -n 1 "$dir/errors")"
}

# Processes are made for longer than it takes to tell it.
told_at_its_start()
{
	for _ in 1 2 3 4 5; do
		ended_after 64 0
		[ -z "$problems" ] || break
	done
}

told_in_the_middle()
{
	ended_after 4 0.5
}

run_cases memload told_at_its_start told_in_the_middle
