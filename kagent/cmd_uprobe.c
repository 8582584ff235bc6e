// SPDX-License-Identifier: MIT
/*
 * cmd_uprobe.c - kagent uprobe: the heap of a process that libleak.so can't be loaded
 * into, by uprobes.
 *
 * With --control a parent (memleak) asks by a pid (four bytes) on standard input for that
 * process's session to be brought up to date, and gets a byte when it is: enum
 * heap_family_has. The end of the input ends the recording. The first line on standard
 * output says that it records, its end that all sessions are complete.
 */
#define _GNU_SOURCE
#include "kagent/uprobe_options.h"

#include "common/fmt.h"
#include "kagent/heap_family.h"
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

#define LOOK_NS		500000000ull	/* how often the processes are looked at without a cause */
#define TRACE_NS	10000000	/* with a trace */
#define COST_NS		100000000	/* with a limit to what it costs */
#define CUT_SHARE	10		/* one in so many stacks may look cut without a word */

struct run {
	const struct uprobe_options *o;
	struct heap_family *family;
	struct symbolizer *sym;
	char path[4096];		/* of the session */
	char scratch_dir[64];
	char *cmdline;
};

static const char *command_name(const struct run *run)
{
	return run->o->control ? "memleak" : "kagent";
}

/* ---- start ---------------------------------------------------------------------- */

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

static int check_pid(const struct uprobe_options *o)
{
	int fd = (int)syscall(SYS_pidfd_open, (pid_t)o->pid, 0);

	if (fd < 0)
		return fail(errno == ESRCH ? "no such process: %d" : "%d is a thread: name its process",
			    (int)o->pid);
	close(fd);
	return 0;
}

static struct heap_sampling sampling_of(const struct uprobe_options *o)
{
	struct heap_sampling s = { .kind = SAMPLE_ALL, .mean = { 1 } };

	if (o->sample > 1 || o->sample_bytes) {
		s.kind = o->sample_bytes ? SAMPLE_BYTES : SAMPLE_COUNT;
		s.last = 1;
		s.mean[1] = o->sample_bytes ? o->sample_bytes : o->sample;
	}
	return s;
}

static int open_family(struct run *run)
{
	const struct uprobe_options *o = run->o;
	const struct heap_family_settings settings = {
		.tracer = {
			.pid = (pid_t)o->pid, .await_exec = o->program != NULL, .trace = o->trace,
			.children = o->children, .next_programs = o->children && o->program,
			.depth = (uint32_t)o->depth, .sampling = sampling_of(o),
			.max_overhead = (unsigned int)o->max_overhead,
			.min_size = o->min_size, .max_size = o->max_size,
			.max_blocks = (uint32_t)o->max_objects,
		},
		.program = o->program, .cmdline = run->cmdline, .object = o->object,
		.path = run->path, .pattern = o->children, .command = command_name(run),
	};
	char why[1024];

	return heap_family_open(&settings, &run->family, why, sizeof(why)) ? fail("%s", why) : 0;
}

static int start(struct run *run)
{
	int status = check_pid(run->o);

	join_words(run);
	if (!status)
		status = make_path(run);
	return status ? status : open_family(run);
}

/* ---- end ------------------------------------------------------------------------------ */

/* One line on how far the stacks can be believed. */
static void warn_of_cut(const struct run *run)
{
	size_t cut, all;

	heap_family_cut(run->family, &cut, &all);
	if (cut * CUT_SHARE > all)
		fprintf(stderr, "%s: %zu of %zu stacks look cut: code in them has no unwind "
			"information and keeps no frame pointers; build it with "
			"-fno-omit-frame-pointer\n", command_name(run), cut, all);
}

static int finish(struct run *run)
{
	int err = heap_family_close(run->family);

	warn_of_cut(run);
	return err ? fail("can't write %s: %s", run->path, strerror(-err)) : 0;
}

/* ---- for memleak --------------------------------------------------------------------- */

/* False: memleak wants no more. */
static bool serve(struct run *run)
{
	enum heap_family_has has;
	int32_t pid;
	ssize_t n = read(STDIN_FILENO, &pid, sizeof(pid));
	char answer;

	if (n != sizeof(pid))
		return n < 0 && errno == EINTR;
	if (heap_family_sync(run->family, pid, &has))
		return false;
	answer = (char)has;
	return write(STDOUT_FILENO, &answer, 1) == 1;
}

static int control(struct run *run)
{
	struct pollfd fds[] = { { .fd = STDIN_FILENO, .events = POLLIN },
				{ .fd = heap_family_fd(run->family), .events = POLLIN } };
	const struct timespec wait = { .tv_nsec = run->o->trace ? TRACE_NS :
						  run->o->max_overhead ? COST_NS : LOOK_NS };
	bool wanted = true;

	printf("%s\n", heap_family_allocator(run->family));
	fflush(stdout);
	while (wanted && heap_family_runs(run->family) && !stop_wanted()) {
		if (ppoll(fds, 2, &wait, NULL) < 0 && errno != EINTR)
			break;
		if (heap_family_look(run->family))
			break;
		if (fds[0].revents)
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
	       heap_family_probes(run->family));
	fmt_name(stdout, heap_family_allocator(run->family), FMT_NAME_MAX);
	puts(", Ctrl+C to quit.");
	fflush(stdout);
}

static int wait_until(struct run *run, uint64_t due)
{
	int err = 0;

	while (!err && heap_family_runs(run->family) && !stop_wanted() && stop_now_ns() < due) {
		uint64_t next = stop_now_ns() + LOOK_NS;

		stop_sleep_until(next < due ? next : due);
		err = heap_family_look(run->family);
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
		last = stop_wanted() || !heap_family_runs(run->family) || stop_now_ns() >= end ||
		       ++reports == o->words.count;
		if (last)
			status = finish(run);
		else if (heap_family_sync(run->family, 0, NULL))
			return fail("can't write %s", run->path);
		if (!status)
			status = print_report(run);
	}
	return status;
}

static void clean_up(struct run *run)
{
	heap_family_free(run->family);
	symbolizer_free(run->sym);
	free(run->cmdline);
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
