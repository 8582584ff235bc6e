// SPDX-License-Identifier: MIT
/* serve.c - the report of a running recording over HTTP. */
#define _GNU_SOURCE 1
#include "report/serve.h"

#include "report/html.h"
#include "report/json.h"
#include "report/metrics.h"
#include "report/pprof.h"
#include "report/serve_access.h"

#include <errno.h>
#include <microhttpd.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#define TIMEOUT_S 15u

/* Pyroscope refuses profiles with more, unless max_profile_stacktrace_samples is raised. */
#define SAMPLES_MAX 16000u

enum document {
	DOC_HTML, DOC_JSON, DOC_METRICS, DOC_OPENMETRICS, DOC_HEAP, DOC_ALLOCS, DOC_COUNT
};

/* A request that waits for its document. */
struct waiting {
	struct MHD_Connection *connection;	/* suspended */
	enum document which;
};

struct serve {
	struct MHD_Daemon *daemon;
	struct serve_access *access;
	double refresh_s;
	uint16_t port;
	int asked;			/* an eventfd; see serve_fd() */
	pthread_mutex_t lock;		/* guards what follows */
	struct MHD_Response *documents[DOC_COUNT];	/* NULL: to be made when it is asked for */
	struct waiting waiting[SERVE_CONNECTIONS];
	size_t waiting_count;
	bool stopping;
	/* constant once it runs */
	struct MHD_Response *starting, *refused, *denied, *not_found, *no_method;
};

/* ---- responses ---- */

static const char *const types[DOC_COUNT] = {
	[DOC_HTML] = "text/html; charset=utf-8",
	[DOC_JSON] = "application/json",
	[DOC_METRICS] = METRICS_TYPE_PROMETHEUS,
	[DOC_OPENMETRICS] = METRICS_TYPE_OPENMETRICS,
	[DOC_HEAP] = "application/octet-stream",
	[DOC_ALLOCS] = "application/octet-stream",
};

/* Takes over the text, which was allocated. NULL without memory. */
static struct MHD_Response *make_response(char *text, size_t len, const char *type)
{
	static const char *const headers[][2] = {
		{ "Cache-Control", "no-store" },
		{ "X-Content-Type-Options", "nosniff" },
		{ "X-Frame-Options", "DENY" },
		{ "Cross-Origin-Resource-Policy", "same-origin" },
		{ "Referrer-Policy", "no-referrer" },
	};
	struct MHD_Response *r = MHD_create_response_from_buffer(len, text,
								 MHD_RESPMEM_MUST_FREE);

	if (!r) {
		free(text);
		return NULL;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type);
	for (size_t i = 0; i < sizeof(headers) / sizeof(*headers); i++)
		MHD_add_response_header(r, headers[i][0], headers[i][1]);
	return r;
}

static struct MHD_Response *make_message(const char *text)
{
	char *copy = strdup(text);

	return copy ? make_response(copy, strlen(copy), "text/plain; charset=utf-8") : NULL;
}

static int print_profile(FILE *f, const struct report *r, enum pprof_default type)
{
	const struct pprof_options options = { .type = type, .samples_max = SAMPLES_MAX };

	return pprof_write(f, r, &options);
}

static int print_document(FILE *f, const struct report *r, enum document which, double refresh_s)
{
	const struct html_options html = { .refresh_s = refresh_s };

	switch (which) {
	case DOC_HTML:
		return html_write(f, r, &html);
	case DOC_JSON:
		return json_print(f, r);
	case DOC_HEAP:
		return print_profile(f, r, PPROF_OUTSTANDING);
	case DOC_ALLOCS:
		return print_profile(f, r, PPROF_ALLOCATED);
	default:
		return metrics_print(f, r, which == DOC_METRICS ? METRICS_PROMETHEUS :
							       METRICS_OPENMETRICS);
	}
}

static int render(const struct report *r, enum document which, double refresh_s,
		  struct MHD_Response **out)
{
	char *text = NULL;
	size_t len = 0;
	FILE *f = open_memstream(&text, &len);
	int err = f ? print_document(f, r, which, refresh_s) : -ENOMEM;

	if (f && fclose(f) && !err)
		err = -ENOMEM;
	if (err == -ENOTSUP) {
		free(text);
		*out = make_message("This build lacks the HTML viewer. There are /report.json, "
				    "/metrics and /debug/pprof/heap.\n");
	} else if (err) {
		free(text);
		return err;
	} else {
		*out = make_response(text, len, types[which]);
	}
	return *out ? 0 : -ENOMEM;
}

static void drop(struct MHD_Response *r)
{
	if (r)
		MHD_destroy_response(r);
}

/* Which documents are waited for. */
static void find_wanted(struct serve *s, bool wanted[DOC_COUNT])
{
	eventfd_t count;

	/* first: whoever comes later counts again */
	eventfd_read(s->asked, &count);
	pthread_mutex_lock(&s->lock);
	for (size_t i = 0; i < s->waiting_count; i++)
		wanted[s->waiting[i].which] = true;
	pthread_mutex_unlock(&s->lock);
}

/* Lets go on who waits for one of these. */
static void resume(struct serve *s, const bool served[DOC_COUNT])
{
	size_t kept = 0;

	for (size_t i = 0; i < s->waiting_count; i++) {
		if (served[s->waiting[i].which])
			MHD_resume_connection(s->waiting[i].connection);
		else
			s->waiting[kept++] = s->waiting[i];
	}
	s->waiting_count = kept;
}

int serve_publish(struct serve *s, const struct report *r)
{
	struct MHD_Response *fresh[DOC_COUNT] = { NULL };
	bool wanted[DOC_COUNT] = { false };
	int err = 0;

	find_wanted(s, wanted);
	for (int i = 0; r && i < DOC_COUNT && !err; i++)
		if (wanted[i])
			err = render(r, (enum document)i, s->refresh_s, &fresh[i]);
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < DOC_COUNT; i++) {
		if (!fresh[i])
			continue;
		drop(s->documents[i]);
		s->documents[i] = fresh[i];
	}
	resume(s, wanted);
	pthread_mutex_unlock(&s->lock);
	return err;
}

/* Responses live on until the connections that send them have finished. */
void serve_outdate(struct serve *s)
{
	pthread_mutex_lock(&s->lock);
	for (int i = 0; i < DOC_COUNT; i++) {
		drop(s->documents[i]);
		s->documents[i] = NULL;
	}
	pthread_mutex_unlock(&s->lock);
}

/* ---- requests ---- */

static const char *header_of(struct MHD_Connection *c, const char *name)
{
	return MHD_lookup_connection_value(c, MHD_HEADER_KIND, name);
}

static bool find_document(struct MHD_Connection *c, const char *path, enum document *which)
{
	const char *accept = header_of(c, MHD_HTTP_HEADER_ACCEPT);

	if (!strcmp(path, "/"))
		*which = DOC_HTML;
	else if (!strcmp(path, "/report.json"))
		*which = DOC_JSON;
	else if (!strcmp(path, "/debug/pprof/heap"))
		*which = DOC_HEAP;
	else if (!strcmp(path, "/debug/pprof/allocs"))
		*which = DOC_ALLOCS;
	else if (!strcmp(path, "/metrics"))
		*which = accept && strstr(accept, "application/openmetrics-text") ?
			 DOC_OPENMETRICS : DOC_METRICS;
	else
		return false;
	return true;
}

/* Until the document has been made. */
static void suspend(struct serve *s, struct MHD_Connection *c, enum document which)
{
	s->waiting[s->waiting_count++] = (struct waiting){ c, which };
	MHD_suspend_connection(c);
	eventfd_write(s->asked, 1);
}

/* *state is set once a request has waited: then the document is there, or not to be had. */
static enum MHD_Result answer_document(struct serve *s, struct MHD_Connection *c,
				       enum document which, void **state)
{
	enum MHD_Result done = MHD_YES;

	pthread_mutex_lock(&s->lock);
	if (s->documents[which])
		done = MHD_queue_response(c, MHD_HTTP_OK, s->documents[which]);
	else if (*state || s->stopping || s->waiting_count == SERVE_CONNECTIONS)
		done = MHD_queue_response(c, MHD_HTTP_SERVICE_UNAVAILABLE, s->starting);
	else
		suspend(s, c, which);
	*state = s;
	pthread_mutex_unlock(&s->lock);
	return done;
}

static enum MHD_Result answer(void *arg, struct MHD_Connection *c, const char *path,
			      const char *method, const char *version, const char *upload,
			      size_t *upload_size, void **state)
{
	struct serve *s = arg;
	enum document which;

	(void)version;
	(void)upload;
	if (*upload_size)
		return MHD_NO;
	if (!serve_access_host(s->access, header_of(c, MHD_HTTP_HEADER_HOST)))
		return MHD_queue_response(c, MHD_HTTP_MISDIRECTED_REQUEST, s->denied);
	if (!serve_access_token(s->access, header_of(c, MHD_HTTP_HEADER_AUTHORIZATION),
				MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "token")))
		return MHD_queue_response(c, MHD_HTTP_UNAUTHORIZED, s->refused);
	if (strcmp(method, MHD_HTTP_METHOD_GET) && strcmp(method, MHD_HTTP_METHOD_HEAD))
		return MHD_queue_response(c, MHD_HTTP_METHOD_NOT_ALLOWED, s->no_method);
	if (!find_document(c, path, &which))
		return MHD_queue_response(c, MHD_HTTP_NOT_FOUND, s->not_found);
	return answer_document(s, c, which, state);
}

/* ---- life ---- */

static int make_messages(struct serve *s)
{
	s->starting = make_message("There is no report yet.\n");
	s->refused = make_message("A token is needed: \"Authorization: Bearer TOKEN\" or "
				  "\"?token=TOKEN\".\n");
	s->denied = make_message("This address is not known here by that name.\n");
	s->not_found = make_message("There are /, /report.json, /metrics, /debug/pprof/heap "
				    "and /debug/pprof/allocs.\n");
	s->no_method = make_message("Only GET and HEAD.\n");
	if (!s->starting || !s->refused || !s->denied || !s->not_found || !s->no_method)
		return -ENOMEM;
	MHD_add_response_header(s->refused, MHD_HTTP_HEADER_WWW_AUTHENTICATE, "Bearer");
	MHD_add_response_header(s->no_method, MHD_HTTP_HEADER_ALLOW, "GET, HEAD");
	return 0;
}

/* The thread of the daemon inherits the signal mask: nothing is delivered to it. */
static struct MHD_Daemon *start_daemon(struct serve *s, int fd)
{
	struct MHD_Daemon *daemon;
	sigset_t all, before;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	daemon = MHD_start_daemon(MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_AUTO |
					  MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL, answer, s,
				  MHD_OPTION_LISTEN_SOCKET, fd,
				  MHD_OPTION_CONNECTION_LIMIT, SERVE_CONNECTIONS,
				  MHD_OPTION_CONNECTION_TIMEOUT, TIMEOUT_S,
				  MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)16384,
				  MHD_OPTION_END);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	return daemon;
}

static int start(struct serve *s, const struct serve_options *o, const char **why)
{
	int fd = -1, err = serve_access_new(o->address, o->token, &s->access, why);

	if (!err) {
		s->asked = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
		err = s->asked < 0 ? -errno : make_messages(s);
	}
	if (!err)
		err = serve_access_listen(s->access, &fd, &s->port, why);
	if (err)
		return err;
	s->daemon = start_daemon(s, fd);
	if (s->daemon)
		return 0;
	close(fd);
	*why = "the server could not be started";
	return -EIO;
}

int serve_start(const struct serve_options *o, struct serve **out, const char **why)
{
	struct serve *s = calloc(1, sizeof(*s));
	int err;

	*why = "no memory";
	if (!s)
		return -ENOMEM;
	s->asked = -1;
	pthread_mutex_init(&s->lock, NULL);
	s->refresh_s = o->refresh_s > 1 ? o->refresh_s : 1;
	err = start(s, o, why);
	if (err) {
		serve_stop(s);
		return err;
	}
	*out = s;
	return 0;
}

uint16_t serve_port(const struct serve *s)
{
	return s->port;
}

int serve_fd(const struct serve *s)
{
	return s->asked;
}

static void stop_daemon(struct serve *s)
{
	const bool all[DOC_COUNT] = { true, true, true, true, true, true };

	pthread_mutex_lock(&s->lock);
	s->stopping = true;
	resume(s, all);
	pthread_mutex_unlock(&s->lock);
	MHD_stop_daemon(s->daemon);
}

void serve_stop(struct serve *s)
{
	if (!s)
		return;
	if (s->daemon)
		stop_daemon(s);
	if (s->asked >= 0)
		close(s->asked);
	for (int i = 0; i < DOC_COUNT; i++)
		drop(s->documents[i]);
	drop(s->starting);
	drop(s->refused);
	drop(s->denied);
	drop(s->not_found);
	drop(s->no_method);
	serve_access_free(s->access);
	pthread_mutex_destroy(&s->lock);
	free(s);
}
