/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * Finds a packet's flow.  One hash holds the flows of all masks, told apart by the mask's number
 * in the key.  Flows are disjoint, so the first hit is the only one.  Each further mask costs
 * some 36 ns and a cache line, so a per-CPU table guesses which to try first.  What a walk asks
 * depends on the way it takes: packets of one port to one destination in one protocol share a
 * mask, however many flows they are.  A guess is only where to look first.
 */
#ifndef MEZZO_LOOKUP_H
#define MEZZO_LOOKUP_H

#include "maps.h"

static __always_inline struct mz_flow *lookup_under(struct mz_packet *p, struct mz_masks *ms,
						    __u32 i, union mz_ukey *masked)
{
#pragma unroll
	for (int j = 0; j < MZ_KEY_WORDS / 2; j++)
		masked->d[j] = p->key.d[j] & ms->mask[i][j];
	masked->k.mask_id = i;
	return bpf_map_lookup_elem(&flows, masked);
}

/* Port or tunnel, next MAC address, ethertype, protocol and destination, mixed. */
static __always_inline __u32 class_of(struct mz_packet *p)
{
	__u32 h = p->key.k.in_port * 0x9e3779b1u + p->key.k.tunnel_key;

	h = (h ^ p->key.k.eth_dst_hi) * 0x85ebca6bu;
	h = (h ^ (p->key.k.eth_mid >> 16) ^ (p->key.k.type_id & 0xffff0000)) * 0xc2b2ae35u;
	h = (h ^ p->key.k.ip_dst[3] ^ (p->key.k.ip_misc >> 24)) * 0x27d4eb2fu;
	return (h ^ h >> 15) & (MZ_MASK_CACHE - 1);
}

static __noinline struct mz_flow *lookup(struct mz_packet *p)
{
	__u32 zero = 0, n, at, tried;
	struct mz_masks *ms = bpf_map_lookup_elem(&masks, &zero);
	union mz_ukey masked;
	struct mz_flow *flow;
	__u32 *guess;

	if (!p || !ms)
		return 0;
	n = ms->n;
	at = class_of(p);
	guess = bpf_map_lookup_elem(&mask_cache, &at);
	if (!guess)
		return 0;
	tried = *guess & (MZ_MASKS_MAX - 1);
	flow = lookup_under(p, ms, tried, &masked);
	if (flow) {
		count(MZ_CNT_MASK_CACHE_HIT);
		return flow;
	}
	for (__u32 i = 0; i < MZ_MASKS_MAX; i++) {
		if (i >= n)
			break;
		flow = lookup_under(p, ms, i, &masked);
		if (flow) {
			*guess = i;
			return flow;
		}
	}
	return 0;
}

#endif
