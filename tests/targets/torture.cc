// SPDX-License-Identifier: MIT
/*
 * torture MODE[+MODE...] ALLOCATIONS [SEED] - random call trees of every kind of frame, for
 * libleak-check.so, which compares each stack with full walks.
 */
#include "torture.h"

#include <climits>
#include <csetjmp>
#include <csignal>
#include <cstdio>
#include <cstring>
#include <dlfcn.h>
#include <pthread.h>
#include <sys/mman.h>
#include <ucontext.h>

extern "C" {
void torture_step(struct tree *t, int depth);
node_fn torture_asm_framed, torture_asm_frameless, torture_asm_misuse;
node_fn torture_alike, torture_alike_plain, torture_alike_framed, torture_alike_saved,
	torture_alike_pointer;
}

enum { LANDINGS = 200, COROUTINES = 4, COROUTINE_STACK = 512 << 10, ALTSTACK = 256 << 10 };
enum { ALTSTACK_DEPTH = 8 };
const long TREE_SIZE = 600;
const unsigned int SAME_TREES = 6;	/* of the same seed, one after the other */

/* Where a throw or a longjmp of this context may land. */
struct landing {
	sigjmp_buf *buf;	/* NULL: a catch clause */
};

struct context {
	landing landings[LANDINGS];
	int count;
	int wall;		/* exceptions don't get to landings below this index */
	bool started;
	ucontext_t uc, resumer;
	void *stack;
	context *outer;
};

struct failure {
	int depth;
};

static __thread tree *current;
static __thread context main_context, coroutine[COROUTINES];
static char directory[PATH_MAX];

void torture_step(struct tree *t, int depth)
{
	step(t, depth);
	step(t, depth);
}

/* ---- leaving frames by exceptions and jumps ------------------------------------- */

static void catches(tree *t, int depth)
{
	context *c = t->here;
	int count = c->count, wall = c->wall;

	if (count < LANDINGS)
		c->landings[c->count++].buf = nullptr;
	try {
		step(t, depth);
		step(t, depth);
	} catch (const failure &f) {
		tree_allocate(t, static_cast<unsigned>(f.depth));
	}
	c->count = count;
	c->wall = wall;
	step(t, depth);
}

static void throws(tree *t, int depth)
{
	context *c = t->here;

	step(t, depth);
	if (c->count > c->wall && !c->landings[c->count - 1].buf)
		throw failure{ depth };
}

/* A destructor runs on the way out, and allocates. */
struct allocates_at_end {
	tree *t;
	~allocates_at_end()
	{
		tree_allocate(t, 21);
	}
};

static void cleans_up(tree *t, int depth)
{
	allocates_at_end at_end{ t };

	step(t, depth);
	step(t, depth);
}

static void lands(tree *t, int depth)
{
	context *c = t->here;
	volatile int count = c->count, wall = c->wall, altstack = t->on_altstack;
	sigjmp_buf buf;

	if (!sigsetjmp(buf, 1)) {
		if (c->count < LANDINGS)
			c->landings[c->count++].buf = &buf;
		step(t, depth);
		step(t, depth);
	}
	c->count = count;
	c->wall = wall;
	t->on_altstack = altstack;
	step(t, depth);
}

static void jumps(tree *t, int depth)
{
	context *c = t->here;

	step(t, depth);
	if (c->count && c->landings[c->count - 1].buf)
		siglongjmp(*c->landings[c->count - 1].buf, 1);
}

/* Calls code that exceptions cannot cross. */
static void behind_wall(tree *t, int depth, node_fn *call)
{
	context *c = t->here;
	int wall = c->wall;

	c->wall = c->count;
	call(t, depth);
	c->wall = wall;
}

/* ---- signals --------------------------------------------------------------------- */

static void on_signal(int)
{
	tree *t = current;
	int depth = t->signal_depth;

	step(t, depth);
	step(t, depth);
}

static void on_altstack_signal(int)
{
	tree *t = current;
	int depth = t->signal_depth;

	if (depth < t->depth_max - ALTSTACK_DEPTH)
		depth = t->depth_max - ALTSTACK_DEPTH;
	t->on_altstack++;
	step(t, depth);
	step(t, depth);
	step(t, depth);
	t->on_altstack--;
}

static void raise_usr1(tree *t, int depth)
{
	t->signal_depth = depth;
	raise(SIGUSR1);
}

static void raise_usr2(tree *t, int depth)
{
	t->signal_depth = depth;
	raise(SIGUSR2);
}

static void raises(tree *t, int depth)
{
	behind_wall(t, depth, raise_usr1);
	step(t, depth);
}

static void raises_on_altstack(tree *t, int depth)
{
	if (!t->on_altstack)
		behind_wall(t, depth, raise_usr2);
	step(t, depth);
}

static void give_altstack()
{
	stack_t stack = {};

	stack.ss_sp = mmap(nullptr, ALTSTACK, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack.ss_size = ALTSTACK;
	sigaltstack(&stack, nullptr);
}

static void install_handlers()
{
	struct sigaction action = {};

	action.sa_handler = on_signal;
	action.sa_flags = SA_NODEFER;
	sigaction(SIGUSR1, &action, nullptr);
	action.sa_handler = on_altstack_signal;
	action.sa_flags = SA_NODEFER | SA_ONSTACK;
	sigaction(SIGUSR2, &action, nullptr);
}

/* ---- coroutines ------------------------------------------------------------------ */

static void coroutine_body()
{
	for (;;) {
		tree *t = current;

		step(t, 0);
		tree_allocate(t, 33);
		swapcontext(&t->here->uc, &t->here->resumer);
	}
}

static void start(context *c)
{
	if (!c->stack)
		c->stack = mmap(nullptr, COROUTINE_STACK, PROT_READ | PROT_WRITE,
				MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	getcontext(&c->uc);
	c->uc.uc_stack.ss_sp = c->stack;
	c->uc.uc_stack.ss_size = COROUTINE_STACK;
	c->uc.uc_link = nullptr;
	makecontext(&c->uc, coroutine_body, 0);
	c->count = c->wall = 0;
	c->started = true;
}

static void resumes(tree *t, int depth)
{
	context *c = &coroutine[tree_random(t) % COROUTINES], *outer = t->here;

	if (t->in_coroutine || t->on_altstack) {
		step(t, depth);
		return;
	}
	/* Now and then a coroutine is given up in the middle, and its stack used again. */
	if (!c->started || tree_random(t) % 50 == 0)
		start(c);
	t->here = c;
	t->in_coroutine = 1;
	swapcontext(&c->resumer, &c->uc);
	t->in_coroutine = 0;
	t->here = outer;
	step(t, depth);
}

static void yields(tree *t, int depth)
{
	context *c = t->here;

	step(t, depth);
	if (t->in_coroutine && !t->on_altstack)
		swapcontext(&c->uc, &c->resumer);
	step(t, depth);
}

/* ---- code without call frame information ------------------------------------------ */

static void asm_framed(tree *t, int depth)
{
	behind_wall(t, depth, torture_asm_framed);
}

static void asm_frameless(tree *t, int depth)
{
	behind_wall(t, depth, torture_asm_frameless);
}

static void asm_misuse(tree *t, int depth)
{
	behind_wall(t, depth, torture_asm_misuse);
}

/* ---- frames that differ in nothing but their return addresses ---------------------- */

enum { ALIKE_LEVELS = 16, ALIKE_CHAINS = 100, ALIKE_USUAL = 400 };

/* The next one of a chain; a tail call: @left more. */
void torture_alike(tree *t, int left)
{
	static node_fn *const nodes[] = { torture_alike_plain, torture_alike_framed,
					  torture_alike_saved, torture_alike_pointer };

	if (left > 0)
		nodes[t->path >> 2 * left & 3](t, left - 1);
	else
		tree_allocate(t, 8);
}

/* Some chains come again and again, with one more in between that is like no other. */
static void alike(tree *t, int)
{
	for (int i = 0; i < ALIKE_CHAINS; i++) {
		t->path = tree_random(t);
		if (t->path % 8)
			t->path = t->path % ALIKE_USUAL * 0x9e3779b97f4a7c15u >> 20;
		torture_alike(t, ALIKE_LEVELS);
	}
}

static char *code;
enum { CODE_BYTES = 64 << 10 };

/* Appends x86-64 code: sub $frame, %rsp around a call of torture_step. */
static char *emit(char *p, bool framed, unsigned char frame)
{
	void (*callee)(tree *, int) = torture_step;
	static const unsigned char push[] = { 0x55, 0x48, 0x89, 0xe5 }; /* push %rbp; mov %rsp, %rbp */
	static const unsigned char leave[] = { 0xc9, 0xc3 };
	const unsigned char sub[] = { 0x48, 0x83, 0xec, frame };
	const unsigned char add[] = { 0x48, 0x83, 0xc4, frame, 0xc3 };
	static const unsigned char movabs[] = { 0x48, 0xb8 }, call[] = { 0xff, 0xd0 };
	auto put = [&p](const void *bytes, size_t n) {
		memcpy(p, bytes, n);
		p += n;
	};

	if (framed)
		put(push, sizeof(push));
	put(sub, sizeof(sub));
	put(movabs, sizeof(movabs));
	put(&callee, sizeof(callee));
	put(call, sizeof(call));
	if (framed)
		put(leave, sizeof(leave));
	else
		put(add, sizeof(add));
	return p;
}

/* New code at the same addresses, as a just-in-time compiler does. */
static void compile(unsigned int variant)
{
	if (code)
		munmap(code, CODE_BYTES);
	code = static_cast<char *>(mmap(code, CODE_BYTES, PROT_READ | PROT_WRITE | PROT_EXEC,
					MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
	if (code == MAP_FAILED)
		exit(3);
	emit(code, true, static_cast<unsigned char>(16 + variant % 4 * 16));
	emit(code + 64, false, static_cast<unsigned char>(8 + variant % 3 * 16));
	emit(code + 128, variant & 1, variant & 1 ? 32 : 40);
}

template <int offset> static void compiled(tree *t, int depth)
{
	behind_wall(t, depth, reinterpret_cast<node_fn *>(code + offset));
}

/* ---- deep recursion --------------------------------------------------------------- */

static __attribute__((noinline)) void descend(tree *t, int depth, int n)
{
	volatile int here = n;

	if (n % 64 == 3)
		tree_allocate(t, 13);
	if (n)
		descend(t, depth, n - 1);
	else
		step(t, depth);
	if (here % 97 == 5)
		step(t, depth);
}

static void deep(tree *t, int depth)
{
	if (depth < 4)
		descend(t, t->depth_max - 6, static_cast<int>(tree_random(t) % 1200));
	else
		step(t, depth);
}

/* ---- modes ------------------------------------------------------------------------ */

static void add(tree *t, node_fn *call, bool transient = false)
{
	if (t->count < NODES_MAX)
		t->node[t->count++] = { call, transient };
}

static void *open_library(const char *name)
{
	char path[PATH_MAX + 64];
	void *handle;

	snprintf(path, sizeof(path), "%s/libtorture_%s.so", directory, name);
	handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
	if (!handle) {
		fprintf(stderr, "%s\n", dlerror());
		exit(3);
	}
	return handle;
}

static void add_list(tree *t, void *handle, const char *symbol, bool transient)
{
	auto *list = static_cast<const node_list *>(dlsym(handle, symbol));

	for (int i = 0; i < list->count; i++)
		add(t, list->call[i], transient);
}

static void add_omit(tree *t)
{
	add_list(t, open_library("omit"), "torture_omit", false);
}

static void add_keep(tree *t)
{
	add_list(t, open_library("keep"), "torture_keep", false);
}

static void add_exceptions(tree *t)
{
	add(t, catches);
	add(t, catches);
	add(t, throws);
	add(t, cleans_up);
}

static void add_jumps(tree *t)
{
	add(t, lands);
	add(t, jumps);
}

static void add_signals(tree *t)
{
	add(t, raises);
}

static void add_altstack(tree *t)
{
	add(t, raises_on_altstack);
	add(t, raises_on_altstack);
}

static void add_coroutines(tree *t)
{
	add(t, resumes);
	add(t, resumes);
	add(t, yields);
}

static void add_assembly(tree *t)
{
	add(t, asm_framed);
	add(t, asm_frameless);
	add(t, asm_misuse);
}

/* Frames that can be stepped out of by the frame pointer, without CFI. */
static void add_framed(tree *t)
{
	add(t, asm_framed);
	add(t, compiled<0>, true);
}

static void add_alike(tree *t)
{
	for (int i = 0; i < 12; i++)
		add(t, alike);
}

static void add_compiled(tree *t)
{
	add(t, compiled<0>, true);
	add(t, compiled<64>, true);
	add(t, compiled<128>, true);
}

static void add_deep(tree *t)
{
	add(t, deep);
}

static void add_nothing(tree *)
{
}

enum { UNLOAD = 1, UNLOAD_HIDDEN = 2, COMPILE = 4 };

static const struct mode {
	const char *name;
	void (*add)(tree *);
	int flags;
} modes[] = {
	{ "plain", add_nothing, 0 },
	{ "exceptions", add_exceptions, 0 },
	{ "longjmp", add_jumps, 0 },
	{ "signals", add_signals, 0 },
	{ "altstack", add_altstack, 0 },
	{ "coroutines", add_coroutines, 0 },
	{ "assembly", add_assembly, 0 },
	{ "framed", add_framed, COMPILE },
	{ "alike", add_alike, 0 },
	{ "compiled", add_compiled, COMPILE },
	{ "deep", add_deep, 0 },
	{ "unload", add_nothing, UNLOAD },
	{ "unload-unseen", add_nothing, UNLOAD | UNLOAD_HIDDEN },
	{ "replace", add_compiled, UNLOAD | COMPILE },
};

/* dlclose as the C library itself calls it: not through an interposed symbol. */
static void close_library(void *handle, bool hidden)
{
	static int (*real)(void *);

	if (!hidden) {
		dlclose(handle);
		return;
	}
	if (!real) {
		void *libc = dlopen("libc.so.6", RTLD_LAZY | RTLD_NOLOAD);

		real = reinterpret_cast<int (*)(void *)>(dlsym(libc, "dlclose"));
	}
	real(handle);
}

/* One tree after the other, some of them alike; between them code comes and goes. */
static void grow(tree *t, long allocations, int flags)
{
	unsigned int round = 0;
	uint64_t seed = t->random;
	int lasting = t->count;

	current = t;
	t->here = &main_context;
	while (allocations > 0) {
		long size = allocations < TREE_SIZE ? allocations : TREE_SIZE;
		void *plugin = nullptr;

		t->left = size;
		if (round % SAME_TREES)
			t->random = seed;
		seed = t->random;
		if (flags & COMPILE)
			compile(round / 2);
		if (flags & UNLOAD) {
			plugin = open_library(round % 2 ? "near" : "away");
			add_list(t, plugin, "torture_plugin", true);
		}
		while (t->left > 0) {
			step(t, 0);
			if (t->count)
				t->node[tree_random(t) % static_cast<unsigned>(t->count)].call(t, 1);
		}
		t->count = lasting;
		if (plugin)
			close_library(plugin, flags & UNLOAD_HIDDEN);
		allocations -= size;
		round++;
	}
}

static tree *new_tree(uint64_t seed)
{
	auto *t = static_cast<tree *>(calloc(1, sizeof(tree)));

	t->random = seed * 0x9e3779b97f4a7c15u + 1;
	t->depth_max = 30;
	add_omit(t);
	add_keep(t);
	return t;
}

struct job {
	pthread_t thread;
	tree *t;
	long allocations;
};

static void *run_job(void *arg)
{
	auto *j = static_cast<job *>(arg);

	give_altstack();
	grow(j->t, j->allocations, 0);
	return nullptr;
}

static void run_threads(long allocations, uint64_t seed)
{
	enum { ROUNDS = 3, AT_ONCE = 4 };
	job jobs[AT_ONCE];

	for (int i = 0; i < ROUNDS; i++) {
		for (auto &j : jobs) {
			j.t = new_tree(seed++);
			j.allocations = allocations / (ROUNDS * AT_ONCE);
			add_exceptions(j.t);
			add_jumps(j.t);
			add_altstack(j.t);
			add_coroutines(j.t);
			add_assembly(j.t);
			pthread_create(&j.thread, nullptr, run_job, &j);
		}
		for (auto &j : jobs)
			pthread_join(j.thread, nullptr);
	}
}

/* Adds the nodes of one mode. */
static bool add_mode(tree *t, const char *name, size_t len, int *flags)
{
	for (const auto &m : modes) {
		if (strlen(m.name) != len || memcmp(m.name, name, len))
			continue;
		m.add(t);
		*flags |= m.flags;
		return true;
	}
	return false;
}

static bool run(const char *names, long allocations, uint64_t seed)
{
	tree *t = new_tree(seed);
	int flags = 0;

	if (!strcmp(names, "threads")) {
		run_threads(allocations, seed);
		return true;
	}
	while (*names) {
		size_t len = strcspn(names, "+");

		if (!add_mode(t, names, len, &flags))
			return false;
		names += len;
		names += *names == '+';
	}
	grow(t, allocations, flags);
	return true;
}

int main(int argc, char **argv)
{
	char *slash;

	if (argc < 3 || !realpath("/proc/self/exe", directory)) {
		fprintf(stderr, "usage: torture MODE[+MODE...] ALLOCATIONS [SEED]\n");
		return 2;
	}
	slash = strrchr(directory, '/');
	*slash = '\0';
	give_altstack();
	install_handlers();
	if (!run(argv[1], atol(argv[2]), argc > 3 ? strtoull(argv[3], nullptr, 0) : 1)) {
		fprintf(stderr, "torture: no mode %s\n", argv[1]);
		return 2;
	}
	puts("done");
	return 0;
}
