// SPDX-License-Identifier: MIT
/*
 * hooks_new.c - C++ operator new and delete.
 *
 * The C++ runtime's own operators call malloc and free, where the block is
 * recorded: then these hooks only pass on, as a jump that leaves no frame of
 * ours in the stack. Allocators that bring their own operators (jemalloc,
 * tcmalloc, mimalloc) do not call malloc: then the block is recorded here.
 *
 * operator new may throw and may run a new_handler, so the thread is never
 * marked busy around it. Mangled names: Itanium C++ ABI 5.1.
 */
#include <stdlib.h>
#include <string.h>

#include "early_arena.h"
#include "hooks.h"
#include "libdl.h"
#include "objects.h"
#include "real.h"
#include "recorder.h"

typedef void *new_fn(size_t a, size_t b, const void *c);
typedef void delete_fn(void *p, size_t a, size_t b, const void *c);

/* One C++ operator: its symbol, and the definition behind ours. */
struct cxx_op {
	const char *name;
	void *next;		/* NULL: not looked for yet */
	bool via_malloc;	/* the C++ runtime's: malloc or free does the recording */
};

/* Behaves as operator new where no C++ runtime is to be found. */
static void *new_by_malloc(size_t size, size_t b, const void *c)
{
	(void)b;
	(void)c;
	return malloc(size ? size : 1);
}

static void delete_by_free(void *p, size_t a, size_t b, const void *c)
{
	(void)a;
	(void)b;
	(void)c;
	free(p);
}

/* A library loaded later with RTLD_LOCAL brings a C++ runtime that RTLD_NEXT doesn't see. */
static void *find_next(const char *name)
{
	static const char *const runtimes[] = { "libstdc++.so.6", "libc++abi.so.1", "libc++.so.1" };
	void *fn = real_symbol(name);

	for (size_t i = 0; !fn && i < sizeof(runtimes) / sizeof(runtimes[0]); i++)
		fn = libdl_in(runtimes[i], name);
	return fn;
}

static bool is_runtime(const void *fn)
{
	struct object o;

	return objects_find((uintptr_t)fn, &o) &&
	       (strstr(o.name, "libstdc++") || strstr(o.name, "libc++"));
}

static COLD void resolve(struct cxx_op *op, void *fallback)
{
	void *fn = find_next(op->name);

	op->via_malloc = !fn || is_runtime(fn);
	__atomic_store_n(&op->next, fn ? fn : fallback, __ATOMIC_RELEASE);
}

static ALWAYS_INLINE void *next_of(struct cxx_op *op, void *fallback)
{
	if (unlikely(!__atomic_load_n(&op->next, __ATOMIC_ACQUIRE)))
		resolve(op, fallback);
	return op->next;
}

static ALWAYS_INLINE size_t request(size_t size)
{
	return size < real.min_size ? real.min_size : size;
}

/* An allocator's own operator: its block is recorded here. @from: the hook's caller. */
static COLD void *new_and_record(new_fn *next, size_t size, size_t b, const void *c,
				 struct frame_regs from)
{
	struct thread_state *t = thread_self;
	uint64_t countdown = t ? t->countdown : 0;
	void *p;

	hooks_new_hint = (struct new_hint){ .asked = size, .from = from };
	p = next(request(size), b, c);
	hooks_new_hint.asked = 0;
	t = p ? recorder_enter() : NULL;
	if (!t)
		return p;
	/* An operator that calls malloc after all: its block is recorded, or passed over. */
	if (t->last_block != p && (!countdown || t->countdown == countdown)) {
		t->last_block = p;
		record_alloc(t, p, size, &from, TRACE_NEW);
	}
	recorder_leave(t);
	return p;
}

#define DEFINE_NEW(symbol, params, b, c, aligned)                                                  \
	static struct cxx_op op_##symbol = { .name = #symbol };                                    \
	EXPORT void *symbol params;                                                                \
	EXPORT void *symbol params                                                                 \
	{                                                                                          \
		new_fn *next = (new_fn *)next_of(&op_##symbol, (void *)new_by_malloc);             \
                                                                                                   \
		if (likely(op_##symbol.via_malloc)) {                                              \
			if (aligned)                                                               \
				hooks_new_hint = (struct new_hint){ .asked = size };               \
			return next(size, b, c);                                                   \
		}                                                                                  \
		return new_and_record(next, size, b, c, HOOK_CALLER);                              \
	}

#define DEFINE_DELETE(symbol, params, forward)                                                     \
	static struct cxx_op op_##symbol = { .name = #symbol };                                    \
	EXPORT void symbol params;                                                                 \
	EXPORT void symbol params                                                                  \
	{                                                                                          \
		delete_fn *next = (delete_fn *)next_of(&op_##symbol, (void *)delete_by_free);      \
                                                                                                   \
		if (early_arena_owns(p))                                                           \
			return;                                                                    \
		if (unlikely(!op_##symbol.via_malloc))                                             \
			record_deleted(p);                                                         \
		next forward;                                                                      \
	}

static COLD void record_deleted(void *p)
{
	struct thread_state *t;

	if (!p)
		return;
	t = recorder_enter();
	if (t) {
		record_free(t, p, TRACE_DELETE);
		recorder_leave(t);
	} else {
		record_free_nested(p);
	}
}

DEFINE_NEW(_Znwm, (size_t size), 0, NULL, false)
DEFINE_NEW(_Znam, (size_t size), 0, NULL, false)
DEFINE_NEW(_ZnwmRKSt9nothrow_t, (size_t size, size_t tag), tag, NULL, false)
DEFINE_NEW(_ZnamRKSt9nothrow_t, (size_t size, size_t tag), tag, NULL, false)
DEFINE_NEW(_ZnwmSt11align_val_t, (size_t size, size_t align), align, NULL, true)
DEFINE_NEW(_ZnamSt11align_val_t, (size_t size, size_t align), align, NULL, true)
DEFINE_NEW(_ZnwmSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag), align,
	   tag, true)
DEFINE_NEW(_ZnamSt11align_val_tRKSt9nothrow_t, (size_t size, size_t align, const void *tag), align,
	   tag, true)

DEFINE_DELETE(_ZdlPv, (void *p), (p, 0, 0, NULL))
DEFINE_DELETE(_ZdaPv, (void *p), (p, 0, 0, NULL))
DEFINE_DELETE(_ZdlPvRKSt9nothrow_t, (void *p, size_t tag), (p, tag, 0, NULL))
DEFINE_DELETE(_ZdaPvRKSt9nothrow_t, (void *p, size_t tag), (p, tag, 0, NULL))
DEFINE_DELETE(_ZdlPvSt11align_val_t, (void *p, size_t align), (p, align, 0, NULL))
DEFINE_DELETE(_ZdaPvSt11align_val_t, (void *p, size_t align), (p, align, 0, NULL))
DEFINE_DELETE(_ZdlPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t align, const void *tag),
	      (p, align, (size_t)tag, NULL))
DEFINE_DELETE(_ZdaPvSt11align_val_tRKSt9nothrow_t, (void *p, size_t align, const void *tag),
	      (p, align, (size_t)tag, NULL))
/* Sized forms: the size passed on is the one the allocator was asked for. */
DEFINE_DELETE(_ZdlPvm, (void *p, size_t size), (p, request(size), 0, NULL))
DEFINE_DELETE(_ZdaPvm, (void *p, size_t size), (p, request(size), 0, NULL))
DEFINE_DELETE(_ZdlPvmSt11align_val_t, (void *p, size_t size, size_t align),
	      (p, request(size), align, NULL))
DEFINE_DELETE(_ZdaPvmSt11align_val_t, (void *p, size_t size, size_t align),
	      (p, request(size), align, NULL))

static struct cxx_op *const all_new[] = {
	&op__Znwm, &op__Znam, &op__ZnwmRKSt9nothrow_t, &op__ZnamRKSt9nothrow_t,
	&op__ZnwmSt11align_val_t, &op__ZnamSt11align_val_t,
	&op__ZnwmSt11align_val_tRKSt9nothrow_t, &op__ZnamSt11align_val_tRKSt9nothrow_t,
};

static struct cxx_op *const all_delete[] = {
	&op__ZdlPv, &op__ZdaPv, &op__ZdlPvRKSt9nothrow_t, &op__ZdaPvRKSt9nothrow_t,
	&op__ZdlPvSt11align_val_t, &op__ZdaPvSt11align_val_t,
	&op__ZdlPvSt11align_val_tRKSt9nothrow_t, &op__ZdaPvSt11align_val_tRKSt9nothrow_t,
	&op__ZdlPvm, &op__ZdaPvm, &op__ZdlPvmSt11align_val_t, &op__ZdaPvmSt11align_val_t,
};

#define COUNT(array) (sizeof(array) / sizeof(array[0]))

/* Of every C++ runtime: is one in this library's search order? (A dlsym that fails allocates.) */
extern char __gxx_personality_v0 __attribute__((weak));

/*
 * Those of a C++ runtime that is there from the start. Looked up at first use, they
 * would take away an error that the program has yet to ask for (dlerror(3)). Attached
 * to a running program, this library is not in its search order: not yet, then.
 */
__attribute__((constructor)) static void resolve_early(void)
{
	if (!&__gxx_personality_v0 || libdl_first("malloc") != (void *)malloc ||
	    !real_ready())
		return;
	for (size_t i = 0; i < COUNT(all_new); i++)
		resolve(all_new[i], (void *)new_by_malloc);
	for (size_t i = 0; i < COUNT(all_delete); i++)
		resolve(all_delete[i], (void *)delete_by_free);
}
