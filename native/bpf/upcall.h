/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * A frame goes up to the agent: a record in the ring of its port's class, in one of four sizes,
 * because a reservation needs a constant.  Each port has a credit; a port whose credit is used up
 * loses its frames here, before it can fill a ring that others share.
 */
#ifndef MEZZO_UPCALL_H
#define MEZZO_UPCALL_H

#include "maps.h"

struct mz_reason {
	__u32 reason, arg, slot;
};

static __always_inline void fill_record(struct __sk_buff *skb, struct mz_packet *p,
					struct mz_upcall *up, struct mz_reason *why)
{
	up->time_ns = bpf_ktime_get_ns();
	up->reason = why->reason;
	up->arg = why->arg;
	up->slot = why->slot;
	up->rsv = 0;
	up->gso_size = skb->gso_size;
	up->gso_segs = skb->gso_segs;
	up->key = p->key.k;
	up->key.mask_id = 0;
}

/* The kernel keeps the outermost tag beside the frame: it is put back where it came from. */
static __always_inline int put_tag(struct __sk_buff *skb, __u8 *frame)
{
	__u16 *tag = (__u16 *)(frame + 12);

	tag[0] = skb->vlan_proto;
	tag[1] = bpf_htons(skb->vlan_tci);
	return bpf_skb_load_bytes(skb, 0, frame, 12);
}

/* The empty asm keeps clang from testing `n` in a way that 6.1's verifier does not follow. */
#define UPCALL_OF_SIZE(SIZE)                                                                    \
static __noinline int upcall_##SIZE(struct __sk_buff *skb, struct mz_packet *p, void *ring,      \
				    struct mz_reason *why)                                      \
{                                                                                               \
	__u32 tag = skb->vlan_present ? VLAN_LEN : 0, n = skb->len + tag, rest;                  \
	__u8 *rec = bpf_ringbuf_reserve(ring, sizeof(struct mz_upcall) + SIZE, 0);               \
	struct mz_upcall *up = (void *)rec;                                                      \
	__u8 *frame = rec + sizeof(*up);                                                         \
	int failed = 0;                                                                          \
                                                                                                \
	if (!rec)                                                                                \
		return MZ_CNT_RING_FULL;                                                         \
	fill_record(skb, p, up, why);                                                            \
	up->len = n;                                                                             \
	up->cap_len = n;                                                                         \
	if (tag) {                                                                               \
		failed = put_tag(skb, frame);                                                    \
		rest = n - 17;                                                                   \
		asm volatile("" : "+r"(rest));                                                   \
		if (!failed && rest < SIZE - 16)                                                 \
			failed = bpf_skb_load_bytes(skb, 12, frame + 16, rest + 1);              \
		else                                                                             \
			failed = 1;                                                              \
	} else {                                                                                 \
		rest = n - 1;                                                                    \
		asm volatile("" : "+r"(rest));                                                   \
		if (rest < SIZE)                                                                 \
			failed = bpf_skb_load_bytes(skb, 0, frame, rest + 1);                    \
		else                                                                             \
			failed = 1;                                                              \
	}                                                                                        \
	if (failed) {                                                                            \
		bpf_ringbuf_discard(rec, 0);                                                     \
		return MZ_CNT_ERROR;                                                             \
	}                                                                                        \
	bpf_ringbuf_submit(rec, 0);                                                              \
	return MZ_CNT_UPCALL;                                                                    \
}

UPCALL_OF_SIZE(160)
UPCALL_OF_SIZE(1952)
UPCALL_OF_SIZE(9120)
UPCALL_OF_SIZE(65600) /* MZ_FRAME_MAX */

static __always_inline int upcall_sized(struct __sk_buff *skb, struct mz_packet *p, void *ring,
					struct mz_reason *why)
{
	__u32 len = skb->len + VLAN_LEN;

	if (len <= 160)
		return upcall_160(skb, p, ring, why);
	if (len <= 1952)
		return upcall_1952(skb, p, ring, why);
	if (len <= 9120)
		return upcall_9120(skb, p, ring, why);
	return upcall_65600(skb, p, ring, why);
}

/* Always ends the packet's way: a copy is up, or it is counted. */
__noinline int mz_upcall(struct __sk_buff *skb, struct mz_packet *p, __u32 reason, __u32 arg)
{
	struct mz_reason why = { reason, arg, 0 };
	struct mz_port *port;
	struct mz_credit *credit;
	__u32 slot, class, outcome, in_port;
	void *ring;

	if (!p)
		return TC_ACT_SHOT;
	in_port = p->key.k.in_port; /* 6.1 takes a key from the stack, not from an argument */
	port = bpf_map_lookup_elem(&ports, &in_port);
	if (!port)
		return TC_ACT_SHOT;
	slot = port->slot;
	why.slot = slot;
	class = port->port_class;
	credit = bpf_map_lookup_elem(&credits, &slot);
	ring = bpf_map_lookup_elem(&rings, &class);
	if (!credit || !ring)
		return TC_ACT_SHOT;
	if (__sync_fetch_and_add(&credit->left, -1) <= 0) {
		__sync_fetch_and_add(&credit->left, 1);
		count(MZ_CNT_NO_CREDIT);
		return TC_ACT_SHOT;
	}
	outcome = upcall_sized(skb, p, ring, &why);
	if (outcome != MZ_CNT_UPCALL)
		__sync_fetch_and_add(&credit->left, 1);
	count(outcome);
	return TC_ACT_SHOT;
}

#endif
