// SPDX-License-Identifier: MIT
/* exit_report.c - see exit_report.h. */
#include "exit_report.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "objects.h"
#include "recorder.h"
#include "sys.h"

#define CHILD_STACK (64u << 10)
#define MAX_ENV 4096

static struct stat stderr_stat;
static bool have_stderr;
static char directory[SHM_PATH_MAX];	/* of this library, with a slash behind it; "": not known */

/*
 * Now, for the program may change its directory. Not with dladdr, which waits for
 * whatever dlopen another thread is in.
 */
static void find_directory(void)
{
	struct object self;
	const char *name, *slash;
	size_t cwd = 0, len;

	if (!objects_find((uintptr_t)find_directory, &self))
		return;
	name = self.name;
	slash = strrchr(name, '/');
	if (!slash)
		return;
	if (name[0] != '/') {
		if (!getcwd(directory, sizeof(directory) - 1))
			return;
		cwd = strlen(directory);
		directory[cwd++] = '/';
	}
	len = (size_t)(slash - name) + 1;
	if (cwd + len < sizeof(directory))
		memcpy(directory + cwd, name, len);
	directory[cwd + len < sizeof(directory) ? cwd + len : 0] = '\0';
}

void exit_report_init(void)
{
	have_stderr = sys_fstat(STDERR_FILENO, &stderr_stat) == 0;
	find_directory();
}

static bool stderr_is_ours(void)
{
	struct stat st;

	return have_stderr && sys_fstat(STDERR_FILENO, &st) == 0 && st.st_dev == stderr_stat.st_dev &&
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
		sigprocmask(SIG_BLOCK, &pipe_only, &old);
		if (sys_write(STDERR_FILENO, line, len) < 0 && errno == EPIPE &&
		    !sigismember(&old, SIGPIPE))
			sigtimedwait(&pipe_only, NULL, &none);
		sigprocmask(SIG_SETMASK, &old, NULL);
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

	for (size_t i = 0; directory[0] && i < 2; i++)
		if (snprintf(out, size, "%s%s", directory, places[i]) < (int)size &&
		    access(out, X_OK) == 0)
			return true;
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
	char *stack;
};

static long wait_for(pid_t pid, int *status)
{
	return sys_raw(SYS_wait4, pid, (long)status, __WALL, 0, 0, 0);
}

/* In the grandchild, which shares our memory until execve. */
static int become_program(void *arg)
{
	const struct run *r = arg;
	sigset_t none;

	sys_raw(SYS_dup3, STDERR_FILENO, STDOUT_FILENO, 0, 0, 0, 0);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execve(r->program, r->argv, r->envp);
	sys_raw(SYS_exit_group, 127, 0, 0, 0, 0, 0);
	return 127;
}

/* The program's handlers are not to run here; an ignored SIGCHLD would hide how the report ended. */
static void forget_handlers(void)
{
	const struct sigaction standard = { .sa_handler = SIG_DFL };
	struct sigaction old;

	for (int sig = 1; sig < NSIG; sig++)
		if (sigaction(sig, NULL, &old) == 0 &&
		    (sig == SIGCHLD || old.sa_handler != SIG_IGN))
			sigaction(sig, &standard, NULL);
}

/* In the child, which shares our memory, too, but not what is to happen on signals. */
static int run_program(void *arg)
{
	struct run *r = arg;
	int status = -1;
	pid_t pid;

	forget_handlers();
	pid = clone(become_program, r->stack + CHILD_STACK, CLONE_VM | CLONE_VFORK | SIGCHLD, r);
	status = pid > 0 && wait_for(pid, &status) == pid && status == 0 ? 0 : 1;
	sys_raw(SYS_exit_group, status, 0, 0, 0, 0, 0);
	return status;
}

/*
 * The program's SIGCHLD handler and wait() never learn of the child in between,
 * which ends without a signal; and what they do with children of theirs (ignore
 * their end, say) does not concern the one that execve turns into an ordinary
 * child. Signals are held, so that the wait is not cut short.
 */
static bool run_and_wait(struct run *r)
{
	sigset_t all, old;
	int status = -1;
	pid_t pid;

	r->stack = sys_reserve(2 * CHILD_STACK);
	if (!r->stack)
		return false;
	sigfillset(&all);
	sigprocmask(SIG_BLOCK, &all, &old);
	pid = clone(run_program, r->stack + 2 * CHILD_STACK, CLONE_VM | CLONE_VFORK, r);
	if (pid > 0 && wait_for(pid, &status) != pid)
		status = -1;
	sigprocmask(SIG_SETMASK, &old, NULL);
	sys_munmap(r->stack, 2 * CHILD_STACK);
	return pid > 0 && status == 0;
}

static bool print_report(void)
{
	char program[SHM_PATH_MAX], older[32], top[32];
	char *argv[8], **a = argv;
	struct run r = { program, argv, clean_copy_of_environment(), NULL };

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
