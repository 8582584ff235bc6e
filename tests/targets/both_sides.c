// SPDX-License-Identifier: MIT
/*
 * both_sides.c - holds memory on both sides: 40 blocks of 3000 bytes in 40 calls of
 * hold_heap() and 40 open files; a forked child holds 16 files; and a System V
 * message stays in the kernel when all is over (its queue's id is printed). Prints
 * "ready", and ends when standard input does.
 */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ipc.h>
#include <sys/msg.h>
#include <sys/wait.h>
#include <unistd.h>

static void *volatile last;

__attribute__((noinline)) static void hold_heap(void)
{
	last = malloc(3000);
}

static void hold_files(int count)
{
	while (count--)
		if (open("/dev/null", O_RDONLY) < 0)
			abort();
}

static int hold_message(void)
{
	struct { long type; char text[4000]; } message = { .type = 1 };
	int queue = msgget(IPC_PRIVATE, 0600);

	memset(message.text, 'x', sizeof(message.text));
	if (queue < 0 || msgsnd(queue, &message, sizeof(message.text), IPC_NOWAIT))
		abort();
	return queue;
}

int main(void)
{
	pid_t child = fork();
	char byte;

	if (child == 0) {
		hold_files(16);
		pause();
		_exit(0);
	}
	printf("queue %d child %d\n", hold_message(), (int)child);
	hold_files(40);
	for (int i = 0; i < 40; i++)
		hold_heap();
	puts("ready");
	fflush(stdout);
	while (read(STDIN_FILENO, &byte, 1) == 1)
		;
	kill(child, SIGKILL);
	waitpid(child, NULL, 0);
	return 3;
}
