// SPDX-License-Identifier: Apache-2.0
// Short TCP connections at a rate, to a crowd's server: connect, ask, be answered, close.  Counts
// those whose SYN, or the answer to it, was lost on its first way, and those that failed.  Prints
// one line of JSON at the end.  With --at-once no more are under way at a time, however long one
// takes: then a SYN that is sent again was lost, and did not wait its turn on a busy machine.  Ends
// when none of those under way has got any further for --patience-s: what is left has failed.
//   calls --to 10.0.0.1 --port 9000 --count 10000 --per-s 2000 --at-once 8 --patience-s 20

#define _GNU_SOURCE
#include <getopt.h>
#include <limits.h>

#include "crowd.h"

#define EVENTS 256
/* A SYN is sent again after a second; a connection that took nearly as long has lost one. */
#define RETRIED_NS 900000000LL

struct call {
	int fd;
	bool connected;
	int64_t begun_ns;
};

static int poll_fd;
static long failed, done, retried, syn_retransmits, retransmits;
static int64_t progress_ns; /* when one last connected or ended */
static int64_t patience_ns = 20000000000LL;
static float *connect_us;

static void call_one(struct call *c, struct sockaddr_in *to)
{
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };

	c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	c->begun_ns = now_ns();
	if (c->fd < 0)
		die("socket");
	if (connect(c->fd, (struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS)
		die("connect");
	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event))
		die("epoll_ctl");
}

static void over(struct call *c, bool well)
{
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);

	if (getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0)
		retransmits += info.tcpi_total_retrans;
	close(c->fd);
	c->fd = -1;
	progress_ns = now_ns();
	if (well)
		done++;
	else
		failed++;
}

static void connected(struct call *c, long i)
{
	struct greeting greeting = { .magic = GREETING_MAGIC, .id = i, .group = 0xffff,
				     .speaker = SPEAKER_ASKS, .every_ms = 1 };
	struct tcp_info info = { 0 };
	socklen_t length = sizeof(info);
	int64_t took = now_ns() - c->begun_ns;
	int error = 0;

	getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &(socklen_t){ sizeof(error) });
	if (error)
		return over(c, false);
	c->connected = true;
	progress_ns = now_ns();
	connect_us[i] = took / 1e3;
	getsockopt(c->fd, IPPROTO_TCP, TCP_INFO, &info, &length);
	syn_retransmits += info.tcpi_total_retrans;
	retried += took > RETRIED_NS;
	if (send(c->fd, &greeting, sizeof(greeting), MSG_DONTWAIT) != sizeof(greeting))
		over(c, false);
}

static void turn(struct call *calls, int wait_ms)
{
	struct epoll_event events[EVENTS];
	struct greeting answer;
	int n = epoll_wait(poll_fd, events, EVENTS, wait_ms);

	for (int i = 0; i < n; i++) {
		struct call *c = events[i].data.ptr;
		ssize_t got;

		if (c->fd >= 0 && !c->connected)
			connected(c, c - calls);
		if (c->fd < 0 || !(events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP)))
			continue;
		got = recv(c->fd, &answer, sizeof(answer), MSG_DONTWAIT);
		if (got < 0 && errno == EAGAIN)
			continue;
		over(c, got == sizeof(answer));
	}
}

static bool stuck(void)
{
	return now_ns() > progress_ns + patience_ns;
}

/* Until the next is due, and fewer than `at_once` of the `begun` are under way. */
static void wait_for_turn(struct call *calls, long begun, long at_once, int64_t due_ns)
{
	turn(calls, 0);
	while (begun - done - failed >= at_once && !stuck())
		turn(calls, 10);
	while (now_ns() < due_ns)
		turn(calls, 1);
}

static int compare(const void *a, const void *b)
{
	float x = *(const float *)a, y = *(const float *)b;

	return x < y ? -1 : x > y;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "to", 1, NULL, 't' },	   { "port", 1, NULL, 'p' }, { "count", 1, NULL, 'n' },
		{ "per-s", 1, NULL, 'r' }, { "at-once", 1, NULL, 'a' },
		{ "patience-s", 1, NULL, 's' }, { NULL, 0, NULL, 0 },
	};
	long port = 9000, n = 1, per_s = 1000, at_once = LONG_MAX;
	const char *to = NULL;
	struct sockaddr_in address;
	struct call *calls;
	int64_t start;
	int option;

	prepare_process();
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 't': to = optarg; break;
		case 'p': port = atol(optarg); break;
		case 'n': n = atol(optarg); break;
		case 'r': per_s = atol(optarg); break;
		case 'a': at_once = atol(optarg); break;
		case 's': patience_ns = atol(optarg) * 1000000000LL; break;
		default: return 2;
		}
	}
	address = address_of(to, port);
	calls = calloc(n, sizeof(*calls));
	connect_us = calloc(n, sizeof(*connect_us));
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	start = progress_ns = now_ns();
	for (long i = 0; i < n && !stuck(); i++) {
		call_one(&calls[i], &address);
		wait_for_turn(calls, i + 1, at_once, start + (i + 1) * 1000000000LL / per_s);
	}
	while (done + failed < n && !stuck())
		turn(calls, 10);
	qsort(connect_us, n, sizeof(*connect_us), compare);
	printf("{\"connections\":%ld,\"done\":%ld,\"failed\":%ld,\"synRetransmits\":%ld,"
	       "\"slow\":%ld,\"retransmits\":%ld,\"connectUsP50\":%.0f,\"connectUsP99\":%.0f}\n",
	       n, done, n - done, syn_retransmits, retried, retransmits, connect_us[n / 2],
	       connect_us[n - 1 - n / 100]);
	return 0;
}
