// SPDX-License-Identifier: MIT
/* stop.c - signals that end a command in order. */
#include "kagent/stop.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

#define ONE_NS	1000000000ull	/* timeout(1) sends its signal twice: that is one request */

static volatile sig_atomic_t wanted;
static volatile uint64_t wanted_ns;

/* Only one at a time: each blocks the others. */
static void on_signal(int number)
{
	uint64_t now = stop_now_ns();

	if (!wanted) {
		wanted_ns = now;
		wanted = 1;
	} else if (now - wanted_ns > ONE_NS) {
		signal(number, SIG_DFL);
		raise(number);
	}
}

/* Nobody reads any more: there is nothing to print, but an end to be made in order. */
static void on_broken_pipe(int number)
{
	(void)number;
	if (!wanted)
		wanted_ns = stop_now_ns();
	wanted = 1;
}

void stop_on_signals(void)
{
	struct sigaction a = { .sa_handler = on_signal };
	struct sigaction pipe = { .sa_handler = on_broken_pipe };

	sigfillset(&a.sa_mask);
	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGHUP, &a, NULL);
	sigfillset(&pipe.sa_mask);
	sigaction(SIGPIPE, &pipe, NULL);
}

bool stop_wanted(void)
{
	return wanted;
}

uint64_t stop_now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

void stop_sleep_until(uint64_t ns)
{
	uint64_t now = stop_now_ns(), left;

	while (!wanted && now < ns) {
		/* Bounded, because a signal between the test and the sleep interrupts nothing. */
		left = ns - now < 100000000 ? ns - now : 100000000;
		nanosleep(&(struct timespec) { 0, (long)left }, NULL);
		now = stop_now_ns();
	}
}
