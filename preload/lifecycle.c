// SPDX-License-Identifier: MIT
/* lifecycle.c - see lifecycle.h. */
#include "lifecycle.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "exit_report.h"
#include "fork_child.h"
#include "huge.h"
#include "libc.h"
#include "libdl.h"
#include "live_table.h"
#include "mmap_table.h"
#include "overhead.h"
#include "modules.h"
#include "objects.h"
#include "real.h"
#include "recipes.h"
#include "recorder.h"
#include "sampling.h"
#include "session_open.h"
#include "stack_table.h"
#include "sys.h"
#include "trace_ring.h"

#ifndef MADV_WIPEONFORK
#define MADV_WIPEONFORK 18
#endif
#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

enum phase { NEW, READY, STARTING, LIVE, OFF, DORMANT, ENDING };

static atomic_int phase;
static uint32_t generations;
static bool watching;
static void (*reader_gone_fn)(void);

static uint32_t own_pid(void)
{
	return (uint32_t)syscall(SYS_getpid);
}

static void complain(const char *line)
{
	exit_report_say(line);
}

static void at_exit(int status, bool last)
{
	struct thread_state *t;

	if (last) {
		lifecycle_end(SESSION_END_EXIT, status);
		return;
	}
	/* Blocks that are freed now are still recorded. This may be the last that is heard. */
	t = recorder_enter();
	if (!t)
		return;
	clock_update(&recorder.hdr->clock);
	recorder_leave(t);
}

static void at_quick_exit_hook(void)
{
	lifecycle_end(SESSION_END_QEXIT, 0);
}

static void forked(void)
{
	/* Where the kernel could not wipe the page. A raw clone() goes unnoticed there. */
	recorder_gate.gate.generation = 0;
	recorder_gate.gate.process = 0;
}

/*
 * Registered while constructors run, so before the loader's own handler: on_exit
 * handlers run last first, which puts this one behind every destructor of every
 * library. (atexit would tie it to this library's own unloading.)
 */
static void watch_exit_and_fork(bool preloaded)
{
	if (watching)
		return;
	watching = true;
	libc_at_exit(at_exit, preloaded);
	libc_at_quick_exit(at_quick_exit_hook);
	if (sys_madvise(&recorder_gate, sizeof(recorder_gate), MADV_WIPEONFORK) != 0)
		libc_at_fork(forked);
}

static int prepare_tables(void)
{
	int ret;

	if (session_limits_are_tight())
		return -ENOMEM;
	clock_init();
	stack_capture_init();
	ret = live_init();
	if (!ret)
		ret = recipes_init();
	if (!ret)
		ret = threads_init();
	return ret;
}

static void use_sections(void)
{
	recorder.hdr = recorder.shm.hdr;
	recorder.records = (void *)recorder.shm.sect[SECT_RECORDS].base;
	recorder.record_threads = (void *)recorder.shm.sect[SECT_RECORD_THREADS].base;
	recorder.sites = (void *)recorder.shm.sect[SECT_SITES].base;
	recorder.stacks = (void *)recorder.shm.sect[SECT_STACKS].base;
}

static void open_gate(void)
{
	recorder_gate.gate.process = recorder.hdr->pid;
	clock_update(&recorder.hdr->clock);
	__atomic_store_n(&recorder.hdr->state, SESSION_LIVE, __ATOMIC_RELEASE);
	__atomic_store_n(&recorder_gate.gate.generation, ++generations, __ATOMIC_RELEASE);
}

static int start_session(void)
{
	int ret = session_open(&recorder.shm, &recorder.cfg, &recorder.temporary);

	if (ret)
		return ret;
	use_sections();
	clock_start(&recorder.hdr->clock);
	recorder.tick0 = recorder.hdr->clock.tick0;
	overhead_reset();
	recorder.depth = recorder.cfg.depth;
	session_identify(&recorder.cfg);
	sampling_begin();
	if (real.bypassed)
		recorder.hdr->features |= SESSION_F_FOREIGN_MALLOC;
	ret = stack_table_init();
	if (!ret)
		ret = modules_init();
	if (!ret && recorder.cfg.trace)
		ret = trace_ring_init();
	if (ret) {
		shm_remove(&recorder.shm);
		shm_unmap(&recorder.shm);
		recorder.hdr = NULL;
	}
	return ret;
}

const char *lifecycle_reason(int err)
{
	switch (err) {
	case -ENOMEM:
		return "too little memory allowed (ulimit -v, ulimit -d: 4 GiB or more are needed)";
	case -EFBIG:
		return "too small a file allowed (ulimit -f)";
	case -ENOSPC:
		return "file system full (LIBLEAK=output=... names another place)";
	default:
		return libc_error_text(-err) ? libc_error_text(-err) : "unknown error";
	}
}

static bool give_up(int err)
{
	char line[256];

	snprintf(line, sizeof(line), "libleak: pid %d is not recorded: no session: %s\n", getpid(),
		 lifecycle_reason(err));
	complain(line);
	atomic_store(&phase, OFF);
	return false;
}

static void read_settings(void)
{
	const char *text = secure_getenv("LIBLEAK");

	objects_init();
	config_defaults(&recorder.cfg);
	exit_report_init();
	if (text)
		config_parse(&recorder.cfg, text, complain);
	if (!recorder.cfg.follow)
		exit_report_clean_environment();
	watch_exit_and_fork(true);
	recorder_gate.gate.process = own_pid();
}

/*
 * A program that never allocates needs a session only to be reported, unless one was
 * asked for. (An allocator of its own may map memory before it is known that it does.)
 */
static bool may_wait(void)
{
	return !recorder.cfg.output[0] && !real.bypassed && !real.allocator_start;
}

static bool start_process(void)
{
	int ret = prepare_tables();

	if (!ret)
		ret = start_session();
	if (ret)
		return give_up(ret);
	open_gate();
	atomic_store(&phase, LIVE);
	return true;
}

/* A forked child, at its first event. */
static bool start_child(void)
{
	int ret;

	if (!recorder.cfg.follow) {
		atomic_store(&phase, OFF);
		return false;
	}
	ret = fork_child_session();
	if (ret)
		return give_up(ret);
	use_sections();
	overhead_reset();
	open_gate();
	atomic_store(&phase, LIVE);
	return true;
}

/* The gate of a LIVE session is closed. Because this is a forked child, or has the watcher died? */
static bool is_forked(void)
{
	if (!recorder_gate.gate.process)
		return true;
	if (recorder_reader_is_gone() && reader_gone_fn)
		reader_gone_fn();
	return false;
}

/* Memory is shared with the parent, and so would be a session. */
static bool is_vfork_child(void)
{
	uint32_t process = recorder_gate.gate.process;

	return process && process != own_pid();
}

/* Is there something to do in phase @was? */
static bool may_start(int was)
{
	switch (was) {
	case NEW:
		/* Before the C library is set up there is nothing to read settings from. */
		return environ && (real_ready() || real.bypassed);
	case READY:
		return !is_vfork_child();
	case LIVE:
		return is_forked();
	default:
		return false;
	}
}

/* @wait: there is no event yet. */
static bool start(bool wait)
{
	int was = atomic_load(&phase), err = errno;
	bool on = false;

	if (!may_start(was) || !atomic_compare_exchange_strong(&phase, &was, STARTING))
		return false;
	if (was == NEW && libdl_loaded_late()) {
		atomic_store(&phase, DORMANT);
		errno = err;
		return false;
	}
	if (was == NEW)
		read_settings();
	if (was == LIVE)
		on = start_child();
	else if (wait && may_wait())
		atomic_store(&phase, READY);
	else
		on = start_process();
	errno = err;
	return on;
}

bool lifecycle_start(void)
{
	return start(false);
}

bool lifecycle_started(void)
{
	int now = atomic_load_explicit(&phase, memory_order_relaxed);

	return now == LIVE || now == READY;
}

/* Attached, then forked: what the child inherited is the parent's recording. */
static void forget_parent(void)
{
	struct session_header *h = recorder.hdr;

	if (!h || recorder_gate.gate.process)
		return;
	fork_child_forget();
	atomic_store(&phase, DORMANT);
}

/*
 * A filter that kills: what attaching does passes it, because that is suspended where
 * memleak may (seccomp(2), PTRACE_O_SUSPEND_SECCOMP); what comes later has to do with
 * malloc's own calls. To grow is among these where memory can be populated.
 */
static void keep_to_the_sandbox(void)
{
	recorder.frozen = session_is_sandboxed();
	recorder.shm.frozen = recorder.frozen &&
		sys_madvise(recorder.hdr, sizeof(*recorder.hdr), MADV_POPULATE_WRITE) != 0;
	if (recorder.frozen)
		huge_stop();
}

static int begin_attached(const char *settings)
{
	int ret;

	objects_init();
	config_defaults(&recorder.cfg);
	exit_report_init();
	config_parse(&recorder.cfg, settings, complain);
	recorder.cfg.report = false;
	ret = prepare_tables();
	if (ret)
		return ret;
	live_reset();
	mmap_table_reset();
	recipes_flush();
	stack_capture_flush();
	recorder.free_batches = 0;
	recorder.frozen = false;
	ret = start_session();
	if (!ret)
		keep_to_the_sandbox();
	return ret;
}

/* (musl's dlsym finds nothing behind a library that is loaded late: that one is NEW yet.) */
static bool leave_dormant(void)
{
	int dormant = DORMANT, new = NEW;

	return atomic_compare_exchange_strong(&phase, &dormant, STARTING) ||
	       atomic_compare_exchange_strong(&phase, &new, STARTING);
}

int lifecycle_attach(const char *settings, const char **session_path)
{
	int ret;

	if (!real_ready())
		return -EAGAIN;
	if (!leave_dormant())
		return -EBUSY;
	ret = begin_attached(settings);
	if (ret) {
		atomic_store(&phase, DORMANT);
		return ret;
	}
	watch_exit_and_fork(false);
	*session_path = recorder.shm.path;
	/* Killed between here and its first word, the watcher would leave this recording for ever. */
	recorder.hdr->reader = SESSION_READER_AWAITED;
	/* In this order: LIVE with a closed gate is what a forked child sees. */
	open_gate();
	atomic_store(&phase, LIVE);
	return 0;
}

int lifecycle_make_ready(void)
{
	int now;

	forget_parent();
	now = atomic_load(&phase);
	if (now != LIVE && now != ENDING)
		return 0;
	/* Awaited while somebody else attaches: who was to come is not to come any more. */
	if (now == LIVE && recorder.hdr->reader != SESSION_READER_AWAITED &&
	    !recorder_reader_is_gone())
		return -EBUSY;
	return lifecycle_detach(0) ? 0 : -EAGAIN;
}

void lifecycle_on_reader_gone(void (*fn)(void))
{
	reader_gone_fn = fn;
}

/* Every processor passes a barrier: a thread is seen busy, or sees the gate closed. */
static void barrier_everywhere(void)
{
	syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0);
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) != 0)
		usleep(10000);
}

static bool wait_until_idle(unsigned wait_ms)
{
	for (unsigned i = 0; threads_any_busy(); i++) {
		if (i == wait_ms)
			return false;
		usleep(1000);
	}
	return true;
}

/*
 * Cutting the file must not race with a thread that makes it grow. False: one has
 * been at it for too long.
 */
static bool stop_growth(void)
{
	const struct timespec moment = { 0, 1000000 };

	for (int i = 0; i < 1000; i++) {
		if (lock_try(&recorder.grow)) {
			recorder.shm.frozen = true;
			lock_release(&recorder.grow);
			return true;
		}
		syscall(SYS_nanosleep, &moment, NULL);
	}
	return false;
}

static void close_session(struct session_header *h, enum session_end reason, int status)
{
	clock_update(&h->clock);
	h->self_bytes = overhead_private_bytes();
	h->end_tick = clock_tick() - recorder.tick0;
	h->end_reason = reason;
	h->exit_status = status;
	__atomic_store_n(&h->state, SESSION_ENDED, __ATOMIC_RELEASE);
	if (stop_growth())
		shm_trim(&recorder.shm);
}

/* No thread is busy any more. False: a visitor (recorder.h) is there yet. */
static bool let_go_of_session(void)
{
	struct session_header *h = recorder.hdr;

	__atomic_store_n(&recorder.hdr, NULL, __ATOMIC_SEQ_CST);
	if (atomic_load(&recorder.visitors) > 0) {
		recorder.hdr = h;
		return false;
	}
	if (h)	/* (a child that was forked here finds none) */
		close_session(h, SESSION_END_DETACH, 0);
	shm_unmap(&recorder.shm);
	return true;
}

bool lifecycle_detach(unsigned wait_ms)
{
	int was = LIVE, err = errno;
	bool done;

	if (atomic_compare_exchange_strong(&phase, &was, ENDING)) {
		__atomic_store_n(&recorder_gate.gate.generation, 0, __ATOMIC_RELEASE);
		barrier_everywhere();
	} else if (was != ENDING) {
		return true;
	}
	done = wait_until_idle(wait_ms) && let_go_of_session();
	if (done)
		atomic_store(&phase, DORMANT);
	errno = err;
	return done;
}

void lifecycle_end(enum session_end reason, int status)
{
	struct session_header *h;
	int was = LIVE;

	if (atomic_load(&phase) == READY && recorder.cfg.report && recorder_gate.gate.process)
		start(false);
	h = recorder.hdr;
	/*
	 * In a vfork child everything, the session included, is the parent's. A
	 * forked child that never allocated has no session of its own.
	 */
	if (!h || atomic_load(&phase) != LIVE || !recorder_gate.gate.generation ||
	    (!recorder.frozen && recorder_gate.gate.process != own_pid()))
		return;
	if (!atomic_compare_exchange_strong(&phase, &was, OFF))
		return;
	__atomic_store_n(&recorder_gate.gate.generation, 0, __ATOMIC_RELEASE);
	if (recorder.frozen) {
		/* The header is memory: that much can be said without the kernel. */
		h->end_reason = reason;
		h->exit_status = status;
		__atomic_store_n(&h->state, SESSION_ENDED, __ATOMIC_RELEASE);
		return;
	}
	if (recorder.temporary && !recorder.cfg.report) {
		shm_remove(&recorder.shm);
		return;
	}
	close_session(h, reason, status);
	exit_report_run();
}

/*
 * So that a program that never allocates has a session, too. (What every start uses is
 * on this page of variables: written before it is read, it is faulted once.)
 */
__attribute__((constructor)) static void on_load(void)
{
	atomic_fetch_add(&phase, 0);
	start(true);
}
