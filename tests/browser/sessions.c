// SPDX-License-Identifier: MIT
/*
 * sessions.c - sessions for the tests of the HTML report.
 *
 *	sessions many FILE SITES BLOCKS	a kernel session: so many sites, which hold so
 *					many objects, with a timeline
 *	sessions hostile FILE		names that try to be markup, or to mislead
 *	sessions process FILE		a process with an unknown module and a timeline
 */
#include "common/session_writer.h"
#include "tests/support/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SECOND 1000000000ull
#define KERNEL_TEXT 0xffffffff81000000ull
#define DEPTH 16u
#define TIMES 60u
#define TIMED_SITES 500u

static uint64_t seed = 42;

/* xorshift64*: the same sessions at each run. */
static uint32_t below(uint32_t n)
{
	seed ^= seed >> 12;
	seed ^= seed << 25;
	seed ^= seed >> 27;
	return (uint32_t)((seed * 2685821657736338717ull) >> 33) % n;
}

static void identify(struct session_writer *w, const char *host, const char *command)
{
	struct session_header *h = session_writer_header(w);

	h->pid = 99;
	h->start_ticks = 5;
	h->depth = 64;
	h->host = session_writer_string(w, host);
	h->cmdline = session_writer_string(w, command);
	h->comm = session_writer_string(w, "kagent");
	h->exe = session_writer_string(w, "/usr/bin/kagent");
	h->boot_id = session_writer_string(w, "00000000-0000-4000-8000-000000000000");
	h->kernel = session_writer_string(w, "6.1.0");
	h->clock = (struct session_clock){
		.tick0 = SECOND, .ns0 = SECOND, .tick1 = 2 * SECOND, .ns1 = 2 * SECOND,
		.realtime_ns0 = 1700000000ull * SECOND,
	};
	h->end_tick = SECOND + 3600 * SECOND;
}

static void symbol(struct session_writer *w, uint64_t addr, const char *name, const char *file)
{
	struct session_ksym k = {
		.addr = addr, .offset = 0x1d, .name = session_writer_string(w, name),
		.file = session_writer_string(w, file), .line = file ? 100 + (uint32_t)(addr % 900) : 0,
	};

	session_writer_ksym(w, &k);
}

static uint32_t cache(struct session_writer *w, const char *name, uint32_t size)
{
	struct session_cache c = {
		.name = session_writer_string(w, name), .object_size = size, .slab_size = size,
		.active_start = 100, .active_end = 1100, .tracked_end = 900, .allocs = 5000,
		.frees = 4000,
	};

	return session_writer_cache(w, &c);
}

static uint32_t task(struct session_writer *w, uint32_t pid, const char *comm)
{
	struct session_task t = { .pid = pid, .tid = pid, .start_ns = pid * SECOND };

	strncpy(t.comm, comm, sizeof(t.comm));
	return session_writer_task(w, &t);
}

static void object(struct session_writer *w, uint32_t number, uint32_t stack, uint32_t cache_id,
		   uint32_t task_id, uint64_t size)
{
	struct session_krecord r = {
		.addr = 0xffff888000000000ull + 4096ull * number, .size = size, .stack = stack,
		.tick = (3600ull << below(12) >> 11) * SECOND - SECOND / 2, .cache = cache_id,
		.task = task_id, .verdict = VERDICT_LIVE,
	};

	r.tick = 3600 * SECOND - (r.tick < 3600 * SECOND ? r.tick : 3599 * SECOND);
	session_writer_krecord(w, &r);
}

/* ---- many ---- */

static const char *const callers[] = {
	"do_syscall_64", "__x64_sys_openat", "do_sys_openat2", "do_filp_open", "path_openat",
	"vfs_open", "ext4_file_open", "sock_alloc_inode", "inet_create", "tcp_v4_connect",
};

/* The innermost two frames are the site's own, the next ones shared by ever more sites. */
static uint32_t many_stack(struct session_writer *w, uint32_t site)
{
	uint64_t frames[DEPTH];

	for (uint32_t i = 0; i < DEPTH; i++)
		frames[i] = KERNEL_TEXT + 0x100ull * (i < 2 ? 1000 + 2 * site + i :
			i < 10 ? 10 + (site / (1u << i)) % 900 : DEPTH - 1 - i + site % 3);
	return session_writer_stack(w, frames, DEPTH, 0, 0);
}

static void many_symbols(struct session_writer *w, uint32_t sites)
{
	char name[80], file[80];

	for (uint32_t i = 0; i < 1000 + 2 * sites; i++) {
		if (i < 10)
			snprintf(name, sizeof(name), "%s", callers[i]);
		else if (i < 1000)
			snprintf(name, sizeof(name), "subsystem_%u_dispatch_request", i);
		else
			snprintf(name, sizeof(name), "driver_%u_%s_buffer", (i - 1000) / 2,
				 i % 2 ? "queue" : "alloc");
		snprintf(file, sizeof(file), "drivers/net/driver_%u/main.c", i / 50);
		symbol(w, KERNEL_TEXT + 0x100ull * i, name, file);
	}
}

static void many_totals(struct session_writer *w, uint32_t stack, uint32_t blocks)
{
	struct session_site s = {
		.stack = stack, .alloc_count = 3 * blocks, .alloc_bytes = 900 * blocks,
		.free_count = 2 * blocks, .free_bytes = 600 * blocks,
		.lifetimes = { [20] = blocks, [24] = blocks / 2, [27] = blocks / 8 },
	};

	session_writer_site(w, &s);
}

static void many_times(struct session_writer *w, const uint32_t *stacks, uint32_t sites)
{
	for (uint32_t t = 0; t < TIMES; t++) {
		uint32_t time = session_writer_time(w, SECOND + t * 60 * SECOND);

		for (uint32_t i = 0; i < sites && i < TIMED_SITES; i++)
			session_writer_point(w, time, stacks[i], t + 1, (t + 1) * (100 + i));
	}
}

static int many(const char *path, uint32_t sites, uint32_t blocks)
{
	static const char *const names[] = { "filp", "kmalloc-4k", "sock_inode_cache", "dentry" };
	uint32_t *stacks = calloc(sites, sizeof(*stacks)), caches[4], tasks[8];
	struct session_writer *w;
	char comm[16];
	int err = stacks ? session_writer_create(path, SESSION_KERNEL, SESSION_WRITE_WHOLE, &w) : -1;

	if (err)
		return err;
	identify(w, "testhost", "kagent --all");
	many_symbols(w, sites);
	for (uint32_t i = 0; i < 4; i++)
		caches[i] = cache(w, names[i], 64u << (2 * i));
	for (uint32_t i = 0; i < 8; i++) {
		snprintf(comm, sizeof(comm), "worker-%u", i);
		tasks[i] = task(w, 800 + i, comm);
	}
	for (uint32_t i = 0; i < sites; i++) {
		stacks[i] = many_stack(w, i);
		many_totals(w, stacks[i], blocks / sites);
	}
	for (uint32_t i = 0; i < blocks; i++) {
		uint32_t site = i < sites ? i : below(1 + below(sites)), c = site % 4;

		object(w, i, stacks[site], caches[c], tasks[below(8)], 64u << (2 * c));
	}
	many_times(w, stacks, sites);
	session_writer_loss(w, LOSS_MAP_FULL, 7);
	free(stacks);
	return session_writer_finish(w, SESSION_END_STOPPED);
}

/* ---- hostile ---- */

#define MARKUP "</script><img src=x onerror=\"window.broken=1\">"

static char *long_name(size_t size)
{
	char *name = malloc(size + 1);

	if (name) {
		memset(name, 'A', size);
		name[size] = 0;
	}
	return name;
}

static int hostile(const char *path)
{
	char *long1 = long_name(1 << 20);
	const char *const names[] = {
		MARKUP, "<!--<script>", "\"'`><svg/onload=window.broken=1>", "a\342\200\256txt.exe",
		"]]>&lt;b&gt;\342\200\250\342\200\251", "\033[31mred\033[0m\177", "\377\376broken\300\200",
		"{{constructor.constructor('window.broken=1')()}}", "__proto__", "\\\"},{\"x\":\"",
		"javascript:window.broken=1", long1,
	};
	size_t count = sizeof(names) / sizeof(*names);
	struct session_writer *w;
	uint64_t frames[16];
	uint32_t who;
	int err = long1 ? session_writer_create(path, SESSION_KERNEL, SESSION_WRITE_WHOLE, &w) : -1;

	if (err)
		return err;
	identify(w, MARKUP, MARKUP "\342\200\256");
	for (uint32_t i = 0; i < count; i++) {
		frames[i] = KERNEL_TEXT + 0x100ull * i;
		symbol(w, frames[i], names[i], i % 2 ? MARKUP : names[i]);
	}
	who = task(w, 812, "<img src=x>\342\200\256");
	for (uint32_t i = 0; i < count; i++) {
		uint64_t turned[16];

		for (uint32_t k = 0; k < count; k++)
			turned[k] = frames[(i + k) % count];
		object(w, i, session_writer_stack(w, turned, (uint32_t)count, 0, 0),
		       cache(w, names[i], 64), who, 64 * (i + 1));
	}
	free(long1);
	return session_writer_finish(w, SESSION_END_STOPPED);
}

/* ---- process ---- */

static int process(const char *path)
{
	const uint8_t kinds[] = { REC_HEAP, REC_MMAP };
	struct session_writer *w;
	uint32_t stacks[4];
	int err = sample_begin(path, SESSION_WRITE_WHOLE, &w);

	if (err)
		return err;
	for (uint32_t i = 0; i < 4; i++) {
		const uint64_t frames[] = { SAMPLE_BASE + 0x100 * i + 1, SAMPLE_BASE + 0x801,
					    SAMPLE_BASE + 0x901 };

		stacks[i] = session_writer_stack(w, frames, 3, 0, 0);
		for (uint32_t k = 0; k < 10 * (i + 1); k++) {
			struct session_block r = sample_record(0x10000000ull * (i + 1) + 4096 * k,
								i % 2 ? 4 * 4096 : 1000 * (i + 1), stacks[i],
								1 + 2 * k);

			r.kind = kinds[i % 2];
			session_writer_record(w, &r);
		}
	}
	for (uint32_t t = 0; t < 20; t++) {
		uint32_t time = session_writer_time(w, 5000 + t * 5 * SECOND);

		for (uint32_t i = 0; i < 4; i++)
			session_writer_point(w, time, stacks[i], t + 1, (uint64_t)(t + 1) * 1000 * (i + 1));
	}
	return session_writer_finish(w, SESSION_END_EXIT);
}

int main(int argc, char **argv)
{
	const char *what = argc > 2 ? argv[1] : "";
	int err = -1;

	if (!strcmp(what, "many") && argc == 5)
		err = many(argv[2], (uint32_t)atol(argv[3]), (uint32_t)atol(argv[4]));
	else if (!strcmp(what, "hostile"))
		err = hostile(argv[2]);
	else if (!strcmp(what, "process"))
		err = process(argv[2]);
	else
		fputs("usage: sessions many FILE SITES BLOCKS | hostile FILE | process FILE\n", stderr);
	return err ? 1 : 0;
}
