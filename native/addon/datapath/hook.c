/* SPDX-License-Identifier: Apache-2.0
 *
 * Programs on interfaces: tcx where the kernel has it (6.6), the older clsact otherwise, and the
 * slots that remember where.  A tcx link is pinned, so that it stays when the process goes; the
 * next process finds the pin and swaps the program in place: no packet meets an empty hook.
 */
#define _GNU_SOURCE
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "node/addon.h"

/* Not in Debian 12's headers; libbpf passes unknown attach types through. */
#define TCX_INGRESS 46
#define TCX_EGRESS 47
#define TC_PRIORITY 1
#define TC_HANDLE 0x4d5a
#define LINK_PREFIX "link-"
#define GOING_US 500
#define GOING_TRIES 4000

static void link_path(struct host *h, struct attachment *at, char *into)
{
	snprintf(into, PATH_SIZE + 32, "%s/" LINK_PREFIX "%u", h->pins, at->ifindex);
}

/* Of a link whose pin was removed a moment ago the kernel has yet to let go: see detach_program. */
static int create_link(const struct attachment *at, int program)
{
	int fd;

	for (int tries = 0; tries < GOING_TRIES; tries++) {
		fd = bpf_link_create(program, at->ifindex, at->egress ? TCX_EGRESS : TCX_INGRESS,
				     NULL);
		if (fd != -EEXIST)
			break;
		usleep(GOING_US);
	}
	return fd;
}

static int attach_tcx(struct host *h, struct attachment *at, int program)
{
	char path[PATH_SIZE + 32];
	int fd;

	link_path(h, at, path);
	if (h->pins[0]) {
		fd = bpf_obj_get(path);
		if (fd >= 0 && !bpf_link_update(fd, program, NULL)) {
			at->link = fd;
			return 0;
		}
		if (fd >= 0)
			close(fd);
		unlink(path); /* of an interface that is gone, and its number came back */
	}
	fd = create_link(at, program);
	if (fd < 0)
		return fd;
	if (h->pins[0] && bpf_obj_pin(fd, path)) {
		int e = -errno;

		close(fd);
		return e;
	}
	at->link = fd;
	return 0;
}

static int attach_clsact(struct attachment *at, int program)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = at->ifindex,
		    .attach_point = at->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .prog_fd = program, .handle = TC_HANDLE,
		    .priority = TC_PRIORITY, .flags = BPF_TC_F_REPLACE);
	int e = bpf_tc_hook_create(&hook);

	if (e && e != -EEXIST)
		return e;
	at->link = -1;
	return bpf_tc_attach(&hook, &opts);
}

/* A filter stays by itself; the pin only tells the next agent that it is there. */
static void note_clsact(struct host *h, struct attachment *at, int program)
{
	char path[PATH_SIZE + 32];

	if (!h->pins[0])
		return;
	link_path(h, at, path);
	unlink(path);
	bpf_obj_pin(program, path);
}

static void detach_clsact(struct attachment *at)
{
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = at->ifindex,
		    .attach_point = at->egress ? BPF_TC_EGRESS : BPF_TC_INGRESS);
	LIBBPF_OPTS(bpf_tc_opts, opts, .handle = TC_HANDLE, .priority = TC_PRIORITY);

	bpf_tc_detach(&hook, &opts);
}

/* 0: by tcx, 1: by clsact, or negative errno */
int attach_program(struct host *h, struct attachment *at, const char *name, bool clsact)
{
	struct bpf_program *program = bpf_object__find_program_by_name(h->object, name);
	int e;

	if (program == NULL)
		return -ENOENT;
	if (!clsact) {
		e = attach_tcx(h, at, bpf_program__fd(program));
		if (e != -EINVAL && e != -EOPNOTSUPP)
			return e;
	}
	e = attach_clsact(at, bpf_program__fd(program));
	if (e)
		return e;
	note_clsact(h, at, bpf_program__fd(program));
	return 1;
}

const char *program_of(struct host *h, const struct attachment *at)
{
	struct mz_punt rules;

	if (at->port_class == MZ_CLASS_TUNNEL)
		return "underlay";
	if (at->port_class == MZ_CLASS_PUNT)
		return "outward";
	return bpf_map_lookup_elem(h->punts, &at->ifindex, &rules) ? "port" : "uplink";
}

int swap_program(struct host *h, struct attachment *at)
{
	struct bpf_program *program;
	int e;

	program = bpf_object__find_program_by_name(h->object, program_of(h, at));
	if (program == NULL)
		return -ENOENT;
	if (at->link >= 0)
		return bpf_link_update(at->link, bpf_program__fd(program), NULL);
	e = attach_clsact(at, bpf_program__fd(program));
	if (!e)
		note_clsact(h, at, bpf_program__fd(program));
	return e;
}

void detach_program(struct host *h, struct attachment *at, bool keep)
{
	char path[PATH_SIZE + 32];

	if (at->link >= 0)
		close(at->link);
	else if (!keep)
		detach_clsact(at);
	/*
	 * The pin goes last: who takes a link's last reference by closing waits for all readers
	 * of the hook (synchronize_rcu, up to 90 ms); by unlink it is left to the kernel.
	 */
	if (!keep && h->pins[0]) {
		link_path(h, at, path);
		unlink(path);
	}
	at->ifindex = 0;
	at->link = -1;
}

int slot_of(struct host *h, uint32_t ifindex)
{
	for (int i = 0; i < MZ_PORTS_MAX; i++)
		if (h->attached[i].ifindex == ifindex)
			return i;
	return -ENOSPC;
}

void free_slot(struct host *h, int slot)
{
	bpf_map_delete_elem(h->ports, &h->attached[slot].ifindex);
	h->attached[slot].ifindex = 0;
}

/* pinned(handle, Uint32Array) -> how many interfaces an earlier agent left attached */
napi_value list_pinned(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span out = arg_span(&a, 1);
	struct dirent *entry;
	uint32_t n = 0;
	DIR *dir;

	if (h == NULL)
		return number(env, -EBADF);
	dir = h->pins[0] ? opendir(h->pins) : NULL;
	while (dir != NULL && (entry = readdir(dir)) != NULL && n < out.len / 4) {
		uint32_t ifindex;

		if (strncmp(entry->d_name, LINK_PREFIX, strlen(LINK_PREFIX)))
			continue;
		ifindex = strtoul(entry->d_name + strlen(LINK_PREFIX), NULL, 10);
		if (ifindex && ifindex != h->inject_ifindex && slot_of(h, ifindex) < 0)
			((uint32_t *)out.at)[n++] = ifindex;
	}
	if (dir != NULL)
		closedir(dir);
	return number(env, n);
}
