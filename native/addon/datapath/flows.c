/* SPDX-License-Identifier: Apache-2.0
 *
 * The flow table from outside: batches of flows in and out, masks, chunks, use statistics and the
 * dump that adoption reads.  TypeScript (src/datapath/ebpf/ebpf.ts) owns mask slots and chunk
 * numbers; these functions only carry.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "node/addon.h"

#define DUMP_BATCH 1024 /* AUDIT_SLICE of src/datapath/ebpf/flows.ts */
#define STATS_BATCH 4096

enum { REFUSED, PLACED, REPLACED };

/* Ids that have had an earlier life: their counts start again. */
static int zero_stats(struct host *h, const struct mz_flow *flows, uint32_t n)
{
	uint32_t *ids = malloc(n * sizeof(*ids)), used = 0;
	void *zeros = calloc(n, h->cpus * sizeof(struct mz_stats));
	int e = ids == NULL || zeros == NULL ? -ENOMEM : 0;

	for (uint32_t i = 0; i < n && !e; i++) {
		if (flows[i].flow_id <= h->stats_top)
			ids[used++] = flows[i].flow_id;
		else
			h->stats_top = flows[i].flow_id;
	}
	if (used > 0)
		e = bpf_map_update_batch(h->stats, ids, zeros, &used, NULL) ? -errno : 0;
	free(ids);
	free(zeros);
	return e;
}

static uint8_t install_one(struct host *h, const struct mz_key *key, const struct mz_flow *flow,
			   uint32_t *replaced)
{
	struct mz_flow old;

	*replaced = 0;
	if (!bpf_map_update_elem(h->flows, key, flow, BPF_NOEXIST))
		return PLACED;
	if (errno != EEXIST)
		return REFUSED;
	if (!bpf_map_lookup_elem(h->flows, key, &old))
		*replaced = old.flow_id;
	return bpf_map_update_elem(h->flows, key, flow, BPF_ANY) ? REFUSED : REPLACED;
}

/* install(handle, keys, flows, n, results, replacedIds) */
napi_value install_flows(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span keys = arg_span(&a, 1), flows = arg_span(&a, 2), results = arg_span(&a, 4),
		    replaced = arg_span(&a, 5);
	struct mz_key *key = (struct mz_key *)keys.at;
	struct mz_flow *flow = (struct mz_flow *)flows.at;
	uint32_t n = arg_u32(&a, 3);
	int e;

	if (h == NULL)
		return number(env, -EBADF);
	if (keys.len < n * sizeof(*key) || flows.len < n * sizeof(*flow) || results.len < n ||
	    replaced.len < n * 4)
		return number(env, -EINVAL);
	e = zero_stats(h, flow, n);
	for (uint32_t i = 0; i < n && !e; i++)
		results.at[i] = install_one(h, &key[i], &flow[i], (uint32_t *)replaced.at + i);
	return number(env, e);
}

/* remove(handle, keys, n, results) */
napi_value remove_flows(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span keys = arg_span(&a, 1), results = arg_span(&a, 3);
	struct mz_key *key = (struct mz_key *)keys.at;
	uint32_t n = arg_u32(&a, 2);

	if (h == NULL)
		return number(env, -EBADF);
	if (keys.len < n * sizeof(*key) || results.len < n)
		return number(env, -EINVAL);
	for (uint32_t i = 0; i < n; i++)
		results.at[i] = !bpf_map_delete_elem(h->flows, &key[i]);
	return number(env, 0);
}

/* setMasks(handle, struct mz_masks as words) */
napi_value set_masks(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span masks = arg_span(&a, 1);
	uint32_t zero = 0;

	if (h == NULL || masks.len != sizeof(struct mz_masks))
		return number(env, h == NULL ? -EBADF : -EINVAL);
	return number(env, bpf_map_update_elem(h->masks, &zero, masks.at, BPF_ANY));
}

napi_value get_masks(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span masks = arg_span(&a, 1);
	uint32_t zero = 0;

	if (h == NULL || masks.len != sizeof(struct mz_masks))
		return number(env, h == NULL ? -EBADF : -EINVAL);
	return number(env, bpf_map_lookup_elem(h->masks, &zero, masks.at));
}

/* setChunks(handle, indices, chunks, n) */
napi_value set_chunks(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span indices = arg_span(&a, 1), chunks = arg_span(&a, 2);
	uint32_t n = arg_u32(&a, 3);
	int e = 0;

	if (h == NULL)
		return number(env, -EBADF);
	if (indices.len < n * 4 || chunks.len < n * sizeof(struct mz_chunk))
		return number(env, -EINVAL);
	for (uint32_t i = 0; i < n && !e; i++)
		e = bpf_map_update_elem(h->chunks, (uint32_t *)indices.at + i,
					(struct mz_chunk *)chunks.at + i, BPF_ANY);
	return number(env, e);
}

/* getChunk(handle, index, into) */
napi_value get_chunk(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	uint32_t index = arg_u32(&a, 1);
	struct span chunk = arg_span(&a, 2);

	if (h == NULL || chunk.len < sizeof(struct mz_chunk))
		return number(env, h == NULL ? -EBADF : -EINVAL);
	return number(env, bpf_map_lookup_elem(h->chunks, &index, chunk.at));
}

static double monotonic_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1e3 + t.tv_nsec * 1e-6;
}

/* monotonicMs(): the kernel's own scale, to be set against Clock.now() */
napi_value monotonic_now(napi_env env, napi_callback_info info)
{
	(void)info;
	return number(env, monotonic_ms());
}

struct stats_out {
	uint32_t *ids;
	double *packets, *bytes, *used;
	uint8_t *tcp_flags;
	uint32_t *tcp_next;
};

static void sum_stats(struct host *h, const struct mz_stats *cpu, struct stats_out *out, uint32_t i)
{
	uint64_t packets = 0, bytes = 0, used = 0;
	uint32_t flags = 0, furthest = 0;

	for (uint32_t c = 0; c < h->cpus; c++) {
		packets += cpu[c].packets;
		bytes += cpu[c].bytes;
		flags |= cpu[c].tcp_flags;
		if (cpu[c].tcp_next && (!furthest || (int32_t)(cpu[c].tcp_next - furthest) > 0))
			furthest = cpu[c].tcp_next;
		if (cpu[c].used_ns > used)
			used = cpu[c].used_ns;
	}
	out->packets[i] = packets;
	out->bytes[i] = bytes;
	out->used[i] = used * 1e-6;
	out->tcp_flags[i] = flags;
	out->tcp_next[i] = furthest;
}

/* stats(handle, first, n, live, ids, packets, bytes, usedMs, tcpFlags, tcpNext) -> how many ids in
 * [first, first + n) are live; used is on monotonicMs()'s scale, 0 = never */
napi_value read_stats(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	uint32_t first = arg_u32(&a, 1), n = arg_u32(&a, 2), before = first - 1;
	uint32_t found = 0, got, next;
	struct span live = arg_span(&a, 3), ids = arg_span(&a, 4), packets = arg_span(&a, 5),
		    bytes = arg_span(&a, 6), used = arg_span(&a, 7), flags = arg_span(&a, 8),
		    furthest = arg_span(&a, 9);
	struct stats_out out = { (uint32_t *)ids.at, (double *)packets.at, (double *)bytes.at,
				 (double *)used.at, flags.at, (uint32_t *)furthest.at };
	uint32_t keys[STATS_BATCH];

	if (h == NULL)
		return number(env, -EBADF);
	if (first == 0 || n > STATS_BATCH || first + n > h->flows_max + 1 || live.len < first + n ||
	    ids.len < n * 4 || packets.len < n * 8 || bytes.len < n * 8 || used.len < n * 8 ||
	    flags.len < n || furthest.len < n * 4)
		return number(env, -EINVAL);
	if (h->percpu == NULL)
		h->percpu = malloc(sizeof(*h->percpu) * h->cpus * STATS_BATCH);
	if (h->percpu == NULL)
		return number(env, -ENOMEM);
	got = n;
	if (bpf_map_lookup_batch(h->stats, &before, &next, keys, h->percpu, &got, NULL) &&
	    errno != ENOENT)
		return number(env, -errno);
	for (uint32_t i = 0; i < got; i++) {
		if (live.at[keys[i]] == 0xff)
			continue;
		out.ids[found] = keys[i];
		sum_stats(h, h->percpu + (size_t)i * h->cpus, &out, found++);
	}
	return number(env, found);
}

/* statsOf(handle, ids, n, packets, bytes, usedMs, tcpFlags, tcpNext): of these ids, live or not */
napi_value read_stats_of(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span ids = arg_span(&a, 1), packets = arg_span(&a, 3), bytes = arg_span(&a, 4),
		    used = arg_span(&a, 5), flags = arg_span(&a, 6), furthest = arg_span(&a, 7);
	uint32_t n = arg_u32(&a, 2);
	struct stats_out out = { (uint32_t *)ids.at, (double *)packets.at, (double *)bytes.at,
				 (double *)used.at, flags.at, (uint32_t *)furthest.at };
	struct mz_stats *cpu;

	if (h == NULL)
		return number(env, -EBADF);
	if (ids.len < n * 4 || packets.len < n * 8 || bytes.len < n * 8 || used.len < n * 8 ||
	    flags.len < n || furthest.len < n * 4)
		return number(env, -EINVAL);
	cpu = calloc(h->cpus, sizeof(*cpu));
	if (cpu == NULL)
		return number(env, -ENOMEM);
	for (uint32_t i = 0; i < n; i++) {
		if (bpf_map_lookup_elem(h->stats, &out.ids[i], cpu))
			memset(cpu, 0, h->cpus * sizeof(*cpu));
		sum_stats(h, cpu, &out, i);
	}
	free(cpu);
	return number(env, n);
}

/* The next slice of the table, or negative; 0 when there is no more. */
static int dump_more(struct host *h)
{
	uint32_t next = 0, n = DUMP_BATCH;
	int e;

	h->dump_at = 0;
	h->dump_count = 0;
	if (h->dump_done) { /* the next call begins again */
		h->dump_done = h->dumping = false;
		return 0;
	}
	if (h->dump_keys == NULL) {
		h->dump_keys = malloc(DUMP_BATCH * sizeof(*h->dump_keys));
		h->dump_flows = malloc(DUMP_BATCH * sizeof(*h->dump_flows));
	}
	if (h->dump_keys == NULL || h->dump_flows == NULL)
		return -ENOMEM;
	e = bpf_map_lookup_batch(h->flows, h->dumping ? &h->dump_token : NULL, &next, h->dump_keys,
				 h->dump_flows, &n, NULL) ? errno : 0;
	if (e && e != ENOENT)
		return -e;
	h->dump_done = e == ENOENT;
	h->dumping = true;
	h->dump_token = next;
	h->dump_count = n;
	return n;
}

/* adopt(handle, keys, flows, max) -> how many, 0 when there is no more */
napi_value adopt_flows(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span keys = arg_span(&a, 1), flows = arg_span(&a, 2);
	uint32_t max = arg_u32(&a, 3), n;

	if (h == NULL)
		return number(env, -EBADF);
	if (keys.len < max * sizeof(struct mz_key) || flows.len < max * sizeof(struct mz_flow))
		return number(env, -EINVAL);
	while (h->dump_at == h->dump_count) {
		int got = dump_more(h);

		if (got < 0 || !h->dumping)
			return number(env, got);
	}
	n = h->dump_count - h->dump_at;
	if (n > max)
		n = max;
	memcpy(keys.at, h->dump_keys + h->dump_at, n * sizeof(struct mz_key));
	memcpy(flows.at, h->dump_flows + h->dump_at, n * sizeof(struct mz_flow));
	h->dump_at += n;
	return number(env, n);
}
