// SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
/*
 * The programs.  `port` runs where frames enter from VMs and uplinks, `underlay` where tunnels
 * arrive, `inject` on the private device that frames of the agent's own leave by.  These end in the
 * same lookup and the same action interpreter.  `uplink` is `port` where a control plane stands
 * beside the walk, and `outward` runs where frames of that come back.
 */
#include "actions.h"
#include "lookup.h"
#include "parse.h"
#include "punt.h"

char LICENSE[] SEC("license") = "Dual BSD/GPL";

static __always_inline void account(struct __sk_buff *skb, struct mz_packet *p,
				    struct mz_flow *flow)
{
	__u32 id = flow->flow_id;
	struct mz_stats *s = bpf_map_lookup_elem(&stats, &id);

	if (!s)
		return;
	s->packets++;
	s->bytes += skb->len;
	s->used_ns = bpf_ktime_get_coarse_ns(); /* to a tick: expiry asks for no more */
	if (!(flow->flags & MZ_FLOW_STATEFUL))
		return;
	s->tcp_flags |= p->key.k.l4_misc & 0xff;
	if (!s->tcp_next || (__s32)(p->tcp_next - s->tcp_next) > 0)
		s->tcp_next = p->tcp_next; /* 0 but for TCP */
}

/* What the packet needs behind its MAC header; of a GSO packet, the largest segment. */
static __always_inline __u32 body_size(struct __sk_buff *skb, struct mz_packet *p)
{
	__u32 tag = skb->vlan_present ? VLAN_LEN : 0, headers;
	__u8 offset;

	if (!skb->gso_size)
		return skb->len - ETH_LEN + tag;
	headers = p->l4 ? p->l4 - ETH_LEN : 40;
	if (p->l4 && p->proto == IP_TCP && !bpf_skb_load_bytes(skb, p->l4 + 12, &offset, 1))
		headers += (offset >> 4) << 2;
	else
		headers += 8;
	return headers + tag + skb->gso_size;
}

static __always_inline __u32 tag_bytes(struct mz_packet *p)
{
	__u32 vlans = p->key.k.vlans;

	return (vlans >> 16 ? VLAN_LEN : 0) + (vlans & 0xffff ? VLAN_LEN : 0);
}

static __always_inline int too_big(struct __sk_buff *skb, struct mz_packet *p,
				   struct mz_flow *flow)
{
	__u32 room = flow->room, mtu = flow->mtu, size;

	if (!room && !mtu)
		return 0;
	size = body_size(skb, p);
	return (room && size > room) || (mtu && size - tag_bytes(p) > mtu);
}

/* A GSO packet from one kind of tunnel into another would be segmented by the wrong kind's rules
 * (make_room): it goes up, and comes back as a packet that no tunnel has marked. */
static __always_inline int mixes_tunnels(struct __sk_buff *skb, struct mz_packet *p, __u32 flags)
{
	return p->decapped && skb->gso_size &&
	       flags & MZ_FLOW_TUNNELS & ~(1u << (p->decapped - 1));
}

/* Opens a connection or ends it at once: the agent judges.  The key has TCP flags only when there
 * is a whole TCP header. */
static __always_inline int is_judged(struct mz_packet *p)
{
	__u32 flags = p->key.k.l4_misc;

	return flags & TCP_RST || (flags & (TCP_SYN | TCP_ACK)) == TCP_SYN;
}

/* A packet that has been parsed. */
static __always_inline int forward(struct __sk_buff *skb, struct mz_packet *p)
{
	struct mz_flow *flow = lookup(p);

	if (!flow) {
		count(MZ_CNT_MISS);
		return mz_upcall(skb, p, MZ_UP_MISS, 0);
	}
	count(MZ_CNT_HIT);
	if (flow->ttl_min && p->version && (p->key.k.ip_misc >> 8 & 0xff) <= flow->ttl_min) {
		count(MZ_CNT_TTL_UP);
		return mz_upcall(skb, p, MZ_UP_TTL, 0);
	}
	if (flow->flags & MZ_FLOW_STATEFUL && is_judged(p)) {
		count(MZ_CNT_SYN_UP);
		return mz_upcall(skb, p, MZ_UP_SYN, 0);
	}
	if (mixes_tunnels(skb, p, flow->flags))
		return mz_upcall(skb, p, MZ_UP_MISS, 0);
	if (too_big(skb, p, flow)) {
		count(MZ_CNT_MTU_UP);
		return mz_upcall(skb, p, MZ_UP_MTU, 0);
	}
	account(skb, p, flow);
	return run_flow(skb, p, flow);
}

static __always_inline int process(struct __sk_buff *skb, struct mz_packet *p)
{
	if (mz_parse(skb, p)) {
		count(MZ_CNT_PARSE);
		return TC_ACT_SHOT;
	}
	return forward(skb, p);
}

SEC("tc")
int port(struct __sk_buff *skb)
{
	struct mz_packet p = {};

	p.key.k.in_port = skb->ifindex;
	p.ingress = 1;
	return process(skb, &p);
}

SEC("tc")
int uplink(struct __sk_buff *skb)
{
	struct mz_packet p = {};
	int r;

	p.key.k.in_port = skb->ifindex;
	p.ingress = 1;
	if (mz_parse(skb, &p)) {
		count(MZ_CNT_PARSE);
		return TC_ACT_SHOT;
	}
	r = mz_punt(skb, &p);
	return r == CONTINUE ? forward(skb, &p) : r;
}

SEC("tc")
int outward(struct __sk_buff *skb)
{
	return punt_back(skb);
}

SEC("tc")
int underlay(struct __sk_buff *skb)
{
	struct mz_packet p = {};
	int r;

	p.key.k.in_port = skb->ifindex;
	p.ingress = 1;
	r = mz_decap(skb, &p);
	if (r == TUNNEL_PROBE && is_peer(&p))
		return mz_answer(skb);
	if (r == TUNNEL_PROBE) {
		count(MZ_CNT_PROBE_STRANGER);
		return TC_ACT_SHOT;
	}
	if (r > 0)
		return TC_ACT_OK;
	if (r < 0) {
		count(MZ_CNT_ERROR);
		return TC_ACT_SHOT;
	}
	return process(skb, &p);
}

static __always_inline int finish_clone(struct __sk_buff *skb)
{
	__u32 zero = 0;
	struct mz_pending *note = bpf_map_lookup_elem(&pending, &zero);

	if (!note)
		return TC_ACT_SHOT;
	skb->mark = note->mark;
	return mz_encap(skb, &note->action, note->decapped);
}

SEC("tc")
int inject(struct __sk_buff *skb)
{
	struct mz_packet p = {};
	__u32 mark = skb->mark;

	if ((mark & MZ_MARK_MASK) == MZ_MARK_TUNNEL)
		return finish_clone(skb);
	if ((mark & MZ_MARK_MASK) != MZ_MARK_OUT)
		return TC_ACT_SHOT; /* the stack's own chatter */
	skb->mark = 0;
	if (mz_parse(skb, &p)) {
		count(MZ_CNT_PARSE);
		return TC_ACT_SHOT;
	}
	count(MZ_CNT_PACKET_OUT);
	return run_chunks(skb, &p, mark & ~MZ_MARK_MASK, 1);
}
