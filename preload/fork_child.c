// SPDX-License-Identifier: MIT
/* fork_child.c - see fork_child.h. */
#include "fork_child.h"

#include <errno.h>
#include <string.h>

#include "live_table.h"
#include "mmap_table.h"
#include "objects.h"
#include "records.h"
#include "session_open.h"
#include "stack_table.h"
#include "thread_state.h"
#include "trace_ring.h"

/* What a child takes over as it is. */
static const int copied[] = { SECT_STRINGS, SECT_MODULES, SECT_FRAMES, SECT_STACKS, SECT_THREADS };

static int copy_section(const struct shm *from, int id)
{
	uint64_t used = __atomic_load_n(&from->hdr->section[id].used, __ATOMIC_ACQUIRE);
	uint64_t bytes = used * from->hdr->section[id].entry_size;
	int ret;

	/* The parent may have grown a section beyond what this process has mapped. */
	if (bytes > from->sect[id].committed) {
		used = from->sect[id].committed / from->hdr->section[id].entry_size;
		bytes = used * from->hdr->section[id].entry_size;
	}
	ret = shm_grow(&recorder.shm, id, bytes);
	if (ret)
		return ret;
	memcpy(recorder.shm.sect[id].base, from->sect[id].base, bytes);
	recorder.hdr->section[id].used = used;
	return 0;
}

static struct session_record load(const struct session_record *r)
{
	return (struct session_record){
		.addr_size = __atomic_load_n(&r->addr_size, __ATOMIC_ACQUIRE),
		.time_stack = __atomic_load_n(&r->time_stack, __ATOMIC_ACQUIRE),
	};
}

/*
 * Was the block of record @index live at the fork? The shadow and the table of regions,
 * which the kernel copied then, know that.
 */
static bool was_live(const struct session_record *r, const struct session_record *extension,
		     uint32_t index)
{
	struct session_block b = session_record_unpack(r, extension, 0);
	uint32_t *slot;

	if (b.kind == REC_MMAP)
		return mmap_table_has(index, &b);
	slot = live_slot(b.addr);
	return slot && *slot == index;
}

/*
 * Copies record @index of the parent's, and what belongs to it, if it was live at the
 * fork and still is; the parent goes on writing.
 */
static void inherit(const struct session_record *theirs, uint64_t used, uint32_t index)
{
	struct session_record r = load(&theirs[index]), again, e = { 0, 0 };
	uint64_t extension = session_record_extension(&r);

	if (!session_record_in_use(&r) || extension >= used)
		return;
	if (extension)
		e = load(&theirs[extension]);
	again = load(&theirs[index]);
	if (again.addr_size != r.addr_size || again.time_stack != r.time_stack ||
	    (extension && session_record_kind(&e) != REC_EXTENSION) ||
	    ((extension ? &e : &r)->time_stack & REC_STACK_MASK) >=
		    recorder.hdr->section[SECT_STACKS].used ||
	    !was_live(&r, extension ? &e : NULL, index))
		return;
	r.addr_size |= REC_INHERITED;
	recorder.records[index] = r;
	if (extension)
		recorder.records[extension] = e;
}

static int copy_records(const struct shm *from)
{
	uint64_t used = __atomic_load_n(&from->hdr->section[SECT_RECORDS].used, __ATOMIC_ACQUIRE);
	const struct session_record *theirs = (const void *)from->sect[SECT_RECORDS].base;
	int ret;

	if (used * sizeof(*theirs) > from->sect[SECT_RECORDS].committed)
		used = from->sect[SECT_RECORDS].committed / sizeof(*theirs);
	ret = records_grow(used);
	if (!ret)
		ret = copy_section(from, SECT_RECORD_THREADS);
	if (ret)
		return ret;
	for (uint64_t i = 1; i < used; i++)
		inherit(theirs, used, (uint32_t)i);
	mmap_table_keep_inherited();
	recorder.hdr->section[SECT_RECORDS].used = used;
	records_relink(used);
	return 0;
}

/* Live and peak bytes start again: inherited blocks are the parent's. */
static void reset_stacks(void)
{
	recorder.stacks = (void *)recorder.shm.sect[SECT_STACKS].base;
	recorder.sites = (void *)recorder.shm.sect[SECT_SITES].base;
	for (uint64_t i = 1; i < recorder.hdr->section[SECT_STACKS].used; i++) {
		recorder.stacks[i].live_bytes = 0;
		recorder.stacks[i].peak_bytes = 0;
	}
}

static void take_over_header(const struct session_header *parent)
{
	struct session_header *h = recorder.hdr;

	h->clock = parent->clock;
	h->clock.seq &= ~1u;
	h->epoch = parent->epoch;
	h->parent_pid = parent->pid;
	h->parent_start_ticks = parent->start_ticks;
}

static int fill_child(const struct shm *parent)
{
	int ret = 0;

	take_over_header(parent->hdr);
	for (size_t i = 0; !ret && i < sizeof(copied) / sizeof(copied[0]); i++)
		ret = copy_section(parent, copied[i]);
	if (ret)
		return ret;
	reset_stacks();
	session_identify(&recorder.cfg);
	/* as it was: the records that are copied refer to the parent's means */
	recorder.hdr->sampling = parent->hdr->sampling;
	recorder.hdr->mean_count = parent->hdr->mean_count;
	memcpy(recorder.hdr->sample_mean, parent->hdr->sample_mean,
	       sizeof(recorder.hdr->sample_mean));
	ret = copy_records(parent);
	if (!ret && recorder.cfg.trace)
		ret = trace_ring_init();
	return ret;
}

static void reset_locks(void)
{
	lock_reset(&recorder.grow);
	objects_after_fork();
	atomic_store(&recorder.visitors, 0);
	mmap_table_after_fork();
}

void fork_child_forget(void)
{
	reset_locks();
	threads_after_fork();
	shm_unmap(&recorder.shm);
	recorder.hdr = NULL;
}

int fork_child_session(void)
{
	struct shm parent = recorder.shm;
	int ret;

	reset_locks();
	ret = session_open(&recorder.shm, &recorder.cfg, &recorder.temporary);
	if (!ret) {
		clock_find_coarse();
		recorder.hdr = recorder.shm.hdr;
		ret = fill_child(&parent);
		if (ret) {
			shm_remove(&recorder.shm);
			shm_unmap(&recorder.shm);
		}
	}
	if (ret)
		recorder.hdr = NULL;
	else
		threads_after_fork();
	shm_unmap(&parent);
	return ret;
}
