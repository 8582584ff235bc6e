// SPDX-License-Identifier: MIT
/* inject_refusal.c - see inject_refusal.h */
#define _GNU_SOURCE 1
#include "inject_refusal.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define CAP_DAC_OVERRIDE_BIT	1
#define CAP_SYS_PTRACE_BIT	19
#define SECCOMP_FILTER		2

/* ---- the sentence ----------------------------------------------------------------- */

static bool have(const struct refusal *r, unsigned capability)
{
	return r->mine.cap_eff >> capability & 1;
}

/* Root without the capability is mostly root of a container. */
static const char *way_out(const struct refusal *r)
{
	return r->mine.uids[1] ? "run memleak as root" :
		"give memleak CAP_SYS_PTRACE, which it lacks though it is root (a container takes "
		"--cap-add SYS_PTRACE)";
}

/* It has CAP_SYS_PTRACE, which ought to do. */
static int explain_powerless(const struct refusal *r, struct inject_why *why)
{
	int pid = (int)r->pid;

	if (r->other_user_namespace)
		return inject_because(why, -EPERM, "process %d (%s) is in another user namespace, in "
				      "which memleak has no CAP_SYS_PTRACE: run memleak on the host",
				      pid, r->theirs.name);
	if (r->err == -EACCES && !have(r, CAP_DAC_OVERRIDE_BIT) && r->mine.uids[1] != r->theirs.uids[1])
		return inject_because(why, -EPERM, "process %d (%s) belongs to user %u, whose files "
				      "memleak may not open: run it as root, or with "
				      "CAP_DAC_OVERRIDE and CAP_KILL beside CAP_SYS_PTRACE",
				      pid, r->theirs.name, r->theirs.uids[1]);
	if (r->label[0])
		return inject_because(why, -EPERM, "process %d (%s) may not be traced, though memleak "
				      "has CAP_SYS_PTRACE: a security module forbids it to what runs "
				      "as '%s'", pid, r->theirs.name, r->label);
	return inject_because(why, -EPERM, "process %d (%s) may not be traced, though memleak has "
			      "CAP_SYS_PTRACE: %s forbids it", pid, r->theirs.name,
			      r->mine.seccomp == SECCOMP_FILTER ? "memleak's seccomp filter" :
			      "a security module (SELinux, AppArmor)");
}

/* As with the ids that the kernel compares: those of the tracer must be all of the process's. */
static bool has_ids(unsigned mine, const unsigned theirs[3])
{
	return mine == theirs[0] && mine == theirs[1] && mine == theirs[2];
}

static int explain_owner(const struct refusal *r, struct inject_why *why)
{
	if (!r->mine.uids[1])
		return inject_because(why, -EPERM, "process %d (%s) belongs to user %u: %s", (int)r->pid,
				      r->theirs.name, r->theirs.uids[1], way_out(r));
	return inject_because(why, -EPERM, "process %d (%s) belongs to user %u, memleak runs as user "
			      "%u: %s", (int)r->pid, r->theirs.name, r->theirs.uids[1], r->mine.uids[1],
			      way_out(r));
}

/* The ids are the same. */
static int explain_yama(const struct refusal *r, struct inject_why *why)
{
	if (r->yama_scope == 1)
		return inject_because(why, -EPERM, "process %d (%s) may be traced by its ancestors only, "
				      "because kernel.yama.ptrace_scope is 1: %s, set it to 0, or start "
				      "the program with memleak -c", (int)r->pid, r->theirs.name,
				      way_out(r));
	return inject_because(why, -EPERM, "process %d (%s) may be traced with CAP_SYS_PTRACE only, "
			      "because kernel.yama.ptrace_scope is %d: %s", (int)r->pid, r->theirs.name,
			      r->yama_scope, way_out(r));
}

static int explain_rest(const struct refusal *r, struct inject_why *why)
{
	static const char *const causes[] = {
		"is in another user namespace",
		"has capabilities that memleak has not",
		"protects itself from being traced (it is set-user-ID, or not dumpable)",
	};
	int cause = r->other_user_namespace ? 0 : r->theirs.cap_prm & ~r->mine.cap_prm ? 1 : 2;

	return inject_because(why, -EPERM, "process %d (%s) %s: %s", (int)r->pid, r->theirs.name,
			      causes[cause], way_out(r));
}

int refusal_explain(const struct refusal *r, struct inject_why *why)
{
	if (r->yama_scope == 3)
		return inject_because(why, -EPERM, "kernel.yama.ptrace_scope is 3: until the next boot "
				      "process %d (%s) can be recorded through uprobes only, by root",
				      (int)r->pid, r->theirs.name);
	if (have(r, CAP_SYS_PTRACE_BIT))
		return explain_powerless(r, why);
	if (!has_ids(r->mine.uids[1], r->theirs.uids))
		return explain_owner(r, why);
	if (!has_ids(r->mine.gids[1], r->theirs.gids))
		return inject_because(why, -EPERM, "process %d (%s) runs with group %u, memleak with "
				      "group %u: %s", (int)r->pid, r->theirs.name, r->theirs.gids[1],
				      r->mine.gids[1], way_out(r));
	return r->yama_scope ? explain_yama(r, why) : explain_rest(r, why);
}

/* ---- what it is made of -------------------------------------------------------------- */

static FILE *open_text(const char *name)
{
	return fopen(name, "re");
}

static int yama_scope(void)
{
	FILE *f = open_text("/proc/sys/kernel/yama/ptrace_scope");
	int scope = 0;

	if (f && fscanf(f, "%d", &scope) != 1)
		scope = 0;
	if (f)
		fclose(f);
	return scope;
}

/* The initial one maps every user to itself (user_namespaces(7)). */
static bool in_initial_user_namespace(void)
{
	unsigned inside = 1, outside = 1, count = 0;
	FILE *f = open_text("/proc/self/uid_map");
	bool initial = f && fscanf(f, "%u %u %u", &inside, &outside, &count) == 3 && !inside &&
		       !outside && count == 4294967295u;

	if (f)
		fclose(f);
	return initial;
}

/* That of a process outside of our own is kept from us. */
static bool other_user_namespace(pid_t pid)
{
	char name[64], mine[64] = "", theirs[64] = "";

	snprintf(name, sizeof(name), "/proc/%d/ns/user", (int)pid);
	if (readlink(name, theirs, sizeof(theirs) - 1) <= 0)
		return errno == EACCES && !in_initial_user_namespace();
	return readlink("/proc/self/ns/user", mine, sizeof(mine) - 1) > 0 && strcmp(mine, theirs);
}

/* Of AppArmor ("profile (mode)") or SELinux. */
static void read_label(char *label, size_t size)
{
	FILE *f = open_text("/proc/self/attr/current");

	label[0] = '\0';
	if (f && fgets(label, (int)size, f))
		label[strcspn(label, "\n")] = '\0';
	if (f)
		fclose(f);
	if (!strncmp(label, "unconfined", 10))
		label[0] = '\0';
}

static int read_own_status(struct inject_status *s)
{
	FILE *f = open_text("/proc/self/status");
	int err = -ESRCH;

	if (f) {
		err = inject_parse_status(f, s);
		fclose(f);
	}
	return err;
}

int inject_explain_refusal(pid_t pid, int err, struct inject_why *why)
{
	struct refusal r = { .pid = pid, .err = err, .yama_scope = yama_scope() };

	if (err == -ESRCH || inject_read_status(pid, &r.theirs))
		return inject_because(why, -ESRCH, "process %d has just ended", (int)pid);
	if ((err != -EPERM && err != -EACCES) || read_own_status(&r.mine))
		return inject_because(why, err, "cannot trace process %d (%s): %s", (int)pid,
				      r.theirs.name, strerror(-err));
	if (r.theirs.tracer && r.theirs.tracer != getpid())
		return inject_because_traced(pid, &r.theirs, why);
	r.other_user_namespace = other_user_namespace(pid);
	read_label(r.label, sizeof(r.label));
	return refusal_explain(&r, why);
}
