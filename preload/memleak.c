// SPDX-License-Identifier: MIT
/*
 * memleak.c - the command: launches a program under libleak.so, or attaches to one,
 * and prints what it has allocated and not freed, at intervals and at its end.
 */
#define _GNU_SOURCE 1
#include <errno.h>
#include <fcntl.h>
#include <linux/limits.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "preload/attach.h"
#include "preload/beside.h"
#include "preload/engine.h"
#include "preload/follow.h"
#include "preload/late_signals.h"
#include "preload/launch.h"
#include "preload/library.h"
#include "preload/live_view.h"
#include "preload/private_dir.h"
#include "preload/probes.h"
#include "preload/program.h"
#include "preload/settings.h"
#include "preload/watch.h"
#include "report/bus_guard.h"
#include "report/live_server.h"

enum { STATUS_FAILED = 1 };

static int failed(const char *what, int err)
{
	fprintf(stderr, "memleak: %s: %s\n", what, strerror(-err));
	return STATUS_FAILED;
}

/* One run: where the sessions go, and who finds and shows them. */
struct run {
	const struct settings *settings;
	struct target *target;
	char dir[PATH_MAX];	/* private; empty: none is needed */
	char pattern[PATH_MAX];
	char sysroot[64];	/* where the program's files are; empty: here */
	struct follow *follow;
	struct live_view *view;
	struct live_server *server;
	struct beside *beside;	/* kagent; NULL: not asked for, or not to be had */
	struct probes *probes;	/* NULL: libleak.so records, as it may beside them (-p) */
	char program[PATH_MAX];	/* that is to be executed, for the probes */
	unsigned int left_running;	/* processes that the probes were taken out of */
};

static int start_server(struct run *r)
{
	const struct settings *s = r->settings;
	const struct live_server_options options = {
		.program = "memleak", .address = s->serve, .token = s->serve_token,
		.interval_ns = s->interval_ns,
	};

	return live_server_new(&options, &r->server);
}

static int run_prepare(struct run *r)
{
	int rc = settings_check_files(r->settings);

	if (rc)
		return rc;
	if (start_server(r))
		return STATUS_FAILED;
	if (r->settings->output) {
		rc = settings_output_pattern(r->settings, r->pattern);
		if (rc)
			return rc;
	}
	if (!r->settings->output || r->settings->kernel) {
		rc = private_dir_make(r->dir);
		if (rc)
			return failed("no directory for sessions in /dev/shm, $TMPDIR or /tmp", rc);
	}
	if (!r->settings->output) {
		strcpy(r->pattern, r->dir);
		strcat(r->pattern, "/%p.leak");
	}
	rc = follow_open(r->pattern, &r->follow);
	if (rc)
		return failed("cannot watch the directory of the sessions", rc);
	if (r->probes)
		probes_write_for(r->probes, r->follow);
	rc = live_view_new(r->settings, *r->sysroot ? r->sysroot : NULL, &r->view);
	return rc ? failed("report", rc) : 0;
}

static void start_beside(struct run *r, const pid_t *pids, size_t count)
{
	const struct settings *s = r->settings;
	const struct beside_options options = {
		.dir = r->dir, .pids = pids, .pid_count = count, .children = !s->no_follow,
		.interval_ns = s->interval_ns, .older_ns = s->older_ns,
	};

	if (beside_start(&options, &r->beside))
		fputs("memleak: --kernel: goes on without what is held in the kernel\n", stderr);
	live_view_beside(r->view, r->beside);
}

/* A launch_before_fn */
static int before_launch(void *arg, pid_t pid)
{
	struct run *r = arg;

	if (r->settings->kernel)
		start_beside(r, &pid, 1);
	return r->probes ? probes_add(r->probes, pid, r->program, r->settings->argv) : 0;
}

/* A launch_child_fn: a kagent that was killed may have left the program stopped. */
static void other_child_ended(void *arg)
{
	struct run *r = arg;

	if (r->probes)
		probes_running(r->probes);
}

static void stop_beside(struct run *r)
{
	char path[PATH_MAX];
	int rc;

	if (!r->beside)
		return;
	beside_stop(r->beside);
	if (!r->settings->output)
		return;
	settings_kernel_path(r->pattern, path);
	rc = beside_keep(r->beside, path);
	if (rc)
		failed("the kernel's session cannot be kept", rc);
}

static int run_begin(struct run *r)
{
	char *recording = settings_recording(r->settings, r->pattern);
	int rc;

	if (!recording)
		return failed("settings", -ENOMEM);
	rc = r->target->ops->begin(r->target, recording);
	free(recording);
	if (!rc && r->settings->kernel && r->settings->action == SETTINGS_ATTACH)
		start_beside(r, r->settings->pids, r->settings->pid_count);
	return rc;
}

/* The sessions are open and stay readable; nothing is left if memleak is interrupted now. */
static void drop_private_dir(struct run *r)
{
	if (*r->dir)
		private_dir_remove(r->dir);
	*r->dir = '\0';
}

static bool runs_asan(const struct run *r)
{
	char path[PATH_MAX];

	return !r->probes && r->settings->action == SETTINGS_RUN &&
	       !program_find(r->settings->argv[0], path) && program_has_asan(path);
}

static void tell_what_is_missing(const struct run *r)
{
	unsigned int running = r->left_running, unread = 0, recorded = 0;

	for (const struct followed *one = follow_first(r->follow); one; one = one->next) {
		running += one->state == FOLLOWED_RUNNING;
		unread += one->state == FOLLOWED_STARTING;
		recorded += one->announced;
	}
	if (running)
		fprintf(stderr, "memleak: %u followed process%s still run%s and will be watched no "
			"longer\n", running, running > 1 ? "es" : "", running > 1 ? "" : "s");
	if (unread)
		fprintf(stderr, "memleak: %u session%s could not be read\n", unread,
			unread > 1 ? "s" : "");
	if (!recorded)
		fprintf(stderr, "memleak: nothing was recorded: %s made no session in %s%s\n",
			r->probes && probes_any(r->probes) ? "kagent" : "libleak.so", r->pattern,
			runs_asan(r) ? "; AddressSanitizer starts behind libleak.so only with "
			"ASAN_OPTIONS=verify_asan_link_order=0" : "");
}

/* The sessions of processes that have ended meanwhile may be made only now; others run on. */
static void stop_probes(struct run *r)
{
	probes_stop(r->probes);
	if (!follow_update(r->follow))
		live_view_announce(r->view, r->follow);
	if (r->settings->action != SETTINGS_RUN)
		return;
	for (struct followed *one = follow_first(r->follow); one; one = one->next)
		if (one->state == FOLLOWED_RUNNING && !session_refresh(one->session) &&
		    session_header(one->session)->end_reason == SESSION_END_DETACH)
			r->left_running++;
}

static int run_target(struct run *r)
{
	int status = run_prepare(r), rc;
	bool enough;

	if (!status)
		status = run_begin(r);
	if (status)
		return status;
	/*
	 * The reader of a pipe may go, an output be too large, a file be cut while it is read.
	 * The program has begun without this.
	 */
	signal(SIGPIPE, SIG_IGN);
	signal(SIGXFSZ, SIG_IGN);
	bus_guard_install();
	rc = watch_run(r->settings, r->target, r->follow, r->view, r->server, &enough);
	if (rc)
		failed("watching stopped", rc);
	stop_beside(r);
	if (r->probes)
		stop_probes(r);
	drop_private_dir(r);
	late_signals_catch();
	status = r->target->ops->end(r->target);
	rc = live_view_final(r->view, r->follow, enough);
	tell_what_is_missing(r);
	return rc && !status ? STATUS_FAILED : status;
}

static int run(struct run *r)
{
	int status = run_target(r);

	beside_free(r->beside);	/* they write into the directory */
	probes_free(r->probes);
	drop_private_dir(r);
	live_server_free(r->server);
	live_view_free(r->view);
	follow_close(r->follow);
	return status;
}

static int run_launch(struct run *r)
{
	r->target = launch_target(r->settings->argv, !r->probes,
				  !r->probes && !r->settings->no_follow, before_launch, other_child_ended, r);
	return run(r);
}

static int run_attach(struct run *r)
{
	const struct settings *settings = r->settings;
	const struct attach_options options = {
		.settings = settings, .pattern = r->pattern, .probes = r->probes,
	};

	if (settings->pid_count == 1)
		attach_sysroot(settings->pids[0], r->sysroot);
	r->target = attach_target(&options);
	return r->target ? run(r) : failed("attaching", -ENOMEM);
}

static int run_user(const struct settings *settings)
{
	struct run r = { .settings = settings };
	bool attach = settings->action == SETTINGS_ATTACH;

	if (attach || engine_probes_command(settings, r.program)) {
		r.probes = probes_new(settings, r.pattern);
		if (!r.probes)
			return failed("uprobes", -ENOMEM);
	}
	return attach ? run_attach(&r) : run_launch(&r);
}

/* The kernel's allocations are kagent's business: it takes the same options. */
static int become_kagent(char **argv)
{
	char path[PATH_MAX];
	int rc = library_find_program("kagent", path);

	if (!rc) {
		execv(path, argv);
		rc = -errno;
	}
	fprintf(stderr, "memleak: without -c COMMAND or -p PID the kernel's allocations are traced, "
		"by kagent: %s: %s\n", path, strerror(-rc));
	return STATUS_FAILED;
}

/* Nothing that memleak opens may take the place of a closed standard stream; the program's stay. */
static void fill_standard_streams(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0)
		close(fd);
}

int main(int argc, char **argv)
{
	struct settings settings;
	int status;

	fill_standard_streams();
	status = settings_parse(&settings, argc, argv);
	if (!status) {
		switch (settings.action) {
		case SETTINGS_RUN:
		case SETTINGS_ATTACH:
			status = run_user(&settings);
			break;
		case SETTINGS_KERNEL:
			status = become_kagent(argv);
			break;
		case SETTINGS_EXIT:
			break;
		}
	}
	settings_free(&settings);
	return status;
}
