// SPDX-License-Identifier: MIT
/* slabs_watch.c - kagent slabs --watch: a full screen with keys. */
#include "kagent/slabs_view.h"

#include "kagent/cmd.h"
#include "kagent/stop.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ENTER "\033[?1049h\033[?25l\033[?7l"	/* alternate screen, no cursor, no line wrap */
#define LEAVE "\033[?7h\033[?25h\033[?1049l"
#define OTHER_LINES 10	/* above the rows, and the cursor's below them */

static struct termios saved;

static int enter(void)
{
	struct termios raw;

	if (tcgetattr(0, &saved))
		return -errno;
	raw = saved;
	raw.c_lflag &= ~(ICANON | ECHO);
	raw.c_cc[VMIN] = 0;
	raw.c_cc[VTIME] = 0;
	if (tcsetattr(0, TCSANOW, &raw))
		return -errno;
	fputs(ENTER, stdout);
	return 0;
}

static void leave(void)
{
	fputs(LEAVE, stdout);
	fflush(stdout);
	tcsetattr(0, TCSANOW, &saved);
}

static void fit(struct slabs_view *v)
{
	struct winsize w;

	if (ioctl(1, TIOCGWINSZ, &w) || !w.ws_row || !w.ws_col)
		w = (struct winsize){ .ws_row = 25, .ws_col = 80 };
	v->rows = w.ws_row > OTHER_LINES ? w.ws_row - OTHER_LINES : 1;
	v->narrow = w.ws_col < SLABS_WIDTH;
}

/* 0, 1: end. */
static int take_key(struct slabs_view *v, char key)
{
	static const struct {
		char key;
		enum slabs_sort sort;
	} keys[] = {
		{ 'n', SORT_NAME }, { 'a', SORT_ACTIVE }, { 't', SORT_TOTAL }, { 's', SORT_SIZE },
		{ 'o', SORT_PER_SLAB }, { 'p', SORT_PAGES }, { 'l', SORT_SLABS }, { 'u', SORT_USE },
		{ 'w', SORT_WASTE }, { 'f', SORT_FRAG }, { 'k', SORT_KB }, { 'c', SORT_KB },
	};

	if (key == 'q' || key == 'Q' || key == 4)
		return 1;
	for (size_t i = 0; i < sizeof(keys) / sizeof(*keys); i++)
		if (keys[i].key == key)
			v->sort = keys[i].sort;
	return 0;
}

static int read_keys(struct slabs_view *v, int timeout_ms)
{
	struct pollfd p = { .fd = 0, .events = POLLIN };
	char key;
	ssize_t n;

	if (poll(&p, 1, timeout_ms) <= 0)
		return 0;
	n = read(0, &key, 1);
	if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
		return 1;	/* the terminal has gone */
	return n == 1 ? take_key(v, key) : 0;
}

static int draw(struct slabs_view *v)
{
	struct slab_table t;
	int err = slab_table_read("/proc/slabinfo", &t);

	if (err)
		return err;
	fputs("\033[H\033[J", stdout);
	slabs_print_summary(stdout, &t);
	printf("sorted by %s - keys: n a t s o p l u w f k sort, q quits\n\n",
	       slabs_sort_name(v->sort));
	fit(v);
	slabs_print_table(stdout, &t, v);
	fflush(stdout);
	slab_table_free(&t);
	return 0;
}

static int loop(struct slabs_view *v, uint64_t interval_ns)
{
	uint64_t next = 0, now;
	enum slabs_sort drawn = v->sort;
	int err, end = 0;

	while (!end && !stop_wanted()) {
		now = stop_now_ns();
		if (now >= next || drawn != v->sort) {
			err = draw(v);
			if (err)
				return err;
			drawn = v->sort;
			next = now + interval_ns;
		}
		end = read_keys(v, (next - now) / 1000000 < 200 ? (int)((next - now) / 1000000) + 1
								: 200);
	}
	return 0;
}

int slabs_watch(struct slabs_view *v, uint64_t interval_ns)
{
	int err;

	if (!isatty(0) || !isatty(1))
		return fail("--watch wants a terminal; --log FILE or --growth write to files");
	stop_on_signals();
	err = enter();
	if (err)
		return fail("the terminal can't be set up: %s", strerror(-err));
	err = loop(v, interval_ns);
	leave();
	return err ? fail("/proc/slabinfo: %s", strerror(-err)) : 0;
}
