# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Rows of malloc + free pairs: one stack, many stacks, threads.

pair_table() { # NAME TITLE TOOLS ARGS...
	local name=$1 title=$2 tools=$3 tool native ours
	shift 3
	alternate "$name" "$tools" "$bench/pairs" "$@"
	native=$(value "$name" native)
	ours=$(calc "$(value "$name" libleak) - $native")
	printf '\n%s\n%-14s %12s %12s %22s\n' "$title" tool ns/pair added 'added, times libleak'
	for tool in $tools; do
		local v added
		v=$(value "$name" "$tool")
		added=$(calc "$v - $native")
		printf '%-14s %12s %12s %22s\n' "$tool" "$v" "$added" "$(calc "$added / $ours")"
	done
	pair_summary "$name" "$native" "$ours"
}

# What is added, against heaptrack; sampled, against a shim that only passes on.
pair_summary() { # NAME NATIVE ADDED
	local heap
	case $1 in
	pairs)
		summary 'sample=512k, over a pass-through shim, depth 20' '<= 1 ns' \
			"$(calc "$(value pairs sampled) - $(value pairs passthrough)") ns" \
			"$(value pairs sampled) - $(value pairs passthrough) <= 1"
		have heaptrack || return 0
		heap=$(calc "$(value pairs heaptrack) - $2")
		summary 'pair, one stack, 1 % kept: added, of what heaptrack adds' '<= 1/20' \
			"1/$(calc "$heap / $3" 1)" "$heap / $3 >= 20"
		;;
	paths)
		have heaptrack-r || return 0
		heap=$(calc "$(value paths heaptrack-r) - $2")
		summary 'pair, 500 stacks in turn: added, of what heaptrack -r adds' '<= 1/4' \
			"1/$(calc "$heap / $3" 1)" "$heap / $3 >= 4"
		;;
	esac
}

part_pairs() {
	pair_table pairs 'malloc + free, depth 20, one stack, 1 % kept' \
		"$(tools_for native passthrough libleak sampled heaptrack heaptrack-r heaptrack-f)" -n 3000000
}

part_paths() {
	pair_table paths 'malloc + free, depth 20, another of 500 stacks at every call' \
		"$(tools_for native libleak sampled heaptrack heaptrack-r)" -p 500 -n 1000000
}

# gperftools' heap profiler takes microseconds a pair: fewer of them
part_gperftools() {
	have gperftools || return 0
	pair_table gperf "the same against gperftools' heap profiler" \
		"$(tools_for native libleak gperftools)" -n 200000
}

part_threads() {
	local t tool v one_native=1 one_libleak=1 native2=
	printf '\n%s\n%-14s %12s %12s %12s %12s\n' 'throughput with threads, depth 20: Mpairs/s, and times one thread' \
		threads native times libleak times
	for t in 1 2 8; do
		alternate "threads$t" 'native libleak' "$bench/pairs" -t $t -n 2000000
		printf '%-14s' $t
		for tool in native libleak; do
			v=$(calc "$t * 1000 / $(value threads$t $tool)")
			[ $t = 1 ] && declare "one_$tool=$v"
			local one="one_$tool"
			printf ' %12s %12s' "$v" "$(calc "$v / ${!one}")"
			[ "$t$tool" = 2native ] && native2=$(calc "$v / ${!one}")
			[ "$t$tool" = 2libleak ] && summary '2 threads, throughput' '>= 1.9 x 1 thread' \
				"$(calc "$v / ${!one}") x (native $native2 x)" "$v / ${!one} >= 1.9"
		done
		echo
	done
}
