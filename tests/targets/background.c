// SPDX-License-Identifier: MIT
/*
 * background HOW - ends at once, and goes on as a daemon: leaks 3333 bytes there, writes
 * "daemon PID" to its standard output, and waits for a byte or the end of its input.
 *	once	forks once, as daemon(3) does
 *	twice	... and once more in its session
 *	late	makes its session half a second after its parent has ended
 *	dies	once, and dies of a signal at the end
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void *volatile held;

static void leak_in_background(void)
{
	held = malloc(3333);
}

static void fork_and_end(void)
{
	pid_t pid = fork();

	if (pid)
		_exit(pid < 0);
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "once";
	char byte;

	fork_and_end();
	if (!strcmp(how, "late"))
		usleep(500000);
	setsid();
	if (!strcmp(how, "twice"))
		fork_and_end();
	leak_in_background();
	printf("daemon %d\n", (int)getpid());
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) < 0)
		return 1;
	if (!strcmp(how, "dies"))
		raise(SIGKILL);
	return 7;
}
