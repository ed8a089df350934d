/* SPDX-License-Identifier: Apache-2.0
 *
 * What TypeScript asks for interfaces: a program put on one, at once or without keeping the packet
 * thread, and taken off.
 */
#include <bpf/bpf.h>
#include <errno.h>
#include "node/addon.h"

/* A slot and a credit, known to the programs; an earlier attachment of the interface goes. */
static int take_slot(struct host *h, uint32_t ifindex, uint32_t class)
{
	struct mz_port port;
	int slot, back;

	await_attaching(h, ifindex);
	slot = slot_of(h, ifindex);
	if (slot >= 0) {
		back = visit_namespace(h->namespace);
		detach_program(h, &h->attached[slot], h->pins[0] != 0);
		leave_namespace(back);
	} else {
		slot = slot_of(h, 0);
	}
	if (slot < 0)
		return slot;
	h->credits[slot].left = credits_of(h, class);
	port = (struct mz_port){ .slot = slot, .port_class = class };
	if (bpf_map_update_elem(h->ports, &ifindex, &port, BPF_ANY))
		return -errno;
	h->attached[slot] = (struct attachment){ .ifindex = ifindex, .link = -1,
						  .port_class = class };
	return slot;
}

/* attach(handle, ifindex, class, clsact) */
napi_value attach_port(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	uint32_t ifindex = arg_u32(&a, 1), class = arg_u32(&a, 2);
	int slot, back, e;

	if (h == NULL || ifindex == 0 || class > MZ_CLASS_PUNT)
		return number(env, h == NULL ? -EBADF : -EINVAL);
	slot = take_slot(h, ifindex, class);
	if (slot < 0)
		return number(env, slot);
	back = visit_namespace(h->namespace);
	e = attach_program(h, &h->attached[slot], program_of(h, &h->attached[slot]),
			   arg_bool(&a, 3));
	leave_namespace(back);
	if (e < 0)
		free_slot(h, slot);
	return number(env, e);
}

/* detach(handle, ifindex): also of a port that an earlier agent left attached */
napi_value detach_port(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	uint32_t ifindex = arg_u32(&a, 1);
	struct attachment left = { .ifindex = ifindex, .link = -1 };
	int slot, back;

	if (h == NULL || ifindex == 0)
		return number(env, h == NULL ? -EBADF : -EINVAL);
	await_attaching(h, ifindex);
	slot = slot_of(h, ifindex);
	back = visit_namespace(h->namespace);
	detach_program(h, slot >= 0 ? &h->attached[slot] : &left, false);
	leave_namespace(back);
	bpf_map_delete_elem(h->ports, &ifindex);
	return number(env, 0);
}

/* attachSoon(handle, ifindex, class, clsact, done): done(what attach would have given) */
napi_value attach_soon(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	uint32_t ifindex = arg_u32(&a, 1), class = arg_u32(&a, 2);
	int slot, e;

	if (h == NULL || ifindex == 0 || class > MZ_CLASS_PUNT || a.n < 5)
		return number(env, h == NULL ? -EBADF : -EINVAL);
	slot = take_slot(h, ifindex, class);
	if (slot < 0)
		return number(env, slot);
	e = begin_attaching(&a, h, slot, arg_bool(&a, 3));
	if (e)
		free_slot(h, slot);
	return number(env, e);
}
