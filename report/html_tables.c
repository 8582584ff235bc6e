// SPDX-License-Identifier: MIT
/* html_tables.c - what the sites of a report share, each written once. */
#include "report/html_tables.h"

#include "common/array.h"
#include "common/hash_index.h"
#include "report/html_json.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* Strings by index. The offset tells addresses apart only where there is no function. */
struct html_frame {
	uint32_t function, module, file;
	uint32_t line, flags, reserved;
	uint64_t offset;
};

struct html_node {
	uint32_t parent;	/* the caller's node; 0: outermost */
	uint32_t frame;
};

/* Entries of one size that are found by content. */
struct table {
	char *entries;
	size_t count, room;
	struct hash_index index;
};

struct html_tables {
	const struct symbolizer *sym;
	struct table strings, frames, nodes;	/* const char *, html_frame, html_node */
	bool failed;
};

static bool same_string(const void *owner, uint32_t index, const void *key)
{
	const struct table *t = owner;

	return !strcmp(((const char *const *)(const void *)t->entries)[index],
		       *(const char *const *)key);
}

static bool same_frame(const void *owner, uint32_t index, const void *key)
{
	const struct table *t = owner;
	const struct html_frame *f = (const struct html_frame *)(const void *)t->entries + index;

	return !memcmp(f, key, sizeof(*f));
}

static bool same_node(const void *owner, uint32_t index, const void *key)
{
	const struct table *t = owner;
	const struct html_node *n = (const struct html_node *)(const void *)t->entries + index;

	return !memcmp(n, key, sizeof(*n));
}

static uint32_t intern(struct html_tables *tables, struct table *t, const void *key, size_t size,
		       uint64_t hash, hash_index_equal *equal)
{
	uint32_t found = hash_index_find(&t->index, hash, equal, t, key);
	char *entries;

	if (found != HASH_INDEX_NONE)
		return found;
	entries = t->count < HASH_INDEX_NONE ? array_grow(t->entries, t->count, &t->room, size) :
					       NULL;
	if (entries)
		t->entries = entries;
	if (!entries || hash_index_add(&t->index, hash, (uint32_t)t->count)) {
		tables->failed = true;
		return 0;
	}
	memcpy(entries + t->count * size, key, size);
	return (uint32_t)t->count++;
}

uint32_t html_tables_string(struct html_tables *t, const char *s)
{
	if (!s)
		s = "";
	return intern(t, &t->strings, &s, sizeof(s), hash_bytes(s, strlen(s), 0), same_string);
}

static uint32_t add_frame(struct html_tables *t, const struct symbol_frame *s)
{
	struct html_frame f = {
		.function = html_tables_string(t, s->function),
		.module = html_tables_string(t, s->module),
		.file = html_tables_string(t, s->file),
		.line = s->line, .flags = s->flags, .offset = s->function ? 0 : s->offset,
	};

	return intern(t, &t->frames, &f, sizeof(f), hash_bytes(&f, sizeof(f), 0), same_frame);
}

static uint32_t add_node(struct html_tables *t, uint32_t parent, uint32_t frame)
{
	struct html_node n = { parent, frame };

	return intern(t, &t->nodes, &n, sizeof(n), hash_bytes(&n, sizeof(n), 0), same_node);
}

uint32_t html_tables_stack(struct html_tables *t, const struct report_site *site)
{
	uint32_t node = 0;

	for (uint32_t i = site->depth; i-- > 0;) {
		size_t count;
		const struct symbol_frame *s = symbolizer_frames(t->sym, site->locations[i],
								 &count);

		while (count-- > 0)
			node = add_node(t, node, add_frame(t, &s[count]));
	}
	return node;
}

struct html_tables *html_tables_new(const struct symbolizer *sym)
{
	struct html_tables *t = calloc(1, sizeof(*t));

	if (!t)
		return NULL;
	t->sym = sym;
	html_tables_string(t, "");
	add_node(t, UINT32_MAX, 0);	/* "none": no stack can be equal */
	if (t->failed) {
		html_tables_free(t);
		return NULL;
	}
	return t;
}

static void free_table(struct table *t)
{
	hash_index_free(&t->index);
	free(t->entries);
}

void html_tables_free(struct html_tables *t)
{
	if (!t)
		return;
	free_table(&t->strings);
	free_table(&t->frames);
	free_table(&t->nodes);
	free(t);
}

bool html_tables_failed(const struct html_tables *t)
{
	return t->failed;
}

/* ---- writing ---- */

static void write_nodes(FILE *out, const struct table *t)
{
	const struct html_node *n = (const struct html_node *)(const void *)t->entries;

	fputs("\"nodes\":[0,0", out);
	for (size_t i = 1; i < t->count; i++)
		fprintf(out, ",%u,%u", n[i].parent, n[i].frame);
	fputc(']', out);
}

static void write_frame(FILE *out, const struct html_frame *f)
{
	fprintf(out, "[%u,%u", f->function, f->module);
	if (f->file || f->flags || f->offset)
		fprintf(out, ",%u,%u,%u", f->flags, f->file, f->line);
	if (f->offset)
		fprintf(out, ",\"%" PRIx64 "\"", f->offset);
	fputc(']', out);
}

void html_tables_write(FILE *out, const struct html_tables *t)
{
	const struct html_frame *frames = (const struct html_frame *)(const void *)t->frames.entries;
	const char *const *strings = (const char *const *)(const void *)t->strings.entries;
	bool more = false;

	write_nodes(out, &t->nodes);
	fputs(",\n\"frames\":[", out);
	for (size_t i = 0; i < t->frames.count; i++) {
		html_json_comma(out, &more);
		write_frame(out, &frames[i]);
	}
	fputs("],\n\"strings\":[", out);
	more = false;
	for (size_t i = 0; i < t->strings.count; i++) {
		html_json_comma(out, &more);
		html_json_string(out, strings[i]);
	}
	fputc(']', out);
}
