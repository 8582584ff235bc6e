// SPDX-License-Identifier: MIT
/*
 * live_server.h - memleak --serve: the report of the run over HTTP, see report/serve.h.
 * Says on standard error where it serves, and what is wrong. One thread.
 */
#ifndef PRELOAD_LIVE_SERVER_H
#define PRELOAD_LIVE_SERVER_H

#include "preload/settings.h"
#include "report/report.h"

struct live_server;

/* *out is NULL when the settings want no server. 0 or -errno, after having said why. */
int live_server_new(const struct settings *settings, struct live_server **out);
void live_server_free(struct live_server *server);	/* NULL is allowed */

/* From now on the server answers with this report. */
void live_server_publish(struct live_server *server, const struct report *report);

#endif
