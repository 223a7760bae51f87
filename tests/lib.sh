# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by every script below tests/: where things are, how progress and
# errors are printed. Sets the strict mode.

set -euo pipefail

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=$top/build
cache=${PAGEHINT_CACHE:-$build/cache}
results=$build/results
# shellcheck disable=SC2034 # used by the scripts that source this file
kernels_table=$top/tests/vm/kernels

mkdir -p "$build/log" "$cache" "$results"

# step TEXT: one line of progress
step()
{
	printf '  %s\n' "$*" >&2
}

die()
{
	printf '%s: %s\n' "${0##*/}" "$*" >&2
	exit 1
}

# quiet LOG COMMAND...: run with the output in build/log/LOG, shown on failure
quiet()
{
	local log=$build/log/$1
	shift
	if ! "$@" >"$log" 2>&1; then
		printf '%s: failed: %s\n' "${0##*/}" "$*" >&2
		printf '%s: the last lines of %s:\n' "${0##*/}" "$log" >&2
		tail -n 30 "$log" >&2
		return 1
	fi
}

# kernel_field NAME FIELD: a column of the table of kernels
kernel_field()
{
	local column
	case $2 in
	arch)	 column=2 ;;
	suite)	 column=3 ;;
	image)	 column=4 ;;
	headers) column=5 ;;
	qemu)	 column=6 ;;
	*)	 die "kernel_field: no field '$2'" ;;
	esac
	awk -v name="$1" -v column="$column" '
		$1 == name { print $column; found = 1 }
		END { exit !found }' "$kernels_table" ||
		die "no kernel '$1' in ${kernels_table#"$top/"}; known: $(kernel_names)"
}

kernel_names()
{
	awk '!/^#/ && NF { printf "%s%s", sep, $1; sep = " " }' "$kernels_table"
}
