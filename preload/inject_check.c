// SPDX-License-Identifier: MIT
/* inject_check.c - see inject_check.h */
#define _GNU_SOURCE 1
#include "inject_check.h"

#include "inject_image.h"
#include "inject_refusal.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KTHREADD		2	/* the parent of all kernel threads */

static FILE *open_proc(pid_t pid, const char *file)
{
	char name[64];

	snprintf(name, sizeof(name), "/proc/%d/%s", (int)pid, file);
	return fopen(name, "re");
}

static void status_line(const char *line, struct inject_status *s)
{
	if (!strncmp(line, "VmSize:", 7))
		s->user_memory = true;
	else if (!strncmp(line, "Name:", 5))
		sscanf(line + 5, " %63[^\n]", s->name);
	else if (!strncmp(line, "x86_Thread_features:", 20))
		s->shadow_stack = strstr(line + 20, "shstk");
	else
		(void)(sscanf(line, "State: %c", &s->state) || sscanf(line, "Tgid: %d", &s->tgid) ||
		       sscanf(line, "PPid: %d", &s->ppid) ||
		       sscanf(line, "TracerPid: %d", &s->tracer) ||
		       sscanf(line, "Uid: %u %u %u", &s->uids[0], &s->uids[1], &s->uids[2]) ||
		       sscanf(line, "Gid: %u %u %u", &s->gids[0], &s->gids[1], &s->gids[2]) ||
		       sscanf(line, "CapPrm: %" SCNx64, &s->cap_prm) ||
		       sscanf(line, "CapEff: %" SCNx64, &s->cap_eff) ||
		       sscanf(line, "Seccomp: %d", &s->seccomp));
}

int inject_parse_status(FILE *f, struct inject_status *status)
{
	struct inject_status s = { .state = 'X' };
	char line[256];

	while (fgets(line, sizeof(line), f))
		status_line(line, &s);
	if (!s.tgid)
		return -ESRCH;
	*status = s;
	return 0;
}

int inject_read_status(pid_t pid, struct inject_status *status)
{
	FILE *f = open_proc(pid, "status");
	int err = -ESRCH;

	if (f) {
		err = inject_parse_status(f, status);
		fclose(f);
	}
	return err;
}

static void name_of(pid_t pid, char *name, size_t size)
{
	struct inject_status s;

	snprintf(name, size, "%s", inject_read_status(pid, &s) ? "?" : s.name);
}

int inject_because_traced(pid_t pid, const struct inject_status *s, struct inject_why *why)
{
	char name[64];

	name_of(s->tracer, name, sizeof(name));
	return inject_because(why, -EBUSY, "process %d (%s) is being traced by process %d (%s): end "
			      "that first", pid, s->name, s->tracer, name);
}

int inject_because_shadow_stack(pid_t pid, struct inject_why *why)
{
	return inject_because(why, -ENOTSUP, "process %d runs with a shadow stack (CET), in which "
			      "memleak cannot call functions yet", pid);
}

static int check_state(pid_t pid, const struct inject_status *s, struct inject_why *why)
{
	if (s->state == 'Z' || s->state == 'X')
		return inject_because(why, -ESRCH, "process %d (%s) has ended and waits for its "
				      "parent %d to notice (a zombie)", pid, s->name, s->ppid);
	if (!s->user_memory && pid != KTHREADD && s->ppid != KTHREADD)
		return inject_because(why, -ESRCH, "process %d (%s) is just ending", pid, s->name);
	if (!s->user_memory)
		return inject_because(why, -ENOTSUP, "process %d (%s) is a kernel thread: it has "
				      "no heap of its own; run memleak without -p for the kernel's",
				      pid, s->name);
	if (s->tracer && s->tracer != getpid())
		return inject_because_traced(pid, s, why);
	if (s->state == 'T')
		return inject_because(why, -EAGAIN, "process %d (%s) is stopped: continue it with "
				      "kill -CONT %d", pid, s->name, pid);
	if (s->seccomp == 1)
		return inject_because(why, -ENOTSUP, "process %d (%s) runs in strict seccomp mode: "
				      "it may not load a library", pid, s->name);
	return s->shadow_stack ? inject_because_shadow_stack(pid, why) : 0;
}

/* cgroup v2 and the v1 freezer; containers' own cgroup mounts are below the host's. */
static bool frozen_at(const char *cgroup, const char *mount, const char *file, const char *word)
{
	char name[5000], line[256];
	bool frozen = false;
	FILE *f;

	snprintf(name, sizeof(name), "%s%s/%s", mount, cgroup, file);
	f = fopen(name, "re");
	while (f && !frozen && fgets(line, sizeof(line), f))
		frozen = !strncmp(line, word, strlen(word));
	if (f)
		fclose(f);
	return frozen;
}

static int check_frozen(pid_t pid, struct inject_why *why)
{
	FILE *f = open_proc(pid, "cgroup");
	char line[4200];
	int err = 0;

	while (f && !err && fgets(line, sizeof(line), f)) {
		char *path = strchr(line, '/');

		if (!path)
			continue;
		path[strcspn(path, "\n")] = '\0';
		if ((!strncmp(line, "0::", 3) &&
		     (frozen_at(path, "/sys/fs/cgroup", "cgroup.events", "frozen 1") ||
		      frozen_at(path, "/sys/fs/cgroup/unified", "cgroup.events", "frozen 1"))) ||
		    (strstr(line, ":freezer:") &&
		     frozen_at(path, "/sys/fs/cgroup/freezer", "freezer.state", "FROZEN")))
			err = inject_because(why, -EAGAIN, "process %d is in a frozen cgroup (%s): "
					     "thaw it first", pid, path);
	}
	if (f)
		fclose(f);
	return err;
}

static int check_header(pid_t pid, const Elf64_Ehdr *eh, struct inject_why *why)
{
	if (eh->e_ident[EI_CLASS] != ELFCLASS64)
		return inject_because(why, -ENOTSUP, "process %d is a 32-bit program: this memleak "
				      "attaches to 64-bit ones only", pid);
	if (eh->e_machine != EM_X86_64)
		return inject_because(why, -ENOTSUP, "process %d runs code of another machine "
				      "(ELF machine %u)", pid, eh->e_machine);
	return 0;
}

static int check_program(pid_t pid, struct inject_why *why)
{
	Elf64_Phdr ph[64] = { { 0 } };
	Elf64_Ehdr eh;
	char name[64];
	bool dynamic = false, go = false;
	int fd, err;

	snprintf(name, sizeof(name), "/proc/%d/exe", (int)pid);
	fd = open(name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return errno == ENOENT || errno == ESRCH ?
			inject_because(why, -ESRCH, "process %d has just ended", pid) :
			inject_explain_refusal(pid, -errno, why);
	if (pread(fd, &eh, sizeof(eh), 0) != sizeof(eh) || memcmp(eh.e_ident, ELFMAG, SELFMAG)) {
		close(fd);
		return inject_because(why, -ENOTSUP, "the program of process %d is not ELF", pid);
	}
	err = check_header(pid, &eh, why);
	if (!err && eh.e_phnum <= 64 && eh.e_phentsize == sizeof(ph[0]) &&
	    pread(fd, ph, eh.e_phnum * sizeof(ph[0]), (off_t)eh.e_phoff) > 0)
		for (unsigned i = 0; i < eh.e_phnum; i++) {
			dynamic |= ph[i].p_type == PT_INTERP;
			go |= ph[i].p_type == PT_NOTE &&
			      image_is_go_note(fd, ph[i].p_offset, ph[i].p_filesz);
		}
	close(fd);
	if (err || dynamic)
		return err;
	return inject_because(why, -ENOTSUP, go ?
			      "process %d is a statically linked Go program: its own heap is "
			      "for runtime/pprof and go tool pprof, only malloc of C code in it "
			      "for memleak" :
			      "the program of process %d is statically linked: it has no dynamic "
			      "loader to take a library in", pid);
}

/* /proc does not show it; a signal of number 0 knows better. */
static int check_hidden(pid_t pid, struct inject_why *why)
{
	if (kill(pid, 0) && errno == ESRCH)
		return inject_because(why, -ESRCH, "no such process: %d", pid);
	if (access("/proc/self/status", R_OK))
		return inject_because(why, -ENOENT, "process %d cannot be looked at: /proc is not "
				      "mounted, or not for memleak's own pid namespace", pid);
	return inject_because(why, -EPERM, "process %d is hidden from memleak (/proc is mounted with "
			      "hidepid): run memleak as root", pid);
}

int inject_check(pid_t pid, struct inject_why *why)
{
	struct inject_status s;
	int err = inject_read_status(pid, &s);

	if (err)
		return check_hidden(pid, why);
	if (s.tgid != pid)
		return inject_because(why, -ESRCH, "%d is a thread of process %d: attach to that",
				      pid, s.tgid);
	if (pid == getpid())
		return inject_because(why, -ENOTSUP, "process %d is memleak itself", pid);
	err = check_state(pid, &s, why);
	if (!err)
		err = check_frozen(pid, why);
	return err ? err : check_program(pid, why);
}
