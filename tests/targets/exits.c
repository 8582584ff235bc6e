// SPDX-License-Identifier: MIT
/*
 * exits WAY [DIRECTORY] - leaks 1234 bytes in leak_before_end(), says so, and ends in
 * one of many ways. DIRECTORY: where libstuck.so is.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/syscall.h>

static void *leak_before_end(void)
{
	return malloc(1234);
}

static void *exit_in_thread(void *status)
{
	exit(*(int *)status);
}

static void *load(void *path)
{
	return dlopen(path, RTLD_NOW);
}

/* While another thread is in a dlopen that does not return. */
static void exit_while_loading(const char *directory, int status)
{
	char path[4096], fd[16], byte;
	int stuck[2];
	pthread_t id;

	snprintf(path, sizeof(path), "%s/libstuck.so", directory);
	if (pipe(stuck))
		return;
	snprintf(fd, sizeof(fd), "%d", stuck[1]);
	setenv("STUCK", fd, 1);
	if (!pthread_create(&id, NULL, load, path) && read(stuck[0], &byte, 1) == 1)
		_exit(status);
}

static void end(const char *way, int status)
{
	pthread_t id;

	if (!strcmp(way, "exit"))
		exit(status);
	if (!strcmp(way, "_exit"))
		_exit(status);
	if (!strcmp(way, "_Exit"))
		_Exit(status);
	if (!strcmp(way, "quick_exit"))
		quick_exit(status);
	if (!strcmp(way, "thread") && !pthread_create(&id, NULL, exit_in_thread, &status))
		pthread_join(id, NULL);
	if (!strcmp(way, "pthread_exit"))
		pthread_exit(NULL);
	if (!strcmp(way, "childless"))
		signal(SIGCHLD, SIG_IGN);
	if (!strcmp(way, "elsewhere") && chdir("/"))
		abort();
	if (!strcmp(way, "raw"))
		syscall(SYS_exit_group, status);
	if (!strcmp(way, "abort"))
		abort();
	if (!strcmp(way, "segv"))
		raise(SIGSEGV);
	if (!strcmp(way, "kill"))
		raise(SIGKILL);
}

int main(int argc, char **argv)
{
	int status = 9;

	leak_before_end();
	ledger_line(1, 1234, "leak_before_end;main");
	printf("leaked\n");
	fflush(stdout);
	if (argc > 2)
		exit_while_loading(argv[2], status);
	end(argc > 1 ? argv[1] : "main", status);
	return status;
}
