// SPDX-License-Identifier: MIT
/* inject_unwind.c - see inject_unwind.h */
#define _GNU_SOURCE 1
#include "inject_unwind.h"

#include "epilogue.h"
#include "x86_insn.h"

#include <errno.h>
#include <libunwind.h>
#include <stdlib.h>
#include <string.h>

#define MAX_FRAMES	1024
#define PAGE		4096u
#define CACHED_PAGES	64u

/* The binary search in .eh_frame_hdr; exported by libunwind for users like this one. */
#define search_unwind_table UNW_OBJ(dwarf_search_unwind_table)
extern int search_unwind_table(unw_addr_space_t space, unw_word_t ip, unw_dyn_info_t *table,
			       unw_proc_info_t *info, int need_unwind_info, void *arg);

struct cached_page {
	uint64_t addr;		/* 0: empty */
	unsigned char data[PAGE];
};

struct unwinder {
	const struct image *image;
	int mem;
	unw_addr_space_t space;
	const struct user_regs_struct *regs;
	struct user_regs_struct stepped;	/* what they point to, behind a frame without information */
	struct cached_page pages[CACHED_PAGES];
};

static int read_word(struct unwinder *u, uint64_t addr, uint64_t *value)
{
	uint64_t page = addr & ~(uint64_t)(PAGE - 1);
	struct cached_page *c = &u->pages[page / PAGE % CACHED_PAGES];
	int err;

	if (!page || addr - page > PAGE - sizeof(*value))
		return image_read(u->mem, addr, value, sizeof(*value));
	if (c->addr != page) {
		c->addr = 0;
		err = image_read(u->mem, page, c->data, PAGE);
		if (err)
			return err;
		c->addr = page;
	}
	memcpy(value, c->data + (addr - page), sizeof(*value));
	return 0;
}

static int access_memory(unw_addr_space_t space, unw_word_t addr, unw_word_t *value, int write,
			 void *arg)
{
	(void)space;
	return write || read_word(arg, addr, value) ? -UNW_EINVAL : 0;
}

static int access_register(unw_addr_space_t space, unw_regnum_t reg, unw_word_t *value, int write,
			   void *arg)
{
	const struct user_regs_struct *r = ((struct unwinder *)arg)->regs;

	(void)space;
	if (write)
		return -UNW_EREADONLYREG;
	switch (reg) {
	case UNW_X86_64_RAX:	*value = r->rax; break;
	case UNW_X86_64_RDX:	*value = r->rdx; break;
	case UNW_X86_64_RCX:	*value = r->rcx; break;
	case UNW_X86_64_RBX:	*value = r->rbx; break;
	case UNW_X86_64_RSI:	*value = r->rsi; break;
	case UNW_X86_64_RDI:	*value = r->rdi; break;
	case UNW_X86_64_RBP:	*value = r->rbp; break;
	case UNW_X86_64_RSP:	*value = r->rsp; break;
	case UNW_X86_64_R8:	*value = r->r8; break;
	case UNW_X86_64_R9:	*value = r->r9; break;
	case UNW_X86_64_R10:	*value = r->r10; break;
	case UNW_X86_64_R11:	*value = r->r11; break;
	case UNW_X86_64_R12:	*value = r->r12; break;
	case UNW_X86_64_R13:	*value = r->r13; break;
	case UNW_X86_64_R14:	*value = r->r14; break;
	case UNW_X86_64_R15:	*value = r->r15; break;
	case UNW_X86_64_RIP:	*value = r->rip; break;
	default:		return -UNW_EBADREG;
	}
	return 0;
}

static int access_float(unw_addr_space_t space, unw_regnum_t reg, unw_fpreg_t *value, int write,
			void *arg)
{
	(void)space;
	(void)reg;
	(void)value;
	(void)write;
	(void)arg;
	return -UNW_EBADREG;
}

/* .eh_frame_hdr: version 1; frame pointer pcrel sdata4, count udata4, table datarel sdata4. */
static int find_table(struct unwinder *u, const struct image_object *o, unw_dyn_info_t *table)
{
	static const unsigned char usual[4] = { 1, 0x1b, 0x03, 0x3b };
	uint64_t head, count;

	if (!o->unwind_table || read_word(u, o->unwind_table, &head) ||
	    read_word(u, o->unwind_table + 8, &count) || memcmp(&head, usual, sizeof(usual)))
		return -UNW_ENOINFO;
	memset(table, 0, sizeof(*table));
	table->format = UNW_INFO_FORMAT_REMOTE_TABLE;
	table->start_ip = o->start;
	table->end_ip = o->end;
	table->u.rti.segbase = o->unwind_table;
	table->u.rti.table_data = o->unwind_table + 12;
	table->u.rti.table_len = (uint32_t)count;	/* entries and words are 8 bytes each */
	return 0;
}

static int find_proc_info(unw_addr_space_t space, unw_word_t ip, unw_proc_info_t *info,
			  int need_unwind_info, void *arg)
{
	struct unwinder *u = arg;
	const struct image_object *o = image_at(u->image, ip);
	unw_dyn_info_t table;
	int err = o ? find_table(u, o, &table) : -UNW_ENOINFO;

	return err ? err : search_unwind_table(space, ip, &table, info, need_unwind_info, arg);
}

static void put_unwind_info(unw_addr_space_t space, unw_proc_info_t *info, void *arg)
{
	(void)space;
	(void)info;
	(void)arg;
}

static int no_dynamic_list(unw_addr_space_t space, unw_word_t *addr, void *arg)
{
	(void)space;
	(void)addr;
	(void)arg;
	return -UNW_ENOINFO;
}

static int no_resume(unw_addr_space_t space, unw_cursor_t *cursor, void *arg)
{
	(void)space;
	(void)cursor;
	(void)arg;
	return -UNW_EINVAL;
}

static int no_name(unw_addr_space_t space, unw_word_t addr, char *name, size_t size,
		   unw_word_t *offset, void *arg)
{
	(void)space;
	(void)addr;
	(void)name;
	(void)size;
	(void)offset;
	(void)arg;
	return -UNW_ENOINFO;
}

static unw_accessors_t accessors = {
	.find_proc_info = find_proc_info,
	.put_unwind_info = put_unwind_info,
	.get_dyn_info_list_addr = no_dynamic_list,
	.access_mem = access_memory,
	.access_reg = access_register,
	.access_fpreg = access_float,
	.resume = no_resume,
	.get_proc_name = no_name,
};

int unwinder_new(struct unwinder **out, const struct image *image, int mem)
{
	struct unwinder *u = calloc(1, sizeof(*u));

	if (!u)
		return -ENOMEM;
	u->image = image;
	u->mem = mem;
	u->space = unw_create_addr_space(&accessors, 0);
	if (!u->space) {
		free(u);
		return -ENOMEM;
	}
	unw_set_caching_policy(u->space, UNW_CACHE_NONE);
	*out = u;
	return 0;
}

void unwinder_free(struct unwinder *unwinder)
{
	if (!unwinder)
		return;
	unw_destroy_addr_space(unwinder->space);
	free(unwinder);
}

/* ---- code without call frame information (all of musl's) ---------------------- */

static size_t read_code(void *arg, uint64_t at, uint8_t *to, size_t size)
{
	const struct unwinder *u = arg;
	const struct image_object *o = image_at(u->image, at);

	if (!o || at < o->text_start || at >= o->text_end)
		return 0;
	if (size > o->text_end - at)
		size = o->text_end - at;
	return image_read(u->mem, at, to, size) ? 0 : size;
}

/* Where a jump of a procedure linkage table at @addr leads; @addr if there is none. */
static uint64_t behind_plt(const struct unwinder *u, uint64_t addr)
{
	unsigned char code[6];
	int32_t off;
	uint64_t to;

	if (image_read(u->mem, addr, code, sizeof(code)) || code[0] != 0xff || code[1] != 0x25)
		return addr;
	memcpy(&off, code + 2, sizeof(off));
	return image_read(u->mem, addr + sizeof(code) + (uint64_t)(int64_t)off, &to, sizeof(to)) ?
		addr : to;
}

static bool is_final(void *arg, uint64_t addr)
{
	static const char *const names[] = { "exit", "abort", "pthread_exit", "quick_exit", "_exit",
					     "longjmp", "__assert_fail", "__stack_chk_fail" };
	const struct unwinder *u = arg;
	uint64_t at = behind_plt(u, addr);
	const struct image_object *o = image_at(u->image, at);

	for (size_t i = 0; o && i < sizeof(names) / sizeof(names[0]); i++)
		if (image_function(o, names[i]) == at)
			return true;
	return false;
}

static bool read_registers(unw_cursor_t *cursor, struct user_regs_struct *r)
{
	const struct {
		unw_regnum_t number;
		unsigned long long *value;
	} all[] = {
		{ UNW_X86_64_RIP, &r->rip }, { UNW_X86_64_RSP, &r->rsp }, { UNW_X86_64_RBX, &r->rbx },
		{ UNW_X86_64_RBP, &r->rbp }, { UNW_X86_64_R12, &r->r12 }, { UNW_X86_64_R13, &r->r13 },
		{ UNW_X86_64_R14, &r->r14 }, { UNW_X86_64_R15, &r->r15 },
	};

	for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
		unw_word_t word;

		if (unw_get_reg(cursor, all[i].number, &word) < 0)
			return false;
		*all[i].value = word;
	}
	return true;
}

/* The caller's registers. False: they cannot be read, or it is nowhere. */
static bool restore(struct unwinder *u, const struct epilogue *e, struct user_regs_struct *r)
{
	unsigned long long *const saved[SAVED_REGS] = { &r->rbx, &r->rbp, &r->r12, &r->r13,
							&r->r14, &r->r15 };
	uint64_t cfa = (e->by_bp ? r->rbp : r->rsp) + (uint64_t)(int64_t)e->cfa, value;

	for (int i = 0; i < SAVED_REGS; i++) {
		if (!e->below[i])
			continue;
		if (read_word(u, cfa - (uint64_t)(int64_t)e->below[i], &value))
			return false;
		*saved[i] = value;
	}
	if (read_word(u, cfa - 8, &value) || !image_at(u->image, value))
		return false;
	r->rip = value;
	r->rsp = cfa;
	return true;
}

/* 1, or -ENOENT: there is nothing. */
static int resume(struct unwinder *u, unw_cursor_t *cursor, const struct user_regs_struct *regs)
{
	u->stepped = *regs;
	u->regs = &u->stepped;
	return unw_init_remote(cursor, u->space, u) ? -ENOENT : 1;
}

/*
 * Where nothing describes the frame, which is at @addr: by its code. 1: done; 0: it is
 * the outermost; -ENOENT: something describes it, or that can't be told.
 */
static int step_by_code(struct unwinder *u, unw_cursor_t *cursor, uint64_t addr)
{
	const struct epilogue_code code = { read_code, is_final, u };
	struct user_regs_struct regs = *u->regs;
	struct epilogue e;
	unw_proc_info_t info;
	int err;

	if (find_proc_info(u->space, addr, &info, 0, u) >= 0 || !read_registers(cursor, &regs))
		return -ENOENT;
	err = epilogue_follow(&code, regs.rip, &e);
	if (err)
		return err == -ENOENT ? 0 : -ENOENT;
	if (!restore(u, &e, &regs))
		return -ENOENT;
	return resume(u, cursor, &regs);
}

/* ---- signal handlers ------------------------------------------------------------- */

/* (libunwind knows it by the call frame information only, which musl's has not.) */
static bool is_signal_return(struct unwinder *u, uint64_t ip)
{
	uint8_t code[X86_SIGRETURN_SIZE];

	return !image_read(u->mem, ip, code, sizeof(code)) && x86_is_sigreturn(code);
}

/* The registers at the interruption: struct sigcontext (asm/sigcontext.h) of the ucontext. */
static int step_over_signal(struct unwinder *u, unw_cursor_t *cursor)
{
	static const size_t mcontext = 40;	/* in struct ucontext (asm-generic/ucontext.h) */
	struct user_regs_struct r = *u->regs;
	unw_word_t frame;
	uint64_t word[17];

	if (unw_get_reg(cursor, UNW_REG_SP, &frame) < 0 ||
	    image_read(u->mem, frame + mcontext, word, sizeof(word)))
		return -ENODATA;
	r.r8 = word[0]; r.r9 = word[1]; r.r10 = word[2]; r.r11 = word[3];
	r.r12 = word[4]; r.r13 = word[5]; r.r14 = word[6]; r.r15 = word[7];
	r.rdi = word[8]; r.rsi = word[9]; r.rbp = word[10]; r.rbx = word[11];
	r.rdx = word[12]; r.rax = word[13]; r.rcx = word[14]; r.rsp = word[15];
	r.rip = word[16];
	return resume(u, cursor, &r);
}

/* As unw_step(). */
static int step(struct unwinder *u, unw_cursor_t *cursor, uint64_t addr)
{
	int r = step_by_code(u, cursor, addr);

	return r < 0 ? unw_step(cursor) : r;
}

static int walk(struct unwinder *u, unw_cursor_t *cursor, unwind_frame_fn *frame, void *arg)
{
	bool after_call = false, signal;

	for (unsigned n = 0; n < MAX_FRAMES; n++) {
		unw_word_t ip = 0, addr;
		int r;

		if (unw_get_reg(cursor, UNW_REG_IP, &ip) < 0)
			return -ENODATA;
		if (!ip)
			return 0;
		signal = is_signal_return(u, ip);
		/* A return address may be the first byte of the next function. */
		addr = after_call && !signal ? ip - 1 : ip;
		r = frame(addr, arg);
		if (r)
			return r;
		r = signal ? step_over_signal(u, cursor) : step(u, cursor, addr);
		if (r <= 0)
			return r < 0 ? -ENODATA : 0;
		after_call = !signal;
	}
	return -ENODATA;
}

int unwinder_walk(struct unwinder *unwinder, const struct user_regs_struct *regs,
		  unwind_frame_fn *frame, void *arg)
{
	unw_cursor_t cursor;

	unwinder->regs = regs;
	for (unsigned i = 0; i < CACHED_PAGES; i++)
		unwinder->pages[i].addr = 0;
	if (unw_init_remote(&cursor, unwinder->space, unwinder))
		return -ENODATA;
	return walk(unwinder, &cursor, frame, arg);
}
