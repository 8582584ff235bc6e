// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/launch.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/types.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/fmt.h"
#include "preload/library.h"
#include "preload/orphans.h"
#include "preload/program.h"

enum { STATUS_FAILED = 1, STATUS_NOT_EXECUTABLE = 126, STATUS_NOT_FOUND = 127 };

static const int passed_on[] = {
	SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGTSTP, SIGCONT
};

struct launch {
	struct target target;
	char *const *argv;
	bool preload;
	bool daemons;		/* one that it becomes is watched, too */
	launch_before_fn *before;
	launch_child_fn *other_child;
	void *arg;
	char path[PATH_MAX];
	pid_t pid;
	int status;		/* of waitpid() */
	struct orphans orphans;
	bool daemon;		/* pid is that of one */
	bool enough;		/* no more interval reports are wanted */
	/* as they were before begin() */
	sigset_t mask;
	struct sigaction child_action;
	struct rlimit descriptors;
};

static int catch_signals(struct launch *l)
{
	struct sigaction standard = { .sa_handler = SIG_DFL };
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGCHLD);
	for (size_t i = 0; i < sizeof(passed_on) / sizeof(*passed_on); i++)
		sigaddset(&set, passed_on[i]);
	l->target.fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (l->target.fd < 0)
		return -errno;
	sigprocmask(SIG_BLOCK, &set, &l->mask);
	/* an inherited SIG_IGN would take the program's status away */
	sigaction(SIGCHLD, &standard, &l->child_action);
	return 0;
}

static void restore_signals(const struct launch *l)
{
	sigaction(SIGCHLD, &l->child_action, NULL);
	sigprocmask(SIG_SETMASK, &l->mask, NULL);
}

/* Each process that is followed costs a descriptor, and there may be thousands. */
static void raise_descriptor_limit(struct launch *l)
{
	struct rlimit limit;

	getrlimit(RLIMIT_NOFILE, &l->descriptors);
	limit = l->descriptors;
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
}

/* setenv(name, first + separator + second), where either may be missing. */
static int set_joined(const char *name, const char *first, char separator, const char *second)
{
	char *joined;
	int rc;

	if (!first || !*first || !second || !*second)
		return setenv(name, first && *first ? first : second, 1) ? -errno : 0;
	if (asprintf(&joined, "%s%c%s", first, separator, second) < 0)
		return -ENOMEM;
	rc = setenv(name, joined, 1) ? -errno : 0;
	free(joined);
	return rc;
}

/* In the child. Returns only when the program cannot be executed. */
static int become_program(const struct launch *l, const char *library, const char *recording)
{
	int rc = 0;

	if (l->preload) {
		rc = set_joined("LD_PRELOAD", library, ':', getenv("LD_PRELOAD"));
		if (!rc)
			rc = set_joined("LIBLEAK", getenv("LIBLEAK"), ',', recording);
	}
	if (rc)
		return rc;
	restore_signals(l);
	setrlimit(RLIMIT_NOFILE, &l->descriptors);
	execvp(l->path, l->argv);
	return -errno;
}

/* In the child: until the parent has closed the other end. */
static void wait_for_end_of(int fd)
{
	char byte;

	while (read(fd, &byte, 1) < 0 && errno == EINTR)
		;
}

static void run_child(const struct launch *l, const char *library, const char *recording,
		      int report, const int go[2])
{
	int error;

	close(go[1]);
	wait_for_end_of(go[0]);
	error = become_program(l, library, recording);
	_exit(write(report, &error, sizeof(error)) == sizeof(error) ? STATUS_NOT_FOUND :
	      STATUS_NOT_EXECUTABLE);
}

static int start_program(struct launch *l, const char *library, const char *recording)
{
	int report[2], go[2], error = 0;
	ssize_t len;

	if (pipe2(report, O_CLOEXEC))
		return -errno;
	if (pipe2(go, O_CLOEXEC)) {
		error = -errno;
		close(report[0]);
		close(report[1]);
		return error;
	}
	l->pid = fork();
	if (l->pid < 0)
		error = -errno;
	if (l->pid == 0)
		run_child(l, library, recording, report[1], go);
	close(report[1]);
	close(go[0]);
	if (l->pid > 0 && l->before && l->before(l->arg, l->pid)) {
		kill(l->pid, SIGKILL);
		error = -ECANCELED;
	}
	if (l->daemons)
		orphans_begin(&l->orphans);
	close(go[1]);
	/* end of file when exec has closed the other end */
	while (!error && (len = read(report[0], &error, sizeof(error))) < 0 && errno == EINTR)
		;
	close(report[0]);
	if (error && l->pid > 0)
		waitpid(l->pid, NULL, 0);
	return error;
}

static int complain(const char *program, const char *what)
{
	char name[256];

	fprintf(stderr, "memleak: %s: %s\n", fmt_name_buf(name, sizeof(name), program), what);
	return STATUS_FAILED;
}

static int complain_errno(const char *program, int rc)
{
	if (rc == -ECANCELED)
		return STATUS_FAILED;	/* it has been said why */
	complain(program, rc == -ENOENT ? "not found" : strerror(-rc));
	return rc == -ENOENT ? STATUS_NOT_FOUND : STATUS_NOT_EXECUTABLE;
}

/* Says why no library can be preloaded into the program, and what to do instead. */
static int check_fit(const struct launch *l)
{
	char object[PATH_MAX];

	switch (program_judge(l->path, object)) {
	case PROGRAM_STATIC:
		return complain(object, "statically linked, so that libleak.so cannot be preloaded; "
				"link it dynamically, or run memleak as root with --engine=uprobe");
	case PROGRAM_SECURE:
		return complain(object, "runs with the rights of its file (set-user-ID, set-group-ID "
				"or capabilities), so that the loader refuses libleak.so; run memleak "
				"as the user whose rights it takes, or use a copy without them");
	case PROGRAM_OTHER_ARCH:
		return complain(object, "for another machine or word size than this memleak; "
				"use a memleak and libleak.so built for it");
	case PROGRAM_OTHER_LIBC:
		return complain(object, "linked to another C library than this memleak and its "
				"libleak.so; build memleak with that C library");
	case PROGRAM_FITS:
		break;
	}
	return 0;
}

static int launch_begin(struct target *target, const char *recording)
{
	struct launch *l = (struct launch *)target;
	char library[PATH_MAX];
	int rc = program_find(l->argv[0], l->path);

	if (rc)
		return complain_errno(l->argv[0], rc);
	if (l->preload && check_fit(l))
		return STATUS_FAILED;
	rc = l->preload ? library_find(library) : 0;
	if (rc)
		return library_complain(rc, library);
	rc = catch_signals(l);
	if (rc)
		return complain("signalfd", strerror(-rc));
	raise_descriptor_limit(l);
	rc = start_program(l, library, recording);
	if (rc) {
		close(l->target.fd);
		restore_signals(l);
		return complain_errno(l->argv[0], rc);
	}
	return 0;
}

/* Its name is asked for while it can be: before it is waited for. */
static bool has_ended(struct launch *l, char name[64])
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)l->pid, &info, WEXITED | WNOHANG | WNOWAIT) || !info.si_pid)
		return false;
	orphans_name(l->pid, name);
	while (waitpid(l->pid, &l->status, 0) < 0 && errno == EINTR)
		;
	return true;
}

/* The program has ended. True: it goes on as a daemon, whose end is waited for now. */
static bool is_daemon_now(struct launch *l, const char *name)
{
	char shown[256];
	pid_t pid = l->daemons && !l->enough ? orphans_daemon(&l->orphans, name) : 0;

	if (!pid)
		return false;
	fprintf(stderr, "memleak: %s goes on in the background as pid %d: watching that, Ctrl+C to "
		"quit\n", fmt_name_buf(shown, sizeof(shown), name), (int)pid);
	l->pid = pid;
	l->daemon = true;
	return true;
}

/* True: that was the end. */
static bool children_have_ended(struct launch *l)
{
	char name[64];
	bool over;

	while ((over = has_ended(l, name)) && is_daemon_now(l, name))
		;
	if (l->daemons)
		orphans_reap(&l->orphans, l->pid);
	if (l->other_child)
		l->other_child(l->arg);
	return over;
}

static bool ends_watching(int sig)
{
	return sig == SIGINT || sig == SIGTERM || sig == SIGHUP || sig == SIGQUIT;
}

static bool launch_event(struct target *target)
{
	struct launch *l = (struct launch *)target;
	struct signalfd_siginfo info;

	while (read(target->fd, &info, sizeof(info)) == sizeof(info)) {
		if (info.ssi_signo == SIGCHLD) {
			if (children_have_ended(l))
				return true;
			continue;
		}
		/* a daemon goes on without memleak */
		if (l->daemon && ends_watching((int)info.ssi_signo))
			return true;
		/* the terminal sends to the whole process group: the program has got it, too */
		if (info.ssi_code != SI_KERNEL)
			kill(l->pid, (int)info.ssi_signo);
		if (info.ssi_signo == SIGTSTP)
			raise(SIGSTOP);
	}
	return false;
}

static bool launch_enough(struct target *target)
{
	struct launch *l = (struct launch *)target;

	if (l->daemon)
		return true;
	l->enough = true;
	fprintf(stderr, "memleak: that was the last interval report; the final one follows "
		"when pid %d has ended\n", (int)l->pid);
	return false;
}

/* As a shell says it of its own children. */
static void tell_death(const struct launch *l)
{
	int sig = WTERMSIG(l->status);
	char name[256];

	if (sig != SIGINT && sig != SIGPIPE)
		fprintf(stderr, "memleak: %s was killed by signal %d (%s)\n",
			fmt_name_buf(name, sizeof(name), l->argv[0]), sig, strsignal(sig));
}

static int launch_end(struct target *target)
{
	struct launch *l = (struct launch *)target;

	close(target->fd);
	target->fd = -1;
	restore_signals(l);
	if (!WIFSIGNALED(l->status))
		return WEXITSTATUS(l->status);
	tell_death(l);
	return 128 + WTERMSIG(l->status);
}

struct target *launch_target(char *const *argv, bool preload, bool daemons, launch_before_fn *before,
			     launch_child_fn *other_child, void *arg)
{
	static const struct target_ops ops = {
		launch_begin, launch_event, launch_enough, launch_end
	};
	static struct launch launch = { .target = { &ops, -1 } };

	launch.argv = argv;
	launch.preload = preload;
	launch.daemons = daemons;
	launch.before = before;
	launch.other_child = other_child;
	launch.arg = arg;
	return &launch.target;
}
