// SPDX-License-Identifier: MIT
/* exit_report.c - see exit_report.h. */
#include "exit_report.h"

#include <dlfcn.h>
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "recorder.h"
#include "sys.h"

#define CHILD_STACK (64u << 10)
#define MAX_ENV 4096

static struct stat stderr_stat;
static bool have_stderr;

void exit_report_init(void)
{
	have_stderr = fstat(STDERR_FILENO, &stderr_stat) == 0;
}

static bool stderr_is_ours(void)
{
	struct stat st;

	return have_stderr && fstat(STDERR_FILENO, &st) == 0 && st.st_dev == stderr_stat.st_dev &&
	       st.st_ino == stderr_stat.st_ino && st.st_rdev == stderr_stat.st_rdev;
}

void exit_report_say(const char *line)
{
	size_t len = strlen(line);

	/* SIGPIPE would be ours, not the program's: a closed pipe is left alone */
	if (stderr_is_ours()) {
		sigset_t pipe_only, old;
		struct timespec none = { 0, 0 };

		sigemptyset(&pipe_only);
		sigaddset(&pipe_only, SIGPIPE);
		pthread_sigmask(SIG_BLOCK, &pipe_only, &old);
		if (sys_write(STDERR_FILENO, line, len) < 0 && errno == EPIPE &&
		    !sigismember(&old, SIGPIPE))
			sigtimedwait(&pipe_only, NULL, &none);
		pthread_sigmask(SIG_SETMASK, &old, NULL);
	}
}

void exit_report_clean_environment(void)
{
	unsetenv("LIBLEAK");
	unsetenv("LD_PRELOAD");
}

/* leakreport beside this library, or in ../../bin (the installed layout). */
static bool find_program(char *out, size_t size)
{
	static const char *const places[] = { "leakreport", "../../bin/leakreport" };
	Dl_info self;
	const char *slash;

	if (!dladdr((void *)find_program, &self) || !self.dli_fname)
		return false;
	slash = strrchr(self.dli_fname, '/');
	for (size_t i = 0; slash && i < 2; i++) {
		int dir = (int)(slash - self.dli_fname) + 1;

		if (snprintf(out, size, "%.*s%s", dir, self.dli_fname, places[i]) < (int)size &&
		    access(out, X_OK) == 0)
			return true;
	}
	return false;
}

static char **clean_copy_of_environment(void)
{
	static char *copy[MAX_ENV + 1];
	size_t n = 0;

	for (char **e = environ; e && *e && n < MAX_ENV; e++)
		if (strncmp(*e, "LD_PRELOAD=", 11) && strncmp(*e, "LIBLEAK=", 8))
			copy[n++] = *e;
	copy[n] = NULL;
	return copy;
}

struct run {
	const char *program;
	char **argv, **envp;
};

/* In the child, which shares our memory until execve. */
static int run_child(void *arg)
{
	const struct run *r = arg;
	sigset_t none;

	syscall(SYS_dup3, STDERR_FILENO, STDOUT_FILENO, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(r->program, r->argv, r->envp);
	syscall(SYS_exit_group, 127);
	return 127;
}

/*
 * The program's SIGCHLD handler never hears of this child: signals are held, which
 * also keeps the wait from being cut short, and that one is taken back.
 */
static bool run_and_wait(struct run *r)
{
	char *stack = sys_reserve(CHILD_STACK);
	const struct timespec none = { 0, 0 };
	sigset_t all, old, before;
	int status = -1;
	pid_t pid;

	if (!stack)
		return false;
	sigfillset(&all);
	pthread_sigmask(SIG_BLOCK, &all, &old);
	sigpending(&before);
	pid = clone(run_child, stack + CHILD_STACK, CLONE_VM | CLONE_VFORK, r);
	if (pid > 0)
		while (waitpid(pid, &status, __WALL) < 0 && errno == EINTR)
			;
	/* execve gave the child its SIGCHLD back */
	if (!sigismember(&before, SIGCHLD)) {
		sigemptyset(&all);
		sigaddset(&all, SIGCHLD);
		sigtimedwait(&all, NULL, &none);
	}
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	sys_munmap(stack, CHILD_STACK);
	return pid > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static bool print_report(void)
{
	char program[SHM_PATH_MAX], older[32], top[32];
	char *argv[8], **a = argv;
	struct run r = { program, argv, clean_copy_of_environment() };

	if (!stderr_is_ours() || !find_program(program, sizeof(program)))
		return false;
	*a++ = program;
	*a++ = (char *)"--exit-report";
	if (recorder.cfg.older_ns) {
		snprintf(older, sizeof(older), "--older=%llu",
			 (unsigned long long)(recorder.cfg.older_ns / 1000000));
		*a++ = older;
	}
	if (recorder.cfg.top) {
		snprintf(top, sizeof(top), "--top=%u", recorder.cfg.top);
		*a++ = top;
	}
	*a++ = (char *)"--";
	*a++ = recorder.shm.path;
	*a = NULL;
	return run_and_wait(&r);
}

static void say_where(const char *why)
{
	char line[SHM_PATH_MAX + 128];

	snprintf(line, sizeof(line), "libleak: %ssession of pid %u: %s\n", why, recorder.hdr->pid,
		 recorder.shm.path);
	exit_report_say(line);
}

void exit_report_run(void)
{
	bool printed = recorder.cfg.report && print_report();

	if (recorder.cfg.report && !printed)
		say_where("no report could be printed (leakreport not found or failed); ");
	else if (recorder.cfg.report && !recorder.temporary)
		say_where("");
	if (recorder.temporary && (printed || !recorder.cfg.report))
		shm_remove(&recorder.shm);
}
