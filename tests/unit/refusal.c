// SPDX-License-Identifier: MIT
/* Why the kernel refuses to let memleak trace a process: the cause, and the way out. */
#include "preload/inject_refusal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define SYS_PTRACE	(1ull << 19)
#define DAC_OVERRIDE	(1ull << 1)
#define USER(id)	.uids = { id, id, id }, .gids = { id, id, id }

/* `words`: what the sentence has, each one after the one before it */
static void says(struct refusal r, const char *const *words)
{
	struct inject_why why = { "" };
	const char *at = why.text;

	r.pid = 77;
	strcpy(r.theirs.name, "webd");
	assert_int_equal(refusal_explain(&r, &why), -EPERM);
	for (; *words; words++) {
		at = strstr(at, *words);
		if (!at)
			fail_msg("no '%s' in '%s'", *words, why.text);
	}
}

#define SAYS(refused, ...) says((struct refusal)refused, (const char *const []){ __VA_ARGS__, NULL })
#define R(...) { __VA_ARGS__ }

static void other_users(void **state)
{
	(void)state;
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(6) }),
	     "77 (webd) belongs to user 5", "user 6", "run memleak as root");
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(6) }, .yama_scope = 1),
	     "belongs to user 5", "run memleak as root");
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(0) }),
	     "belongs to user 5", "CAP_SYS_PTRACE", "though it is root", "--cap-add");
	/* set-user-ID: its real user is memleak's */
	SAYS(R(.theirs = { .uids = { 6, 0, 0 }, .gids = { 6, 6, 6 } }, .mine = { USER(6) }),
	     "belongs to user 0", "user 6", "run memleak as root");
	SAYS(R(.theirs = { .uids = { 6, 6, 6 }, .gids = { 6, 100, 100 } }, .mine = { USER(6) }),
	     "group 100", "group 6", "run memleak as root");
}

static void yama(void **state)
{
	(void)state;
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(5) }, .yama_scope = 1),
	     "ancestors", "kernel.yama.ptrace_scope is 1", "run memleak as root", "set it to 0",
	     "memleak -c");
	SAYS(R(.theirs = { USER(0) }, .mine = { USER(0) }, .yama_scope = 1),
	     "kernel.yama.ptrace_scope is 1", "CAP_SYS_PTRACE", "set it to 0");
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(5) }, .yama_scope = 2),
	     "CAP_SYS_PTRACE", "kernel.yama.ptrace_scope is 2", "run memleak as root");
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(0), .cap_eff = SYS_PTRACE }, .yama_scope = 3),
	     "kernel.yama.ptrace_scope is 3", "next boot", "uprobes");
}

static void powerless(void **state)
{
	(void)state;
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(0), .cap_eff = SYS_PTRACE },
	       .other_user_namespace = true), "another user namespace", "on the host");
	SAYS(R(.err = -EACCES, .theirs = { USER(5) }, .mine = { USER(6), .cap_eff = SYS_PTRACE }),
	     "belongs to user 5", "CAP_DAC_OVERRIDE");
	SAYS(R(.err = -EACCES, .theirs = { USER(5) },
	       .mine = { USER(6), .cap_eff = SYS_PTRACE | DAC_OVERRIDE }), "security module");
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(0), .cap_eff = SYS_PTRACE, .seccomp = 2 }),
	     "has CAP_SYS_PTRACE", "seccomp filter");
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(0), .cap_eff = SYS_PTRACE },
	       .label = "docker-default (enforce)"), "security module", "'docker-default (enforce)'");
}

static void the_rest(void **state)
{
	(void)state;
	SAYS(R(.theirs = { USER(5), .cap_prm = DAC_OVERRIDE }, .mine = { USER(5) }),
	     "capabilities", "run memleak as root");
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(5) }, .other_user_namespace = true),
	     "another user namespace", "run memleak as root");
	SAYS(R(.theirs = { USER(5) }, .mine = { USER(5) }), "not dumpable", "run memleak as root");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(other_users), cmocka_unit_test(yama),
		cmocka_unit_test(powerless), cmocka_unit_test(the_rest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
