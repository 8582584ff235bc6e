// SPDX-License-Identifier: MIT
/* frames.c - stacks of one session to stacks of the report: addresses become locations. */
#include "report/jit_map.h"
#include "report/report_private.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/*
 * No writer lets stacks share frames, but a hostile session may, and make a small
 * file stand for endless stacks: so many frames are converted for each one in the
 * file (a user stack may lie beneath several kernel stacks), then stacks lose theirs.
 */
#define FRAMES_PER_FRAME 8u

/* Addresses that were seen in this session, so that each is looked up in its modules once. */
struct known {
	uint64_t frame;
	uint32_t epoch;
	bool kernel;
	uint32_t location;
};

/* A kernel stack with the user stack beneath it. */
struct pair {
	uint32_t stack, user_stack, id;
};

struct frame_map {
	struct report *r;
	const struct session *s;
	bool kernel;
	const char *release;	/* of the session's kernel */
	struct known *known;
	size_t known_count, known_room;
	struct hash_index index;
	struct jit_map *jit;	/* read when the first address asks for it; NULL: none */
	bool jit_tried;
	uint32_t *modules;	/* the session's modules to the symbolizer's */
	uint32_t *stack_ids;	/* the session's stacks to the report's */
	struct pair *pairs;
	size_t pair_count, pair_room;
	struct hash_index pair_index;
	uint64_t frames_left;	/* see FRAMES_PER_FRAME */
	uint32_t *buf;
	size_t buf_room;
};

static uint32_t module_id(struct frame_map *map, const struct session_module *m)
{
	uint64_t index = (uint64_t)(m - session_module(map->s, 1)) + 1;
	uint32_t len = m->build_id_len <= SESSION_BUILD_ID_MAX ? m->build_id_len : 0;

	if (!map->modules[index])
		map->modules[index] = symbolizer_module(map->r->sym,
			m->flags & SESSION_MODULE_VDSO ? "[vdso]" : session_string(map->s, m->path),
			m->build_id, len);
	return map->modules[index];
}

/* When the session's process started: CLOCK_REALTIME, seconds. */
static time_t process_start(const struct session *s)
{
	struct timespec real, boot;

	if (clock_gettime(CLOCK_REALTIME, &real) || clock_gettime(CLOCK_BOOTTIME, &boot))
		return 0;
	return real.tv_sec - boot.tv_sec - 1 +
	       (time_t)(session_header(s)->start_ticks / (uint64_t)sysconf(_SC_CLK_TCK));
}

/* The map of a process of another host or boot is only looked for where --sysroot says. */
static const struct jit_map *jit_map(struct frame_map *map)
{
	const struct session_header *h = session_header(map->s);
	const char *root = symbolizer_sysroot(map->r->sym);
	bool here = session_is_of_this_boot(map->s);

	if (map->jit_tried)
		return map->jit;
	map->jit_tried = true;
	if (!map->kernel && (here || *root))
		map->jit = jit_map_read(root, h->pid, h->uid, here ? process_start(map->s) : 0);
	return map->jit;
}

/* An address in no module: code that the process has made, or none. */
static uint32_t made_location(struct frame_map *map, uint64_t addr, bool exact)
{
	const struct jit_map *jit = jit_map(map);
	uint64_t start;
	const char *name = jit ? jit_map_find(jit, addr - !exact, &start) : NULL;
	uint32_t module = name ? symbolizer_module(map->r->sym, "jit", NULL, 0) : 0;

	if (!module)
		return symbolizer_address(map->r->sym, 0, addr, exact);
	return symbolizer_named(map->r->sym, module, name, addr - start, addr, NULL, 0);
}

static uint32_t user_location(struct frame_map *map, uint64_t frame, uint32_t epoch)
{
	uint64_t addr = frame & ~STACK_EXACT_BIT;
	bool exact = frame & STACK_EXACT_BIT;
	const struct session_module *m = session_find_module(map->s, addr, epoch);

	/* A return address behind the module's last byte belongs to the call before it. */
	if (!m && !exact && addr)
		m = session_find_module(map->s, addr - 1, epoch);
	if (!m)
		return made_location(map, addr, exact);
	return symbolizer_address(map->r->sym, module_id(map, m), addr - m->bias, exact);
}

static uint32_t kernel_location(struct frame_map *map, uint64_t addr)
{
	const struct session_ksym *k = session_find_ksym(map->s, addr);
	const char *module = k ? session_string(map->s, k->module) : "";
	const char *file = k ? session_string(map->s, k->file) : "";
	uint32_t id = symbolizer_kernel_module(map->r->sym, *module ? module : NULL,
					       map->release);

	if (!k || !id || !*session_string(map->s, k->name))
		return symbolizer_address(map->r->sym, id, addr, true);
	return symbolizer_named(map->r->sym, id, session_string(map->s, k->name), k->offset, addr,
				*file ? file : NULL, k->line);
}

static bool known_equal(const void *owner, uint32_t index, const void *key)
{
	const struct known *a = &((const struct frame_map *)owner)->known[index], *b = key;

	return a->frame == b->frame && a->epoch == b->epoch && a->kernel == b->kernel;
}

static uint32_t location(struct frame_map *map, uint64_t frame, uint32_t epoch, bool kernel)
{
	struct known key = { .frame = frame, .epoch = epoch, .kernel = kernel }, *known;
	uint64_t hash = hash_mix(frame ^ (uint64_t)epoch << 1 ^ kernel);
	uint32_t found = hash_index_find(&map->index, hash, known_equal, map, &key);

	if (found != HASH_INDEX_NONE)
		return map->known[found].location;
	key.location = kernel ? kernel_location(map, frame) : user_location(map, frame, epoch);
	known = array_grow(map->known, map->known_count, &map->known_room, sizeof(*known));
	if (!known || !key.location)
		return 0;
	map->known = known;
	if (hash_index_add(&map->index, hash, (uint32_t)map->known_count))
		return 0;
	known[map->known_count++] = key;
	return key.location;
}

/* Puts the locations of a stack at buf[used..]; the new end, or -ENOMEM. */
static ssize_t convert(struct frame_map *map, const struct session_stack *stack, size_t used)
{
	uint32_t depth;
	const uint64_t *frames = session_frames(map->s, stack, &depth);
	bool kernel = map->kernel && !(stack->flags & STACK_USER);

	if (depth > map->frames_left)
		return (ssize_t)used;
	map->frames_left -= depth;
	while (used + depth > map->buf_room) {
		uint32_t *p = array_grow(map->buf, map->buf_room, &map->buf_room, sizeof(*p));

		if (!p)
			return -ENOMEM;
		map->buf = p;
	}
	for (uint32_t i = 0; i < depth; i++) {
		map->buf[used + i] = location(map, frames[i], kernel ? 0 : stack->epoch, kernel);
		if (!map->buf[used + i])
			return -ENOMEM;
	}
	return (ssize_t)(used + depth);
}

/* libleak.so, beside which kagent runs for memleak --kernel. */
static bool is_recorder(const struct frame_map *map, uint32_t location)
{
	const struct symbol_module *m =
		symbolizer_module_info(map->r->sym,
				       symbolizer_location_module(map->r->sym, location));

	return m && !m->kernel && (!strcmp(m->name, "libleak.so") || !strcmp(m->name, "libleak-musl.so"));
}

/*
 * A user stack beneath a kernel stack, buf[from..to]: the functions of the recorder are no
 * business of who reads it. Where they stand between the program and the kernel they go;
 * where the recorder itself has called the kernel, one frame says so. The new end, or -ENOMEM.
 */
static ssize_t trim_recorder(struct frame_map *map, size_t from, size_t to)
{
	size_t kept = from;

	for (size_t i = from; i < to; i++) {
		uint32_t at = map->buf[i];

		if (is_recorder(map, at)) {
			if (i > from)
				continue;
			at = symbolizer_named(map->r->sym,
					      symbolizer_location_module(map->r->sym, at),
					      "(recorder)", 0, 0, NULL, 0);
			if (!at)
				return -ENOMEM;
		}
		map->buf[kept++] = at;
	}
	return (ssize_t)kept;
}

static uint32_t convert_stack(struct frame_map *map, uint32_t stack, uint32_t user_stack)
{
	const struct session_stack *own = session_stack(map->s, stack);
	const struct session_stack *user = session_stack(map->s, user_stack);
	uint32_t flags = 0;
	ssize_t depth = 0;

	if (own) {
		depth = convert(map, own, 0);
		flags = own->flags & ~STACK_USER;
	}
	if (user && depth >= 0) {
		size_t from = (size_t)depth;

		depth = convert(map, user, from);
		if (depth > (ssize_t)from)
			depth = trim_recorder(map, from, (size_t)depth);
	}
	if (depth < 0 || depth > UINT32_MAX)
		return NO_SITE;
	return report_stack_id(map->r, map->buf, (uint32_t)depth, flags);
}

static bool pair_equal(const void *owner, uint32_t index, const void *key)
{
	const struct pair *a = &((const struct frame_map *)owner)->pairs[index], *b = key;

	return a->stack == b->stack && a->user_stack == b->user_stack;
}

static uint32_t pair_id(struct frame_map *map, uint32_t stack, uint32_t user_stack)
{
	struct pair key = { stack, user_stack, NO_SITE }, *pairs;
	uint64_t hash = hash_mix((uint64_t)stack << 32 | user_stack);
	uint32_t found = hash_index_find(&map->pair_index, hash, pair_equal, map, &key);

	if (found != HASH_INDEX_NONE)
		return map->pairs[found].id;
	key.id = convert_stack(map, stack, user_stack);
	pairs = array_grow(map->pairs, map->pair_count, &map->pair_room, sizeof(*pairs));
	if (!pairs)
		return NO_SITE;
	map->pairs = pairs;
	if (hash_index_add(&map->pair_index, hash, (uint32_t)map->pair_count))
		return NO_SITE;
	pairs[map->pair_count++] = key;
	return key.id;
}

uint32_t frame_map_stack(struct frame_map *map, uint32_t stack, uint32_t user_stack)
{
	if (user_stack)
		return pair_id(map, stack, user_stack);
	if (map->stack_ids[stack] == NO_SITE)
		map->stack_ids[stack] = convert_stack(map, stack, 0);
	return map->stack_ids[stack];
}

struct frame_map *frame_map_new(struct report *r, const struct session *s)
{
	struct frame_map *map = calloc(1, sizeof(*map));
	uint64_t stacks = session_count(s, SECT_STACKS);

	if (!map)
		return NULL;
	map->r = r;
	map->s = s;
	map->frames_left = session_count(s, SECT_FRAMES) * FRAMES_PER_FRAME;
	map->kernel = session_header(s)->kind == SESSION_KERNEL;
	map->release = session_string(s, session_header(s)->kernel);
	map->modules = calloc(session_count(s, SECT_MODULES) + 1, sizeof(*map->modules));
	map->stack_ids = malloc((stacks + 1) * sizeof(*map->stack_ids));
	map->buf = array_grow(NULL, 0, &map->buf_room, sizeof(*map->buf));
	if (!map->modules || !map->stack_ids || !map->buf) {
		frame_map_free(map);
		return NULL;
	}
	memset(map->stack_ids, 0xff, (stacks + 1) * sizeof(*map->stack_ids));
	return map;
}

void frame_map_free(struct frame_map *map)
{
	if (!map)
		return;
	hash_index_free(&map->index);
	hash_index_free(&map->pair_index);
	jit_map_free(map->jit);
	free(map->pairs);
	free(map->known);
	free(map->modules);
	free(map->stack_ids);
	free(map->buf);
	free(map);
}
