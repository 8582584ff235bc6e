# SPDX-License-Identifier: MIT
# Sourced by the tests of the memleak command, in place of lib.sh.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
needs memleak libleak.so
started=()
trap 'kill -KILL "${started[@]}" 2>/dev/null; rm -rf "$tmp"' EXIT

# check_not TEXT COMMAND...: the command fails
check_not() {
	check "$1" not "${@:2}"
}

not() {
	! "$@"
}

# wait_for COMMAND...: until it succeeds; fails after half a minute.
wait_for() {
	local tries
	for ((tries = 0; tries < 600; tries++)); do
		"$@" >/dev/null 2>&1 && return 0
		sleep 0.05
	done
	return 1
}

# start COMMAND...: in the background, with output in $tmp/out and $tmp/err and what
# `type` writes as input; its pid is $pid.
start() {
	rm -f "$tmp/in"
	: >"$tmp/out" >"$tmp/err"
	mkfifo "$tmp/in"
	exec {typing}<>"$tmp/in"
	"$@" <"$tmp/in" >"$tmp/out" 2>"$tmp/err" {typing}>&- &
	pid=$!
	started+=("$pid")
}

type() {
	printf '%b' "$1" >&"$typing"
}

# Waits for what `start` began; $status is its exit status.
finish() {
	wait "$pid"
	status=$?
	exec {typing}>&-
}

# The stack lines "N bytes in M allocations" of the last report in FILE.
last_report() {
	tac "$1" | sed '/stacks with outstanding allocations/q' | tac
}
