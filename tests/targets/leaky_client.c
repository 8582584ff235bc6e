// SPDX-License-Identifier: MIT
/*
 * leaky_client.c - a client of a Redis server that forgets to close: PORT COUNT
 * MILLISECONDS. Opens a connection every so many milliseconds, COUNT of them, asks
 * one question on each and then loses the connection and its session of 5 KiB. Stays
 * until it is killed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct session {
	int fd;
	char answer[5000];
};

static struct session *open_session(int port)
{
	struct sockaddr_in server = {
		.sin_family = AF_INET, .sin_port = htons((unsigned short)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	struct session *s = calloc(1, sizeof(*s));

	if (!s)
		return NULL;
	s->fd = socket(AF_INET, SOCK_STREAM, 0);
	if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&server, sizeof(server))) {
		if (s->fd >= 0)
			close(s->fd);
		free(s);
		return NULL;
	}
	return s;
}

static int ask(int port)
{
	static const char question[] = "INCR visits\r\n";
	struct session *s = open_session(port);

	if (!s)
		return -1;
	if (write(s->fd, question, sizeof(question) - 1) < 0)
		return -1;
	return read(s->fd, s->answer, sizeof(s->answer)) > 0 ? 0 : -1;
}

int main(int argc, char **argv)
{
	if (argc != 4)
		return 2;
	for (int i = 0; i < atoi(argv[2]); i++) {
		if (ask(atoi(argv[1])))
			perror("leaky_client");
		usleep((unsigned)atoi(argv[3]) * 1000);
	}
	pause();
	return 0;
}
