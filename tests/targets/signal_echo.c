// SPDX-License-Identifier: MIT
/*
 * signal_echo - says which signals it gets, one line each, until SIGTERM, and then
 * exits with 42. Says "ready PID" first.
 */
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const int wanted[] = { SIGINT, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTERM };

int main(void)
{
	sigset_t set;
	int sig = 0;

	setvbuf(stdout, NULL, _IOLBF, 0);
	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(wanted) / sizeof(wanted[0]); i++)
		sigaddset(&set, wanted[i]);
	sigprocmask(SIG_BLOCK, &set, NULL);
	printf("ready %d\n", (int)getpid());
	while (sig != SIGTERM) {
		if (sigwait(&set, &sig))
			return 1;
		printf("got %s\n", sigabbrev_np(sig));
	}
	return 42;
}
