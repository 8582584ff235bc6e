// SPDX-License-Identifier: MIT
/* stop.c - signals that end a command in order. */
#include "kagent/stop.h"

#include <signal.h>
#include <stddef.h>
#include <time.h>

static volatile sig_atomic_t wanted;

static void on_signal(int number)
{
	wanted = 1;
	signal(number, SIG_DFL);
}

void stop_on_signals(void)
{
	struct sigaction a = { .sa_handler = on_signal };

	sigaction(SIGINT, &a, NULL);
	sigaction(SIGTERM, &a, NULL);
	sigaction(SIGHUP, &a, NULL);
	signal(SIGPIPE, SIG_DFL);
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
