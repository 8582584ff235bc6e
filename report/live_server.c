// SPDX-License-Identifier: MIT
/* live_server.c - --serve of memleak and kagent. */
#include "report/live_server.h"

#include "common/fmt.h"
#include "report/serve.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct live_server {
	struct serve *serve;
	const char *program;
	int failed;	/* of the last report; it has been said */
};

static int refused(const struct live_server_options *o, int err, const char *why)
{
	char text[256];

	fprintf(stderr, "%s: --serve %s: %s", o->program,
		fmt_name_buf(text, sizeof(text), o->address), why);
	if (err != -EINVAL && err != -EACCES && err != -ENOMEM)
		fprintf(stderr, ": %s", strerror(-err));
	fputs(err == -EACCES && !o->token ? " (--serve-token)\n" : "\n", stderr);
	return err;
}

/* With port 0, which leaves the choice to the kernel, the address that it became. */
static void announce(const struct live_server_options *o, const struct serve *serve)
{
	const char *colon = strrchr(o->address, ':');
	const char *host = colon ? o->address : "127.0.0.1";

	fprintf(stderr, "%s: serving the report on http://%.*s:%u/%s\n", o->program,
		colon ? (int)(colon - host) : (int)strlen(host), host, serve_port(serve),
		o->token ? "?token=..." : "");
}

int live_server_new(const struct live_server_options *o, struct live_server **out)
{
	const struct serve_options options = {
		.address = o->address, .token = o->token,
		.refresh_s = (double)o->interval_ns / 1e9,
	};
	struct live_server *server;
	const char *why;
	int err;

	*out = NULL;
	if (!o->address)
		return 0;
	server = calloc(1, sizeof(*server));
	if (!server)
		return refused(o, -ENOMEM, "no memory");
	server->program = o->program;
	err = serve_start(&options, &server->serve, &why);
	if (err) {
		free(server);
		return refused(o, err, why);
	}
	announce(o, server->serve);
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

int live_server_fd(const struct live_server *server)
{
	return server ? serve_fd(server->serve) : -1;
}

bool live_server_asked(const struct live_server *server)
{
	struct pollfd asked = { .fd = live_server_fd(server), .events = POLLIN };

	return server && poll(&asked, 1, 0) > 0;
}

void live_server_outdate(struct live_server *server)
{
	if (server)
		serve_outdate(server->serve);
}

void live_server_publish(struct live_server *server, const struct report *report)
{
	int err = serve_publish(server->serve, report);

	if (err && !server->failed)
		fprintf(stderr, "%s: no report can be served: %s\n", server->program,
			strerror(-err));
	server->failed = err;
}
