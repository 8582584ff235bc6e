# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Rows of what being preloaded costs at the start.

# Alternating runs of posix_spawn, so that no shell is measured. The least time tells
# most: whatever else goes on only adds.
start_line() { # TOOL LEAST MEDIAN
	printf '%-14s %12s %12s %12s %12s\n' "$1" "$2" "$(calc "$2 / $native_least")" \
		"$3" "$(calc "$3 / $native_median")"
}

start_table() { # TITLE PROGRAM
	local tools=(native libleak) environments=(-- "PATH=$PATH" -- "LD_PRELOAD=$lib" LIBLEAK=report=none)
	local native_least='' native_median='' least median i=0

	if have heaptrack-f; then
		tools+=(heaptrack-f)
		environments+=(-- "LD_PRELOAD=$heaptrack" "DUMP_HEAPTRACK_OUTPUT=$tmp/heaptrack.out")
	fi
	printf '\n%s\n%-14s %12s %12s %12s %12s\n' "$1" tool 'least us' times 'median us' times
	while read -r least median; do
		native_least=${native_least:-$least} native_median=${native_median:-$median}
		start_line "${tools[$i]}" "$least" "$median"
		[ "${tools[$i]}" = libleak ] && start_libleak=$(calc "$median / $native_median")
		i=$((i + 1))
	done < <("$bench/spawn" $((RUNS * 200)) "$2" "${environments[@]}")
	rm -f "$tmp"/heaptrack.out*
}

part_start() {
	local start_libleak=nan
	start_table 'start and end of /bin/true, which never allocates' /bin/true
	summary 'start of /bin/true, times native' '<= 1.15' "$start_libleak" "$start_libleak <= 1.15"
	start_table 'start and end of a program that allocates once' "$bench/once"
}
