# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
#
# Sourced after debian.sh: programs out of Debian packages with what they are
# linked with, and nothing else.

# packages_needed NOT_WANTED PACKAGE...: these and their dependencies, breadth
# first; NOT_WANTED is a regular expression
packages_needed()
{
	local not_wanted=$1 seen=' ' queue package dependency
	shift
	queue=("$@")

	while [ ${#queue[@]} -gt 0 ]; do
		package=${queue[0]}
		queue=("${queue[@]:1}")
		[[ $seen != *" $package "* ]] || continue
		seen+="$package "
		printf '%s\n' "$package"
		for dependency in $(debian_depends "$package"); do
			[[ $dependency =~ $not_wanted ]] || queue+=("$dependency")
		done
	done
}

needed_libraries()
{
	readelf -d "$1" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'
}

# keep TREE NEW FILE: copy an ELF file and what it is linked with
keep()
{
	local tree=$1 new=$2 file=$3 library found

	[ ! -e "$new/$file" ] || return 0
	mkdir -p "$new/$(dirname "$file")"
	cp "$tree/$file" "$new/$file"
	for library in $(needed_libraries "$tree/$file"); do
		found=$(cd "$tree" && find . -name "$library" -print -quit)
		[ -n "$found" ] ||
			die "$file needs $library, which none of its packages holds"
		keep "$tree" "$new" "${found#./}"
	done
}

# keep_loader TREE NEW FILE: copy the loader that an ELF program asks for
keep_loader()
{
	local interpreter
	interpreter=$(readelf -l "$1/$3" | sed -n 's/.*interpreter: \/\(.*\)\]/\1/p')
	mkdir -p "$2/$(dirname "$interpreter")"
	cp -L "$1/$interpreter" "$2/$interpreter"
}
