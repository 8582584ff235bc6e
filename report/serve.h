// SPDX-License-Identifier: MIT
/*
 * serve.h - the report of a running recording over HTTP:
 *
 *	/			the HTML page, which fetches itself anew
 *	/report.json		the JSON report
 *	/metrics		OpenMetrics or the older text format, as the client accepts
 *	/debug/pprof/heap	gzipped profile.proto, as a Go program serves it; of at most
 *				16,000 samples, as Pyroscope takes no more by default
 *	/debug/pprof/allocs	the same, which shows what was allocated at first: where
 *				Parca and Pyroscope look unless told otherwise
 *
 * and nothing else. A document is made when it is first asked for, by the caller, and
 * then served until the caller calls it outdated: what nobody asks for costs nothing.
 *
 * Who may ask: with an address of the loopback interface anyone on this machine
 * whose request names it by a local name (a page that had its own name resolved to
 * 127.0.0.1 doesn't). Any other address needs a token, which each request must
 * bring as "Authorization: Bearer TOKEN" or "?token=TOKEN".
 *
 * A thread of its own answers, at most SERVE_CONNECTIONS at a time; the calls below
 * are made from one thread. Signals stay with the threads of the caller.
 */
#ifndef REPORT_SERVE_H
#define REPORT_SERVE_H

#include "report/report.h"

#include <stdint.h>

#define SERVE_CONNECTIONS 32u
#define SERVE_TOKEN_MIN 16u	/* characters: what can't be guessed over a network */

struct serve;

struct serve_options {
	const char *address;	/* "127.0.0.1:9977", "[::1]:9977", "localhost:9977", "9977"; port 0: any */
	const char *token;	/* "@FILE": the first line of FILE, which ps doesn't show; NULL: none */
	double refresh_s;	/* how often documents are outdated; at least 1 is assumed */
};

/*
 * Starts to answer. 0, or -errno and
 * *why says in a few words (constant text) what was wrong: -EINVAL: no such address;
 * -EACCES: the token is missing or short; an error of socket, bind or listen.
 */
int serve_start(const struct serve_options *o, struct serve **out, const char **why);

/* The port that is listened on. */
uint16_t serve_port(const struct serve *s);

/* Readable when somebody waits for a document: then serve_publish() is due. */
int serve_fd(const struct serve *s);

/*
 * Makes what is waited for of this report, and answers; r NULL: there is none, which is
 * answered with 503. 0, or -errno, and then 503 is the answer, too.
 */
int serve_publish(struct serve *s, const struct report *r);

/* From now on documents are made anew when they are asked for. */
void serve_outdate(struct serve *s);

/* Closes all connections. NULL is allowed. */
void serve_stop(struct serve *s);

#endif
