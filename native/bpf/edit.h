/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * Actions that edit the frame; src/flow/rewrite.ts is the twin of this file.  Each reads what
 * stands in the frame now, so a list may set a field several times, and keeps every checksum
 * true: the helpers know of checksums that a sender or a card has yet to finish
 * (CHECKSUM_PARTIAL).
 */
#ifndef MEZZO_EDIT_H
#define MEZZO_EDIT_H

#include "packet.h"

/* Since 6.16; tells bpf_l4_csum_replace that a card's own sum (CHECKSUM_COMPLETE) stays as it
 * is. */
#define MZ_F_IPV6 (1ull << 7)

/* Where the checksum of the layer above lies, and whether it covers the addresses. */
static __always_inline __u32 l4_checksum(struct mz_packet *p)
{
	if (!p->l4)
		return 0;
	return p->proto == IP_TCP ? p->l4 + 16 : p->proto == IP_UDP ? p->l4 + 6 :
	       p->proto == IP_ICMPV6 ? p->l4 + 2 : 0;
}

/* A UDP checksum of zero means none, and stays none. */
static __always_inline __u64 l4_flags(struct mz_packet *p)
{
	return p->proto == IP_UDP ? BPF_F_MARK_MANGLED_0 : 0;
}

/* RFC 1624, in place: `change` is the sum of ~old and new half words. */
static __always_inline void amend_ipv4_sum(struct __sk_buff *skb, struct mz_packet *p, __u32 change)
{
	__u16 sum;

	if (peek16(skb, p->l3 + 10, &sum, 1))
		return;
	change += (__u16)~sum;
	change = (change & 0xffff) + (change >> 16);
	change = (change & 0xffff) + (change >> 16);
	sum = ~change;
	poke16(skb, p->l3 + 10, &sum, 1);
}

static __always_inline void set_ipv4_address(struct __sk_buff *skb, struct mz_packet *p, __u32 at,
					     __u32 value)
{
	union { __u32 w; __u16 h[2]; } old, new = { .w = bpf_htonl(value) };
	__u32 sum = l4_checksum(p);

	if (peek16(skb, at, old.h, 2))
		return;
	if (sum)
		bpf_l4_csum_replace(skb, sum, old.w, new.w, BPF_F_PSEUDO_HDR | l4_flags(p) | 4);
	amend_ipv4_sum(skb, p, (__u16)~old.h[0] + (__u16)~old.h[1] + new.h[0] + new.h[1]);
	poke16(skb, at, new.h, 2);
}

static __always_inline void set_ipv6_address(struct __sk_buff *skb, struct mz_packet *p, __u32 at,
					     __u32 *words, int covered)
{
	__u32 sum = covered ? l4_checksum(p) : 0, old[4], new[4];

	for (int i = 0; i < 4; i++)
		new[i] = bpf_htonl(words[i]);
	if (bpf_skb_load_bytes(skb, at, old, 16))
		return;
	if (sum) {
		__s64 diff = bpf_csum_diff(old, 16, new, 16, 0);
		__u64 flags = BPF_F_PSEUDO_HDR | l4_flags(p);

		if (bpf_l4_csum_replace(skb, sum, 0, diff, flags | MZ_F_IPV6))
			bpf_l4_csum_replace(skb, sum, 0, diff, flags);
	}
	bpf_skb_store_bytes(skb, at, new, 16, sum ? 0 : BPF_F_RECOMPUTE_CSUM);
}

static __always_inline void set_address(struct __sk_buff *skb, struct mz_packet *p,
					struct mz_action *a)
{
	int dst = a->type == MZ_ACT_SET_IP_DST;

	if (p->version == 4)
		set_ipv4_address(skb, p, p->l3 + (dst ? 16 : 12), a->w[3]);
	else if (p->version == 6) /* on its way along a routing header another dst is summed */
		set_ipv6_address(skb, p, p->l3 + (dst ? 24 : 8), a->w, !dst || !p->routed);
}

/* One byte of the header's first words: TOS and TTL. */
static __always_inline void set_ipv4_byte(struct __sk_buff *skb, struct mz_packet *p, __u32 at,
					  __u8 value, int add)
{
	union { __u16 h; __u8 b[2]; } old, new;
	__u32 even = p->l3 + ((at - p->l3) & ~1u);

	if (peek16(skb, even, &old.h, 1))
		return;
	new = old;
	if (at == even)
		new.b[0] = add ? old.b[0] + value : value;
	else
		new.b[1] = add ? old.b[1] + value : value;
	amend_ipv4_sum(skb, p, (__u16)~old.h + new.h);
	poke16(skb, even, &new.h, 1);
}

static __always_inline void set_tos(struct __sk_buff *skb, struct mz_packet *p, __u32 tos)
{
	__u8 b[2];

	if (p->version == 4) {
		set_ipv4_byte(skb, p, p->l3 + 1, tos, 0);
	} else if (p->version == 6) {
		if (bpf_skb_load_bytes(skb, p->l3, b, 2))
			return;
		b[0] = (b[0] & 0xf0) | (tos >> 4 & 0x0f);
		b[1] = (b[1] & 0x0f) | (tos << 4 & 0xf0);
		bpf_skb_store_bytes(skb, p->l3, b, 2, BPF_F_RECOMPUTE_CSUM);
	}
}

static __always_inline void add_ttl(struct __sk_buff *skb, struct mz_packet *p, __u32 delta)
{
	__u8 ttl;

	if (p->version == 4) {
		set_ipv4_byte(skb, p, p->l3 + 8, delta, 1);
	} else if (p->version == 6) {
		if (bpf_skb_load_bytes(skb, p->l3 + 7, &ttl, 1))
			return;
		ttl += delta;
		bpf_skb_store_bytes(skb, p->l3 + 7, &ttl, 1, BPF_F_RECOMPUTE_CSUM);
	}
}

static __always_inline void set_l4(struct __sk_buff *skb, struct mz_packet *p, __u32 off,
				   __u32 sum_off, __u32 value)
{
	__u16 new = bpf_htons(value), old;

	if (peek16(skb, p->l4 + off, &old, 1))
		return;
	bpf_l4_csum_replace(skb, p->l4 + sum_off, old, new, l4_flags(p) | 2);
	poke16(skb, p->l4 + off, &new, 1);
}

static __always_inline void set_port(struct __sk_buff *skb, struct mz_packet *p, __u32 off,
				     __u32 value)
{
	if (p->l4 && p->proto == IP_TCP)
		set_l4(skb, p, off, 16, value);
	else if (p->l4 && p->proto == IP_UDP)
		set_l4(skb, p, off, 6, value);
}

static __always_inline void set_icmp_id(struct __sk_buff *skb, struct mz_packet *p, __u32 value)
{
	if (p->l4 && (p->proto == IP_ICMP || p->proto == IP_ICMPV6))
		set_l4(skb, p, 4, 2, value);
}

/* Pushes and pops move what lies in the frame by as much as the frame grows: a tag beside it does
 * not count. */
static __always_inline void change_vlan(struct __sk_buff *skb, struct mz_packet *p,
					struct mz_action *a)
{
	__u32 before = skb->len, moved;

	if (a->type == MZ_ACT_PUSH_VLAN)
		bpf_skb_vlan_push(skb, bpf_htons(a->w[0]), a->a);
	else
		bpf_skb_vlan_pop(skb);
	moved = skb->len - before;
	p->body += moved;
	if (p->l3)
		p->l3 += moved;
	if (p->l4)
		p->l4 += moved;
}

static __always_inline void set_mac(struct __sk_buff *skb, struct mz_action *a)
{
	__u16 mac[3];

	if (a->type == MZ_ACT_SET_ETH_DST) { /* four bytes, two bytes */
		mac[0] = bpf_htons(a->w[0] >> 16);
		mac[1] = bpf_htons(a->w[0]);
		mac[2] = bpf_htons(a->w[1]);
		poke16(skb, 0, mac, 3);
	} else { /* two bytes, four bytes */
		mac[0] = bpf_htons(a->w[0]);
		mac[1] = bpf_htons(a->w[1] >> 16);
		mac[2] = bpf_htons(a->w[1]);
		poke16(skb, 6, mac, 3);
	}
}

/* False for an action that is not an edit. */
__noinline int mz_edit(struct __sk_buff *skb, struct mz_packet *p, struct mz_action *a)
{
	if (!p || !a)
		return 0;
	switch (a->type) {
	case MZ_ACT_SET_ETH_DST:
	case MZ_ACT_SET_ETH_SRC:
		set_mac(skb, a);
		return 1;
	case MZ_ACT_PUSH_VLAN:
	case MZ_ACT_POP_VLAN:
		change_vlan(skb, p, a);
		return 1;
	case MZ_ACT_SET_IP_SRC:
	case MZ_ACT_SET_IP_DST:
		set_address(skb, p, a);
		return 1;
	case MZ_ACT_SET_TOS:
		set_tos(skb, p, a->a);
		return 1;
	case MZ_ACT_ADD_TTL:
		add_ttl(skb, p, a->w[0]);
		return 1;
	case MZ_ACT_SET_L4_SRC:
		set_port(skb, p, 0, a->a);
		return 1;
	case MZ_ACT_SET_L4_DST:
		set_port(skb, p, 2, a->a);
		return 1;
	case MZ_ACT_SET_ICMP_ID:
		set_icmp_id(skb, p, a->a);
		return 1;
	}
	return 0;
}

#endif
