/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * The action interpreter.  The last action of a list takes the packet itself, each output before
 * it a clone.  A clone for a tunnel must not be written on here (the outputs after it want the
 * frame as it is), so it goes to the inject device, whose egress program adds the tunnel header;
 * that runs within the call, on this CPU, so a per-CPU note tells it what to do.
 */
#ifndef MEZZO_ACTIONS_H
#define MEZZO_ACTIONS_H

#include "edit.h"
#include "tunnel.h"
#include "upcall.h"

static __always_inline void clone_out(struct __sk_buff *skb, __u32 ifindex)
{
	if (bpf_clone_redirect(skb, ifindex, 0))
		count(MZ_CNT_ERROR);
}

static __always_inline void clone_to_tunnel(struct __sk_buff *skb, struct mz_packet *p,
					    struct mz_action *a)
{
	__u32 zero = 0, mark = skb->mark;
	struct mz_pending *note = bpf_map_lookup_elem(&pending, &zero);
	struct mz_config *c = bpf_map_lookup_elem(&config, &zero);

	if (!note || !c)
		return;
	note->action = *a;
	note->mark = mark;
	note->decapped = p->decapped;
	skb->mark = MZ_MARK_TUNNEL;
	clone_out(skb, c->inject_ifindex);
	skb->mark = mark;
}

/* bpf_redirect_peer makes the frame one for its receiver, whatever its address: so it is kept for
 * frames that go to one port only, and that are not for a group. */
static __always_inline int send(struct __sk_buff *skb, struct mz_packet *p, struct mz_action *a)
{
	if (a->flags & MZ_OUT_PEER && p->ingress && !p->sent &&
	    !(p->key.k.eth_dst_hi & 0x01000000)) {
		bpf_skb_change_type(skb, PACKET_HOST);
		return bpf_redirect_peer(a->w[0], 0);
	}
	return bpf_redirect(a->w[0], 0);
}

/* The program's verdict, or CONTINUE. */
__noinline int mz_act(struct __sk_buff *skb, struct mz_packet *p, struct mz_action *a, __u32 last)
{
	if (!p || !a)
		return TC_ACT_SHOT;
	switch (a->type) {
	case MZ_ACT_OUTPUT:
		if (last)
			return send(skb, p, a);
		clone_out(skb, a->w[0]);
		p->sent = 1;
		return CONTINUE;
	case MZ_ACT_TUNNEL:
		if (last)
			return mz_encap(skb, a, p->decapped);
		clone_to_tunnel(skb, p, a);
		p->sent = 1;
		return CONTINUE;
	case MZ_ACT_UPCALL:
		mz_upcall(skb, p, MZ_UP_ACTION, a->w[0]);
		return CONTINUE;
	}
	if (!mz_edit(skb, p, a))
		count(MZ_CNT_ERROR);
	return CONTINUE;
}

/* Where a long list stands. */
struct mz_cursor {
	struct __sk_buff *skb;
	struct mz_packet *p;
	__u32 chunk;
	__u32 i;
	__u32 outs;           /* the chunks are a packet-out's */
	int verdict;
};

static long step(__u32 n, void *ctx)
{
	struct mz_cursor *at = ctx;
	__u32 index = at->chunk, i = at->i, last;
	struct mz_chunk *chunk;

	(void)n;
	if (at->outs)
		chunk = bpf_map_lookup_elem(&outs, &index);
	else
		chunk = bpf_map_lookup_elem(&chunks, &index);
	if (!chunk || i >= chunk->n || i >= MZ_CHUNK_ACTIONS)
		return 1;
	last = i + 1 >= chunk->n && !chunk->next;
	at->verdict = mz_act(at->skb, at->p, &chunk->act[i], last);
	if (last || at->verdict != CONTINUE)
		return 1;
	if (i + 1 >= chunk->n) {
		at->chunk = chunk->next;
		at->i = 0;
	} else {
		at->i = i + 1;
	}
	return 0;
}

static __noinline int run_chunks(struct __sk_buff *skb, struct mz_packet *p, __u32 first,
				 __u32 outs)
{
	struct mz_cursor at = { skb, p, first, 0, outs, CONTINUE };

	bpf_loop(MZ_ACTIONS_MAX, step, &at, 0);
	return at.verdict == CONTINUE ? TC_ACT_SHOT : at.verdict;
}

static __always_inline int run_flow(struct __sk_buff *skb, struct mz_packet *p,
				    struct mz_flow *flow)
{
	__u32 n = flow->n_act, chunk = flow->chunk;
	int verdict;

	for (__u32 i = 0; i < MZ_ACT_INLINE; i++) {
		if (i >= n)
			break;
		verdict = mz_act(skb, p, &flow->act[i], i + 1 >= n && !chunk);
		if (verdict != CONTINUE)
			return verdict;
	}
	return chunk ? run_chunks(skb, p, chunk, 0) : TC_ACT_SHOT;
}

#endif
