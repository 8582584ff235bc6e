// SPDX-License-Identifier: MIT
#define _GNU_SOURCE 1
#include "preload/engine.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "common/fmt.h"
#include "preload/inject_check.h"
#include "preload/program.h"

enum { STATUS_FAILED = 1 };

/* Can this process load BPF programs? If not for root, kagent says what is missing. */
static bool may_probe(void)
{
	return geteuid() == 0;
}

/* ---- a command to run ---------------------------------------------------------- */

static const char *why_not_preloaded(enum program_fit fit)
{
	switch (fit) {
	case PROGRAM_STATIC:
		return "statically linked, so that libleak.so cannot be preloaded";
	case PROGRAM_SECURE:
		return "runs with the rights of its file, so that the loader refuses libleak.so";
	case PROGRAM_OTHER_LIBC:
		return "linked to another C library than libleak.so";
	default:
		return NULL;
	}
}

static void choose_for_command(const struct settings *s, enum settings_engine *engine,
			       char program[PATH_MAX])
{
	char path[PATH_MAX], name[512];
	const char *why;

	/* What cannot be found is the launcher's to say. */
	if (program_find(s->argv[0], path))
		return;
	why = why_not_preloaded(program_judge(path, program));
	if (*engine == ENGINE_UPROBE || !why || !may_probe() || settings_probes_lack(s))
		return;
	fprintf(stderr, "memleak: %s: %s: using uprobes (slower: microseconds a call)\n",
		fmt_name_buf(name, sizeof(name), program), why);
	*engine = ENGINE_UPROBE;
}

/* ---- processes ------------------------------------------------------------------- */

/* Something keeps libleak.so out of the process, but would not keep probes out. */
static bool only_probes(pid_t pid, struct inject_why *why)
{
	char exe[64], object[PATH_MAX];
	enum program_fit fit;

	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)pid);
	if (pid == getpid() || access(exe, R_OK))
		return false;
	fit = program_judge(exe, object);
	if (fit == PROGRAM_OTHER_ARCH)
		return false;
	if (inject_check(pid, why) == -ENOTSUP)
		return true;
	if (fit != PROGRAM_OTHER_LIBC)
		return false;
	inject_because(why, -ENOTSUP, "the program of process %d is linked to another C library than "
		       "libleak.so", (int)pid);
	return true;
}

static int choose_for_processes(const struct settings *s, enum settings_engine *engine)
{
	struct inject_why why;

	if (*engine == ENGINE_UPROBE)
		return 0;
	/* One engine for all: several are injected as long as one of them can be. */
	for (size_t i = 0; i < s->pid_count; i++)
		if (!only_probes(s->pids[i], &why))
			return 0;
	if (may_probe() && !settings_probes_lack(s)) {
		fprintf(stderr, "memleak: %s: using uprobes (slower: microseconds a call)\n", why.text);
		*engine = ENGINE_UPROBE;
		return 0;
	}
	fprintf(stderr, "memleak: %s; %s\n", why.text, may_probe() ? settings_probes_lack(s) :
		"run memleak as root to record it through uprobes (--engine=uprobe)");
	return STATUS_FAILED;
}

int engine_choose(const struct settings *s, enum settings_engine *engine,
		  char program[PATH_MAX])
{
	int status = 0;

	*program = '\0';
	*engine = s->engine;
	if (*engine != ENGINE_SHIM && s->action == SETTINGS_RUN)
		choose_for_command(s, engine, program);
	if (*engine != ENGINE_SHIM && s->action == SETTINGS_ATTACH)
		status = choose_for_processes(s, engine);
	if (*engine == ENGINE_AUTO)
		*engine = ENGINE_SHIM;
	return status;
}
