# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced by the scripts that an administrator runs. They need nothing of tests/
# and write nothing below the source tree.

set -euo pipefail

# shellcheck disable=SC2034 # for the scripts that source this file
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# A message is one sentence: what was expected, what was found, what to do.
die()
{
	printf 'pagehint: %s\n' "$*" >&2
	exit 1
}

# The first of the FILES that can be executed
first_program()
{
	local file
	for file; do
		if [ -f "$file" ] && [ -x "$file" ]; then
			printf '%s\n' "$file"
			return
		fi
	done
	return 1
}
