// SPDX-License-Identifier: MIT
/*
 * attach_confined - gives up what it does not need, as sandboxed programs do: a
 * seccomp filter kills it for any system call that does not exist (numbers out of
 * range, "no call" among them) and for ptrace. Then it leaks one block of 1000
 * bytes every 10 ms, and prints "ok" when input ends.
 */
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static void *volatile kept;

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

int main(void)
{
	struct pollfd input = { .fd = 0, .events = POLLIN };

	if (confine()) {
		perror("seccomp");
		return 2;
	}
	printf("ready\n");
	fflush(stdout);
	while (poll(&input, 1, 10) == 0)
		leak_confined();
	printf("ok\n");
	return 0;
}
