#!/usr/bin/env bash
# SPDX-License-Identifier: MIT
# What a malloc + free pair costs under uprobes: memleak's, bpftrace's in the manner of
# bcc's memleak (and that itself, where it works), beside libleak.so. Medians of
# alternating runs. Needs root.
set -u
O=$(realpath -m "${O:-build}")
RUNS=${RUNS:-5}
pairs=$O/bench/pairs
count=${PAIRS:-20000}	# of those that take microseconds
[ "$(id -u)" = 0 ] || { echo "uprobes: need root to be measured"; exit 0; }
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT

cat >"$tmp/memleak.bt" <<'BT'
uprobe:libc:malloc /pid == cpid/ { @size[tid] = arg0; }
uretprobe:libc:malloc /pid == cpid && @size[tid]/ {
	@live[retval] = (@size[tid], ustack);
	delete(@size[tid]);
}
uprobe:libc:free /pid == cpid/ { delete(@live[arg0]); }
END { clear(@live); clear(@size); }
BT

memleak() { "$O/memleak" -o 0 -T 1 "$@"; }
run_native() { "$pairs" -n 3000000; }
run_libleak() { LIBLEAK=report=none LD_PRELOAD=$O/libleak.so "$pairs" -n 3000000; }
run_uprobe() { memleak --engine=uprobe -- "$pairs" -n "$count"; }
run_uprobe_pointers() { KAGENT_NO_UNWIND_ROWS=1 run_uprobe; }
run_uprobe_each() { KAGENT_NO_UPROBE_MULTI=1 run_uprobe; }
run_bpftrace() { bpftrace "$tmp/memleak.bt" -c "$pairs -n $count"; }
run_bcc() { timeout 60 "$bcc" -c "$pairs -n $count" 1 5; }

title() {
	case $1 in
	libleak) echo "libleak.so" ;;
	uprobe) echo "--engine=uprobe" ;;
	uprobe_pointers) echo "  by frame pointers" ;;
	uprobe_each) echo "  one probe at a time" ;;
	bpftrace) echo "bpftrace, like bcc's" ;;
	bcc) echo "bcc's memleak" ;;
	*) echo "$1" ;;
	esac
}

median() { sort -g | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)]; else print "nan" }'; }

# The number that `pairs` prints, among what the tool prints.
measure() {
	"run_$1" >"$tmp/out" 2>"$tmp/err" </dev/null
	grep -Ex '[0-9]+\.[0-9]+' "$tmp/out" "$tmp/err" -h | head -n 1
}

tools="native libleak uprobe uprobe_pointers uprobe_each"
if command -v bpftrace >/dev/null; then
	tools+=" bpftrace"
else
	echo "bpftrace is not installed (make setup-bench): left out"
fi
bcc=$(PATH=$PATH:/usr/sbin command -v memleak-bpfcc || true)
# (where its program doesn't compile, the command runs all the same)
if [ -n "$bcc" ] && measure bcc >/dev/null && grep -q 'outstanding allocations' "$tmp/out"; then
	tools+=" bcc"
else
	echo "bcc's memleak $([ -n "$bcc" ] && echo "does not work here" || echo "is not installed"): left out"
fi

for _ in $(seq "$RUNS"); do
	for tool in $tools; do
		measure "$tool" >>"$tmp/$tool"
	done
done
native=$(median <"$tmp/native")
ours=$(median <"$tmp/libleak")
printf '\n%s\n%-24s %12s %12s %22s\n' 'malloc + free under probes of the kernel, depth 20, one stack, 1 % kept' \
	tool ns/pair added 'added, times libleak'
for tool in $tools; do
	awk -v name="$(title "$tool")" -v v="$(median <"$tmp/$tool")" -v native="$native" -v ours="$ours" \
		'BEGIN { printf "%-24s %12.2f %12.2f %22.2f\n", name, v, v - native, (v - native) / (ours - native) }'
done
