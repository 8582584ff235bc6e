// SPDX-License-Identifier: MIT
/* session_open.c - see session_open.h. */
#include "session_open.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/utsname.h>

#include "modules.h"
#include "recorder.h"
#include "sys.h"

#define MAX_SAME_NAME 10000
#define TIGHT_LIMIT (4ull << 30)

static_assert(offsetof(struct session_header, end_reason) ==
		      offsetof(struct session_header, state) + sizeof(uint32_t),
	      "state and reason are written together");

size_t read_small_file(const char *path, char *buf, size_t size)
{
	int fd = sys_open(path, O_RDONLY, 0);
	size_t len = 0;
	ssize_t n;

	buf[0] = '\0';
	if (fd < 0)
		return 0;
	while (len < size - 1 && (n = sys_read(fd, buf + len, size - 1 - len)) > 0)
		len += (size_t)n;
	sys_close(fd);
	buf[len] = '\0';
	return len;
}

/*
 * For what is read here, instead of much of a stack that may be a small thread's or a
 * signal handler's. One session is opened at a time.
 */
static char scratch[4096];

/* (Newer glibc has strtoull() under a name that musl does not know; see libc.h.) */
static uint64_t number_at(const char *p)
{
	uint64_t n = 0;

	for (p += strspn(p, " \t"); *p >= '0' && *p <= '9'; p++)
		n = n * 10 + (uint64_t)(*p - '0');
	return n;
}

uint64_t process_start_ticks(void)
{
	char *buf = scratch, *p;

	read_small_file("/proc/self/stat", buf, 1024);
	/* comm, in parentheses, may hold anything; the fields behind it are numbers */
	p = strrchr(buf, ')');
	for (int field = 2; p && field < 22; field++) {
		p = strchr(p, ' ');
		p = p ? p + 1 : NULL;
	}
	return p ? number_at(p) : 0;
}

bool session_is_sandboxed(void)
{
	const char *line;

	read_small_file("/proc/self/status", scratch, sizeof(scratch));
	line = strstr(scratch, "\nSeccomp:");
	return line && number_at(line + strlen("\nSeccomp:"));
}

/* path.leak becomes path.N.leak. */
static bool numbered(const char *path, unsigned int n, char *out, size_t size)
{
	const char *slash = strrchr(path, '/');
	const char *dot = strrchr(slash ? slash : path, '.');
	size_t stem = dot && dot[1] ? (size_t)(dot - path) : strlen(path);

	if (!n)
		return snprintf(out, size, "%s", path) < (int)size;
	return snprintf(out, size, "%.*s.%u%s", (int)stem, path, n, path + stem) < (int)size;
}

/*
 * The session at @path was this process's until exec made it another program.
 * (Pid and start time are the same.) It could not say so itself.
 */
static bool end_predecessor(const char *path, uint64_t start_ticks)
{
	int fd = sys_open(path, O_RDWR | O_NOFOLLOW, 0);
	struct session_header h;
	struct stat st;
	bool ours;

	if (fd < 0)
		return false;
	ours = sys_fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && pread(fd, &h, sizeof(h), 0) == sizeof(h) &&
	       !memcmp(h.magic, SESSION_MAGIC, sizeof(h.magic)) && h.pid == (uint32_t)getpid() &&
	       h.start_ticks == start_ticks && start_ticks;
	if (ours && h.state != SESSION_ENDED) {
		const uint32_t ended[2] = { SESSION_ENDED, SESSION_END_EXEC };

		ours = pwrite(fd, ended, sizeof(ended), offsetof(struct session_header, state)) ==
		       sizeof(ended);
		if (h.file_used >= SESSION_HEADER_SIZE && (off_t)h.file_used < st.st_size)
			sys_ftruncate(fd, (off_t)h.file_used);
	}
	sys_close(fd);
	return ours;
}

static int open_named(struct shm *s, const struct config *cfg, uint64_t start)
{
	static char path[SHM_PATH_MAX], unique[SHM_PATH_MAX + 16];
	char name[32] = "";
	int ret = -EEXIST;

	prctl(PR_GET_NAME, name);
	for (char *p = name; *p; p++)
		if (*p == '/')
			*p = '_';
	if (!config_expand(cfg->output, (uint32_t)getpid(), name, path, sizeof(path)))
		return -ENAMETOOLONG;
	for (unsigned int n = 0; ret == -EEXIST && n < MAX_SAME_NAME; n++) {
		if (!numbered(path, n, unique, sizeof(unique)))
			return -ENAMETOOLONG;
		ret = shm_create(s, unique, cfg->max_bytes);
		if (ret == -EEXIST)
			end_predecessor(unique, start);
	}
	return ret;
}

static int open_temporary(struct shm *s, const struct config *cfg, uint64_t start)
{
	const char *dirs[] = { "/dev/shm", secure_getenv("TMPDIR"), "/tmp" };
	static char path[SHM_PATH_MAX];
	int ret = -ENOENT;

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		if (!dirs[i] || dirs[i][0] != '/')
			continue;
		if (snprintf(path, sizeof(path), "%s/libleak-%d-%llx.leak", dirs[i], getpid(),
			     (unsigned long long)start) >= (int)sizeof(path))
			continue;
		ret = shm_create(s, path, cfg->max_bytes);
		/* Left by this process before exec: nobody asked to keep it. */
		if (ret == -EEXIST && end_predecessor(path, start)) {
			syscall(SYS_unlinkat, AT_FDCWD, path, 0);
			ret = shm_create(s, path, cfg->max_bytes);
		}
		if (!ret)
			return 0;
	}
	return ret;
}

/*
 * A finite limit on the address space or data segment is the program's: what the
 * recorder takes of a small one, the program may find missing.
 */
bool session_limits_are_tight(void)
{
	static const int limits[] = { RLIMIT_AS, RLIMIT_DATA };
	struct rlimit rl;

	for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (getrlimit(limits[i], &rl) == 0 && rl.rlim_cur < TIGHT_LIMIT)
			return true;
	return false;
}

int session_open(struct shm *s, const struct config *cfg, bool *temporary)
{
	uint64_t start = process_start_ticks();
	int ret;

	*temporary = !cfg->output[0];
	ret = *temporary ? open_temporary(s, cfg, start) : open_named(s, cfg, start);
	if (!ret)
		s->hdr->start_ticks = start;
	return ret;
}

static uint32_t string_from_file(const char *path)
{
	char *buf = scratch;
	size_t len = read_small_file(path, buf, sizeof(scratch));

	while (len && (buf[len - 1] == '\n' || !buf[len - 1]))
		buf[--len] = '\0';
	/* /proc/PID/cmdline separates arguments by NULs */
	for (size_t i = 0; i < len; i++)
		if (!buf[i])
			buf[i] = ' ';
	return session_string(buf);
}

static uint32_t exe_path(void)
{
	char *path = scratch;
	ssize_t len = readlink("/proc/self/exe", path, sizeof(scratch) - 1);

	if (len <= 0)
		return 0;
	path[len] = '\0';
	return session_string(path);
}

void session_identify(const struct config *cfg)
{
	struct session_header *h = recorder.hdr;
	struct utsname uts;
	char comm[32] = "";

	h->kind = SESSION_PROCESS;
	h->pid = (uint32_t)getpid();
	h->ppid = (uint32_t)getppid();
	h->uid = (uint32_t)getuid();
	h->exe = exe_path();
	h->cmdline = string_from_file("/proc/self/cmdline");
	prctl(PR_GET_NAME, comm);
	h->comm = session_string(comm);
	h->cgroup = string_from_file("/proc/self/cgroup");
	h->boot_id = string_from_file("/proc/sys/kernel/random/boot_id");
	if (uname(&uts) == 0) {
		h->host = session_string(uts.nodename);
		h->kernel = session_string(uts.release);
	}
	h->features |= cfg->mmap ? SESSION_F_MMAP : 0;
	h->depth = cfg->depth;
	h->max_stacks = cfg->max_stacks;
	h->min_size = cfg->min_size;
	h->max_size = cfg->max_size == UINT64_MAX ? 0 : cfg->max_size;
	h->older_ns = cfg->older_ns;
}
