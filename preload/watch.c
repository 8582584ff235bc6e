// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/watch.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "preload/growth.h"

#define STARTING_POLL_MS	5	/* for the header of a session that has just appeared */
#define TRACE_POLL_MS		20

enum { FD_TARGET, FD_FOLLOW, FD_TIMER, FD_SERVER, FD_COUNT };

struct watch {
	const struct settings *settings;
	struct target *target;
	struct follow *follow;
	struct live_view *view;
	struct live_server *server;
	uint64_t reports;	/* printed */
	bool enough;		/* the target is not to be watched for more */
	struct pollfd fds[FD_COUNT];
};

static int interval_timer(uint64_t ns)
{
	struct timespec every = { .tv_sec = (time_t)(ns / 1000000000),
				  .tv_nsec = (long)(ns % 1000000000) };
	struct itimerspec spec = { .it_interval = every, .it_value = every };
	int fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);

	if (fd >= 0 && timerfd_settime(fd, 0, &spec, NULL)) {
		close(fd);
		fd = -1;
	}
	return fd;
}

/* A trace replaces the interval reports, unless an interval is asked for (as in bcc). */
static bool wants_reports(const struct watch *w)
{
	const struct settings *s = w->settings;

	return (!s->trace || s->interval_given) && (!s->count || w->reports < s->count);
}

/* What is outstanding now, for whoever has asked the server. */
static void publish(struct watch *w)
{
	struct report *report;

	if (live_view_combined(w->view, w->follow, &report))
		report = NULL;
	live_server_publish(w->server, report);
	report_free(report);
}

static void interval_over(struct watch *w)
{
	uint64_t expired;

	if (read(w->fds[FD_TIMER].fd, &expired, sizeof(expired)) != sizeof(expired))
		return;
	growth_sample(w->follow);
	live_server_outdate(w->server);
	if (!wants_reports(w) || !live_view_interval(w->view, w->follow))
		return;
	if (++w->reports == w->settings->count)
		w->enough = w->target->ops->enough(w->target);
}

static int poll_timeout(const struct watch *w, bool trace_behind)
{
	if (trace_behind)
		return 0;
	if (follow_is_starting(w->follow))
		return STARTING_POLL_MS;
	return w->settings->trace ? TRACE_POLL_MS : -1;
}

static int loop(struct watch *w)
{
	bool over = false, trace_behind = false;
	int rc = 0;

	while (!over && !w->enough && !rc) {
		if (poll(w->fds, FD_COUNT, poll_timeout(w, trace_behind)) < 0 && errno != EINTR)
			return -errno;
		rc = follow_update(w->follow);
		live_view_announce(w->view, w->follow);
		trace_behind = w->settings->trace && live_view_trace(w->view, w->follow);
		interval_over(w);
		if (live_server_asked(w->server))
			publish(w);
		over = w->fds[FD_TARGET].revents && w->target->ops->event(w->target);
	}
	return rc;
}

/* What was recorded between the last look and the end. */
static int last_look(struct watch *w)
{
	int rc = follow_update(w->follow);

	live_view_announce(w->view, w->follow);
	return rc;
}

int watch_run(const struct settings *settings, struct target *target, struct follow *follow,
	      struct live_view *view, struct live_server *server, bool *enough)
{
	struct watch w = {
		.settings = settings, .target = target, .follow = follow, .view = view,
		.server = server,
		.fds = {
			[FD_TARGET] = { .fd = target->fd, .events = POLLIN },
			[FD_FOLLOW] = { .fd = follow_fd(follow), .events = POLLIN },
			[FD_SERVER] = { .fd = live_server_fd(server), .events = POLLIN },
			[FD_TIMER] = { .fd = interval_timer(settings->interval_ns), .events = POLLIN },
		},
	};
	int rc = w.fds[FD_TIMER].fd < 0 ? -errno : loop(&w);

	if (!rc)
		rc = last_look(&w);
	if (w.fds[FD_TIMER].fd >= 0)
		close(w.fds[FD_TIMER].fd);
	*enough = w.enough;
	return rc;
}
