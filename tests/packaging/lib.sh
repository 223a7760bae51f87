# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash disable=SC2034,SC2154 # shared with what sources it
#
# Sourced by the steps of the suite packaging, after tests/lib.sh: an
# administrator's machine below build/packaging. DKMS gets trees of its own, so
# that nothing of a test is left on the machine that runs it.

kernel=6.1-amd64
other_kernel=6.16.0-0-fake	# outside the supported range
next_kernel=6.1.0-999-amd64	# inside, another ABI
release=$(cat "$cache/kernels/$kernel/release")
headers=$cache/kernels/$kernel/headers
here=$build/packaging
root=$here/root
installed=$root/lib/modules/$release/updates/dkms/pagehint.ko

PATH=$cache/dkms/usr/sbin:$PATH
# Read by dkms as if from /etc/dkms/framework.conf
export sign_file=$headers/scripts/sign-file
export mok_signing_key=$root/var/lib/dkms/mok.key
export mok_certificate=$root/var/lib/dkms/mok.pub
export TMPDIR=$here/tmp

dkms_flags=(--dkmstree "$root/var/lib/dkms" --sourcetree "$root/usr/src"
	--installtree "$root/lib/modules" --no-depmod)

fail()
{
	echo "FAIL: $*" >&2
	exit 1
}

# make_target TARGET [VARIABLE=VALUE...]: as an administrator would call it
make_target()
{
	env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make --no-print-directory -C "$top" "$@"
}

# dkms_target TARGET KERNEL HEADERS
dkms_target()
{
	make_target "$1" KVER="$2" DKMSFLAGS="${dkms_flags[*]} --kernelsourcedir $3"
}

# expect_sentence PATTERN COMMAND...: the command fails, and says why in one
# line of ours: what was expected, what was found, what to do.
expect_sentence()
{
	local pattern=$1 output
	shift

	if output=$("$@" 2>&1); then
		fail "expected a failure: $*: $output"
	fi
	output=$(grep -a '^pagehint' <<<"$output") || fail "no sentence of ours: $*"
	[ "$(wc -l <<<"$output")" = 1 ] || fail "more than one sentence: $*: $output"
	[[ $output =~ ^pagehint[^:]*:\ expected\ .*,\ found\ .*:\ .* ]] ||
		fail "not of the form expected, found, what to do: $output"
	grep -q -E "$pattern" <<<"$output" || fail "expected a sentence with '$pattern', found: $output"
	printf '  said: %s\n' "$output"
}

# The version that everything of this tree must have
conf_version()
{
	sed -n 's/^PACKAGE_VERSION="\(.*\)"$/\1/p' "$top/dkms.conf"
}
