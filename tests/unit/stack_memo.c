// SPDX-License-Identifier: MIT
/*
 * Stacks found again by the words that a walk reads: what is found is the stack that is
 * there, and nothing is read that its walk would not have read.
 *
 * The code here is imaginary: a function's frame follows from its address. Stacks are
 * made of random calls, many of them with the same innermost frame at the same place.
 */
#include "preload/stack_memo.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

enum { PAGE = 4096, BELOW = 40, FRAMES = 40, DEPTH = 20, POOL = 4000, CAPTURES = 100000 };
enum { FRAME_WORDS = 4 };	/* with the return address; a few have more */
enum { INNER_MAX = 4 };
enum { LARGE_WORDS = 1 << 17, LARGE_MAX = 3 };	/* frames with an array of 1 MiB */
enum { AREA = 2 * PAGE + LARGE_MAX * LARGE_WORDS * sizeof(uintptr_t) };

static uint64_t seed = 1;

static unsigned int any(unsigned int n)
{
	seed = seed * 6364136223846793005u + 1442695040888963407u;
	return (unsigned int)(seed >> 33) % n;
}

/* ---- imaginary code -------------------------------------------------------------- */

#define END ((uintptr_t)0x400000)	/* nothing called it */

enum kind { PLAIN, SAVES_BP, FRAMED };

static uintptr_t function(unsigned int level, unsigned int which)
{
	return END + (level + 1) * 0x100 + which * 16;
}

static enum kind kind_of(uintptr_t ip)
{
	return (ip * 0x9e3779b1u >> 9) % 3;
}

/* ---- stacks ----------------------------------------------------------------------- */

struct plan {
	unsigned int frames;
	unsigned int inner;		/* of these, at lower addresses than where most stacks start */
	bool barrier;
	uintptr_t ip[FRAMES];		/* innermost first */
	unsigned int size[FRAMES];
	uintptr_t bp[FRAMES];		/* what a function that saved it leaves there */
};

static char *pages, *readable_end;
static struct frame_cache cache;
static struct frame_regs top;

static uintptr_t *start_of_stack(void)
{
	return (uintptr_t *)(pages + PAGE) - BELOW;
}

/* Few to choose from at each level, so that stacks have much in common. */
static void make_frame(struct plan *p, unsigned int i)
{
	p->ip[i] = i == p->frames - 1 ? END : function(i % 8, any(i ? 2 : 1));
	p->size[i] = FRAME_WORDS;
	if (kind_of(p->ip[i]) == FRAMED)
		p->size[i] += !any(8) + !any(16) * LARGE_WORDS;
	p->bp[i] = any(2) ? (uintptr_t)(start_of_stack() + any(100)) : any(3);
}

/* The outer frames of @p stay where they are, and @inner others take the inner ones' place. */
static void move_start(struct plan *p, unsigned int inner)
{
	unsigned int outer = p->frames - p->inner;

	memmove(&p->ip[inner], &p->ip[p->inner], outer * sizeof(p->ip[0]));
	memmove(&p->size[inner], &p->size[p->inner], outer * sizeof(p->size[0]));
	memmove(&p->bp[inner], &p->bp[p->inner], outer * sizeof(p->bp[0]));
	p->frames = outer + inner;
	p->inner = inner;
}

/* There is an end to the stack. */
static void limit_large_frames(struct plan *p)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < p->frames; i++)
		if (p->size[i] >= LARGE_WORDS && ++n > LARGE_MAX)
			p->size[i] -= LARGE_WORDS;
}

/* Another stack: with the outer frames of @other, mostly. */
static void make_plan(struct plan *p, const struct plan *other)
{
	unsigned int n = FRAMES;

	*p = *other;
	if (!any(8) || !p->frames) {
		p->inner = 0;
		p->frames = 3 + any(FRAMES - 3 - INNER_MAX);
	} else {
		move_start(p, any(2) * any(INNER_MAX + 1));
		n = p->inner + any(p->frames - p->inner);
	}
	for (unsigned int i = 0; i < n && i < p->frames; i++)
		make_frame(p, i);
	for (unsigned int i = 0; i < p->inner; i++)
		p->size[i] = FRAME_WORDS;
	limit_large_frames(p);
	p->barrier = !any(16);
}

static void frame_of(struct kept_frame *f, const struct plan *p, unsigned int i, uintptr_t sp,
		     const struct kept_frame *outer)
{
	uintptr_t *cfa = (uintptr_t *)sp + p->size[i];

	*f = (struct kept_frame){ .ip = p->ip[i], .sp = sp, .bp = outer ? outer->bp : 7 };
	if (!outer)
		return;
	cfa[-1] = outer->ip;
	if (kind_of(f->ip) != PLAIN) {
		cfa[-2] = outer->bp;
		f->slot = (uintptr_t)&cfa[-2];
		f->bp = kind_of(f->ip) == FRAMED ? f->slot : p->bp[i];
	}
	if (kind_of(f->ip) == FRAMED)
		f->slot |= KEPT_RULE_USES_BP | KEPT_USES_BP;
	else if (kind_of(f->ip) == PLAIN)
		f->slot |= outer->slot & KEPT_USES_BP;
}

/* There is memory up to the page of @sp, the outermost frame's: nobody reads beyond that. */
static void allow_up_to(uintptr_t sp)
{
	char *end = (char *)((sp + PAGE - 1) & ~(uintptr_t)(PAGE - 1));

	if (end != readable_end) {
		mprotect(pages, AREA, PROT_NONE);
		mprotect(pages, (size_t)(end - pages), PROT_READ | PROT_WRITE);
		readable_end = end;
	}
	memset(pages, 0xee, end - pages > 2 * PAGE ? 2 * PAGE : end - pages);
}

/* Puts the stack into memory, and into the cache, as if it had been walked. */
static void lay_out(const struct plan *p)
{
	uintptr_t sp[FRAMES];

	sp[0] = (uintptr_t)(start_of_stack() - p->inner * FRAME_WORDS);
	for (unsigned int i = 1; i < p->frames; i++)
		sp[i] = sp[i - 1] + p->size[i - 1] * sizeof(uintptr_t);
	allow_up_to(sp[p->frames - 1]);
	for (unsigned int i = 0; i < p->frames; i++) {
		unsigned int at = p->frames - 1 - i;
		struct kept_frame *f = &cache.frame[i];

		frame_of(f, p, at, sp[at], i ? f - 1 : NULL);
	}
	cache.barriers = p->barrier;
	cache.count = (int)p->frames;
	top = (struct frame_regs){ p->ip[0], sp[0], cache.frame[p->frames - 1].bp };
}

/* Are the same frames recorded of both? */
static bool alike(const struct plan *a, const struct plan *b, unsigned int depth)
{
	unsigned int n = a->frames < depth ? a->frames : depth;

	if ((a->frames > depth) != (b->frames > depth) || (n < depth && a->frames != b->frames))
		return false;
	return !memcmp(a->ip, b->ip, n * sizeof(a->ip[0]));
}

static struct plan pool[POOL];
static uint32_t index_of[POOL];

static void make_pool(unsigned int depth)
{
	for (uint32_t i = 0; i < POOL; i++) {
		make_plan(&pool[i], &pool[i ? i - 1 : 0]);
		index_of[i] = i + 1;
		for (uint32_t j = 0; j < i; j++)
			if (alike(&pool[i], &pool[j], depth)) {
				index_of[i] = index_of[j];
				break;
			}
	}
}

/* ---- tests ------------------------------------------------------------------------ */

static struct stack_memos memos;

static void setup_pages(void)
{
	pages = mmap(NULL, AREA, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	assert_ptr_not_equal(pages, MAP_FAILED);
	readable_end = NULL;
	memset(&cache, 0, sizeof(cache));
	stack_memo_reset(&memos);
}

static uint32_t first_site = 1;

/* Captures one of the first @n stacks of the pool, often one like the last. True: it was found. */
static bool capture_any(uint32_t n, unsigned int depth)
{
	static uint32_t i;
	struct stack_memo *m;
	bool found;

	i = any(2) ? any(n) : (i + any(4)) % n;

	lay_out(&pool[i]);
	m = stack_memo_find(&memos, top);
	found = m;
	if (m)
		assert_int_equal(m->stack, index_of[i]);
	else
		m = stack_memo_add(&memos, &cache, &top, (int)depth, index_of[i]);
	assert_int_equal(m->stack, index_of[i]);
	assert_true(!m->site || m->site == first_site + index_of[i]);
	m->site = first_site + index_of[i];
	return found;
}

static int captures_found(uint32_t n, unsigned int depth)
{
	int found = 0;

	for (int i = 0; i < CAPTURES; i++)
		found += capture_any(n, depth);
	return found;
}

static void test_few(void **state)
{
	(void)state;
	setup_pages();
	make_pool(DEPTH_MAX);
	assert_true(captures_found(200, DEPTH_MAX) > CAPTURES / 100 * 80);
}

/* More than there is room for: all is forgotten now and then. */
static void test_many(void **state)
{
	(void)state;
	setup_pages();
	make_pool(DEPTH_MAX);
	assert_true(captures_found(POOL, DEPTH_MAX) > CAPTURES / 4);
}

static void test_cut(void **state)
{
	(void)state;
	setup_pages();
	make_pool(DEPTH);
	assert_true(captures_found(POOL / 4, DEPTH) > CAPTURES / 4);
}

/* The session is another one: no site is remembered. Nor a stack: the code may be another. */
static void test_reset(void **state)
{
	(void)state;
	setup_pages();
	make_pool(DEPTH_MAX);
	captures_found(50, DEPTH_MAX);
	first_site += POOL;
	stack_memo_reset(&memos);
	captures_found(50, DEPTH_MAX);
	for (uint32_t i = 0; i < POOL; i++)
		index_of[i] += POOL;
	stack_memo_reset(&memos);
	assert_true(captures_found(50, DEPTH_MAX) > CAPTURES / 100 * 80);
}

/* Puts a stack into memory that is known from now on. */
static void learn(const struct plan *p)
{
	lay_out(p);
	for (int i = 0; i < 2; i++)
		stack_memo_add(&memos, &cache, &top, DEPTH_MAX, 1);
	assert_non_null(stack_memo_find(&memos, top));
}

static bool is_noticed(uintptr_t *word, uintptr_t bits)
{
	bool found;

	*word ^= bits;
	found = stack_memo_find(&memos, top);
	*word ^= bits;
	return !found;
}

/* Each bit of what was read counts: of bp, of words nearby and of those behind large frames. */
static void test_every_bit(void **state)
{
	struct plan p = {
		.frames = 7,
		.size = { FRAME_WORDS, FRAME_WORDS, LARGE_WORDS, LARGE_WORDS, FRAME_WORDS, FRAME_WORDS },
	};

	(void)state;
	setup_pages();
	for (unsigned int i = 0; i < p.frames; i++)
		for (p.ip[i] = END; kind_of(p.ip[i]) != (i % 2 ? FRAMED : PLAIN);)
			p.ip[i] += 16;
	learn(&p);
	/* bp; each end of a large frame, and bp which lies before the first; a leaf */
	assert_int_equal(memos.nodes, 5);
	for (int bit = 0; bit < 64; bit++) {
		assert_true(is_noticed(&top.bp, 1ull << bit));
		for (int i = 0; i < cache.count - 1; i++)
			assert_true(is_noticed((uintptr_t *)cache.frame[i].sp - 1, 1ull << bit));
		for (int i = 3; i < cache.count - 1; i += 2)
			assert_true(is_noticed((uintptr_t *)(cache.frame[i].slot & KEPT_SLOT),
					       1ull << bit));
	}
	assert_non_null(stack_memo_find(&memos, top));
}

/* Of a stack whose frames are all far apart nothing is kept. */
static void test_all_far(void **state)
{
	(void)state;
	memset(&cache, 0, sizeof(cache));
	stack_memo_reset(&memos);
	cache.count = MEMO_FAR_MAX + 2;
	for (int i = 0; i < cache.count; i++) {
		uintptr_t further = (uintptr_t)(cache.count - i) * LARGE_WORDS * sizeof(uintptr_t);

		cache.frame[i] = (struct kept_frame){ .ip = END, .sp = further };
	}
	top = (struct frame_regs){ END, cache.frame[cache.count - 1].sp, 0 };
	for (int i = 0; i < 3; i++)
		stack_memo_add(&memos, &cache, &top, DEPTH_MAX, 1);
	assert_int_equal(memos.nodes, 0);
	cache.count--;
	top.sp = cache.frame[cache.count - 1].sp;
	stack_memo_add(&memos, &cache, &top, DEPTH_MAX, 1);
	assert_int_equal(memos.nodes, MEMO_FAR_MAX + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_few),
		cmocka_unit_test(test_many),
		cmocka_unit_test(test_cut),
		cmocka_unit_test(test_reset),
		cmocka_unit_test(test_every_bit),
		cmocka_unit_test(test_all_far),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
