// SPDX-License-Identifier: MIT
/* symbolize.c - names, source lines and inlined functions of code addresses. */
#define _GNU_SOURCE 1
#include "report/symbolize.h"

#include "common/array.h"
#include "common/hash_index.h"
#include "report/demangle.h"
#include "report/dwarf_lines.h"
#include "report/elf_symbols.h"
#include "report/strpool.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each open module costs two descriptors and its debugging information. */
#define OPEN_MODULES_MAX 64

/* Names of a hostile file may be as long as the file. */
#define NAME_MAX_BYTES 16384u

#define DEBUG_DIR "/usr/lib/debug/.build-id"

struct module {
	struct symbol_module info;
	bool tried;
	struct elf_symbols *symbols;
	struct dwarf_lines *lines;
	uint64_t dwarf_bias;
};

struct location {
	uint64_t addr;
	uint64_t name;		/* hash of the function, of named ones */
	uint64_t stable, text;	/* see symbolizer_*_hash(); set when it is looked up */
	uint32_t module;
	uint32_t first, count;	/* frames; count 0: not looked up yet */
	bool exact, named;
};

struct symbolizer {
	char *sysroot;
	struct strpool *strings;
	struct module *modules;		/* entry 0 unused */
	uint32_t module_count, open_modules;
	struct location *locations;	/* entry 0 unused */
	uint32_t location_count, resolved;
	struct symbol_frame *frames;
	uint32_t frame_count;
	size_t module_room, location_room, frame_room;
	struct hash_index module_index, location_index;
};

struct symbolizer *symbolizer_new(const char *sysroot)
{
	struct symbolizer *sym = calloc(1, sizeof(*sym));

	if (!sym)
		return NULL;
	sym->strings = strpool_new();
	sym->sysroot = strdup(sysroot ? sysroot : "");
	sym->modules = array_grow(NULL, 0, &sym->module_room, sizeof(*sym->modules));
	sym->locations = array_grow(NULL, 0, &sym->location_room, sizeof(*sym->locations));
	if (!sym->strings || !sym->sysroot || !sym->modules || !sym->locations) {
		symbolizer_free(sym);
		return NULL;
	}
	sym->modules[0] = (struct module){ 0 };
	sym->locations[0] = (struct location){ 0 };
	sym->module_count = sym->location_count = sym->resolved = 1;
	return sym;
}

static void close_module(struct symbolizer *sym, struct module *m)
{
	if (!m->symbols)
		return;
	dwarf_lines_free(m->lines);
	elf_symbols_close(m->symbols);
	m->lines = NULL;
	m->symbols = NULL;
	m->tried = false;
	sym->open_modules--;
}

void symbolizer_free(struct symbolizer *sym)
{
	if (!sym)
		return;
	for (uint32_t i = 1; i < sym->module_count; i++)
		close_module(sym, &sym->modules[i]);
	hash_index_free(&sym->module_index);
	hash_index_free(&sym->location_index);
	strpool_free(sym->strings);
	free(sym->modules);
	free(sym->locations);
	free(sym->frames);
	free(sym->sysroot);
	free(sym);
}

const char *symbolizer_sysroot(const struct symbolizer *sym)
{
	return sym->sysroot;
}

const char *symbolizer_string(struct symbolizer *sym, const char *s)
{
	return strpool_add(sym->strings, s);
}

/* ---- modules ---- */

static bool module_equal(const void *owner, uint32_t index, const void *key)
{
	const struct symbolizer *sym = owner;
	const struct symbol_module *a = &sym->modules[index].info, *b = key;

	if (a->build_id_len != b->build_id_len || a->kernel != b->kernel)
		return false;
	if (a->build_id_len)
		return a->name == b->name && !memcmp(a->build_id, b->build_id, a->build_id_len);
	return a->path == b->path && a->release == b->release;
}

static uint32_t add_module(struct symbolizer *sym, const struct symbol_module *info)
{
	uint64_t hash = hash_bytes(info->build_id, info->build_id_len, (uintptr_t)info->name);
	uint32_t id = hash_index_find(&sym->module_index, hash, module_equal, sym, info);
	struct module *modules;

	if (id != HASH_INDEX_NONE)
		return id;
	modules = array_grow(sym->modules, sym->module_count, &sym->module_room, sizeof(*modules));
	if (!modules)
		return 0;
	sym->modules = modules;
	if (hash_index_add(&sym->module_index, hash, sym->module_count))
		return 0;
	sym->modules[sym->module_count] = (struct module){ .info = *info };
	return sym->module_count++;
}

uint32_t symbolizer_module(struct symbolizer *sym, const char *path, const uint8_t *build_id,
			   size_t build_id_len)
{
	const char *slash = strrchr(path, '/');
	struct symbol_module info = {
		.path = strpool_add(sym->strings, path),
		.name = strpool_add(sym->strings, slash && slash[1] ? slash + 1 : path),
		.release = strpool_add(sym->strings, ""),
	};

	if (!info.path || !info.name || !info.release)
		return 0;
	if (build_id_len > SYMBOL_BUILD_ID_MAX)
		build_id_len = 0;
	if (build_id_len)
		memcpy(info.build_id, build_id, build_id_len);
	info.build_id_len = (uint32_t)build_id_len;
	return add_module(sym, &info);
}

uint32_t symbolizer_kernel_module(struct symbolizer *sym, const char *name, const char *release)
{
	struct symbol_module info = {
		.path = strpool_add(sym->strings, name ? name : "kernel"),
		.release = strpool_add(sym->strings, release),
		.kernel = true, .status = SYMBOLS_FOUND,
	};

	info.name = info.path;
	return info.path && info.release ? add_module(sym, &info) : 0;
}

const struct symbol_module *symbolizer_module_info(const struct symbolizer *sym, uint32_t id)
{
	return id && id < sym->module_count ? &sym->modules[id].info : NULL;
}

uint32_t symbolizer_module_count(const struct symbolizer *sym)
{
	return sym->module_count - 1;
}

static int open_debug_file(struct module *m)
{
	char path[sizeof(DEBUG_DIR) + 2 * SYMBOL_BUILD_ID_MAX + 16];
	size_t used = sizeof(DEBUG_DIR) - 1;

	if (m->info.build_id_len < 2)
		return -ENOENT;
	memcpy(path, DEBUG_DIR, sizeof(DEBUG_DIR));
	for (uint32_t i = 0; i < m->info.build_id_len; i++)
		used += (size_t)snprintf(path + used, sizeof(path) - used, "%s%02x%s",
					 i ? "" : "/", m->info.build_id[i], i ? "" : "/");
	snprintf(path + used, sizeof(path) - used, ".debug");
	return elf_symbols_open(path, m->info.build_id, m->info.build_id_len, &m->symbols);
}

static int open_at_path(const struct symbolizer *sym, struct module *m)
{
	char *path;
	int err;

	if (asprintf(&path, "%s%s", sym->sysroot, m->info.path) < 0)
		return -ENOMEM;
	err = elf_symbols_open(path, m->info.build_id, m->info.build_id_len, &m->symbols);
	free(path);
	return err;
}

static void open_module(struct symbolizer *sym, struct module *m)
{
	Dwarf *dw;
	int err;

	m->tried = true;
	if (m->info.kernel)
		return;
	if (m->info.path[0] != '/') {
		m->info.status = SYMBOLS_VIRTUAL;
		return;
	}
	err = open_at_path(sym, m);
	m->info.status = !err ? SYMBOLS_FOUND : err == -ESTALE ? SYMBOLS_MISMATCH :
			 err == -ENOEXEC ? SYMBOLS_BROKEN : SYMBOLS_MISSING;
	if (err) {
		if (open_debug_file(m))
			return;
		m->info.status = SYMBOLS_DEBUG_FILE;
	}
	sym->open_modules++;
	dw = elf_symbols_dwarf(m->symbols, &m->dwarf_bias);
	if (dw)
		m->lines = dwarf_lines_new(dw);
}

/* ---- locations ---- */

static bool location_equal(const void *owner, uint32_t index, const void *key)
{
	const struct symbolizer *sym = owner;
	const struct location *a = &sym->locations[index], *b = key;

	return a->addr == b->addr && a->module == b->module && a->exact == b->exact &&
	       a->named == b->named && a->name == b->name;
}

static uint32_t add_location(struct symbolizer *sym, const struct location *l)
{
	uint64_t hash = hash_mix(l->addr ^ hash_mix(l->module ^ l->name));
	uint32_t id = hash_index_find(&sym->location_index, hash, location_equal, sym, l);
	struct location *locations;

	if (id != HASH_INDEX_NONE)
		return id;
	locations = array_grow(sym->locations, sym->location_count, &sym->location_room,
			       sizeof(*locations));
	if (!locations)
		return 0;
	sym->locations = locations;
	if (hash_index_add(&sym->location_index, hash, sym->location_count))
		return 0;
	sym->locations[sym->location_count] = *l;
	return sym->location_count++;
}

uint32_t symbolizer_address(struct symbolizer *sym, uint32_t module, uint64_t addr, bool exact)
{
	struct location l = { .addr = addr, .module = module, .exact = exact };

	return add_location(sym, &l);
}

static int add_frame(struct symbolizer *sym, struct location *l, const struct symbol_frame *f)
{
	struct symbol_frame *frames = array_grow(sym->frames, sym->frame_count,
						 &sym->frame_room, sizeof(*frames));

	if (!frames)
		return -ENOMEM;
	sym->frames = frames;
	if (!l->count)
		l->first = sym->frame_count;
	sym->frames[sym->frame_count++] = *f;
	l->count++;
	return 0;
}

uint32_t symbolizer_named(struct symbolizer *sym, uint32_t module, const char *function,
			  uint64_t offset, uint64_t addr, const char *file, uint32_t line)
{
	const struct symbol_module *info = symbolizer_module_info(sym, module);
	struct symbol_frame f = {
		.function = strpool_add(sym->strings, function), .module = info ? info->name : "",
		.file = file ? strpool_add(sym->strings, file) : NULL, .line = line,
		.module_id = module, .flags = info && info->kernel ? FRAME_KERNEL : 0,
		.offset = offset, .address = addr,
	};
	/* The kernel moves at each boot: a location is a function and an offset in it. */
	struct location l = {
		.addr = offset, .module = module, .named = true,
		.name = hash_bytes(function, strlen(function), 0),
	};
	uint32_t id = f.function ? add_location(sym, &l) : 0;

	if (id && !sym->locations[id].count && add_frame(sym, &sym->locations[id], &f))
		return 0;
	return id;
}

/* ---- look-up ---- */

/* The symbol table's name without a version ("memcpy@@GLIBC_2.14"), readable. */
static const char *readable(struct symbolizer *sym, const char *name)
{
	const char *at = memchr(name, '@', strnlen(name, NAME_MAX_BYTES));
	char *demangled = demangle(name);
	const char *kept;

	if (demangled)
		kept = strpool_add(sym->strings, demangled);
	else
		kept = strpool_add_n(sym->strings, name, at && at > name ? (size_t)(at - name) :
				     strnlen(name, NAME_MAX_BYTES));
	free(demangled);
	return kept;
}

static int add_unknown(struct symbolizer *sym, struct location *l)
{
	const struct symbol_module *info = symbolizer_module_info(sym, l->module);
	struct symbol_frame f = {
		.module = info ? info->name : "", .module_id = l->module, .offset = l->addr,
		.address = l->addr, .flags = info && info->kernel ? FRAME_KERNEL : 0,
	};

	return add_frame(sym, l, &f);
}

static int add_call(struct symbolizer *sym, struct location *l, const struct dwarf_call *call,
		    const char *name, uint64_t start)
{
	struct symbol_frame f = {
		.function = name ? readable(sym, name) : NULL,
		.module = sym->modules[l->module].info.name, .module_id = l->module,
		.address = l->addr, .offset = l->addr - (name ? start : 0),
	};

	if (call && call->file) {
		f.file = strpool_add_n(sym->strings, call->file, NAME_MAX_BYTES);
		f.line = call->line;
	}
	if (call && call->inlined) {
		f.flags |= FRAME_INLINED;
		f.offset = 0;
	}
	return add_frame(sym, l, &f);
}

/* The function that really is there is named by the symbol table, inlined ones by DWARF. */
static int add_calls(struct symbolizer *sym, struct location *l, const struct dwarf_call *calls,
		     size_t n, const char *name, uint64_t start)
{
	const struct module *m = &sym->modules[l->module];
	int err = 0;

	for (size_t i = 0; i < n && !err; i++) {
		const struct dwarf_call *c = &calls[i];

		if (c->inlined || !name)
			err = add_call(sym, l, c, c->function, c->start + m->dwarf_bias);
		else
			err = add_call(sym, l, c, name, start);
	}
	/* A chain that holds nothing but inlined functions still needs its end. */
	if (!err && (!n || calls[n - 1].inlined))
		err = add_call(sym, l, NULL, name, start);
	return err;
}

static int look_up(struct symbolizer *sym, struct location *l)
{
	struct module *m = &sym->modules[l->module];
	uint64_t pc = l->exact || !l->addr ? l->addr : l->addr - 1, start = 0;
	struct dwarf_call calls[DWARF_CALLS_MAX];
	const char *name;
	size_t n = 0;

	m->info.locations++;
	if (!m->tried)
		open_module(sym, m);
	if (!m->symbols)
		return add_unknown(sym, l);
	name = elf_symbols_find(m->symbols, pc, &start);
	if (m->lines)
		n = dwarf_lines_find(m->lines, pc - m->dwarf_bias, calls);
	if (elf_symbols_changed(m->symbols)) {
		/* by whom it may be: what has just been read is no more to be believed */
		close_module(sym, m);
		m->tried = true;
		m->info.status = SYMBOLS_MISMATCH;
		return add_unknown(sym, l);
	}
	return add_calls(sym, l, calls, n, name, start);
}

/*
 * Compilers split and clone functions; the parts are one function to a fingerprint.
 * Demangled, the suffixes stand in brackets: "f() [clone .cold]".
 */
static size_t stable_length(const char *function)
{
	static const char *const suffixes[] = {
		".cold", ".part.", ".isra.", ".constprop.", ".lto_priv.", ".llvm."
	};
	static const char clone[] = " [clone ";
	size_t len = strlen(function), open = sizeof(clone) - 1;

	for (size_t i = 0; i < sizeof(suffixes) / sizeof(*suffixes); i++) {
		const char *at = strstr(function, suffixes[i]);

		if (at && at > function && (size_t)(at - function) < len)
			len = (size_t)(at - function);
	}
	return len > open && !memcmp(function + len - open, clone, open) ? len - open : len;
}

/*
 * Module and function, not address, line or inlining. A Rust hash ("::h" and 16
 * digits) is gone after demangling. What has no name has only its offset.
 */
static void set_stable_hash(struct symbolizer *sym, struct location *l)
{
	const struct symbol_frame *f = &sym->frames[l->first + l->count - 1];
	uint64_t hash = hash_bytes(f->module, strlen(f->module), 0);

	if (f->function)
		hash = hash_bytes(f->function, stable_length(f->function), hash);
	else
		hash = hash_mix(hash ^ (l->module ? f->address : 0));
	l->stable = hash;
}

static uint64_t hash_string(const char *s, uint64_t seed)
{
	return s ? hash_bytes(s, strlen(s), seed) : hash_mix(seed);
}

static void set_text_hash(struct symbolizer *sym, struct location *l)
{
	uint64_t hash = l->count;

	for (uint32_t i = 0; i < l->count; i++) {
		const struct symbol_frame *f = &sym->frames[l->first + i];

		hash = hash_string(f->file, hash_string(f->function, hash_string(f->module, hash)));
		/* Two calls on one line are one to a reader; without lines, offsets tell. */
		hash = hash_mix(hash ^ (f->line ? f->line : f->offset << 1));
	}
	l->text = hash;
}

static int compare_pending(const void *a, const void *b, void *arg)
{
	const struct symbolizer *sym = arg;
	const struct location *x = &sym->locations[*(const uint32_t *)a];
	const struct location *y = &sym->locations[*(const uint32_t *)b];

	if (x->module != y->module)
		return x->module < y->module ? -1 : 1;
	return (x->addr > y->addr) - (x->addr < y->addr);
}

static int resolve_one(struct symbolizer *sym, struct location *l)
{
	int err = 0;

	if (!l->count)
		err = l->module && !sym->modules[l->module].info.kernel ? look_up(sym, l) :
									  add_unknown(sym, l);
	if (!err) {
		set_stable_hash(sym, l);
		set_text_hash(sym, l);
	}
	return err;
}

/* In the order of modules and addresses, which is kind to caches and to open files. */
int symbolizer_resolve(struct symbolizer *sym, symbol_progress_fn *progress, void *arg)
{
	uint32_t total = sym->location_count - sym->resolved, last = 0;
	uint32_t *pending = malloc((total + 1) * sizeof(*pending));
	int err = pending ? 0 : -ENOMEM;

	for (uint32_t i = 0; i < total && !err; i++)
		pending[i] = sym->resolved + i;
	if (!err)
		qsort_r(pending, total, sizeof(*pending), compare_pending, sym);
	for (uint32_t i = 0; i < total && !err; i++) {
		struct location *l = &sym->locations[pending[i]];

		if (l->module != last && sym->open_modules >= OPEN_MODULES_MAX)
			close_module(sym, &sym->modules[last]);
		last = l->module;
		err = resolve_one(sym, l);
		if (progress && i % 64 == 0)
			progress(arg, i, total);
	}
	if (!err)
		sym->resolved = sym->location_count;
	free(pending);
	return err;
}

const struct symbol_frame *symbolizer_frames(const struct symbolizer *sym, uint32_t location,
					     size_t *count)
{
	const struct location *l = &sym->locations[location < sym->resolved ? location : 0];

	*count = l->count;
	return l->count ? &sym->frames[l->first] : NULL;
}

uint64_t symbolizer_stable_hash(const struct symbolizer *sym, uint32_t location)
{
	return location < sym->resolved ? sym->locations[location].stable : 0;
}

uint64_t symbolizer_text_hash(const struct symbolizer *sym, uint32_t location)
{
	return location < sym->resolved ? sym->locations[location].text : 0;
}

uint32_t symbolizer_location_count(const struct symbolizer *sym)
{
	return sym->location_count - 1;
}

uint32_t symbolizer_location_module(const struct symbolizer *sym, uint32_t location)
{
	return location < sym->location_count ? sym->locations[location].module : 0;
}
