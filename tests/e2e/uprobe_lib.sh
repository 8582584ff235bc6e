# SPDX-License-Identifier: MIT
# Sourced by the tests of memleak --engine=uprobe.
# shellcheck shell=bash
. "$(dirname "${BASH_SOURCE[0]}")/attach_lib.sh"
needs memleak kagent leakreport targets/uprobe_heap targets/uprobe_static
[ "$(id -u)" = 0 ] || skip_all "uprobes need root"
sleep 100 &
started+=($!)
wait_for grep -qx sleep "/proc/$!/comm"
wait_for grep -q libc.so "/proc/$!/maps"
probe=$("$O/kagent" uprobe -p $! 0.01 1 2>&1) ||
	skip_all "uprobes can't be used here: $(tail -n 1 <<<"$probe")"

# Names of the losses of a session, but for those given. (glibc frees what a thread has
# cached when it ends, a second time: frees that match nothing.)
losses() {
	local session=$1 known=$2
	"$leakreport" --json "$session" |
		jq -r '.summary.losses[] | .cause' | grep -vxE "$known" | paste -sd' '
}

# Breakpoints that are left in a process: its text is as in its file.
text_is_as_in_file() {
	local pid=$1 file=$2
	perl -e '
		my ($pid, $file) = @ARGV;
		open(my $maps, "<", "/proc/$pid/maps") or die;
		open(my $mem, "<", "/proc/$pid/mem") or die;
		open(my $elf, "<", $file) or die;
		my ($differs, $seen) = (0, 0);
		while (<$maps>) {
			my ($from, $to, $x, $offset, $path) =
				/^(\w+)-(\w+) (\S+) (\w+) \S+ \S+ +(.*)$/ or next;
			next unless $x =~ /x/ && $path eq $file;
			my $size = hex($to) - hex($from);
			sysseek($mem, hex($from), 0); sysread($mem, my $now, $size);
			sysseek($elf, hex($offset), 0); sysread($elf, my $was, $size);
			$now = substr($now, 0, length($was));
			$differs++ if $now ne $was;
			$seen++;
		}
		print "$differs of $seen\n";
		exit($differs || !$seen);
	' "$pid" "$file"
}
