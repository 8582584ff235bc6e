// SPDX-License-Identifier: MIT
/*
 * big_session FILE RECORDS STACKS MODULE TEXT_SIZE - a session with so many live blocks, spread
 * evenly over so many stacks of 20 frames in a module whose code is TEXT_SIZE bytes long.
 */
#define _GNU_SOURCE 1
#include "tests/support/sample.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DEPTH 20
#define BASE 0x7f0000000000ull

/* Inner frames differ widely, outer ones are shared: as in programs. */
static uint32_t add_stack(struct session_writer *w, uint64_t text)
{
	uint64_t frames[DEPTH];

	for (int i = 0; i < DEPTH; i++)
		frames[i] = BASE + 0x1000 + (uint64_t)random() % (i < 3 ? text : text / 64);
	return session_writer_stack(w, frames, DEPTH, 0, 0);
}

static int write_session(char **argv)
{
	uint64_t records = strtoull(argv[2], NULL, 0), count = strtoull(argv[3], NULL, 0);
	uint64_t text = strtoull(argv[5], NULL, 0);
	uint32_t *stacks = calloc(count, sizeof(*stacks));
	struct session_module m = { .start = BASE, .end = BASE + (1ull << 32), .bias = BASE };
	struct session_writer *w;

	if (!stacks || sample_begin(argv[1], SESSION_WRITE_WHOLE, &w))
		return -1;
	m.path = session_writer_string(w, argv[4]);
	session_writer_module(w, &m);
	srandom(3);
	for (uint64_t i = 0; i < count; i++) {
		struct session_site site = { .alloc_count = 30, .alloc_bytes = 3000,
					     .free_count = 10, .free_bytes = 1000 };

		site.stack = stacks[i] = add_stack(w, text);
		site.lifetimes[12] = 10;
		session_writer_site(w, &site);
	}
	for (uint64_t i = 0; i < records; i++) {
		struct session_block r = sample_record(0x100000 + i * 64,
			16 + (uint64_t)random() % 200, stacks[i % count], i % 90);

		session_writer_record(w, &r);
	}
	free(stacks);
	return session_writer_finish(w, SESSION_END_EXIT);
}

int main(int argc, char **argv)
{
	int err = argc == 6 ? write_session(argv) : -1;

	if (err)
		fprintf(stderr, "big_session: %s\n", argc == 6 ? strerror(-err) :
			"FILE RECORDS STACKS MODULE TEXT_SIZE");
	return err ? 1 : 0;
}
