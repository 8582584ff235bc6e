// SPDX-License-Identifier: MIT
/* session_trace.c - follows the ring of trace events of a session. */
#define _GNU_SOURCE 1
#include "common/session_reader.h"

#include "common/io.h"
#include "common/session_private.h"

#include <errno.h>
#include <string.h>

static int read_head(const struct session *s, uint64_t *head)
{
	ssize_t n = io_pread(s->fd, head, sizeof(*head),
			     offsetof(struct session_header, trace_head));

	return n < 0 ? (int)n : n < (ssize_t)sizeof(*head) ? -EIO : 0;
}

/* -EAGAIN: the slot does not hold event number n, or is being written. */
static int read_event(const struct session *s, uint64_t ring, uint64_t n,
		      struct session_trace_event *out)
{
	uint32_t step = s->view.header.section[SECT_TRACE].entry_size;
	struct session_trace_event e, again;
	int err = session_read_section(&s->view, s->fd, SECT_TRACE, n % ring * step, &e, sizeof(e));

	if (!err)
		err = session_read_section(&s->view, s->fd, SECT_TRACE, n % ring * step, &again,
					   sizeof(again));
	if (err)
		return err;
	if (e.seq != n + 1 || memcmp(&e, &again, sizeof(e)))
		return -EAGAIN;
	*out = e;
	return 0;
}

int session_read_trace(struct session *s, uint64_t *next, struct session_trace_event *events,
		       size_t max, uint64_t *lost)
{
	uint64_t ring = s->view.used[SECT_TRACE], head;
	size_t count = 0;
	int err = read_head(s, &head);

	if (err || !ring || head <= *next)
		return err;
	if (head - *next > ring) {
		*lost += head - *next - ring;
		*next = head - ring;
	}
	for (; *next < head && count < max && count < INT32_MAX; (*next)++) {
		err = read_event(s, ring, *next, &events[count]);
		if (!err)
			count++;
		else if (err != -EAGAIN)
			return err;
		else if (head - *next <= ring / 2 && s->view.header.state == SESSION_LIVE)
			break;		/* claimed, not written yet: it will come */
		else
			++*lost;
	}
	return (int)count;
}
