# SPDX-License-Identifier: MIT
# Sourced by the tests of kagent, on the running kernel (bash) and in the virtual
# machine (busybox sh): what objects exist must be what kagent shows. Uses ok and
# not_ok of the sourcing script; $kagent, $objects (k_objects) and $work are set.
# shellcheck shell=sh

trap '' PIPE	# a holder that has failed reads no more

# outstanding FILE CACHE FRAME: objects in the last report of FILE, of caches that
# match CACHE, with a function that matches FRAME in their stack (regular expressions).
outstanding() {
	awk -v cache="$2" -v frame="$3" '
		/^\[[0-9:]*\] Top/ { sum = 0; seen = 0 }
		/ objects from stack/ { n = $4; seen = 0 }
		/^\t\t\t/ { split($1, f, "+"); if (f[1] ~ "^(" frame ")$") seen = 1 }
		/^\t\tcache / { name = $0; sub(/^\t\tcache /, "", name); sub(/( \(merged|;).*/, "", name)
				if (seen && name ~ "^(" cache ")$") sum += n }
		END { print sum + 0 }' "$1"
}

# near TEXT GOT WANTED SLACK
near() {
	if [ "$2" -ge $(($3 - $4)) ] && [ "$2" -le $(($3 + $4)) ]; then
		ok "$1 ($2)"
	else
		not_ok "$1: $2 instead of $3 (+-$4)"
	fi
}

# wait_for FILE PATTERN [TENTHS]: until a line of FILE matches
wait_for() {
	tries=${3:-200}
	while ! grep -q "$2" "$1" 2>/dev/null; do
		tries=$((tries - 1))
		[ "$tries" -gt 0 ] || return 1
		sleep 0.1
	done
}

# attached PID COUNT: waits until so many programs of it are attached
attached() {
	tries=200
	until [ "$(ls -l "/proc/$1/fd" 2>/dev/null | grep -c bpf_link)" -ge "$2" ]; do
		tries=$((tries - 1))
		[ $tries -gt 0 ] || return 1
		sleep 0.1
	done
}

# capture FILE ARG...: starts kagent in the background, and waits until it records
capture() {
	log=$1
	shift
	: >"$log"	# an earlier capture's first line must not be taken for this one's
	"$kagent" "$@" >"$log" 2>&1 &
	capture_pid=$!
	wait_for "$log" '^Attaching' || { not_ok "kagent $* attaches"; cat "$log"; return 1; }
	sleep 0.2
}

# finish: ends the capture as Ctrl-C does
finish() {
	kill -INT "$capture_pid" 2>/dev/null
	wait "$capture_pid"
}

# hold NUMBER KIND MODE [COUNT]: objects of a kind, until release NUMBER
hold() {
	rm -f "$work/in.$1" "$work/out.$1"
	mkfifo "$work/in.$1"
	(cd "$work/tmpfs" && exec "$objects" "$2" "${4:-64}" "$3") <"$work/in.$1" >"$work/out.$1" 2>&1 &
	eval "holder_$1=\$!"
	eval "exec $1>\"$work/in.$1\""
	eval "echo >&$1"
	wait_for "$work/out.$1" '^ready' 100 || { not_ok "k_objects $2 $3"; cat "$work/out.$1"; }
}

release() {
	eval "echo >&$1; exec $1>&-; wait \$holder_$1"
}

all_kinds='key msg pipe file socket memfd xattr lock'

# hold_all MODE: one process per kind
hold_all() {
	n=3
	for kind in $all_kinds; do
		hold $n "$kind" "$1"
		n=$((n + 1))
	done
}

release_all() {
	n=3
	for kind in $all_kinds; do
		release $n
		n=$((n + 1))
	done
}

# expect_all FILE COUNT: of every kind so many objects, in its cache, by its function
expect_all() {
	near "add_key: kmalloc-4k" "$(outstanding "$1" 'kmalloc-4k' user_preparse)" "$2" 10
	near "msgsnd: kmalloc-cg-4k or msg_msg-4k" \
		"$(outstanding "$1" 'kmalloc-cg-4k|msg_msg-4k' 'load_msg|alloc_msg')" "$2" 10
	near "pipe2: kmalloc-cg-1k" "$(outstanding "$1" 'kmalloc-cg-1k' alloc_pipe_info)" "$2" 10
	# and the C library, which each of the holders has opened and mapped
	near "open: filp" "$(outstanding "$1" filp 'do_sys_openat2')" $(($2 + 8)) 10
	near "socket: sock_inode_cache" "$(outstanding "$1" sock_inode_cache sock_alloc_inode)" "$2" 10
	near "memfd_create: shmem_inode_cache" "$(outstanding "$1" shmem_inode_cache '__x64_sys_memfd_create|__do_sys_memfd_create')" "$2" 10
	near "setxattr: a kmalloc cache of 1k" "$(outstanding "$1" 'kmalloc-(cg-)?1k' simple_xattr_alloc)" "$2" 10
	near "fcntl: file_lock_cache" "$(outstanding "$1" file_lock_cache 'fcntl_setlk|do_fcntl')" "$2" 10
}

# Every kind held at once, then given back; messages outlive their sender.
test_kinds() {
	capture "$work/kinds" --comm k_objects -T 200 -o 0 60 || return
	hold_all keep
	sleep 3		# what the loader opened is freed by RCU, late on a busy machine
	finish
	expect_all "$work/kinds" 64
	release_all
	ipcs_clean
	rm -f "$work/tmpfs"/*
	capture "$work/free" --comm k_objects -T 200 -o 0 60 || return
	hold_all free
	sleep 1
	finish
	expect_all "$work/free" 0
	release_all
}

phantoms_left() {
	epolls=$(outstanding "$work/phantoms" '.*' 'ep_insert')
	members=$(outstanding "$work/phantoms" '.*' '(__)?ip_mc_join_group.*')
	timers=$(outstanding "$work/phantoms" 'kmalloc-(cg-)?256' '__(do|x64)_sys_timerfd_create')
	[ "$epolls" -gt 2 ] || [ "$members" -gt 2 ] || [ "$timers" -gt 66 ]
}

# Freed through paths that emit no event: gone when the kernel has freed them, which
# takes it 6 s at most when it isn't busy.
test_phantoms() {
	capture "$work/phantoms" --comm k_objects -T 200 -o 0 2 || return
	hold 3 timerfd free
	hold 4 epoll free
	hold 5 multicast free
	release 3
	release 4
	release 5
	hold 6 dentry keep
	hold 7 timerfd keep
	sleep 6
	waited=6
	while phantoms_left && [ $waited -lt 60 ]; do
		sleep 2
		waited=$((waited + 2))
	done
	finish
	phantoms_left
	near "timerfds: 64 closed ones are gone, 64 open ones are live" "$timers" 64 2
	near "epoll items are gone" "$epolls" 0 2
	near "multicast memberships are gone" "$members" 0 2
	near "negative dentries stay live" \
		"$(outstanding "$work/phantoms" dentry '(vfs|do)_statx|user_path_at.*|filename_lookup')" 64 10
	release 6
	release 7
}

# Messages outlive their sender, who is named all the same.
# Pages of their own; newer kernels tell of each allocation twice.
test_large() {
	capture "$work/large" --cache kmalloc-large --comm k_objects -o 0 60 || return
	hold 3 large keep
	sleep 0.7
	finish
	near "large kmalloc: kmalloc-large" "$(outstanding "$work/large" kmalloc-large user_preparse)" 64 0
	near "large kmalloc: each counted once" "$(grep -c 'frees that were not seen' "$work/large")" 0 0
	release 3
	capture "$work/nolarge" --cache kmalloc-large --comm k_objects -o 0 60 || return
	hold 3 large free
	sleep 1
	finish
	near "large kmalloc: none when given back" "$(outstanding "$work/nolarge" kmalloc-large '.*')" 0 0
	release 3
}

test_sender_gone() {
	capture "$work/sender" --cache kmalloc-4096 --comm k_objects -o 0 60 || return
	hold 3 msg keep
	release 3
	sleep 0.3
	finish
	near "msgsnd: still there after the sender's exit" \
		"$(outstanding "$work/sender" 'kmalloc-cg-4k|msg_msg-4k' 'load_msg|alloc_msg')" 64 10
	if grep -q 'k_objects pid [0-9]* (exited)' "$work/sender"; then
		ok "the sender is named, and that it has exited"
	else
		not_ok "the sender is named, and that it has exited"
	fi
	if grep -q '^Caches: .*kmalloc-4k' "$work/sender"; then
		ok "--cache kmalloc-4096 says which caches it stands for"
	else
		not_ok "--cache kmalloc-4096 says which caches it stands for: $(grep Caches "$work/sender")"
	fi
	ipcs_clean
}

# The page allocator and the per-CPU allocator.
test_pages() {
	capture "$work/pages" --pages --percpu --comm k_objects -T 300 -o 0 60 || return
	hold 3 page keep 1000
	hold 4 mount keep
	finish
	near "--pages: 1000 anonymous pages" "$(outstanding "$work/pages" pages '.*handle_mm_fault')" 1000 100
	near "--percpu: a counter per mount" "$(outstanding "$work/pages" percpu 'alloc_vfsmnt')" 64 2
	release 3
	release 4
	capture "$work/nopages" --pages --percpu --comm k_objects -T 300 -o 0 60 || return
	hold 3 page free 1000
	hold 4 mount free
	release 4
	sleep 1
	finish
	near "--pages: none when given back" "$(outstanding "$work/nopages" pages '.*handle_mm_fault')" 0 100
	near "--percpu: none when given back" "$(outstanding "$work/nopages" percpu 'alloc_vfsmnt')" 0 2
	release 3
}
