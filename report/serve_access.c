// SPDX-License-Identifier: MIT
/* serve_access.c - where the HTTP server listens, and whom it answers. */
#define _GNU_SOURCE 1
#include "report/serve_access.h"

#include "common/io.h"
#include "report/serve.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16
#define TOKEN_MAX 4096u	/* bytes of a token file */

struct serve_access {
	struct sockaddr_storage address;
	socklen_t address_len;
	bool loopback;
	char *token;	/* NULL: none is wanted */
};

/* Splits in place: "[::1]:80" to "::1" and "80"; "80" has no host. */
static int split(char *address, char **host, char **port)
{
	char *colon = strrchr(address, ':');

	if (!colon) {
		*host = "127.0.0.1";
		*port = address;
	} else {
		*colon = '\0';
		*host = address;
		*port = colon + 1;
	}
	if (**host == '[') {
		size_t len = strlen(*host);

		if ((*host)[len - 1] != ']')
			return -EINVAL;
		(*host)[len - 1] = '\0';
		++*host;
	} else if (strchr(*host, ':')) {
		return -EINVAL;
	}
	if (!strcmp(*host, "localhost"))
		*host = "127.0.0.1";
	return **host && **port ? 0 : -EINVAL;
}

static int resolve(struct serve_access *a, const char *address)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
	};
	struct addrinfo *found = NULL;
	char *copy = strdup(address), *host, *port;
	int err;

	if (!copy)
		return -ENOMEM;
	err = split(copy, &host, &port);
	if (!err && (strspn(port, "0123456789") != strlen(port) || strtoul(port, NULL, 10) > 65535))
		err = -EINVAL;
	if (!err && getaddrinfo(host, port, &hints, &found))
		err = -EINVAL;
	if (!err) {
		memcpy(&a->address, found->ai_addr, found->ai_addrlen);
		a->address_len = found->ai_addrlen;
		freeaddrinfo(found);
	}
	free(copy);
	return err;
}

static bool is_loopback(const struct sockaddr_storage *address)
{
	if (address->ss_family == AF_INET) {
		struct sockaddr_in in;

		memcpy(&in, address, sizeof(in));
		return ntohl(in.sin_addr.s_addr) >> 24 == 127;
	}
	if (address->ss_family == AF_INET6) {
		struct sockaddr_in6 in6;

		memcpy(&in6, address, sizeof(in6));
		return IN6_IS_ADDR_LOOPBACK(&in6.sin6_addr);
	}
	return false;
}

/* "@FILE": the first line of FILE. */
static int read_token(const char *token, char **out)
{
	char *text = NULL;
	size_t len;
	int err = 0;

	if (*token == '@')
		err = io_read_file(token + 1, TOKEN_MAX, &text, &len);
	else
		text = strdup(token);
	if (err || !text)
		return err ? err : -ENOMEM;
	text[strcspn(text, "\r\n")] = '\0';
	*out = text;
	return 0;
}

static int take_token(struct serve_access *a, const char *token, const char **why)
{
	int err = token ? read_token(token, &a->token) : 0;

	if (err) {
		*why = "the file of the token cannot be read";
	} else if (!token && !a->loopback) {
		*why = "an address that other machines can reach needs a token";
		err = -EACCES;
	} else if (token && strlen(a->token) < SERVE_TOKEN_MIN) {
		*why = "the token is shorter than 16 characters";
		err = -EACCES;
	}
	return err;
}

static int fill(struct serve_access *a, const char *address, const char *token, const char **why)
{
	int err = resolve(a, address);

	if (err) {
		*why = err == -EINVAL ? "expected HOST:PORT with a numeric address or localhost" :
					"no memory";
		return err;
	}
	a->loopback = is_loopback(&a->address);
	return take_token(a, token, why);
}

int serve_access_new(const char *address, const char *token, struct serve_access **out,
		     const char **why)
{
	struct serve_access *a = calloc(1, sizeof(*a));
	int err;

	*why = "no memory";
	if (!a)
		return -ENOMEM;
	err = fill(a, address, token, why);
	if (err) {
		serve_access_free(a);
		return err;
	}
	*out = a;
	return 0;
}

void serve_access_free(struct serve_access *a)
{
	if (!a)
		return;
	free(a->token);
	free(a);
}

static uint16_t port_of(int fd)
{
	struct sockaddr_storage bound = { .ss_family = AF_UNSPEC };
	socklen_t len = sizeof(bound);
	struct sockaddr_in in;

	if (getsockname(fd, (struct sockaddr *)&bound, &len))
		return 0;
	/* The port is at the same place in both families. */
	memcpy(&in, &bound, sizeof(in));
	return ntohs(in.sin_port);
}

int serve_access_listen(const struct serve_access *a, int *fd, uint16_t *port, const char **why)
{
	int one = 1, err = 0;
	int s = socket(a->address.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	*why = "cannot listen there";
	if (s < 0)
		return -errno;
	setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(s, (const struct sockaddr *)&a->address, a->address_len) || listen(s, BACKLOG))
		err = -errno;
	if (err) {
		close(s);
		return err;
	}
	*fd = s;
	*port = port_of(s);
	return 0;
}

/* ---- requests ---- */

/* The length of a Host header without ":PORT". */
static size_t name_length(const char *host)
{
	const char *end = *host == '[' ? strchr(host, ']') : strchr(host, ':');

	if (!end)
		return strlen(host);
	return (size_t)(end - host) + (*host == '[');
}

static bool is_local_ipv4(const char *name)
{
	struct in_addr in;

	return inet_pton(AF_INET, name, &in) == 1 && ntohl(in.s_addr) >> 24 == 127;
}

bool serve_access_host(const struct serve_access *a, const char *host)
{
	size_t len = host ? name_length(host) : 0;
	char name[64];

	if (!a->loopback)
		return true;
	if (!len || len >= sizeof(name))
		return false;
	memcpy(name, host, len);
	name[len] = '\0';
	return !strcasecmp(name, "localhost") || !strcmp(name, "[::1]") || is_local_ipv4(name);
}

static bool same_token(const char *token, const char *given)
{
	size_t len = strlen(token), given_len = strlen(given);
	unsigned char differs = len != given_len;

	for (size_t i = 0; i < len; i++)
		differs |= (unsigned char)(token[i] ^ (i < given_len ? given[i] : 0));
	return !differs;
}

bool serve_access_token(const struct serve_access *a, const char *authorization,
			const char *argument)
{
	static const char bearer[] = "Bearer ";

	if (!a->token)
		return true;
	if (authorization && !strncasecmp(authorization, bearer, strlen(bearer)))
		return same_token(a->token, authorization + strlen(bearer));
	return argument && same_token(a->token, argument);
}
