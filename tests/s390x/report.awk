# SPDX-License-Identifier: GPL-2.0
#
# report.awk ESSA.tsv MEMORY.tsv: what tests/s390x/essa.sh kept, for people.

BEGIN {
	FS = "\t"
	nr_keys = split("op-get op-set-stable op-set-unused op-set-volatile " \
		"op-set-potentially-volatile op-set-stable-resident op-set-stable-if op-refused " \
		"made-volatile discarded-unused discarded-volatile faults faults-wanted " \
		"io-unused io-volatile io-discarded", keys, " ")
}

FILENAME == ARGV[1] {
	sum[$1, $3] += $4
	cases[$1, $2] = 1
	of[$2, $1, $3] += $4
	names[$2] = 1
	next
}

# CMMA WHAT KIB-GIVEN-UP KIB-BEFORE KIB-AFTER RSS-BEFORE RSS-AFTER
{
	memory[++nr_memory] = sprintf("  cmma=%-3s %-5s  %6d MiB given up; RAM held %6d -> %6d MiB, %.1f %% returned; QEMU's resident memory %d -> %d MiB",
		$1, $2, $3 / 1024, $4 / 1024, $5 / 1024, ($4 - $5) * 100 / $3, $6 / 1024, $7 / 1024)
}

function counts(name) {
	return ((name, "on", "op-get") in of) && ((name, "off", "op-get") in of)
}

END {
	print "ESSA, all cases:                      cmma=on    cmma=off"
	for (i = 1; i <= nr_keys; i++)
		printf "  %-28s %14d %11d\n", keys[i], sum["on", keys[i]], sum["off", keys[i]]
	print "Operations, what both have done:          cmma=on    cmma=off  difference"
	for (name in names) {
		if (!counts(name))
			continue
		for (i = 2; i <= 7; i++) {
			if (of[name, "on", keys[i]] + of[name, "off", keys[i]] == 0)
				continue
			printf "  %-20s %-18s %10d %11d %11d\n", name, keys[i],
				of[name, "on", keys[i]], of[name, "off", keys[i]],
				of[name, "off", keys[i]] - of[name, "on", keys[i]]
		}
	}
	print "Memory on demand:"
	for (i = 1; i <= nr_memory; i++)
		print memory[i]
}
