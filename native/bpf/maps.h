/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * The maps.  `flows`, `masks`, `chunks`, `stats`, `peers` and those of punts are pinned by the
 * agent and outlive it, so that the next one adopts them; all others are new with each load.  Sizes
 * are set by the loader.
 */
#ifndef MEZZO_MAPS_H
#define MEZZO_MAPS_H

#include "packet.h"

#define MZ_MASK_CACHE 4096

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 65536);
	__type(key, union mz_ukey);
	__type(value, struct mz_flow);
} flows SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mz_masks);
} masks SEC(".maps");

/* Actions beyond those in the flow itself; index 0 stays unused. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct mz_chunk);
} chunks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 65537);
	__type(key, __u32);
	__type(value, struct mz_stats);
} stats SEC(".maps");

/* Which mask packets of a class matched last (class_of in lookup.h). */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MZ_MASK_CACHE);
	__type(key, __u32);
	__type(value, __u32);
} mask_cache SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MZ_CNT_MAX);
	__type(key, __u32);
	__type(value, __u64);
} counters SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mz_config);
} config SEC(".maps");

/* Attached interfaces.  Read on the slow path only. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MZ_PORTS_MAX);
	__type(key, __u32);
	__type(value, struct mz_port);
} ports SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MZ_PORTS_MAX);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mz_credit);
} credits SEC(".maps");

/* This host's own underlay addresses: what is sent to others passes by. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MZ_LOCALS_MAX);
	__type(key, __u32);
	__type(value, __u32);
} locals SEC(".maps");

/* Underlay addresses of the other hosts: whose probes are answered.  Pinned, for they are answered
 * without an agent, and while the next one still learns who they are. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MZ_PEERS_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, __u32);
	__type(value, __u32);
} peers SEC(".maps");

/* Uplink ports whose control plane stands beside the walk, and what their rules list. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 2 * MZ_PUNTS_MAX);
	__type(key, __u32);
	__type(value, struct mz_punt);
} punts SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MZ_PUNT_LISTED_MAX);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct mz_punt_listed);
	__type(value, __u32);
} punt_lists SEC(".maps");

/* Actions of packet-outs, written through shared memory just before the frame is sent. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MZ_OUT_CHUNKS);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct mz_chunk);
} outs SEC(".maps");

/* What a clone on its way through the inject device needs to know; it stays on this CPU. */
struct mz_pending {
	struct mz_action action;
	__u32 mark;
	__u32 decapped;
};
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mz_pending);
} pending SEC(".maps");

struct ring {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 1 << 20);
};
struct ring up_vm SEC(".maps");
struct ring up_uplink SEC(".maps");
struct ring up_tunnel SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, MZ_CLASSES);
	__type(key, __u32);
	__array(values, struct ring);
} rings SEC(".maps") = { .values = { &up_vm, &up_uplink, &up_tunnel } };

static __always_inline void count(__u32 counter)
{
	__u64 *n = bpf_map_lookup_elem(&counters, &counter);

	if (n)
		(*n)++;
}

#endif
