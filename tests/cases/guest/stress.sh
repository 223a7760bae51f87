# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154 # the variables of lib.sh
#
# stress.sh: every way into and out of the page allocator at once, with
# verified contents. Sourced by the cases that put it under a hostile host.
#
#   stress_run SECONDS MIB	sets stress_text; fails on any wrong word
#
# MIB is for memload; the rest takes about 200 MiB more.

background=

# In the background until the mark /tmp/stress.on is gone
until_off()
{
	while [ -e /tmp/stress.on ]; do
		"$@" || :
	done &
	background="$background $!"
}

compact()
{
	echo 1 >/proc/sys/vm/compact_memory
	sleep 0.3
}

# Not so often that it takes nothing
come_and_go()
{
	sleep 3
	host_goes_away
}

# Huge pages of the pool: filled by nobody, but taken from and given back to
# the allocator as compound pages, with compaction and isolation on the way.
huge_pages()
{
	# A CPU may have none (s390x without EDAT, as emulated).
	echo 12 2>/dev/null >/proc/sys/vm/nr_hugepages || { sleep 1; return; }
	sleep 0.2
	echo 0 >/proc/sys/vm/nr_hugepages
	sleep 0.2
}

# Page cache that is read from the disk over and over, sums compared
read_disk()
{
	echo 1 >/proc/sys/vm/drop_caches
	for file in /disk/sums/*; do
		md5sum "$file"
	done | cmp -s - /tmp/sums || echo "MISMATCH: files on the disk read differently" >>/tmp/sums.bad
}

make_sums()
{
	mkdir -p /disk/sums
	for size in 1 3 7; do
		memload fill /disk/sums/$size $size "$seed"
	done
	rm -f /tmp/sums.bad
	for file in /disk/sums/*; do
		md5sum "$file"
	done >/tmp/sums
}

# Shells that start shells: page tables, COW, exec, pipes
fork_storm()
{
	for _ in 1 2 3 4 5 6 7 8; do
		(echo "$_" | cat | (cat >/dev/null))
	done
}

stress_ng()
{
	local madvise="--madvise 1"

	# It would have memory fail (MADV_HWPOISON), and call that a failure.
	[ ! -e /proc/sys/vm/memory_failure_recovery ] || madvise=
	mkdir -p /disk/stress /tmp/stress
	# shellcheck disable=SC2086 # two words or none
	stress-ng --timeout "$1" --temp-path /disk/stress --verify --oomable \
		--vm 1 --vm-bytes 32M --mmap 1 --mmap-bytes 16M --mremap 1 --mremap-bytes 4M \
		$madvise --fork 1 --shm 1 --shm-bytes 4M --dentry 1 --dentries 512 \
		--mlock 1 --msync 1 --msync-bytes 8M --vm-splice 1 \
		>/tmp/stress-ng.out 2>&1
}

stress_run()
{
	local status=0

	touch /tmp/stress.on
	make_sums
	modctl load /modules/allocstress.ko || fail "allocstress.ko: refused"
	load_start "$1" "$2"
	[ "$hostile" != kvm ] || until_off come_and_go
	until_off compact
	until_off huge_pages
	until_off fork_storm
	until_off read_disk
	stress_ng "$1" || status=$?
	load_finish
	rm /tmp/stress.on
	# shellcheck disable=SC2086 # one word a process
	wait $background || :
	background=
	if [ $status != 0 ] || grep -E 'fail:|MISMATCH' /tmp/stress-ng.out; then
		cat /tmp/stress-ng.out >&2
		fail "stress-ng: status $status"
	fi
	[ ! -e /tmp/sums.bad ] || fail "$(sort /tmp/sums.bad | uniq -c)"
	# shellcheck disable=SC2034 # for the case
	stress_text="$verified MiB verified, $(contig_verdict)"
	rm -rf /disk/sums /disk/stress /disk/load/* /tmp/load/*
}

both_taken()
{
	[ "$(cat /sys/module/allocstress/parameters/contig_taken)" -gt 0 ] &&
		[ "$(cat /sys/module/allocstress/parameters/bulk_taken)" -gt 0 ]
}

# What the module found; it has to have done something, too.
contig_verdict()
{
	local from=/sys/module/allocstress/parameters taken bulk bad

	comes_true both_taken || :
	taken=$(cat $from/contig_taken)
	bulk=$(cat $from/bulk_taken)
	modctl unload allocstress || fail "allocstress: not unloaded"
	bad=$(dmesg | grep -c 'allocstress: .*expected' || :)
	[ "$bad" = 0 ] || fail "allocstress: wrong contents, see the log"
	[ "$taken" -gt 0 ] || fail "alloc_contig_range never succeeded: nothing was tested"
	[ "$bulk" -gt 0 ] || fail "alloc_pages_bulk_array never succeeded: nothing was tested"
	echo "$taken contiguous ranges, $bulk pages in bulk"
}
