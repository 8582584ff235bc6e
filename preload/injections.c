// SPDX-License-Identifier: MIT
/* injections.c - see injections.h */
#define _GNU_SOURCE 1
#include "injections.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach_target.h"
#include "inject.h"
#include "inject_thread.h"
#include "library.h"

#define ROOMY_BYTES	(256ull << 20)
#define RETRY_MS	10

struct injection {
	pid_t target;
	const struct keeper_options *options;
};

/* What the injecting child tells. */
struct outcome {
	struct keeper_message message;
	bool again;		/* somebody else is at it: may succeed soon */
	bool unsure;		/* it is not known what has been done to the process */
};

typedef void injection_fn(const struct injection *in, struct outcome *out);

static int fail(struct outcome *out, const char *sentence)
{
	out->message.event = KEEPER_FAILED;
	snprintf(out->message.text, sizeof(out->message.text), "%s", sentence);
	return -EIO;
}

/*
 * A thread that was asked to stop and did not is let go by the end of its tracer:
 * so the tracer ends after each injection.
 */
static void inject_apart(const struct injection *in, injection_fn *inject, struct outcome *out)
{
	int result[2];
	pid_t pid;

	*out = (struct outcome){ .unsure = true };
	fail(out, "memleak's injecting process ended before its time");
	if (pipe2(result, O_CLOEXEC)) {
		fail(out, strerror(errno));
		return;
	}
	pid = fork();
	if (!pid) {
		setpriority(PRIO_PROCESS, 0, -20);	/* the held thread waits for us */
		out->unsure = false;
		inject(in, out);
		_exit(write(result[1], out, sizeof(*out)) != sizeof(*out));
	}
	close(result[1]);
	if (pid > 0) {
		struct outcome got;

		if (read(result[0], &got, sizeof(got)) == sizeof(got))
			*out = got;
		waitpid(pid, NULL, 0);
	}
	close(result[0]);
}

/* Until nobody else is at it. */
static void inject_patiently(const struct injection *in, injection_fn *inject, struct outcome *out)
{
	uint64_t deadline = monotonic_ns() + (uint64_t)in->options->timeout_ms * 1000000u;

	for (;;) {
		inject_apart(in, inject, out);
		if (!out->again || monotonic_ns() >= deadline)
			return;
		usleep(RETRY_MS * 1000);
	}
}

/* Is it the injection that cannot be, or only not now, and not by anybody else? */
static bool is_impossible(int err)
{
	return err != -ESRCH && err != -EBUSY && err != -EAGAIN && err != -ETIMEDOUT &&
	       err != -ECANCELED;
}

/* The function of libleak.so, which is loaded if it is not yet. 0 or -errno. */
static int find_in_library(const struct injection *in, struct inject *process, const char *name,
			   uint64_t *function, struct inject_why *why)
{
	const char *library = in->options->library;
	char for_musl[PATH_MAX];
	uint64_t handle;
	int err;

	*function = inject_function(process, name);
	if (*function) {
		inject_borrow_stack(process, LIBLEAK_STACK, sizeof(struct libleak_stack));
		return 0;
	}
	if (inject_in_musl(process) && library_for_musl(library, for_musl))
		library = for_musl;
	err = inject_load(process, library, &handle, why);
	return err ? err : inject_symbol(process, handle, name, function, why);
}

/* ---- attaching ------------------------------------------------------------------ */

/* Directories of the target's file system where a session may go, the roomy ones first. */
static unsigned list_directories(pid_t target, const char *dirs[3])
{
	static const char *const usual[] = { "/dev/shm", "/tmp", "/var/tmp" };
	unsigned count = 0;

	for (int roomy = 1; roomy >= 0; roomy--)
		for (unsigned i = 0; i < 3; i++) {
			struct statvfs fs;
			char path[64];

			snprintf(path, sizeof(path), "/proc/%d/root%s", (int)target, usual[i]);
			if (!statvfs(path, &fs) &&
			    ((uint64_t)fs.f_bavail * fs.f_frsize >= ROOMY_BYTES) == roomy)
				dirs[count++] = usual[i];
		}
	return count;
}

/* Calls libleak_attach(); the message becomes the session's path in the target's view. */
static int start_recording(const struct injection *in, struct inject *process,
			   uint64_t function, const char *settings, struct outcome *out)
{
	struct keeper_message *m = &out->message;
	struct inject_why why;
	uint64_t text;
	int err = inject_call_text(process, function, settings, &text, &why);

	if (err) {
		fail(out, why.text);
		out->unsure = true;
		out->message.impossible = is_impossible(err);
		return -ECANCELED;	/* nothing more can be called */
	}
	if (inject_read_text(process, text, m->text, sizeof(m->text))) {
		out->unsure = true;
		fail(out, "the process gave no answer");
		return -ECANCELED;
	}
	if (!strcmp(m->text, LIBLEAK_BUSY)) {
		out->again = true;
		fail(out, "another memleak is attaching to it");
		return -ECANCELED;
	}
	if (m->text[0] != '/') {
		m->impossible = !strncmp(m->text, LIBLEAK_NO_ROOM, strlen(LIBLEAK_NO_ROOM));
		inject_because(&why, 0, "process %d cannot be recorded: %.400s", (int)in->target, m->text);
		return fail(out, why.text);
	}
	m->event = KEEPER_ATTACHED;
	m->impossible = false;
	return 0;
}

/* In the first directory that will do, under a name that cannot be guessed. */
static int start_unnamed_recording(const struct injection *in, struct inject *process,
				   uint64_t function, struct outcome *out)
{
	const char *dirs[3];
	unsigned count = list_directories(in->target, dirs);
	char settings[4096];
	uint64_t salt = 0;
	int err = fail(out, "there is none of /dev/shm, /tmp and /var/tmp in the process's file "
		       "system");

	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		salt = (uint64_t)getpid();
	for (unsigned i = 0; i < count && err && err != -ECANCELED; i++) {
		snprintf(settings, sizeof(settings), "%s,output=%s/" LIBLEAK_UNNAMED "%d-%016llx.leak",
			 in->options->recording, dirs[i], (int)in->target, (unsigned long long)salt);
		err = start_recording(in, process, function, settings, out);
	}
	return err;
}

static void attach_injection(const struct injection *in, struct outcome *out)
{
	struct inject *process;
	struct inject_why why;
	uint64_t function;
	int err = inject_open(&process, in->target, in->options->timeout_ms, &why);

	if (err) {
		fail(out, why.text);
		out->message.impossible = is_impossible(err);
		return;
	}
	err = find_in_library(in, process, "libleak_attach", &function, &why);
	if (err) {
		fail(out, why.text);
		out->message.impossible = is_impossible(err);
	} else if (in->options->keep_session) {
		err = start_recording(in, process, function, in->options->recording, out);
	} else {
		err = start_unnamed_recording(in, process, function, out);
	}
	out->message.held_ns = inject_close(process);
	if (err)
		out->message.event = KEEPER_FAILED;
}

void injections_attach(pid_t target, const struct keeper_options *options,
		       struct keeper_message *m)
{
	struct injection in = { target, options };
	struct keeper_message undo;
	struct outcome out;

	inject_patiently(&in, attach_injection, &out);
	if (out.message.event == KEEPER_FAILED && out.unsure)
		injections_detach(target, options, &undo);
	*m = out.message;
}

/* ---- detaching ------------------------------------------------------------------ */

static void detach_injection(const struct injection *in, struct outcome *out)
{
	struct keeper_message *m = &out->message;
	struct inject *process;
	struct inject_why why;
	uint64_t function, text = 0;
	int err = inject_open(&process, in->target, in->options->timeout_ms, &why);

	if (err) {
		fail(out, err == -ESRCH ? "" : why.text);
		m->event = err == -ESRCH ? KEEPER_DETACHED : KEEPER_FAILED;
		return;
	}
	m->event = KEEPER_DETACHED;
	m->text[0] = '\0';
	function = inject_function(process, "libleak_detach");
	inject_borrow_stack(process, LIBLEAK_STACK, sizeof(struct libleak_stack));
	err = function ? inject_call_text(process, function, NULL, &text, &why) : 0;
	if (err)
		fail(out, why.text);
	else if (text && inject_read_text(process, text, m->text, sizeof(m->text)))
		m->text[0] = '\0';
	m->held_ns = inject_close(process);
	if (strcmp(m->text, LIBLEAK_BUSY))
		return;
	out->again = true;
	fail(out, "another memleak is detaching from it");
}

void injections_detach(pid_t target, const struct keeper_options *options,
		       struct keeper_message *m)
{
	struct injection in = { target, options };
	struct outcome out;

	inject_patiently(&in, detach_injection, &out);
	*m = out.message;
}
