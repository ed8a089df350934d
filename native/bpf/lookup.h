/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * Finds a packet's flow.  One hash holds the flows of all masks, told apart by the mask's number
 * in the key.  Flows are disjoint, so the first hit is the only one.  Each further mask costs
 * some 36 ns, so with many masks a per-CPU cache remembers which one a packet's hash matched
 * last; what it says is only a guess where to look first, and never outlives the flow.
 */
#ifndef MEZZO_LOOKUP_H
#define MEZZO_LOOKUP_H

#include "maps.h"

/* With few masks the cache costs more (3-10 %) than it saves. */
#define MZ_CACHE_FROM 4

static __always_inline struct mz_flow *lookup_under(struct mz_packet *p, struct mz_masks *ms,
						    __u32 i, union mz_ukey *masked)
{
#pragma unroll
	for (int j = 0; j < MZ_KEY_WORDS / 2; j++)
		masked->d[j] = p->key.d[j] & ms->mask[i][j];
	masked->k.mask_id = i;
	return bpf_map_lookup_elem(&flows, masked);
}

static __noinline struct mz_flow *lookup(struct __sk_buff *skb, struct mz_packet *p)
{
	__u32 zero = 0, n, hash = 0, at;
	struct mz_masks *ms = bpf_map_lookup_elem(&masks, &zero);
	union mz_ukey masked;
	struct mz_flow *flow;
	__u64 *guess = 0;

	if (!ms)
		return 0;
	n = ms->n;
	if (n > MZ_CACHE_FROM) {
		hash = bpf_get_hash_recalc(skb);
		at = (hash ^ hash >> 16) & (MZ_MASK_CACHE - 1);
		guess = bpf_map_lookup_elem(&mask_cache, &at);
		if (guess && *guess >> 32 == hash) {
			__u32 i = *guess & (MZ_MASKS_MAX - 1);

			flow = lookup_under(p, ms, i, &masked);
			if (flow) {
				count(MZ_CNT_MASK_CACHE_HIT);
				return flow;
			}
		}
	}
	for (__u32 i = 0; i < MZ_MASKS_MAX; i++) {
		if (i >= n)
			break;
		flow = lookup_under(p, ms, i, &masked);
		if (flow) {
			if (guess)
				*guess = (__u64)hash << 32 | i;
			return flow;
		}
	}
	return 0;
}

#endif
