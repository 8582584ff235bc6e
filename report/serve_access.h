// SPDX-License-Identifier: MIT
/* serve_access.h - where the HTTP server listens, and whom it answers. */
#ifndef REPORT_SERVE_ACCESS_H
#define REPORT_SERVE_ACCESS_H

#include <stdbool.h>
#include <stdint.h>

struct serve_access;

/*
 * Parses "HOST:PORT", "[HOST]:PORT" or "PORT" (127.0.0.1); HOST is a numeric address
 * or localhost. 0, or -errno with *why as in serve.h.
 */
int serve_access_new(const char *address, const char *token, struct serve_access **out,
		     const char **why);
void serve_access_free(struct serve_access *a);	/* NULL is allowed */

/* A listening socket, close-on-exec, and its port. 0, or -errno with *why. */
int serve_access_listen(const struct serve_access *a, int *fd, uint16_t *port, const char **why);

/*
 * Is this a Host header (NULL: there was none) that a request for us may have? On the
 * loopback interface only its names are: another one means that a web page's own name
 * was resolved to it (DNS rebinding). Elsewhere the token protects.
 */
bool serve_access_host(const struct serve_access *a, const char *host);

/* Does one of them carry the token? The time that it takes doesn't tell how much was right. */
bool serve_access_token(const struct serve_access *a, const char *authorization,
			const char *argument);

#endif
