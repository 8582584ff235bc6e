// SPDX-License-Identifier: MIT
#include "preload/live_server.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/fmt.h"
#include "report/serve.h"

struct live_server {
	struct serve *serve;
	bool failed;	/* has been said */
};

static int refused(const struct settings *s, int rc, const char *why)
{
	char text[256];

	fprintf(stderr, "memleak: --serve %s: %s", fmt_name_buf(text, sizeof(text), s->serve), why);
	if (rc != -EINVAL && rc != -EACCES)
		fprintf(stderr, ": %s", strerror(-rc));
	fputs(rc == -EACCES && !s->serve_token ? " (--serve-token)\n" : "\n", stderr);
	return rc;
}

/* With port 0, which leaves the choice to the kernel, the address that it became. */
static void announce(const struct settings *s, const struct serve *serve)
{
	const char *colon = strrchr(s->serve, ':');
	int host = colon ? (int)(colon - s->serve) : 0;

	fprintf(stderr, "memleak: serving the report on http://%.*s:%u/%s\n",
		host ? host : 9, host ? s->serve : "127.0.0.1", serve_port(serve),
		s->serve_token ? "?token=..." : "");
}

int live_server_new(const struct settings *s, struct live_server **out)
{
	const struct serve_options options = {
		.address = s->serve, .token = s->serve_token,
		.refresh_s = (double)s->interval_ns / 1e9,
	};
	struct live_server *server;
	const char *why;
	int rc;

	*out = NULL;
	if (!s->serve)
		return 0;
	server = calloc(1, sizeof(*server));
	if (!server)
		return refused(s, -ENOMEM, "no memory");
	rc = serve_start(&options, &server->serve, &why);
	if (rc) {
		free(server);
		return refused(s, rc, why);
	}
	announce(s, server->serve);
	*out = server;
	return 0;
}

void live_server_free(struct live_server *server)
{
	if (!server)
		return;
	serve_stop(server->serve);
	free(server);
}

void live_server_publish(struct live_server *server, const struct report *report)
{
	int rc = serve_publish(server->serve, report);

	if (rc && !server->failed)
		fprintf(stderr, "memleak: the served report is not up to date: %s\n", strerror(-rc));
	server->failed = rc;
}
