# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=dash
#
# Sourced by the cases with a guest of the guest (l2_*), in L1. Cases share one L2: it
# starts when one needs it, and each leaves it with pagehint.ko unloaded. A case that
# has to end it says `l2 stop`.

set -eu

guest=/sys/kernel/debug/pagehint	# in L2
host=/sys/kernel/debug/pagehint_kvm	# here
# shellcheck disable=SC2034 # for cases
host_parameters=/sys/module/pagehint_kvm/parameters
huge_pages=/sys/kernel/mm/transparent_hugepage/enabled

# The last line is what the table of results says.
fail()
{
	set +e
	{
		cat $host/*/counters $host/*/state | grep -v ' 0$' | sed 's/^/  host: /'
		l2 run "cat $guest/counters $guest/backend $guest/refused | grep -v ' 0$' | sed 's/^/  L2: /'; dmesg | tail -n 30 | sed 's/^/  L2: /'"
		echo "FAIL: $*"
	} >&2
	exit 1
}

# A disk of its own for L2 (/disk), with ext2 by the driver of ext4. A reset lets it boot again,
# or with L2_RESET=no ends it.
l2_ready()
{
	! l2 running || return 0
	rm -f /tmp/l2.disk
	truncate -s 72M /tmp/l2.disk
	mke2fs -F /tmp/l2.disk >/dev/null
	L2_RESET=${L2_RESET:-allow} l2 start -smp 2 -device virtio-blk-pci,drive=disk \
		-drive file=/tmp/l2.disk,if=none,id=disk,format=raw,cache=unsafe
}

# While memory is measured: a page of 4 KiB that the guest uses meanwhile shall not come as
# 2 MiB, so the host makes no new huge pages.
no_new_huge_pages()
{
	huge_were=$(sed 's/.*\[\(.*\)\].*/\1/' $huge_pages)
	echo never >$huge_pages
}

huge_pages_again()
{
	echo "$huge_were" >$huge_pages
}

# The product in L2: looks for what is new ten times a second
l2_load()
{
	l2 run -t 120 "modctl load /modules/pagehint.ko backend=kvm kvm_delay_ms=100 $*" ||
		fail "the module does not load: $*"
}

# L2 is as it was, and has not complained
l2_done()
{
	l2 run -t 120 'modctl unload pagehint && [ ! -e /sys/module/pagehint ]' || fail "it does not unload"
	l2 check || fail "L2 complained"
}

# Resident anonymous memory of L2's QEMU, which is L2's memory but for some MiB, in KiB
resident()
{
	l2 memory | awk '/^RssAnon/ { print $2 }'
}

# Of pagehint.ko in L2
counter()
{
	l2 run "awk '\$1 == \"$1\" { print \$2 }' $guest/counters"
}

# Of pagehint_kvm, for this L2
host_counter()
{
	cat $host/"$(l2 pid)"-*/counters $host/"$(l2 pid)"-*/state |
		awk -v name="$1" '$1 == name { print $2 }'
}

# Frames that are volatile and there, by the host
volatile_there()
{
	awk '/^volatile_[0-9]/ { sum += $2 } END { print sum + 0 }' $host/"$(l2 pid)"-*/state
}

# until SECONDS WHAT COMMAND...
until_true()
{
	local end=$(($(date +%s) + $1)) what=$2

	shift 2
	until "$@"; do
		[ "$(date +%s)" -lt $end ] || fail "not in time: $what"
		sleep 0.3
	done
}

# Pages of a file are told to the host, as far as they can be
told()
{
	[ "$(volatile_there)" -ge "$1" ]
}

until_told()
{
	until_true 200 "$1 volatile frames at the host" told "$1"
}

# A counter of L2, once it has been the same for a second
steady()
{
	local old now tries=60

	now=$(counter "$1")
	while old=$now && sleep 1 && now=$(counter "$1") && [ "$now" != "$old" ]; do
		[ $((tries -= 1)) -gt 0 ] || fail "$1 does not come to rest: $now"
	done
	echo "$now"
}

# The host's kernel asks its shrinkers for everything, as if it were short of memory
shrink()
{
	echo 2 >/proc/sys/vm/drop_caches
}

# shrink_in_background PAUSE / shrink_end: again and again, with so many seconds between
shrink_in_background()
{
	touch /tmp/shrinking
	(while [ -e /tmp/shrinking ]; do shrink; sleep "$1"; done) >/dev/null 2>&1 &
	shrinker=$!
}

shrink_end()
{
	rm /tmp/shrinking
	wait "$shrinker"
}

percent()
{
	echo $(($1 * 100 / $2))
}

# What both sides counted, for the log
show_counters()
{
	l2 run "grep -v ' 0$' $guest/counters" | sed 's/^/  L2: /'
	grep -v ' 0$' $host/"$(l2 pid)"-*/counters | sed 's/^/  host: /'
}
