// SPDX-License-Identifier: MIT
/* shm.c - see shm.h. */
#include "shm.h"

#include <errno.h>
#include <string.h>
#include <sys/resource.h>

#include "../common/session_sizes.h"
#include "huge.h"
#include "sys.h"

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define MIN_SESSION	(256u << 10)
#define MIN_EXTENT	(16u << 10)
#define MAX_EXTENT	(64u << 20)
#define SMALL_SECTION	(8u << 20)
#define MAX_COMMIT	(256u << 10)
#define HUGE_SESSION	(32 * HUGE_PAGE)	/* sessions that cannot become larger have small pages */

/* Each has a page to begin with. */
static const uint32_t first_sections[] = { SECT_STRINGS, SECT_MODULES, SECT_FRAMES, SECT_STACKS,
					   SECT_RECORDS, SECT_RECORD_THREADS, SECT_SITES,
					   SECT_THREADS };
#define FIRST_SECTIONS	(sizeof(first_sections) / sizeof(first_sections[0]))
#define FIRST_BYTES	(SESSION_HEADER_SIZE + FIRST_SECTIONS * SESSION_PAGE)

/* Address space of a section, as a share of the file's size. */
static uint64_t section_share(int id, uint64_t max_bytes)
{
	switch (id) {
	case SECT_RECORDS:
		return max_bytes / 2;
	case SECT_FRAMES:
	case SECT_SITES:
		return max_bytes / 4;
	case SECT_STACKS:
		return max_bytes / 8;
	case SECT_RECORD_THREADS:
		return max_bytes / 16;
	case SECT_TRACE:
	case SECT_STRINGS:
	case SECT_MODULES:
	case SECT_THREADS:
	case SECT_TIMELINE:
		return max_bytes / 64;
	default:
		return 0;
	}
}

static uint64_t page_down(uint64_t n)
{
	return n & ~(uint64_t)(SESSION_PAGE - 1);
}

static uint64_t page_up(uint64_t n)
{
	return page_down(n + SESSION_PAGE - 1);
}

/*
 * The size that limits allow. RLIMIT_FSIZE first: growing a file past it raises
 * SIGXFSZ, which kills the program. Of a limited address space take a small part.
 */
static uint64_t limited_size(uint64_t want)
{
	struct rlimit rl;

	if (getrlimit(RLIMIT_FSIZE, &rl) == 0 && rl.rlim_cur < want)
		want = rl.rlim_cur;
	if (getrlimit(RLIMIT_AS, &rl) == 0 && rl.rlim_cur != RLIM_INFINITY && rl.rlim_cur / 32 < want)
		want = rl.rlim_cur / 32;
	return page_down(want);
}

static int map_file(struct shm *s, int fd, uint64_t want)
{
	int err = EFBIG;

	for (; want >= MIN_SESSION; want = page_down(want / 4)) {
		void *p;

		if (sys_ftruncate(fd, (off_t)want) < 0) {
			err = errno;
			continue;
		}
		p = sys_mmap(NULL, want, PROT_NONE, MAP_SHARED | MAP_NORESERVE, fd, 0);
		if (p != MAP_FAILED) {
			sys_madvise(p, want, MADV_DONTDUMP);
			s->hdr = p;
			s->file_bytes = want;
			return 0;
		}
		err = errno;
	}
	return -err;
}

/* Address space for all sections, of which few will grow. */
static int reserve_arena(struct shm *s)
{
	uint64_t total = 0;
	char *p;

	for (int id = 0; id < SECT_MAX; id++)
		total += huge_up(s->sect[id].reserved);
	p = sys_mmap(NULL, total + HUGE_PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (p == MAP_FAILED)
		return -errno;
	s->arena = p;
	s->arena_bytes = total + HUGE_PAGE;
	return 0;
}

/* The file, if the path still names the one we made; else -1. */
static int reopen(const struct shm *s)
{
	struct stat st;
	int fd = sys_open(s->path, O_RDWR | O_NOFOLLOW, 0);

	if (fd < 0)
		return -1;
	if (sys_fstat(fd, &st) == 0 && st.st_dev == s->dev && st.st_ino == s->ino)
		return fd;
	sys_close(fd);
	return -1;
}

/* Makes the pages at @addr (file offset @off) safe to touch. */
static int populate(const struct shm *s, void *addr, uint64_t off, uint64_t len)
{
	int fd, err;

	if (sys_madvise(addr, len, MADV_POPULATE_WRITE) == 0)
		return 0;
	if (errno != EINVAL)
		return -ENOSPC;
	fd = reopen(s);
	if (fd < 0)
		return -ENOSPC;
	err = posix_fallocate(fd, (off_t)off, (off_t)len);
	sys_close(fd);
	return err ? -ENOSPC : 0;
}

static void init_header(struct shm *s)
{
	struct session_header *h = s->hdr;

	memcpy(h->magic, SESSION_MAGIC, sizeof(h->magic));
	h->major = SESSION_MAJOR;
	h->minor = SESSION_MINOR;
	h->endian = SESSION_ENDIAN;
	h->header_size = SESSION_HEADER_SIZE;
	h->word_size = sizeof(void *);
	h->file_used = SESSION_HEADER_SIZE;
	for (int id = 0; id < SECT_MAX; id++)
		h->section[id].entry_size = session_entry_size[id];
}

/* Bytes [off, off + len) of the file become the section's. */
static void append_extent(struct shm *s, int id, uint64_t off, uint64_t len)
{
	struct session_header *h = s->hdr;
	struct session_extent *table = (void *)((char *)h + SESSION_EXTENT_TABLE);
	struct shm_section *sec = &s->sect[id];

	table[h->extent_count] = (struct session_extent){
		.section = (uint32_t)id,
		.start = (uint32_t)(off / SESSION_PAGE),
		.pages = (uint32_t)(len / SESSION_PAGE),
	};
	if (h->file_used < off + len)
		h->file_used = off + len;
	__atomic_store_n(&h->extent_count, h->extent_count + 1, __ATOMIC_RELEASE);
	sec->mapped += len;
	sec->file_end = off + len;
	__atomic_store_n(&h->section[id].bytes, sec->mapped, __ATOMIC_RELEASE);
}

/* The pages that every session has. */
static int first_pages(struct shm *s)
{
	int ret = sys_mprotect(s->hdr, FIRST_BYTES, PROT_READ | PROT_WRITE) ? -errno : 0;

	if (!ret)
		ret = populate(s, s->hdr, 0, FIRST_BYTES);
	if (ret)
		return ret;
	init_header(s);
	for (int id = 0; id < SECT_MAX; id++)
		s->sect[id].reserved = page_up(section_share(id, s->file_bytes));
	for (size_t i = 0; i < FIRST_SECTIONS; i++) {
		struct shm_section *sec = &s->sect[first_sections[i]];

		sec->base = (char *)s->hdr + s->hdr->file_used;
		sec->committed = SESSION_PAGE;
		append_extent(s, (int)first_sections[i], s->hdr->file_used, SESSION_PAGE);
	}
	return 0;
}

int shm_create(struct shm *s, const char *path, uint64_t max_bytes)
{
	uint64_t want = limited_size(max_bytes);
	struct stat st;
	int fd, ret;

	memset(s, 0, sizeof(*s));
	if (want < MIN_SESSION)
		return -EFBIG;
	if (strlen(path) >= sizeof(s->path))
		return -ENAMETOOLONG;
	strcpy(s->path, path);
	fd = sys_open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
	if (fd < 0)
		return -errno;
	ret = sys_fstat(fd, &st) < 0 ? -errno : map_file(s, fd, want);
	sys_close(fd);
	s->dev = st.st_dev;
	s->ino = st.st_ino;
	if (!ret)
		ret = first_pages(s);
	if (ret) {
		shm_unmap(s);
		syscall(SYS_unlinkat, AT_FDCWD, path, 0);
		return ret;
	}
	return 0;
}

/* Where a section of @mapped bytes that were to grow to @end should end: see shm.h. */
static uint64_t extent_end(const struct shm *s, uint64_t mapped, uint64_t need, uint64_t end)
{
	if (end <= HUGE_PAGE || s->file_bytes < HUGE_SESSION)
		return end;
	if (huge_down(end) > mapped && huge_down(end) >= need)
		return huge_down(end);
	return huge_up(end > need ? end : need);
}

/* Growth by a share keeps the number of extents small, and the waste. */
static uint64_t extent_bytes(const struct shm *s, const struct shm_section *sec, uint64_t need)
{
	uint64_t len = page_up(sec->mapped / (sec->mapped < SMALL_SECTION ? 2 : 8));

	if (len < MIN_EXTENT)
		len = MIN_EXTENT;
	if (len > MAX_EXTENT)
		len = MAX_EXTENT;
	if (sec->mapped + len < need)
		len = page_up(need - sec->mapped);
	len = extent_end(s, sec->mapped, need, sec->mapped + len) - sec->mapped;
	if (sec->mapped + len > sec->reserved)
		len = sec->reserved - sec->mapped;
	/* The last pages of the file may still be enough. */
	if (s->hdr->file_used + len > s->file_bytes)
		len = page_up(need - sec->mapped);
	return len;
}

/*
 * Maps the file's pages at @off to @to: a second mapping of what is mapped
 * already, or, where that is refused (valgrind, gVisor), through the path.
 */
static bool map_extent(const struct shm *s, char *to, uint64_t off, uint64_t len)
{
	void *p;
	int fd;

	p = sys_mremap((char *)s->hdr + off, 0, len, MREMAP_MAYMOVE | MREMAP_FIXED, to);
	if (p != MAP_FAILED)
		return sys_mprotect(to, len, PROT_READ | PROT_WRITE) == 0;
	fd = reopen(s);
	if (fd < 0)
		return false;
	p = sys_mmap(to, len, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE | MAP_FIXED, fd,
		     (off_t)off);
	sys_close(fd);
	if (p == MAP_FAILED)
		return false;
	sys_madvise(to, len, MADV_DONTDUMP);
	return true;
}

/* Gives the section address space of its own, with the page there that it has by now. */
static int move_to_arena(struct shm *s, int id)
{
	struct shm_section *sec = &s->sect[id];
	char *to;

	if (!s->arena && reserve_arena(s))
		return -ENOSPC;
	to = (char *)huge_up((uintptr_t)s->arena);
	for (int i = 0; i < id; i++)
		to += huge_up(s->sect[i].reserved);
	if (sec->mapped && !map_extent(s, to, sec->file_end - sec->mapped, sec->mapped))
		return -ENOSPC;
	sec->arena = to;
	__atomic_store_n(&sec->base, to, __ATOMIC_RELEASE);
	return 0;
}

static bool is_huge(uint64_t at)
{
	return at && at % HUGE_PAGE == 0;
}

/*
 * Where in the file the next @len bytes of a section are. Large ones begin at a multiple
 * of HUGE_PAGE; the last hole that was left before one is for small ones.
 */
static uint64_t extent_place(const struct shm *s, const struct shm_section *sec, uint64_t len)
{
	uint64_t end = s->hdr->file_used;

	if (is_huge(sec->mapped) && huge_up(end) + len <= s->file_bytes)
		return huge_up(end);
	return len <= s->hole_end - s->hole ? s->hole : end;
}

static void use_place(struct shm *s, uint64_t off, uint64_t len)
{
	uint64_t end = s->hdr->file_used;

	if (off == s->hole && off < s->hole_end) {
		s->hole += len;
	} else if (off > end) {
		s->hole = end;
		s->hole_end = off;
	}
}

static int add_extent(struct shm *s, int id, uint64_t need)
{
	struct shm_section *sec = &s->sect[id];
	uint64_t len = extent_bytes(s, sec, need), off = extent_place(s, sec, len);

	if (s->hdr->extent_count == SESSION_MAX_EXTENTS || off + len > s->file_bytes)
		return -EFBIG;
	if (!sec->arena && move_to_arena(s, id))
		return -ENOSPC;
	if (!map_extent(s, sec->arena + sec->mapped, off, len))
		return -ENOSPC;
	use_place(s, off, len);
	append_extent(s, id, off, len);
	return 0;
}

/* Makes more of the last extent usable: up to @need or a bit further. */
static int commit(struct shm *s, struct shm_section *sec, uint64_t need)
{
	uint64_t room = sec->mapped - sec->committed, step = page_up(sec->committed / 4);
	uint64_t off = sec->file_end - room, len = page_up(need - sec->committed);
	int ret;

	if (is_huge(sec->committed | off) && room >= HUGE_PAGE &&
	    huge_shared(sec->base + sec->committed)) {
		sec->committed += HUGE_PAGE;
		return 0;
	}
	if (step > MAX_COMMIT)
		step = MAX_COMMIT;
	if (len > room)
		len = room;
	if (step < len || step > room)
		step = step < len ? len : room;
	ret = populate(s, sec->base + sec->committed, off, step);
	/* A nearly full file system may still have room for what is needed now. */
	if (ret && len < step) {
		step = len;
		ret = populate(s, sec->base + sec->committed, off, step);
	}
	if (!ret)
		sec->committed += step;
	return ret;
}

int shm_grow(struct shm *s, int id, uint64_t bytes)
{
	struct shm_section *sec = &s->sect[id];
	int ret = 0, err = errno;

	if (sec->committed >= bytes)
		return 0;
	if (bytes > sec->reserved || s->frozen)
		return -EFBIG;
	while (!ret && sec->committed < bytes) {
		if (sec->committed == sec->mapped)
			ret = add_extent(s, id, bytes);
		if (!ret)
			ret = commit(s, sec, bytes);
	}
	errno = err;
	return ret;
}

void shm_trim(const struct shm *s)
{
	int fd = reopen(s);

	if (fd < 0)
		return;
	sys_ftruncate(fd, (off_t)s->hdr->file_used);
	sys_close(fd);
}

void shm_remove(const struct shm *s)
{
	int fd = reopen(s);

	if (fd < 0)
		return;
	sys_close(fd);
	syscall(SYS_unlinkat, AT_FDCWD, s->path, 0);
}

int shm_give(const struct shm *s, uid_t owner)
{
	int fd = reopen(s), ret;

	if (fd < 0)
		return -errno;
	ret = fchown(fd, owner, (gid_t)-1) ? -errno : 0;
	sys_close(fd);
	return ret;
}

void shm_unmap(struct shm *s)
{
	if (s->arena)
		sys_munmap(s->arena, s->arena_bytes);
	if (s->hdr)
		sys_munmap(s->hdr, s->file_bytes);
	s->arena = NULL;
	s->hdr = NULL;
}
