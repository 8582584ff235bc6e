// SPDX-License-Identifier: MIT
/*
 * fork_child.h - a session for a forked child.
 *
 * The child still maps the parent's session, which the parent goes on writing.
 * It makes its own and copies what it shares: modules, stacks, and the blocks
 * that were live at the fork, marked REC_INHERITED (they count in no total).
 * Indices stay the same, so the shadow and the stack table, which the kernel
 * copied, stay right. Blocks whose record the parent changed meanwhile are not
 * copied; freeing one counts as LOSS_FORK_RACE.
 */
#ifndef PRELOAD_FORK_CHILD_H
#define PRELOAD_FORK_CHILD_H

/* 0 or -errno. The recorder then uses the new session. */
int fork_child_session(void);

/* The child records nothing: lets go of the parent's session and of what its other threads held. */
void fork_child_forget(void);

#endif
