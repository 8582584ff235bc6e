// SPDX-License-Identifier: MIT
/*
 * attach_confined [strict] - gives up what it does not need, as sandboxed programs do: a
 * seccomp filter kills it for any system call that does not exist (numbers out of
 * range, "no call" among them) and for ptrace; strict: for all that it and malloc do
 * not make. Then it leaks one block of 1000 bytes every 10 ms, strict: and allocates
 * many that it frees, and prints a dot. Prints "ok" when input ends.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *volatile kept;

enum { MANY = 3000 };

static void *volatile many[MANY];

#define ALLOW(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int confine_strictly(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_poll), ALLOW(SYS_restart_syscall), ALLOW(SYS_read), ALLOW(SYS_write),
		ALLOW(SYS_rt_sigreturn), ALLOW(SYS_rt_sigprocmask), ALLOW(SYS_exit_group),
		ALLOW(SYS_brk), ALLOW(SYS_mmap), ALLOW(SYS_munmap), ALLOW(SYS_mremap),
		ALLOW(SYS_mprotect), ALLOW(SYS_madvise), ALLOW(SYS_futex),
		ALLOW(SYS_getrandom), ALLOW(SYS_newfstatat),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static int confine(void)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, arch)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCH_X86_64, 1, 0),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, 600, 1, 0),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ptrace, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(filter[0]), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void leak_confined(void)
{
	kept = malloc(1000);
}

static void tidy_many(void)
{
	for (int i = 0; i < MANY; i++)
		many[i] = malloc((size_t)i);
	for (int i = 0; i < MANY; i++)
		free(many[i]);
	if (write(STDOUT_FILENO, ".\n", 2) != 2)
		exit(1);
}

int main(int argc, char **argv)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };
	int strict = argc > 1 && !strcmp(argv[1], "strict");

	if (strict ? confine_strictly() : confine()) {
		perror("seccomp");
		return 2;
	}
	printf("ready\n");
	fflush(stdout);
	while (poll(&input, 1, 10) == 0) {
		leak_confined();
		if (strict)
			tidy_many();
	}
	printf("ok\n");
	return 0;
}
