// SPDX-License-Identifier: Apache-2.0
// Pings, and waits for each answer as long as it was told to:
//   ping TO COUNT INTERVAL_MS TIMEOUT_MS SIZE DF|- TTL|- FROM|-
//   {"sent":3,"answeredUs":81200123,"lastUs":81201126,"rttUs":[812,64,-1],"ttl":63,
//    "duplicates":0,"errors":[{"from":"10.0.1.1","text":"Time to live exceeded","mtu":0}]}
// The system's own, once one answer is there, waits for the last only as long as two round trips
// or one interval take: on a busy machine it takes what is late for lost.  DF is 1 (always) or 0
// (never), FROM an address or an interface.  An answer counts when its bytes are those that were
// sent.  It ends when every packet was answered or refused.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <linux/errqueue.h>
#include <netdb.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define COUNT_MAX 65000
#define ERRORS_MAX 100
#define HEADER 8 /* of an echo, in both families */

struct refusal {
	char from[INET6_ADDRSTRLEN], text[96];
	unsigned mtu;
};

struct run {
	int fd, count, sent, settled, duplicates, ttl, refusals;
	bool v6;
	struct sockaddr_storage to;
	socklen_t to_length;
	uint16_t id;
	size_t size;
	int64_t interval_ns, timeout_ns;
	int64_t answered_ns, last_ns; /* first and last answer, CLOCK_MONOTONIC; 0: none yet */
	int64_t sent_ns[COUNT_MAX + 1], rtt_us[COUNT_MAX + 1];
	bool refused[COUNT_MAX + 1];
	struct refusal refusal[ERRORS_MAX];
	uint8_t packet[65536], got[65536];
};

static struct run r;

static void option(int level, int name, int value)
{
	if (setsockopt(r.fd, level, name, &value, sizeof(value)) < 0)
		die("setsockopt");
}

static uint16_t checksum(const uint8_t *bytes, size_t length)
{
	uint32_t sum = 0;

	for (size_t i = 0; i < length; i++)
		sum += i & 1 ? bytes[i] : bytes[i] << 8;
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return htons(~sum);
}

static void settle(int seq)
{
	if (!r.refused[seq] && r.rtt_us[seq] < 0)
		r.settled++;
}

static void refuse(int seq, const char *from, const char *text, unsigned mtu)
{
	settle(seq);
	r.refused[seq] = true;
	if (r.refusals == ERRORS_MAX)
		return;
	struct refusal *each = &r.refusal[r.refusals++];
	snprintf(each->from, sizeof(each->from), "%s", from);
	snprintf(each->text, sizeof(each->text), "%s", text);
	each->mtu = mtu;
}

/* In the words of the system's ping. */
static const char *words4(int type, int code)
{
	static char other[64];

	if (type == ICMP_TIME_EXCEEDED)
		return "Time to live exceeded";
	if (type == ICMP_DEST_UNREACH)
		switch (code) {
		case ICMP_NET_UNREACH:
			return "Destination Net Unreachable";
		case ICMP_HOST_UNREACH:
			return "Destination Host Unreachable";
		case ICMP_FRAG_NEEDED:
			return "Frag needed and DF set";
		case ICMP_PKT_FILTERED:
			return "Packet filtered";
		}
	snprintf(other, sizeof(other), "ICMP type %d code %d", type, code);
	return other;
}

static const char *words6(int type, int code)
{
	static char other[64];

	if (type == ICMP6_TIME_EXCEEDED)
		return "Time exceeded: Hop limit";
	if (type == ICMP6_PACKET_TOO_BIG)
		return "Packet too big";
	if (type == ICMP6_DST_UNREACH)
		switch (code) {
		case ICMP6_DST_UNREACH_NOROUTE:
			return "Destination unreachable: No route";
		case ICMP6_DST_UNREACH_ADMIN:
			return "Destination unreachable: Administratively prohibited";
		case ICMP6_DST_UNREACH_ADDR:
			return "Destination unreachable: Address unreachable";
		}
	snprintf(other, sizeof(other), "ICMPv6 type %d code %d", type, code);
	return other;
}

static bool is_echo(const uint8_t *icmp, ssize_t length, int type, int *seq)
{
	if (length < HEADER || icmp[0] != type || memcmp(icmp + 4, &r.id, 2) != 0)
		return false;
	*seq = icmp[6] << 8 | icmp[7];
	return *seq >= 1 && *seq <= r.sent;
}

static void take_error(const struct sock_extended_err *e, ssize_t length)
{
	int seq = r.sent;
	char from[INET6_ADDRSTRLEN] = "local";

	if (e->ee_origin == SO_EE_ORIGIN_LOCAL) {
		refuse(seq, from, strerror(e->ee_errno), e->ee_info);
		return;
	}
	if (!is_echo(r.got, length, r.v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO, &seq))
		return;
	getnameinfo(SO_EE_OFFENDER(e), r.v6 ? sizeof(struct sockaddr_in6) :
		    sizeof(struct sockaddr_in), from, sizeof(from), NULL, 0, NI_NUMERICHOST);
	bool too_big = e->ee_errno == EMSGSIZE;
	const char *text = (r.v6 ? words6 : words4)(e->ee_type, e->ee_code);
	refuse(seq, from, text, too_big ? e->ee_info : 0);
}

/* Gives the bytes of a message, those of its sender's choice in `control`. */
static ssize_t take(int flags, struct msghdr *m, uint8_t *control, size_t room)
{
	static struct iovec to = { r.got, sizeof(r.got) };

	*m = (struct msghdr){ .msg_iov = &to, .msg_iovlen = 1,
			      .msg_control = control, .msg_controllen = room };
	return recvmsg(r.fd, m, flags | MSG_DONTWAIT);
}

static int take_errors(void)
{
	struct msghdr m;
	uint8_t control[512];
	ssize_t length;
	int count = 0;

	while ((length = take(MSG_ERRQUEUE, &m, control, sizeof(control))) >= 0) {
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if ((c->cmsg_level == SOL_IP && c->cmsg_type == IP_RECVERR) ||
			    (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_RECVERR))
				take_error((void *)CMSG_DATA(c), length);
		count++;
	}
	return count;
}

static void take_answer(const uint8_t *icmp, ssize_t length, int ttl)
{
	int seq;

	if (!is_echo(icmp, length, r.v6 ? ICMP6_ECHO_REPLY : ICMP_ECHOREPLY, &seq))
		return;
	if ((size_t)length != HEADER + r.size ||
	    memcmp(icmp + HEADER, r.packet + HEADER, r.size) != 0)
		return;
	r.ttl = ttl;
	if (r.rtt_us[seq] >= 0) {
		r.duplicates++;
		return;
	}
	settle(seq);
	int64_t now = now_ns();
	if (r.answered_ns == 0)
		r.answered_ns = now;
	r.last_ns = now;
	r.rtt_us[seq] = (now - r.sent_ns[seq]) / 1000;
}

static void take_answers(void)
{
	struct msghdr m;
	uint8_t control[512];
	ssize_t length;

	while ((length = take(0, &m, control, sizeof(control))) >= 0 || errno != EAGAIN) {
		if (length < 0) {
			take_errors(); /* it is the error that was told */
			continue;
		}
		int ttl = 0, header = r.v6 ? 0 : (r.got[0] & 15) * 4;
		if (!r.v6)
			ttl = r.got[8];
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c))
			if (c->cmsg_level == SOL_IPV6 && c->cmsg_type == IPV6_HOPLIMIT)
				memcpy(&ttl, CMSG_DATA(c), sizeof(ttl));
		if (length >= header)
			take_answer(r.got + header, length - header, ttl);
	}
}

static void send_next(void)
{
	int seq = ++r.sent;

	memset(r.packet, 0, HEADER);
	r.packet[0] = r.v6 ? ICMP6_ECHO_REQUEST : ICMP_ECHO;
	memcpy(r.packet + 4, &r.id, 2);
	r.packet[6] = seq >> 8;
	r.packet[7] = seq;
	uint16_t sum = checksum(r.packet, HEADER + r.size); /* with IPv6 the kernel does it */
	memcpy(r.packet + 2, &sum, 2);
	r.sent_ns[seq] = now_ns();
	/* An error of an earlier packet comes out here, too, and then this one has not left. */
	while (sendto(r.fd, r.packet, HEADER + r.size, 0, (void *)&r.to, r.to_length) < 0) {
		int error = errno;
		if (take_errors() > 0 && !r.refused[seq])
			continue;
		if (!r.refused[seq])
			refuse(seq, "local", strerror(error), 0);
		return;
	}
}

static void talk(void)
{
	int64_t next = now_ns(), end = 0;

	for (;;) {
		int64_t now = now_ns();
		if (r.sent < r.count && now >= next) {
			send_next();
			next = r.sent_ns[r.sent] + r.interval_ns;
			end = r.sent_ns[r.sent] + r.timeout_ns;
			now = now_ns();
		}
		int64_t until = r.sent < r.count ? next : end;
		int64_t rest = until > now ? until - now : 0;
		struct timespec wait = { rest / 1000000000, rest % 1000000000 };
		struct pollfd p = { r.fd, POLLIN, 0 };
		ppoll(&p, 1, &wait, NULL);
		take_errors();
		take_answers();
		if (r.sent == r.count && (r.settled == r.count || now_ns() >= end))
			return;
	}
}

static void open_socket(const char *to, const char *df, const char *ttl, const char *from)
{
	struct addrinfo *found, hints = { .ai_flags = AI_NUMERICHOST };

	if (getaddrinfo(to, NULL, &hints, &found) != 0)
		die(to);
	r.v6 = found->ai_family == AF_INET6;
	memcpy(&r.to, found->ai_addr, found->ai_addrlen);
	r.to_length = found->ai_addrlen;
	int protocol = r.v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
	r.fd = socket(found->ai_family, SOCK_RAW | SOCK_CLOEXEC, protocol);
	if (r.fd < 0)
		die("socket");
	option(SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20);
	option(r.v6 ? SOL_IPV6 : SOL_IP, r.v6 ? IPV6_RECVERR : IP_RECVERR, 1);
	if (r.v6)
		option(SOL_IPV6, IPV6_RECVHOPLIMIT, 1);
	if (*df != '-')
		option(r.v6 ? SOL_IPV6 : SOL_IP, r.v6 ? IPV6_MTU_DISCOVER : IP_MTU_DISCOVER,
		       *df == '1' ? IP_PMTUDISC_DO : IP_PMTUDISC_DONT);
	if (*ttl != '-')
		option(r.v6 ? SOL_IPV6 : SOL_IP, r.v6 ? IPV6_UNICAST_HOPS : IP_TTL, atoi(ttl));
	if (*from == '-')
		return;
	if (getaddrinfo(from, NULL, &hints, &found) == 0) {
		if (bind(r.fd, found->ai_addr, found->ai_addrlen) < 0)
			die(from);
	} else if (setsockopt(r.fd, SOL_SOCKET, SO_BINDTODEVICE, from, strlen(from)) < 0)
		die(from);
}

static void report(void)
{
	printf("{\"sent\":%d,\"answeredUs\":%lld,\"lastUs\":%lld,\"rttUs\":[", r.sent,
	       (long long)r.answered_ns / 1000, (long long)r.last_ns / 1000);
	for (int seq = 1; seq <= r.sent; seq++)
		printf("%s%lld", seq > 1 ? "," : "", (long long)r.rtt_us[seq]);
	printf("],\"ttl\":%d,\"duplicates\":%d,\"errors\":[", r.ttl, r.duplicates);
	for (int i = 0; i < r.refusals; i++) {
		const struct refusal *each = &r.refusal[i];
		printf("%s{\"from\":\"%s\",\"text\":\"%s\",\"mtu\":%u}", i > 0 ? "," : "",
		       each->from, each->text, each->mtu);
	}
	printf("]}\n");
}

int main(int argc, char **argv)
{
	if (argc != 9 || atoi(argv[2]) < 1 || atoi(argv[2]) > COUNT_MAX ||
	    (size_t)atoi(argv[5]) > sizeof(r.packet) - HEADER) {
		fprintf(stderr, "ping TO COUNT INTERVAL_MS TIMEOUT_MS SIZE DF|- TTL|- FROM|-\n");
		return 2;
	}
	r.count = atoi(argv[2]);
	r.interval_ns = atoll(argv[3]) * 1000000;
	r.timeout_ns = atoll(argv[4]) * 1000000;
	r.size = atoi(argv[5]);
	r.id = getpid();
	for (size_t i = HEADER; i < HEADER + r.size; i++)
		r.packet[i] = i;
	for (int seq = 0; seq <= COUNT_MAX; seq++)
		r.rtt_us[seq] = -1;
	open_socket(argv[1], argv[6], argv[7], argv[8]);
	talk();
	report();
	return 0;
}
