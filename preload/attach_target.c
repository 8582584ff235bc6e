// SPDX-License-Identifier: MIT
/* attach_target.c - see attach_target.h */
#define _GNU_SOURCE 1
#include "attach_target.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "compiler.h"
#include "got.h"
#include "lifecycle.h"
#include "real.h"
#include "recorder.h"

#define IDLE_TRIES_MS	1000

#define NICE_OFFSET	21

EXPORT _Alignas(64) struct libleak_stack libleak_stack;

static atomic_int changing;	/* pid; a forked child may find its parent's */
static int recorded;		/* pid of the process that was attached to */
static char answer[600];

static bool begin_change(void)
{
	int own = (int)syscall(SYS_getpid), was = atomic_load(&changing);

	return was != own && atomic_compare_exchange_strong(&changing, &was, own);
}

static void end_change(void)
{
	atomic_store(&changing, 0);
}

static const char *refuse(const char *what, int err)
{
	snprintf(answer, sizeof(answer), "%s%s%s", what, err ? ": " : "",
		 err ? lifecycle_reason(err) : "");
	return answer;
}

/*
 * The real functions stay the same from one attach to the next: hooks may still
 * be running that somebody holds a pointer to.
 */
static bool find_real_functions(void)
{
	static bool found;

	if (!found)
		found = real_use(got_real);
	return found;
}

/* The keeper was killed before it could. (A forked child has nothing to do with its parent's.) */
static void remove_unnamed_session(void)
{
	const char *base = strrchr(recorder.shm.path, '/');

	if (recorded != (int)syscall(SYS_getpid))
		return;
	recorded = 0;
	if (base && !strncmp(base + 1, LIBLEAK_UNNAMED, strlen(LIBLEAK_UNNAMED)))
		shm_remove(&recorder.shm);
}

/* False: a thread was still inside the recorder after so long. */
static bool end_recording(unsigned wait_ms)
{
	bool done = lifecycle_detach(wait_ms);

	got_restore();
	if (done)
		remove_unnamed_session();
	return done;
}

/*
 * Called from a hook when nobody reads the session any more. Who else is at it
 * already does the same, and better. In a sandbox that has to wait for who attaches
 * next (the gate stays closed).
 */
static void reader_gone(void)
{
	int err = errno;

	if (recorder.frozen || !begin_change())
		return;
	end_recording(IDLE_TRIES_MS);
	end_change();
	errno = err;
}

/*
 * The injector sent this thread a signal that is blocked. Unblocking it tells that
 * the answer is there (inject_call.h); the injector takes over before this returns.
 */
static const char *tell(const char *text, long nice)
{
	const struct {
		uint64_t mask;
		const char *answer;
	} end = { 1ull << (SIGURG - 1), text };

	if (nice)
		syscall(SYS_setpriority, PRIO_PROCESS, 0, nice - NICE_OFFSET);
	syscall(SYS_rt_sigprocmask, SIG_UNBLOCK, &end, NULL, sizeof(end.mask));
	return text;
}

static const char *attach(const char *settings)
{
	const char *path;
	int err;

	err = lifecycle_make_ready();
	if (err)
		return err == -EAGAIN ? LIBLEAK_BUSY : refuse("it is being recorded already", 0);
	remove_unnamed_session();
	err = got_prepare();
	if (err == -ENOTSUP)
		return refuse("its allocator chooses its functions when it is loaded (IFUNC)", 0);
	if (err)
		return refuse("libleak.so is preloaded into this program already", 0);
	if (!find_real_functions())
		return refuse("the program has no malloc that could be hooked", 0);
	lifecycle_on_reader_gone(reader_gone);
	err = lifecycle_attach(settings, &path);
	if (err == -EBUSY)
		return refuse("it was recorded before it was forked", 0);
	if (err)
		return refuse(LIBLEAK_NO_ROOM, err);
	recorded = (int)syscall(SYS_getpid);
	snprintf(answer, sizeof(answer), "%s", path);
	got_redirect();
	return answer;
}

EXPORT const char *libleak_attach(const char *settings, long nice)
{
	int err = errno;
	const char *text;

	if (!begin_change())
		return tell(LIBLEAK_BUSY, nice);
	text = attach(settings);
	end_change();
	errno = err;
	return tell(text, nice);
}

EXPORT const char *libleak_detach(const char *unused, long nice)
{
	int err = errno;
	bool done;

	(void)unused;
	if (!begin_change())
		return tell(LIBLEAK_BUSY, nice);
	done = end_recording(0);	/* a thread is held meanwhile: the injector comes again */
	end_change();
	errno = err;
	return tell(done ? "" : LIBLEAK_BUSY, nice);
}
