/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * VXLAN (RFC 7348) and GRE with key (RFC 2890, Ethernet inside), written and taken off by hand:
 * one code path, no tunnel devices.  The kernel's neighbour table finds the outer MAC addresses
 * (bpf_redirect_neigh), so a next hop resolves, ages and moves as for any other sender.
 *
 * outer Ethernet 14 | IPv4 20 | UDP 8 · VXLAN 8  or  GRE 4 · key 4 | inner Ethernet ...
 */
#ifndef MEZZO_TUNNEL_H
#define MEZZO_TUNNEL_H

#include "maps.h"

#define GRE_HEAD 0x20006558   /* key present, Ethernet inside */
#define VXLAN_FLAGS 0x08000000
#define GRE_LEN (ETH_LEN + 20 + 8)
#define VXLAN_LEN (ETH_LEN + 20 + 16)
#define DONT_FRAGMENT 0x4000
#define OUTER_TTL 64
#define TAGS_MAX 2
#define MZ_F_DECAP_IPV6 (1ull << 8) /* BPF_F_ADJ_ROOM_DECAP_L3_IPV6 */

struct mz_outer {
	__u8 eth[ETH_LEN];
	__u8 ip[20];
	__u32 tunnel[4];
} __attribute__((packed));

struct mz_inner {
	__u8 mac[12];
	__u16 rest[2 * TAGS_MAX + 1]; /* tags and type */
};

/* Makes skb->protocol what the frame's bytes say: no helper does it, but popping a tag reads
 * it. */
static __always_inline int retype(struct __sk_buff *skb)
{
	return bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) ||
	       bpf_skb_vlan_push(skb, bpf_htons(ETH_P_8021Q), 0) ||
	       bpf_skb_vlan_pop(skb) || bpf_skb_vlan_pop(skb);
}

static __always_inline int set_type(struct __sk_buff *skb, __u16 type)
{
	return bpf_skb_store_bytes(skb, 12, &type, 2, 0) || retype(skb);
}

/* The outermost tag, beside the frame or in it: TPID and TCI as they stand on the wire. */
static __always_inline int read_tag(struct __sk_buff *skb, __u16 *tag)
{
	if (skb->vlan_present) {
		tag[0] = skb->vlan_proto;
		tag[1] = bpf_htons(skb->vlan_tci);
		return 1;
	}
	return is_tag(bpf_ntohs(skb->protocol)) && !bpf_skb_load_bytes(skb, 12, tag, 4);
}

/* The inner MAC header as it must stand behind the outer one.  All tags come off the frame, and
 * are written back with the rest: only then does the kernel's idea of where the network header
 * begins, which adjust_room goes by, agree with the bytes.  Returns its length, or negative. */
static __always_inline int take_inner(struct __sk_buff *skb, struct mz_inner *in)
{
	int tags = 0;

#pragma unroll
	for (int i = 0; i < TAGS_MAX; i++) {
		if (!read_tag(skb, &in->rest[2 * i]))
			break;
		tags++;
		if (bpf_skb_vlan_pop(skb))
			return -1;
	}
	if (skb->vlan_present || bpf_skb_load_bytes(skb, 0, in->mac, 12))
		return -1;
	if (bpf_skb_load_bytes(skb, 12, &in->rest[(2 * tags) & 7], 2))
		return -1;
	return ETH_LEN + VLAN_LEN * tags;
}

static __always_inline void put16(__u8 *at, __u16 value)
{
	at[0] = value >> 8;
	at[1] = value;
}

static __always_inline void outer_ipv4(struct mz_outer *o, struct mz_action *a, __u32 length)
{
	__u32 addresses[2] = { bpf_htonl(a->w[2]), bpf_htonl(a->w[1]) };
	__u32 sum;

	o->ip[0] = 0x45;
	put16(o->ip + 2, length);
	put16(o->ip + 6, DONT_FRAGMENT);
	o->ip[8] = OUTER_TTL;
	o->ip[9] = a->flags == MZ_TUN_GRE ? IP_GRE : IP_UDP;
	__builtin_memcpy(o->ip + 12, addresses, 8);
	sum = bpf_csum_diff(0, 0, (__be32 *)o->ip, 20, 0);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = ~((sum & 0xffff) + (sum >> 16));
	__builtin_memcpy(o->ip + 10, &sum, 2);
}

static __always_inline void outer_tunnel(struct mz_outer *o, struct mz_action *a, __u32 length,
					 __u32 hash)
{
	__u32 zero = 0, port = 4789;
	struct mz_config *c = bpf_map_lookup_elem(&config, &zero);

	if (a->flags == MZ_TUN_GRE) {
		o->tunnel[0] = bpf_htonl(GRE_HEAD);
		o->tunnel[1] = bpf_htonl(a->w[0]);
		return;
	}
	if (c)
		port = c->vxlan_port;
	/* the source port spreads flows over paths (RFC 7348 §5); no UDP checksum */
	o->tunnel[0] = bpf_htonl((0xc000 | (hash & 0x3fff)) << 16 | port);
	o->tunnel[1] = bpf_htonl(length << 16);
	o->tunnel[2] = bpf_htonl(VXLAN_FLAGS);
	o->tunnel[3] = bpf_htonl(a->w[0] << 8);
}

/* adjust_room leaves no less than an IP header behind: runts get the padding that Ethernet
 * would have given them.  Both ends do it, for the kernel refuses it to packets marked as
 * encapsulated, which they are at the other end of a veth. */
static __always_inline int pad(struct __sk_buff *skb, __u32 head)
{
	if (skb->len >= head + ETH_LEN + 20)
		return 0;
	return bpf_skb_change_tail(skb, head + 60, 0);
}

/* Makes room and marks the packet as encapsulated, so that what is behind may still segment it.
 * A packet that came by a tunnel is so marked already, its inner offsets are true, and the kernel
 * refuses to mark it twice (EALREADY): it only gets the room.  GSO from one kind of tunnel into
 * another never comes here (mixes_tunnels). */
static __always_inline int make_room(struct __sk_buff *skb, __u32 kind, __u32 length, __u32 inner,
				     __u32 decapped)
{
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;
	__u64 encap = BPF_F_ADJ_ROOM_ENCAP_L3_IPV4 | BPF_F_ADJ_ROOM_ENCAP_L2_ETH |
		      (__u64)inner << 56;

	encap |= kind == MZ_TUN_GRE ? BPF_F_ADJ_ROOM_ENCAP_L4_GRE : BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (!bpf_skb_adjust_room(skb, length, BPF_ADJ_ROOM_MAC, flags | encap))
		return 0;
	if (skb->gso_size && decapped != kind + 1)
		return -1;
	if (skb->protocol != bpf_htons(ETH_P_IPV4) && set_type(skb, bpf_htons(ETH_P_IPV4)))
		return -1;
	return bpf_skb_adjust_room(skb, length, BPF_ADJ_ROOM_MAC, flags);
}

static __always_inline int store_outer(struct __sk_buff *skb, struct mz_outer *o,
				       struct mz_inner *in, __u32 head, __u32 inner)
{
	long r;

	if (head == GRE_LEN)
		r = bpf_skb_store_bytes(skb, 0, o, GRE_LEN, 0);
	else
		r = bpf_skb_store_bytes(skb, 0, o, VXLAN_LEN, 0);
	if (r)
		return -1;
	if (inner == ETH_LEN)
		return bpf_skb_store_bytes(skb, head, in, ETH_LEN, 0);
	if (inner == ETH_LEN + VLAN_LEN)
		return bpf_skb_store_bytes(skb, head, in, ETH_LEN + VLAN_LEN, 0);
	return bpf_skb_store_bytes(skb, head, in, ETH_LEN + 2 * VLAN_LEN, 0);
}

/* The packet leaves by a tunnel; returns the program's verdict. */
__noinline int mz_encap(struct __sk_buff *skb, struct mz_action *a, __u32 decapped)
{
	struct mz_outer o = {};
	struct mz_inner in = {};
	__u32 kind, head, length, hash;
	int inner;

	if (!a)
		return TC_ACT_SHOT;
	kind = a->flags;
	head = kind == MZ_TUN_GRE ? GRE_LEN : VXLAN_LEN;
	hash = bpf_get_hash_recalc(skb);
	inner = take_inner(skb, &in);
	if (inner < 0)
		goto failed;
	/* adjust_room takes IP only; what the frame really is stands in `in` */
	if (skb->protocol != bpf_htons(ETH_P_IPV4) && skb->protocol != bpf_htons(ETH_P_IPV6) &&
	    set_type(skb, bpf_htons(ETH_P_IPV4)))
		goto failed;
	if (pad(skb, 0))
		goto failed;
	length = skb->len - ETH_LEN + inner + head - ETH_LEN;
	outer_ipv4(&o, a, length);
	outer_tunnel(&o, a, length - 20, hash);
	if (make_room(skb, kind, head + inner - ETH_LEN, inner, decapped))
		goto failed;
	if (store_outer(skb, &o, &in, head, inner))
		goto failed;
	count(MZ_CNT_TUNNEL_TX);
	return bpf_redirect_neigh(a->w[3], 0, 0, 0);
failed:
	count(MZ_CNT_ERROR);
	return TC_ACT_SHOT;
}

/* --- the way back --------------------------------------------------------------------------- */

/* What a frame of the underlay is; negative: ours, and broken. */
#define TUNNEL_OURS 0
#define TUNNEL_NOT 1          /* the stack's */
#define TUNNEL_PROBE 2

/* Flow state between hosts: the agent's own socket has it; a probe is answered even without an
 * agent. */
static __always_inline int state_or_probe(__u32 vni_word)
{
	return (vni_word & 0xff) == MZ_PROBE ? TUNNEL_PROBE : TUNNEL_NOT;
}

/* Reads the outer headers, and the key's tunnel words when the packet is ours. */
static __always_inline int read_outer(struct __sk_buff *skb, struct mz_packet *p, __u32 *head)
{
	__u32 w[9], zero = 0, local;
	struct mz_config *c;

	/* from byte 12: type and IPv4's first two bytes ... up to the second tunnel word */
	if (skb->protocol != bpf_htons(ETH_P_IPV4) || skb->vlan_present ||
	    bpf_skb_load_bytes(skb, ETH_LEN, w, 36))
		return TUNNEL_NOT;
	/* what is wrong, the stack discards and counts */
	if (bpf_ntohl(w[0]) >> 24 != 0x45 || w[1] & bpf_htonl(0x3fff) || !ipv4_sum_holds(w))
		return TUNNEL_NOT;
	local = bpf_ntohl(w[4]);
	if (!bpf_map_lookup_elem(&locals, &local))
		return TUNNEL_NOT;
	p->key.k.tunnel_src = bpf_ntohl(w[3]);
	if ((bpf_ntohl(w[2]) >> 16 & 0xff) == IP_GRE && w[5] == bpf_htonl(GRE_HEAD)) {
		p->key.k.tunnel_key = bpf_ntohl(w[6]);
		p->decapped = 1 + MZ_TUN_GRE;
		*head = GRE_LEN;
		return TUNNEL_OURS;
	}
	c = bpf_map_lookup_elem(&config, &zero);
	if ((bpf_ntohl(w[2]) >> 16 & 0xff) == IP_UDP && c &&
	    (bpf_ntohl(w[5]) & 0xffff) == c->vxlan_port && w[7] & bpf_htonl(VXLAN_FLAGS)) {
		p->key.k.tunnel_key = bpf_ntohl(w[8]) >> 8;
		if (p->key.k.tunnel_key == MZ_STATE_TUNNEL_KEY)
			return state_or_probe(bpf_ntohl(w[8]));
		p->decapped = 1 + MZ_TUN_VXLAN;
		*head = VXLAN_LEN;
		return TUNNEL_OURS;
	}
	return TUNNEL_NOT;
}

/* Who is no host of ours gets no answer: anybody may write a probe, and its source. */
static __always_inline int is_peer(struct mz_packet *p)
{
	__u32 address = p->key.k.tunnel_src;

	return bpf_map_lookup_elem(&peers, &address) != 0;
}

/* A probe turns round: swapping addresses and ports changes no sum, the one byte does. */
__noinline int mz_answer(struct __sk_buff *skb)
{
	__u8 mac[12], back[12], answer = MZ_PROBE_ANSWER;
	__u32 ip[2], turned[2];
	__u16 port[2], other[2];
	__u16 before = bpf_htons((MZ_STATE_TUNNEL_KEY & 0xff) << 8 | MZ_PROBE);
	__u16 after = bpf_htons((MZ_STATE_TUNNEL_KEY & 0xff) << 8 | MZ_PROBE_ANSWER);

	if (bpf_skb_load_bytes(skb, 0, mac, 12) || bpf_skb_load_bytes(skb, ETH_LEN + 12, ip, 8) ||
	    bpf_skb_load_bytes(skb, ETH_LEN + 20, port, 4))
		return TC_ACT_SHOT;
	__builtin_memcpy(back, mac + 6, 6);
	__builtin_memcpy(back + 6, mac, 6);
	turned[0] = ip[1];
	turned[1] = ip[0];
	other[0] = port[1];
	other[1] = port[0];
	if (bpf_skb_store_bytes(skb, 0, back, 12, 0) ||
	    bpf_skb_store_bytes(skb, ETH_LEN + 12, turned, 8, 0) ||
	    bpf_skb_store_bytes(skb, ETH_LEN + 20, other, 4, 0) ||
	    bpf_l4_csum_replace(skb, ETH_LEN + 26, before, after, BPF_F_MARK_MANGLED_0 | 2) ||
	    bpf_skb_store_bytes(skb, VXLAN_LEN - 1, &answer, 1, 0))
		return TC_ACT_SHOT;
	count(MZ_CNT_PROBE);
	return bpf_redirect(skb->ifindex, 0);
}

/* The flag for IPv6 is younger than 6.1: without it skb->protocol stays IPv4. */
static __always_inline int take_outer(struct __sk_buff *skb, __u32 head, __u32 type)
{
	__s32 cut = -(__s32)head;
	__u64 flags = BPF_F_ADJ_ROOM_FIXED_GSO;

	if (type == ETH_P_IPV6 &&
	    !bpf_skb_adjust_room(skb, cut, BPF_ADJ_ROOM_MAC, flags | MZ_F_DECAP_IPV6))
		return 0;
	return bpf_skb_adjust_room(skb, cut, BPF_ADJ_ROOM_MAC, flags);
}

/* Takes the outer headers off what is ours. */
__noinline int mz_decap(struct __sk_buff *skb, struct mz_packet *p)
{
	__u8 mac[ETH_LEN];
	__u32 head = 0, type;
	int what = p ? read_outer(skb, p, &head) : TUNNEL_NOT;

	if (what != TUNNEL_OURS)
		return what;
	if (bpf_skb_load_bytes(skb, head, mac, ETH_LEN))
		return -1;
	type = mac[12] << 8 | mac[13];
	if (pad(skb, head))
		return -1;
	if (take_outer(skb, head, type) || bpf_skb_store_bytes(skb, 0, mac, ETH_LEN, 0))
		return -1;
	if (skb->protocol != bpf_htons(type) && retype(skb))
		return -1;
	count(MZ_CNT_TUNNEL_RX);
	return TUNNEL_OURS;
}

#endif
