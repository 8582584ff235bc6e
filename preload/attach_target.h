// SPDX-License-Identifier: MIT
/*
 * attach_target.h - the part of attaching that runs inside the program: what the
 * injector calls in libleak.so. One call at a time; the program's other threads
 * run on. errno stays as it is.
 */
#ifndef PRELOAD_ATTACH_TARGET_H
#define PRELOAD_ATTACH_TARGET_H

#include <stdint.h>

/* Another thread attaches or detaches (on behalf of an injector that is gone, perhaps). */
#define LIBLEAK_BUSY "busy"

/* How the sentence begins that says why there can be no session. */
#define LIBLEAK_NO_ROOM "no room for a session"

/* Names that begin so are nobody's: a session's is removed by who ends it, if it is there yet. */
#define LIBLEAK_UNNAMED ".memleak-"

/*
 * Where calls may run, so that no memory has to be mapped for them. `user` is the
 * thread that does, written by the injector; not 0: taken (perhaps for ever, when
 * the injector was killed meanwhile).
 */
#define LIBLEAK_STACK "libleak_stack"
struct libleak_stack {
	uint64_t user;
	char room[(128 << 10) - sizeof(uint64_t)];
};

/*
 * Both functions are told in `nice` what the nice value of the thread was before the
 * injector raised its priority for the call: 21 + that, which they set again, or 0.
 */

/*
 * Starts a recording with LIBLEAK settings and leads the program's calls to the
 * hooks. Returns the absolute path of the session, or a sentence that begins
 * with no slash: why not, or LIBLEAK_BUSY. A recording that nobody reads any more is
 * ended first. The text is valid until the next call.
 */
const char *libleak_attach(const char *settings, long nice);

/*
 * Ends the recording and leads the calls to the real functions again; the library
 * stays, inert. Returns "" or LIBLEAK_BUSY.
 */
const char *libleak_detach(const char *unused, long nice);

#endif
