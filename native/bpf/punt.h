/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * An uplink port's own control plane (docs/datapath.md): what is for it goes by a veth into its
 * namespace, so many packets of a class in a time, and what that sends goes out by the interface.
 * Tagged frames, and all that the rules do not name, go the ordinary way.
 */
#ifndef MEZZO_PUNT_H
#define MEZZO_PUNT_H

#include "maps.h"

#define PORT_BGP 179
#define PORT_BFD 3784         /* RFC 5881: from the link itself, or it has lost some TTL */
#define PORT_BFD_MULTIHOP 4784
#define ARP_REQUEST 1
#define ARP_REPLY 2
#define ECHO_V4 8
#define TOO_BIG_V4 (3 << 16 | 4) /* type and code: fragmentation needed, RFC 1191 */
#define ECHO_V6 128
#define TOO_BIG_V6 (2 << 16)  /* RFC 8201 */
#define SOLICITATION 135
#define ADVERTISEMENT 136

/* What a packet is to the control plane. */
#define PUNT_NOT 0
#define PUNT_TAKE 0x100       /* it alone gets it; the class stands in the low byte */
#define PUNT_COPY 0x200       /* it gets it too */
#define PUNT_REFUSE 0x300     /* nobody gets it */

static __always_inline int is_listed(__u32 ifindex, __u32 what, const __u32 *words)
{
	struct mz_punt_listed key = { .ifindex = ifindex, .what = what };

#pragma unroll
	for (int i = 0; i < 4; i++)
		key.words[i] = words[i];
	return bpf_map_lookup_elem(&punt_lists, &key) != NULL;
}

/* Of a peer or of others: what asks for us from all over must not hide us from those we live by. */
static __always_inline int neighbour_of(__u32 ifindex, __u32 version, const __u32 *source)
{
	return is_listed(ifindex, MZ_PUNT_PEER << 8 | version, source) ?
		       MZ_PUNT_PEER_NEIGHBOUR : MZ_PUNT_NEIGHBOUR;
}

/* Answers, and what tells all of a new MAC, go both ways: each has neighbours of its own. */
static __always_inline int judge_arp(__u32 ifindex, struct mz_key *k)
{
	__u32 operation = k->ip_misc >> 24;
	int ours;

	if ((k->ip_misc & 0xff) == MZ_FRAG_UNREAD)
		return PUNT_NOT;
	ours = is_listed(ifindex, MZ_PUNT_OWN << 8 | 4, k->ip_dst);
	if (operation == ARP_REQUEST && ours)
		return PUNT_TAKE | neighbour_of(ifindex, 4, k->ip_src);
	if ((operation == ARP_REPLY && ours) || k->ip_src[3] == k->ip_dst[3])
		return PUNT_COPY | neighbour_of(ifindex, 4, k->ip_src);
	return PUNT_NOT;
}

static __always_inline int is_all_nodes(const __u32 *words)
{
	return words[0] == 0xff020000 && !words[1] && !words[2] && words[3] == 1;
}

static __always_inline int judge_neighbour(struct __sk_buff *skb, struct mz_packet *p,
					   __u32 ifindex, __u32 type)
{
	int class = neighbour_of(ifindex, 6, p->key.k.ip_src);
	__u32 target[4];

	if (type == ADVERTISEMENT)
		return is_all_nodes(p->key.k.ip_dst) ||
		       is_listed(ifindex, MZ_PUNT_OWN << 8 | 6, p->key.k.ip_dst) ?
			       PUNT_COPY | class : PUNT_NOT;
	if (peek(skb, p->l4 + 8, target, 4))
		return PUNT_NOT;
#pragma unroll
	for (int i = 0; i < 4; i++)
		target[i] = bpf_ntohl(target[i]);
	return is_listed(ifindex, MZ_PUNT_OWN << 8 | 6, target) ? PUNT_TAKE | class : PUNT_NOT;
}

/* TCP and UDP for the port's address.  A stranger's packet from port 179 may answer a connection
 * that was translated to the address. */
static __always_inline int judge_ports(struct mz_packet *p, __u32 ifindex)
{
	struct mz_key *k = &p->key.k;
	__u32 from = k->l4_ports >> 16, to = k->l4_ports & 0xffff, ttl = k->ip_misc >> 8 & 0xff;
	__u32 service[4] = { 0, 0, 0, (__u32)p->proto << 16 | to };
	int is_peer = is_listed(ifindex, MZ_PUNT_PEER << 8 | p->version, k->ip_src);

	if (p->proto == IP_TCP && is_peer && (to == PORT_BGP || from == PORT_BGP))
		return PUNT_TAKE | MZ_PUNT_ROUTING;
	if (p->proto == IP_TCP && to == PORT_BGP)
		return PUNT_REFUSE;
	if (p->proto == IP_UDP && (to == PORT_BFD || to == PORT_BFD_MULTIHOP))
		return is_peer && (ttl == 255 || to == PORT_BFD_MULTIHOP) ?
			       PUNT_TAKE | MZ_PUNT_BFD : PUNT_REFUSE;
	return is_listed(ifindex, MZ_PUNT_SERVICE << 8, service) ?
		       PUNT_TAKE | MZ_PUNT_OTHER : PUNT_NOT;
}

/* Whether what was too big for a narrow link, whose header the error brings, is BGP of ours to a
 * peer: without it, a session over several hops stands still at its first long update.  What the
 * namespace sends has no IP options, so its ports are where they always are. */
static __always_inline int is_bgp_too_big(struct __sk_buff *skb, struct mz_packet *p,
					  __u32 ifindex)
{
	__u32 first = p->l4 + 8, ends, proto, ports, ip[5], to[4] = { 0 };

	if (peek(skb, first, ip, 5))
		return 0;
	if (p->version == 4) {
		if (bpf_ntohl(ip[0]) >> 24 != 0x45)
			return 0;
		proto = bpf_ntohl(ip[2]) >> 16 & 0xff;
		to[3] = bpf_ntohl(ip[4]);
		ends = first + 20;
	} else {
		proto = bpf_ntohl(ip[1]) >> 8 & 0xff;
		if (peek(skb, first + 24, to, 4))
			return 0;
#pragma unroll
		for (int i = 0; i < 4; i++)
			to[i] = bpf_ntohl(to[i]);
		ends = first + 40;
	}
	if (proto != IP_TCP || peek(skb, ends, &ports, 1))
		return 0;
	ports = bpf_ntohl(ports);
	return (ports >> 16 == PORT_BGP || (ports & 0xffff) == PORT_BGP) &&
	       is_listed(ifindex, MZ_PUNT_PEER << 8 | p->version, to);
}

static __always_inline int judge_ip(struct __sk_buff *skb, struct mz_packet *p, __u32 ifindex)
{
	struct mz_key *k = &p->key.k;
	__u32 type = k->l4_ports >> 16;

	if (!p->l4 || p->routed || k->l4_misc & MZ_IP_AH)
		return PUNT_NOT;
	if (p->version == 6 && p->proto == IP_ICMPV6 &&
	    (type == SOLICITATION || type == ADVERTISEMENT))
		return judge_neighbour(skb, p, ifindex, type);
	if (!is_listed(ifindex, MZ_PUNT_OWN << 8 | p->version, k->ip_dst))
		return PUNT_NOT;
	if (p->proto == IP_TCP || p->proto == IP_UDP)
		return judge_ports(p, ifindex);
	if (p->version == 4 ? p->proto == IP_ICMP && type == ECHO_V4 :
			      p->proto == IP_ICMPV6 && type == ECHO_V6)
		return PUNT_TAKE | MZ_PUNT_ICMP;
	if (p->version == 4 ? p->proto == IP_ICMP && k->l4_ports == TOO_BIG_V4 :
			      p->proto == IP_ICMPV6 && k->l4_ports == TOO_BIG_V6)
		return is_bgp_too_big(skb, p, ifindex) ? PUNT_TAKE | MZ_PUNT_ICMP : PUNT_NOT;
	return PUNT_NOT;
}

/* A bucket of tokens, as the time at which the next packet is due: it may be burst_ns away.  Under
 * a race with many others a packet counts as one too many. */
static __always_inline int is_within(struct mz_punt *at, __u32 class, __u32 packets)
{
	__u64 now = bpf_ktime_get_ns(), was, from;

	class &= MZ_PUNT_BUCKETS - 1;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		was = *(volatile __u64 *)&at->next_ns[class];
		from = was < now ? now : was;
		if (from - now > at->burst_ns[class])
			return 0;
		if (__sync_val_compare_and_swap(&at->next_ns[class], was,
				from + (__u64)at->interval_ns[class] * packets) == was)
			return 1;
	}
	return 0;
}

/* CONTINUE: the packet goes the ordinary way. */
__noinline int mz_punt(struct __sk_buff *skb, struct mz_packet *p)
{
	__u32 ifindex = skb->ifindex, verdict, class;
	struct mz_punt *at = bpf_map_lookup_elem(&punts, &ifindex);

	if (!p)
		return TC_ACT_SHOT;
	if (!at || p->key.k.vlans)
		return CONTINUE;
	if (p->key.k.type_id >> 16 == ETH_P_ARP)
		verdict = judge_arp(ifindex, &p->key.k);
	else
		verdict = judge_ip(skb, p, ifindex);
	class = verdict & 0xff;
	verdict &= ~0xff;
	if (verdict == PUNT_NOT)
		return CONTINUE;
	if (verdict == PUNT_REFUSE) {
		count(MZ_CNT_PUNT_STRANGER);
		return TC_ACT_SHOT;
	}
	if (p->version && (p->key.k.ip_misc & 0xff) == MZ_FRAG_FIRST) {
		count(MZ_CNT_PUNT_FRAGMENT); /* the others would not follow it */
		return TC_ACT_SHOT;
	}
	if (!is_within(at, class, skb->gso_segs ? skb->gso_segs : 1)) {
		count(MZ_CNT_PUNT_POLICED_ROUTING + class);
		return verdict == PUNT_COPY ? CONTINUE : TC_ACT_SHOT;
	}
	count(MZ_CNT_PUNTED_ROUTING + class);
	if (verdict == PUNT_TAKE)
		return bpf_redirect(at->out, 0);
	bpf_clone_redirect(skb, at->out, 0);
	return CONTINUE;
}

/* What the namespace sends leaves by the bound interface, in the port's name, and nowhere else. */
static __always_inline int punt_back(struct __sk_buff *skb)
{
	__u32 ifindex = skb->ifindex, w[3];
	struct mz_punt *at = bpf_map_lookup_elem(&punts, &ifindex);

	if (!at || skb->vlan_present || skb->len < ETH_LEN || peek(skb, 0, w, 3) ||
	    (bpf_ntohl(w[1]) << 16 | bpf_ntohl(w[2]) >> 16) != at->mac_hi ||
	    (bpf_ntohl(w[2]) & 0xffff) != at->mac_lo) {
		count(MZ_CNT_PUNT_OUT_REFUSED);
		return TC_ACT_SHOT;
	}
	count(MZ_CNT_PUNT_OUT);
	return bpf_redirect(at->out, 0);
}

#endif
