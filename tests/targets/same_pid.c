// SPDX-License-Identifier: MIT
/*
 * same_pid - leaks, and forks a child into a pid namespace of its own: run as the first
 * process of one, so that both are process 1. The child leaks, too.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <sched.h>
#include <sys/wait.h>

static void *volatile kept;

static void leak_by_parent(void)
{
	kept = malloc(700);
}

static void leak_by_child(void)
{
	kept = malloc(900);
}

int main(void)
{
	int status = 1;
	pid_t child;

	leak_by_parent();
	ledger_line(1, 700, "leak_by_parent;main");
	if (unshare(CLONE_NEWPID))
		return 2;
	child = fork();
	if (!child) {
		leak_by_child();
		ledger_line(1, 900, "leak_by_child;main");
		return getpid() != 1 || getppid() != 0;
	}
	return waitpid(child, &status, 0) != child || status;
}
