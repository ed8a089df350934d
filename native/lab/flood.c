// SPDX-License-Identifier: Apache-2.0
// Floods a link with UDP frames of many flows, through a packet socket and so past sockets, routes
// and queues: each frame is the next flow, in turn. Prints one line of JSON at the end, and ends
// early with the lab that started it.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <getopt.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/udp.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define FRAME_MAX 1514
#define BATCH 64
#define PORTS 60000 /* source ports, from 1024 on */

struct options {
	const char *to, *from, *ifname, *dst_mac;
	long port, size, pps, flows, first;
	double seconds;
};

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
	{ "to", 1, 0, 't' },   { "from", 1, 0, 'f' },  { "if", 1, 0, 'i' },
	{ "dst-mac", 1, 0, 'm' }, { "port", 1, 0, 'p' },  { "size", 1, 0, 's' },
	{ "pps", 1, 0, 'r' },  { "flows", 1, 0, 'n' }, { "first", 1, 0, '1' },
	{ "seconds", 1, 0, 'd' }, { 0 }
};

int main(int argc, char **argv)
{
	struct options o = { .port = 9, .size = 64, .flows = 1, .seconds = 1 };
	int letter;

	while ((letter = getopt_long(argc, argv, "", longs, NULL)) != -1)
		switch (letter) {
		case 't': o.to = optarg; break;
		case 'f': o.from = optarg; break;
		case 'i': o.ifname = optarg; break;
		case 'm': o.dst_mac = optarg; break;
		case 'p': o.port = atol(optarg); break;
		case 's': o.size = atol(optarg); break;
		case 'r': o.pps = atol(optarg); break;
		case 'n': o.flows = atol(optarg); break;
		case '1': o.first = atol(optarg); break;
		case 'd': o.seconds = atof(optarg); break;
		default: return 2;
		}
	if (!o.to || !o.from || !o.ifname || !o.dst_mac || o.flows < 1) {
		fprintf(stderr, "expected --to, --from, --if, --dst-mac and --flows from 1 on\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	flood(&o);
	return 0;
}
