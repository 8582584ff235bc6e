#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What memleak -p costs: for how long a thread of the process is held, and what a
# server serves before, during and after. ATTACHES: how many (200), RUNS: how many
# rounds of throughput the medians are of (5).
set -u
O=$(realpath -m "${O:-build}")
attaches=${ATTACHES:-200}
runs=${RUNS:-5}
memleak=$O/memleak
tmp=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill $server; rm -rf "$tmp"' EXIT

# "median 2.1 ms, 99 % 8.3 ms, longest 9.9 ms" of the numbers on standard input
summary() {
	sort -n | awk '{ a[NR] = $1 }
		END { printf "median %.1f ms, 99 %% %.1f ms, longest %.1f ms of %d\n",
			a[int((NR + 1) / 2)], a[int(NR * 0.99 + 0.5)], a[NR], NR }'
}

# stops TEXT PID: each run attaches anew
stops() {
	local i
	for ((i = 0; i < attaches; i++)); do
		"$memleak" -p "$2" 0.01 1 2>&1 >/dev/null
	done | sed -n 's/.*held for \([0-9.]*\) ms/\1/p' | summary | sed "s/^/attach, held: $1: /"
}

median() {
	sort -n | awk '{ a[NR] = $1 } END { print a[int((NR + 1) / 2)] }'
}

# Requests per second of redis-benchmark.
throughput() {
	redis-benchmark -p "$port" -n 100000 -c 20 -t "${1:-set}" --csv 2>/dev/null |
		awk -F'","|"' 'NR == 2 { print $3 }'
}

redis() {
	local i watcher
	port=$(shuf -i 20000-32000 -n 1)
	redis-server --port "$port" --bind 127.0.0.1 --save '' --dir "$tmp" >/dev/null &
	server=$!
	sleep 1
	throughput >/dev/null
	for ((i = 0; i < runs; i++)); do
		throughput >>"$tmp/before"
		"$memleak" -p $server 100 >"$tmp/out" 2>/dev/null &
		watcher=$!
		until grep -q Attaching "$tmp/out"; do sleep 0.05; done
		throughput >>"$tmp/during"
		kill -INT $watcher
		wait $watcher
		throughput >>"$tmp/after"
	done
	echo "attach, redis-server set: $(median <"$tmp/before") requests/s before," \
		"$(median <"$tmp/during") while recorded, $(median <"$tmp/after") after"
	stops "idle redis-server" $server
	kill $server
	wait $server
	server=
}

sleep 1000 &
server=$!
stops "sleeping process" $server
kill $server
wait $server 2>/dev/null
server=
"$O/targets/attach_storm" 32 < <(sleep 600) >/dev/null &
server=$!
stops "32 threads that allocate all the time, on $(nproc) processors" $server
kill $server
wait $server 2>/dev/null
server=
if command -v redis-benchmark >/dev/null; then redis; fi
