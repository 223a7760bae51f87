#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
#
# The way of figures from the bench into README.md: what bench/run takes for a
# figure, what bench/readme makes of them in a tree of its own, and that
# README.md of this tree is what it made. Result lines as in test.h.
#
# shellcheck disable=SC2317 # cases are called by name

# shellcheck source=bench/lib.sh
. "$(dirname "$0")/../../bench/lib.sh"
# shellcheck source=tests/unit/cases.sh
. "$top/tests/unit/cases.sh"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
tree=$dir/tree
output=$dir/output

# succeeds COMMAND... / fails TEXT COMMAND...: with a message that has TEXT
succeeds()
{
	"$@" >"$output" 2>&1 || problem "failed: $*: $(tail -n 1 "$output")"
}

fails()
{
	local text=$1

	shift
	if "$@" >"$output" 2>&1; then
		problem "succeeded, expected '$text': $*"
	else
		grep -q -F -e "$text" "$output" ||
			problem "expected '$text', found: $(tail -n 1 "$output")"
	fi
}

# A tree with results and a README.md that has never seen any
make_tree()
{
	local scenario who figure

	rm -rf "$tree"
	mkdir -p "$tree/build" "$tree/docs"
	{
		printf '# kernel\t6.1.0-test\n# qemu\t10.0\n# accel\ttcg\n# date\t2026-11-21\n'
		printf '# cpus\t2 x test\n# host\t6.18\n'
		for scenario in unfragmented fragmented stopped; do
			for who in pagehint reporting nothing; do
				for figure in freed returned 95_percent; do
					printf 'return_%s_%s_%s\t12.5\tMiB\n' "$scenario" "$who" "$figure"
				done
			done
		done
		sed -n "/^[a-z]*_texts=/,/^'/s/^\([a-z][a-z0-9_]*\) .*/\1\t0.25\ts/p" "$top/bench/readme"
		printf 'something_new\t-3\twidgets\n'
	} | sed "/_fragmented_nothing_95/s/12.5/never/" >"$tree/build/bench.tsv"
	printf 'panel\tA\nseries\ta\tb\n0\t1\t\n1\t\t2\npanel\tB\n0\t3\t4\n1\t3\t4\n' \
		>"$tree/build/bench-curves.tsv"
	{
		printf '# A heading\n\n'
		sed -n "/^begin='/s/^begin='\(.*\)'$/\1/p; /^end='/s/^end='\(.*\)'$/\1/p" \
			"$top/bench/readme"
		printf '\nthe rest & all \\ of it\n'
	} >"$tree/README.md"
}

edit()
{
	sed -i "$1" "$tree/$2"
}

takes_figures()
{
	printf 'a 1 s\nb_2 -0.5 %%\nc never MiB\n' >"$dir/lines"
	succeeds lines_to_tsv "$dir/tsv" <"$dir/lines"
	cmp -s "$output" "$dir/lines" || problem "the lines are not passed on as they are"
	tr '\t' ' ' <"$dir/tsv" | cmp -s - "$dir/lines" || problem "the table is not the lines"
}

refuses_other_lines()
{
	local line

	for line in 'a 1' 'a 1 s s' 'a x s' 'A 1 s' 'a 1. s' 'a 1e3 s' ''; do
		fails 'expected a line' lines_to_tsv "$dir/tsv" <<<"$line"
	done
	fails 'a second figure' lines_to_tsv "$dir/tsv" <<<$'a 1 s\na 2 s'
}

requirements()
{
	bench_failures=0
	require "fine" 95 ">=" 95 2>"$output"
	require "fine" 1.9 "<=" 2.00 2>"$output"
	[ "$bench_failures" = 0 ] || problem "a requirement that is met is not"
	require "percent" 94.9 ">=" 95 2>"$output"
	grep -q 'percent: expected >= 95, found 94.9' "$output" || problem "no reason given"
	require "late" 2.01 "<=" 2.00 2>"$output"
	require "not at all" never "<=" 2.00 2>"$output"
	require "nothing" "" ">=" 0 2>"$output"
	[ "$bench_failures" = 4 ] || problem "$bench_failures of 4 requirements not met"
}

writes_and_checks()
{
	make_tree
	succeeds "$top/bench/readme" "$tree"
	grep -q -x -F '| a file is removed | 12 of 12.5 MiB, 95 % after 12.5 s | 12 of 12.5 MiB, 95 % after 12.5 s | 12 of 12.5 MiB, 95 % after 12.5 s |' \
		"$tree/README.md" || problem "the row of the first scenario is not there"
	[ "$(grep -c 'never' "$tree/README.md")" = 0 ] || problem "never is a time"
	grep -q -x -F "| every other 64 KiB of 250 MiB is freed | 12 of 12.5 MiB, 95 % after 12.5 s | 12 of 12.5 MiB, 95 % after 12.5 s | 12 of 12.5 MiB |" \
		"$tree/README.md" || problem "the row of the second scenario is not there"
	grep -q -x -F '| ... and for each GiB of it | 0.25 s |' "$tree/README.md" ||
		problem "the row of a cost is not there"
	! grep -q 'something_new' "$tree/README.md" || problem "a figure without a text"
	grep -q -x -F 'the rest & all \ of it' "$tree/README.md" || problem "the rest has changed"
	cmp -s "$tree/build/bench.tsv" "$tree/docs/bench.tsv" || problem "docs/bench.tsv"
	[ "$(grep -c '<path' "$tree/docs/bench.svg")" -ge 4 ] || problem "a picture of two panels"
	succeeds "$top/bench/readme" --check "$tree"
	cp "$tree/README.md" "$dir/first"
	succeeds "$top/bench/readme" "$tree"
	cmp -s "$tree/README.md" "$dir/first" || problem "the second time is not the first"
}

sees_edits()
{
	make_tree
	succeeds "$top/bench/readme" "$tree"
	edit 's/95 % after 12.5 s/95 % after 1.5 s/' README.md
	fails 'run bench/readme' "$top/bench/readme" --check "$tree"
	succeeds "$top/bench/readme" "$tree"
	edit 's/0\.25/0.24/' docs/bench.tsv
	fails 'run bench/readme' "$top/bench/readme" --check "$tree"
	succeeds "$top/bench/readme" "$tree"
	edit 's/stroke-width="2"/stroke-width="3"/' docs/bench.svg
	fails 'run bench/readme' "$top/bench/readme" --check "$tree"
}

refuses_and_leaves()
{
	make_tree
	cp "$tree/README.md" "$dir/first"
	edit '/return_stopped_nothing_freed/d' build/bench.tsv
	fails 'no figure return_stopped_nothing_freed' "$top/bench/readme" "$tree"
	cmp -s "$tree/README.md" "$dir/first" || problem "README.md was changed"
	[ ! -e "$tree/docs/bench.tsv" ] || problem "docs/bench.tsv was written"
	make_tree
	edit '/daemon_idle_1tib/d' build/bench.tsv
	fails 'no figure daemon_idle_1tib' "$top/bench/readme" "$tree"
	make_tree
	edit '/^# date/d' build/bench.tsv
	fails 'does not say its date' "$top/bench/readme" "$tree"
	make_tree
	printf '# failed\treturn\n' >>"$tree/build/bench.tsv"
	fails 'of a run that failed: return' "$top/bench/readme" "$tree"
	make_tree
	edit '/bench: end/d' README.md
	fails 'expected once each' "$top/bench/readme" "$tree"
	make_tree
	rm "$tree/build/bench.tsv"
	fails 'make bench first' "$top/bench/readme" "$tree"
}

this_tree()
{
	succeeds "$top/bench/readme" --check
}

run_cases bench_readme takes_figures refuses_other_lines requirements writes_and_checks \
	sees_edits refuses_and_leaves this_tree
