// SPDX-License-Identifier: Apache-2.0
// Traffic for the lab where Node is too slow or too imprecise:
//   echo   answers UDP                      ask    asks an echo server, measures each answer
//   serve  answers one byte per connection  rate   connections per second to such a server
// Results are one line of JSON; servers print "ready" when they can be asked. Every program ends
// when the lab that started it does.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define SIZE_MAX_UDP 60000

struct options {
	const char *to, *at;
	long port, count, every_us, size, timeout_ms;
	double seconds;
	bool new_ports;
};

static socklen_t resolve(const char *host, long port, struct sockaddr_storage *out)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found;
	char service[16];
	socklen_t length;

	snprintf(service, sizeof(service), "%ld", port);
	if (!host || getaddrinfo(host, service, &hints, &found)) {
		fprintf(stderr, "%s is no address\n", host ? host : "missing");
		exit(2);
	}
	memcpy(out, found->ai_addr, found->ai_addrlen);
	length = found->ai_addrlen;
	freeaddrinfo(found);
	return length;
}

/* At an address, or at all: bound to :: it serves IPv4 too; where there is no IPv6, to 0.0.0.0. */
static int bound(int type, const struct options *o)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(o->port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(o->port) };
	struct sockaddr_storage at;
	int off = 0, on = 1, fd;

	if (o->at) {
		socklen_t length = resolve(o->at, o->port, &at);

		fd = socket(at.ss_family, type, 0);
		if (fd < 0 || bind(fd, (void *)&at, length))
			die("bind");
		return fd;
	}
	fd = socket(AF_INET6, type, 0);
	if (fd >= 0) {
		setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof(off));
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (!bind(fd, (struct sockaddr *)&six, sizeof(six)))
			return fd;
		close(fd);
	}
	fd = socket(AF_INET, type, 0);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (fd < 0 || bind(fd, (struct sockaddr *)&four, sizeof(four)))
		die("bind");
	return fd;
}

static void say_ready(void)
{
	puts("ready");
	fflush(stdout);
}

static void echo(const struct options *o)
{
	static char buffer[65536];
	int fd = bound(SOCK_DGRAM, o);
	int room = 4 << 20;

	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	say_ready();
	for (;;) {
		struct sockaddr_storage peer;
		socklen_t length = sizeof(peer);
		ssize_t got = recvfrom(fd, buffer, sizeof(buffer), 0, (void *)&peer, &length);

		/* An ICMP error may come back for an earlier answer; it concerns nobody here. */
		if (got >= 0)
			sendto(fd, buffer, got, 0, (void *)&peer, length);
	}
}

/* Nanoseconds until the answer to this number, or -1. Late answers to others are passed over. */
static int64_t ask_once(int fd, char *bytes, const struct options *o, uint32_t number)
{
	static char answer[65536];
	int64_t sent, left;
	uint32_t got;

	memcpy(bytes, &number, sizeof(number));
	sent = now_ns();
	if (send(fd, bytes, o->size, 0) < 0)
		return -1;
	for (;;) {
		struct pollfd waiting = { .fd = fd, .events = POLLIN };
		ssize_t length;

		left = sent + o->timeout_ms * 1000000 - now_ns();
		if (left <= 0 || poll(&waiting, 1, left / 1000000 + 1) <= 0)
			return -1;
		length = recv(fd, answer, sizeof(answer), MSG_DONTWAIT);
		if (length < 0 && errno != EAGAIN)
			return -1;
		memcpy(&got, answer, sizeof(got));
		if (length == o->size && got == number)
			return now_ns() - sent;
	}
}

static int connected(const struct options *o)
{
	struct sockaddr_storage to;
	socklen_t length = resolve(o->to, o->port, &to);
	int fd = socket(to.ss_family, SOCK_DGRAM, 0);

	if (fd < 0 || connect(fd, (void *)&to, length))
		die("connect");
	return fd;
}

static void ask(const struct options *o)
{
	static char bytes[SIZE_MAX_UDP];
	int64_t due = now_ns();
	long received = 0;
	int fd = connected(o);

	printf("{\"rttUs\":[");
	for (long i = 0; i < o->count; i++) {
		int64_t rtt;

		if (i > 0 && o->new_ports) {
			close(fd);
			fd = connected(o);
		}
		if (o->every_us > 0)
			sleep_until(due += o->every_us * 1000);
		rtt = ask_once(fd, bytes, o, i + 1);
		received += rtt >= 0;
		printf(i > 0 ? ",%.1f" : "%.1f", rtt < 0 ? -1.0 : rtt / 1000.0);
	}
	printf("],\"sent\":%ld,\"received\":%ld}\n", o->count, received);
}

static void serve(const struct options *o)
{
	int fd = bound(SOCK_STREAM, o);

	if (listen(fd, 4096))
		die("listen");
	say_ready();
	for (;;) {
		struct timeval limit = { .tv_sec = 2 };
		int peer = accept(fd, NULL, NULL);
		char byte;

		if (peer < 0)
			continue;
		setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		if (recv(peer, &byte, 1, 0) == 1)
			send(peer, &byte, 1, MSG_NOSIGNAL);
		close(peer);
	}
}

static void rate(const struct options *o)
{
	struct timeval limit = { .tv_sec = 2 };
	/* Closed by a reset, so that no port of ours waits two minutes. */
	struct linger abrupt = { .l_onoff = 1 };
	struct sockaddr_storage to;
	socklen_t length = resolve(o->to, o->port, &to);
	int64_t start = now_ns(), end = start + (int64_t)(o->seconds * 1e9);
	long done = 0, faults = 0;

	while (now_ns() < end) {
		int fd = socket(to.ss_family, SOCK_STREAM, 0);
		char byte = 1;

		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
		setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
		if (!connect(fd, (void *)&to, length) && send(fd, &byte, 1, MSG_NOSIGNAL) == 1 &&
		    recv(fd, &byte, 1, 0) == 1)
			done++;
		else
			faults++;
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &abrupt, sizeof(abrupt));
		close(fd);
	}
	printf("{\"rate\":%.1f,\"faults\":%ld}\n", done / ((now_ns() - start) / 1e9), faults);
}

static const struct option longs[] = {
	{ "to", 1, 0, 't' },	   { "port", 1, 0, 'p' }, { "count", 1, 0, 'c' },
	{ "every-us", 1, 0, 'e' }, { "size", 1, 0, 's' }, { "timeout-ms", 1, 0, 'w' },
	{ "seconds", 1, 0, 'd' },  { "new-ports", 0, 0, 'N' }, { "at", 1, 0, 'a' },
	{ 0 }
};

static struct options parse(int argc, char **argv)
{
	struct options o = { .count = 1, .size = 64, .timeout_ms = 1000, .seconds = 1 };
	int letter;

	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (letter) {
		case 't': o.to = optarg; break;
		case 'a': o.at = optarg; break;
		case 'p': o.port = atol(optarg); break;
		case 'c': o.count = atol(optarg); break;
		case 'e': o.every_us = atol(optarg); break;
		case 's': o.size = atol(optarg); break;
		case 'w': o.timeout_ms = atol(optarg); break;
		case 'd': o.seconds = atof(optarg); break;
		case 'N': o.new_ports = true; break;
		default: exit(2);
		}
	if (o.size < 4 || o.size > SIZE_MAX_UDP) {
		fprintf(stderr, "--size is %ld; expected 4 to %d\n", o.size, SIZE_MAX_UDP);
		exit(2);
	}
	return o;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	struct options o = parse(argc - 1, argv + 1);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!strcmp(verb, "echo"))
		echo(&o);
	else if (!strcmp(verb, "ask"))
		ask(&o);
	else if (!strcmp(verb, "serve"))
		serve(&o);
	else if (!strcmp(verb, "rate"))
		rate(&o);
	else {
		fprintf(stderr, "usage: traffic echo|ask|serve|rate --port n ...\n");
		return 2;
	}
	return 0;
}
