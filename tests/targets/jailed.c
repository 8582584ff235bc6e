// SPDX-License-Identifier: MIT
/*
 * jailed errno|kill [thread] - allows itself only the system calls that it needs, as a
 * sandboxed worker does (others fail, or end the process), and then fills its heap:
 * in main, or in a thread that has not allocated before.
 */
#include "ledger.h"

#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

enum { BLOCKS = 200000 };

#define ALLOW(nr) \
	BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1), \
	BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)

static int enter_jail(unsigned int otherwise)
{
	struct sock_filter filter[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		ALLOW(SYS_read), ALLOW(SYS_write), ALLOW(SYS_close), ALLOW(SYS_fstat),
		ALLOW(SYS_newfstatat), ALLOW(SYS_mmap), ALLOW(SYS_munmap), ALLOW(SYS_mremap),
		ALLOW(SYS_mprotect), ALLOW(SYS_madvise), ALLOW(SYS_brk), ALLOW(SYS_futex),
		ALLOW(SYS_getrandom), ALLOW(SYS_clock_gettime), ALLOW(SYS_rt_sigprocmask),
		ALLOW(SYS_rt_sigaction), ALLOW(SYS_rt_sigreturn), ALLOW(SYS_exit),
		ALLOW(SYS_exit_group),
		BPF_STMT(BPF_RET | BPF_K, otherwise),
	};
	struct sock_fprog program = { sizeof(filter) / sizeof(*filter), filter };

	return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
	       prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program);
}

static void *leak_in_jail(size_t n)
{
	return malloc(n);
}

static int fill(unsigned int otherwise)
{
	size_t sum = 0;

	if (enter_jail(otherwise))
		return 77;
	for (int i = 0; i < BLOCKS; i++) {
		char *p = leak_in_jail((size_t)i % 200 + 1);

		if (!p)
			return 1;
		*p = (char)i;
		sum += (size_t)*p;
	}
	printf("sum %zu\n", sum);
	fflush(stdout);
	return 5;
}

static void *fill_in_thread(void *otherwise)
{
	return (void *)(intptr_t)fill(*(unsigned int *)otherwise);
}

int main(int argc, char **argv)
{
	unsigned int otherwise = argc > 1 && !strcmp(argv[1], "kill") ?
				 SECCOMP_RET_KILL_PROCESS : SECCOMP_RET_ERRNO | EPERM;
	void *status = NULL;
	pthread_t thread;

	free(leak_in_jail(10));
	if (argc < 3)
		return fill(otherwise);
	if (pthread_create(&thread, NULL, fill_in_thread, &otherwise))
		return 77;
	pthread_join(thread, &status);
	return (int)(intptr_t)status;
}
