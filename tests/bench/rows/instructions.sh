# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# The figure without noise: instructions a pair.

# The figure without noise: instructions a pair.
part_instructions() {
	command -v valgrind >/dev/null || return 0
	local tool one two
	printf '\n%s\n' 'instructions a pair (callgrind), depth 20'
	for tool in native libleak sampled; do
		one=$(count_instructions "$tool" 20000)
		two=$(count_instructions "$tool" 120000)
		printf '%-14s %8s\n' "$tool" "$(calc "($two - $one) / 100000" 1)"
	done
}
count_instructions() {
	"run_$1" valgrind --tool=callgrind --callgrind-out-file=/dev/null "$bench/pairs" -n "$2" 2>&1 |
		awk '/Collected/ { print $4 }'
}
