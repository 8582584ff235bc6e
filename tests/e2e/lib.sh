# SPDX-License-Identifier: MIT
# Sourced by the end-to-end tests: running programs under the shim, and comparing
# what a report says with what the program wrote in its ledger (targets/ledger.h).
# shellcheck shell=bash
set -u

O=$(realpath -m "${O:-build}")
root=$(realpath "$(dirname "${BASH_SOURCE[0]}")/../..")
targets=$O/targets${LIBC:+/$LIBC}	# LIBC=musl: those that musl.mk makes
libleak=$O/libleak.so
leakreport=$O/leakreport
memleak=$O/memleak
tmp=$(mktemp -d "${TMPDIR:-/tmp}/memleak-test.XXXXXX")
trap 'rm -rf "$tmp"' EXIT
unset LD_PRELOAD LIBLEAK DEBUGINFOD_URLS
# A sanitized command may have something preloaded (by stdbuf).
export ASAN_OPTIONS=${ASAN_OPTIONS-verify_asan_link_order=0}

# For jq, before the rest: the stacks of a JSON report's sites with the frames themselves
# in place of their indices (docs/json.md).
stacks='.frames as $all | .sites = [.sites[] | .frames = [.frames[] | $all[.]]] | '

ok() {
	echo "ok - $1"
}

# not_ok TEXT [DETAIL]
not_ok() {
	echo "not ok - $1"
	[ $# -lt 2 ] || sed 's/^/#   /' <<<"$2"
}

skip_case() {
	echo "ok - $1 # SKIP $2"
}

skip_all() {
	echo "$1"
	exit 77
}

# check TEXT COMMAND...: the command succeeds
check() {
	local text=$1 output
	shift
	if output=$("$@" 2>&1); then ok "$text"; else not_ok "$text" "$output"; fi
}

# is TEXT GOT WANTED
is() {
	if [ "$2" = "$3" ]; then ok "$1"; else not_ok "$1" "got:    $2
wanted: $3"; fi
}

# needs COMPONENT...: what the build directory must hold
needs() {
	local file
	for file in "$@"; do
		[ -e "$O/$file" ] && continue
		not_ok "$O/$file has been built"
		exit 1
	done
}

# Removes the sessions and the ledger of the case before.
fresh() {
	rm -f "$tmp"/*.leak "$tmp/ledger"
}

# traced [SETTING,...:] COMMAND...: runs it under the shim; its sessions are
# $tmp/*.leak, its ledger $tmp/ledger.
traced() {
	local settings="output=$tmp/%p.leak,report=none"
	case $1 in
	*:) settings+=,${1%:}; shift ;;
	esac
	fresh
	timeout 60 env LEDGER="$tmp/ledger" LD_PRELOAD="$libleak" LIBLEAK="$settings" "$@"
}

# All sites of the sessions: "count bytes function;function;...", innermost first.
sites() {
	"$leakreport" --json "$@" | jq -r "$stacks"'.sites[] |
		select(.live.count > 0) | "\(.live.count) \(.live.bytes) \([.frames[].function // "?"] | join(";"))"'
}

# Only what the target's own functions (leak_*, tidy_*) allocated, from that function on.
own_sites() {
	sites "$@" | sed -En 's/\([^;]*\)//g; s/^([0-9]+ [0-9]+) (.*;)?((leak|tidy)_.*)$/\1 \3/p'
}

# ledger_difference SESSION...: one line per stack whose count or bytes differ. A
# stack of the report belongs to the longest ledger line that is its beginning.
ledger_difference() {
	own_sites "$@" | sed 's/^/got /' | cat <(sed 's/^/want /' "$tmp/ledger") - | awk '
		$1 == "want" { count[$4] += $2; bytes[$4] += $3; known[$4] = 1; next }
		{
			key = $4
			while (!(key in known) && key ~ /;/)
				sub(/;[^;]*$/, "", key)
			if (!(key in known)) {
				print "not in the ledger: " $2 " blocks, " $3 " bytes, " $4
				next
			}
			count[key] -= $2; bytes[key] -= $3
		}
		END {
			for (key in known)
				if (bytes[key] || (!'"${ignore_counts:-0}"' && count[key]))
					print "missing: " count[key] " blocks, " bytes[key] " bytes, " key
		}'
}

# matches_ledger TEXT [SESSION...]
matches_ledger() {
	local text=$1 difference
	shift
	[ $# -gt 0 ] || set -- "$tmp"/*.leak
	if [ ! -s "$tmp/ledger" ]; then
		not_ok "$text" "the target wrote no ledger"
	elif [ ! -e "$1" ]; then
		not_ok "$text" "no session was written"
	elif difference=$(ledger_difference "$@" 2>&1) && [ -z "$difference" ]; then
		ok "$text"
	else
		not_ok "$text" "$(head -n 20 <<<"$difference")"
	fi
}

# ledger_case TEXT [SETTING:] COMMAND...: the command ends well, and the report
# equals its ledger.
ledger_case() {
	local text=$1 output status
	shift
	output=$(traced "$@" 2>&1)
	status=$?
	if [ $status != "${wanted_status:-0}" ]; then
		not_ok "$text" "exit status $status: $output"
	else
		matches_ledger "$text"
	fi
}

# captured NAME COMMAND...: its output in $tmp/NAME.out and .err, through pipes (it
# may not be allowed to write to files).
captured() {
	local name=$1
	shift
	# pipelines, which are waited for, unlike process substitutions
	{ { timeout 60 "$@" 2>&1 >&3 3>&- </dev/null; echo $? >"$tmp/$name.status"; } |
		cat >"$tmp/$name.err"; } 3>&1 | cat >"$tmp/$name.out"
	return "$(cat "$tmp/$name.status")"
}

# unharmed TEXT [PREFIX... --] COMMAND...: standard output and exit status are the
# same with the shim as without. PREFIX is a command that runs the rest in some
# surroundings. $settings: LIBLEAK; $before, $behind: a library that is preloaded, too.
unharmed() {
	local text=$1 prefix=() plain status
	shift
	case " $* " in
	*" -- "*)
		while [ "$1" != -- ]; do prefix+=("$1"); shift; done
		shift
		;;
	esac
	captured plain "${prefix[@]}" env LD_PRELOAD="${before-}${behind-}" "$@"
	plain=$?
	captured shim "${prefix[@]}" env LD_PRELOAD="${before:+$before:}$libleak${behind:+:$behind}" \
		LIBLEAK="${settings-}" "$@"
	status=$?
	if [ $plain != $status ]; then
		not_ok "$text" "exit status $status instead of $plain
$(tail -n 5 "$tmp/shim.err")"
	elif ! cmp -s "$tmp/plain.out" "$tmp/shim.out"; then
		not_ok "$text" "standard output differs
$(diff -a "$tmp/plain.out" "$tmp/shim.out" | head -n 6)"
	else
		ok "$text"
	fi
}
