// SPDX-License-Identifier: MIT
/*
 * sample.h - small sessions with something in every section, made with the
 * session writer, for unit tests and as seeds for the fuzzer.
 */
#ifndef TESTS_SUPPORT_SAMPLE_H
#define TESTS_SUPPORT_SAMPLE_H

#include "common/session_writer.h"

#include <stdint.h>

/* A process's identity, one module and one thread; ages are relative to SAMPLE_END_NS. */
#define SAMPLE_PID 4242u
#define SAMPLE_END_NS (100ull * 1000000000)	/* the session lasted 100 s */
#define SAMPLE_BASE 0x555500000000ull		/* where its executable was mapped */

/* Starts a process session with identity, a module at SAMPLE_BASE and a thread. */
int sample_begin(const char *path, enum session_writer_mode mode, struct session_writer **out);

/* A block of `size` bytes, allocated at age_s seconds before the end. */
struct session_block sample_record(uint64_t addr, uint64_t size, uint32_t stack, uint64_t age_s);

/*
 * A session with two sites: 5 blocks of 16 bytes and 1 of 4096, freed blocks,
 * losses, a timeline. 0 or -errno.
 */
int sample_process(const char *path);

/* A session with sampled, large and mapped blocks: of records with extensions. */
int sample_extended(const char *path);

/* A kernel session: two caches, tasks, symbols, four objects, one of them freed unseen. */
int sample_kernel(const char *path);

#endif
