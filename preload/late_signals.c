// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/late_signals.h"

#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static void set_caught(const struct sigaction *action)
{
	struct sigaction before;

	for (size_t i = 0; i < sizeof(ending) / sizeof(*ending); i++)
		if (!sigaction(ending[i], NULL, &before) && before.sa_handler != SIG_IGN)
			sigaction(ending[i], action, NULL);
}

static void answer(int number)
{
	static const char text[] = "memleak: the last report is being written; "
				   "another signal ends memleak without it\n";
	const struct sigaction standard = { .sa_handler = SIG_DFL };
	int kept = errno;

	(void)number;
	set_caught(&standard);
	if (write(STDERR_FILENO, text, sizeof(text) - 1) < 0)
		errno = 0;	/* nobody reads it */
	errno = kept;
}

void late_signals_catch(void)
{
	/* all are held off, so that two that come together are two */
	struct sigaction action = { .sa_handler = answer, .sa_flags = SA_RESTART };

	sigfillset(&action.sa_mask);
	set_caught(&action);
	/* they were for the program */
	signal(SIGUSR1, SIG_IGN);
	signal(SIGUSR2, SIG_IGN);
}
