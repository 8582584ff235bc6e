// SPDX-License-Identifier: MIT
/* session_reader.c - opens and validates a session, and keeps its tables. */
#define _GNU_SOURCE 1
#include "common/session_reader.h"

#include "common/io.h"
#include "common/session_private.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The size of the header in version 2.0; later minors may only add behind. */
#define HEADER_2_0 sizeof(struct session_header)

/* The clock's two pairs are read again while the writer moves them. */
#define CLOCK_TRIES 100

/*
 * What a session may make a reader allocate. Far above what a writer makes, and
 * low enough that a hostile file cannot take the machine's memory.
 */
struct table_rule {
	uint32_t size;		/* of the entry as this reader knows it */
	uint32_t min_size;	/* of the entry in version 2.0 */
	uint64_t max_count;
	bool grows_only;	/* entries never change: read only what is new */
};

static const struct table_rule rules[SECT_MAX] = {
	[SECT_STRINGS] = { 1, 1, 1u << 28, true },
	[SECT_MODULES] = { sizeof(struct session_module), 80, 1u << 20, false },
	[SECT_FRAMES] = { 8, 8, 1u << 27, true },
	[SECT_STACKS] = { sizeof(struct session_stack), 64, REC_STACK_MASK + 1, false },
	[SECT_THREADS] = { sizeof(struct session_thread), 32, 1u << 20, false },
	[SECT_TIMES] = { 8, 8, 1u << 20, true },
	[SECT_KSYMS] = { sizeof(struct session_ksym), 32, 1u << 22, false },
	[SECT_CACHES] = { sizeof(struct session_cache), 64, 1u << 16, false },
	[SECT_TASKS] = { sizeof(struct session_task), 40, 1u << 20, false },
};

/* Entry sizes of sections that are scanned, not kept. */
static const uint32_t scan_sizes[SECT_MAX] = {
	[SECT_RECORDS] = sizeof(struct session_record),
	[SECT_SITES] = sizeof(struct session_site),
	[SECT_TRACE] = sizeof(struct session_trace_event),
	[SECT_TIMELINE] = sizeof(struct session_point),
	[SECT_KRECORDS] = sizeof(struct session_krecord),
	[SECT_RECORD_THREADS] = sizeof(uint16_t),
};

/* ---- header and extents ---- */

static int check_header(const struct session_header *h, size_t got)
{
	if (got < sizeof(h->magic) || memcmp(h->magic, SESSION_MAGIC, sizeof(h->magic)))
		return got ? -EBADMSG : -ENODATA;
	if (got < offsetof(struct session_header, header_size))
		return -ENODATA;
	if (h->endian != SESSION_ENDIAN)
		return -EXDEV;
	if (h->major != SESSION_MAJOR)
		return -EPROTONOSUPPORT;
	if (got < HEADER_2_0)
		return -ENODATA;
	if (h->word_size != sizeof(void *))
		return -EXDEV;
	if (h->features & SESSION_FEATURES_REQUIRED)
		return -EPROTONOSUPPORT;
	if (h->state == SESSION_STARTING)
		return -EAGAIN;
	if (h->header_size < HEADER_2_0 || h->header_size > (1u << 20) ||
	    h->state > SESSION_ENDED ||
	    (h->kind != SESSION_PROCESS && h->kind != SESSION_KERNEL))
		return -EBADMSG;
	return 0;
}

static int read_clock(int fd, struct session_clock *clock)
{
	for (int i = 0; i < CLOCK_TRIES; i++) {
		uint32_t before = clock->seq;
		ssize_t n = io_pread(fd, clock, sizeof(*clock),
				     offsetof(struct session_header, clock));

		if (n < 0)
			return (int)n;
		if (!(clock->seq & 1) && clock->seq == before)
			break;
	}
	return 0;
}

static int read_header(int fd, struct session_header *h)
{
	ssize_t n;
	int err;

	memset(h, 0, sizeof(*h));
	n = io_pread(fd, h, sizeof(*h), 0);
	if (n < 0)
		return (int)n;
	err = check_header(h, (size_t)n);
	if (!err)
		err = read_clock(fd, &h->clock);
	if (h->mean_count > SESSION_MAX_MEANS)
		h->mean_count = SESSION_MAX_MEANS;
	if (h->watched_pid)	/* recorded in another pid namespace */
		h->pid = h->watched_pid;
	return err;
}

static int compare_starts(const void *a, const void *b)
{
	const struct extent *x = a, *y = b;

	return (x->offset > y->offset) - (x->offset < y->offset);
}

static bool extents_overlap(const struct extent *extents, uint32_t count)
{
	struct extent sorted[SESSION_MAX_EXTENTS];

	memcpy(sorted, extents, count * sizeof(*extents));
	qsort(sorted, count, sizeof(*sorted), compare_starts);
	for (uint32_t i = 1; i < count; i++)
		if (sorted[i].offset < sorted[i - 1].offset + sorted[i - 1].bytes)
			return true;
	return false;
}

/*
 * The extent table is read after the header, so that it covers every
 * section.used in it: the writer adds extents before it uses them.
 */
static int read_extents(struct view *v, int fd, uint64_t file_size)
{
	struct session_extent raw[SESSION_MAX_EXTENTS] = { 0 };
	uint32_t count = 0;
	ssize_t n = io_pread(fd, &count, sizeof(count),
			     offsetof(struct session_header, extent_count));

	if (n == sizeof(count))
		n = io_pread(fd, raw, sizeof(raw), SESSION_EXTENT_TABLE);
	if (n < 0)
		return (int)n;
	if (count > SESSION_MAX_EXTENTS)
		return -EBADMSG;
	if (count > (size_t)n / sizeof(*raw)) {
		v->truncated = true;
		count = (uint32_t)((size_t)n / sizeof(*raw));
	}
	for (uint32_t i = 0; i < count; i++) {
		struct extent *e = &v->extents[i];

		e->section = raw[i].section;
		e->offset = (uint64_t)raw[i].start * SESSION_PAGE;
		e->bytes = (uint64_t)raw[i].pages * SESSION_PAGE;
		if (e->offset < v->header.header_size || e->offset < SESSION_HEADER_SIZE ||
		    !e->bytes)
			return -EBADMSG;
	}
	if (extents_overlap(v->extents, count))
		return -EBADMSG;
	v->extent_count = count;
	v->file_size = file_size;
	if (v->header.file_used > file_size)
		v->truncated = true;
	return 0;
}

/* Bytes of a section that are in the file; stops at the first extent that is cut. */
static uint64_t section_bytes(struct view *v, uint32_t id)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < v->extent_count; i++) {
		const struct extent *e = &v->extents[i];

		if (e->section != id)
			continue;
		if (e->offset + e->bytes > v->file_size) {
			v->truncated = true;
			return sum + (e->offset < v->file_size ? v->file_size - e->offset : 0);
		}
		sum += e->bytes;
	}
	return sum;
}

static void bound_section(struct view *v, uint32_t id)
{
	const struct session_section *sect = &v->header.section[id];
	uint32_t least = rules[id].min_size ? rules[id].min_size : scan_sizes[id];
	uint64_t bytes = section_bytes(v, id);
	bool handed_out = id == SECT_RECORDS || id == SECT_SITES || id == SECT_TRACE ||
			  id == SECT_RECORD_THREADS;
	uint64_t room;

	v->used[id] = 0;
	if (!least || (!sect->used && !sect->entry_size))
		return;
	if (sect->entry_size < least || sect->entry_size > SESSION_PAGE) {
		v->corrupt = true;
		return;
	}
	room = bytes / sect->entry_size;
	v->used[id] = sect->used;
	if (v->used[id] > room) {
		/* A writer may hand out slots just before it fails to make room for them. */
		if (!handed_out && !v->truncated)
			v->corrupt = true;
		v->used[id] = room;
	}
	if (rules[id].max_count && v->used[id] > rules[id].max_count) {
		v->corrupt = true;
		v->used[id] = rules[id].max_count;
	}
}

/* ---- tables ---- */

/* Reads bytes [from, from + len) of a section, which lie within its extents. */
int session_read_section(const struct view *v, int fd, uint32_t id, uint64_t from, void *buf,
			 uint64_t len)
{
	char *out = buf;
	uint64_t base = 0;

	for (uint32_t i = 0; i < v->extent_count && len; i++) {
		const struct extent *e = &v->extents[i];

		if (e->section != id)
			continue;
		if (from < base + e->bytes) {
			uint64_t room = base + e->bytes - from;
			uint64_t n = len < room ? len : room;
			ssize_t got = io_pread(fd, out, n, e->offset + (from - base));

			if (got < 0)
				return (int)got;
			if ((uint64_t)got < n)
				return -EIO;	/* the file shrank since it was measured */
			out += n;
			from += n;
			len -= n;
		}
		base += e->bytes;
	}
	return len ? -EIO : 0;
}

uint64_t session_skip_hole(const struct view *v, int fd, uint32_t id, uint64_t from)
{
	uint64_t base = 0;

	for (uint32_t i = 0; i < v->extent_count; i++) {
		const struct extent *e = &v->extents[i];
		off_t data;

		if (e->section != id)
			continue;
		if (from < base + e->bytes) {
			data = lseek(fd, (off_t)(e->offset + (from - base)), SEEK_DATA);
			if (data < 0 && errno != ENXIO)
				return from;	/* this file system does not tell */
			if (data >= 0 && (uint64_t)data < e->offset + e->bytes)
				return base + ((uint64_t)data - e->offset);
			from = base + e->bytes;
		}
		base += e->bytes;
	}
	return from;
}

/* Entries may be longer in the file than this reader knows: keep what it knows. */
static int read_entries(const struct view *v, int fd, uint32_t id, uint64_t first, uint64_t count,
			char *out)
{
	uint32_t size = rules[id].size, step = v->header.section[id].entry_size;
	uint64_t per_chunk;
	char *chunk;
	int err = 0;

	if (!count)
		return 0;	/* an unused section may say nothing about its entries */
	if (step == size)
		return session_read_section(v, fd, id, first * step, out, count * step);
	per_chunk = (64u << 10) / step;
	chunk = malloc(per_chunk * step);
	if (!chunk)
		return -ENOMEM;
	while (count && !err) {
		uint64_t n = count < per_chunk ? count : per_chunk;

		err = session_read_section(v, fd, id, first * step, chunk, n * step);
		for (uint64_t i = 0; i < n && !err; i++, out += size)
			memcpy(out, chunk + i * step, size);
		first += n;
		count -= n;
	}
	free(chunk);
	return err;
}

/* Fills t with a section; what an older table of one that only grows holds is kept. */
static int load_table(const struct view *v, int fd, uint32_t id, const struct table *old,
		      struct table *t)
{
	uint64_t size = rules[id].size, count = v->used[id], have = 0;
	char *data;
	int err;

	if (rules[id].grows_only && old->count <= count)
		have = old->count;
	/* One spare byte ends the last string. */
	data = malloc(count * size + 1);
	if (!data)
		return -ENOMEM;
	if (have)
		memcpy(data, old->data, have * size);
	err = read_entries(v, fd, id, have, count - have, data + have * size);
	if (err) {
		free(data);
		return err;
	}
	data[count * size] = 0;
	t->data = data;
	t->count = count;
	return 0;
}

static int compare_ksyms(const void *a, const void *b)
{
	const struct session_ksym *x = a, *y = b;

	return (x->addr > y->addr) - (x->addr < y->addr);
}

static void sort_ksyms(struct table *t)
{
	if (t->count)
		qsort(t->data, t->count, sizeof(struct session_ksym), compare_ksyms);
}

/* No string of a recorder is this long: ends it, so that no look-up has to read megabytes. */
static void cut_strings(struct table *t)
{
	uint64_t run = 0;

	for (uint64_t i = 0; i < t->count; i++) {
		run = t->data[i] ? run + 1 : 0;
		if (run == SESSION_STRING_MAX) {
			t->data[i] = 0;
			run = 0;
		}
	}
}

static void free_tables(struct table tables[SECT_MAX])
{
	for (uint32_t id = 0; id < SECT_MAX; id++)
		free(tables[id].data);
}

/* Loads all tables, or changes nothing. */
static int load_tables(struct session *s, const struct view *v)
{
	struct table fresh[SECT_MAX] = { 0 }, *modules = &fresh[SECT_MODULES];
	uint32_t *order = NULL;
	int err = 0;

	for (uint32_t id = 1; id < SECT_MAX && !err; id++)
		if (rules[id].size)
			err = load_table(v, s->fd, id, &s->tables[id], &fresh[id]);
	if (!err) {
		order = session_sort_modules((struct session_module *)modules->data,
					     modules->count);
		err = order ? 0 : -ENOMEM;
	}
	if (err) {
		free_tables(fresh);
		return err;
	}
	cut_strings(&fresh[SECT_STRINGS]);
	sort_ksyms(&fresh[SECT_KSYMS]);
	free_tables(s->tables);
	free(s->modules_by_start);
	memcpy(s->tables, fresh, sizeof(fresh));
	s->modules_by_start = order;
	return 0;
}

/* ---- opening ---- */

static int read_view(struct view *v, int fd)
{
	struct stat st;
	int err = read_header(fd, &v->header);

	if (!err && fstat(fd, &st))
		err = -errno;
	if (!err)
		err = read_extents(v, fd, (uint64_t)st.st_size);
	if (err)
		return err;
	for (uint32_t id = 1; id < SECT_MAX; id++)
		bound_section(v, id);
	return 0;
}

int session_refresh(struct session *s)
{
	struct view *v = calloc(1, sizeof(*v));
	int err = v ? read_view(v, s->fd) : -ENOMEM;

	if (!err)
		err = load_tables(s, v);
	if (!err) {
		s->view = *v;
		s->damage.truncated = v->truncated;
		s->damage.corrupt = v->corrupt;
	}
	free(v);
	return err;
}

static int open_session(int fd, const char *name, struct session **out)
{
	struct session *s = calloc(1, sizeof(*s));
	struct stat st;
	int err = -ENOMEM;

	if (!s) {
		close(fd);
		return err;
	}
	s->fd = fd;
	s->name = strdup(name);
	if (s->name)
		err = fstat(fd, &st) ? -errno : S_ISDIR(st.st_mode) ? -EISDIR :
		      S_ISREG(st.st_mode) ? session_refresh(s) : -EBADMSG;
	if (err) {
		session_close(s);
		return err;
	}
	*out = s;
	return 0;
}

int session_open(const char *path, struct session **out)
{
	/* O_NONBLOCK: a FIFO without a writer must not hang the reader. */
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	return fd < 0 ? -errno : open_session(fd, path, out);
}

int session_open_fd(int fd, const char *name, struct session **out)
{
	int copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);

	return copy < 0 ? -errno : open_session(copy, name, out);
}

void session_close(struct session *s)
{
	if (!s)
		return;
	free_tables(s->tables);
	free(s->modules_by_start);
	close(s->fd);
	free(s->name);
	free(s);
}

const char *session_strerror(int err)
{
	switch (err < 0 ? -err : err) {
	case EBADMSG:
		return "no session file, or its header is damaged";
	case ENODATA:
		return "too short to hold a session: cut off, or nothing written yet";
	case EAGAIN:
		return "its recorder is still starting, or died while starting";
	case EPROTONOSUPPORT:
		return "written in a version of the format that this program does not read";
	case EXDEV:
		return "written on a machine of another byte order or word size";
	case EIO:
		return "the file could not be read, or shrank while it was read";
	default:
		return strerror(err < 0 ? -err : err);
	}
}

/* ---- access ---- */

const struct session_header *session_header(const struct session *s)
{
	return &s->view.header;
}

const char *session_name(const struct session *s)
{
	return s->name;
}

const struct session_damage *session_damage(const struct session *s)
{
	return &s->damage;
}

uint64_t session_count(const struct session *s, enum session_section_id id)
{
	return (unsigned int)id < SECT_MAX ? s->view.used[id] : 0;
}

static const void *entry(const struct session *s, enum session_section_id id, uint64_t index)
{
	const struct table *t = &s->tables[id];

	return index < t->count ? t->data + index * rules[id].size : NULL;
}

const char *session_string(const struct session *s, uint32_t offset)
{
	const char *str = entry(s, SECT_STRINGS, offset);

	/* The table ends in a NUL that load_table() put behind it. */
	return str && offset ? str : "";
}

const struct session_module *session_module(const struct session *s, uint64_t index)
{
	return index ? entry(s, SECT_MODULES, index) : NULL;
}

const struct session_stack *session_stack(const struct session *s, uint64_t index)
{
	return index ? entry(s, SECT_STACKS, index) : NULL;
}

const struct session_thread *session_thread(const struct session *s, uint64_t index)
{
	return entry(s, SECT_THREADS, index);
}

const struct session_cache *session_cache(const struct session *s, uint64_t index)
{
	return index ? entry(s, SECT_CACHES, index) : NULL;
}

const struct session_task *session_task(const struct session *s, uint64_t index)
{
	return index ? entry(s, SECT_TASKS, index) : NULL;
}

bool session_time(const struct session *s, uint64_t index, uint64_t *tick)
{
	const uint64_t *t = entry(s, SECT_TIMES, index);

	if (t)
		*tick = *t;
	return t != NULL;
}

const uint64_t *session_frames(const struct session *s, const struct session_stack *stack,
			       uint32_t *depth)
{
	const struct table *t = &s->tables[SECT_FRAMES];

	*depth = 0;
	if (!stack->depth || stack->frames >= t->count || stack->depth > t->count - stack->frames)
		return NULL;
	*depth = stack->depth < SESSION_DEPTH_MAX ? stack->depth : SESSION_DEPTH_MAX;
	return (const uint64_t *)t->data + stack->frames;
}

const struct session_module *session_module_table(const struct session *s)
{
	return (const struct session_module *)s->tables[SECT_MODULES].data;
}

const struct session_ksym *session_find_ksym(const struct session *s, uint64_t addr)
{
	const struct table *t = &s->tables[SECT_KSYMS];
	struct session_ksym key = { .addr = addr };

	if (!t->count)
		return NULL;
	return bsearch(&key, t->data, t->count, sizeof(key), compare_ksyms);
}
