// SPDX-License-Identifier: MIT
/*
 * live_server.h - --serve of memleak and kagent: the report of the run over HTTP, see
 * serve.h. Says on standard error where it serves, and what is wrong. For commands;
 * one thread.
 */
#ifndef REPORT_LIVE_SERVER_H
#define REPORT_LIVE_SERVER_H

#include "report/report.h"

#include <stdbool.h>
#include <stdint.h>

struct live_server;

struct live_server_options {
	const char *program;	/* whose messages these are */
	const char *address;	/* NULL: no server is wanted */
	const char *token;	/* or NULL */
	uint64_t interval_ns;	/* between reports */
};

/* *out is NULL when no server is wanted. 0 or -errno, after having said why. */
int live_server_new(const struct live_server_options *options, struct live_server **out);
void live_server_free(struct live_server *server);	/* NULL is allowed */

/* To poll for input; -1: no server is wanted. */
int live_server_fd(const struct live_server *server);

/* Does somebody wait for live_server_publish()? False without a server. */
bool live_server_asked(const struct live_server *server);

/* Answers those who wait with this report; NULL: there is none yet. */
void live_server_publish(struct live_server *server, const struct report *report);

/* What was published before is too old for those who ask from now on. */
void live_server_outdate(struct live_server *server);	/* NULL is allowed */

#endif
