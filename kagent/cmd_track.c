// SPDX-License-Identifier: MIT
/* cmd_track.c - kagent's main command: outstanding objects, every interval. */
#include "kagent/track.h"

#include "common/fmt.h"
#include "kagent/procinfo.h"
#include "kagent/session_out.h"
#include "kagent/stop.h"
#include "report/live_server.h"
#include "report/outputs.h"
#include "report/text.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define LOOK_NS		500000000ull /* how often new caches and stacks are looked at */
#define ANSWER_NS	100000000ull /* how long a request waits at most, but for its report */
#define MAX_SITES	16384
#define OBJECT_COST	176 /* bytes of kernel memory per object of --max-objects */

struct run {
	const struct track *t;
	struct capture *c;
	struct symbolizer *sym;
	struct live_server *server;
	bool reported; /* there is a snapshot's session */
	char scratch_dir[64]; /* for the session of the current snapshot, when nobody wants it */
	char scratch[80];
	char cmdline[256];
};

/* ---- settings ---------------------------------------------------------------------- */

/* Preallocated maps must not eat the machine: a sixteenth of its memory at most. */
static uint32_t affordable(uint64_t objects)
{
	uint64_t memory = (uint64_t)sysconf(_SC_PHYS_PAGES) * sysconf(_SC_PAGESIZE);
	uint64_t limit = memory / 16 / OBJECT_COST;

	if (objects <= limit)
		return objects;
	fail("room for %" PRIu64 " objects instead of %" PRIu64 ", on a machine with %" PRIu64
	     " MiB of "
	     "memory",
	     limit, objects, memory >> 20);
	return limit;
}

static int fill_settings(const struct track *t, struct capture_settings *s)
{
	struct ka_config *cfg = &s->tracer.config;

	*s = (struct capture_settings) { .patterns = t->patterns, .pattern_count = t->pattern_count,
					 .older_ns = t->older_ms * 1000000ull };
	s->tracer = (struct tracer_settings){
		.pages = t->pages,
		.percpu = t->percpu,
		.max_objects = affordable(t->max_objects),
		.max_sites = MAX_SITES,
		.max_ustacks = MAX_SITES,
		.cgroup_fd = -1,
		.ring_bytes = 1u << 22,
		.pids = t->pids,
		.pid_count = t->pid_count,
		.children = t->children,
	};
	cfg->track = cfg->stacks = 1;
	cfg->user_stacks = t->user_stacks;
	cfg->trace = t->trace;
	cfg->depth = t->depth;
	cfg->sample = t->sample > 1 ? (1ull << 32) / t->sample : 0;
	cfg->min_size = t->min_size;
	cfg->max_size = t->max_size;
	if (t->comm) {
		cfg->by_comm = 1;
		memcpy(cfg->comm, t->comm, strnlen(t->comm, sizeof(cfg->comm) - 1));
	}
	if (t->cgroup) {
		cfg->by_cgroup = 1;
		s->tracer.cgroup_fd = cgroup_open(t->cgroup);
		if (s->tracer.cgroup_fd < 0) {
			fail("no cgroup (version 2) %s: %s", t->cgroup,
			     strerror(-s->tracer.cgroup_fd));
			return s->tracer.cgroup_fd;
		}
	}
	return 0;
}

static struct view_options view_options(const struct track *t)
{
	return (struct view_options){
		.by = t->by,
		.top = t->top,
		.show_allocs = t->show_allocs,
		.colour = isatty(1) && !getenv("NO_COLOR"),
		.wide = t->wide,
		.older_ns = t->older_ms * 1000000ull,
		.sample = t->sample > 1 ? t->sample : 0,
		.some_caches = t->pattern_count != 0,
		.some_tasks = t->pid_count || t->comm || t->cgroup,
	};
}

/* ---- one report ------------------------------------------------------------------------ */

static const char *session_path(const struct run *run)
{
	return run->t->output ? run->t->output : run->scratch;
}

static int write_session(struct run *run)
{
	const struct track *t = run->t;
	struct session_facts facts = {
		.sample = t->sample > 1 ? t->sample : 0, .older_ns = t->older_ms * 1000000ull,
		.min_size = t->min_size, .max_size = t->max_size, .depth = t->depth,
		.cmdline = run->cmdline,
		.some_tasks = t->pid_count || t->comm || t->cgroup,
	};

	return session_out_write(run->c, &facts, session_path(run));
}

static int build_report(struct run *run, size_t top, struct report **out)
{
	struct report_options options = {
		.older_set = true, .older_ns = run->t->older_ms * 1000000ull, .top = top,
		.blocks = run->t->show_allocs,
	};
	struct report *r = report_new(run->sym, &options);
	int err = r ? report_add_file(r, session_path(run)) : -ENOMEM;

	if (!err)
		err = report_build(r);
	if (err)
		report_free(r);
	else
		*out = r;
	return err;
}

static int print_report(struct run *run, bool last)
{
	struct view_options o = view_options(run->t);
	struct report *r;
	int err = build_report(run, run->t->top, &r);

	if (err)
		return err;
	if (o.by == VIEW_STACK)
		view_stacks(stdout, run->c, r, &o);
	else
		err = view_groups(stdout, run->c, &o);
	if (last)
		text_print_totals(stdout, r, &(struct text_options) { .colour = o.colour,
								      .wide = o.wide });
	text_print_losses(stdout, r);
	view_coverage(stdout, run->c, &o);
	fflush(stdout);
	report_free(r);
	return err;
}

/* All sites as of the last snapshot, for whoever has asked the server. */
static void answer(struct run *run)
{
	struct report *r = NULL;

	if (!live_server_asked(run->server))
		return;
	if (!run->reported || build_report(run, 0, &r))
		r = NULL;
	live_server_publish(run->server, r);
	report_free(r);
}

/* 0 or -errno; *status is 1 when a file could not be written, which has been said then. */
static int write_outputs(struct run *run, int *status)
{
	const struct text_options text = { .wide = run->t->wide };
	struct report *r;
	int err = run->t->outputs.count ? build_report(run, 0, &r) : 0;

	if (err || !run->t->outputs.count)
		return err;
	*status = outputs_write(&run->t->outputs, r, &text, "kagent") ? 1 : 0;
	report_free(r);
	return 0;
}

static int report_now(struct run *run, bool last)
{
	int err = capture_snapshot(run->c), status = 0;

	if (last)	/* not before: slabinfo would go on growing */
		tracer_stop(capture_tracer(run->c));
	if (!err)
		err = write_session(run);
	live_server_outdate(run->server);
	run->reported = !err;
	if (!err && !run->t->quiet)
		err = print_report(run, last);
	if (!err && last)
		err = write_outputs(run, &status);
	if (!run->server)
		unlink(run->scratch);
	if (err == -EPERM)
		return fail("the kernel hides its symbols: set kernel.kptr_restrict to 1 or 0, and "
			    "give CAP_SYSLOG");
	return err ? fail("the report can't be made: %s", strerror(-err)) : status;
}

/* ---- the trace ---------------------------------------------------------------------------- */

static const char *cache_name(const struct capture *c, uint64_t id)
{
	for (size_t i = 0; i < capture_cache_count(c); i++)
		if (capture_cache(c, i)->id == id)
			return capture_cache(c, i)->name;
	return "?";
}

static bool is_unwanted(const struct capture *c, uint64_t id)
{
	for (size_t i = 0; i < capture_cache_count(c); i++)
		if (capture_cache(c, i)->id == id)
			return !capture_cache(c, i)->wanted;
	return false;
}

static int print_event(void *arg, const struct ka_event *e)
{
	struct run *run = arg;
	char comm[KA_COMM_LEN + 1] = "";

	if (e->cache && is_unwanted(run->c, e->cache))
		return 0;
	memcpy(comm, e->comm, KA_COMM_LEN);
	putchar('(');
	fmt_name(stdout, comm, 0);
	printf(" %" PRIu32 ") %.6f ", e->tgid, (double)e->time / 1e9);
	if (e->op == KA_EV_ALLOC) {
		printf("alloc %llx size %" PRIu32 " ", (unsigned long long)e->addr, e->size);
		fmt_name(stdout, cache_name(run->c, e->cache), 0);
		putchar('\n');
	} else {
		printf("free %llx\n", (unsigned long long)e->addr);
	}
	return 0;
}

/* Waits for the next look; meanwhile a trace is printed, and requests are answered. */
static void wait_until(struct run *run, uint64_t ns)
{
	uint64_t now, until;

	while (!stop_wanted() && (now = stop_now_ns()) < ns) {
		until = ns - now < ANSWER_NS ? ns : now + ANSWER_NS;
		if (run->t->trace) {
			tracer_poll(capture_tracer(run->c), (until - now) / 1000000 + 1,
				    print_event, run);
			fflush(stdout);
		} else {
			stop_sleep_until(until);
		}
		answer(run);
	}
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void print_matched(const struct run *run)
{
	char text[256], *selected;

	tracer_describe(capture_tracer(run->c), text, sizeof(text));
	printf("Attaching to the kernel's allocators: %s. Ctrl+C to quit.\n", text);
	if (run->t->pattern_count) {
		selected = capture_selected(run->c);
		printf("Caches: ");
		fmt_name(stdout, selected && selected[0] ? selected : "none yet that match", 0);
		putchar('\n');
		free(selected);
	}
	fflush(stdout);
}

/* Until the next report is due: 0, or -errno. */
static int watch_until(struct run *run, uint64_t due)
{
	uint64_t next;
	int err = 0;

	while (!err && !stop_wanted() && stop_now_ns() < due) {
		next = stop_now_ns() + LOOK_NS;
		wait_until(run, next < due ? next : due);
		err = capture_look(run->c);
	}
	return err;
}

static int loop(struct run *run)
{
	const struct track *t = run->t;
	uint64_t start = stop_now_ns(), due = start, reports = 0, end;
	bool last = false;
	int status = 0, err;

	end = t->duration_ns ? start + t->duration_ns : UINT64_MAX;
	while (!last && !status) {
		due += t->words.interval_ns;
		if (due < stop_now_ns())
			due = stop_now_ns();	/* reports take longer than the interval */
		err = watch_until(run, due < end ? due : end);
		if (err)
			return fail("can't read the BPF maps: %s", strerror(-err));
		reports++;
		last = stop_wanted() || stop_now_ns() >= end ||
		       (t->words.count && reports == t->words.count);
		status = report_now(run, last);
	}
	return status;
}

/* All caches that are in use already, so that they are decided on before the first report. */
static int begin(struct run *run)
{
	int err;

	stop_sleep_until(stop_now_ns() + 50000000);
	err = capture_look(run->c);
	if (err)
		return fail("can't read the BPF maps: %s", strerror(-err));
	if (!outputs_claim_stdout(&run->t->outputs))
		print_matched(run);
	return 0;
}

static void remember_cmdline(struct run *run, int argc, char **argv)
{
	size_t at = snprintf(run->cmdline, sizeof(run->cmdline), "kagent");

	for (int i = 1; i < argc && at < sizeof(run->cmdline); i++)
		at += snprintf(run->cmdline + at, sizeof(run->cmdline) - at, " %s", argv[i]);
}

static int make_scratch(struct run *run)
{
	snprintf(run->scratch_dir, sizeof(run->scratch_dir), "%s/kagent-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(run->scratch_dir))
		return fail("no directory for temporary files: %s: %s", run->scratch_dir,
			    strerror(errno));
	snprintf(run->scratch, sizeof(run->scratch), "%s/snapshot.leak", run->scratch_dir);
	return 0;
}

static int start_server(struct run *run)
{
	const struct track *t = run->t;
	const struct live_server_options options = {
		.program = "kagent", .address = t->serve, .token = t->serve_token,
		.interval_ns = t->words.interval_ns,
	};

	return live_server_new(&options, &run->server);
}

int cmd_track(int argc, char **argv)
{
	struct capture_settings settings;
	struct track t;
	struct run run = { .t = &t };
	char why[1024];
	int status;

	if (track_parse(&t, argc, argv))
		return EXIT_USAGE;
	if (t.help) {
		track_help();
		return 0;
	}
	stop_on_signals();
	if (fill_settings(&t, &settings))
		return 1;
	remember_cmdline(&run, argc, argv);
	run.sym = symbolizer_new(NULL);
	if (!run.sym)
		return fail("out of memory");
	status = make_scratch(&run);
	if (!status && start_server(&run))
		status = 1;
	if (!status && capture_start(&settings, &run.c, why, sizeof(why)))
		status = fail("%s", why);
	if (!status)
		status = begin(&run);
	if (!status)
		status = loop(&run);
	live_server_free(run.server);
	capture_free(run.c);
	symbolizer_free(run.sym);
	unlink(run.scratch);
	rmdir(run.scratch_dir);
	return status;
}
