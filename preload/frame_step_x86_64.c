// SPDX-License-Identifier: MIT
/*
 * frame_step_x86_64.c - stepping with recipes; all that libleak knows of x86-64
 * stack frames (System V ABI AMD64, 3.2) besides the CFI_REG_ numbers of cfi.h.
 */
#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>

#include "frame_step.h"
#include "recipes.h"
#include "recorder.h"
#include "sys.h"

#define PAGE		4096ul
#define USER_BITS	47	/* of an address of the program's */
#define FRAME_MAX	(8ul << 20)	/* a frame larger than this is an error in the CFI */
#define NEAR		(1ul << 20)

void frame_step_init(void)
{
}

void frame_step_flush(void)
{
}

/*
 * Are all pages in [from, to) readable? Asks the kernel: a wrong CFI must not crash the
 * program. @untold: the answer where it must not, or will not, be asked.
 */
static bool pages_readable(uintptr_t from, uintptr_t to, bool untold)
{
	char byte[64];
	struct iovec local = { byte, 0 }, remote[64];

	if (recorder.frozen)
		return untold;
	while (from < to) {
		long n = 0, got;

		for (; from < to && n < 64; from += PAGE, n++)
			remote[n] = (struct iovec){ (void *)from, 1 };
		local.iov_len = (size_t)n;
		/* (syscall(2) takes the last of six arguments, an int, for a long: clang leaves half unset) */
		got = sys_raw(SYS_process_vm_readv, sys_raw(SYS_getpid, 0, 0, 0, 0, 0, 0), (long)&local, 1,
			      (long)remote, n, 0);
		if (got != n)
			return (got == -EPERM || got == -ENOSYS) && untold;
	}
	return true;
}

/*
 * Does @r hold the stack of @sp, too, below what was known of it? A stack that is
 * near may be another one, behind a page that nobody can read.
 */
static bool reaches(const struct stack_range *r, uintptr_t sp)
{
	uintptr_t page = sp & ~(PAGE - 1);

	return sp < r->hi && (sp >= r->lo || (r->lo - sp < NEAR &&
					      pages_readable(page + PAGE, r->lo, false)));
}

/* Puts the range that holds @sp first; a new stack gets the least recent place. */
static void select_range(struct frame_cache *c, uintptr_t sp)
{
	struct stack_range found = { sp & ~(PAGE - 1), (sp | (PAGE - 1)) + 1 };
	int i;

	for (i = 0; i < STACK_RANGES; i++) {
		const struct stack_range *r = &c->range[i];

		if (r->hi && reaches(r, sp)) {
			if (r->lo < found.lo)
				found.lo = r->lo;
			found.hi = r->hi;
			break;
		}
	}
	if (i == STACK_RANGES)
		i--;
	memmove(&c->range[1], &c->range[0], (size_t)i * sizeof(c->range[0]));
	c->range[0] = found;
}

static bool extend_range(struct frame_cache *c, uintptr_t end, bool untold)
{
	struct stack_range *r = &c->range[0];

	if (end - r->hi > FRAME_MAX || !pages_readable(r->hi, end, untold))
		return false;
	r->hi = (end + PAGE - 1) & ~(PAGE - 1);
	return true;
}

bool frame_extend_range(struct frame_cache *c, uintptr_t end)
{
	return extend_range(c, end, true);
}

/* A frame pointer that is only guessed may point anywhere. */
static bool guess_readable(struct frame_cache *c, uintptr_t end)
{
	return end <= c->range[0].hi || extend_range(c, end, false);
}

void frame_walk_begin(struct frame_walk *w, struct frame_cache *c, uintptr_t sp)
{
	w->cache = c;
	w->slow_started = false;
	if (sp < c->range[0].lo || sp >= c->range[0].hi)
		select_range(c, sp);
}

static bool locate_cfa(struct frame_walk *w, recipe_t rec, const struct frame_regs *r,
				     uintptr_t *cfa)
{
	uintptr_t a = (recipe_base(rec) ? r->bp : r->sp) + (uintptr_t)recipe_cfa_off(rec);

	if (recipe_base(rec) == CFI_BP_DEREF) {
		if (a < r->sp || (a & 7) || !frame_readable(w->cache, a + 8))
			return false;
		a = *(const uintptr_t *)a;
	}
	*cfa = a;
	/* Strictly outward, so that every walk ends. */
	return a > r->sp && a - r->sp < FRAME_MAX && !(a & 7) && frame_readable(w->cache, a);
}

/* A word of the program's memory, if it can be read at all. */
static bool read_word(void *arg, uintptr_t addr, uintptr_t *value)
{
	const struct stack_range *r = &((struct frame_walk *)arg)->cache->range[0];

	/* beyond user space addr + 8 may be 0 */
	if (addr & 7 || addr >> USER_BITS)
		return false;
	if ((addr < r->lo || addr + 8 > r->hi) &&
	    !pages_readable(addr & ~(PAGE - 1), addr + 8, true))
		return false;
	*value = *(const uintptr_t *)addr;
	return true;
}

/* The registers of this very place, inlined: the frame they describe stays alive. */
static ALWAYS_INLINE void here(struct cfi_regs *c)
{
	__asm__ volatile("mov %%rbx, 3*8(%0)\n\t"
			 "mov %%rbp, 6*8(%0)\n\t"
			 "mov %%rsp, 7*8(%0)\n\t"
			 "mov %%r12, 12*8(%0)\n\t"
			 "mov %%r13, 13*8(%0)\n\t"
			 "mov %%r14, 14*8(%0)\n\t"
			 "mov %%r15, 15*8(%0)\n\t"
			 "lea 0f(%%rip), %%rax\n\t"
			 "mov %%rax, 16*8(%0)\n"
			 "0:"
			 :
			 : "D"(c->reg)
			 : "rax", "memory");
	c->known = 1u << CFI_REG_BX | 1u << CFI_REG_BP | 1u << CFI_REG_SP | 0xfu << CFI_REG_R12 |
		   1u << CFI_REG_RA;
	c->exact = true;
}

static_assert(CFI_REG_BX == 3 && CFI_REG_BP == 6 && CFI_REG_SP == 7 && CFI_REG_R12 == 12 &&
		      CFI_REG_RA == 16,
	      "offsets in here()");

/* Brings the cursor to the frame @r, at first from the recorder's own frames, which lie below it. */
static bool seek(struct frame_walk *w, const struct frame_regs *r)
{
	struct cfi_regs *c = &w->cursor.regs;

	for (int guard = 0; guard < 2 * FRAMES_KEPT; guard++) {
		if (c->reg[CFI_REG_SP] == r->sp && c->reg[CFI_REG_RA] == (r->ip & ~FRAME_EXACT))
			return true;
		if (cfi_step(c, read_word, w) != CFI_STEP)
			return false;
	}
	return false;
}

/*
 * At @r, with nothing but its own registers: for when a frame inside of it has no
 * unwind information. A signal frame needs no more than the stack pointer.
 */
static void start_at(struct cfi_regs *c, const struct frame_regs *r)
{
	*c = (struct cfi_regs){ .exact = r->ip & FRAME_EXACT };
	c->known = 1u << CFI_REG_BP | 1u << CFI_REG_SP | 1u << CFI_REG_RA;
	c->reg[CFI_REG_BP] = r->bp;
	c->reg[CFI_REG_SP] = r->sp;
	c->reg[CFI_REG_RA] = r->ip & ~FRAME_EXACT;
}

/* With all of the call frame information: signal frames, expressions, any CFA register. */
static enum step_result step_with_row(struct frame_walk *w, struct frame_regs *r)
{
	struct cfi_regs *c = &w->cursor.regs;
	enum cfi_kind kind;

	if (!w->slow_started) {
		here(c);
		w->slow_started = true;
	}
	if (!seek(w, r))
		start_at(c, r);
	kind = cfi_step(c, read_word, w);
	if (kind != CFI_STEP)
		return kind == CFI_END ? STEP_END : STEP_LOST;
	r->ip = c->reg[CFI_REG_RA];
	r->sp = c->reg[CFI_REG_SP];
	r->bp = c->known >> CFI_REG_BP & 1 ? c->reg[CFI_REG_BP] : 0;
	if (!r->ip)
		return STEP_END;
	if ((r->sp & 7) || r->ip & FRAME_EXACT)
		return STEP_LOST;
	if (c->exact)
		r->ip |= FRAME_EXACT;
	/* A signal handler on its own stack: go on where the signal came in. */
	if (r->sp < w->cache->range[0].lo || r->sp >= w->cache->range[0].hi)
		select_range(w->cache, r->sp);
	return STEP_OK;
}

/*
 * Code without call frame information (just-in-time compiled, mostly) is taken to
 * keep a frame pointer: a guess, marked as one. Verified like any other frame.
 */
static enum step_result step_by_frame_pointer(struct frame_walk *w, struct frame_regs *r,
						   struct kept_frame *kept)
{
	uintptr_t bp = r->bp;

	/* System V ABI AMD64, 3.4.1: a zero marks the outermost frame */
	if (!bp)
		return STEP_END;
	if (bp < r->sp || bp - r->sp > FRAME_MAX || (bp & 7) ||
	    !guess_readable(w->cache, bp + 16))
		return STEP_LOST;
	kept->slot = bp | KEPT_USES_BP | KEPT_RULE_USES_BP | KEPT_GUESSED;
	r->bp = *(const uintptr_t *)bp;
	r->ip = stack_return_slot(bp + 16);
	r->sp = bp + 16;
	return r->ip ? STEP_OK : STEP_END;
}

/* CFA = rbp + n, or a realigned stack: what recipes can say beyond the simple form. */
static enum step_result step_with_recipe(struct frame_walk *w, recipe_t rec, struct frame_regs *r,
					 struct kept_frame *kept)
{
	uintptr_t cfa, slot = 0;

	if (!locate_cfa(w, rec, r, &cfa))
		return STEP_LOST;
	if (recipe_bp_at_bp(rec))
		slot = r->bp;
	else if (recipe_bp_below(rec))
		slot = cfa - recipe_bp_below(rec);
	if (slot && (slot < r->sp || slot > cfa - 8 || (slot & 7)))
		return STEP_LOST;
	kept->slot = slot;
	if (recipe_base(rec) || recipe_bp_at_bp(rec))
		kept->slot |= KEPT_USES_BP | KEPT_RULE_USES_BP;
	if (recipe_base(rec) == CFI_BP_DEREF)
		kept->slot |= KEPT_DEREF | (uint64_t)(recipe_cfa_off(rec) / 8 & 0x7fff)
						   << KEPT_DEREF_SHIFT;
	if (slot)
		r->bp = *(const uintptr_t *)slot;
	r->ip = stack_return_slot(cfa);
	r->sp = cfa;
	return r->ip ? STEP_OK : STEP_END;
}

enum step_result frame_step_otherwise(struct frame_walk *w, recipe_t rec, struct frame_regs *r,
				      struct kept_frame *kept)
{
	*kept = (struct kept_frame){ .ip = r->ip, .sp = r->sp, .bp = r->bp };
	/* A recipe is of a return address; an interrupted instruction has another row. */
	if (!(r->ip & FRAME_EXACT)) {
		if (recipe_kind(rec) == RECIPE_END)
			return STEP_END;
		if (recipe_kind(rec) == RECIPE_NONE)
			return step_by_frame_pointer(w, r, kept);
		if (recipe_kind(rec) == RECIPE_STEP) {
			enum step_result res = step_with_recipe(w, rec, r, kept);

			if (res != STEP_LOST)
				return res;
		}
	}
	kept->slot = KEPT_USES_BP | KEPT_BARRIER;
	return step_with_row(w, r);
}
