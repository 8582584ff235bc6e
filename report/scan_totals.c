// SPDX-License-Identifier: MIT
/* scan_totals.c - totals per stack, freed lifetimes, peaks and the timeline of a session. */
#include "report/estimate.h"
#include "report/report_private.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

struct totals_scan {
	struct report *r;
	struct session *s;
	struct report_session *out;
	const uint32_t *site_of;
	int64_t *peak;			/* per stack */
	int bucket_of[SESSION_LIFETIMES];	/* the report's bucket for one of the session's */
	uint32_t process;
	bool sampled;
};

/* Where a lifetime in the middle of the session's bucket falls in the report's. */
static int lifetime_bucket(const struct session *s, int b)
{
	double ticks = b ? 1.5 * pow(2, b - 1) : 0.5;
	double us = ticks * (double)session_ticks_to_ns(s, 1u << 20) / (1u << 20) / 1000;
	int bucket = us < 1 ? 0 : (int)floor(log2(us)) + 1;

	return bucket < REPORT_LIFETIMES ? bucket : REPORT_LIFETIMES - 1;
}

static void add_weighted(struct figure *f, uint64_t count, uint64_t bytes, bool sampled,
			 double w_count, double w_bytes)
{
	f->count += count;
	f->bytes += bytes;
	f->est_count += sampled ? estimate_weight(w_count) : (double)count;
	f->est_bytes += sampled ? estimate_weight(w_bytes) : (double)bytes;
}

/* A block may be freed by another thread than its own: only the sums over threads make sense. */
void report_add_combined(struct figure *live, const struct session_site *site, bool sampled)
{
	uint64_t count = site->alloc_count - site->free_count;
	uint64_t bytes = site->alloc_bytes - site->free_bytes;

	live->count += count;
	live->bytes += bytes;
	live->est_count += sampled ? estimate_weight(site->w_alloc_count - site->w_free_count) :
				     (double)(int64_t)count;
	live->est_bytes += sampled ? estimate_weight(site->w_alloc_bytes - site->w_free_bytes) :
				     (double)(int64_t)bytes;
}

static void add_lifetimes(struct totals_scan *t, struct report_site *site,
			  const struct session_site *from)
{
	uint32_t shift = from->lifetime_shift < 32 ? from->lifetime_shift : 32;

	for (int b = 0; b < SESSION_LIFETIMES; b++)
		site->lifetimes[t->bucket_of[b]] += (uint64_t)from->lifetimes[b] << shift;
}

static int add_totals(void *arg, const struct session_site *from)
{
	struct totals_scan *t = arg;
	const struct session_stack *stack = session_stack(t->s, from->stack);
	uint32_t index = t->site_of[from->stack];
	struct report_site *site;
	int64_t peak;

	if (index == NO_SITE || !stack)
		return 0;
	site = &t->r->sites[index];
	add_weighted(&site->totals.allocated, from->alloc_count, from->alloc_bytes, t->sampled,
		     from->w_alloc_count, from->w_alloc_bytes);
	add_weighted(&site->totals.freed, from->free_count, from->free_bytes, t->sampled,
		     from->w_free_count, from->w_free_bytes);
	add_weighted(&t->out->allocated, from->alloc_count, from->alloc_bytes, t->sampled,
		     from->w_alloc_count, from->w_alloc_bytes);
	add_weighted(&t->out->freed, from->free_count, from->free_bytes, t->sampled,
		     from->w_free_count, from->w_free_bytes);
	add_lifetimes(t, site, from);
	if (__builtin_add_overflow(stack->live_bytes, from->high, &peak))
		peak = 0;
	if (peak < stack->peak_bytes)
		peak = stack->peak_bytes;
	if (peak > t->peak[from->stack])
		t->peak[from->stack] = peak;
	return 0;
}

static int add_point(void *arg, const struct session_point *from)
{
	struct totals_scan *t = arg;
	const struct session_clock *clock = &session_header(t->s)->clock;
	uint32_t index = t->site_of[from->stack];
	struct report_point p = {
		.site = index, .process = t->process, .count = from->count, .bytes = from->bytes,
	};
	uint64_t tick, ns;

	if (index == NO_SITE || !session_time(t->s, from->time, &tick))
		return 0;
	ns = session_rel_ns(t->s, tick);
	p.realtime_ns = clock->realtime_ns0 + (ns > clock->ns0 ? ns - clock->ns0 : 0);
	return report_add_point(t->r, &p);
}

static void add_peaks(struct totals_scan *t)
{
	uint64_t stacks = session_count(t->s, SECT_STACKS);

	for (uint64_t i = 1; i < stacks; i++) {
		int64_t *sum;

		if (t->site_of[i] == NO_SITE || t->peak[i] <= 0)
			continue;
		sum = &t->r->sites[t->site_of[i]].totals.peak_bytes;
		if (__builtin_add_overflow(*sum, t->peak[i], sum))
			*sum = INT64_MAX;
	}
}

int report_scan_totals(struct report *r, struct session *s, size_t input, const uint32_t *site_of)
{
	struct totals_scan t = {
		.r = r, .s = s, .out = &r->sessions[input], .site_of = site_of,
		.process = r->sessions[input].process,
		.sampled = session_header(s)->sampling != SAMPLE_ALL,
	};
	int err;

	t.peak = calloc(session_count(s, SECT_STACKS) + 1, sizeof(*t.peak));
	if (!t.peak)
		return -ENOMEM;
	for (int b = 0; b < SESSION_LIFETIMES; b++)
		t.bucket_of[b] = lifetime_bucket(s, b);
	err = session_each_site(s, add_totals, &t);
	if (!err)
		add_peaks(&t);
	if (!err)
		err = session_each_point(s, add_point, &t);
	free(t.peak);
	return err;
}
