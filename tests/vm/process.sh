#!/bin/bash
# SPDX-License-Identifier: MIT
# process.sh - the side of processes, in the virtual machine: what an older kernel
# lets libleak.so record, and whom its yama lets memleak -p attach to. Runs on the
# helpers of the end-to-end tests; kernel.yama.ptrace_scope is 3 at its end.
# shellcheck source=tests/e2e/attach_lib.sh
. "$(dirname "$0")/../e2e/attach_lib.sh"
scope=/proc/sys/kernel/yama/ptrace_scope
user=(setpriv --reuid 1000 --regid 1000 --clear-groups)
powerless=(setpriv --bounding-set -sys_ptrace --inh-caps -sys_ptrace)

# as NAME COMMAND...: memleak is run by that command from now on
as() {
	memleak=/bin/memleak-$1
	printf '#!/bin/bash\nexec %s %s/memleak "$@"\n' "${*:2}" "$O" >"$memleak"
	chmod 755 "$memleak"
}

# guarded [COMMAND...] -- [GUARD]: $target, run by that command
guarded() {
	local run=()
	while [ "$1" != -- ]; do run+=("$1"); shift; done
	shift
	target "${run[@]}" "$targets/guarded" "$@"
}

leaks() {
	local had
	had=$(grep -c leaked "$tmp/target.out")
	input 'leak\n'
	wait_for eval "[ \$(grep -c leaked '$tmp/target.out') -gt $had ]"
}

# records TEXT [OPTION...]: attaches to $target, finds its leak, leaves it as it was
records() {
	local text=$1 before
	shift
	before=$(steady_snapshot "$target")
	attach -o 0 "$@" 1000
	leaks
	detach
	is "$text: memleak's exit status" $status 0
	check "$text: the leak is reported" \
		grep -A 1 '1000 bytes in 10 allocations from stack' "$tmp/ml.out"
	check "$text: by its function" grep -q leak_guarded "$tmp/ml.out"
	is "$text: memory and descriptors are as before" \
		"$(diff <(echo "$before") <(steady_snapshot "$target"))" ""
	leaks
	check "$text: the program goes on" kill -0 "$target"
}

# refused TEXT PATTERN [OPTION...]
refused() {
	attach_briefly "$target" "${@:3}"
	is "$1: exit status" $? 1
	check "$1: says why, and what helps" grep -E "$2" "$tmp/ml.err"
	check "$1: of which process" grep -E "process $target \(guarded\)" "$tmp/ml.err"
	is "$1: in one line" "$(wc -l <"$tmp/ml.err")" 1
}

# exact TEXT SESSION: as the program's ledger has it, and without a loss
exact() {
	matches_ledger "$1: the report equals the ledger" "$2"
	is "$1: nothing was lost" "$("$leakreport" --json "$2" |
		jq -c '[.losses // {} | to_entries[] | select(.value != 0) | .key]')" "[]"
}

preloaded() {
	local text=$1
	shift
	check "$text: runs" traced "$@"
	exact "$text" "$tmp"/*.leak
}

test_preload() {
	is "the kernel's coarse clock is found" \
		"$(CMOCKA_MESSAGE_OUTPUT=TAP "$O/unit/clock" | grep -c '^ok [0-9]* - ')" 2
	preloaded "preloaded, all functions" "$targets/exact"
	ignore_counts=1 preloaded "preloaded, mmap" "$targets/exact_mmap"
	preloaded "preloaded, threads" "$targets/threads" 20
}

test_attached() {
	fresh
	LEDGER=$tmp/ledger target "$targets/attach_ledger" "$targets"
	attach --output "$tmp/session.leak" 1000
	input 'go\n'
	wait_for grep -q done "$tmp/target.out"
	detach
	is "attached: memleak's exit status" $status 0
	exact "attached" "$tmp/session.leak"
	target_ends
	is "attached: the program ends well" $target_status 0
}

test_scope_0() {
	echo 0 >$scope
	as user "${user[@]}"
	guarded "${user[@]}" --
	records "ptrace_scope 0, one's own process"
	target_ends
	guarded --
	refused "ptrace_scope 0, another's process" "belongs to user 0.*run memleak as root"
	target_ends
}

# What records itself under memleak -c needs no tracing.
test_launched() {
	timeout 100 "$memleak" -o 0 -c "$targets/guarded" <<<"leak" >"$tmp/ml.out" 2>"$tmp/ml.err"
	is "ptrace_scope 1, memleak -c: exit status" $? 0
	check "ptrace_scope 1, memleak -c: the leak is reported" \
		grep -A 1 '1000 bytes in 10 allocations from stack' "$tmp/ml.out"
}

is_without_session() {
	! grep -q 'memleak-.*\.leak' "/proc/$target/maps"
}

# It lets this script's descendants trace it, which a keeper is none of any more when its
# memleak has gone: then the process itself leads its calls back.
test_declared() {
	guarded "${user[@]}" -- $$
	records "ptrace_scope 1, a declared tracer"
	attach -o 0 1000
	kill -KILL "$watcher"
	wait "$watcher" 2>/dev/null
	ends_by_itself() { leaks && is_without_session; }
	check "ptrace_scope 1, memleak killed: the process stops recording" wait_for ends_by_itself
	target_ends
	is "ptrace_scope 1, memleak killed: the program ends well" $target_status 0
}

test_scope_1() {
	local why='kernel.yama.ptrace_scope is 1'
	echo 1 >$scope
	guarded "${user[@]}" --
	refused "ptrace_scope 1" "$why: run memleak as root, set it to 0, or start.*memleak -c"
	target_ends
	test_launched
	guarded "${user[@]}" -- any
	records "ptrace_scope 1, any tracer declared"
	target_ends
	test_declared
	as powerless "${powerless[@]}"
	guarded "${powerless[@]}" --
	refused "ptrace_scope 1, root without CAP_SYS_PTRACE" \
		"$why: give memleak CAP_SYS_PTRACE" --engine=shim
	target_ends
}

test_scope_2() {
	local why='with CAP_SYS_PTRACE only, because kernel.yama.ptrace_scope is 2'
	echo 2 >$scope
	as user "${user[@]}"
	guarded "${user[@]}" -- any
	refused "ptrace_scope 2" "$why: run memleak as root"
	as powerless "${powerless[@]}"
	target_ends
	guarded "${powerless[@]}" --
	refused "ptrace_scope 2, root without CAP_SYS_PTRACE" \
		"$why: give memleak CAP_SYS_PTRACE" --engine=shim
	target_ends
	as root env
	guarded "${user[@]}" --
	records "ptrace_scope 2, root"
	target_ends
}

test_scope_3() {
	local why='ptrace_scope is 3: until the next boot.*uprobes only, by root'
	echo 3 >$scope
	as user "${user[@]}"
	guarded "${user[@]}" -- any
	refused "ptrace_scope 3" "$why"
	as root env
	refused "ptrace_scope 3, root, --engine=shim" "$why" --engine=shim
	records "ptrace_scope 3, root"
	check "ptrace_scope 3, root: says why it uses uprobes" \
		grep -qE "$why: using uprobes" "$tmp/ml.err"
	target_ends
}

none_left() {
	! pgrep -x 'memleak|memleak-keeper' >/dev/null
}

chmod 755 "$tmp"
test_preload
test_attached
if [ -e $scope ]; then
	test_scope_0
	test_scope_1
	test_scope_2
	test_scope_3
else
	not_ok "this kernel has yama"
fi
check "no process of memleak is left" wait_for none_left
