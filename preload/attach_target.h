// SPDX-License-Identifier: MIT
/*
 * attach_target.h - the part of attaching that runs inside the program: what the
 * injector calls in libleak.so. One call at a time; the program's other threads
 * run on. errno stays as it is.
 */
#ifndef PRELOAD_ATTACH_TARGET_H
#define PRELOAD_ATTACH_TARGET_H

/* Another thread attaches or detaches (on behalf of an injector that is gone, perhaps). */
#define LIBLEAK_BUSY "busy"

/*
 * Starts a recording with LIBLEAK settings and leads the program's calls to the
 * hooks. Returns the absolute path of the session, or a sentence that begins
 * with no slash: why not, or LIBLEAK_BUSY. A recording that nobody reads any more is
 * ended first. The text is valid until the next call.
 */
const char *libleak_attach(const char *settings);

/*
 * Ends the recording and leads the calls to the real functions again; the library
 * stays, inert. Returns "" or LIBLEAK_BUSY.
 */
const char *libleak_detach(const char *unused);

#endif
