// SPDX-License-Identifier: MIT
/*
 * keeper.h - the process that stands between memleak and a process it attached
 * to. It injects libleak.so, lives as long as memleak wants the recording, and
 * takes the hooks out again, also when memleak has been killed. Should it be
 * killed itself, the recorder notices (a robust futex in the session's header,
 * see set_robust_list(2)) and stops on its own.
 *
 * Belongs to one thread.
 */
#ifndef PRELOAD_KEEPER_H
#define PRELOAD_KEEPER_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct keeper {
	pid_t pid;		/* of the keeper; 0: it has gone */
	pid_t target;
	int leash;		/* closing it makes the keeper detach */
	int messages;		/* readable when there is one */
};

enum keeper_event {
	KEEPER_ATTACHED,	/* text: path of the session for this process */
	KEEPER_FAILED,		/* text: a sentence */
	KEEPER_TARGET_ENDED,
	KEEPER_DETACHED,	/* text: a sentence about what could not be undone, or "" */
};

struct keeper_message {
	enum keeper_event event;
	bool joined;		/* the process was being recorded already */
	bool impossible;	/* FAILED, and so it would again; but probes might do */
	uint64_t held_ns;	/* for how long a thread of the process was held */
	char text[1100];
};

struct keeper_options {
	const char *library;	/* absolute path of libleak.so */
	const char *recording;	/* LIBLEAK settings */
	bool keep_session;	/* they say where it is to stay; else it has no name */
	int timeout_ms;		/* for finding a safe moment */
};

/* Starts a keeper; its first message tells whether it has attached. 0 or -errno. */
int keeper_start(struct keeper *k, pid_t target, const struct keeper_options *options);

/* The next message. True; false: none now, or (k->pid is 0 then) the keeper has gone. */
bool keeper_next(struct keeper *k, struct keeper_message *message);

/* Tells the keeper to detach; what it then says is its last message. */
void keeper_let_go(struct keeper *k);

#endif
