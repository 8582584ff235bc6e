#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What kagent costs: time per event of its programs (kernel.bpf_stats_enabled), an
# open/close loop with and without it (medians of alternating runs), and kagent's own
# CPU time at rest. Needs root.
set -u
O=$(realpath -m "${O:-build}")
kagent=$O/kagent
loop=$O/bench/open_close
runs=${RUNS:-5}
pairs=${PAIRS:-200000}
[ "$(id -u)" = 0 ] || { echo "kagent: needs root to be measured"; exit 0; }
tmp=$(mktemp -d)
stats=$(cat /proc/sys/kernel/bpf_stats_enabled)
trap 'echo "$stats" >/proc/sys/kernel/bpf_stats_enabled; rm -rf "$tmp"' EXIT

median() {
	sort -n | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'
}

start() {
	"$kagent" "$@" 600 >"$tmp/log" 2>&1 &
	pid=$!
	for _ in $(seq 100); do
		grep -q '^Attaching' "$tmp/log" && break
		sleep 0.1
	done
	sleep 0.7
}

stop() {
	kill -INT $pid
	wait $pid
}

# "runs nanoseconds" of the running kagent's programs
programs() {
	bpftool prog show -j | jq -r '[.[] | select(.name // "" | startswith("on_"))] |
		"\(map(.run_cnt // 0) | add) \(map(.run_time_ns // 0) | add)"'
}

# measure NAME ARG...: the ratio, and the cost of an event
measure() {
	local name=$1 native tracked event
	shift
	: >"$tmp/native" && : >"$tmp/tracked"
	for _ in $(seq "$runs"); do
		"$loop" "$pairs" >>"$tmp/native"
		start "$@"
		"$loop" "$pairs" >>"$tmp/tracked"
		stop
	done
	native=$(median <"$tmp/native")
	tracked=$(median <"$tmp/tracked")
	echo 1 >/proc/sys/kernel/bpf_stats_enabled
	start "$@"
	read -r count0 ns0 < <(programs)
	"$loop" "$pairs" >/dev/null
	read -r count1 ns1 < <(programs)
	stop
	echo "$stats" >/proc/sys/kernel/bpf_stats_enabled
	event=$(awk -v c=$((count1 - count0)) -v n=$((ns1 - ns0)) 'BEGIN { printf "%.0f", c ? n / c : 0 }')
	awk -v name="$name" -v a="$native" -v b="$tracked" -v e="$event" 'BEGIN {
		printf "%-44s %7d %9d %6.2fx %9d\n", name, a, b, b / a, e }'
}

printf '%-44s %7s %9s %7s %9s\n' "kagent, ns per open/close pair" native tracked ratio ns/event
measure "another cache tracked (--cache kmalloc-8k)" --cache kmalloc-8k
measure "everything, --sample 1/100" --sample 1/100
measure "everything" -T 10

start --cache kmalloc-8k
before=$(awk '{ print $14 + $15 }' /proc/$pid/stat)
sleep 10
after=$(awk '{ print $14 + $15 }' /proc/$pid/stat)
stop
awk -v t=$((after - before)) 'BEGIN { printf "kagent at rest: %.1f %% of a core\n", t / 10 }'
