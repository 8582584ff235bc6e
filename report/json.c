// SPDX-License-Identifier: MIT
/* json.c - the whole report for machines; the schema is in docs/json.md. */
#include "report/json.h"

#include "report/json_private.h"
#include "report/losses.h"

#include <stdlib.h>
#include <string.h>

/* ---- names of values ---- */

static const char *sampling_name(enum session_sampling sampling)
{
	switch (sampling) {
	case SAMPLE_BYTES:
		return "bytes";
	case SAMPLE_COUNT:
		return "count";
	case SAMPLE_HASH:
		return "hash";
	default:
		return "all";
	}
}

static const char *end_name(const struct report_session *s)
{
	static const char *const names[] = {
		[SESSION_END_NONE] = "unknown", [SESSION_END_EXIT] = "exit",
		[SESSION_END_UEXIT] = "_exit", [SESSION_END_QEXIT] = "quick_exit",
		[SESSION_END_EXEC] = "exec", [SESSION_END_DETACH] = "detached",
		[SESSION_END_STOPPED] = "stopped", [SESSION_END_FORKED] = "forked",
	};

	if (s->state == SESSION_LIVE)
		return s->running ? "running" : "killed";
	return s->end_reason <= SESSION_END_FORKED ? names[s->end_reason] : "unknown";
}

/* ---- figures ---- */

static void print_kinds(struct json *j, const char *key, const struct figure live[KIND_COUNT])
{
	json_open(j, key, '{');
	for (int k = 0; k < KIND_COUNT; k++)
		if (live[k].count)
			json_figure(j, report_kind_name((enum report_kind)k), &live[k]);
	json_close(j, '}');
}

static void print_losses(struct json *j, const uint64_t loss[LOSS_MAX])
{
	json_open(j, "losses", '[');
	for (unsigned int cause = 0; cause < LOSS_MAX; cause++) {
		if (!loss[cause])
			continue;
		json_open(j, NULL, '{');
		json_string(j, "cause", loss_text(cause)->name);
		json_string(j, "text", loss_text(cause)->text);
		json_u64(j, "count", loss[cause]);
		json_bool(j, "understates", loss_text(cause)->understates);
		json_close(j, '}');
	}
	json_close(j, ']');
}

/* ---- header ---- */

static void print_summary(struct json *j, const struct report *r)
{
	const struct report_summary *sum = report_summary(r);

	json_open(j, "summary", '{');
	json_figure(j, "live", &sum->all);
	print_kinds(j, "live_by_kind", sum->live);
	json_figure(j, "inherited", &sum->inherited);
	json_figure(j, "freed_unseen", &sum->freed_unseen);
	json_figure(j, "suppressed", &sum->suppressed);
	json_figure(j, "known", &sum->known);
	json_figure(j, "hidden", &sum->hidden);
	json_u64(j, "sites", sum->sites);
	json_u64(j, "sites_live", sum->sites_live);
	json_u64(j, "stacks", sum->stacks);
	json_bool(j, "sampled", sum->sampled);
	json_bool(j, "lossy", sum->lossy);
	json_bool(j, "damaged", sum->damaged);
	print_losses(j, sum->loss);
	json_close(j, '}');
}

static void print_session(struct json *j, const struct report_session *s)
{
	json_open(j, NULL, '{');
	json_string(j, "name", s->name);
	json_string(j, "kind", s->kind == SESSION_KERNEL ? "kernel" : "process");
	json_u64(j, "process", s->process);
	json_string(j, "end", end_name(s));
	if (s->state == SESSION_ENDED && s->end_reason >= SESSION_END_EXIT &&
	    s->end_reason <= SESSION_END_QEXIT)
		json_i64(j, "exit_status", s->exit_status);
	json_open(j, "sampling", '{');
	json_string(j, "kind", sampling_name(s->sampling));
	json_number(j, "mean", s->mean);
	json_close(j, '}');
	json_u64(j, "depth", s->depth);
	json_u64(j, "min_size", s->min_size);
	json_u64(j, "max_size", s->max_size);
	json_bool(j, "mmap", s->features & SESSION_F_MMAP);
	json_bool(j, "foreign_malloc", s->features & SESSION_F_FOREIGN_MALLOC);
	json_u64(j, "start_ms", s->start_realtime_ns / 1000000);
	json_u64(j, "duration_ms", s->duration_ns / 1000000);
	json_u64(j, "recorder_bytes", s->self_bytes);
	json_u64(j, "recorder_ms", s->self_ns / 1000000);
	json_u64(j, "sampled_out", s->sampled_out);
	json_u64(j, "reserved_bytes", s->reserved_space);
	json_figure(j, "allocated", &s->allocated);
	json_figure(j, "freed", &s->freed);
	print_losses(j, s->loss);
	json_bool(j, "truncated", s->damage.truncated);
	json_bool(j, "corrupt", s->damage.corrupt);
	json_u64(j, "bad_entries", s->damage.bad_entries);
	json_close(j, '}');
}

static void print_process_caches(struct json *j, const struct report_process *p)
{
	if (!p->cache_count)
		return;
	json_open(j, "caches", '[');
	for (size_t i = 0; i < p->cache_count; i++) {
		json_open(j, NULL, '{');
		json_string(j, "name", p->caches[i].cache);
		json_figure(j, "live", &p->caches[i].live);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_process(struct json *j, const struct report_process *p)
{
	json_open(j, NULL, '{');
	json_u64(j, "pid", p->pid);
	json_u64(j, "ppid", p->ppid);
	json_u64(j, "start_ticks", p->start_ticks);
	json_string(j, "host", p->host);
	json_string(j, "boot_id", p->boot_id);
	json_string(j, "comm", p->comm);
	json_string(j, "exe", p->exe);
	json_string(j, "cmdline", p->cmdline);
	json_string(j, "cgroup", p->cgroup);
	if (p->parent_pid) {
		json_u64(j, "forked_from", p->parent_pid);
		json_bool(j, "parent_present", p->parent_present);
	}
	json_bool(j, "has_session", p->has_session);
	print_kinds(j, "live_by_kind", p->live);
	json_figure(j, "inherited", &p->inherited);
	print_process_caches(j, p);
	json_close(j, '}');
}

static void print_cache(struct json *j, const struct report_cache *c)
{
	json_open(j, NULL, '{');
	json_string(j, "name", c->name);
	json_string(j, "aliases", c->aliases);
	json_u64(j, "session", c->session);
	json_u64(j, "object_size", c->counts.object_size);
	json_u64(j, "slab_size", c->counts.slab_size);
	json_u64(j, "active_start", c->counts.active_start);
	json_u64(j, "active_end", c->counts.active_end);
	json_u64(j, "tracked_start", c->counts.tracked_start);
	json_u64(j, "tracked_end", c->counts.tracked_end);
	json_u64(j, "allocs", c->counts.allocs);
	json_u64(j, "frees", c->counts.frees);
	json_close(j, '}');
}

static const char *status_name(enum symbol_status status)
{
	static const char *const names[] = {
		[SYMBOLS_UNUSED] = "unused", [SYMBOLS_FOUND] = "found",
		[SYMBOLS_DEBUG_FILE] = "debug-file", [SYMBOLS_MISSING] = "missing",
		[SYMBOLS_MISMATCH] = "mismatch", [SYMBOLS_BROKEN] = "broken",
		[SYMBOLS_VIRTUAL] = "virtual",
	};

	return names[status];
}

/* Entry i is module id i + 1. */
static void print_module(struct json *j, const struct symbol_module *m)
{
	char build_id[2 * SYMBOL_BUILD_ID_MAX + 1] = "";

	for (uint32_t i = 0; i < m->build_id_len; i++)
		snprintf(build_id + 2 * i, 3, "%02x", m->build_id[i]);
	json_open(j, NULL, '{');
	json_string(j, "path", m->path);
	json_string(j, "name", m->name);
	json_string(j, "build_id", *build_id ? build_id : NULL);
	json_bool(j, "kernel", m->kernel);
	json_string(j, "symbols", status_name(m->status));
	json_close(j, '}');
}

static void print_filters(struct json *j, const struct report_options *o)
{
	json_open(j, "filters", '{');
	if (o->older_set)
		json_u64(j, "older_ms", o->older_ns / 1000000);
	json_u64(j, "min_size", o->min_size);
	json_u64(j, "max_size", o->max_size);
	json_u64(j, "pid", o->pid);
	json_u64(j, "top", o->top);
	json_string(j, "module", o->module);
	json_string(j, "domain", o->domain == DOMAIN_USER ? "user" :
		    o->domain == DOMAIN_KERNEL ? "kernel" : NULL);
	json_close(j, '}');
}

static int print_sites(struct json *j, const struct report *r)
{
	struct frame_numbers numbers;
	int err = json_print_frames(j, r, &numbers);

	if (err)
		return err;
	json_open(j, "sites", '[');
	for (size_t i = 0; i < report_site_count(r); i++)
		json_print_site(j, r, report_site(r, i), &numbers);
	json_close(j, ']');
	free(numbers.first);
	return 0;
}

int json_print(FILE *f, const struct report *r)
{
	const struct symbolizer *sym = report_symbolizer(r);
	struct json j = { .f = f };
	int err;

	json_open(&j, NULL, '{');
	json_string(&j, "format", "memleak-report");
	json_u64(&j, "version", REPORT_JSON_VERSION);
	print_filters(&j, report_options(r));
	print_summary(&j, r);
	json_open(&j, "sessions", '[');
	for (size_t i = 0; i < report_session_count(r); i++)
		print_session(&j, report_session(r, i));
	json_close(&j, ']');
	json_open(&j, "processes", '[');
	for (size_t i = 0; i < report_process_count(r); i++)
		print_process(&j, report_process(r, i));
	json_close(&j, ']');
	json_open(&j, "modules", '[');
	for (uint32_t id = 1; id <= symbolizer_module_count(sym); id++)
		print_module(&j, symbolizer_module_info(sym, id));
	json_close(&j, ']');
	json_open(&j, "caches", '[');
	for (size_t i = 0; i < report_cache_count(r); i++)
		print_cache(&j, report_cache(r, i));
	json_close(&j, ']');
	err = print_sites(&j, r);
	json_close(&j, '}');
	putc('\n', f);
	return err;
}
