// SPDX-License-Identifier: MIT
/* report.c - one report over any number of sessions: its life and its parts. */
#include "report/report.h"

#include "report/losses.h"
#include "report/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct report *report_new(struct symbolizer *sym, const struct report_options *options)
{
	struct report *r = calloc(1, sizeof(*r));

	if (!r)
		return NULL;
	r->sym = sym;
	if (options)
		r->options = *options;
	r->strings = strpool_new();
	r->locations = array_grow(NULL, 0, &r->location_room, sizeof(*r->locations));
	if (!r->strings || !r->locations) {
		report_free(r);
		return NULL;
	}
	return r;
}

void report_free(struct report *r)
{
	if (!r)
		return;
	for (size_t i = 0; i < r->input_count; i++)
		free(r->inputs[i].path);
	hash_index_free(&r->process_index);
	hash_index_free(&r->stack_index);
	hash_index_free(&r->site_index);
	hash_index_free(&r->holding_index);
	strpool_free(r->strings);
	free(r->inputs);
	free(r->sessions);
	free(r->processes);
	free(r->caches);
	free(r->cache_holdings);
	free(r->locations);
	free(r->stacks);
	free(r->raw);
	free(r->sites);
	free(r->shown);
	free(r->holdings);
	free(r->blocks);
	free(r->points);
	free(r);
}

/* ---- sessions ---- */

static double largest_mean(const struct session_header *h)
{
	uint64_t mean = 0;

	for (int i = 0; i < h->mean_count; i++)
		if (h->sample_mean[i] > mean)
			mean = h->sample_mean[i];
	return (double)mean;
}

static void describe(struct report_session *out, const struct session *s)
{
	const struct session_header *h = session_header(s);
	uint64_t end = session_last_ns(s);

	out->kind = h->kind == SESSION_KERNEL ? SESSION_KERNEL : SESSION_PROCESS;
	out->state = (enum session_state)h->state;
	out->end_reason = (enum session_end)h->end_reason;
	out->running = session_is_running(s);
	out->exit_status = h->exit_status;
	out->sampling = (enum session_sampling)h->sampling;
	out->mean = largest_mean(h);
	out->depth = h->depth;
	out->features = h->features;
	out->min_size = h->min_size;
	out->max_size = h->max_size;
	out->older_ns = h->older_ns;
	out->start_realtime_ns = h->clock.realtime_ns0;
	out->duration_ns = end > h->clock.ns0 ? end - h->clock.ns0 : 0;
	out->self_bytes = h->self_bytes;
	out->self_ns = h->self_ns;
	out->sampled_out = h->sampled_out;
	out->reserved_space = h->reserved_space;
	memcpy(out->loss, h->loss, sizeof(out->loss));
	out->damage = *session_damage(s);
}

static int add_input(struct report *r, struct session *s, const char *path,
		     struct session *borrowed)
{
	struct report_session session = { .name = strpool_add(r->strings, session_name(s)) };
	struct report_session *sessions;
	struct input *inputs;
	char *copy = path ? strdup(path) : NULL;

	inputs = array_grow(r->inputs, r->input_count, &r->input_room, sizeof(*inputs));
	if (inputs)
		r->inputs = inputs;
	sessions = array_grow(r->sessions, r->input_count, &r->session_room, sizeof(*sessions));
	if (sessions)
		r->sessions = sessions;
	session.process = report_session_process(r, s);
	if (!inputs || !sessions || !session.name || session.process == NO_SITE ||
	    (path && !copy)) {
		free(copy);
		return -ENOMEM;
	}
	describe(&session, s);
	inputs[r->input_count] = (struct input){ copy, borrowed };
	sessions[r->input_count++] = session;
	return 0;
}

int report_add_session(struct report *r, struct session *s)
{
	return add_input(r, s, NULL, s);
}

/* Opened twice, but only one at a time: there may be more sessions than descriptors. */
int report_add_file(struct report *r, const char *path)
{
	struct session *s;
	int err = session_open(path, &s);

	if (err)
		return err;
	err = add_input(r, s, path, NULL);
	session_close(s);
	return err;
}

static int scan_input(struct report *r, size_t i)
{
	const struct report_options *o = &r->options;
	struct report_session *out = &r->sessions[i];
	struct session *s = r->inputs[i].borrowed;
	enum report_domain domain = out->kind == SESSION_KERNEL ? DOMAIN_KERNEL : DOMAIN_USER;
	int err = 0;

	if (o->domain && o->domain != domain)
		return 0;
	if (o->pid && domain == DOMAIN_USER && r->processes[out->process].pid != o->pid)
		return 0;
	if (!s)
		err = session_open(r->inputs[i].path, &s);
	if (err)
		return err;
	describe(out, s);
	err = domain == DOMAIN_KERNEL ? report_scan_kernel(r, s, i) : report_scan_process(r, s, i);
	out->damage = *session_damage(s);
	if (!r->inputs[i].borrowed)
		session_close(s);
	return err;
}

static void sum_sessions(struct report *r)
{
	struct report_summary *sum = &r->summary;

	for (size_t i = 0; i < r->input_count; i++) {
		const struct report_session *s = &r->sessions[i];

		sum->sampled |= s->sampling != SAMPLE_ALL && s->mean > 1;
		sum->damaged |= s->damage.truncated || s->damage.corrupt || s->damage.bad_entries;
		for (unsigned int cause = 0; cause < LOSS_MAX; cause++) {
			sum->loss[cause] += s->loss[cause];
			if (s->loss[cause] && loss_text(cause)->understates)
				sum->lossy = true;
		}
	}
	sum->stacks = r->stack_count;
}

int report_build(struct report *r)
{
	int err = 0;

	report_link_parents(r);
	for (size_t i = 0; i < r->input_count && !err; i++)
		err = scan_input(r, i);
	if (!err)
		err = symbolizer_resolve(r->sym, r->options.progress, r->options.progress_arg);
	if (!err)
		err = report_merge_sites(r);
	if (!err)
		err = report_finish(r);
	if (!err)
		sum_sessions(r);
	return err;
}

/* ---- access ---- */

const struct report_summary *report_summary(const struct report *r)
{
	return &r->summary;
}

const struct report_options *report_options(const struct report *r)
{
	return &r->options;
}

const struct symbolizer *report_symbolizer(const struct report *r)
{
	return r->sym;
}

size_t report_site_count(const struct report *r)
{
	return r->shown_count;
}

const struct report_site *report_site(const struct report *r, size_t i)
{
	return i < r->shown_count ? r->shown[i] : NULL;
}

size_t report_process_count(const struct report *r)
{
	return r->process_count;
}

const struct report_process *report_process(const struct report *r, size_t i)
{
	return i < r->process_count ? &r->processes[i] : NULL;
}

size_t report_session_count(const struct report *r)
{
	return r->input_count;
}

const struct report_session *report_session(const struct report *r, size_t i)
{
	return i < r->input_count ? &r->sessions[i] : NULL;
}

size_t report_cache_count(const struct report *r)
{
	return r->cache_count;
}

const struct report_cache *report_cache(const struct report *r, size_t i)
{
	return i < r->cache_count ? &r->caches[i] : NULL;
}

enum report_domain report_kind_domain(enum report_kind kind)
{
	return kind >= KIND_SLAB ? DOMAIN_KERNEL : DOMAIN_USER;
}

const char *report_kind_name(enum report_kind kind)
{
	static const char *const names[KIND_COUNT] = {
		[KIND_HEAP] = "heap", [KIND_MMAP] = "mmap", [KIND_NEW] = "new",
		[KIND_SLAB] = "slab", [KIND_LARGE] = "large", [KIND_PAGES] = "pages",
		[KIND_PERCPU] = "percpu",
	};

	return names[kind];
}
