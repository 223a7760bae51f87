#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# userspace-load.sh compile|link once|SECONDS
#
# What the case userspace runs in its root on ext4, with the shell and the programs that
# are there: a compiler that compiles Lua, over and over, or, where that takes too long, a
# linker that links a small program; and servers, which wait most of the time. `once`: one
# round, and no server.
#
# Says the checksum of everything that was made, and what the programs that were made
# answered. All of it depends on the sources alone: each line of a longer run is one of
# `once`.
#
# What programs have mapped while they make something is used all the time on a fast machine.
# So each server also has part of a large file mapped, of which it reads every page when it is
# asked: between two questions these pages are idle, on any machine.

set -eu

what=$1
seconds=$2
built=/built
# Larger than the servers' parts, on each architecture
file=$(echo /usr/lib/gcc/*/12/cc1)

# A program that answers each line, the number of a part of the file that it is given, with a
# number that depends on every page of that part
write_program()
{
	mkdir -p /program
	cat >/program/main.c <<-'END'
		#include <fcntl.h>
		#include <stdio.h>
		#include <stdlib.h>
		#include <sys/mman.h>

		#define PART_SIZE (1UL << 20)

		unsigned long answer(unsigned long question, const unsigned char *part, unsigned long size);

		int main(int argc, char **argv)
		{
			int fd = argc > 1 ? open(argv[1], O_RDONLY) : -1;
			char line[64];

			while (fgets(line, sizeof(line), stdin)) {
				static const unsigned char *part = MAP_FAILED;
				unsigned long question = strtoul(line, NULL, 10);

				if (part == MAP_FAILED)
					part = mmap(NULL, PART_SIZE, PROT_READ, MAP_SHARED, fd,
						    (off_t)(question * PART_SIZE));
				if (part == MAP_FAILED) {
					perror("mmap");
					return 1;
				}
				printf("answer %lu: %lu\n", question, answer(question, part, PART_SIZE));
				fflush(stdout);
			}
			return 0;
		}
	END
	cat >/program/answer.c <<-'END'
		#include <stdlib.h>

		static int compare(const void *a, const void *b)
		{
			unsigned long x = *(const unsigned long *)a, y = *(const unsigned long *)b;

			return (x > y) - (x < y);
		}

		unsigned long answer(unsigned long question, const unsigned char *part, unsigned long size)
		{
			static unsigned long numbers[512];
			unsigned long sum = 0;

			for (unsigned long i = 0; i < size; i += 16)
				sum = sum * 31 + part[i];

			for (unsigned long i = 0; i < 512; i++)
				numbers[i] = (question += 12345 * question + i) % 1000003;
			qsort(numbers, 512, sizeof(numbers[0]), compare);
			for (unsigned long i = 0; i < 512; i++)
				sum = sum * 31 + numbers[i];
			return sum;
		}
	END
	(cd /program && gcc -O0 -c main.c && gcc -O0 -c answer.c)
	link_program /program/server
}

# link_program FILE
link_program()
{
	rm -f "$1"
	gcc -fno-use-linker-plugin -o "$1" /program/main.o /program/answer.o
	md5sum "$1"
	for question in 0 1 2; do
		echo $question | "$1" "$file"
	done
}

time_left()
{
	[ "$seconds" = once ] || [ "$(date +%s)" -lt "$end" ]
}

# make_some TARGET...
make_some()
{
	make -s -j2 -f /source/compile.mk OUT=$built "$@"
	md5sum "$@"
}

# All of Lua, or as much as there is time for
compile()
{
	local source name

	rm -rf $built
	mkdir $built
	set --
	for source in /source/src/*.c; do
		name=${source##*/}
		[ "$name" != luac.c ] || continue
		set -- "$@" "$built/${name%.c}.o"
		[ $# -ge 4 ] || continue
		make_some "$@"
		set --
		time_left || return 0
	done
	make_some "$@" $built/lua
	$built/lua -e 'local s = 0 for i = 1, 10000 do s = s + i end print("lua", s)'
}

round()
{
	case $what in
	compile) compile ;;
	link)	link_program $built/program ;;
	esac
}

# server PERIOD PART: is asked now and then, and is idle in between, as is who asks. It
# has a file of its own for its answers: the linker says a line in several pieces, and an
# answer in between would make two lines of it that nobody has said.
server()
{
	while [ -e /tmp/load.on ]; do
		sleep "$1"
		echo "$2"
	done | /program/server "$file" >"/tmp/answers.$2" 2>&1
}

if [ "$seconds" = once ]; then
	mkdir $built
	write_program
	round
	exit
fi

end=$(($(date +%s) + seconds))
: >/tmp/load.on
servers=
part=0
for period in 1 2 5; do
	server $period $part &
	servers="$servers $!"
	part=$((part + 1))
done
while time_left; do
	round
done
rm /tmp/load.on
failed=0
for pid in $servers; do
	wait "$pid" || failed=1
done
cat /tmp/answers.*
exit $failed
