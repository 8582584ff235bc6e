// SPDX-License-Identifier: MIT
/*
 * attach_handler forked|busy|malloc - goes on in a signal handler.
 *
 * forked: as a child that the handler forked, the way PostgreSQL before 16 starts its
 * servers; busy: the signal interrupted a computation; malloc: it interrupted malloc().
 * In the handler it prints "ready", and then for each line that it reads: "leak": 100
 * blocks of 64 bytes; "back": it leaves the handler, and says "outside". It ends, with
 * status 0, at the end of its input.
 */
#define _GNU_SOURCE 1
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

extern char __executable_start, etext;

static void *volatile kept;
static volatile sig_atomic_t allocating, inside;
static volatile uint64_t work;
static bool forks;

static void say(const char *text)
{
	if (write(STDOUT_FILENO, text, strlen(text)) < 0)
		_exit(3);
}

__attribute__((noinline)) static void leak(void)
{
	for (int i = 0; i < 100; i++)
		kept = malloc(64);
	say("leaked\n");
}

/* What is read arrives a line at a time. */
__attribute__((noinline)) static void serve(void)
{
	char line[64];
	ssize_t len;

	say("ready\n");
	while ((len = read(STDIN_FILENO, line, sizeof(line))) > 0) {
		if (!memcmp(line, "back", 4))
			return;
		leak();
	}
	_exit(0);
}

static bool in_malloc(const ucontext_t *uc)
{
	uintptr_t at = (uintptr_t)uc->uc_mcontext.gregs[REG_RIP];

	return allocating && !(at >= (uintptr_t)&__executable_start && at < (uintptr_t)&etext);
}

static void on_signal(int sig, siginfo_t *info, void *context)
{
	const struct itimerval never = { { 0, 0 }, { 0, 0 } };
	pid_t child;
	int status;

	(void)sig;
	(void)info;
	if (allocating >= 0 && !in_malloc(context))
		return;
	setitimer(ITIMER_REAL, &never, NULL);
	child = forks ? fork() : 0;
	if (!child) {
		serve();
		inside = 0;
		return;
	}
	/* its parent is what the test waits for */
	_exit(waitpid(child, &status, 0) == child && WIFEXITED(status) ? WEXITSTATUS(status) : 2);
}

static void interrupt_after_ms(long ms, bool again)
{
	const struct itimerval timer = { { 0, again ? ms * 1000 : 0 }, { 0, ms * 1000 } };

	setitimer(ITIMER_REAL, &timer, NULL);
}

static void compute(void)
{
	while (inside)
		work = work * 6364136223846793005u + 1;
}

static void allocate(void)
{
	while (inside) {
		allocating = 1;
		free(malloc(100 + work++ % 5000));
		allocating = 0;
	}
}

int main(int argc, char **argv)
{
	const struct sigaction action = { .sa_sigaction = on_signal, .sa_flags = SA_SIGINFO };
	const char *kind = argc > 1 ? argv[1] : "busy";
	bool in_malloc_only = !strcmp(kind, "malloc");
	char byte;

	forks = !strcmp(kind, "forked");
	allocating = in_malloc_only ? 0 : -1;
	inside = 1;
	sigaction(SIGALRM, &action, NULL);
	interrupt_after_ms(1, in_malloc_only);
	if (in_malloc_only)
		allocate();
	else
		compute();
	say("outside\n");
	while (read(STDIN_FILENO, &byte, 1) > 0)
		;
	return 0;
}
