// SPDX-License-Identifier: MIT
/* sample.c - small sessions with something in every section. */
#include "tests/support/sample.h"

#include <string.h>

#define SECOND 1000000000ull

static void identity(struct session_writer *w, uint32_t pid, const char *comm)
{
	struct session_header *h = session_writer_header(w);

	h->pid = pid;
	h->ppid = 1;
	h->start_ticks = 777;
	h->exe = session_writer_string(w, "/usr/bin/sample");
	h->cmdline = session_writer_string(w, "sample --leak 16");
	h->comm = session_writer_string(w, comm);
	h->host = session_writer_string(w, "testhost");
	h->kernel = session_writer_string(w, "6.1.0");
	h->boot_id = session_writer_string(w, "00000000-0000-4000-8000-000000000000");
	h->depth = 64;
	h->max_stacks = 1 << 20;
	h->clock = (struct session_clock){
		.tick0 = 5000, .ns0 = SECOND, .tick1 = 5000 + SECOND, .ns1 = 2 * SECOND,
		.realtime_ns0 = 1700000000ull * SECOND,
	};
	h->end_tick = SAMPLE_END_NS;
}

int sample_begin(const char *path, enum session_writer_mode mode, struct session_writer **out)
{
	struct session_module m = {
		.start = SAMPLE_BASE, .end = SAMPLE_BASE + 0x10000, .bias = SAMPLE_BASE,
		.build_id_len = 4, .build_id = { 0xde, 0xad, 0xbe, 0xef },
		.flags = SESSION_MODULE_EXE,
	};
	struct session_thread t = { .tid = SAMPLE_PID, .flags = 1, .comm = "sample" };
	struct session_writer *w;
	int err = session_writer_create(path, SESSION_PROCESS, mode, &w);

	if (err)
		return err;
	identity(w, SAMPLE_PID, "sample");
	m.path = session_writer_string(w, "/usr/bin/sample");
	session_writer_module(w, &m);
	session_writer_thread(w, &t);
	*out = w;
	return 0;
}

struct session_block sample_record(uint64_t addr, uint64_t size, uint32_t stack, uint64_t age_s)
{
	return (struct session_block){
		.addr = addr,
		.size = size,
		.tick = SAMPLE_END_NS - age_s * SECOND,
		.stack = stack,
	};
}

int sample_process(const char *path)
{
	static const uint64_t small[] = { SAMPLE_BASE + 0x110, SAMPLE_BASE + 0x220 };
	static const uint64_t large[] = { SAMPLE_BASE + 0x330, SAMPLE_BASE + 0x220, 0x1234 };
	struct session_writer *w;
	int err = sample_begin(path, SESSION_WRITE_WHOLE, &w);
	uint32_t stack[2], time;

	if (err)
		return err;
	stack[0] = session_writer_stack(w, small, 2, 0, 0);
	stack[1] = session_writer_stack(w, large, 3, STACK_CUT, 0);
	for (uint64_t i = 0; i < 5; i++) {
		struct session_block r = sample_record(0x10000 + 32 * i, 16, stack[0], 10 * i);

		session_writer_record(w, &r);
	}
	struct session_block big = sample_record(0x20000, 4096, stack[1], 90);
	session_writer_record(w, &big);
	struct session_site sites[] = {
		{ .stack = stack[0], .alloc_count = 9, .alloc_bytes = 144, .free_count = 4,
		  .free_bytes = 64, .high = 96, .lifetimes = { [20] = 4 } },
		{ .stack = stack[1], .alloc_count = 1, .alloc_bytes = 4096, .high = 4096 },
	};
	session_writer_site(w, &sites[0]);
	session_writer_site(w, &sites[1]);
	for (uint64_t i = 0; i < 4; i++) {
		time = session_writer_time(w, i * 25 * SECOND);
		session_writer_point(w, time, stack[0], i + 1, 16 * (i + 1));
	}
	session_writer_loss(w, LOSS_DEPTH_CUT, 1);
	return session_writer_finish(w, SESSION_END_EXIT);
}

int sample_extended(const char *path)
{
	static const uint64_t frames[] = { SAMPLE_BASE + 0x110 };
	struct session_writer *w;
	int err = sample_begin(path, SESSION_WRITE_WHOLE, &w);
	struct session_header *h;
	uint32_t stack;

	if (err)
		return err;
	h = session_writer_header(w);
	h->sampling = SAMPLE_BYTES;
	h->mean_count = 2;
	h->sample_mean[1] = 4096;
	stack = session_writer_stack(w, frames, 1, 0, 0);
	for (uint64_t i = 0; i < 6; i++) {
		struct session_block b = sample_record(0x10000 << i, 1ull << 8 * i, stack, 10 * i);

		b.mean = i % 2;
		b.kind = i % 3;
		session_writer_record(w, &b);
	}
	return session_writer_finish(w, SESSION_END_EXIT);
}

static void kernel_symbols(struct session_writer *w, const uint64_t *frames, uint32_t depth)
{
	static const char *const names[] = { "kmem_cache_alloc", "alloc_empty_file", "path_openat" };

	for (uint32_t i = 0; i < depth; i++) {
		struct session_ksym k = {
			.addr = frames[i], .offset = 0x10 + i,
			.name = session_writer_string(w, names[i % 3]),
		};
		session_writer_ksym(w, &k);
	}
}

int sample_kernel(const char *path)
{
	static const uint64_t frames[] = {
		0xffffffff81300000ull, 0xffffffff81200000ull, 0xffffffff81100000ull
	};
	struct session_cache filp = { .object_size = 232, .slab_size = 256, .active_start = 10,
				      .active_end = 20, .tracked_end = 4, .allocs = 9, .frees = 5 };
	struct session_cache kmalloc = { .object_size = 4096, .slab_size = 4096 };
	struct session_task task = { .pid = 812, .tid = 812, .comm = "nginx" };
	struct session_writer *w;
	int err = session_writer_create(path, SESSION_KERNEL, SESSION_WRITE_WHOLE, &w);
	uint32_t stack, caches[2], who;

	if (err)
		return err;
	identity(w, 99, "kagent");
	session_writer_header(w)->features = 0;
	kernel_symbols(w, frames, 3);
	stack = session_writer_stack(w, frames, 3, 0, 0);
	filp.name = session_writer_string(w, "filp");
	kmalloc.name = session_writer_string(w, "kmalloc-4k");
	caches[0] = session_writer_cache(w, &filp);
	caches[1] = session_writer_cache(w, &kmalloc);
	who = session_writer_task(w, &task);
	for (uint32_t i = 0; i < 4; i++) {
		struct session_krecord r = {
			.addr = 0xffff888000001000ull + i * 0x1000, .tick = i * 20 * SECOND,
			.size = i == 3 ? 4096 : 256, .stack = stack, .cache = caches[i == 3],
			.task = who, .verdict = i == 1 ? VERDICT_FREED : VERDICT_LIVE,
		};
		session_writer_krecord(w, &r);
	}
	session_writer_loss(w, LOSS_MAP_FULL, 7);
	return session_writer_finish(w, SESSION_END_STOPPED);
}
