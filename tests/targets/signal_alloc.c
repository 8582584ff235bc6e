// SPDX-License-Identifier: MIT
/*
 * signal_alloc - a timer's handler allocates and frees while the program does the
 * same, at any instruction of either. malloc isn't safe for that, so the handler
 * works only where the interrupted code isn't in the allocator: it is told by a
 * flag. Another handler, raised synchronously on its own stack, leaks.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <signal.h>
#include <string.h>
#include <sys/time.h>

enum { ROUNDS = 20000, RAISED = 10, ALTSTACK = 64 * 1024 };

static volatile sig_atomic_t in_allocator, handled;
static char altstack[ALTSTACK];

static void *leak_in_handler(void)
{
	return malloc(77);
}

static void on_usr1(int sig)
{
	(void)sig;
	leak_in_handler();
}

static void *tidy_alloc(size_t n)
{
	return malloc(n);
}

static void on_timer(int sig)
{
	(void)sig;
	if (in_allocator)
		return;
	free(tidy_alloc(40));
	handled++;
}

static void *outer(int depth)
{
	void *p;

	if (depth)
		return outer(depth - 1);
	in_allocator = 1;
	p = tidy_alloc(123);
	in_allocator = 0;
	return p;
}

static void install(int sig, void (*handler)(int), int flags)
{
	struct sigaction action = { .sa_handler = handler, .sa_flags = flags | SA_RESTART };

	sigaction(sig, &action, NULL);
}

int main(void)
{
	stack_t stack = { .ss_sp = altstack, .ss_size = sizeof(altstack) };
	struct itimerval often = { { 0, 200 }, { 0, 200 } }, never = { { 0, 0 }, { 0, 0 } };

	sigaltstack(&stack, NULL);
	install(SIGUSR1, on_usr1, SA_ONSTACK);
	install(SIGALRM, on_timer, 0);
	setitimer(ITIMER_REAL, &often, NULL);
	for (int i = 0; i < ROUNDS || handled < 20; i++) {
		void *p = outer(i % 10);

		in_allocator = 1;
		free(p);
		in_allocator = 0;
	}
	setitimer(ITIMER_REAL, &never, NULL);
	for (int i = 0; i < RAISED; i++)
		raise(SIGUSR1);
	ledger_line(RAISED, RAISED * 77, "leak_in_handler;on_usr1");
	puts("done");
	return 0;
}
