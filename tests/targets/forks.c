// SPDX-License-Identifier: MIT
/*
 * forks WAY - makes a child by one of many ways. The parent leaks 5 blocks before
 * and 2 after; what the child does to its copy must not show in the parent.
 */
#define _GNU_SOURCE 1
#include "ledger.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <spawn.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>

extern char **environ;
static void *early[5];

static void *leak_parent(void)
{
	return malloc(1000);
}

static void *leak_child(void)
{
	return malloc(30);
}

static void *leak_image(void)
{
	return malloc(70);
}

static void *tidy_alloc(void)
{
	return malloc(500);
}

static int wait_for(pid_t pid)
{
	int status;

	if (pid < 0 || waitpid(pid, &status, __WALL) != pid)
		return 0;
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

/* Frees some of what it inherited, and leaks 3 blocks of its own. */
static void work_in_child(void)
{
	free(early[0]);
	free(early[1]);
	for (int i = 0; i < 1000; i++)
		free(tidy_alloc());
	for (int i = 0; i < 3; i++)
		leak_child();
}

static int by_fork(void)
{
	pid_t pid = fork();

	if (!pid) {
		work_in_child();
		ledger_line(3, 90, "leak_child;work_in_child;by_fork;main");
		exit(0);
	}
	return wait_for(pid);
}

static int by_fork_and_underscore_exit(void)
{
	pid_t pid = fork();

	if (!pid) {
		work_in_child();
		ledger_line(3, 90, "leak_child;work_in_child;by_fork_and_underscore_exit;main");
		_exit(0);
	}
	return wait_for(pid);
}

static void *allocate_for_ever(void *stop)
{
	while (!*(volatile int *)stop)
		free(tidy_alloc());
	return NULL;
}

/* 60 forks while 3 threads allocate: the child must never meet a lock they held. */
static int by_fork_amid_threads(void)
{
	pthread_t id[3];
	int stop = 0, good = 1;

	for (int i = 0; i < 3; i++)
		pthread_create(&id[i], NULL, allocate_for_ever, &stop);
	for (int i = 0; i < 60; i++) {
		pid_t pid = fork();

		if (!pid) {
			work_in_child();
			exit(0);
		}
		good &= wait_for(pid);
	}
	stop = 1;
	for (int i = 0; i < 3; i++)
		pthread_join(id[i], NULL);
	ledger_line(180, 5400, "leak_child;work_in_child;by_fork_amid_threads;main");
	return good;
}

static int by_vfork_and_exec(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(1);
	}
	return wait_for(pid);
}

/* The child's _exit must not end the parent's recording. */
static int by_vfork_and_exit(void)
{
	pid_t pid = vfork();

	if (!pid)
		_exit(0);
	return wait_for(pid);
}

static int by_failed_vfork_exec(void)
{
	pid_t pid = vfork();

	if (!pid) {
		execl("/nonexistent", "nonexistent", (char *)NULL);
		_exit(0);
	}
	return wait_for(pid);
}

static int by_posix_spawn(void)
{
	char *argv[] = { "true", NULL };
	pid_t pid;

	return !posix_spawn(&pid, "/bin/true", NULL, NULL, argv, environ) && wait_for(pid);
}

/* No fork handler runs: the shim has to find out by itself. */
static int by_raw_clone(void)
{
	pid_t pid = (pid_t)syscall(SYS_clone, SIGCHLD, 0, 0, 0, 0);

	if (!pid) {
		work_in_child();
		_exit(0);
	}
	return wait_for(pid);
}

static int by_system(void)
{
	return system("exit 0") == 0;
}

/* A new image in the same process: what it leaked before is another session's. */
static int by_exec(void)
{
	execl("/proc/self/exe", "forks", "image", (char *)NULL);
	return 0;
}

/* What an exec that failed leaves: everything as before. */
static int by_failed_exec(void)
{
	execl("/nonexistent", "nonexistent", (char *)NULL);
	return 1;
}

static int image(void)
{
	leak_image();
	ledger_line(1, 70, "leak_image;image;main");
	return 1;
}

static const struct {
	const char *name;
	int (*run)(void);
} ways[] = {
	{ "fork", by_fork }, { "fork_exit", by_fork_and_underscore_exit },
	{ "fork_threads", by_fork_amid_threads }, { "vfork_exec", by_vfork_and_exec },
	{ "vfork_exit", by_vfork_and_exit }, { "vfork_failed", by_failed_vfork_exec },
	{ "posix_spawn", by_posix_spawn }, { "clone", by_raw_clone }, { "system", by_system },
	{ "exec", by_exec }, { "failed_exec", by_failed_exec },
};

int main(int argc, char **argv)
{
	const char *way = argc > 1 ? argv[1] : "fork";
	int good = 0;

	if (!strcmp(way, "image"))
		return !image();
	for (int i = 0; i < 5; i++)
		early[i] = leak_parent();
	ledger_line(5, 5000, "leak_parent;main");
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		if (!strcmp(ways[i].name, way))
			good = ways[i].run();
	}
	leak_parent();
	leak_parent();
	ledger_line(2, 2000, "leak_parent;main");
	return !good;
}
