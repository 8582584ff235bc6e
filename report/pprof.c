// SPDX-License-Identifier: MIT
/* pprof.c - the report as a gzipped profile.proto. */
#include "report/pprof.h"

#include "common/array.h"
#include "common/hash_index.h"
#include "report/protobuf.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

/* Field numbers of profile.proto. */
enum { PROFILE_SAMPLE_TYPE = 1, PROFILE_SAMPLE, PROFILE_MAPPING, PROFILE_LOCATION,
       PROFILE_FUNCTION, PROFILE_STRING, PROFILE_TIME = 9, PROFILE_DURATION, PROFILE_PERIOD_TYPE,
       PROFILE_PERIOD, PROFILE_DEFAULT_TYPE = 14 };
enum { VALUE_TYPE = 1, VALUE_UNIT };
enum { SAMPLE_LOCATION = 1, SAMPLE_VALUE, SAMPLE_LABEL };
enum { LABEL_KEY = 1, LABEL_STR, LABEL_NUM };
enum { MAPPING_ID = 1, MAPPING_START, MAPPING_LIMIT, MAPPING_OFFSET, MAPPING_FILE,
       MAPPING_BUILD_ID, MAPPING_HAS_FUNCTIONS, MAPPING_HAS_FILES, MAPPING_HAS_LINES,
       MAPPING_HAS_INLINE };
enum { LOCATION_ID = 1, LOCATION_MAPPING, LOCATION_ADDRESS, LOCATION_LINE };
enum { LINE_FUNCTION = 1, LINE_LINE };
enum { FUNCTION_ID = 1, FUNCTION_NAME, FUNCTION_SYSTEM_NAME, FUNCTION_FILE };

enum { VALUES = 4 };	/* alloc_objects, alloc_space, inuse_objects, inuse_space */

/*
 * A profile has one address space; the modules of many processes are laid side by
 * side in it, each in a slot of its own, so that no two mappings overlap.
 */
#define SLOT_SHIFT 40

struct function {
	const char *name, *file;
};

struct writer {
	const struct report *r;
	const struct symbolizer *sym;
	struct protobuf out, sub, label;
	const char **strings;
	size_t string_count, string_room;
	struct hash_index string_index;
	struct function *functions;
	size_t function_count, function_room;
	struct hash_index function_index;
	/* Ids in the profile, which count up from 1: Parca refuses others. 0: not there. */
	uint32_t *mapping_ids;	/* per module id */
	uint32_t *location_ids;	/* per location id of the symbolizer */
	uint32_t location_count;
	uint32_t program;	/* the module of the first mapping; 0: none */
	uint64_t *limits;	/* per module id: end of the addresses used, */
	uint64_t *starts;	/* and in the kernel, where modules have no slots, their begin */
	size_t samples_left;	/* before the one of further stacks */
	struct figure rest_allocated, rest_live;
	bool failed;
};

/* ---- strings and functions ---- */

static bool string_equal(const void *owner, uint32_t index, const void *key)
{
	return !strcmp(((const struct writer *)owner)->strings[index], key);
}

static uint64_t string_id(struct writer *w, const char *s)
{
	uint64_t hash = hash_bytes(s, strlen(s), 0);
	uint32_t id = hash_index_find(&w->string_index, hash, string_equal, w, s);
	const char **strings;

	if (id != HASH_INDEX_NONE)
		return id;
	strings = array_grow(w->strings, w->string_count, &w->string_room, sizeof(*strings));
	if (strings)
		w->strings = strings;
	if (!strings || hash_index_add(&w->string_index, hash, (uint32_t)w->string_count)) {
		w->failed = true;
		return 0;
	}
	strings[w->string_count] = s;
	return w->string_count++;
}

static bool function_equal(const void *owner, uint32_t index, const void *key)
{
	const struct function *a = &((const struct writer *)owner)->functions[index], *b = key;

	return a->name == b->name && a->file == b->file;
}

/* Ids count from 1. */
static uint64_t function_id(struct writer *w, const char *name, const char *file)
{
	struct function key = { name, file }, *functions;
	uint64_t hash = hash_mix((uintptr_t)name ^ hash_mix((uintptr_t)file));
	uint32_t id = hash_index_find(&w->function_index, hash, function_equal, w, &key);

	if (id != HASH_INDEX_NONE)
		return id + 1;
	functions = array_grow(w->functions, w->function_count, &w->function_room,
			       sizeof(*functions));
	if (functions)
		w->functions = functions;
	if (!functions || hash_index_add(&w->function_index, hash, (uint32_t)w->function_count)) {
		w->failed = true;
		return 0;
	}
	functions[w->function_count++] = key;
	return w->function_count;
}

static void write_functions(struct writer *w)
{
	for (size_t i = 0; i < w->function_count; i++) {
		uint64_t name = string_id(w, w->functions[i].name);

		protobuf_clear(&w->sub);
		protobuf_int(&w->sub, FUNCTION_ID, i + 1);
		protobuf_int(&w->sub, FUNCTION_NAME, name);
		protobuf_int(&w->sub, FUNCTION_SYSTEM_NAME, name);
		if (w->functions[i].file)
			protobuf_int(&w->sub, FUNCTION_FILE, string_id(w, w->functions[i].file));
		protobuf_message(&w->out, PROFILE_FUNCTION, &w->sub);
	}
}

/* ---- locations and mappings ---- */

static void write_line(struct writer *w, const struct symbol_frame *f)
{
	protobuf_clear(&w->label);
	protobuf_int(&w->label, LINE_FUNCTION, function_id(w, f->function, f->file));
	protobuf_int(&w->label, LINE_LINE, f->line);
	protobuf_message(&w->sub, LOCATION_LINE, &w->label);
}

static void write_location(struct writer *w, uint32_t id)
{
	size_t count;
	const struct symbol_frame *f = symbolizer_frames(w->sym, id, &count);
	uint64_t address = count ? f[0].address : 0;
	uint32_t module = symbolizer_location_module(w->sym, id);

	if (w->location_ids[id])
		return;
	w->location_ids[id] = ++w->location_count;
	if (module && !(f[0].flags & FRAME_KERNEL)) {
		address &= (1ull << SLOT_SHIFT) - 1;
		address |= (uint64_t)module << SLOT_SHIFT;
	}
	if (module && address >= w->limits[module])
		w->limits[module] = address + 1;
	if (module && address < w->starts[module] - 1)	/* 0: none yet */
		w->starts[module] = address;
	protobuf_clear(&w->sub);
	protobuf_int(&w->sub, LOCATION_ID, w->location_ids[id]);
	protobuf_int(&w->sub, LOCATION_MAPPING, w->mapping_ids[module]);
	protobuf_int(&w->sub, LOCATION_ADDRESS, address);
	for (size_t i = 0; i < count; i++)
		if (f[i].function)
			write_line(w, &f[i]);
	protobuf_message(&w->out, PROFILE_LOCATION, &w->sub);
}

static const char *build_id_string(const struct symbol_module *m,
				   char buf[2 * SYMBOL_BUILD_ID_MAX + 1])
{
	for (uint32_t i = 0; i < m->build_id_len; i++)
		snprintf(buf + 2 * i, 3, "%02x", m->build_id[i]);
	buf[2 * m->build_id_len] = 0;
	return buf;
}

static void write_mapping(struct writer *w, uint32_t id, char *build_id)
{
	const struct symbol_module *m = symbolizer_module_info(w->sym, id);
	uint64_t start = m->kernel ? w->starts[id] : (uint64_t)id << SLOT_SHIFT;

	protobuf_clear(&w->sub);
	protobuf_int(&w->sub, MAPPING_ID, w->mapping_ids[id]);
	protobuf_int(&w->sub, MAPPING_START, start);
	protobuf_int(&w->sub, MAPPING_LIMIT, w->limits[id] < start ? start : w->limits[id]);
	protobuf_int(&w->sub, MAPPING_FILE, string_id(w, m->path));
	protobuf_int(&w->sub, MAPPING_BUILD_ID, string_id(w, build_id_string(m, build_id)));
	protobuf_int(&w->sub, MAPPING_HAS_FUNCTIONS, 1);
	protobuf_int(&w->sub, MAPPING_HAS_FILES, 1);
	protobuf_int(&w->sub, MAPPING_HAS_LINES, 1);
	protobuf_int(&w->sub, MAPPING_HAS_INLINE, 1);
	protobuf_message(&w->out, PROFILE_MAPPING, &w->sub);
}

static bool is_program(const struct writer *w, uint32_t id)
{
	const struct report_session *s = report_session(w->r, 0);
	const struct report_process *p = s ? report_process(w->r, s->process) : NULL;

	return p && !strcmp(symbolizer_module_info(w->sym, id)->path, p->exe);
}

/* Numbers the modules that locations are in; pprof takes the first mapping for the program's. */
static void number_mappings(struct writer *w)
{
	uint32_t modules = symbolizer_module_count(w->sym), count = 0;

	for (size_t i = 0; i < report_site_count(w->r); i++) {
		const struct report_site *site = report_site(w->r, i);

		for (uint32_t k = 0; k < site->depth; k++)
			w->mapping_ids[symbolizer_location_module(w->sym, site->locations[k])] = 1;
	}
	w->mapping_ids[0] = 0;
	for (uint32_t id = 1; id <= modules; id++)
		if (w->mapping_ids[id] && is_program(w, id)) {
			w->program = id;
			w->mapping_ids[id] = ++count;
			break;
		}
	for (uint32_t id = 1; id <= modules; id++)
		if (w->mapping_ids[id] && id != w->program)
			w->mapping_ids[id] = ++count;
}

/* Strings of build-ids must outlive the table of strings: build_ids has one for each module. */
static void write_mappings(struct writer *w, char (*build_ids)[2 * SYMBOL_BUILD_ID_MAX + 1])
{
	if (w->program)
		write_mapping(w, w->program, build_ids[w->program]);
	for (uint32_t id = 1; id <= symbolizer_module_count(w->sym); id++)
		if (w->mapping_ids[id] && id != w->program)
			write_mapping(w, id, build_ids[id]);
}

/* ---- samples ---- */

static void label_string(struct writer *w, const char *key, const char *value)
{
	protobuf_clear(&w->label);
	protobuf_int(&w->label, LABEL_KEY, string_id(w, key));
	protobuf_int(&w->label, LABEL_STR, string_id(w, value));
	protobuf_message(&w->sub, SAMPLE_LABEL, &w->label);
}

static void label_number(struct writer *w, const char *key, uint64_t value)
{
	protobuf_clear(&w->label);
	protobuf_int(&w->label, LABEL_KEY, string_id(w, key));
	protobuf_int(&w->label, LABEL_NUM, value);
	protobuf_message(&w->sub, SAMPLE_LABEL, &w->label);
}

static uint64_t rounded(double value)
{
	return value > 0 && value < 9e18 ? (uint64_t)llround(value) : 0;
}

static void write_values(struct writer *w, const struct figure *allocated,
			 const struct figure *live)
{
	const uint64_t values[VALUES] = {
		rounded(allocated->est_count), rounded(allocated->est_bytes),
		rounded(live->est_count), rounded(live->est_bytes),
	};

	protobuf_packed(&w->sub, SAMPLE_VALUE, values, VALUES);
}

static void write_sample(struct writer *w, const struct report_site *site,
			 const struct report_process *p, const struct figure *allocated,
			 const struct figure *live)
{
	uint64_t *locations = calloc((size_t)site->depth + 1, sizeof(*locations));

	if (!locations) {
		w->failed = true;
		return;
	}
	for (uint32_t i = 0; i < site->depth; i++)
		locations[i] = w->location_ids[site->locations[i]];
	protobuf_clear(&w->sub);
	protobuf_packed(&w->sub, SAMPLE_LOCATION, locations, site->depth);
	write_values(w, allocated, live);
	if (p) {
		label_number(w, "pid", p->pid);
		label_string(w, "comm", p->comm);
	}
	label_string(w, "domain", report_kind_domain(site->kind) == DOMAIN_KERNEL ? "kernel" :
										   "user");
	label_string(w, "kind", report_kind_name(site->kind));
	if (site->cache)
		label_string(w, "cache", site->cache);
	protobuf_message(&w->out, PROFILE_SAMPLE, &w->sub);
	w->samples_left--;
	free(locations);
}

/* What there is no room for, in a sample of its own. */
static void write_rest(struct writer *w)
{
	const struct symbol_frame further = { .function = "(further stacks)" };
	const uint64_t id = w->location_count + 1;

	if (!w->rest_live.count && !w->rest_allocated.count)
		return;
	protobuf_clear(&w->sub);
	protobuf_int(&w->sub, LOCATION_ID, id);
	write_line(w, &further);
	protobuf_message(&w->out, PROFILE_LOCATION, &w->sub);
	protobuf_clear(&w->sub);
	protobuf_packed(&w->sub, SAMPLE_LOCATION, &id, 1);
	write_values(w, &w->rest_allocated, &w->rest_live);
	protobuf_message(&w->out, PROFILE_SAMPLE, &w->sub);
}

static void write_site(struct writer *w, const struct report_site *site)
{
	static const struct figure none;
	const struct report_holding *h = site->holdings;
	bool one = site->holding_count && h[0].process == h[site->holding_count - 1].process;

	if (w->samples_left <= site->holding_count) {
		figure_add(&w->rest_allocated, &site->totals.allocated);
		figure_add(&w->rest_live, &site->live);
		return;
	}
	for (uint32_t i = 0; i < site->depth; i++)
		write_location(w, site->locations[i]);
	if (!one && site->totals.allocated.count)
		write_sample(w, site, NULL, &site->totals.allocated, &none);
	for (size_t i = 0, end; i < site->holding_count; i = end) {
		struct figure live = { 0 };

		for (end = i; end < site->holding_count && h[end].process == h[i].process; end++)
			figure_add(&live, &h[end].live);
		write_sample(w, site, report_process(w->r, h[i].process),
			     one ? &site->totals.allocated : &none, &live);
	}
}

/* ---- the profile ---- */

static void write_type(struct writer *w, unsigned int field, const char *type, const char *unit)
{
	protobuf_clear(&w->sub);
	protobuf_int(&w->sub, VALUE_TYPE, string_id(w, type));
	protobuf_int(&w->sub, VALUE_UNIT, string_id(w, unit));
	protobuf_message(&w->out, field, &w->sub);
}

static void write_header(struct writer *w, const char *default_type)
{
	const struct report_session *s = report_session(w->r, 0);

	string_id(w, "");
	write_type(w, PROFILE_SAMPLE_TYPE, "alloc_objects", "count");
	write_type(w, PROFILE_SAMPLE_TYPE, "alloc_space", "bytes");
	write_type(w, PROFILE_SAMPLE_TYPE, "inuse_objects", "count");
	write_type(w, PROFILE_SAMPLE_TYPE, "inuse_space", "bytes");
	protobuf_int(&w->out, PROFILE_DEFAULT_TYPE, string_id(w, default_type));
	write_type(w, PROFILE_PERIOD_TYPE, "space", "bytes");
	protobuf_int(&w->out, PROFILE_PERIOD, s && s->mean > 1 ? rounded(s->mean) : 1);
	if (!s)
		return;
	protobuf_int(&w->out, PROFILE_TIME, s->start_realtime_ns + s->duration_ns);
	protobuf_int(&w->out, PROFILE_DURATION, s->duration_ns);
}

static int encode(struct writer *w, const char *default_type)
{
	char (*build_ids)[2 * SYMBOL_BUILD_ID_MAX + 1] =
		calloc(symbolizer_module_count(w->sym) + 1, sizeof(*build_ids));

	w->limits = calloc(symbolizer_module_count(w->sym) + 1, sizeof(*w->limits));
	w->starts = calloc(symbolizer_module_count(w->sym) + 1, sizeof(*w->starts));
	w->mapping_ids = calloc(symbolizer_module_count(w->sym) + 1, sizeof(*w->mapping_ids));
	w->location_ids = calloc(symbolizer_location_count(w->sym) + 1, sizeof(*w->location_ids));
	if (build_ids && w->limits && w->starts && w->mapping_ids && w->location_ids) {
		write_header(w, default_type);
		number_mappings(w);
		for (size_t i = 0; i < report_site_count(w->r); i++)
			write_site(w, report_site(w->r, i));
		write_rest(w);
		write_mappings(w, build_ids);
		write_functions(w);
		for (size_t i = 0; i < w->string_count; i++)
			protobuf_string(&w->out, PROFILE_STRING, w->strings[i]);
	} else {
		w->failed = true;
	}
	free(build_ids);
	return w->failed || w->out.failed ? -ENOMEM : 0;
}

static int compress_to(FILE *f, const struct protobuf *m)
{
	unsigned char buf[65536];
	z_stream z = { .next_in = m->data, .avail_in = (uInt)m->len };
	int status;

	/* 15 bits of window, + 16: with gzip's header. */
	if (m->len > UINT32_MAX || deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8,
						Z_DEFAULT_STRATEGY) != Z_OK)
		return -ENOMEM;
	do {
		z.next_out = buf;
		z.avail_out = sizeof(buf);
		status = deflate(&z, Z_FINISH);
		fwrite(buf, 1, sizeof(buf) - z.avail_out, f);
	} while (status == Z_OK);
	deflateEnd(&z);
	return status != Z_STREAM_END || ferror(f) ? -EIO : 0;
}

int pprof_write(FILE *f, const struct report *r, const struct pprof_options *o)
{
	struct writer w = {
		.r = r, .sym = report_symbolizer(r),
		.samples_left = o->samples_max ? o->samples_max - 1 : SIZE_MAX,
	};
	int err = encode(&w, o->type == PPROF_ALLOCATED ? "alloc_space" : "inuse_space");

	if (!err)
		err = compress_to(f, &w.out);
	protobuf_free(&w.out);
	protobuf_free(&w.sub);
	protobuf_free(&w.label);
	hash_index_free(&w.string_index);
	hash_index_free(&w.function_index);
	free(w.strings);
	free(w.functions);
	free(w.limits);
	free(w.starts);
	free(w.mapping_ids);
	free(w.location_ids);
	return err;
}
