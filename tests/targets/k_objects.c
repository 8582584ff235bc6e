// SPDX-License-Identifier: MIT
/*
 * k_objects - makes the kernel allocate N objects of a known kind, for kagent's
 * tests.
 *
 *	k_objects KIND N keep	waits for a line on stdin ("go"), allocates, says
 *				"ready PID", waits for another line, exits
 *	k_objects KIND N free	the same, but gives them back before "ready"
 *
 * What outlives a process (keys, messages) is removed by "free" only.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/mount.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/xattr.h>
#include <unistd.h>

#define MAX 4096

static int fds[2 * MAX];
static long ids[MAX];
static char payload[4000];

static void die(const char *what)
{
	fprintf(stderr, "k_objects: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int checked(long result, const char *what)
{
	if (result < 0)
		die(what);
	return (int)result;
}

static void close_all(int from, int n)
{
	for (int i = from; i < from + n; i++)
		close(fds[i]);
}

/* ---- the kinds: make n, and give n back ------------------------------------------ */

static void add_keys(int n, const void *data, size_t size)
{
	char name[64];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "k_objects-%d-%d", getpid(), i);
		ids[i] = checked(syscall(SYS_add_key, "user", name, data, size,
					 -2 /* KEY_SPEC_PROCESS_KEYRING */), "add_key");
	}
}

static void make_keys(int n)
{
	add_keys(n, payload, sizeof(payload));
}

/* More than a slab cache has: pages. */
static void make_large_keys(int n)
{
	static const char data[20000];

	add_keys(n, data, sizeof(data));
}

static void free_keys(int n)
{
	for (int i = 0; i < n; i++)
		syscall(SYS_keyctl, 9 /* KEYCTL_UNLINK */, ids[i], -2);
}

static void make_messages(int n)
{
	struct {
		long type;
		char text[sizeof(payload)];
	} m = { 1, "" };

	for (int i = 0; i < n; i++) {
		if (i % 4 == 0)	/* 16 KiB fit in a queue */
			ids[i / 4] = checked(msgget(IPC_PRIVATE, 0600), "msgget");
		checked(msgsnd(ids[i / 4], &m, sizeof(m.text), 0), "msgsnd");
	}
}

static void free_messages(int n)
{
	for (int i = 0; i < n; i += 4)
		msgctl(ids[i / 4], IPC_RMID, NULL);
}

static void make_pipes(int n)
{
	for (int i = 0; i < n; i++)
		checked(pipe2(fds + 2 * i, O_CLOEXEC), "pipe2");
}

static void free_pipes(int n)
{
	close_all(0, 2 * n);
}

static void make_files(int n)
{
	for (int i = 0; i < n; i++)
		fds[i] = checked(open("/dev/null", O_RDONLY), "open");
}

static void make_sockets(int n)
{
	for (int i = 0; i < n; i++)
		fds[i] = checked(socket(AF_UNIX, SOCK_STREAM, 0), "socket");
}

static void make_memfds(int n)
{
	for (int i = 0; i < n; i++)
		fds[i] = checked(memfd_create("k_objects", 0), "memfd_create");
}

static void make_timers(int n)
{
	for (int i = 0; i < n; i++)
		fds[i] = checked(timerfd_create(CLOCK_MONOTONIC, 0), "timerfd_create");
}

static void free_files(int n)
{
	close_all(0, n);
}

/* One epoll instance that watches n pipes' read ends. */
static void make_epoll(int n)
{
	struct epoll_event ev = { .events = EPOLLIN };

	fds[0] = checked(epoll_create1(0), "epoll_create1");
	checked(pipe(fds + 1), "pipe");
	for (int i = 0; i < n; i++) {
		fds[3 + i] = checked(dup(fds[1]), "dup");
		checked(epoll_ctl(fds[0], EPOLL_CTL_ADD, fds[3 + i], &ev), "epoll_ctl");
	}
}

static void free_epoll(int n)
{
	close_all(0, n + 3);
}

static void membership(int i, int option)
{
	struct ip_mreqn m = { .imr_ifindex = 1 };

	m.imr_multiaddr.s_addr = htonl(0xe8000001u + i);
	checked(setsockopt(fds[i / 16], IPPROTO_IP, option, &m, sizeof(m)), "multicast");
}

static void make_multicast(int n)
{
	for (int i = 0; i < n; i++) {
		if (i % 16 == 0)	/* net.ipv4.igmp_max_memberships is 20 */
			fds[i / 16] = checked(socket(AF_INET, SOCK_DGRAM, 0), "socket");
		membership(i, IP_ADD_MEMBERSHIP);
	}
}

static void free_multicast(int n)
{
	for (int i = 0; i < n; i++)
		membership(i, IP_DROP_MEMBERSHIP);
	close_all(0, (n + 15) / 16);
}

/* Negative ones, which sysfs keeps. */
static void make_dentries(int n)
{
	struct stat st;
	char path[128];

	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "/sys/no-such-file-%d-%d", getpid(), i);
		stat(path, &st);
	}
}

static void free_nothing(int n)
{
	(void)n;
}

/* On a tmpfs: the current directory has to be one. */
static void make_xattrs(int n)
{
	char name[64];

	fds[0] = checked(open("xattrs", O_CREAT | O_RDWR, 0600), "xattrs");
	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "trusted.k%d", i);
		checked(fsetxattr(fds[0], name, payload, 900, 0), "setxattr");
	}
}

static void free_xattrs(int n)
{
	char name[64];

	for (int i = 0; i < n; i++) {
		snprintf(name, sizeof(name), "trusted.k%d", i);
		fremovexattr(fds[0], name);
	}
}

static void make_locks(int n)
{
	fds[0] = checked(open("locks", O_CREAT | O_RDWR, 0600), "locks");
	for (int i = 0; i < n; i++) {
		struct flock l = {
			.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 2 * i, .l_len = 1
		};

		checked(fcntl(fds[0], F_SETLK, &l), "fcntl");
	}
}

static void free_locks(int n)
{
	(void)n;
	close_all(0, 1);
}

/* n anonymous pages, one by one. */
static void make_pages(int n)
{
	long size = sysconf(_SC_PAGESIZE);
	char *p = mmap(NULL, n * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		die("mmap");
	madvise(p, n * size, MADV_NOHUGEPAGE);
	for (int i = 0; i < n; i++)
		p[i * size] = 1;
	ids[0] = (long)p;
}

static void free_pages(int n)
{
	munmap((void *)ids[0], n * sysconf(_SC_PAGESIZE));
}

/* Detached mounts: each has a per-CPU counter. */
static void make_mounts(int n)
{
	for (int i = 0; i < n; i++)
		fds[i] = checked(syscall(SYS_open_tree, AT_FDCWD, ".", OPEN_TREE_CLONE),
				 "open_tree");
}

/* n poll requests that stay pending: their objects come in bulk. */
static void make_uring(int n)
{
	struct io_uring_params p = { 0 };
	struct io_uring_sqe *sqes;
	unsigned *tail, *array;
	char *rings;
	int fd;

	fd = fds[2] = checked(syscall(SYS_io_uring_setup, MAX, &p), "io_uring_setup");
	checked(pipe(fds), "pipe");
	rings = mmap(NULL, p.sq_off.array + p.sq_entries * sizeof(unsigned), PROT_READ | PROT_WRITE,
		     MAP_SHARED, fd, IORING_OFF_SQ_RING);
	sqes = mmap(NULL, p.sq_entries * sizeof(*sqes), PROT_READ | PROT_WRITE, MAP_SHARED, fd,
		    IORING_OFF_SQES);
	if (rings == MAP_FAILED || sqes == MAP_FAILED)
		die("mmap");
	tail = (unsigned *)(rings + p.sq_off.tail);
	array = (unsigned *)(rings + p.sq_off.array);
	for (int i = 0; i < n; i++) {
		memset(&sqes[i], 0, sizeof(sqes[i]));
		sqes[i].opcode = IORING_OP_POLL_ADD;
		sqes[i].fd = fds[0];
		sqes[i].poll32_events = POLLIN;
		array[i] = i;
	}
	__atomic_store_n(tail, n, __ATOMIC_RELEASE);
	if (checked(syscall(SYS_io_uring_enter, fd, n, 0, 0, NULL, 0), "io_uring_enter") != n)
		die("io_uring_enter: not all");
}

static void free_uring(int n)
{
	(void)n;
	close_all(0, 3);
}

static const struct kind {
	const char *name;
	void (*make)(int n);
	void (*give_back)(int n);
} kinds[] = {
	{ "key", make_keys, free_keys },
	{ "large", make_large_keys, free_keys },
	{ "msg", make_messages, free_messages },
	{ "pipe", make_pipes, free_pipes },
	{ "file", make_files, free_files },
	{ "socket", make_sockets, free_files },
	{ "memfd", make_memfds, free_files },
	{ "xattr", make_xattrs, free_xattrs },
	{ "lock", make_locks, free_locks },
	{ "timerfd", make_timers, free_files },
	{ "epoll", make_epoll, free_epoll },
	{ "multicast", make_multicast, free_multicast },
	{ "dentry", make_dentries, free_nothing },
	{ "page", make_pages, free_pages },
	{ "mount", make_mounts, free_files },
	{ "uring", make_uring, free_uring },
};

static void wait_for_line(void)
{
	char c;

	while (read(0, &c, 1) == 1 && c != '\n')
		;
}

static const struct kind *find_kind(const char *name)
{
	for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return &kinds[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const struct kind *kind = argc == 4 ? find_kind(argv[1]) : NULL;
	int n = argc == 4 ? atoi(argv[2]) : 0;
	struct rlimit files = { 2 * MAX + 64, 2 * MAX + 64 };

	if (!kind || n < 1 || n > MAX) {
		fprintf(stderr, "usage: k_objects KIND N keep|free\n");
		return 2;
	}
	setrlimit(RLIMIT_NOFILE, &files);
	memset(payload, 'x', sizeof(payload));
	wait_for_line();
	kind->make(n);
	if (!strcmp(argv[3], "free"))
		kind->give_back(n);
	printf("ready %d\n", getpid());
	fflush(stdout);
	wait_for_line();
	return 0;
}
