/* SPDX-License-Identifier: Apache-2.0
 *
 * The rules of uplink ports whose control plane stands beside the walk.  They lie in pinned maps:
 * the programs go on by them when the agent is gone.  A change of rules takes away nothing that
 * stays.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include <string.h>
#include "node/addon.h"

#define LISTED_WORDS 5        /* of struct mz_punt_listed without its interface */

static bool is_in(const struct mz_punt_listed *key, const uint32_t *list, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!memcmp(&key->what, list + i * LISTED_WORDS, LISTED_WORDS * 4))
			return true;
	return false;
}

/* What the interface's rules list, and the new ones do not, goes. */
static void remove_others(struct host *h, uint32_t ifindex, const uint32_t *list, size_t n)
{
	struct mz_punt_listed key, next;
	bool more = !bpf_map_get_next_key(h->punt_lists, NULL, &next);

	while (more) {
		key = next;
		more = !bpf_map_get_next_key(h->punt_lists, &key, &next);
		if (key.ifindex == ifindex && !is_in(&key, list, n))
			bpf_map_delete_elem(h->punt_lists, &key);
	}
}

static int add_all(struct host *h, uint32_t ifindex, const uint32_t *list, size_t n)
{
	struct mz_punt_listed key = { .ifindex = ifindex };
	uint32_t one = 1;

	for (size_t i = 0; i < n; i++) {
		memcpy(&key.what, list + i * LISTED_WORDS, LISTED_WORDS * 4);
		if (bpf_map_update_elem(h->punt_lists, &key, &one, BPF_ANY))
			return -errno;
	}
	return 0;
}

/* The program that it is to have now.  An interface that is about to be attached gets it then. */
static int swap(struct host *h, uint32_t ifindex)
{
	int slot, back, e;

	await_attaching(h, ifindex);
	slot = slot_of(h, ifindex);
	if (slot < 0)
		return 0;
	back = visit_namespace(h->namespace);
	e = swap_program(h, &h->attached[slot]);
	leave_namespace(back);
	return e;
}

static void forget_way_back(struct host *h, uint32_t ifindex, uint32_t but)
{
	struct mz_punt before;

	if (!bpf_map_lookup_elem(h->punts, &ifindex, &before) && before.out != but)
		bpf_map_delete_elem(h->punts, &before.out);
}

static int clear(struct host *h, uint32_t ifindex)
{
	forget_way_back(h, ifindex, 0);
	bpf_map_delete_elem(h->punts, &ifindex);
	remove_others(h, ifindex, NULL, 0);
	swap(h, ifindex);
	return 0;
}

/* Neither is another's, and each is what it was. */
static bool is_free(struct host *h, uint32_t ifindex, uint32_t out)
{
	struct mz_punt other;

	if (!bpf_map_lookup_elem(h->punts, &out, &other) && (other.owner || other.out != ifindex))
		return false;
	return bpf_map_lookup_elem(h->punts, &ifindex, &other) || other.owner;
}

static int put(struct host *h, uint32_t ifindex, const struct mz_punt *rules, struct span list)
{
	struct mz_punt back = *rules;
	size_t n = list.len / (LISTED_WORDS * 4);
	const uint32_t *words = (const uint32_t *)list.at;
	int e;

	forget_way_back(h, ifindex, rules->out);
	e = add_all(h, ifindex, words, n);
	if (e)
		return e;
	remove_others(h, ifindex, words, n);
	back.out = ifindex;
	back.owner = 0;
	if (bpf_map_update_elem(h->punts, &rules->out, &back, BPF_ANY) ||
	    bpf_map_update_elem(h->punts, &ifindex, rules, BPF_ANY))
		return -errno;
	return swap(h, ifindex);
}

/*
 * punt(handle, ifindex, rules, lists): struct mz_punt up to its times and what the rules list, in
 * words; no rules: the port has none any more.  Of rules that are refused nothing is left.
 */
napi_value set_punt(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	uint32_t ifindex = arg_u32(&a, 1);
	struct span words = arg_span(&a, 2);
	struct mz_punt rules = { 0 };
	int e;

	if (h == NULL || ifindex == 0)
		return number(env, h == NULL ? -EBADF : -EINVAL);
	if (words.len == 0)
		return number(env, clear(h, ifindex));
	if (words.len != offsetof(struct mz_punt, next_ns))
		return number(env, -EINVAL);
	memcpy(&rules, words.at, words.len);
	if (rules.out == 0 || rules.out == ifindex || rules.owner == 0)
		return number(env, -EINVAL);
	if (!is_free(h, ifindex, rules.out))
		return number(env, -EBUSY);
	e = put(h, ifindex, &rules, arg_span(&a, 3));
	if (e)
		clear(h, ifindex);
	return number(env, e);
}

/* punts(handle, Uint32Array) -> how many; of each the bound interface, the veth's end, the owner */
napi_value list_punts(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span out = arg_span(&a, 1);
	uint32_t key, n = 0, *words = (uint32_t *)out.at;
	struct mz_punt rules;
	bool more;

	if (h == NULL)
		return number(env, -EBADF);
	more = !bpf_map_get_next_key(h->punts, NULL, &key);
	for (; more && (n + 1) * 12 <= out.len;
	     more = !bpf_map_get_next_key(h->punts, &key, &key)) {
		if (bpf_map_lookup_elem(h->punts, &key, &rules) || rules.owner == 0)
			continue;
		words[n * 3] = key;
		words[n * 3 + 1] = rules.out;
		words[n * 3 + 2] = rules.owner;
		n++;
	}
	return number(env, n);
}
