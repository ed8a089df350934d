/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * Fills a key from a frame, bit for bit as src/flow/extract.ts does.  A header that does not hold
 * together leaves its own fields and all deeper ones at 0; of IP and ARP the key says so.
 */
#ifndef MEZZO_PARSE_H
#define MEZZO_PARSE_H

#include "packet.h"

#define IPV6_EXTENSIONS_MAX 8

static __always_inline void parse_l4(struct __sk_buff *skb, struct mz_packet *p, __u32 l4,
				     __u32 end)
{
	struct mz_key *k = &p->key.k;
	__u32 w[4] = {};
	__u32 proto = p->proto;

	if (proto == IP_TCP) {
		if (l4 + 20 > end || peek(skb, l4, w, 4))
			return;
		k->l4_ports = bpf_ntohl(w[0]);
		w[3] = bpf_ntohl(w[3]);
		k->l4_misc |= (w[3] >> 16) & 0xff;
		p->tcp_next = bpf_ntohl(w[1]) + (end - l4) - (w[3] >> 28 << 2) +
			      !!(w[3] >> 16 & TCP_SYN) + !!(w[3] >> 16 & TCP_FIN);
	} else if (proto == IP_UDP) {
		if (l4 + 8 > end || peek(skb, l4, w, 1))
			return;
		k->l4_ports = bpf_ntohl(w[0]);
	} else if (proto == IP_ICMP || proto == IP_ICMPV6) {
		__u32 type;

		if (l4 + 8 > end || peek(skb, l4, w, 2))
			return;
		w[0] = bpf_ntohl(w[0]);
		type = w[0] >> 24;
		k->l4_ports = type << 16 | ((w[0] >> 16) & 0xff);
		/* echo, and the old queries of IPv4 */
		if (proto == IP_ICMP ? type == 8 || type == 0 || (type >= 13 && type <= 18) :
				       type == 128 || type == 129)
			k->type_id |= bpf_ntohl(w[1]) >> 16;
	} else {
		return;
	}
	p->l4 = l4;
}

static __always_inline void parse_arp(struct __sk_buff *skb, struct mz_packet *p)
{
	struct mz_key *k = &p->key.k;
	__u32 w[7];

	k->ip_misc = MZ_FRAG_UNREAD;
	if (peek(skb, p->body, w, 7))
		return;
	/* Ethernet, IPv4, address lengths 6 and 4; others are not ours to read */
	if (w[0] != bpf_htonl(0x00010800) ||
	    (w[1] & bpf_htonl(0xffff0000)) != bpf_htonl(0x06040000))
		return;
	k->ip_misc = (bpf_ntohl(w[1]) & 0xff) << 24;
	k->ip_src[3] = bpf_ntohl(w[3]) << 16 | bpf_ntohl(w[4]) >> 16;
	k->ip_dst[3] = bpf_ntohl(w[6]);
}

/* RFC 4302: what an authentication header stands before is no secret.  Gives where that begins. */
static __always_inline __u32 ipv4_authenticated(struct __sk_buff *skb, struct mz_packet *p,
						__u32 at, __u32 end)
{
	__u8 h[2];
	__u32 length;

	p->key.k.l4_misc |= MZ_IP_AH;
	if (at + 8 > end || bpf_skb_load_bytes(skb, at, h, 2))
		return at;
	length = (h[1] + 2) << 2;
	if (at + length > end)
		return at;
	p->proto = h[0];
	return at + length;
}

static __always_inline void parse_ipv4(struct __sk_buff *skb, struct mz_packet *p, __u32 room)
{
	struct mz_key *k = &p->key.k;
	__u32 w[5], header, total, fragment, frag, holds, l4;

	k->ip_misc = MZ_FRAG_UNREAD;
	if (room < 20 || peek(skb, p->body, w, 5))
		return;
	holds = ipv4_sum_holds(w);
	w[0] = bpf_ntohl(w[0]);
	header = (w[0] >> 24 & 15) << 2;
	total = w[0] & 0xffff;
	if (w[0] >> 28 != 4 || header < 20 || header > total || total > room)
		return;
	if (header > 20)
		k->l4_misc = MZ_IP_OPTIONS;
	else if (!holds)
		return;
	fragment = bpf_ntohl(w[1]) & 0x3fff;
	frag = fragment & 0x1fff ? MZ_FRAG_LATER : fragment ? MZ_FRAG_FIRST : MZ_FRAG_NONE;
	w[2] = bpf_ntohl(w[2]);
	k->ip_src[3] = bpf_ntohl(w[3]);
	k->ip_dst[3] = bpf_ntohl(w[4]);
	p->proto = w[2] >> 16;
	l4 = p->body + header;
	if (p->proto == IP_AH && frag != MZ_FRAG_LATER)
		l4 = ipv4_authenticated(skb, p, l4, p->body + total);
	k->ip_misc = (__u32)p->proto << 24 | (w[0] & 0xff0000) | (w[2] >> 24) << 8 | frag;
	p->version = 4;
	p->l3 = p->body;
	if (frag != MZ_FRAG_LATER)
		parse_l4(skb, p, l4, p->l3 + total);
}

struct mz_walk {
	__u32 at, end, frag;
	__u8 proto;
	__u8 routed;
	__u8 whole;
	__u8 authenticated;
};

/* One extension header further; false when it is cut short. */
static __always_inline int ipv6_step(struct __sk_buff *skb, struct mz_walk *walk)
{
	__u8 h[8];
	__u32 length;

	if (walk->at + 8 > walk->end || bpf_skb_load_bytes(skb, walk->at, h, 8))
		return 0;
	length = walk->proto == 44 ? 8 : walk->proto == 51 ? (h[1] + 2) << 2 : (h[1] + 1) << 3;
	if (walk->at + length > walk->end)
		return 0;
	if (walk->proto == 43)
		walk->routed = h[3] != 0;
	if (walk->proto == 44)
		walk->frag = h[2] || h[3] & 0xf8 ? MZ_FRAG_LATER :
			     h[3] & 1 ? MZ_FRAG_FIRST : MZ_FRAG_NONE;
	walk->proto = h[0];
	walk->at += length;
	return 1;
}

static __always_inline int ipv6_extension(__u32 proto)
{
	return proto == 0 || proto == 43 || proto == 44 || proto == 60 || proto == 51;
}

static long ipv6_walk_one(__u32 i, void *ctx)
{
	struct { struct __sk_buff *skb; struct mz_walk walk; } *c = ctx;

	if (!ipv6_extension(c->walk.proto) || c->walk.frag == MZ_FRAG_LATER) {
		c->walk.whole = 1;
		return 1;
	}
	if (c->walk.proto == IP_AH)
		c->walk.authenticated = 1;
	return i == IPV6_EXTENSIONS_MAX || !ipv6_step(c->skb, &c->walk);
}

static __always_inline void parse_ipv6(struct __sk_buff *skb, struct mz_packet *p, __u32 room)
{
	struct { struct __sk_buff *skb; struct mz_walk walk; } c = { .skb = skb };
	struct mz_key *k = &p->key.k;
	__u32 w[10], length;

	k->ip_misc = MZ_FRAG_UNREAD;
	if (room < 40 || peek(skb, p->body, w, 10))
		return;
	w[0] = bpf_ntohl(w[0]);
	w[1] = bpf_ntohl(w[1]);
	length = w[1] >> 16;
	if (w[0] >> 28 != 6 || 40 + length > room)
		return;
#pragma unroll
	for (int i = 0; i < 4; i++) {
		k->ip_src[i] = bpf_ntohl(w[2 + i]);
		k->ip_dst[i] = bpf_ntohl(w[6 + i]);
	}
	c.walk.proto = w[1] >> 8;
	c.walk.at = p->body + 40;
	c.walk.end = c.walk.at + length;
	if (!ipv6_extension(c.walk.proto))
		c.walk.whole = 1;
	else
		bpf_loop(IPV6_EXTENSIONS_MAX + 1, ipv6_walk_one, &c, 0);
	p->proto = c.walk.proto;
	p->routed = c.walk.routed;
	if (c.walk.authenticated)
		k->l4_misc = MZ_IP_AH;
	k->ip_misc = (__u32)p->proto << 24 | (w[0] >> 20 & 0xff) << 16 | (w[1] & 0xff) << 8 |
		     c.walk.frag;
	p->version = 6;
	p->l3 = p->body;
	if (c.walk.whole && c.walk.frag != MZ_FRAG_LATER)
		parse_l4(skb, p, c.walk.at, c.walk.end);
}

/* The tags are one word: outer TCI << 16 | inner TCI.  The driver may have taken the outer one
 * off the frame already.  Returns the type behind them. */
static __always_inline __u32 parse_tags(struct __sk_buff *skb, struct mz_packet *p, __u32 type)
{
	__u32 vlans = 0, word;

	if (skb->vlan_present)
		vlans = (skb->vlan_tci | MZ_VLAN_PRESENT) << 16;
#pragma unroll
	for (int i = 0; i < 2; i++) {
		if (!is_tag(type) || vlans & MZ_VLAN_PRESENT || skb->len < p->body + VLAN_LEN ||
		    peek(skb, p->body, &word, 1))
			break;
		word = bpf_ntohl(word);
		vlans |= (word >> 16 | MZ_VLAN_PRESENT) << (vlans ? 0 : 16);
		type = word & 0xffff;
		p->body += VLAN_LEN;
	}
	p->key.k.vlans = vlans;
	return type;
}

/* Fills everything but in_port and the tunnel's words.  Negative when it is no Ethernet. */
__noinline int mz_parse(struct __sk_buff *skb, struct mz_packet *p)
{
	__u32 w[4] = {}, type, room;

	if (!p || skb->len < ETH_LEN)
		return -1;
	if (peek(skb, 0, w, 3) || bpf_skb_load_bytes(skb, 12, &w[3], 2))
		return -1;
	p->key.k.eth_dst_hi = bpf_ntohl(w[0]);
	p->key.k.eth_mid = bpf_ntohl(w[1]);
	p->key.k.eth_src_lo = bpf_ntohl(w[2]);
	p->body = ETH_LEN;
	type = bpf_ntohl(w[3]) >> 16;
	if (skb->vlan_present || is_tag(type))
		type = parse_tags(skb, p, type);
	p->key.k.type_id = type << 16;
	room = skb->len - p->body;
	if (type == ETH_P_IPV4)
		parse_ipv4(skb, p, room);
	else if (type == ETH_P_IPV6)
		parse_ipv6(skb, p, room);
	else if (type == ETH_P_ARP)
		parse_arp(skb, p);
	return 0;
}

#endif
