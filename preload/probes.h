// SPDX-License-Identifier: MIT
/*
 * probes.h - the other engine: processes that libleak.so cannot be loaded into are
 * recorded by kagent, through uprobes. One kagent for each process, which writes its
 * session where follow.h finds it; as it does that now and then only, it is asked for
 * the latest before a session is looked at.
 *
 * Belongs to one thread.
 */
#ifndef PRELOAD_PROBES_H
#define PRELOAD_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#include "preload/follow.h"
#include "preload/settings.h"

struct probes;

/* Settings and pattern (where follow.h looks for sessions) are kept, not copied. NULL: no memory. */
struct probes *probes_new(const struct settings *settings, const char *pattern);

/* Stops what still records; NULL is allowed. */
void probes_free(struct probes *p);

/* Sessions are to be asked for when they are looked at. */
void probes_write_for(struct probes *p, struct follow *follow);

/*
 * Records a process; program: what it is about to execute, NULL: it runs. 0, or a status
 * for exit() after the reason was said on stderr.
 */
int probes_add(struct probes *p, pid_t pid, const char *program, char *const *argv);

/* Ends the recordings, and waits until their sessions are complete. */
void probes_stop(struct probes *p);

/* Readable when one has ended; probes_running() takes notice of that. */
int probes_fd(const struct probes *p);

/* How many record still. */
size_t probes_running(struct probes *p);

/* Was there any? */
bool probes_any(const struct probes *p);

#endif
