// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/kagent_child.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "preload/library.h"

#define START_MS	30000	/* the BPF verifier takes its time on a busy machine */
#define STOP_MS		30000
#define NOT_EXECUTED	127	/* exit status, as a shell's */

/* In the child. */
static void become_kagent(const char *path, char **words, int in, int out, pid_t parent)
{
	sigset_t none;

	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGINT);
	sigemptyset(&none);
	signal(SIGINT, SIG_DFL);
	sigprocmask(SIG_SETMASK, &none, NULL);
	if (getppid() == parent && (in < 0 || dup2(in, STDIN_FILENO) >= 0) &&
	    dup2(out, STDOUT_FILENO) >= 0)
		execv(path, words);
	_exit(NOT_EXECUTED);
}

static void close_end(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static int spawn(struct kagent_child *c, const char *path, char **words, bool with_input)
{
	int in[2] = { -1, -1 }, out[2], rc = 0;
	pid_t self = getpid();

	if (pipe2(out, O_CLOEXEC))
		return -errno;
	if (with_input && pipe2(in, O_CLOEXEC))
		rc = -errno;
	if (!rc) {
		c->pid = fork();
		if (c->pid == 0)
			become_kagent(path, words, in[0], out[1], self);
		rc = c->pid < 0 ? -errno : 0;
	}
	close_end(&in[0]);
	close_end(&out[1]);
	c->in = in[1];
	c->out = out[0];
	if (rc) {
		close_end(&c->in);
		close_end(&c->out);
		c->pid = 0;
	}
	return rc;
}

/* It ended before it recorded. Mostly it has said why; not if it was killed, or never ran. */
static void tell_end(const struct kagent_child *c)
{
	siginfo_t info = { .si_pid = 0 };

	if (waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOWAIT))
		return;
	if (info.si_code == CLD_KILLED || info.si_code == CLD_DUMPED)
		fprintf(stderr, "memleak: kagent was killed by signal %d (%s) before it recorded\n",
			info.si_status, strsignal(info.si_status));
	else if (info.si_status == NOT_EXECUTED)
		fputs("memleak: kagent cannot be executed\n", stderr);
}

/* End of file instead of a line: it, or tell_end(), has said why it cannot. */
static int wait_until_ready(const struct kagent_child *c)
{
	struct pollfd readable = { .fd = c->out, .events = POLLIN };
	char text[8192];
	int got;

	do {
		got = poll(&readable, 1, START_MS);
	} while (got < 0 && errno == EINTR);
	if (got <= 0)
		return got ? -errno : -ETIMEDOUT;
	if (read(c->out, text, sizeof(text)) > 0)
		return 0;
	tell_end(c);
	return -ECANCELED;
}

int kagent_child_start(struct kagent_child *c, char **words, bool with_input)
{
	char path[PATH_MAX];
	int rc = library_find_program("kagent", path);

	*c = (struct kagent_child){ .in = -1, .out = -1 };
	if (!rc)
		rc = spawn(c, path, words, with_input);
	if (!rc)
		rc = wait_until_ready(c);
	return rc;
}

static bool reap(struct kagent_child *c, int milliseconds)
{
	const struct timespec pause = { .tv_nsec = 10000000 };

	for (int waited = 0; c->pid && waited <= milliseconds; waited += 10) {
		pid_t got = waitpid(c->pid, NULL, WNOHANG);

		if (got == c->pid || (got < 0 && errno == ECHILD))
			c->pid = 0;
		else
			nanosleep(&pause, NULL);
	}
	return !c->pid;
}

void kagent_child_end(struct kagent_child *c)
{
	if (c->pid <= 0)
		return;
	close_end(&c->in);
	kill(c->pid, SIGINT);
	if (!reap(c, STOP_MS)) {
		fprintf(stderr, "memleak: kagent does not end: killed\n");
		kill(c->pid, SIGKILL);
		reap(c, STOP_MS);
	}
	close_end(&c->out);
	c->pid = 0;
}
