/* SPDX-License-Identifier: Apache-2.0
 *
 * Opens and closes a host's datapath: the programs, their maps, the inject pair and its socket.
 * With a pin directory the maps that matter outlive the process, so that the next agent adopts
 * the flows of this one; the directory is a bpffs of the agent's own.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <linux/magic.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "node/addon.h"

#define ENUM_SETTING(name, word) name,
enum { MZ_DATAPATH_SETTINGS(ENUM_SETTING) SETTINGS };

static const char *const pinned_maps[] = {
	"flows", "masks", "chunks", "stats", "peers", "punts", "punt_lists"
};
static const char *const ring_names[MZ_CLASSES] = { "up_vm", "up_uplink", "up_tunnel" };

static size_t credits_size(void)
{
	return sizeof(struct mz_credit) * MZ_PORTS_MAX;
}

static size_t outs_size(void)
{
	return sizeof(struct mz_chunk) * MZ_OUT_CHUNKS;
}

/* The layout's version is part of the name: an agent never adopts what it cannot read. */
static void pin_path(struct host *h, const char *name, char *into)
{
	snprintf(into, PATH_SIZE + 32, "%s/%s_v%d", h->pins, name, MZ_ABI_VERSION);
}

static void unpin_maps(struct host *h)
{
	char path[PATH_SIZE + 32];

	for (size_t i = 0; i < sizeof(pinned_maps) / sizeof(pinned_maps[0]); i++) {
		pin_path(h, pinned_maps[i], path);
		unlink(path);
	}
}

static int set_size(struct bpf_object *o, const char *map, uint32_t entries)
{
	struct bpf_map *m = bpf_object__find_map_by_name(o, map);

	return m == NULL ? -ENOENT : bpf_map__set_max_entries(m, entries);
}

static int prepare(struct host *h, const char *path, const uint32_t *settings)
{
	struct bpf_object *o = bpf_object__open(path);
	char pin[PATH_SIZE + 32];
	int e = 0;

	if (o == NULL)
		return -errno;
	h->object = o;
	e |= set_size(o, "flows", settings[FLOWS_MAX]);
	e |= set_size(o, "stats", settings[FLOWS_MAX] + 1);
	e |= set_size(o, "chunks", settings[CHUNKS_MAX] + 1);
	for (int i = 0; i < MZ_CLASSES; i++)
		e |= set_size(o, ring_names[i], settings[RING_VM + i]);
	if (e)
		return -EINVAL;
	for (size_t i = 0; h->pins[0] && i < sizeof(pinned_maps) / sizeof(pinned_maps[0]); i++) {
		pin_path(h, pinned_maps[i], pin);
		if (access(pin, F_OK) == 0)
			h->stats_top = UINT32_MAX; /* an earlier agent's */
		e = bpf_map__set_pin_path(bpf_object__find_map_by_name(o, pinned_maps[i]), pin);
		if (e)
			return e;
	}
	return 0;
}

/* Maps left by an agent with other sizes do not fit: then the flows are lost, not the start. */
static int load(struct host *h, const char *path, const uint32_t *settings)
{
	int e = prepare(h, path, settings);

	if (!e)
		e = bpf_object__load(h->object);
	if (!e || !h->pins[0])
		return e;
	bpf_object__close(h->object);
	h->object = NULL;
	unpin_maps(h);
	e = prepare(h, path, settings);
	return e ? e : bpf_object__load(h->object);
}

static int fd_of(struct host *h, const char *name)
{
	return bpf_object__find_map_fd_by_name(h->object, name);
}

static int find_maps(struct host *h, const uint32_t *settings)
{
	int fd;

	h->flows = fd_of(h, "flows");
	h->masks = fd_of(h, "masks");
	h->chunks = fd_of(h, "chunks");
	h->stats = fd_of(h, "stats");
	h->config = fd_of(h, "config");
	h->ports = fd_of(h, "ports");
	h->locals = fd_of(h, "locals");
	h->peers = fd_of(h, "peers");
	h->counters = fd_of(h, "counters");
	h->punts = fd_of(h, "punts");
	h->punt_lists = fd_of(h, "punt_lists");
	fd = fd_of(h, "credits");
	h->credits = mmap(NULL, credits_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	fd = fd_of(h, "outs");
	h->outs = mmap(NULL, outs_size(), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (h->credits == MAP_FAILED || h->outs == MAP_FAILED)
		return -errno;
	for (int i = 0; i < MZ_CLASSES; i++) {
		int e = map_ring(&h->rings[i], fd_of(h, ring_names[i]), settings[RING_VM + i]);

		if (!e)
			e = waiter_watch(&h->waiter, h->rings[i].fd);
		if (e)
			return e;
	}
	return 0;
}

static int open_socket(struct host *h)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET, .sll_ifindex = h->inject_ifindex };
	int on = 1, room = 8 << 20;
	/* protocol 0: it sends and never receives */
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_CLOEXEC, 0);

	if (fd < 0)
		return -errno;
	h->packet_socket = fd;
	if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof(on)) ||
	    bind(fd, (struct sockaddr *)&to, sizeof(to)))
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room));
	return 0;
}

static int open_inject(struct host *h, uint32_t vxlan_port)
{
	struct mz_config config = { .vxlan_port = vxlan_port };
	uint32_t zero = 0;
	int e = make_inject_pair(h->names[0], h->names[1]);

	if (e)
		return e;
	h->inject_ifindex = if_nametoindex(h->names[0]);
	config.inject_ifindex = h->inject_ifindex;
	if (bpf_map_update_elem(h->config, &zero, &config, BPF_ANY))
		return -errno;
	h->inject = (struct attachment){ .ifindex = h->inject_ifindex, .link = -1, .egress = true };
	e = attach_program(h, &h->inject, "inject", false);
	return e < 0 ? e : open_socket(h);
}

static int open_all(struct host *h, const char *path, const uint32_t *settings)
{
	int e = waiter_open(&h->waiter);

	h->namespace = own_namespace();
	if (!e && h->pins[0])
		e = mount_pins(h->pins);
	if (!e && h->pins[0])
		e = claim_pins(h->pins);
	if (!e)
		e = load(h, path, settings);
	if (!e)
		e = find_maps(h, settings);
	if (!e)
		e = open_inject(h, settings[VXLAN_PORT]);
	h->flows_max = settings[FLOWS_MAX];
	h->chunks_max = settings[CHUNKS_MAX];
	h->credits_max = settings[CREDITS];
	h->cpus = libbpf_num_possible_cpus();
	return e;
}

static void close_all(struct host *h, bool keep)
{
	int back = visit_namespace(h->namespace);

	await_attaching(h, 0);
	h->open = false;
	waiter_close(&h->waiter);
	for (uint32_t i = 0; i < MZ_PORTS_MAX; i++)
		if (h->attached[i].ifindex)
			detach_program(h, &h->attached[i], keep);
	if (h->inject.ifindex)
		detach_program(h, &h->inject, keep);
	if (h->packet_socket >= 0)
		close(h->packet_socket);
	for (int i = 0; i < MZ_CLASSES; i++)
		unmap_ring(&h->rings[i], h->rings[i].mask + 1);
	if (h->credits != NULL && h->credits != MAP_FAILED)
		munmap(h->credits, credits_size());
	if (h->outs != NULL && h->outs != MAP_FAILED)
		munmap(h->outs, outs_size());
	if (h->object != NULL)
		bpf_object__close(h->object);
	if (!keep) {
		if (h->inject_ifindex)
			delete_link(h->names[0]);
		if (h->pins[0]) {
			unpin_maps(h);
			release_pins(h->pins);
			umount2(h->pins, MNT_DETACH);
			rmdir(h->pins);
		}
	}
	free(h->dump_keys);
	free(h->dump_flows);
	free(h->percpu);
	leave_namespace(back);
	if (h->namespace >= 0)
		close(h->namespace);
}

/* Without close() the kernel side goes on when it is pinned: a forgotten handle is a killed
 * agent. */
static void finalize(napi_env env, void *data, void *hint)
{
	struct host *h = data;

	(void)env;
	(void)hint;
	if (h->open)
		close_all(h, true);
	h->magic = 0;
	free(h);
}

/* open(object, pins, injectName, settings) -> handle, or negative errno */
napi_value open_host(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct span settings = arg_span(&a, 3);
	struct host *h = calloc(1, sizeof(*h));
	char path[PATH_SIZE], name[NAME_SIZE - 1];
	napi_value handle;
	int e = -EINVAL;

	if (h == NULL)
		return number(env, -ENOMEM);
	h->magic = HOST_MAGIC;
	h->open = true;
	pthread_mutex_init(&h->attach_lock, NULL);
	pthread_cond_init(&h->attach_ran, NULL);
	h->packet_socket = -1;
	h->namespace = -1;
	arg_text(&a, 0, path, sizeof(path));
	arg_text(&a, 1, h->pins, sizeof(h->pins));
	arg_text(&a, 2, name, sizeof(name));
	snprintf(h->names[0], NAME_SIZE, "%s0", name);
	snprintf(h->names[1], NAME_SIZE, "%s1", name);
	if (path[0] && name[0] && settings.len >= SETTINGS * sizeof(uint32_t))
		e = open_all(h, path, (uint32_t *)settings.at);
	if (e) {
		close_all(h, true);
		free(h);
		return number(env, e);
	}
	if (napi_create_external(env, h, finalize, NULL, &handle) != napi_ok)
		return number(env, -ENOMEM);
	return handle;
}

/* close(handle, keep) */
napi_value close_host(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);

	if (h == NULL)
		return number(env, -EBADF);
	close_all(h, arg_bool(&a, 1));
	return number(env, 0);
}

/* counters(handle, Float64Array) */
napi_value read_counters(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span out = arg_span(&a, 1);
	uint64_t *values;

	if (h == NULL || out.len < MZ_CNT_MAX * sizeof(double))
		return number(env, h == NULL ? -EBADF : -EINVAL);
	values = calloc(h->cpus, sizeof(*values));
	if (values == NULL)
		return number(env, -ENOMEM);
	for (uint32_t i = 0; i < MZ_CNT_MAX; i++) {
		double sum = 0;

		if (!bpf_map_lookup_elem(h->counters, &i, values))
			for (uint32_t cpu = 0; cpu < h->cpus; cpu++)
				sum += values[cpu];
		((double *)out.at)[i] = sum;
	}
	free(values);
	return number(env, 0);
}

/* What is in the map and not in the list goes, what is in the list comes. */
static void replace_set(int map, const uint32_t *address, uint32_t n)
{
	uint32_t key, next, one = 1;
	bool more = !bpf_map_get_next_key(map, NULL, &next);

	while (more) {
		bool stays = false;

		key = next;
		more = !bpf_map_get_next_key(map, &key, &next);
		for (uint32_t i = 0; i < n; i++)
			stays |= address[i] == key;
		if (!stays)
			bpf_map_delete_elem(map, &key);
	}
	for (uint32_t i = 0; i < n; i++)
		bpf_map_update_elem(map, &address[i], &one, BPF_ANY);
}

/* setLocals(handle, Uint32Array of IPv4): replaces the set */
napi_value set_locals(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span in = arg_span(&a, 1);

	if (h == NULL || in.len / 4 > MZ_LOCALS_MAX)
		return number(env, h == NULL ? -EBADF : -E2BIG);
	replace_set(h->locals, (uint32_t *)in.at, in.len / 4);
	return number(env, 0);
}

/* setPeers(handle, Uint32Array of IPv4): replaces the set */
napi_value set_peers(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span in = arg_span(&a, 1);

	if (h == NULL || in.len / 4 > MZ_PEERS_MAX)
		return number(env, h == NULL ? -EBADF : -E2BIG);
	replace_set(h->peers, (uint32_t *)in.at, in.len / 4);
	return number(env, 0);
}
