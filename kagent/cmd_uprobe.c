// SPDX-License-Identifier: MIT
/*
 * cmd_uprobe.c - kagent uprobe: the heap of a process that libleak.so can't be loaded
 * into, by uprobes.
 *
 * With --control a parent (memleak) asks by a byte on standard input for the session to
 * be brought up to date, and gets a byte when it is; the end of the input ends the
 * recording. The first line on standard output says that it records, its end that the
 * session is complete.
 */
#define _GNU_SOURCE
#include "kagent/uprobe_options.h"

#include "common/fmt.h"
#include "kagent/allocator_choice.h"
#include "kagent/heap_session.h"
#include "kagent/stop.h"
#include "report/report.h"
#include "report/text.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define LOOK_NS		500000000ull	/* how often the process's modules are looked at */
#define STARTING_NS	2000000ull	/* until it has made its first call, and is stopped */
#define SLOW_START	5000		/* when it makes none for so long: */
#define SLOW_START_NS	20000000ull
#define MAP_TRIES	20
#define MAP_WAIT_NS	50000000ull
#define SPARE_ROWS	(1u << 17)	/* 8 bytes each */
#define UNKNOWN_ROWS	(1u << 20)
#define CUT_SHARE	10		/* one in so many stacks may look cut without a word */

struct run {
	const struct uprobe_options *o;
	struct process_image image;
	struct allocator_choice choice;
	struct heap_tracer *tracer;
	struct heap_session *session;
	struct symbolizer *sym;
	int pidfd;
	bool released;			/* stopped at its first call, it has been let go on */
	bool ended;			/* the process is gone, or executed another program */
	enum session_end reason;
	char path[4096];		/* of the session */
	char scratch_dir[64];
	char *cmdline;
};

static int failed(const char *why)
{
	return fail("%s", why);
}

/* ---- start ---------------------------------------------------------------------- */

/* What no probe can be put into, or none of whose calls could be understood. */
static int check_process(const struct run *run)
{
	const struct image_module *program = NULL;
	char path[64], exe[8];
	int pid = (int)run->o->pid;

	for (size_t i = 0; i < run->image.count; i++)
		if (run->image.modules[i].program)
			program = &run->image.modules[i];
	if (program)
		return 0;
	snprintf(path, sizeof(path), "/proc/%d/exe", pid);
	if (readlink(path, exe, sizeof(exe)) < 0)
		return errno == ENOENT ? fail("process %d is a kernel thread, or has ended", pid) :
		       fail("process %d: %s: run this as root", pid, strerror(errno));
	return fail("process %d is no 64-bit program of this machine", pid);
}

/* A process that has just executed its program has not mapped all libraries yet. */
static int choose_when_mapped(struct run *run, char *why, size_t size)
{
	int err = -ENOENT;

	for (int i = 0; i < MAP_TRIES && err == -ENOENT; i++) {
		if (i)
			stop_sleep_until(stop_now_ns() + MAP_WAIT_NS);
		if (i && process_image_look(&run->image))
			break;
		err = allocator_choose(&run->image, run->o->object, &run->choice, why, size);
	}
	return err;
}

static int choose_running(struct run *run, char *why, size_t size)
{
	int err = process_image_look(&run->image);

	if (err == -ESRCH)
		return fail("no such process: %d", (int)run->o->pid);
	if (err)
		return fail("process %d: %s: run this as root", (int)run->o->pid, strerror(-err));
	if (check_process(run))
		return 1;
	return choose_when_mapped(run, why, size) ? failed(why) : 0;
}

static int choose(struct run *run)
{
	const struct uprobe_options *o = run->o;
	char why[1024];

	run->image.pid = (pid_t)o->pid;
	if (!o->program)
		return choose_running(run, why, sizeof(why));
	run->image.program = strdup(o->program);
	return allocator_choose_program(o->program, o->object, &run->choice, why, sizeof(why)) ?
	       failed(why) : 0;
}

/* For what is mapped, and for what may be mapped later. */
static uint32_t rows_room(struct run *run)
{
	size_t rows = run->o->program ? 0 : process_image_read_rows(&run->image);

	rows = rows ? rows + rows / 4 + SPARE_ROWS : UNKNOWN_ROWS;
	return rows < KU_MAX_ROWS ? (uint32_t)rows : KU_MAX_ROWS;
}

static int start_tracer(struct run *run)
{
	const struct uprobe_options *o = run->o;
	const struct heap_tracer_settings settings = {
		.pid = (pid_t)o->pid, .await_exec = o->program != NULL, .trace = o->trace,
		.depth = (uint32_t)o->depth, .sample = (uint32_t)o->sample,
		.min_size = o->min_size, .max_size = o->max_size,
		.max_blocks = (uint32_t)o->max_objects, .max_rows = rows_room(run),
	};
	char why[1024];

	if (heap_tracer_open(&settings, &run->tracer, why, sizeof(why)))
		return failed(why);
	heap_tracer_map_code(run->tracer, &run->image);
	for (size_t i = 0; i < run->choice.count; i++)
		if (heap_tracer_attach(run->tracer, &run->choice.file[i], why, sizeof(why)))
			return failed(why);
	return 0;
}

static int start_session(struct run *run)
{
	const struct uprobe_options *o = run->o;
	const struct heap_session_facts facts = {
		.sample = o->sample > 1 ? (uint32_t)o->sample : 0, .min_size = o->min_size,
		.max_size = o->max_size, .depth = (uint32_t)o->depth, .cmdline = run->cmdline,
	};
	int err;

	unlink(run->path);	/* who watches the directory is to see a new file */
	err = heap_session_open(run->path, &facts, run->tracer, &run->image, &run->session);

	if (!err)
		heap_tracer_start(run->tracer);
	if (!err)
		err = heap_session_sync(run->session);
	return err ? fail("can't write %s: %s", run->path, strerror(-err)) : 0;
}

static int make_path(struct run *run)
{
	if (run->o->output) {
		snprintf(run->path, sizeof(run->path), "%s", run->o->output);
		return 0;
	}
	snprintf(run->scratch_dir, sizeof(run->scratch_dir), "%s/kagent-XXXXXX",
		 access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm");
	if (!mkdtemp(run->scratch_dir))
		return fail("no directory for temporary files: %s: %s", run->scratch_dir,
			    strerror(errno));
	snprintf(run->path, sizeof(run->path), "%s/%d.leak", run->scratch_dir, (int)run->o->pid);
	return 0;
}

static void join_words(struct run *run)
{
	size_t size;
	FILE *out = run->o->argv ? open_memstream(&run->cmdline, &size) : NULL;

	for (size_t i = 0; out && run->o->argv[i]; i++)
		fprintf(out, "%s%s", i ? " " : "", run->o->argv[i]);
	if (out)
		fclose(out);
}

static int start(struct run *run)
{
	int status;

	run->pidfd = (int)syscall(SYS_pidfd_open, (pid_t)run->o->pid, 0);
	if (run->pidfd < 0)
		return fail(errno == ESRCH ? "no such process: %d" : "%d is a thread: name its process",
			    (int)run->o->pid);
	join_words(run);
	status = choose(run);
	if (!status)
		status = make_path(run);
	if (!status)
		status = start_tracer(run);
	return status ? status : start_session(run);
}

/* ---- the process's life ------------------------------------------------------------ */

static bool has_ended(const struct run *run)
{
	struct pollfd p = { .fd = run->pidfd, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

/* Has it begun to run the program that is to be recorded? */
static bool has_begun(const struct run *run)
{
	return !run->o->program || heap_tracer_state(run->tracer).execs;
}

/* What is new of its modules; and it goes on, if it was stopped for that. */
static int look_at_modules(struct run *run)
{
	size_t known = run->image.count;
	uint32_t epoch = run->image.epoch;
	bool held = heap_tracer_state(run->tracer).held && !run->released;
	int err = process_image_look(&run->image);

	if (run->image.count != known || run->image.epoch != epoch) {
		process_image_read_rows(&run->image);
		heap_tracer_map_code(run->tracer, &run->image);
	}
	if (held) {
		run->released = true;
		kill((pid_t)run->o->pid, SIGCONT);
	}
	return err;
}

/*
 * Its modules, and whether it has ended. In this order: what is read after its end was
 * seen is all there is.
 */
static int look(struct run *run)
{
	struct ku_state state;
	int err = 0;

	if (run->ended)
		return 0;
	if (has_ended(run)) {
		run->ended = true;
		run->reason = SESSION_END_NONE;
	}
	state = heap_tracer_state(run->tracer);
	if (state.execs > (run->o->program != NULL)) {
		run->ended = true;
		run->reason = SESSION_END_EXEC;
	}
	if (has_begun(run) && run->reason != SESSION_END_EXEC)
		err = look_at_modules(run);
	if (err == -ESRCH)
		err = run->o->program && state.start_code ?
		      process_image_place(&run->image, run->o->program, state.start_code) : 0;
	return err;
}

static int sync_session(struct run *run)
{
	int err = look(run);

	return err ? err : heap_session_sync(run->session);
}

/* One line on how far the stacks can be believed. */
static void warn_of_cut(struct run *run)
{
	size_t cut, all;

	heap_session_cut(run->session, &cut, &all);
	if (cut * CUT_SHARE > all)
		fprintf(stderr, "%s: %zu of %zu stacks look cut: code in them has no unwind "
			"information and keeps no frame pointers; build it with "
			"-fno-omit-frame-pointer\n", run->o->control ? "memleak" : "kagent", cut,
			all);
}

static int finish(struct run *run)
{
	int err = look(run), last;

	heap_tracer_stop(run->tracer);
	if (!err)
		err = heap_session_sync(run->session);
	warn_of_cut(run);
	last = heap_session_close(run->session, run->ended ? run->reason : SESSION_END_DETACH);
	run->session = NULL;
	err = err ? err : last;
	return err ? fail("can't write %s: %s", run->path, strerror(-err)) : 0;
}

/* ---- for memleak --------------------------------------------------------------------- */

/* False: memleak wants no more. */
static bool serve(struct run *run)
{
	char asked[64], answer = '.';
	ssize_t n = read(STDIN_FILENO, asked, sizeof(asked));

	if (n <= 0)
		return n < 0 && errno == EINTR;
	if (sync_session(run))
		return false;
	for (ssize_t i = 0; i < n; i++)
		if (write(STDOUT_FILENO, &answer, 1) != 1)
			return false;
	return true;
}

static int control(struct run *run)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = run->pidfd, .events = POLLIN } };
	struct timespec wait = { .tv_sec = 0 };
	unsigned int waited = 0;
	bool wanted = true;

	printf("%s\n", run->choice.name);
	fflush(stdout);
	while (wanted && !run->ended && !stop_wanted()) {
		wait.tv_nsec = run->released || !run->o->program ? LOOK_NS :
			       waited++ < SLOW_START ? STARTING_NS : SLOW_START_NS;
		if (ppoll(fds, 2, &wait, NULL) < 0 && errno != EINTR)
			break;
		if (look(run))
			break;
		if (fds[0].revents && !run->ended)
			wanted = serve(run);
	}
	return finish(run);
}

/* ---- for people ------------------------------------------------------------------------ */

static int print_report(struct run *run)
{
	const struct uprobe_options *o = run->o;
	struct report_options options = {
		.older_set = true, .older_ns = o->older_ms * 1000000ull, .top = o->top,
		.blocks = o->show_allocs,
	};
	const struct text_options text = {
		.show_allocs = o->show_allocs, .wide = o->wide,
		.colour = isatty(STDOUT_FILENO) && !getenv("NO_COLOR"),
	};
	struct report *r = report_new(run->sym, &options);
	int err = r ? report_add_file(r, run->path) : -ENOMEM;

	if (!err)
		err = report_build(r);
	if (!err) {
		text_print_stacks(stdout, r, &text);
		text_print_losses(stdout, r);
		fflush(stdout);
	}
	report_free(r);
	return err ? fail("the report can't be made: %s", strerror(-err)) : 0;
}

static void print_begin(const struct run *run)
{
	printf("Attaching to malloc and free in pid %d, by %zu uprobes on ", (int)run->o->pid,
	       heap_tracer_probes(run->tracer));
	fmt_name(stdout, run->choice.name, FMT_NAME_MAX);
	puts(", Ctrl+C to quit.");
	fflush(stdout);
}

static int wait_until(struct run *run, uint64_t due)
{
	int err = 0;

	while (!err && !run->ended && !stop_wanted() && stop_now_ns() < due) {
		uint64_t next = stop_now_ns() + LOOK_NS;

		stop_sleep_until(next < due ? next : due);
		err = look(run);
	}
	return err;
}

static int watch(struct run *run)
{
	const struct uprobe_options *o = run->o;
	uint64_t due = stop_now_ns(), end = o->duration_ns ? due + o->duration_ns : UINT64_MAX;
	uint64_t reports = 0;
	bool last = false;
	int status = 0;

	run->sym = symbolizer_new(NULL);
	if (!run->sym)
		return fail("out of memory");
	print_begin(run);
	while (!last && !status) {
		due += o->words.interval_ns;
		if (wait_until(run, due < end ? due : end))
			return fail("can't look at process %d", (int)o->pid);
		last = stop_wanted() || run->ended || stop_now_ns() >= end ||
		       ++reports == o->words.count;
		if (last)
			status = finish(run);
		else if (heap_session_sync(run->session))
			return fail("can't write %s", run->path);
		if (!status)
			status = print_report(run);
	}
	return status;
}

static void clean_up(struct run *run)
{
	if (run->session) {
		heap_tracer_stop(run->tracer);
		heap_session_close(run->session, SESSION_END_DETACH);
	}
	heap_tracer_free(run->tracer);
	process_image_free(&run->image);
	free(run->image.program);
	symbolizer_free(run->sym);
	free(run->cmdline);
	if (run->pidfd >= 0)
		close(run->pidfd);
	if (!run->scratch_dir[0])
		return;
	unlink(run->path);
	rmdir(run->scratch_dir);
}

int cmd_uprobe(int argc, char **argv)
{
	struct uprobe_options o;
	struct run run = { .o = &o };
	int status;

	if (uprobe_options_parse(&o, argc, argv))
		return EXIT_USAGE;
	if (o.help) {
		uprobe_options_help();
		return 0;
	}
	stop_on_signals();
	if (o.control)
		signal(SIGPIPE, SIG_IGN);
	status = start(&run);
	if (!status)
		status = o.control ? control(&run) : watch(&run);
	clean_up(&run);
	return status;
}
