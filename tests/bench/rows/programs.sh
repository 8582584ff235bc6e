# shellcheck shell=bash
# SPDX-License-Identifier: MIT
# Rows of whole programs: wall time.

# Seconds that a command takes; its own output is of no interest.
timed() {
	local start end
	start=$(date +%s%N)
	"$@" >/dev/null 2>&1
	end=$(date +%s%N)
	calc "($end - $start) / 1e9" 4
	echo
}
# Short programs take more rounds than RUNS, so that their medians are as steady as others'.
# Each round begins with the next tool: what ran before leaves the machine's memory as it is.
alternate_program() { # NAME TOOLS COMMAND...
	local name=$1 tools=$2 tool i round start=$SECONDS
	local -a turn
	read -ra turn <<<"$2"
	shift 2
	rm -f "$tmp/$name".*
	for ((round = 0; round < 2 * RUNS || (round < 5 * RUNS && SECONDS - start < 40); round++)); do
		for i in "${!turn[@]}"; do
			tool=${turn[(i + round) % ${#turn[@]}]}
			start_reader "$tool"
			timed "run_$tool" "$@" >>"$tmp/$name.$tool"
			end_reader "$tool"
		done
	done
	take_medians "$name" "$tools"
}

program_row() { # NAME COMMAND...
	local name=$1 tool native
	shift
	alternate_program "$name" "$program_tools" "$@"
	native=$(value "$name" native)
	printf '%-24s %9s' "$name" "$native"
	for tool in $program_tools; do
		[ "$tool" = native ] || printf ' %11s' "$(calc "$(value "$name" "$tool") / $native")"
	done
	echo
	summary "$name, full tracking, times native" '<= 1.15' \
		"$(calc "$(value "$name" libleak) / $native")" "$(value "$name" libleak) / $native <= 1.15"
	summary "$name, sample=512k, times native" '<= 1.02' \
		"$(calc "$(value "$name" sampled) / $native")" "$(value "$name" sampled) / $native <= 1.02"
	have heaptrack-r && against_heaptrack "$name" "$native"
}

against_heaptrack() { # NAME NATIVE
	local ours theirs share=none
	ours=$(calc "$(value "$1" libleak) - $2" 4)
	theirs=$(calc "$(value "$1" heaptrack-r) - $2" 4)
	case $ours in -* | 0.0000) ;; *) share=1/$(calc "$theirs / $ours" 1) ;; esac
	summary "$1: added, of what heaptrack -r adds" '<= 1/6' "$share" "$theirs >= 6 * $ours"
}

make_inputs() {
	awk 'BEGIN { print "<r>"; for (i = 0; i < 120000; i++)
		printf "<item id=\"%d\"><name>item %d</name><value>%d</value></item>\n", i, i, i * 7; print "</r>" }' \
		>"$tmp/big.xml"
	cat >"$tmp/stl.cc" <<-'CC'
		#include <algorithm>
		#include <functional>
		#include <iostream>
		#include <map>
		#include <regex>
		#include <string>
		#include <unordered_map>
		#include <vector>
		int main()
		{
			std::map<std::string, std::vector<std::function<int(int)>>> m;
			std::regex r("a(b|c)*d");
			for (int i = 0; i < 10; i++)
				m[std::to_string(i)].push_back([i](int x) { return x + i; });
			for (auto &[k, v] : m)
				std::cout << k << v.size() << std::regex_match(k, r);
		}
	CC
}

# A program that is not measured. (env -u would itself be preloaded.)
unmeasured() { (unset LD_PRELOAD && exec "$@"); }

redis_load() { # runs under the tool: a server, a bounded load, an orderly end
	local port=$((20000 + $$ % 20000)) i
	redis-server --port $port --save '' --appendonly no --bind 127.0.0.1 >/dev/null &
	local pid=$!
	for ((i = 0; i < 50; i++)); do
		unmeasured redis-cli -p $port ping >/dev/null 2>&1 && break
		unmeasured sleep 0.05
	done
	unmeasured redis-benchmark -p $port -q -n 100000 -c 20 -P 8 -t set,get,lpush,hset >/dev/null
	unmeasured redis-cli -p $port shutdown nosave
	wait $pid
}

part_programs() {
	local sql="create table t(a,b); with recursive c(x) as (select 1 union all select x+1 from c where x<300000)
		insert into t select x, hex(x*7) from c; create index i on t(b); select count(*),sum(length(b)) from t;"
	local python='import json
d = [{str(i): [i] * 5, "k": str(i)} for i in range(60000)]
e = json.loads(json.dumps(d))
s = sorted(str(x) for x in range(100000))'
	make_inputs
	program_tools=$(tools_for native libleak sampled heaptrack-r)
	printf '\n%s\n%-24s %9s' 'whole programs, wall time, times native' program 'native s'
	for t in $program_tools; do [ "$t" = native ] || printf ' %11s' "$t"; done
	echo
	program_row sqlite3 sqlite3 :memory: "$sql"
	program_row xmllint xmllint --noout "$tmp/big.xml"
	# not a wrapper script of that name
	PYTHONMALLOC=malloc program_row python3 "$(python3 -c 'import sys; print(sys.executable)')" -c "$python"
	g++ -E "$tmp/stl.cc" -o "$tmp/stl.ii"
	program_row cc1plus "$(g++ -print-prog-name=cc1plus)" -quiet -O1 "$tmp/stl.ii" -o /dev/null
	command -v redis-server >/dev/null && program_row redis redis_load
}
