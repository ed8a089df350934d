// SPDX-License-Identifier: Apache-2.0
// Short conversations at a steady rate until it is stopped, each from a port nobody has had for a
// while.  Which kinds there are, in turn, says --mix, a letter each:
//   t  TCP: connect, ask, be answered, close      r  the same, ended by a reset
//   c  TCP to a port that refuses                 u  UDP, answered
//   l  UDP to a port where nobody is              p  a ping with an id of its own
// Every second one line of JSON: how many began, ended well, and failed, by letter.
//   churn --to 10.0.0.1 --tcp 9001 --udp 7 --per-s 100 --mix tutptrul

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define SLOTS 4096
#define EVENTS 256
#define PATIENCE_NS 3000000000LL
#define NOBODY 9 /* discard: a port that no program here listens at */
#define KINDS "trculp"

struct call {
	int fd;
	int kind;
	bool asked;
	uint16_t id;
	int64_t due_ns;
};

static struct call calls[SLOTS];
static int unused[SLOTS], unused_count, poll_fd;
static struct sockaddr_in tcp_at, udp_at, nobody_at;
static long begun[sizeof(KINDS)], ended[sizeof(KINDS)], failed[sizeof(KINDS)];
static uint16_t next_id;

static void over(struct call *c, bool well)
{
	struct linger abrupt = { .l_onoff = 1 };

	if (KINDS[c->kind] == 'r')
		setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof(abrupt));
	close(c->fd);
	c->fd = -1;
	unused[unused_count++] = c - calls;
	if (well)
		ended[c->kind]++;
	else
		failed[c->kind]++;
}

/* The sum of a header of zeros but for type, id and number. */
static bool ping(struct call *c)
{
	struct icmphdr echo = { .type = ICMP_ECHO };
	uint32_t sum;

	c->id = ++next_id;
	echo.un.echo.id = htons(c->id);
	echo.un.echo.sequence = htons(1);
	sum = (ICMP_ECHO << 8) + c->id + 1;
	echo.checksum = htons(~((sum & 0xffff) + (sum >> 16)));
	return send(c->fd, &echo, sizeof(echo), 0) == sizeof(echo);
}

static int open_socket(char kind)
{
	int flags = SOCK_NONBLOCK | SOCK_CLOEXEC;

	if (kind == 'p')
		return socket(AF_INET, SOCK_RAW | flags, IPPROTO_ICMP);
	return socket(AF_INET, (strchr("trc", kind) ? SOCK_STREAM : SOCK_DGRAM) | flags, 0);
}

static void begin(int kind)
{
	char letter = KINDS[kind];
	struct sockaddr_in *to = strchr("cl", letter) ? &nobody_at :
				 letter == 'u'	      ? &udp_at :
							&tcp_at;
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET };
	struct call *c;

	begun[kind]++;
	if (unused_count == 0) {
		failed[kind]++;
		return;
	}
	c = &calls[unused[--unused_count]];
	*c = (struct call){ .kind = kind, .due_ns = now_ns() + PATIENCE_NS };
	c->fd = open_socket(letter);
	if (c->fd < 0)
		die("socket");
	event.data.ptr = c;
	if (connect(c->fd, (void *)to, sizeof(*to)) && errno != EINPROGRESS)
		return over(c, false);
	if (letter == 'l')
		return over(c, send(c->fd, "?", 1, 0) == 1);
	if ((letter == 'u' && send(c->fd, "?", 1, 0) != 1) || (letter == 'p' && !ping(c)))
		return over(c, false);
	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, c->fd, &event))
		die("epoll_ctl");
}

/* A raw socket hears every ICMP packet there is. */
static void pinged(struct call *c)
{
	char packet[256];
	ssize_t got;

	while ((got = recv(c->fd, packet, sizeof(packet), 0)) >= 0) {
		int head = ((struct iphdr *)packet)->ihl * 4;
		struct icmphdr *echo = (void *)(packet + head);

		if (got >= head + (ssize_t)sizeof(*echo) && echo->type == ICMP_ECHOREPLY &&
		    ntohs(echo->un.echo.id) == c->id)
			return over(c, true);
	}
}

static void moved(struct call *c, uint32_t events)
{
	char letter = KINDS[c->kind], byte = 1;
	socklen_t length = sizeof(int);
	int error = 0;
	ssize_t got;

	if (letter == 'p')
		return pinged(c);
	if (letter != 'u' && !c->asked) {
		getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length);
		if (error || letter == 'c')
			return over(c, letter == 'c' && error == ECONNREFUSED);
		if (!(events & EPOLLOUT))
			return;
		c->asked = true;
		if (send(c->fd, &byte, 1, MSG_NOSIGNAL) != 1)
			return over(c, false);
	}
	got = recv(c->fd, &byte, 1, 0);
	if (got < 0 && errno == EAGAIN)
		return;
	over(c, got == 1);
}

static void give_up(void)
{
	int64_t now = now_ns();

	for (int i = 0; i < SLOTS; i++)
		if (calls[i].fd >= 0 && calls[i].due_ns < now)
			over(&calls[i], false);
}

static void print_counts(const char *name, const long *counts, const char *end)
{
	printf("\"%s\":{", name);
	for (int i = 0; KINDS[i]; i++)
		printf("%s\"%c\":%ld", i ? "," : "", KINDS[i], counts[i]);
	printf("}%s", end);
}

static void report(void)
{
	printf("{");
	print_counts("begun", begun, ",");
	print_counts("ended", ended, ",");
	print_counts("failed", failed, "}\n");
	fflush(stdout);
}

static void turn(int wait_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(poll_fd, events, EVENTS, wait_ms);

	for (int i = 0; i < n; i++) {
		struct call *c = events[i].data.ptr;

		if (c->fd >= 0)
			moved(c, events[i].events);
	}
}

static void go_on(const char *mix, long per_s)
{
	int64_t start = now_ns(), told = start, gap = 1000000000LL / per_s;
	long length = strlen(mix);

	for (long i = 0;; i++) {
		/* What a stalled machine has missed is left out. */
		if (now_ns() > start + gap * i + PATIENCE_NS)
			start = now_ns() - gap * i;
		for (int64_t left; (left = start + gap * i - now_ns()) > 0;)
			turn(left / 1000000 + 1);
		begin(strchr(KINDS, mix[i % length]) - KINDS);
		turn(0);
		if (now_ns() - told < 1000000000LL)
			continue;
		told = now_ns();
		give_up();
		report();
	}
}

static struct sockaddr_in address_of(const char *ip, long port)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (!ip || inet_pton(AF_INET, ip, &at.sin_addr) != 1) {
		fprintf(stderr, "--to is %s; expected an IPv4 address\n", ip ? ip : "missing");
		exit(2);
	}
	return at;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "to", 1, 0, 't' },	{ "tcp", 1, 0, 'c' }, { "udp", 1, 0, 'u' },
		{ "per-s", 1, 0, 'r' }, { "mix", 1, 0, 'm' }, { 0 },
	};
	const char *to = NULL, *mix = "t";
	long tcp = 9001, udp = 7, per_s = 10;
	int letter;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (letter) {
		case 't': to = optarg; break;
		case 'c': tcp = atol(optarg); break;
		case 'u': udp = atol(optarg); break;
		case 'r': per_s = atol(optarg); break;
		case 'm': mix = optarg; break;
		default: return 2;
		}
	if (per_s < 1 || !*mix || mix[strspn(mix, KINDS)]) {
		fprintf(stderr, "--per-s is 1 or more, --mix of %s\n", KINDS);
		return 2;
	}
	tcp_at = address_of(to, tcp);
	udp_at = address_of(to, udp);
	nobody_at = address_of(to, NOBODY);
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	for (int i = 0; i < SLOTS; i++) {
		calls[i].fd = -1;
		unused[unused_count++] = i;
	}
	go_on(mix, per_s);
}
