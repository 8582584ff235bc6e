// SPDX-License-Identifier: MIT
#include "preload/growth.h"

#include "common/timeline.h"
#include "report/estimate.h"

#include <time.h>

/* Now, or when the session ended; a killed process does not say when that was. */
static uint64_t sample_ns(const struct session *session)
{
	struct timespec ts = { 0, 0 };

	if (session_header(session)->state == SESSION_ENDED)
		return session_last_ns(session);
	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (uint64_t)ts.tv_sec * 1000000000u + (uint64_t)ts.tv_nsec;
}

static void sample(struct followed *one)
{
	uint64_t tick = session_ns_to_tick(one->session, sample_ns(one->session));

	if (!one->timeline)
		one->timeline = timeline_new();
	if (one->timeline)
		timeline_sample(one->timeline, one->session, tick, estimate_probability);
}

void growth_sample(struct follow *follow)
{
	for (struct followed *one = follow_first(follow); one; one = one->next) {
		follow_refresh(one);
		if (one->state == FOLLOWED_RUNNING)
			sample(one);
	}
}

void growth_keep(struct followed *one)
{
	/* one point of time shows no growth */
	if (!one->session || !one->timeline)
		return;
	sample(one);
	if (one->timeline && !timeline_append_session(one->timeline, one->session))
		session_refresh(one->session);
	timeline_free(one->timeline);
	one->timeline = NULL;
}
