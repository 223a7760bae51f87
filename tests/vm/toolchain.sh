# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced after debian.sh: a kernel's own tools, and the compiler of its suite, for a
# machine whose C library is older than theirs. Nothing is installed and no root is
# changed to: in the place of each program comes a script that has the suite's loader
# run it with the suite's libraries.

declare -A closure_seen

# debian_closure PACKAGE...: these and all that they need
debian_closure()
{
	local package

	for package; do
		[ -z "${closure_seen[$package]:-}" ] || continue
		closure_seen[$package]=1
		printf '%s\n' "$package"
		# shellcheck disable=SC2046 # one word a package
		debian_closure $(debian_depends "$package")
	done
}

# programs_below DIRECTORY...: those that want a loader
programs_below()
{
	local file

	find "$@" -type f -perm -u+x | while read -r file; do
		! readelf -lW "$file" 2>/dev/null | grep -q 'Requesting program interpreter' ||
			printf '%s\n' "$file"
	done
}

# needs_toolchain TREE: does a tool of its headers not run with the libraries here?
needs_toolchain()
{
	[[ $(programs_below "$1/usr/lib" | xargs -r ldd 2>&1) == *"version "*" not found"* ]]
}

# loaded_by LOADER LIBRARIES: for programs named on standard input. They are told the
# name that was called: gcc finds its parts by it, objtool calls itself.
loaded_by()
{
	local program directory

	while read -r program; do
		directory=$(dirname "$program")
		mv "$program" "$program.elf"
		cat >"$program" <<-SCRIPT
			#!/bin/sh
			here=\${0%/*}
			exec "\$here/$(realpath --relative-to "$directory" "$1")" --library-path \\
				"\$here/$(realpath --relative-to "$directory" "$2")" \\
				--argv0 "\$0" "\$here/${program##*/}.elf" "\$@"
		SCRIPT
		chmod +x "$program"
	done
}

# add_toolchain TREE PACKAGE...: what the headers packages are built with, in
# TREE/toolchain; its directory usr/bin is to be in PATH (tests/vm/build-module)
add_toolchain()
{
	local tree=$1 root=$1/toolchain wanted package assembler
	shift

	wanted=$(for package; do debian_depends "$package"; done | grep -E '^(gcc-|lib)' | sort -u)
	# shellcheck disable=SC2046,SC2086 # one word a package
	debian_unpack "$root" $(debian_closure $wanted)
	rm -rf "${root:?}/usr/share" "${root:?}/etc"
	for assembler in "$root/usr/bin"/*-linux-gnu-as; do
		ln -s "${assembler##*/}" "$root/usr/bin/as"
	done
	programs_below "$root/usr/bin" "$root/usr/libexec" "$tree/usr/lib" |
		loaded_by "$root/usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2" \
			"$root/usr/lib/x86_64-linux-gnu"
}
