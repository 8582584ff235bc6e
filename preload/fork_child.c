// SPDX-License-Identifier: MIT
/* fork_child.c - see fork_child.h. */
#include "fork_child.h"

#include <errno.h>
#include <string.h>

#include "clock.h"
#include "mmap_table.h"
#include "modules.h"
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

/* A consistent copy of a record that was live at the fork, or nothing. */
static bool inherit(const struct session_record *from, struct session_record *to, uint64_t forked_at)
{
	uint64_t addr = __atomic_load_n(&from->addr_thread, __ATOMIC_ACQUIRE);
	uint64_t time = __atomic_load_n(&from->time_flags, __ATOMIC_ACQUIRE);
	uint64_t size = __atomic_load_n(&from->size_stack, __ATOMIC_ACQUIRE);

	if (!addr || time >> REC_TIME_SHIFT > forked_at ||
	    addr != __atomic_load_n(&from->addr_thread, __ATOMIC_ACQUIRE) ||
	    time != __atomic_load_n(&from->time_flags, __ATOMIC_ACQUIRE) ||
	    (size & REC_STACK_MASK) >= recorder.hdr->section[SECT_STACKS].used)
		return false;
	*to = (struct session_record){ addr, time | REC_INHERITED, size };
	return true;
}

static int copy_records(const struct shm *from, uint64_t forked_at)
{
	uint64_t used = __atomic_load_n(&from->hdr->section[SECT_RECORDS].used, __ATOMIC_ACQUIRE);
	const struct session_record *theirs = (const void *)from->sect[SECT_RECORDS].base;
	int ret;

	if (used * sizeof(*theirs) > from->sect[SECT_RECORDS].committed)
		used = from->sect[SECT_RECORDS].committed / sizeof(*theirs);
	ret = shm_grow(&recorder.shm, SECT_RECORDS, used * sizeof(*theirs));
	if (ret)
		return ret;
	recorder.records = (void *)recorder.shm.sect[SECT_RECORDS].base;
	for (uint64_t i = 1; i < used; i++)
		inherit(&theirs[i], &recorder.records[i], forked_at);
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

static int fill_child(const struct shm *parent, uint64_t forked_at)
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
	ret = copy_records(parent, forked_at);
	if (!ret && recorder.cfg.trace)
		ret = trace_ring_init();
	return ret;
}

static void reset_locks(void)
{
	lock_reset(&recorder.grow);
	atomic_store(&recorder.visitors, 0);
	mmap_table_after_fork();
	modules_after_fork();
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
	uint64_t forked_at = clock_tick() - recorder.tick0;
	struct shm parent = recorder.shm;
	int ret;

	reset_locks();
	ret = session_open(&recorder.shm, &recorder.cfg, &recorder.temporary);
	if (!ret) {
		recorder.hdr = recorder.shm.hdr;
		ret = fill_child(&parent, forked_at);
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
