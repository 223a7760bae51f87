# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash disable=SC2154 # the variables of lib.sh
#
# file_load.sh: everything at once on one file system, contents verified.
# Sourced after disks.sh.
#
#   file_load_start DIRECTORY   the part in the background
#   file_load_round DIRECTORY [PART...]   the foreground, once; fails on any wrong
#                               content. Parts: trees fio_verify compile stress_files;
#                               shorter: fio_some compile_some stress_some
#   file_load_finish            ends the background; sets file_load_text
#
# In the background: cachecheck and fsx, a cgroup at its limit that reclaims
# page cache and swaps, and who drops caches and compacts. In the foreground one
# after the other: trees by rsync and cp, fio, a compiler, stress-ng.

cgroup=/sys/fs/cgroup

# What is written becomes clean soon, and so may become volatile.
fast_writeback()
{
	echo 20 >/proc/sys/vm/dirty_writeback_centisecs
	echo 20 >/proc/sys/vm/dirty_expire_centisecs
}

# small_cgroup NAME MIB COMMAND...: run it there, at a limit that forces reclaim
small_cgroup()
{
	local group=$cgroup/$1

	grep -q "^[^ ]* $cgroup cgroup2 " /proc/mounts || mount -t cgroup2 cgroup $cgroup
	echo +memory >$cgroup/cgroup.subtree_control
	mkdir -p "$group"
	echo "$2M" >"$group/memory.max"
	shift 2
	sh -c "echo \$\$ >$group/cgroup.procs; exec \"\$@\"" sh "$@"
}

# background NAME COMMAND...: its output in /tmp/file_load.NAME, its status at the end
background()
{
	local name=$1
	shift

	(
		# $$ is not the subshell.
		read -r pid _ </proc/self/stat
		renice -n 10 -p "$pid" >/dev/null
		"$@" >"/tmp/file_load.$name" 2>&1 ||
			echo "status $?" >>"/tmp/file_load.failed.$name"
	) &
	file_load_pids="$file_load_pids $!"
}

disturb()
{
	local round=0

	while [ -e /tmp/file_load.on ]; do
		echo 1 >/proc/sys/vm/compact_memory
		[ $((round % 5)) != 0 ] || echo 1 >/proc/sys/vm/drop_caches
		round=$((round + 1))
		sleep 0.5
	done
}

file_load_start()
{
	rm -f /tmp/file_load.*
	touch /tmp/file_load.on
	file_load_pids=
	fast_writeback
	echo 4 >/proc/sys/vm/drop_caches	# says nothing from now on
	if ! grep -q "^$(disk swap) " /proc/swaps; then
		mkswap "$(disk swap)" >/dev/null
		swapon "$(disk swap)" || fail "no swap"
	fi
	mkdir -p "$1/cache" "$1/small" "$1/fsx" "$1/load"
	cachecheck fill "$1/cache" 24 96 "$seed" || fail "cachecheck fill"
	cachecheck fill "$1/small" 8 48 "$seed" || fail "cachecheck fill"
	background cachecheck cachecheck run "$1/cache" 24 96 "$seed" 100000 2
	background fsx fsx "$1/fsx" 100000 24 512 "$seed"
	background small small_cgroup files 10 cachecheck run "$1/small" 8 48 "$seed" 100000 1
	background memload small_cgroup memory 20 memload stress 100000 1 96 "$seed" "$1/load"
	disturb &
	file_load_pids="$file_load_pids $!"
}

file_load_alive()
{
	local failed

	for failed in /tmp/file_load.failed.*; do
		[ ! -e "$failed" ] || file_load_failed "${failed##*.}"
	done
}

file_load_failed()
{
	rm -f /tmp/file_load.on
	df -k -t ext4 -t xfs -t btrfs 2>/dev/null || df -k
	tail -n 30 "/tmp/file_load.$1"
	fail "$1: $(cat "/tmp/file_load.failed.$1")"
}

# timed NAME COMMAND...: fails if it fails
timed()
{
	local name=$1 start
	shift

	start=$(cut -d. -f1 /proc/uptime)
	"$@" >"/tmp/file_load.$name" 2>&1 || {
		echo "status $?" >"/tmp/file_load.failed.$name"
		file_load_failed "$name"
	}
	file_load_alive
	echo "  $name: $(($(cut -d. -f1 /proc/uptime) - start)) s"
}

# Trees of many files: written by rsync, copied by cp, read again and again
trees()
{
	rm -rf "$1/tree" "$1/copy"
	mkdir -p "$1/tree/usr"
	rsync -a /tools/usr/include/ "$1/tree/usr/include/" || return
	(cd "$1/tree" && md5sum -c -s /tools/include.sums) || return
	cp -r "$1/tree" "$1/copy" || return
	rsync -a --checksum "$1/tree/" "$1/copy/" || return
	for tree in tree copy tree copy; do
		(cd "$1/$tree" && md5sum -c -s /tools/include.sums) || return
	done
	diff -r "$1/tree" "$1/copy"
}

# The objects are those that the same compiler made on the host.
compile()
{
	compiled "$1" lua || return
	[ "$("$1/objects/lua" -e 'local s = 0 for i = 1, 10000 do s = s + i end print(s)')" = 50005000 ]
}

# A part of it, for short runs
compile_some()
{
	compiled "$1" lapi.o lauxlib.o lbaselib.o lcode.o lstrlib.o
}

# compiled DIRECTORY TARGET...
compiled()
{
	local directory=$1 target
	shift

	rm -rf "$directory/source" "$directory/objects"
	cp -r /tools/source "$directory/source"
	mkdir "$directory/objects"
	for target; do
		set -- "$@" "$directory/objects/$target"
		shift
	done
	make -s -j2 -f "$directory/source/compile.mk" SOURCE="$directory/source" \
		OUT="$directory/objects" "$@" || return
	for target in "$directory"/objects/*; do
		grep "  ${target##*/}\$" /tools/source/objects.sums
	done >/tmp/objects.sums
	(cd "$directory/objects" && md5sum -c -s /tmp/objects.sums)
}

fio_verify()
{
	fio_files "$1" 24m 32m
}

fio_some()
{
	fio_files "$1" 12m 12m
}

# fio_job OPTION...: in a process, not with --thread: fio frees what its threads have in
# common without waiting for their end (reap_threads(), 3.33 and later), which reads it. A
# process that was killed fio mentions, but does not mind.
fio_job()
{
	local status=0

	fio --verify=crc32c --verify_fatal=1 --output-format=terse "$@" >/tmp/fio.out 2>&1 ||
		status=$?
	cat /tmp/fio.out
	! grep -q "got signal" /tmp/fio.out || status=1
	rm /tmp/fio.out
	return $status
}

# fio_files DIRECTORY SIZE IO_SIZE
fio_files()
{
	local engine

	mkdir -p "$1/fio"
	for engine in psync mmap; do
		fio_job --name=$engine --directory="$1/fio" --ioengine=$engine --rw=randrw --bs=4k-64k \
			--size="$2" --io_size="$3" --do_verify=1 --verify_backlog=256 --fsync=64 \
			--numjobs=1 --randseed="$seed" || return
	done
	fio_job --name=direct --directory="$1/fio" --ioengine=psync --direct=1 --rw=randwrite --bs=16k \
		--size=8m --do_verify=1
}

stress_files()
{
	stress_ng_files "$1" 12
}

stress_some()
{
	stress_ng_files "$1" 6
}

# stress_ng_files DIRECTORY SECONDS
stress_ng_files()
{
	mkdir -p "$1/stress"
	stress-ng --timeout "$2" --temp-path "$1/stress" --verify --oomable --metrics-brief \
		--hdd 1 --hdd-bytes 8M --seek 1 --seek-size 8M --fallocate 1 --fallocate-bytes 8M \
		--sendfile 1 --splice 1 --readahead 1 \
		--readahead-bytes 8M --mmap 1 --mmap-file --mmap-bytes 8M --mmapfork 1 --mlock 1 \
		--msync 1 --msync-bytes 4M --fiemap 1 --fiemap-bytes 4M \
		--filename 1 --dentry 1 --dentries 256 --link 1 --rename 1 --chdir 1 --io 1 || return
}

file_load_round()
{
	local directory=$1 part
	shift

	[ $# -gt 0 ] || set -- trees fio_verify compile stress_files
	for part; do
		timed "$part" "$part" "$directory"
	done
}

# Sets swapped and reclaimed, in pages
limits_met()
{
	swapped=$(awk '$1 == "pswpout" { print $2 }' /proc/vmstat)
	reclaimed=$(awk '$1 == "pgsteal" { print $2 }' $cgroup/files/memory.stat)
	[ "$swapped" -gt 0 ] && [ "$reclaimed" -gt 0 ]
}

file_load_finish()
{
	local pid name

	# On a slow machine a short case is over before.
	comes_true limits_met || :
	file_load_alive
	rm /tmp/file_load.on
	for name in cachecheck fsx memload; do
		killall -TERM $name 2>/dev/null || :
	done
	for pid in $file_load_pids; do
		wait "$pid" || :
	done
	file_load_pids=
	file_load_alive
	if grep -h MISMATCH /tmp/file_load.*; then
		fail "wrong contents"
	fi
	limits_met || :
	[ "$swapped" -gt 0 ] || fail "nothing was swapped out: the limit was not met"
	[ "$reclaimed" -gt 0 ] || fail "nothing was reclaimed: the limit was not met"
	rmdir $cgroup/files $cgroup/memory
	swapoff "$(disk swap)" || fail "swapoff"
	# shellcheck disable=SC2034 # for the case
	file_load_text="$(awk '/MiB verified/ { for (i = 1; i <= NF; i++) if ($i == "MiB") sum += $(i - 1) } END { print sum + 0 }' \
		/tmp/file_load.cachecheck /tmp/file_load.small /tmp/file_load.memload) MiB verified, $(awk '/operations/ { print $4 }' \
		/tmp/file_load.fsx) operations of fsx, $reclaimed pages reclaimed at a limit"
	# Two of them were written in the groups: as long as they are there, so are those.
	rm /tmp/file_load.*
}
