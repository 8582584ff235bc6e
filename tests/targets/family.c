// SPDX-License-Identifier: MIT
/*
 * family HOW - a parent that leaks 1111 bytes and a child that leaks 2222:
 *	fork	the child leaks in between, the parent waits for it
 *	exec	the child becomes this program again (family child), which leaks
 *	orphan	the child leaks, and stays behind until stdin is closed
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile held;

static void parent_leak(void)
{
	held = malloc(1111);
}

static void child_leak(void)
{
	held = malloc(2222);
}

/* `ready`: closed when the child has leaked, at the latest when it has ended. */
static int child(const char *how, char *self, int ready)
{
	char byte;

	if (!strcmp(how, "exec")) {
		execl(self, self, "child", NULL);
		return 127;
	}
	child_leak();
	close(ready);
	while (!strcmp(how, "orphan") && read(0, &byte, 1) > 0)
		;
	return 0;
}

int main(int argc, char **argv)
{
	const char *how = argc > 1 ? argv[1] : "fork";
	int status = 0, ready[2];
	char byte;
	pid_t pid;

	if (!strcmp(how, "child"))
		return child(how, argv[0], -1);
	parent_leak();
	if (pipe(ready) || (pid = fork()) < 0)
		return 1;
	if (!pid)
		return child(how, argv[0], ready[1]);
	close(ready[1]);
	while (read(ready[0], &byte, 1) > 0)
		;
	if (strcmp(how, "orphan"))
		waitpid(pid, &status, 0);
	return WEXITSTATUS(status);
}
