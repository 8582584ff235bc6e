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

static bool choose_uprobes(const char *sentence)
{
	fprintf(stderr, "memleak: %s: using uprobes (slower: microseconds a call)\n", sentence);
	return true;
}

bool engine_probes_command(const struct settings *s, char program[PATH_MAX])
{
	char path[PATH_MAX], name[512], sentence[1024];
	const char *why;

	*program = '\0';
	/* What cannot be found is the launcher's to say. */
	if (s->engine == ENGINE_SHIM || program_find(s->argv[0], path))
		return s->engine == ENGINE_UPROBE;
	why = why_not_preloaded(program_judge(path, program));
	if (s->engine == ENGINE_UPROBE)
		return true;
	if (!why || !may_probe())
		return false;
	snprintf(sentence, sizeof(sentence), "%s: %s", fmt_name_buf(name, sizeof(name), program), why);
	return choose_uprobes(sentence);
}

/* ---- processes ------------------------------------------------------------------- */

/* Not kernel threads, and not programs of another word size. */
static bool can_hold_probes(pid_t pid, enum program_fit *fit)
{
	char exe[64], object[PATH_MAX];

	snprintf(exe, sizeof(exe), "/proc/%d/exe", (int)pid);
	if (pid == getpid() || access(exe, R_OK))
		return false;
	*fit = program_judge(exe, object);
	return *fit != PROGRAM_OTHER_ARCH;
}

/* Something keeps libleak.so out of the process, but would not keep probes out. */
static bool only_probes(pid_t pid, struct inject_why *why)
{
	enum program_fit fit;

	if (!can_hold_probes(pid, &fit))
		return false;
	if (inject_check(pid, why) == -ENOTSUP)
		return true;
	if (fit != PROGRAM_OTHER_LIBC)
		return false;
	inject_because(why, -ENOTSUP, "the program of process %d is linked to another C library than "
		       "libleak.so", (int)pid);
	return true;
}

int engine_for_process(const struct settings *s, pid_t pid, enum settings_engine *engine)
{
	struct inject_why why;

	*engine = s->engine == ENGINE_UPROBE ? ENGINE_UPROBE : ENGINE_SHIM;
	if (s->engine != ENGINE_AUTO || !only_probes(pid, &why))
		return 0;
	*engine = ENGINE_UPROBE;
	if (engine_probes_instead(s, pid, why.text))
		return 0;
	fprintf(stderr, "memleak: %s; run memleak as root to record it through uprobes "
		"(--engine=uprobe)\n", why.text);
	return STATUS_FAILED;
}

bool engine_probes_instead(const struct settings *s, pid_t pid, const char *sentence)
{
	enum program_fit fit;

	return s->engine == ENGINE_AUTO && may_probe() &&
	       can_hold_probes(pid, &fit) && choose_uprobes(sentence);
}
