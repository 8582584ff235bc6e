# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Rows of memory: a live block, a long run, many stacks.

# Resident memory, files included, and how much of it each block takes beyond itself.
part_memory() {
	local size tool kb base each
	printf '\n%s\n%-14s %14s %12s %14s\n' 'memory of 1,000,000 live blocks beyond the blocks themselves' \
		'bytes a block' tool KiB 'bytes beyond'
	for size in 16 64 100 256; do
		for tool in $(tools_for native libleak heaptrack-f); do
			kb=$("run_$tool" "$bench/pairs" -m 1000000 -s $size)
			[ "$tool" = native ] && base=$kb
			each=$(calc "($kb - $base) * 1024 / 1e6" 1)
			printf '%-14s %14s %12s %14s\n' $size "$tool" "$kb" "$each"
			[ $size$tool = 64libleak ] &&
				summary 'memory of a live block of 64 bytes, 1 M live' '<= 32 bytes' "$each bytes" "$each <= 32"
		done
		rm -f "$tmp"/heaptrack.out*
	done
}

# recorded SETTINGS ARGS...: the bytes of the session that pairs leaves with these
recorded() {
	rm -f "$tmp/memory.leak"
	LIBLEAK=report=none,output=$tmp/memory.leak,$1 LD_PRELOAD=$lib "$bench/pairs" "${@:2}" >"$tmp/ns" &&
		stat -c %s "$tmp/memory.leak"
}

part_churn() {
	local n size first=
	printf '\n%s\n%-14s %14s\n' 'the session of 10,000 live blocks after' allocations 'bytes'
	for n in 1000000 10000000 100000000; do
		size=$(recorded depth=64 -n $n)
		first=${first:-$size}
		printf '%-14s %14s\n' $n "$size"
	done
	summary '10^8 allocations, 10^4 live: session, times that at 10^6' 1 "$(calc "$size / $first")" \
		"$size == $first"
}

part_stacks() {
	local max size lost
	printf '\n%s\n%-14s %14s %16s %16s\n' '1,000,000 distinct stacks, depth 20' \
		max-stacks 'session MiB' 'bytes a stack' 'counted as lost'
	for max in 1000 65536 1048576; do
		size=$(recorded max-stacks=$max -p 1000000 -n 1000000)
		lost=$("$leakreport" --json "$tmp/memory.leak" |
			grep -Eo '"cause": ?"stacks-full"[^}]*"count": ?[0-9]+' | grep -Eo '[0-9]+$' | head -n 1)
		printf '%-14s %14s %16s %16s\n' $max "$(calc "$size / 1048576" 1)" \
			"$(calc "$size / ($max < 1000000 ? $max : 1000000)" 0)" "${lost:-0}"
		[ $max = 1000 ] && summary '1 M distinct stacks, max-stacks=1000: session' '<= 2 MiB' \
			"$(calc "$size / 1048576" 1) MiB, ${lost:-0} lost" "$size <= 2097152 && ${lost:-0} > 900000"
	done
}
