/* SPDX-License-Identifier: Apache-2.0
 *
 * Netlink: a raw route socket whose messages TypeScript writes and reads
 * (src/native/netlink.ts), the private veth pair of packet-outs, and the move of this thread
 * into another namespace.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <linux/veth.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "addon.h"

#define NETLINK_MAGIC 0x6d7a4e4c
#define RECEIVE_ROOM (4 << 20)
#define INJECT_MTU 65535
#define ANSWER_MS 1000

struct netlink {
	uint32_t magic;
	int fd;
	struct waiter waiter;
};

struct message {
	struct nlmsghdr n;
	struct ifinfomsg i;
	uint8_t rest[512];
};

static void *tail(struct message *m)
{
	return (uint8_t *)m + NLMSG_ALIGN(m->n.nlmsg_len);
}

static struct rtattr *add(struct message *m, int type, const void *data, size_t len)
{
	struct rtattr *a = tail(m);

	a->rta_type = type;
	a->rta_len = RTA_LENGTH(len);
	if (len)
		memcpy(RTA_DATA(a), data, len);
	m->n.nlmsg_len = NLMSG_ALIGN(m->n.nlmsg_len) + RTA_ALIGN(a->rta_len);
	return a;
}

static void end(struct message *m, struct rtattr *a)
{
	a->rta_len = (uint8_t *)tail(m) - (uint8_t *)a;
}

/* Sends one request and waits for the kernel's word. */
static int ask(struct message *m)
{
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE), e;
	uint8_t answer[1024];
	struct nlmsghdr *n = (struct nlmsghdr *)answer;
	struct nlmsgerr *said = NLMSG_DATA(n);

	if (fd < 0)
		return -errno;
	m->n.nlmsg_flags |= NLM_F_REQUEST | NLM_F_ACK;
	if (send(fd, m, m->n.nlmsg_len, 0) < 0 || recv(fd, answer, sizeof(answer), 0) < 0)
		e = -errno;
	else
		e = n->nlmsg_type == NLMSG_ERROR ? said->error : -EPROTO;
	close(fd);
	return e;
}

static struct message request(int type, int flags)
{
	struct message m = { .n = { .nlmsg_len = NLMSG_LENGTH(sizeof(struct ifinfomsg)),
				    .nlmsg_type = type, .nlmsg_flags = flags } };

	return m;
}

static int create_pair(const char *name, const char *peer)
{
	struct message m = request(RTM_NEWLINK, NLM_F_CREATE | NLM_F_EXCL);
	struct ifinfomsg other = { 0 };
	uint32_t mtu = INJECT_MTU;
	struct rtattr *info, *data, *end_of;

	add(&m, IFLA_IFNAME, name, strlen(name) + 1);
	add(&m, IFLA_MTU, &mtu, sizeof(mtu));
	info = add(&m, IFLA_LINKINFO, NULL, 0);
	add(&m, IFLA_INFO_KIND, "veth", 4);
	data = add(&m, IFLA_INFO_DATA, NULL, 0);
	end_of = add(&m, VETH_INFO_PEER, &other, sizeof(other));
	add(&m, IFLA_IFNAME, peer, strlen(peer) + 1);
	add(&m, IFLA_MTU, &mtu, sizeof(mtu));
	end(&m, end_of);
	end(&m, data);
	end(&m, info);
	return ask(&m);
}

static int set_up(const char *name)
{
	struct message m = request(RTM_NEWLINK, 0);

	m.i.ifi_flags = m.i.ifi_change = IFF_UP;
	add(&m, IFLA_IFNAME, name, strlen(name) + 1);
	return ask(&m);
}

/* No neighbour discovery on it: the pair is nobody's network.  /proc/sys/net shows the
 * namespace of the thread that opens it. */
static void disable_ipv6(const char *name)
{
	char path[96];
	int fd;

	snprintf(path, sizeof(path), "/proc/sys/net/ipv6/conf/%s/disable_ipv6", name);
	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return; /* a kernel without IPv6 */
	if (write(fd, "1", 1) < 0)
		fprintf(stderr, "mezzo: %s stays at 0\n", path);
	close(fd);
}

/* The pair of an earlier agent is taken over: its pinned program still serves. */
int make_inject_pair(const char *name, const char *peer)
{
	int e = create_pair(name, peer);

	if (e && e != -EEXIST)
		return e;
	disable_ipv6(name);
	disable_ipv6(peer);
	e = set_up(peer);
	return e ? e : set_up(name);
}

void delete_link(const char *name)
{
	struct message m = request(RTM_DELLINK, 0);

	add(&m, IFLA_IFNAME, name, strlen(name) + 1);
	ask(&m);
}

int own_namespace(void)
{
	return open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC);
}

int visit_namespace(int fd)
{
	int back = own_namespace();

	if (fd >= 0 && setns(fd, CLONE_NEWNET) && back >= 0) {
		close(back);
		return -1;
	}
	return back;
}

void leave_namespace(int back)
{
	if (back < 0)
		return;
	setns(back, CLONE_NEWNET);
	close(back);
}

/* enterNamespace(path): this thread alone */
napi_value enter_namespace(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	char path[PATH_SIZE];
	int fd, e;

	arg_text(&a, 0, path, sizeof(path));
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return number(env, -errno);
	e = setns(fd, CLONE_NEWNET) ? -errno : 0;
	close(fd);
	return number(env, e);
}

/* --- the socket that TypeScript speaks through ---------------------------------------------- */

static struct netlink *arg_netlink(struct args *a)
{
	struct netlink *l = NULL;
	napi_valuetype type;

	if (a->n < 1 || napi_typeof(a->env, a->v[0], &type) != napi_ok || type != napi_external ||
	    napi_get_value_external(a->env, a->v[0], (void **)&l) != napi_ok)
		return NULL;
	return l != NULL && l->magic == NETLINK_MAGIC && l->fd >= 0 ? l : NULL;
}

static void shut(struct netlink *l)
{
	waiter_close(&l->waiter);
	if (l->fd >= 0)
		close(l->fd);
	l->fd = -1;
}

static void finalize(napi_env env, void *data, void *hint)
{
	struct netlink *l = data;

	(void)env;
	(void)hint;
	shut(l);
	l->magic = 0;
	free(l);
}

static int connect_netlink(struct netlink *l, napi_env env, napi_value fire)
{
	struct sockaddr_nl me = { .nl_family = AF_NETLINK,
				  .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
					       RTMGRP_IPV6_IFADDR };
	int room = RECEIVE_ROOM, e;

	l->fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
	if (l->fd < 0)
		return -errno;
	setsockopt(l->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (bind(l->fd, (struct sockaddr *)&me, sizeof(me)))
		return -errno;
	e = waiter_open(&l->waiter);
	if (!e)
		e = waiter_watch(&l->waiter, l->fd);
	return e ? e : waiter_start(&l->waiter, env, fire);
}

/* netlinkOpen(fire) -> handle, or negative errno */
napi_value open_netlink(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct netlink *l = calloc(1, sizeof(*l));
	napi_value handle;
	int e;

	if (l == NULL)
		return number(env, -ENOMEM);
	l->magic = NETLINK_MAGIC;
	l->fd = -1;
	e = a.n < 1 ? -EINVAL : connect_netlink(l, env, a.v[0]);
	if (!e && napi_create_external(env, l, finalize, NULL, &handle) == napi_ok)
		return handle;
	shut(l);
	free(l);
	return number(env, e ? e : -ENOMEM);
}

/* netlinkRead(handle, into, wait) -> bytes of one datagram; 0: nothing now; -ENOBUFS: some
 * were lost */
napi_value read_netlink(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct netlink *l = arg_netlink(&a);
	struct span into = arg_span(&a, 1);
	ssize_t n;

	if (l == NULL)
		return number(env, -EBADF);
	if (arg_bool(&a, 2)) { /* an answer is on its way: the kernel made it in send() */
		/* never select(): a descriptor above 1023 lies outside of its set, on our stack */
		struct pollfd wait = { .fd = l->fd, .events = POLLIN };

		poll(&wait, 1, ANSWER_MS);
	}
	n = recv(l->fd, into.at, into.len, 0);
	if (n >= 0)
		return number(env, n);
	if (errno != EAGAIN)
		return number(env, -errno);
	waiter_rearm(&l->waiter);
	return number(env, 0);
}

/* netlinkWrite(handle, bytes) */
napi_value write_netlink(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct netlink *l = arg_netlink(&a);
	struct span bytes = arg_span(&a, 1);

	if (l == NULL)
		return number(env, -EBADF);
	return number(env, send(l->fd, bytes.at, bytes.len, 0) < 0 ? -errno : 0);
}

napi_value close_netlink(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct netlink *l = arg_netlink(&a);

	if (l == NULL)
		return number(env, -EBADF);
	shut(l);
	return number(env, 0);
}
