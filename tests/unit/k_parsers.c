// SPDX-License-Identifier: MIT
/* kagent's parsers, on recorded samples and on what they must refuse. */
#include "kagent/cachenames.h"
#include "kagent/import.h"
#include "kagent/ksyms.h"
#include "kagent/slabinfo.h"
#include "kagent/slabs_growth.h"

#include "common/io.h"
#include "common/session_reader.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define DATA "tests/data/kagent/"

static char dir[] = "/tmp/k_parsers-XXXXXX";

static char *in_dir(const char *name)
{
	static char path[256];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static char *put(const char *name, const char *text)
{
	char *path = in_dir(name);
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path;
}

/* Not inlined: gcc 12 then takes what it returns for a pointer to its local. */
static __attribute__((noinline)) char *sample(const char *name)
{
	char path[256], *text;
	size_t len;

	snprintf(path, sizeof(path), DATA "%s", name);
	assert_int_equal(io_read_file(path, 1 << 20, &text, &len), 0);
	return text;
}

/* ---- slabinfo ---- */

static void slabinfo_sample(void **state)
{
	struct slab_table t;
	const struct slab_row *r;

	(void)state;
	assert_int_equal(slab_table_read(DATA "slabinfo-6.1", &t), 0);
	assert_true(t.count > 25);
	r = slab_table_find(&t, "leaky items: a");
	assert_non_null(r);
	assert_int_equal(r->active, 51);
	assert_int_equal(r->total, 51);
	assert_int_equal(r->object_size, 80);
	assert_int_equal(r->objects_per_slab, 51);
	assert_int_equal(r->pages_per_slab, 1);
	assert_int_equal(r->slabs, 1);
	assert_int_equal(r->active_slabs, 1);
	assert_int_equal(slab_row_waste(r), slab_row_bytes(r) - 51 * 80);
	assert_null(slab_table_find(&t, "leaky"));
	slab_table_free(&t);
}

static void slabinfo_refuses(void **state)
{
	static const char *const bad[] = {
		"", "hello\n", "slabinfo - version: 1.1\n",
		"slabinfo - version: 2.1\nx 1 2 3\n",
		"slabinfo - version: 2.1\nx 1 2 3 4 5 : tunables 0 0 0\n",
		"slabinfo - version: 2.1\n1 2 3 4 5 : tunables 0 0 0 : slabdata 1 1 0\n",
		"slabinfo - version: 2.1\nx 1 2 3 4 5 : tunables 0 0 0 : slabdata zzz\n",
	};
	struct slab_table t;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++)
		assert_true(slab_table_read(put("slabinfo", bad[i]), &t) < 0);
	assert_int_equal(slab_table_read("/nonexistent", &t), -ENOENT);
}

static void slabinfo_odd_names(void **state)
{
	struct slab_table t;

	(void)state;
	assert_int_equal(slab_table_read(put("slabinfo", "slabinfo - version: 2.1\n"
							 "a : tunables b : slabdata c 7 8 64 64 1 "
							 ": tunables 0 0 0 : slabdata 1 2 0\n"),
					 &t),
			 0);
	assert_string_equal(t.rows[0].name, "a : tunables b : slabdata c");
	assert_int_equal(t.rows[0].active, 7);
	assert_int_equal(t.rows[0].slabs, 2);
	slab_table_free(&t);
}

static void steady_growth(void **state)
{
	const uint64_t rising[] = { 10, 20, 20, 30, 40, 55 }, saw[] = { 10, 40, 10, 40, 10, 41 };
	const uint64_t once[] = { 10, 50, 50, 50, 50, 50 }, falling[] = { 9, 8, 7, 6, 5, 4 };

	(void)state;
	assert_true(slabs_is_steady(rising, 6));
	assert_false(slabs_is_steady(saw, 6));
	assert_false(slabs_is_steady(once, 6));
	assert_false(slabs_is_steady(falling, 6));
	assert_false(slabs_is_steady(rising, 3));
}

/* ---- cache names ---- */

static void make_sysfs(void)
{
	static const char *const links[][2] = {
		{ "kmalloc-4k", ":0004096" }, { "kmalloc-cg-4k", ":0004097" },
		{ "signal_cache", ":0001152" }, { "UNIX", ":0001152" }, { "pid", ":0000128" },
	};
	char path[512];

	for (size_t i = 0; i < sizeof(links) / sizeof(*links); i++) {
		snprintf(path, sizeof(path), "%s", in_dir(links[i][0]));
		assert_int_equal(symlink(links[i][1], path), 0);
	}
}

static void cache_patterns(void **state)
{
	struct cache_names *n;

	(void)state;
	make_sysfs();
	assert_int_equal(cache_names_load(dir, &n), 0);
	assert_string_equal(cache_names_aliases(n, "signal_cache"), "UNIX");
	assert_string_equal(cache_names_aliases(n, "pid"), "");
	assert_string_equal(cache_names_aliases(n, "nothing"), "");
	/* an exact name selects that cache */
	assert_true(cache_names_match(n, "kmalloc-4k", "kmalloc-4k", 4096));
	assert_false(cache_names_match(n, "kmalloc-4k", "kmalloc-cg-4k", 4096));
	/* a name of old the family */
	assert_true(cache_names_match(n, "kmalloc-4096", "kmalloc-4k", 4096));
	assert_true(cache_names_match(n, "kmalloc-4096", "kmalloc-cg-4k", 4096));
	assert_true(cache_names_match(n, "kmalloc-4096", "kmalloc-rnd-07-4k", 4096));
	assert_true(cache_names_match(n, "kmalloc-4096", "msg_msg-4k", 4096));
	assert_false(cache_names_match(n, "kmalloc-4096", "kmalloc-2k", 2048));
	assert_false(cache_names_match(n, "kmalloc-64", "biovec-64", 1024));
	assert_true(cache_names_match(n, "kmalloc-64", "kmalloc-rcl-64", 64));
	/* globs and aliases */
	assert_true(cache_names_match(n, "kmalloc-*", "kmalloc-cg-4k", 4096));
	assert_true(cache_names_match(n, "UNIX", "signal_cache", 1152));
	assert_true(cache_names_match(n, "UN*", "signal_cache", 1152));
	assert_false(cache_names_match(n, "UNIX", "pid", 128));
	cache_names_free(n);
	assert_int_equal(cache_names_load("/nonexistent", &n), 0);
	assert_true(cache_names_match(n, "pid", "pid", 128));
	cache_names_free(n);
}

static void size_classes(void **state)
{
	(void)state;
	assert_int_equal(cache_size_class("4k"), 4096);
	assert_int_equal(cache_size_class("4096"), 4096);
	assert_int_equal(cache_size_class("2M"), 2 << 20);
	assert_int_equal(cache_size_class("96"), 96);
	assert_int_equal(cache_size_class("max"), 0);
	assert_int_equal(cache_size_class("4kx"), 0);
	assert_int_equal(cache_size_class(""), 0);
	assert_int_equal(cache_size_class("99999999999999999999k"), 0);
}

/* ---- kallsyms ---- */

static void kallsyms_sample(void **state)
{
	struct ksyms *k;
	struct ksym s;

	(void)state;
	assert_int_equal(ksyms_load(DATA "kallsyms-6.1", NULL, &k), 0);
	assert_int_equal(ksyms_find(k, 0xffffffffc0588050, &s), 0);
	assert_string_equal(s.name, "leak_pages");
	assert_string_equal(s.module, "leaky");
	assert_int_equal(0xffffffffc0588050 - s.start, 0x1e);
	assert_int_equal(ksyms_find(k, 0xffffffffae4aaa0f, &s), 0);
	assert_string_equal(s.name, "user_preparse");
	assert_string_equal(s.module, "");
	/* data isn't code */
	assert_int_equal(ksyms_find(k, 0xffffffffaf398478, &s), 0);
	assert_string_equal(s.name, "user_preparse");
	assert_int_equal(ksyms_find(k, 0x1000, &s), -ENOENT);
	ksyms_free(k);
}

static void kallsyms_refuses(void **state)
{
	struct ksyms *k;

	(void)state;
	assert_int_equal(
		ksyms_load(put("k", "0000000000000000 T a\n0000000000000000 t b\t[m]\n"), NULL, &k),
		-EPERM);
	assert_int_equal(ksyms_load(put("k", "no symbols here\n"), NULL, &k), -EINVAL);
	assert_int_equal(ksyms_load(put("k", ""), NULL, &k), -EINVAL);
	assert_int_equal(
		ksyms_load(put("k", "ffffffff81000000 T x\t[never ends\nzz\nffffffff81000010 T\n"),
			   NULL, &k),
		0);
	ksyms_free(k);
}

/* What a module's initialization left behind isn't the last function of the module. */
static void kallsyms_ends_of_modules(void **state)
{
	struct ksyms *k;
	struct ksym s;

	(void)state;
	assert_int_equal(ksyms_load(DATA "kallsyms-6.1",
				    put("modules",
					"leaky 16384 0 - Live 0xffffffffc0588000 (OE)\nodd line\n"),
				    &k),
			 0);
	assert_int_equal(ksyms_find(k, 0xffffffffc0588050, &s), 0);
	assert_string_equal(s.name, "leak_pages");
	assert_int_equal(ksyms_find(k, 0xffffffffc058d038, &s), -ENOENT);
	ksyms_free(k);
}

/* ---- imports ---- */

struct found {
	struct session *s;
	uint64_t count, bytes;
	char top[64]; /* function and module of the innermost frame of the last one */
	uint64_t oldest_ns;
	uint32_t depth;
};

static int take(void *arg, const struct session_krecord *r)
{
	struct found *f = arg;
	uint32_t depth;
	const uint64_t *frames = session_frames(f->s, session_stack(f->s, r->stack), &depth);
	const struct session_ksym *k = depth ? session_find_ksym(f->s, frames[0]) : NULL;
	uint64_t age = session_header(f->s)->clock.ns1 - r->tick;

	if (k)
		snprintf(f->top, sizeof(f->top), "%s [%s]", session_string(f->s, k->name),
			 session_string(f->s, k->module));
	f->count++;
	f->bytes += r->size;
	f->depth = depth;
	if (age > f->oldest_ns)
		f->oldest_ns = age;
	return 0;
}

static int take_totals(void *arg, const struct session_site *site)
{
	struct found *f = arg;
	struct session_krecord r = { .stack = site->stack };

	take(arg, &r);
	f->count += site->alloc_count - 1;
	f->bytes += site->alloc_bytes;
	return 0;
}

static struct found read_back(void)
{
	struct found f = { .count = 0 };

	assert_int_equal(session_open(in_dir("s.leak"), &f.s), 0);
	if (session_header(f.s)->features & SESSION_F_TOTALS)
		assert_int_equal(session_each_site(f.s, take_totals, &f), 0);
	else
		assert_int_equal(session_each_krecord(f.s, take, &f), 0);
	session_close(f.s);
	return f;
}

static struct found finish(struct import *im)
{
	assert_int_equal(import_finish(im), 0);
	return read_back();
}

static struct import *begin(void)
{
	struct import *im;

	assert_int_equal(import_new(in_dir("s.leak"), &im), 0);
	return im;
}

static void kmemleak_sample(void **state)
{
	struct import *im = begin();
	char *text = sample("kmemleak");
	struct found f;

	(void)state;
	assert_int_equal(import_kmemleak(im, text), 0);
	f = finish(im);
	free(text);
	assert_int_equal(f.count, 3);
	assert_int_equal(f.bytes, 4096 + 72 + 16);
	assert_string_equal(f.top, "pcpu_alloc_noprof []");
	assert_int_equal(f.depth, 2);
	assert_in_range(f.oldest_ns, 21499000000ull, 21501000000ull);
}

static void allocinfo_sample(void **state)
{
	struct import *im = begin();
	char *text = sample("allocinfo");
	struct found f;

	(void)state;
	assert_int_equal(import_allocinfo(im, text), 0);
	f = finish(im);
	free(text);
	assert_int_equal(f.count, 66 + 248 + 50);
	assert_int_equal(f.bytes, 270336 + 1015808 + 3600);
	assert_string_equal(f.top, "leak_items [leaky]");
}

static void slub_traces_sample(void **state)
{
	struct import *im = begin();
	char *text = sample("alloc_traces-6.1"), *cut = strstr(text, "\n\n");
	struct found f;

	(void)state;
	assert_non_null(cut);
	cut[1] = 0;	/* the first group alone: the module's */
	assert_int_equal(import_slub_traces(im, text, "kmalloc-4k", 4096, 250), 0);
	f = finish(im);
	free(text);
	assert_int_equal(f.count, 100);
	assert_int_equal(f.bytes, 409600);
	assert_string_equal(f.top, "leak_pages [leaky]");
	assert_int_equal(f.depth, 7);
	assert_in_range(f.oldest_ns, 11000000, 13000000);	/* 3 jiffies */
}

static void slub_traces_whole(void **state)
{
	struct import *im = begin();
	char *text = sample("alloc_traces-6.1");

	(void)state;
	assert_int_equal(import_slub_traces(im, text, "kmalloc-4k", 4096, 250), 0);
	assert_true(finish(im).count > 100);
	free(text);
}

/* More objects than are listed: all are in the totals, also those that came before. */
static void too_many_objects(void **state)
{
	struct import *im = begin();
	char text[] = "     10 a+0x1/0x2 age=1 pid=1\n2000000 b+0x1/0x2 age=1 pid=1\n"
		      "     20 c+0x1/0x2 age=1 pid=1\n";
	struct found f;

	(void)state;
	assert_int_equal(import_slub_traces(im, text, "filp", 256, 250), 0);
	f = finish(im);
	assert_int_equal(f.count, 2000030);
	assert_int_equal(f.bytes, 2000030 * 256);
}

static void imports_refuse(void **state)
{
	static const char *const bad[] = { "what is this\n", "unreferenced object zzz\n", "12\n",
					   "<html>\n" };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		char text[64];
		struct import *im = begin();

		strcpy(text, bad[i]);
		assert_int_equal(import_kmemleak(im, text), -EINVAL);
		strcpy(text, bad[i]);
		assert_int_equal(import_allocinfo(im, text), -EINVAL);
		strcpy(text, bad[i]);
		assert_int_equal(import_slub_traces(im, text, "c", 8, 250), -EINVAL);
		import_abort(im);
	}
}

/* Every cut of a sample is taken or refused, never worse. */
static void imports_cut_short(void **state)
{
	static const char *const names[] = { "kmemleak", "allocinfo", "alloc_traces-6.1" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char *whole = sample(names[i]);
		size_t len = strlen(whole);

		for (size_t n = 0; n < len; n += 7) {
			struct import *im = begin();
			char *text = strndup(whole, n);

			assert_non_null(text);
			if (i == 0)
				import_kmemleak(im, text);
			else if (i == 1)
				import_allocinfo(im, text);
			else
				import_slub_traces(im, text, "c", 8, 250);
			import_abort(im);
			free(text);
		}
		free(whole);
	}
}

static void symbols_of_traces(void **state)
{
	struct import_frame f;

	(void)state;
	assert_int_equal(import_parse_symbol("leak_one+0x24/0x60 [leaky]", &f), 0);
	assert_string_equal(f.name, "leak_one");
	assert_string_equal(f.module, "leaky");
	assert_int_equal(f.offset, 0x24);
	assert_int_equal(import_parse_symbol("0xffffffffc058d038", &f), 0);
	assert_string_equal(f.name, "0xffffffffc058d038");
	assert_int_equal(import_parse_symbol("", &f), -EINVAL);
	assert_int_equal(import_parse_symbol("+0x10/0x20", &f), -EINVAL);
}

static int remove_dir(void **state)
{
	char command[64];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf '%s'", dir);
	return system(command);
}

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) ? 0 : -1;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(slabinfo_sample), cmocka_unit_test(slabinfo_refuses),
		cmocka_unit_test(slabinfo_odd_names), cmocka_unit_test(steady_growth),
		cmocka_unit_test(cache_patterns), cmocka_unit_test(size_classes),
		cmocka_unit_test(kallsyms_sample), cmocka_unit_test(kallsyms_refuses),
		cmocka_unit_test(kallsyms_ends_of_modules),
		cmocka_unit_test(kmemleak_sample), cmocka_unit_test(allocinfo_sample),
		cmocka_unit_test(slub_traces_sample), cmocka_unit_test(slub_traces_whole),
		cmocka_unit_test(too_many_objects),
		cmocka_unit_test(imports_refuse), cmocka_unit_test(imports_cut_short),
		cmocka_unit_test(symbols_of_traces),
	};

	return cmocka_run_group_tests_name("kagent's parsers", tests, make_dir, remove_dir);
}
