// SPDX-License-Identifier: MIT
/*
 * frame_step_x86_64.c - stepping with recipes; all that libleak knows of x86-64
 * stack frames (System V ABI AMD64, 3.2) besides cfi.c's register numbers.
 */
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "frame_step.h"
#include "recipes.h"
#include "sys.h"

#define PAGE		4096ul
#define FRAME_MAX	(8ul << 20)	/* a frame larger than this is an error in the CFI */
#define NEAR		(1ul << 20)

void frame_step_init(void)
{
	unw_set_caching_policy(unw_local_addr_space, UNW_CACHE_GLOBAL);
}

void frame_step_flush(void)
{
	unw_flush_cache(unw_local_addr_space, 0, 0);
}

/* Puts the range that holds @sp first; a new stack gets the least recent place. */
static void select_range(struct frame_cache *c, uintptr_t sp)
{
	struct stack_range found = { sp & ~(PAGE - 1), (sp | (PAGE - 1)) + 1 };
	int i;

	for (i = 0; i < STACK_RANGES; i++) {
		const struct stack_range *r = &c->range[i];

		if (r->hi && sp < r->hi && (sp >= r->lo || r->lo - sp < NEAR)) {
			found = *r;
			if (sp < found.lo)
				found.lo = sp & ~(PAGE - 1);
			break;
		}
	}
	if (i == STACK_RANGES)
		i--;
	memmove(&c->range[1], &c->range[0], (size_t)i * sizeof(c->range[0]));
	c->range[0] = found;
}

/* Are all pages in [from, to) readable? Asks the kernel: a wrong CFI must not crash the program. */
static bool pages_readable(uintptr_t from, uintptr_t to)
{
	char byte[64];
	struct iovec local = { byte, 0 }, remote[64];

	while (from < to) {
		int n = 0;

		for (; from < to && n < 64; from += PAGE, n++)
			remote[n] = (struct iovec){ (void *)from, 1 };
		local.iov_len = (size_t)n;
		if (syscall(SYS_process_vm_readv, syscall(SYS_getpid), &local, 1, remote, n, 0) != n)
			return errno == EPERM || errno == ENOSYS; /* forbidden here: trust the CFI */
	}
	return true;
}

/* May [.., end) of the current stack be read? */
static ALWAYS_INLINE bool readable(struct frame_cache *c, uintptr_t end)
{
	struct stack_range *r = &c->range[0];

	if (likely(end <= r->hi))
		return true;
	if (end - r->hi > FRAME_MAX || !pages_readable(r->hi, end))
		return false;
	r->hi = (end + PAGE - 1) & ~(PAGE - 1);
	return true;
}

void frame_walk_begin(struct frame_walk *w, struct frame_cache *c, uintptr_t sp)
{
	w->cache = c;
	w->slow_started = false;
	if (sp < c->range[0].lo || sp >= c->range[0].hi)
		select_range(c, sp);
}

void frame_walk_end(struct frame_walk *w)
{
	(void)w;
}

static ALWAYS_INLINE bool locate_cfa(struct frame_walk *w, recipe_t rec, const struct frame_regs *r,
				     uintptr_t *cfa)
{
	uintptr_t a = (recipe_base(rec) ? r->bp : r->sp) + (uintptr_t)recipe_cfa_off(rec);

	if (unlikely(recipe_base(rec) == 2)) {
		if (a < r->sp || (a & 7) || !readable(w->cache, a + 8))
			return false;
		a = *(const uintptr_t *)a;
	}
	*cfa = a;
	/* Strictly outward, so that every walk ends. */
	return a > r->sp && a - r->sp < FRAME_MAX && !(a & 7) && readable(w->cache, a);
}

enum step_result frame_step(struct frame_walk *w, struct frame_regs *r, struct kept_frame *kept)
{
	recipe_t rec = r->exact ? (recipe_t)RECIPE_COMPLEX << 29 : recipe_for(r->ip);
	uintptr_t cfa, slot = 0;

	if (unlikely(recipe_kind(rec) != RECIPE_STEP)) {
		if (recipe_kind(rec) == RECIPE_END) {
			*kept = (struct kept_frame){ .ip = r->ip, .sp = r->sp, .bp = r->bp };
			return STEP_END;
		}
		goto slow;
	}
	if (unlikely(!locate_cfa(w, rec, r, &cfa)))
		goto slow;
	if (unlikely(recipe_bp_at_bp(rec)))
		slot = r->bp;
	else if (recipe_bp_below(rec))
		slot = cfa - recipe_bp_below(rec);
	if (slot && unlikely(slot < r->sp || slot > cfa - 8 || (slot & 7)))
		goto slow;
	kept->ip = r->ip;
	kept->sp = r->sp;
	kept->bp = r->bp;
	kept->bp_slot = slot;
	kept->exact = 0;
	kept->uses_bp = recipe_base(rec) != 0 || recipe_bp_at_bp(rec);
	kept->barrier = 0;
	if (slot)
		r->bp = *(const uintptr_t *)slot;
	r->ip = frame_return_slot(cfa);
	r->sp = cfa;
	return r->ip ? STEP_OK : STEP_END;
slow:
	if (!w->slow_started)
		unw_getcontext(&w->context);
	return frame_step_slow(w, r, kept);
}
