#!/bin/sh
# SPDX-License-Identifier: MIT
# The first process of the virtual machine: runs kagent's cases and those of
# process.sh, and powers off.
# Prints "ok - " and "not ok - " lines on the serial console.
export PATH=/bin LD_LIBRARY_PATH=/lib NO_COLOR=1
mount -t proc none /proc
mount -t sysfs none /sys
mount -t devtmpfs none /dev
ln -s /proc/self/fd /dev/fd
mkdir -p /tmp /scratch /dev/shm
mount -t tmpfs none /tmp
mount -t tmpfs none /scratch
mount -t tmpfs none /dev/shm
mkdir /scratch/tmpfs
mount -t tmpfs none /scratch/tmpfs
ifconfig lo up
ulimit -l unlimited

kagent=/bin/kagent
objects=/bin/k_objects
work=/scratch

ok() { echo "ok - 6.1 vm: $1"; }
not_ok() { echo "not ok - 6.1 vm: $1"; }
ipcs_clean() { ipcs -q | awk '/^0x/ { print $2 }' | while read -r q; do ipcrm -q "$q"; done; }

. /cases.sh

# The module is gone before the report is made: its names must not be.
test_module() {
	capture $work/leaky --cache kmalloc-4096 --cache 'leaky*' -o 0 -T 50 60 || return
	insmod /leaky.ko
	sleep 1.5
	rmmod leaky
	sleep 0.5
	finish
	near "module: 100 kmalloc(4096) by leak_pages" "$(outstanding $work/leaky kmalloc-4k leak_pages)" 100 0
	near "module: 50 objects of its own cache by leak_items" \
		"$(outstanding $work/leaky 'leaky items: a' leak_items)" 50 0
	near "module: named, though unloaded before the report" \
		"$(grep -c '^			leak_\(pages\|items\)+0x[0-9a-f]* \[leaky\]' $work/leaky)" 2 0
	near "module: is unloaded" "$(grep -c ^leaky /proc/modules)" 0 0
	capture $work/fixed --cache kmalloc-4096 --cache 'leaky*' -o 0 -T 50 60 || return
	insmod /leaky.ko fixed=1
	sleep 1
	finish
	near "module: the fixed one leaks nothing" \
		"$(outstanding $work/fixed '.*' 'leak_pages|leak_items')" 0 0
	rmmod leaky
}

# A cache is made where one has been: SLUB hands out its descriptor again.
test_reborn() {
	capture $work/reborn --cache 'leaky*' -o 0 -T 50 60 || return
	insmod /leaky.ko fixed=1
	sleep 1
	rmmod leaky
	insmod /leaky.ko name=leaky_again
	sleep 1
	finish
	rmmod leaky
	near "reborn: the objects are the new cache's" \
		"$(outstanding $work/reborn leaky_again leak_items)" 50 0
	near "reborn: and not the old one's" "$(outstanding $work/reborn 'leaky items: a' '.*')" 0 0
}

# Bulk allocations are seen by fentry here; their stacks begin with the caller, too.
test_bulk() {
	capture $work/bulk --cache io_kiocb --comm k_objects -o 0 60 || return
	hold 3 uring keep
	sleep 0.5
	finish
	release 3
	near "bulk: 64 requests of io_uring" "$(outstanding $work/bulk '.*' __io_alloc_req_refill)" 64 0
	near "bulk: no frame of the tracing" \
		"$(grep -c 'bpf_trampoline\|kmem_cache_alloc_bulk' $work/bulk)" 0 0
}

churn() {
	n=0
	while [ $n -lt "$1" ]; do
		cat /proc/self/status >/dev/null
		n=$((n + 1))
	done
}

# Tenths of seconds.
now() {
	awk '{ print int($1 * 10) }' /proc/uptime
}

# both_see SECONDS: runs both for two tables of so many seconds. Fails when the events
# may have come too late for the second table of either.
both_see() {
	start=$(now)
	$kagent top -C -r 400 "$1" 2 >$work/top 2>&1 &
	top=$!
	slabratetop -C -r 40 "$1" 2 >$work/rate 2>&1 &
	rate=$!
	attached $top 4
	attached $rate 1
	sleep $(($1 + 1))
	churn 40
	end=$(now)
	wait $rate
	wait $top
	[ "$end" -lt $((start + 20 * $1)) ]
}

# Events per cache over the same seconds, ours and slabratetop's: the second table of
# each, when both have long been started. It sees no bulk allocations, so ours mustn't.
test_top() {
	export KAGENT_NO_FENTRY=1
	both_see 10 || both_see 25 || both_see 60
	awk 'FNR == 1 { file++ } /^CACHE/ { table[file]++; next } table[file] != 2 || NF < 3 { next }
		file == 1 { theirs[$1] += $2 } file == 2 { ours[$1] = $2 }
		END { for (c in theirs) if (theirs[c] >= 200) {
			d = ours[c] - theirs[c]; if (d < 0) d = -d
			print c, theirs[c], ours[c] + 0, (d <= 0.05 * theirs[c] + 5) ? "near" : "far" } }' \
		$work/rate $work/top >$work/compare
	compared=$(wc -l <$work/compare)
	far=$(grep -c far $work/compare)
	if [ "$compared" -ge 3 ] && [ "$far" -eq 0 ]; then
		ok "top: within 5 % of slabratetop in $compared caches"
	else
		not_ok "top: $far of $compared caches differ from slabratetop: $(cat $work/compare)"
		head -60 $work/rate $work/top
	fi
}

# Without fentry on the bulk paths only the slabs can tell.
test_phantoms_by_verdict() {
	export KAGENT_NO_FENTRY=1
	test_phantoms
	unset KAGENT_NO_FENTRY
}

# The heap of a static program. test_uprobe NAME [OPTION...]
test_uprobe() {
	local name=$1
	shift
	rm -f $work/heap.in
	mkfifo $work/heap.in
	exec 8<>$work/heap.in
	/bin/uprobe_static 2 <$work/heap.in >$work/heap.out &
	heap=$!
	wait_for $work/heap.out '^ready'
	: >$work/heap
	$kagent uprobe -p $heap -o 0 -T 0 "$@" 600 >$work/heap 2>&1 &
	tracer=$!
	wait_for $work/heap '^Attaching'
	echo go >&8
	wait_for $work/heap.out '^done'
	kill -INT $tracer
	wait $tracer
	near "$name: 100 blocks of realloc" \
		"$(awk '/300000 bytes in 100 allocations/ { seen = 1; next } seen && /leak_realloc\+/ { n++ } { seen = 0 } END { print n + 0 }' $work/heap)" 1 0
	near "$name: stacks of all functions" "$(grep -c '^		leak_' $work/heap)" 11 0
	near "$name: whole stacks" "$(grep -c 'stack ends early' $work/heap)" 0 0
	near "$name: nothing was lost" "$(grep -c 'not recorded' $work/heap)" 0 0
	near "$name: nothing in the way" "$(grep -c 'not followed' $work/heap)" 0 0
	kill $heap
}

# The names of cases begin with the machine's.
in_vm() {
	sed 's/^\(not ok\|ok\) - /&6.1 vm: /'
}

echo "kernel $(uname -r)"
test_module
test_uprobe "uprobes one at a time"	# this kernel has no sessions of them
test_uprobe "uprobes that children inherit" --children $work/%p.leak
test_kinds
test_large
test_sender_gone
test_pages
test_phantoms
test_phantoms_by_verdict
test_reborn
test_bulk
[ ! -x /bin/slabratetop ] || test_top
O=/build /bin/bash /tests/vm/process.sh 2>&1 | in_vm
for log in leaky fixed reborn bulk kinds phantoms; do
	echo "--- $log"
	head -40 $work/$log
done
echo "guest done"
poweroff -f
