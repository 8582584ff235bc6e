// SPDX-License-Identifier: MIT
/*
 * attach_family - forks a child for the line "fork" on standard input and keeps a
 * block for every other line; the child prints "child PID" and keeps a block at
 * every SIGUSR1. Both print "WHO kept" then, and end with standard input.
 */
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static void *kept[1000];

static void *leak_at_signal(void)
{
	return malloc(1000);
}

static void keep(const char *who)
{
	static unsigned count;

	if (count < sizeof(kept) / sizeof(kept[0]))
		kept[count++] = leak_at_signal();
	printf("%s kept\n", who);
	fflush(stdout);
}

static void keep_at_signals(void)
{
	sigset_t set;
	int sig;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	printf("child %d\n", (int)getpid());
	fflush(stdout);
	while (!sigwait(&set, &sig))
		keep("child");
}

int main(void)
{
	char line[64];
	pid_t child = 0;
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready\n");
	fflush(stdout);
	while (fgets(line, sizeof(line), stdin)) {
		if (strcmp(line, "fork\n"))
			keep("parent");
		else if (!child && !(child = fork()))
			keep_at_signals();
	}
	if (child > 0) {
		kill(child, SIGKILL);
		waitpid(child, NULL, 0);
	}
	printf("ok\n");
	return 0;
}
