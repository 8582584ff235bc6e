// SPDX-License-Identifier: MIT
/*
 * unwinding - stacks that are left by other ways than a return, and frames of
 * varying size: exceptions, longjmp, alloca, arrays of variable length.
 */
#include "ledger.h"

#include <alloca.h>
#include <csetjmp>
#include <cstring>
#include <new>
#include <stdexcept>

static std::jmp_buf back;
static volatile bool jump = true;

static void *leak_before_throw()
{
	return malloc(11);
}

static void *leak_in_catch()
{
	return malloc(13);
}

static void *leak_after()
{
	return malloc(17);
}

static void throws(int depth)
{
	if (depth)
		return throws(depth - 1);
	leak_before_throw();
	throw std::runtime_error("expected");
}

static void catches(int depth)
{
	try {
		throws(depth);
	} catch (const std::runtime_error &) {
		leak_in_catch();
	}
	leak_after();
}

static void *leak_before_jump()
{
	return malloc(19);
}

static void jumps(int depth)
{
	if (depth)
		return jumps(depth - 1);
	leak_before_jump();
	if (jump)
		std::longjmp(back, 1);
}

static void lands(int depth)
{
	if (!setjmp(back))
		jumps(depth);
	leak_after();
}

static void *leak_below(std::size_t n)
{
	return malloc(n);
}

/* The frame's size differs at each call: no fixed rule finds the caller. */
static void variable_frame(std::size_t n)
{
	char *space = static_cast<char *>(alloca(n));

	std::memset(space, 1, n);
	leak_below(23);
}

static void deep_variable_frame(int depth)
{
	volatile char *space = static_cast<volatile char *>(alloca(depth * 48 + 1));

	space[0] = 1;
	if (depth)
		deep_variable_frame(depth - 1);
	else
		leak_below(29);
}

int main()
{
	for (int i = 0; i < 100; i++) {
		catches(i % 5);
		lands(i % 7);
		variable_frame(16 + i * 37 % 5000);
		deep_variable_frame(3);
	}
	for (int depth = 0; depth < 5; depth++) {
		char frames[200] = "leak_before_throw";

		for (int i = 0; i <= depth; i++)
			std::strcat(frames, ";throws");
		std::strcat(frames, ";catches;main");
		ledger_line(20, 220, frames);
	}
	for (int depth = 0; depth < 7; depth++) {
		char frames[200] = "leak_before_jump";

		for (int i = 0; i <= depth; i++)
			std::strcat(frames, ";jumps");
		std::strcat(frames, ";lands;main");
		/* 100 rounds over 7 depths: depths 0 and 1 come once more. */
		ledger_line(depth < 2 ? 15 : 14, (depth < 2 ? 15 : 14) * 19, frames);
	}
	ledger_line(100, 1300, "leak_in_catch;catches;main");
	ledger_line(100, 1700, "leak_after;catches;main");
	ledger_line(100, 1700, "leak_after;lands;main");
	ledger_line(100, 2300, "leak_below;variable_frame;main");
	ledger_line(100, 2900, "leak_below;deep_variable_frame;deep_variable_frame;"
			       "deep_variable_frame;deep_variable_frame;main");
	return 0;
}
