// SPDX-License-Identifier: MIT
/* keeper.c - see keeper.h */
#define _GNU_SOURCE 1
#include "keeper.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "../common/session_format.h"
#include "injections.h"
#include "joined.h"
#include "turn.h"

#define BRIEF_MS	500	/* for each attempt, once the process may as well end it by itself */

/* What the keeper process knows. */
struct keeping {
	pid_t target;
	const struct keeper_options *options;
	int leash, messages;
	int session;			/* open file, -1: none */
	struct session_header *header;	/* its first page */
	struct robust_list_head robust;
	struct robust_list entry;
};

static void say(const struct keeping *k, const struct keeper_message *m)
{
	/* A message fits a pipe whole; when nobody listens any more that is no loss. */
	if (write(k->messages, m, sizeof(*m)) != sizeof(*m))
		return;
}

/* ---- the session ------------------------------------------------------------- */

/* Since Linux 5.14 the recorder needs the file's name no more once it is mapped. */
static bool recorder_needs_name(void)
{
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool works = page != MAP_FAILED && !madvise(page, 4096, 23 /* MADV_POPULATE_WRITE */);

	if (page != MAP_FAILED)
		munmap(page, 4096);
	return !works;
}

/* The kernel marks the word when this process dies, however it does. */
static void become_reader(struct keeping *k)
{
	uint32_t tid = (uint32_t)syscall(SYS_gettid);

	k->entry.next = &k->robust.list;
	k->robust.list.next = &k->entry;
	k->robust.futex_offset = (long)((char *)&k->header->reader - (char *)&k->entry);
	k->robust.list_op_pending = NULL;
	if (!syscall(SYS_set_robust_list, &k->robust, sizeof(k->robust)))
		__atomic_store_n(&k->header->reader, tid, __ATOMIC_RELEASE);
}

static int open_session(struct keeping *k, const char *path)
{
	char name[1200];
	void *page;

	snprintf(name, sizeof(name), "/proc/%d/root%s", (int)k->target, path);
	k->session = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (k->session < 0)
		return -errno;
	page = mmap(NULL, sizeof(*k->header), PROT_READ | PROT_WRITE, MAP_SHARED, k->session, 0);
	if (page == MAP_FAILED)
		return -errno;
	k->header = page;
	if (k->header->pid != (uint32_t)k->target)
		k->header->watched_pid = (uint32_t)k->target;
	become_reader(k);
	if (!k->options->keep_session && !recorder_needs_name())
		unlink(name);
	return 0;
}

/* memleak opens the session through this process, so that it needs no name. */
static void name_session(const struct keeping *k, struct keeper_message *m)
{
	snprintf(m->text, sizeof(m->text), "/proc/%d/fd/%d", (int)getpid(), k->session);
}

static void attach(struct keeping *k, struct keeper_message *m)
{
	struct keeper_message undo;

	k->session = joined_session(k->target);
	if (k->session >= 0) {
		m->event = KEEPER_ATTACHED;
		m->joined = true;
		name_session(k, m);
		return;
	}
	injections_attach(k->target, k->options, m);
	if (m->event != KEEPER_ATTACHED)
		return;
	if (open_session(k, m->text)) {
		injections_detach(k->target, k->options, &undo);
		m->event = KEEPER_FAILED;
		snprintf(m->text, sizeof(m->text), "its session cannot be opened");
	} else {
		name_session(k, m);
	}
}

static bool has_recording_ended(const struct keeping *k)
{
	return __atomic_load_n(&k->header->state, __ATOMIC_ACQUIRE) == SESSION_ENDED;
}

/*
 * No thread was found at a safe place. The recorder is told that its reader has died:
 * a thread that allocates will end the recording and lead the calls back by itself.
 * Meanwhile it is tried on.
 */
static void leave_it_to_the_recorder(const struct keeping *k, struct keeper_message *m)
{
	struct keeper_options brief = *k->options;
	int left = k->options->timeout_ms;

	brief.timeout_ms = BRIEF_MS;
	__atomic_fetch_or(&k->header->reader, FUTEX_OWNER_DIED, __ATOMIC_SEQ_CST);
	for (; m->event == KEEPER_FAILED && left > 0; left -= BRIEF_MS) {
		injections_detach(k->target, &brief, m);
		if (m->event != KEEPER_FAILED || !has_recording_ended(k))
			continue;
		m->event = KEEPER_DETACHED;
		m->text[0] = '\0';
	}
}

/* What is told of a process that none of this has reached (it sleeps, perhaps is stopped). */
static void explain_late_end(const struct keeping *k, struct keeper_message *m)
{
	char why[600];

	snprintf(why, sizeof(why), "%.500s", m->text);
	snprintf(m->text, sizeof(m->text), "%s. Process %d is recorded until it makes some more "
		 "allocations, or memleak -p %d is run again; then its calls are led back", why,
		 (int)k->target, (int)k->target);
}

static void detach(struct keeping *k)
{
	struct keeper_message m = { .event = KEEPER_DETACHED };

	injections_detach(k->target, k->options, &m);
	if (m.event == KEEPER_FAILED && k->header)
		leave_it_to_the_recorder(k, &m);
	if (m.event == KEEPER_FAILED)
		explain_late_end(k, &m);
	else if (k->header)
		__atomic_store_n(&k->header->reader, 0, __ATOMIC_RELEASE);
	m.event = KEEPER_DETACHED;
	say(k, &m);
}

/* ---- the process ---------------------------------------------------------------- */

/* Waits until memleak lets go or dies; tells it meanwhile when the target has ended. */
static bool wait_for_the_end(const struct keeping *k)
{
	struct pollfd fds[2] = {
		{ .fd = k->leash, .events = POLLIN },
		{ .fd = (int)syscall(SYS_pidfd_open, k->target, 0), .events = POLLIN },
	};
	struct keeper_message ended = { .event = KEEPER_TARGET_ENDED };
	bool alive = true;

	while (!fds[0].revents) {
		if (poll(fds, 2, -1) < 0 && errno != EINTR)
			break;
		if (!fds[1].revents)
			continue;
		alive = false;
		say(k, &ended);
		close(fds[1].fd);
		fds[1].fd = -1;
		fds[1].revents = 0;
	}
	return alive;
}

static void settle(const struct keeping *k)
{
	static const int ignored[] = { SIGINT, SIGQUIT, SIGTERM, SIGHUP, SIGPIPE, SIGTSTP,
				       SIGTTIN, SIGTTOU };
	sigset_t none, chld;
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);

	setsid();		/* Ctrl-C and Ctrl-Z are for memleak */
	prctl(PR_SET_NAME, "memleak-keeper");
	for (unsigned i = 0; i < sizeof(ignored) / sizeof(ignored[0]); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	sigemptyset(&chld);
	sigaddset(&chld, SIGCHLD);
	sigprocmask(SIG_BLOCK, &chld, NULL);
	for (int fd = 0; fd <= 2 && null >= 0; fd++)
		dup2(null, fd);
	/* The ends of other keepers' pipes: theirs alone may hold them. */
	for (int fd = 3; fd < 1024; fd++)
		if (fd != k->leash && fd != k->messages)
			close(fd);
	if (chdir("/"))
		return;
}

/* Did memleak let go, or die? */
static bool is_let_go(const struct keeping *k)
{
	struct pollfd p = { .fd = k->leash, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* A turn that is not to be had (others take too long, or forbid it) is done without. */
static _Noreturn void keep(struct keeping *k)
{
	struct keeper_message m = { .event = KEEPER_FAILED };
	int turn;

	settle(k);
	turn = turn_take(k->target, k->options->timeout_ms);
	if (!is_let_go(k))
		attach(k, &m);
	close(turn);
	say(k, &m);
	if (m.event == KEEPER_ATTACHED && wait_for_the_end(k) && !m.joined) {
		turn_take(k->target, k->options->timeout_ms);
		detach(k);
	}
	_exit(0);
}

int keeper_start(struct keeper *k, pid_t target, const struct keeper_options *options)
{
	int leash[2], messages[2];
	struct keeping keeping = { .target = target, .options = options, .session = -1 };
	pid_t pid;

	if (pipe2(leash, O_CLOEXEC))
		return -errno;
	if (pipe2(messages, O_CLOEXEC)) {
		close(leash[0]);
		close(leash[1]);
		return -EMFILE;
	}
	keeping.leash = leash[0];
	keeping.messages = messages[1];
	pid = fork();
	if (!pid)
		keep(&keeping);
	close(leash[0]);
	close(messages[1]);
	if (pid < 0) {
		close(leash[1]);
		close(messages[0]);
		return -EAGAIN;
	}
	*k = (struct keeper){ pid, target, leash[1], messages[0] };
	return 0;
}

bool keeper_next(struct keeper *k, struct keeper_message *message)
{
	ssize_t n;

	if (!k->pid)
		return false;
	do
		n = read(k->messages, message, sizeof(*message));
	while (n < 0 && errno == EINTR);
	if (n == sizeof(*message))
		return true;
	close(k->messages);
	if (k->leash >= 0)
		close(k->leash);
	waitpid(k->pid, NULL, 0);
	k->pid = 0;
	return false;
}

void keeper_let_go(struct keeper *k)
{
	if (k->pid && k->leash >= 0) {
		close(k->leash);
		k->leash = -1;
	}
}
