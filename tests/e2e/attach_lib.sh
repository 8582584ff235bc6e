# SPDX-License-Identifier: MIT
# Sourced by the tests of memleak -p.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/memleak_lib.sh"

# Seconds for a thread to be found in a safe place: on a busy machine the usual ten are
# not enough for every process.
patience=30

# target COMMAND...: runs it with `input` typing to it and its output in
# $tmp/target.out; $target is its pid. Waits until it has said "ready".
target() {
	rm -f "$tmp/target.in"
	: >"$tmp/target.out"
	mkfifo "$tmp/target.in"
	exec {feeding}<>"$tmp/target.in"
	"$@" <"$tmp/target.in" >"$tmp/target.out" 2>"$tmp/target.err" {feeding}>&- &
	target=$!
	started+=("$target")
	wait_for grep -q ready "$tmp/target.out" || not_ok "$1 gets ready" "$(cat "$tmp/target.err")"
}

input() {
	printf '%b' "$1" >&"$feeding"
}

# Ends the target's input, waits for it; $target_status is its exit status. (The
# fifo is open for writing in nobody else, so that the target sees its end.)
target_ends() {
	exec {feeding}>&-
	wait "$target"
	target_status=$?
}

# attach [OPTION...]: memleak in the background, its output in $tmp/ml.out and .err;
# $watcher is its pid. Waits until it records.
attach() {
	: >"$tmp/ml.out"
	"$memleak" --attach-timeout "$patience" -p "$target" "$@" >"$tmp/ml.out" 2>"$tmp/ml.err" &
	watcher=$!
	started+=("$watcher")
	wait_for grep -q '^Attaching' "$tmp/ml.out" || not_ok "memleak attaches" "$(cat "$tmp/ml.err")"
}

# Ctrl-C; $status is memleak's exit status.
detach() {
	kill -INT "$watcher"
	wait "$watcher"
	status=$?
}

# attach_briefly PID [OPTION...]: attaches and detaches; its exit status
attach_briefly() {
	local pid=$1
	shift
	timeout 100 "$memleak" --attach-timeout "$patience" -p "$pid" "$@" 0.01 1 >"$tmp/ml.out" 2>"$tmp/ml.err"
}

# What a process looks like from outside: protections of its memory but for
# libleak's and anonymous memory, its descriptors, its threads, its handled signals.
snapshot() {
	awk '$6 ~ /^\// && $6 !~ /libleak/ { print $1, $2, $6 }' "/proc/$1/maps" | merged_ranges
	local fd link
	for fd in "/proc/$1/fd/"*; do	# (one may be closed meanwhile)
		link=$(readlink "$fd") && echo "${fd##*/} $link"
	done
	# (jemalloc starts threads of its own when there is much to do)
	cat "/proc/$1"/task/*/comm | grep -v jemalloc_bg | sort | uniq -c
	local status tries
	# posix_spawn blocks all signals for a moment, and a child's end waits to be told (0x10000)
	for ((tries = 0; tries < 200; tries++)); do
		status=$(grep -E '^(Sig(Blk|Ign|Cgt)|ShdPnd|TracerPid)' "/proc/$1/status")
		[[ $status == *SigBlk:?ffffff* || $status =~ ShdPnd:.0*10000 ]] || break
		sleep 0.01
	done
	# musl's dlopen ignores its own signal 34 from then on; system() blocks SIGCHLD
	while read -r field mask; do
		case $field in
		SigIgn:) mask=$(printf %016x $((16#$mask & ~(1 << 33)))) ;;
		SigBlk:) mask=$(printf %016x $((16#$mask & ~(1 << 16)))) ;;
		esac
		echo "$field $mask"
	done <<<"$status"
	ls -l "/proc/$1/cwd" | sed 's/.*-> //'
}

# The same once it does not change any more: a thread is listed for a moment longer
# than it takes to join it.
steady_snapshot() {
	local last now tries
	for ((tries = 0; tries < 100; tries++)); do
		now=$(snapshot "$1")
		[ "$now" = "${last-}" ] && break
		last=$now
		sleep 0.02
	done
	echo "$now"
}

# Neighbouring ranges of one file with equal protection are one.
merged_ranges() {
	awk '{
		split($1, at, "-")
		if (at[1] == end && $2 == prot && $3 == file) { end = at[2]; next }
		if (NR > 1) print start "-" end, prot, file
		start = at[1]; end = at[2]; prot = $2; file = $3
	} END { print start "-" end, prot, file }'
}

# Other tests run memleak at the same time.
export ATTACH_TEST=$BASHPID

# processes NAME: of this test's memleak (NAME as for pgrep -x)
processes() {
	local pid
	for pid in $(pgrep -x "$1"); do
		grep -qsz "^ATTACH_TEST=$ATTACH_TEST$" "/proc/$pid/environ" &&
			[ "$(readlink "/proc/$pid/exe")" = "$memleak" ] && echo "$pid"
	done
}

# No process of memleak is left.
none_left() {
	[ -z "$(processes 'memleak|memleak-keeper')" ]
}

# Does any pointer in the target's own data lead into libleak.so?
is_led_to_libleak() {
	perl -e '
		my ($pid) = @ARGV;
		my (@own, @hooks);
		open my $maps, "<", "/proc/$pid/maps" or exit 2;
		while (<$maps>) {
			my ($from, $to, $perms, $path) = /^(\w+)-(\w+) (\S+) \S+ \S+ \S+ *(.*)/;
			push @own, [hex $from, hex $to] if $path =~ m{/(attach_\w+|libc\.so)} && $perms =~ /^r[w-]-/;
			push @hooks, [hex $from, hex $to] if $path =~ /libleak/ && $perms =~ /x/;
		}
		open my $mem, "<:raw", "/proc/$pid/mem" or exit 2;
		for my $range (@own) {
			sysseek $mem, $range->[0], 0;
			sysread $mem, my $data, $range->[1] - $range->[0];
			for my $word (unpack "Q<*", $data) {
				for my $h (@hooks) { exit 0 if $word >= $h->[0] && $word < $h->[1] }
			}
		}
		exit 1' "$target"
}
