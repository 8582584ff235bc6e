// SPDX-License-Identifier: MIT
/* serve.c - what the server answers, to whom, and what it refuses. */
#include "report/serve.h"

#include "report/metrics.h"
#include "tests/support/sample.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define TOKEN "0123456789abcdef"
#define ANSWER_MAX (1u << 20)

static char answer[ANSWER_MAX];
static char path[] = "/tmp/memleak-serve.XXXXXX";
static struct symbolizer *symbolizer;

static struct serve *started(const char *address, const char *token)
{
	const struct serve_options o = { .address = address, .token = token, .refresh_s = 5 };
	const char *why = NULL;
	struct serve *s = NULL;

	assert_int_equal(serve_start(&o, &s, &why), 0);
	return s;
}

/* What the commands do when somebody asks; NULL: no report yet. */
static struct report *current;

static void publish(struct serve *s)
{
	report_free(current);
	current = report_new(symbolizer, NULL);
	assert_non_null(current);
	assert_int_equal(report_add_file(current, path), 0);
	assert_int_equal(report_build(current), 0);
	serve_outdate(s);
}

static unsigned int made;	/* how often reports were asked for */

/* Answers until the connection can be read. */
static void answer_until_readable(struct serve *s, int fd)
{
	struct pollfd fds[2] = { { .fd = fd, .events = POLLIN },
				 { .fd = serve_fd(s), .events = POLLIN } };

	do {
		assert_true(poll(fds, 2, 20000) > 0);
		if (fds[1].revents) {
			made++;
			assert_int_equal(serve_publish(s, current), 0);
		}
	} while (!fds[0].revents);
}

static void stop(struct serve *s)
{
	serve_stop(s);
	report_free(current);
	current = NULL;
}

static int connected(const struct serve *s)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(serve_port(s)),
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
	return fd;
}

/* Sends the request line and headers; the answer is in answer[]. Returns the status. */
static int asked(struct serve *s, const char *request)
{
	char text[1024];
	size_t len = 0;
	ssize_t n;
	int fd = connected(s);

	snprintf(text, sizeof(text), "%s\r\nConnection: close\r\n\r\n", request);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	answer_until_readable(s, fd);
	while ((n = read(fd, answer + len, ANSWER_MAX - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	answer[len] = '\0';
	return len > 12 ? atoi(answer + 9) : 0;
}

static int got(struct serve *s, const char *target)
{
	char request[256];

	snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: 127.0.0.1", target);
	return asked(s, request);
}

/* ---- cases ---- */

/* A process whose command tries to end its label, and the line, and to turn the text round. */
static void labels_hold_any_name(void **state)
{
	char hostile[] = "/tmp/memleak-serve.XXXXXX";
	int fd = mkstemp(hostile);
	struct session_block block;
	struct session_writer *w;
	struct report *r;
	char *text = NULL;
	size_t len;
	FILE *f = open_memstream(&text, &len);

	(void)state;
	close(fd);
	assert_int_equal(sample_begin(hostile, SESSION_WRITE_WHOLE, &w), 0);
	session_writer_header(w)->comm = session_writer_string(w, "a\"} 9\nb\\\342\200\256\377");
	block = sample_record(0x10000, 16, 1, 10);
	session_writer_record(w, &block);
	assert_int_equal(session_writer_finish(w, SESSION_END_EXIT), 0);
	r = report_new(symbolizer, NULL);
	assert_int_equal(report_add_file(r, hostile), 0);
	assert_int_equal(report_build(r), 0);
	assert_int_equal(metrics_print(f, r, METRICS_OPENMETRICS), 0);
	fclose(f);
	assert_non_null(strstr(text, "comm=\"a\\\"} 9\\\\x0ab\\\\"));
	assert_null(strstr(text, "\342\200\256"));
	assert_null(strchr(text, '\377'));
	free(text);
	report_free(r);
	unlink(hostile);
}

static void serves_each_document(void **state)
{
	struct serve *s = started("127.0.0.1:0", NULL);

	(void)state;
	publish(s);
	assert_int_equal(got(s, "/"), 200);
	assert_true(strstr(answer, "text/html") || strstr(answer, "lacks the HTML viewer"));
	assert_int_equal(got(s, "/report.json"), 200);
	assert_non_null(strstr(answer, "\"format\":\"memleak-report\""));
	assert_int_equal(got(s, "/metrics"), 200);
	assert_non_null(strstr(answer, "memleak_outstanding_bytes{domain=\"user\",kind=\"heap\"} 4176\n"));
	assert_null(strstr(answer, "# EOF"));
	assert_int_equal(got(s, "/debug/pprof/heap"), 200);
	assert_non_null(strstr(answer, "\r\n\r\n\x1f\x8b"));
	stop(s);
}

static void speaks_openmetrics_when_asked(void **state)
{
	struct serve *s = started("127.0.0.1:0", NULL);

	(void)state;
	publish(s);
	assert_int_equal(asked(s, "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
			       "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5"), 200);
	assert_non_null(strstr(answer, "# TYPE memleak_losses counter\n"));
	assert_non_null(strstr(answer, "memleak_losses_total{cause=\"depth-cut\"} 1\n"));
	assert_string_equal(answer + strlen(answer) - 6, "# EOF\n");
	stop(s);
}

static void answers_503_before_the_first_report(void **state)
{
	struct serve *s = started("127.0.0.1:0", NULL);

	(void)state;
	assert_int_equal(got(s, "/metrics"), 503);
	stop(s);
}

static void knows_no_other_path_or_method(void **state)
{
	static const char *const paths[] = {
		"/index.html", "/metrics/", "/debug/pprof/", "/../etc/passwd", "//", "/report.json/..",
		"/%2e%2e/etc/passwd",
	};
	struct serve *s = started("127.0.0.1:0", NULL);

	(void)state;
	publish(s);
	for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++)
		assert_int_equal(got(s, paths[i]), 404);
	assert_int_equal(asked(s, "DELETE / HTTP/1.1\r\nHost: localhost"), 405);
	assert_int_equal(asked(s, "HEAD / HTTP/1.1\r\nHost: localhost"), 200);
	stop(s);
}

static void refuses_names_that_are_not_local(void **state)
{
	static const char *const good[] = { "localhost", "localhost:80", "127.0.0.1", "127.1.2.3:9",
					    "[::1]", "[::1]:9977", "LOCALHOST" };
	static const char *const bad[] = { "evil.example", "127.0.0.1.evil.example", "localhost.evil",
					   "", "[::2]", "10.0.0.1", "0" };
	struct serve *s = started("localhost:0", NULL);
	char request[256];

	(void)state;
	publish(s);
	for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
		snprintf(request, sizeof(request), "GET /metrics HTTP/1.1\r\nHost: %s", good[i]);
		assert_int_equal(asked(s, request), 200);
	}
	for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
		snprintf(request, sizeof(request), "GET /metrics HTTP/1.1\r\nHost: %s", bad[i]);
		assert_int_equal(asked(s, request), 421);
		assert_null(strstr(answer, "memleak_"));
	}
	assert_int_equal(asked(s, "GET /metrics HTTP/1.0"), 421);
	stop(s);
}

static void wants_the_token(void **state)
{
	struct serve *s = started("0.0.0.0:0", TOKEN);
	static const char get[] = "GET /metrics HTTP/1.1\r\nHost: a.example\r\nAuthorization: ";
	char request[256];

	(void)state;
	publish(s);
	assert_int_equal(got(s, "/metrics"), 401);
	assert_non_null(strstr(answer, "WWW-Authenticate: Bearer"));
	assert_null(strstr(answer, "memleak_"));
	assert_int_equal(got(s, "/nothing"), 401);
	assert_int_equal(got(s, "/metrics?token=" TOKEN), 200);
	assert_int_equal(got(s, "/metrics?token=" TOKEN "x"), 401);
	assert_int_equal(got(s, "/metrics?token=0123456789abcde"), 401);
	snprintf(request, sizeof(request), "%sBearer %s", get, TOKEN);
	assert_int_equal(asked(s, request), 200);
	snprintf(request, sizeof(request), "%sBearer 0123456789abcdeF", get);
	assert_int_equal(asked(s, request), 401);
	stop(s);
}

static void starts_only_where_it_is_safe(void **state)
{
	static const struct { const char *address, *token; int err; } cases[] = {
		{ "0.0.0.0:0", NULL, -EACCES }, { "0.0.0.0:0", "short", -EACCES },
		{ "[::]:0", NULL, -EACCES }, { "127.0.0.1", NULL, -EINVAL }, { "", NULL, -EINVAL },
		{ "127.0.0.1:x", NULL, -EINVAL }, { "127.0.0.1:65536", NULL, -EINVAL },
		{ "example.com:80", NULL, -EINVAL }, { "::1:80", NULL, -EINVAL },
		{ "[::1:80", NULL, -EINVAL }, { "[]:80", NULL, -EINVAL }, { ":", NULL, -EINVAL },
		{ "127.0.0.1:0", "@/nonexistent", -ENOENT },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		const struct serve_options o = { .address = cases[i].address, .token = cases[i].token };
		struct serve *s = NULL;
		const char *why = NULL;

		assert_int_equal(serve_start(&o, &s, &why), cases[i].err);
		assert_null(s);
		assert_non_null(why);
	}
}

static void says_when_the_port_is_taken(void **state)
{
	struct serve *s = started("0", NULL), *other = NULL;
	struct serve_options o = { 0 };
	const char *why = NULL;
	char address[32];

	(void)state;
	snprintf(address, sizeof(address), "%u", serve_port(s));
	o.address = address;
	assert_int_equal(serve_start(&o, &other, &why), -EADDRINUSE);
	assert_null(other);
	stop(s);
}

/* Connections that say nothing don't keep others out for good, and are bounded. */
static void survives_more_connections_than_it_takes(void **state)
{
	struct serve *s = started("127.0.0.1:0", NULL);
	int fds[SERVE_CONNECTIONS + 8];

	(void)state;
	publish(s);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		fds[i] = connected(s);
	for (size_t i = 0; i < sizeof(fds) / sizeof(*fds); i++)
		close(fds[i]);
	assert_int_equal(got(s, "/metrics"), 200);
	stop(s);
}

static void an_answer_under_way_outlives_its_report(void **state)
{
	struct serve *s = started("127.0.0.1:0", NULL);
	static const char request[] = "GET /report.json HTTP/1.1\r\nHost: localhost\r\n"
				      "Connection: close\r\n\r\n";
	size_t len = 0;
	ssize_t n;
	int fd;

	(void)state;
	publish(s);
	fd = connected(s);
	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	answer_until_readable(s, fd);
	for (int i = 0; i < 5; i++)
		publish(s);
	while ((n = read(fd, answer + len, ANSWER_MAX - 1 - len)) > 0)
		len += (size_t)n;
	close(fd);
	assert_true(len > 100 && answer[len - 1] == '\n');
	stop(s);
}

static void makes_only_what_is_asked_for(void **state)
{
	struct serve *s = started("127.0.0.1:0", NULL);

	(void)state;
	publish(s);
	made = 0;
	assert_int_equal(got(s, "/nothing"), 404);
	assert_int_equal(made, 0);
	assert_int_equal(got(s, "/metrics"), 200);
	assert_int_equal(made, 1);
	assert_int_equal(got(s, "/metrics"), 200);
	assert_int_equal(made, 1);	/* the same is good enough */
	assert_int_equal(got(s, "/report.json"), 200);
	assert_int_equal(made, 2);
	serve_outdate(s);
	assert_int_equal(got(s, "/metrics"), 200);
	assert_int_equal(made, 3);
	stop(s);
}

/* Several that wait for one document are answered at once. */
static void answers_all_who_wait(void **state)
{
	struct serve *s = started("127.0.0.1:0", NULL);
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n"
				      "Connection: close\r\n\r\n";
	int fds[SERVE_CONNECTIONS];
	char byte;

	(void)state;
	publish(s);
	for (size_t i = 0; i < SERVE_CONNECTIONS; i++) {
		fds[i] = connected(s);
		assert_int_equal(write(fds[i], request, strlen(request)), (ssize_t)strlen(request));
	}
	for (size_t i = 0; i < SERVE_CONNECTIONS; i++) {
		answer_until_readable(s, fds[i]);
		assert_int_equal(read(fds[i], &byte, 1), 1);
		close(fds[i]);
	}
	stop(s);
}

/* Nobody makes a document any more for those who wait, and it ends all the same. */
static void stops_while_somebody_waits(void **state)
{
	struct serve *s = started("127.0.0.1:0", NULL);
	static const char request[] = "GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n";
	struct pollfd waits = { .fd = serve_fd(s), .events = POLLIN };
	int fd = connected(s);

	(void)state;
	assert_int_equal(write(fd, request, strlen(request)), (ssize_t)strlen(request));
	assert_int_equal(poll(&waits, 1, 20000), 1);
	stop(s);
	close(fd);
}

static int set_up(void **state)
{
	int fd = mkstemp(path);

	(void)state;
	signal(SIGPIPE, SIG_IGN);
	symbolizer = symbolizer_new(NULL);
	if (fd < 0 || !symbolizer)
		return -1;
	close(fd);
	return sample_process(path);
}

static int tear_down(void **state)
{
	(void)state;
	symbolizer_free(symbolizer);
	return unlink(path);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_hold_any_name),
		cmocka_unit_test(serves_each_document),
		cmocka_unit_test(speaks_openmetrics_when_asked),
		cmocka_unit_test(answers_503_before_the_first_report),
		cmocka_unit_test(knows_no_other_path_or_method),
		cmocka_unit_test(refuses_names_that_are_not_local),
		cmocka_unit_test(wants_the_token),
		cmocka_unit_test(starts_only_where_it_is_safe),
		cmocka_unit_test(says_when_the_port_is_taken),
		cmocka_unit_test(survives_more_connections_than_it_takes),
		cmocka_unit_test(an_answer_under_way_outlives_its_report),
		cmocka_unit_test(makes_only_what_is_asked_for),
		cmocka_unit_test(answers_all_who_wait),
		cmocka_unit_test(stops_while_somebody_waits),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
