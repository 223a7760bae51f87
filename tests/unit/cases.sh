# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced after tests/lib.sh by unit tests in shell: their cases are functions, called
# by name.

# problem TEXT...: the case has failed; the first text is its result
problem()
{
	printf '%s: %s\n' "$name" "$*" >&2
	[ -n "$problems" ] || problems="$*"
}

# After a case with problems; for the test to define anew
case_failed()
{
	:
}

# run_cases SUITE CASE...: result lines as in test.h; status 1 if one has failed
run_cases()
{
	local suite=$1 failed=0 start took result

	shift
	for name; do
		start=${EPOCHREALTIME/[.,]/}
		problems=
		"$name"
		result=pass
		if [ -n "$problems" ]; then
			result=fail
			failed=1
			case_failed
		fi
		took=$(((${EPOCHREALTIME/[.,]/} - start) / 1000))
		printf '%s\t%s\t%s\t%d.%03d\t%s\n' "$suite" "$name" $result $((took / 1000)) \
			$((took % 1000)) "$problems"
	done
	return $failed
}
