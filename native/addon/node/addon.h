/* SPDX-License-Identifier: Apache-2.0
 *
 * What the addon's files share.  Everything hangs on a handle: one process may run several hosts,
 * each worker thread in a network namespace of its own, so nothing here is global.  A function
 * answers with a number, negative errno for failure; TypeScript makes the sentences.
 */
#ifndef MEZZO_ADDON_H
#define MEZZO_ADDON_H

#define NAPI_VERSION 8
#include <node_api.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include "abi.h"

struct bpf_object;

/* --- util.c: arguments and results ---------------------------------------------------------- */

#define ARGS_MAX 12
struct args {
	napi_env env;
	size_t n;
	napi_value v[ARGS_MAX];
};
/* A typed array's or buffer's memory; len in bytes. */
struct span {
	uint8_t *at;
	size_t len;
};

struct args take_args(napi_env env, napi_callback_info info);
napi_value number(napi_env env, double value);
uint32_t arg_u32(struct args *a, size_t i);
bool arg_bool(struct args *a, size_t i);
/* Empty when absent or too long. */
void arg_text(struct args *a, size_t i, char *into, size_t size);
struct span arg_span(struct args *a, size_t i);

/* --- state.c: the table behind a handle ----------------------------------------------------- */

struct state_table;
struct state_table *arg_state(struct args *a, size_t i);

/* --- waiter.c: a thread that tells the loop when a descriptor is readable ------------------- */

struct waiter {
	int epoll, rearm, stop;
	pthread_t thread;
	bool running;
	napi_env env;
	napi_threadsafe_function tell;
};
int waiter_open(struct waiter *w);
int waiter_watch(struct waiter *w, int fd);
/* `fire` is called on the loop, once until waiter_rearm. */
int waiter_start(struct waiter *w, napi_env env, napi_value fire);
void waiter_rearm(struct waiter *w);
void waiter_close(struct waiter *w);

/* --- a host's datapath ---------------------------------------------------------------------- */

#define HOST_MAGIC 0x6d7a4850
#define PATH_SIZE 256
#define NAME_SIZE 16

struct ring {
	int fd;
	unsigned long *consumer;
	unsigned long *producer;
	uint8_t *data;
	uint64_t mask;
};

struct attachment {
	uint32_t ifindex; /* 0: the slot is free */
	int link;         /* -1: clsact */
	uint8_t port_class;
	bool egress;
};

struct host {
	uint32_t magic;
	bool open;
	struct bpf_object *object;
	char pins[PATH_SIZE];
	char names[2][NAME_SIZE]; /* of the inject pair */
	uint32_t inject_ifindex;
	struct attachment inject;
	int flows, masks, chunks, stats, config, ports, locals, peers, counters;
	int punts, punt_lists;
	uint32_t flows_max, chunks_max, credits_max, cpus;
	uint32_t stats_top;       /* ids above it have never been used */
	struct ring rings[MZ_CLASSES];
	struct mz_credit *credits;
	struct mz_chunk *outs;
	int packet_socket;
	int namespace;            /* it was opened in: interface numbers mean nothing elsewhere */
	struct attachment attached[MZ_PORTS_MAX];
	struct attaching *attaching; /* under way, see attach-soon.c */
	pthread_mutex_t attach_lock;
	pthread_cond_t attach_ran;
	uint16_t lent[64];        /* slots whose credit the last burst holds */
	uint32_t lent_count;
	uint32_t sleeps, vain;    /* before the rings are watched again; how many the next time */
	struct waiter waiter;
	/* how far flows.c has dumped the table, for adoption */
	bool dumping, dump_done;
	uint32_t dump_at, dump_count, dump_token;
	struct mz_key *dump_keys;
	struct mz_flow *dump_flows;
	struct mz_stats *percpu;
};

struct host *arg_host(struct args *a, size_t i);

int64_t credits_of(const struct host *h, uint32_t class);
int map_ring(struct ring *r, int fd, uint32_t size);
void unmap_ring(struct ring *r, uint32_t size);
int attach_program(struct host *h, struct attachment *at, const char *program, bool clsact);
void detach_program(struct host *h, struct attachment *at, bool keep);
/* Which program an interface of this class is to have now, and that in the place of another. */
const char *program_of(struct host *h, const struct attachment *at);
int swap_program(struct host *h, struct attachment *at);
/* Where the program of an interface is remembered, or with 0 a free place; -ENOSPC: nowhere. */
int slot_of(struct host *h, uint32_t ifindex);
void free_slot(struct host *h, int slot);
/* Attaches what a slot says on a thread of libuv's pool (attach-soon.c).  Of the arguments the
 * first is the host's handle, the fifth is called with what came of it. */
int begin_attaching(struct args *a, struct host *h, int slot, bool clsact);
/* What is under way for an interface, or with 0 for any, is done when it returns. */
void await_attaching(struct host *h, uint32_t ifindex);
int make_inject_pair(const char *name, const char *peer);
void delete_link(const char *name);
/* Pins that outlive an agent, of the namespace it is in (pins.c). */
int mount_pins(const char *dir);
int claim_pins(const char *dir);
void release_pins(const char *dir);
/* This thread's namespace, as a descriptor.  Visiting another gives the way back. */
int own_namespace(void);
int visit_namespace(int fd);
void leave_namespace(int back);
/* Completes what an upcalled frame left unfinished, for PACKET_VNET_HDR. */
struct virtio_net_hdr;
void finish_frame(uint8_t *frame, uint32_t len, uint32_t gso_size, struct virtio_net_hdr *h);

/* --- the addon's functions ------------------------------------------------------------------ */

napi_value open_host(napi_env env, napi_callback_info info);
napi_value close_host(napi_env env, napi_callback_info info);
napi_value attach_port(napi_env env, napi_callback_info info);
napi_value attach_soon(napi_env env, napi_callback_info info);
napi_value detach_port(napi_env env, napi_callback_info info);
napi_value list_pinned(napi_env env, napi_callback_info info);
napi_value set_punt(napi_env env, napi_callback_info info);
napi_value list_punts(napi_env env, napi_callback_info info);
napi_value set_locals(napi_env env, napi_callback_info info);
napi_value set_peers(napi_env env, napi_callback_info info);
napi_value read_counters(napi_env env, napi_callback_info info);
napi_value set_masks(napi_env env, napi_callback_info info);
napi_value get_masks(napi_env env, napi_callback_info info);
napi_value set_chunks(napi_env env, napi_callback_info info);
napi_value get_chunk(napi_env env, napi_callback_info info);
napi_value install_flows(napi_env env, napi_callback_info info);
napi_value remove_flows(napi_env env, napi_callback_info info);
napi_value read_stats(napi_env env, napi_callback_info info);
napi_value read_stats_of(napi_env env, napi_callback_info info);
napi_value adopt_flows(napi_env env, napi_callback_info info);
napi_value start_upcalls(napi_env env, napi_callback_info info);
napi_value receive_burst(napi_env env, napi_callback_info info);
napi_value send_frames(napi_env env, napi_callback_info info);
napi_value enter_namespace(napi_env env, napi_callback_info info);
napi_value listen_in(napi_env env, napi_callback_info info);
napi_value open_netlink(napi_env env, napi_callback_info info);
napi_value read_netlink(napi_env env, napi_callback_info info);
napi_value write_netlink(napi_env env, napi_callback_info info);
napi_value close_netlink(napi_env env, napi_callback_info info);
napi_value monotonic_now(napi_env env, napi_callback_info info);
napi_value trim_memory(napi_env env, napi_callback_info info);
napi_value open_state(napi_env env, napi_callback_info info);
napi_value close_state(napi_env env, napi_callback_info info);
napi_value find_state(napi_env env, napi_callback_info info);
napi_value held_state(napi_env env, napi_callback_info info);
napi_value read_state(napi_env env, napi_callback_info info);
napi_value stamp_state(napi_env env, napi_callback_info info);
napi_value put_state(napi_env env, napi_callback_info info);
napi_value note_state(napi_env env, napi_callback_info info);
napi_value remove_state(napi_env env, napi_callback_info info);
napi_value expire_state(napi_env env, napi_callback_info info);
napi_value scan_state(napi_env env, napi_callback_info info);
napi_value inform_state(napi_env env, napi_callback_info info);
napi_value stop_state_clock(napi_env env, napi_callback_info info);
napi_value exchange_open(napi_env env, napi_callback_info info);
napi_value exchange_close(napi_env env, napi_callback_info info);
napi_value exchange_set_key(napi_env env, napi_callback_info info);
napi_value exchange_set_peers(napi_env env, napi_callback_info info);
napi_value exchange_ready(napi_env env, napi_callback_info info);
napi_value exchange_room(napi_env env, napi_callback_info info);
napi_value exchange_share(napi_env env, napi_callback_info info);
napi_value exchange_flush(napi_env env, napi_callback_info info);
napi_value exchange_pull(napi_env env, napi_callback_info info);
napi_value exchange_ask(napi_env env, napi_callback_info info);
napi_value exchange_tell(napi_env env, napi_callback_info info);
napi_value exchange_read(napi_env env, napi_callback_info info);
napi_value exchange_counters(napi_env env, napi_callback_info info);

#endif
