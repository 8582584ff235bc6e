# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# lib.sh - the tools that are compared, and how: for tests/bench/run and its rows.
set -u
O=${O:-build}
RUNS=${RUNS:-5}
lib=$(cd "$O" && pwd)/libleak.so
bench=$(cd "$O" && pwd)/bench
leakreport=$(cd "$O" && pwd)/leakreport
tmp=$(mktemp -d) || exit 1
trap 'rm -rf "$tmp"' EXIT
heaptrack=$(ls /usr/lib/heaptrack/libheaptrack_preload.so 2>/dev/null)
interpret=${heaptrack%/*}/libexec/heaptrack_interpret
pack='gzip -c'
command -v zstd >/dev/null && pack='zstd -q -c'
gperf=$(ls /usr/lib/*/libtcmalloc.so.4 2>/dev/null | head -1)

# ---- tools: run_TOOL COMMAND... --------------------------------------------------
run_native() { "$@"; }
run_passthrough() { LD_PRELOAD=$bench/passthrough.so "$@"; }
run_libleak() { LIBLEAK=report=none LD_PRELOAD=$lib "$@"; }
run_sampled() { LIBLEAK=report=none,sample=512k LD_PRELOAD=$lib "$@"; }
# heaptrack-f: its library alone, writing to a file. Its launcher is left out, but not what it
# has the events pass through: heaptrack interprets them meanwhile, `heaptrack -r` packs them.
run_heaptrack-f() { DUMP_HEAPTRACK_OUTPUT=$tmp/heaptrack.out LD_PRELOAD=$heaptrack "$@"; }
run_heaptrack() { DUMP_HEAPTRACK_OUTPUT=$tmp/heaptrack.fifo LD_PRELOAD=$heaptrack "$@"; }
run_heaptrack-r() { run_heaptrack "$@"; }
run_gperftools() { HEAPPROFILE=$tmp/gperf HEAP_PROFILE_ALLOCATION_INTERVAL=0 LD_PRELOAD=$gperf "$@"; }

# What reads a tool's events, if it needs that. Both ends are held open meanwhile: a program
# that ends early does not end the reader, and one that starts late finds it.
start_reader() { # TOOL
	case $1 in heaptrack | heaptrack-r) ;; *) return 0 ;; esac
	mkfifo "$tmp/heaptrack.fifo"
	if [ "$1" = heaptrack ]; then
		"$interpret" <"$tmp/heaptrack.fifo" 2>/dev/null | $pack >/dev/null &
	else
		$pack <"$tmp/heaptrack.fifo" >/dev/null &
	fi
	reader=$!
	exec 7>"$tmp/heaptrack.fifo"
}
# After a run: the next one starts with nothing left of this one.
end_reader() { # TOOL
	case $1 in
	heaptrack | heaptrack-r)
		exec 7>&-
		wait "$reader"
		;;
	esac
	rm -f "$tmp"/heaptrack.out* "$tmp"/heaptrack.fifo* "$tmp"/gperf*.heap
}

have() {
	case $1 in
	heaptrack) [ -n "$heaptrack" ] && [ -x "$interpret" ] ;;
	heaptrack-?) [ -n "$heaptrack" ] ;;
	gperftools) [ -n "$gperf" ] ;;
	esac
}

median() { sort -g | awk '{ v[NR] = $1 } END { if (NR) print v[int((NR + 1) / 2)]; else print "nan" }'; }
calc() { awk "BEGIN { printf \"%.${2:-2}f\", $1 }"; }

# alternate NAME TOOLS COMMAND...: the command prints one number a run
alternate() {
	local name=$1 tools=$2 tool
	shift 2
	rm -f "$tmp/$name".*
	for _ in $(seq "$RUNS"); do
		for tool in $tools; do
			start_reader "$tool"
			"run_$tool" "$@" >>"$tmp/$name.$tool" 2>/dev/null
			end_reader "$tool"
		done
	done
	take_medians "$name" "$tools"
}
take_medians() { # NAME TOOLS
	local tool
	for tool in $2; do
		median <"$tmp/$1.$tool" >"$tmp/$1.$tool.median"
	done
}
value() { cat "$tmp/$1.$2.median"; }

tools_for() {
	local t out=
	for t in "$@"; do
		case $t in heaptrack* | gperftools) have "$t" || continue ;; esac
		out="$out $t"
	done
	echo "$out"
}

# summary WHAT TARGET FIGURE MET: a line of the table at the end. MET: an awk condition.
summary() {
	local met=no
	awk "BEGIN { exit !($4) }" && met=yes
	printf '%-58s %-22s %-22s %s\n' "$1" "$2" "$3" "$met" >>"$tmp/summary"
}
print_summary() {
	[ -s "$tmp/summary" ] || return 0
	printf '\n%-58s %-22s %-22s %s\n' 'what (promises of speed and memory)' target measured met
	cat "$tmp/summary"
}
