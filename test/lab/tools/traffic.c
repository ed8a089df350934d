// SPDX-License-Identifier: Apache-2.0
// Traffic for the lab where Node is too slow or too imprecise:
//   echo   answers UDP                      ask    asks an echo server, measures each answer
//   serve  answers one byte per connection  rate   connections per second to such a server
//   flood  UDP frames of many flows through a packet socket, past the sockets and the routes
// Results are one line of JSON; servers print "ready" when they can be asked. Every program ends
// when the lab that started it does.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netdb.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define SIZE_MAX_UDP 60000
#define FRAME_MAX 1514
#define BATCH 64
#define PORTS 60000 /* source ports of a flood, from 1024 on */

struct options {
	const char *to, *from, *ifname, *dst_mac;
	long port, count, every_us, size, timeout_ms, pps, flows, first;
	double seconds;
	bool new_ports;
};

static void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(1);
}

static int64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void sleep_until(int64_t ns)
{
	struct timespec t = { ns / 1000000000, ns % 1000000000 };

	while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &t, NULL) == EINTR)
		;
}

static socklen_t resolve(const char *host, long port, struct sockaddr_storage *out)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST }, *found;
	char service[16];
	socklen_t length;

	snprintf(service, sizeof(service), "%ld", port);
	if (!host || getaddrinfo(host, service, &hints, &found)) {
		fprintf(stderr, "--to is %s; expected an address\n", host ? host : "missing");
		exit(2);
	}
	memcpy(out, found->ai_addr, found->ai_addrlen);
	length = found->ai_addrlen;
	freeaddrinfo(found);
	return length;
}

/* Bound to :: it serves IPv4 too; where there is no IPv6, to 0.0.0.0. */
static int bound(int type, long port)
{
	struct sockaddr_in6 six = { .sin6_family = AF_INET6, .sin6_port = htons(port) };
	struct sockaddr_in four = { .sin_family = AF_INET, .sin_port = htons(port) };
	int off = 0, on = 1;
	int fd = socket(AF_INET6, type, 0);

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
	int fd = bound(SOCK_DGRAM, o->port);
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
	int fd = bound(SOCK_STREAM, o->port);

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

static uint32_t sum16(const void *bytes, int length, uint32_t sum)
{
	const uint8_t *b = bytes;

	for (int i = 0; i + 1 < length; i += 2)
		sum += b[i] << 8 | b[i + 1];
	return length & 1 ? sum + (b[length - 1] << 8) : sum;
}

static uint16_t folded(uint32_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return ~sum;
}

struct frame {
	uint8_t bytes[FRAME_MAX];
	int length, udp;
	uint32_t sum; /* of the pseudo-header and the datagram without its ports */
};

static void put_ip(struct frame *f, const struct options *o, bool six)
{
	int at = sizeof(struct ether_header), udp_length = f->length - f->udp;
	struct ip6_hdr *ip6 = (void *)(f->bytes + at);
	struct iphdr *ip = (void *)(f->bytes + at);

	if (six) {
		ip6->ip6_flow = htonl(6 << 28);
		ip6->ip6_plen = htons(udp_length);
		ip6->ip6_nxt = IPPROTO_UDP;
		ip6->ip6_hlim = 64;
		inet_pton(AF_INET6, o->from, &ip6->ip6_src);
		inet_pton(AF_INET6, o->to, &ip6->ip6_dst);
		f->sum = sum16(&ip6->ip6_src, 32, IPPROTO_UDP + udp_length);
		return;
	}
	ip->version = 4;
	ip->ihl = 5;
	ip->tot_len = htons(f->length - at);
	ip->ttl = 64;
	ip->protocol = IPPROTO_UDP;
	inet_pton(AF_INET, o->from, &ip->saddr);
	inet_pton(AF_INET, o->to, &ip->daddr);
	ip->check = htons(folded(sum16(ip, sizeof(*ip), 0)));
	f->sum = sum16(&ip->saddr, 8, IPPROTO_UDP + udp_length);
}

static void make_frame(struct frame *f, const struct options *o, const uint8_t *src_mac)
{
	bool six = strchr(o->to, ':') != NULL;
	struct ether_header *eth = (void *)f->bytes;
	struct udphdr *udp;
	unsigned int m[6];

	if (sscanf(o->dst_mac, "%x:%x:%x:%x:%x:%x", m, m + 1, m + 2, m + 3, m + 4, m + 5) != 6)
		die("--dst-mac");
	for (int i = 0; i < 6; i++)
		eth->ether_dhost[i] = m[i];
	memcpy(eth->ether_shost, src_mac, 6);
	eth->ether_type = htons(six ? ETHERTYPE_IPV6 : ETHERTYPE_IP);
	f->udp = sizeof(*eth) + (six ? sizeof(struct ip6_hdr) : sizeof(struct iphdr));
	f->length = o->size > FRAME_MAX ? FRAME_MAX : o->size;
	if (f->length < f->udp + (int)sizeof(*udp))
		f->length = f->udp + sizeof(*udp);
	put_ip(f, o, six);
	udp = (void *)(f->bytes + f->udp);
	udp->len = htons(f->length - f->udp);
	f->sum += f->length - f->udp;
}

/* The flow of this number: its source port, and from 60 000 flows on its destination port. */
static void set_flow(struct frame *f, const struct options *o, uint64_t flow)
{
	uint16_t src = 1024 + flow % PORTS, dst = o->port + flow / PORTS;
	struct udphdr *udp = (void *)(f->bytes + f->udp);
	uint16_t check = folded(f->sum + src + dst);

	udp->source = htons(src);
	udp->dest = htons(dst);
	udp->check = htons(check ? check : 0xffff);
}

static int packet_socket(const char *ifname, uint8_t *mac)
{
	struct ifreq request = { 0 };
	struct sockaddr_ll link = { .sll_family = AF_PACKET };
	int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1, room = 4 << 20;

	if (fd < 0)
		die("packet socket");
	snprintf(request.ifr_name, IFNAMSIZ, "%s", ifname);
	if (ioctl(fd, SIOCGIFHWADDR, &request))
		die(ifname);
	memcpy(mac, request.ifr_hwaddr.sa_data, 6);
	link.sll_ifindex = if_nametoindex(ifname);
	if (bind(fd, (void *)&link, sizeof(link)))
		die("bind");
	setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof(on));
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return fd;
}

static void flood(const struct options *o)
{
	static struct frame frames[BATCH];
	struct mmsghdr messages[BATCH] = { 0 };
	struct iovec parts[BATCH];
	uint8_t mac[6];
	int fd = packet_socket(o->ifname, mac);
	int64_t start, end;
	uint64_t sent = 0, errors = 0;

	for (int i = 0; i < BATCH; i++) {
		make_frame(&frames[i], o, mac);
		parts[i] = (struct iovec){ frames[i].bytes, frames[i].length };
		messages[i].msg_hdr = (struct msghdr){ .msg_iov = &parts[i], .msg_iovlen = 1 };
	}
	start = now_ns();
	end = start + (int64_t)(o->seconds * 1e9);
	for (int64_t now = start; now < end; now = now_ns()) {
		uint64_t due = o->pps ? (now - start) / 1e9 * o->pps + 1 : sent + BATCH;
		int n = due - sent < BATCH ? due - sent : BATCH, done;

		if (due <= sent) {
			sleep_until(now + 100000);
			continue;
		}
		for (int i = 0; i < n; i++)
			set_flow(&frames[i], o, (o->first + sent + i) % o->flows);
		done = sendmmsg(fd, messages, n, 0);
		errors += done < 0;
		sent += done > 0 ? done : 0;
	}
	printf("{\"sent\":%lu,\"seconds\":%.3f,\"errors\":%lu}\n", sent, (now_ns() - start) / 1e9,
	       errors);
}

static const struct option longs[] = {
	{ "to", 1, 0, 't' },	   { "from", 1, 0, 'f' },	{ "if", 1, 0, 'i' },
	{ "dst-mac", 1, 0, 'm' },  { "port", 1, 0, 'p' },	{ "count", 1, 0, 'c' },
	{ "every-us", 1, 0, 'e' }, { "size", 1, 0, 's' },	{ "timeout-ms", 1, 0, 'w' },
	{ "pps", 1, 0, 'r' },	   { "flows", 1, 0, 'n' },	{ "first", 1, 0, '1' },
	{ "seconds", 1, 0, 'd' },  { "new-ports", 0, 0, 'N' },	{ 0 }
};

static struct options parse(int argc, char **argv)
{
	struct options o = { .count = 1, .size = 64, .timeout_ms = 1000, .flows = 1, .seconds = 1 };
	int letter;

	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (letter) {
		case 't': o.to = optarg; break;
		case 'f': o.from = optarg; break;
		case 'i': o.ifname = optarg; break;
		case 'm': o.dst_mac = optarg; break;
		case 'p': o.port = atol(optarg); break;
		case 'c': o.count = atol(optarg); break;
		case 'e': o.every_us = atol(optarg); break;
		case 's': o.size = atol(optarg); break;
		case 'w': o.timeout_ms = atol(optarg); break;
		case 'r': o.pps = atol(optarg); break;
		case 'n': o.flows = atol(optarg); break;
		case '1': o.first = atol(optarg); break;
		case 'd': o.seconds = atof(optarg); break;
		case 'N': o.new_ports = true; break;
		default: exit(2);
		}
	if (o.size < 4 || o.size > SIZE_MAX_UDP || o.flows < 1) {
		fprintf(stderr, "expected --size 4 to %d and --flows from 1 on\n", SIZE_MAX_UDP);
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
	else if (!strcmp(verb, "flood") && o.to && o.from && o.ifname && o.dst_mac)
		flood(&o);
	else {
		fprintf(stderr, "usage: traffic echo|ask|serve|rate|flood --port n ...\n");
		return 2;
	}
	return 0;
}
