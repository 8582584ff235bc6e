// SPDX-License-Identifier: MIT
/* json.c - the whole report for machines; the schema is in docs/json.md. */
#include "report/json.h"

#include "report/json_writer.h"
#include "report/losses.h"
#include "report/rank.h"

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

/* Recorded count and bytes; est_* and bounds only where they are estimates. */
static void print_figure(struct json *j, const char *key, const struct figure *f)
{
	json_open(j, key, '{');
	json_u64(j, "count", f->count);
	json_u64(j, "bytes", f->bytes);
	json_number(j, "est_count", f->est_count);
	json_number(j, "est_bytes", f->est_bytes);
	if (f->var_bytes > 0 || f->var_count > 0) {
		json_number(j, "bound_count", figure_bound(f->var_count));
		json_number(j, "bound_bytes", figure_bound(f->var_bytes));
	}
	json_close(j, '}');
}

static void print_kinds(struct json *j, const char *key, const struct figure live[KIND_COUNT])
{
	json_open(j, key, '{');
	for (int k = 0; k < KIND_COUNT; k++)
		if (live[k].count)
			print_figure(j, report_kind_name((enum report_kind)k), &live[k]);
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
	print_figure(j, "live", &sum->all);
	print_kinds(j, "live_by_kind", sum->live);
	print_figure(j, "inherited", &sum->inherited);
	print_figure(j, "freed_unseen", &sum->freed_unseen);
	print_figure(j, "suppressed", &sum->suppressed);
	print_figure(j, "known", &sum->known);
	print_figure(j, "hidden", &sum->hidden);
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
	print_figure(j, "allocated", &s->allocated);
	print_figure(j, "freed", &s->freed);
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
		print_figure(j, "live", &p->caches[i].live);
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
	print_figure(j, "inherited", &p->inherited);
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

/* ---- sites ---- */

static void print_frame(struct json *j, const struct symbol_frame *f)
{
	json_open(j, NULL, '{');
	json_string(j, "function", f->function);
	json_string(j, "module", f->module);
	if (f->module_id)
		json_u64(j, "module_index", f->module_id - 1);
	json_address(j, "address", f->address);
	if (!(f->flags & FRAME_INLINED))
		json_u64(j, "offset", f->offset);
	if (f->file) {
		json_string(j, "file", f->file);
		json_u64(j, "line", f->line);
	}
	if (f->flags & FRAME_INLINED)
		json_bool(j, "inlined", true);
	if (f->flags & FRAME_KERNEL)
		json_bool(j, "kernel", true);
	json_close(j, '}');
}

static void print_frames(struct json *j, const struct report *r, const struct report_site *site)
{
	json_open(j, "frames", '[');
	for (uint32_t i = 0; i < site->depth; i++) {
		size_t count;
		const struct symbol_frame *f = symbolizer_frames(report_symbolizer(r),
								 site->locations[i], &count);

		for (size_t k = 0; k < count; k++)
			print_frame(j, &f[k]);
	}
	json_close(j, ']');
}

/* Trailing empty buckets are left out. */
static void print_histogram(struct json *j, const char *key, const uint64_t *buckets, int count)
{
	while (count && !buckets[count - 1])
		count--;
	json_open(j, key, '[');
	for (int i = 0; i < count; i++)
		json_u64(j, NULL, buckets[i]);
	json_close(j, ']');
}

static void print_ages(struct json *j, const struct report_site *site)
{
	uint64_t ages[REPORT_AGES];

	if (site->age_min_ns > site->age_max_ns)
		return;
	for (int i = 0; i < REPORT_AGES; i++)
		ages[i] = site->ages[i];
	json_u64(j, "age_min_ms", site->age_min_ns / 1000000);
	json_u64(j, "age_max_ms", site->age_max_ns / 1000000);
	print_histogram(j, "ages", ages, REPORT_AGES);
}

static void print_threads(struct json *j, const struct report_holding *h, size_t count)
{
	json_open(j, "threads", '[');
	for (size_t i = 0; i < count; i++) {
		json_open(j, NULL, '{');
		json_u64(j, "tid", h[i].tid);
		json_u64(j, "count", h[i].live.count);
		json_u64(j, "bytes", h[i].live.bytes);
		json_u64(j, "oldest_ms", h[i].oldest_ns / 1000000);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_holders(struct json *j, const struct report_site *site)
{
	const struct report_holding *h = site->holdings;

	json_open(j, "processes", '[');
	for (size_t i = 0, end; i < site->holding_count; i = end) {
		struct figure live = { 0 }, inherited = { 0 };

		for (end = i; end < site->holding_count && h[end].process == h[i].process; end++) {
			figure_add(&live, &h[end].live);
			figure_add(&inherited, &h[end].inherited);
		}
		json_open(j, NULL, '{');
		json_u64(j, "process", h[i].process);
		print_figure(j, "live", &live);
		if (inherited.count)
			print_figure(j, "inherited", &inherited);
		print_threads(j, h + i, end - i);
		json_close(j, '}');
	}
	json_close(j, ']');
}

static void print_points(struct json *j, const struct report_site *site)
{
	if (!site->point_count)
		return;
	json_number(j, "growth_bytes_per_min", site->growth);
	json_open(j, "timeline", '[');
	for (size_t i = 0; i < site->point_count; i++) {
		const struct report_point *p = &site->points[i];

		json_open(j, NULL, '[');
		json_u64(j, NULL, p->process);
		json_u64(j, NULL, p->realtime_ns / 1000000);
		json_u64(j, NULL, p->count);
		json_u64(j, NULL, p->bytes);
		json_close(j, ']');
	}
	json_close(j, ']');
}

static void print_verdicts(struct json *j, const struct report_site *site)
{
	static const char *const names[] = { "young", "live", "freed", "gone", "unverified" };

	if (report_kind_domain(site->kind) != DOMAIN_KERNEL)
		return;
	json_open(j, "verdicts", '{');
	for (int i = 0; i < 5; i++)
		json_u64(j, names[i], site->verdicts[i]);
	json_close(j, '}');
}

static void print_blocks(struct json *j, const struct report_site *site)
{
	if (!site->block_count)
		return;
	json_open(j, "blocks", '[');
	for (size_t i = 0; i < site->block_count; i++) {
		const struct report_block *b = &site->blocks[i];

		json_open(j, NULL, '{');
		json_address(j, "address", b->addr);
		json_u64(j, "size", b->size);
		json_u64(j, "process", b->process);
		json_u64(j, "age_ms", b->age_ns / 1000000);
		json_close(j, '}');
	}
	json_close(j, ']');
}

/* The module of the innermost frame: whose code asked for the memory. */
static const char *owner(const struct report *r, const struct report_site *site)
{
	const struct symbol_module *m = !site->depth ? NULL :
		symbolizer_module_info(report_symbolizer(r),
				       symbolizer_location_module(report_symbolizer(r),
								  site->locations[0]));

	return m ? m->name : NULL;
}

static void print_flags(struct json *j, const struct report_site *site)
{
	json_bool(j, "cut", site->flags & STACK_CUT);
	json_bool(j, "partial", site->flags & STACK_PARTIAL);
	json_bool(j, "guessed", site->flags & STACK_GUESSED);
	json_bool(j, "overflow", site->flags & STACK_OVERFLOW);
}

static void print_site(struct json *j, const struct report *r, const struct report_site *site)
{
	bool kernel = report_kind_domain(site->kind) == DOMAIN_KERNEL;

	json_open(j, NULL, '{');
	json_hex(j, "fingerprint", site->fingerprint);
	json_string(j, "domain", kernel ? "kernel" : "user");
	json_string(j, "kind", report_kind_name(site->kind));
	json_string(j, "module", owner(r, site));
	if (site->cache)
		json_string(j, "cache", site->cache);
	print_figure(j, "live", &site->live);
	if (site->inherited.count)
		print_figure(j, "inherited", &site->inherited);
	print_figure(j, "allocated", &site->totals.allocated);
	print_figure(j, "freed", &site->totals.freed);
	json_i64(j, "peak_bytes", site->totals.peak_bytes);
	json_number(j, "suspicion_bytes", site_suspicion(site));
	print_ages(j, site);
	print_histogram(j, "lifetimes", site->lifetimes, REPORT_LIFETIMES);
	print_verdicts(j, site);
	print_flags(j, site);
	print_frames(j, r, site);
	print_holders(j, site);
	print_points(j, site);
	print_blocks(j, site);
	json_close(j, '}');
	putc('\n', j->f);
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

void json_print(FILE *f, const struct report *r)
{
	const struct symbolizer *sym = report_symbolizer(r);
	struct json j = { .f = f };

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
	json_open(&j, "sites", '[');
	for (size_t i = 0; i < report_site_count(r); i++)
		print_site(&j, r, report_site(r, i));
	json_close(&j, ']');
	json_close(&j, '}');
	putc('\n', f);
}
