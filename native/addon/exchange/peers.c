/* SPDX-License-Identifier: Apache-2.0
 *
 * The peers of an exchange, a socket for each of our addresses towards them, and whether they
 * live.  Silence is what condemns a peer, so it is measured in time in which this host listened:
 * a thread that was kept from running excuses everybody for as long.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/ip.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>
#include "parts.h"

#define ROOM (8 << 20)
#define TOS_EF 0xb8
#define PRIORITY 6            /* the highest that needs no privilege: socket(7) */
#define PROBE_AFTER 2         /* heartbeats of silence */
#define AWAY_AFTER 2          /* times `dead`: an agent may be slow where a kernel is not */

uint64_t new_epoch(void)
{
	uint64_t epoch = 0;

	while (epoch == 0)
		if (getrandom(&epoch, sizeof(epoch), 0) < 0 && errno != EINTR)
			return now_ns(); /* no kernel that runs this lacks it */
	return epoch;
}

/* --- sockets -------------------------------------------------------------------------------- */

static int open_local(struct exchange *x, uint32_t address)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_port = htons(x->port),
				  .sin_addr.s_addr = htonl(address) };
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int on = 1, room = ROOM, tos = TOS_EF, priority = PRIORITY, fragment = IP_PMTUDISC_DONT;
	struct epoll_event event = { .events = EPOLLIN };

	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	/* an address may come after its tunnels */
	setsockopt(fd, IPPROTO_IP, IP_FREEBIND, &on, sizeof(on));
	setsockopt(fd, IPPROTO_IP, IP_MTU_DISCOVER, &fragment, sizeof(fragment));
	setsockopt(fd, IPPROTO_IP, IP_TOS, &tos, sizeof(tos));
	setsockopt(fd, SOL_SOCKET, SO_PRIORITY, &priority, sizeof(priority));
	if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room)))
		setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &room, sizeof(room)))
		setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &room, sizeof(room));
	event.data.fd = fd;
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)) ||
	    epoll_ctl(x->poll, EPOLL_CTL_ADD, fd, &event)) {
		int e = -errno;

		close(fd);
		return e;
	}
	return fd;
}

/* Sockets stay until the exchange is closed: an address that went may come back, and whoever is
 * sending just now must not find another's descriptor. */
static int socket_for(struct exchange *x, uint32_t address)
{
	int fd;

	for (uint32_t i = 0; i < x->local_count; i++)
		if (x->locals[i].address == address)
			return x->locals[i].fd;
	if (x->local_count == LOCALS_MAX)
		return -E2BIG;
	fd = open_local(x, address);
	if (fd >= 0) {
		x->locals[x->local_count].address = address;
		x->locals[x->local_count++].fd = fd;
	}
	return fd;
}

/* --- the list ------------------------------------------------------------------------------- */

static void leave_list(struct peer **list, uint32_t *n, struct peer *p)
{
	for (uint32_t i = 0; i < *n; i++)
		if (list[i] == p)
			list[i--] = list[--*n];
}

static void free_peer(struct exchange *x, struct peer *p)
{
	forget_sent(x, p);
	forget_waiting(x, p);
	miss_pulls(x, p->word);
	leave_list(x->drafted, &x->drafted_count, p);
	leave_list(x->acking, &x->acking_count, p);
	for (int i = 0; i < DRAFTS; i++)
		free(p->drafts[i].bytes);
	free(p);
}

void free_peers(struct exchange *x)
{
	for (uint32_t i = 0; i < x->peer_count; i++)
		free_peer(x, x->peers[i]);
	x->peer_count = 0;
	forget_index(x);
}

/* Takes those out that are not in the new list; sessions with the others go on. */
static void sift(struct exchange *x, const uint32_t *triples, uint32_t n)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < x->peer_count; i++)
		x->peers[i]->stays = false;
	for (uint32_t i = 0; i < n; i++, triples += 3) {
		struct peer *p = find_peer(x, triples[0]);

		if (p)
			p->stays = true;
	}
	for (uint32_t i = 0; i < x->peer_count; i++) {
		if (x->peers[i]->stays)
			x->peers[left++] = x->peers[i];
		else
			free_peer(x, x->peers[i]);
	}
	x->peer_count = left;
	forget_index(x);
	for (uint32_t i = 0; i < left; i++)
		index_peer(x, i);
}

static struct peer *add_peer(struct exchange *x, uint32_t word)
{
	struct peer *p = x->peer_count < PEERS_MAX ? calloc(1, sizeof(*p)) : NULL;

	if (p == NULL) {
		x->count[COUNT_PEERS_FULL]++;
		return NULL;
	}
	p->word = word;
	p->fresh = new_epoch();
	p->host = true; /* until it has been silent for long enough */
	p->heard = p->probed = now_ns();
	x->peers[x->peer_count] = p;
	index_peer(x, x->peer_count++);
	return p;
}

static int place_peer(struct exchange *x, const uint32_t *triple)
{
	struct peer *p = find_peer(x, triple[0]);

	if (triple[0] == x->word || (p == NULL && (p = add_peer(x, triple[0])) == NULL))
		return 0;
	p->address = triple[1];
	p->local = triple[2];
	p->fd = socket_for(x, p->local);
	return p->fd < 0 ? p->fd : 0;
}

int replace_peers(struct exchange *x, const uint32_t *triples, uint32_t n)
{
	int failed = 0;

	sift(x, triples, n);
	for (uint32_t i = 0; i < n; i++) {
		int e = place_peer(x, triples + 3 * i);

		failed = e ? e : failed;
	}
	return failed;
}

/* --- whether they live ---------------------------------------------------------------------- */

static void part_from(struct exchange *x, struct peer *p)
{
	p->overflowed = false;
	p->own = p->theirs = 0; /* what it misses it has to hear in a new session */
	forget_sent(x, p);
	forget_waiting(x, p);
	miss_pulls(x, p->word);
	p->ack_count = 0;
}

void judge_peer(struct exchange *x, struct peer *p, bool host, bool agent)
{
	if (p->host == host && p->agent == agent)
		return;
	if (p->agent && !agent)
		part_from(x, p);
	if (p->host && !host)
		x->count[COUNT_PEER_LOST]++;
	p->host = host;
	p->agent = agent;
	p->news_liveness = true;
	x->peer_news++;
}

static void probe(struct exchange *x, struct sendq *o, struct peer *p, uint64_t now)
{
	uint32_t i = p->probe_at++ & (PROBES_KEPT - 1);

	send_plain(x, o, p, MESSAGE_PROBE, NULL, 0);
	p->probes[i].sequence = p->sequence;
	p->probes[i].epoch = p->theirs ? p->own : p->fresh;
	p->probes[i].at = now;
}

static void judge_silence(struct exchange *x, struct peer *p, uint64_t now)
{
	uint64_t silent = since(p->heard, now);
	bool probed = since(p->probed, now) <= x->dead;

	if (silent > (probed ? AWAY_AFTER : 1) * x->dead)
		judge_peer(x, p, probed, false);
}

void judge_silent(struct exchange *x, uint64_t now)
{
	x->silence_due = 0;
	for (uint32_t i = 0; i < x->peer_count; i++)
		judge_silence(x, x->peers[i], now);
}

/* Between two heartbeats a peer may have been silent for long enough. */
static void expect_silence(struct exchange *x, const struct peer *p, uint64_t now)
{
	uint64_t last = p->heard > p->probed ? p->heard : p->probed;
	uint64_t due = last + x->dead + 1;

	if (p->host && due < now + x->heartbeat && (x->silence_due == 0 || due < x->silence_due))
		x->silence_due = due;
}

void tick_peers(struct exchange *x, struct sendq *o, uint64_t now)
{
	x->silence_due = 0;
	for (uint32_t i = 0; i < x->peer_count; i++) {
		struct peer *p = x->peers[i];

		if (!x->keyed) {
			p->heard = p->probed = now; /* nobody can be heard yet */
			continue;
		}
		if (p->fd < 0) /* its port may have been another's until now */
			p->fd = socket_for(x, p->local);
		judge_silence(x, p, now);
		expect_silence(x, p, now);
		settle(x, p); /* all of it may have been given up */
		if (p->theirs)
			send_plain(x, o, p, MESSAGE_HEARTBEAT, NULL, 0);
		else
			send_hello(x, o, p, p->fresh, 0);
		if (since(p->heard, now) >= PROBE_AFTER * x->heartbeat)
			probe(x, o, p, now);
	}
}

/* The thread ran late: no peer is silent for that, and each has an interval more to speak. */
void excuse_silence(struct exchange *x, uint64_t late, uint64_t now)
{
	x->count[COUNT_LATE]++;
	for (uint32_t i = 0; i < x->peer_count; i++) {
		struct peer *p = x->peers[i];
		uint64_t *since[2] = { &p->heard, &p->probed };

		for (int j = 0; j < 2; j++) {
			if (*since[j] + x->dead + late <= now)
				continue; /* it was condemned before */
			*since[j] += late;
			if (*since[j] + x->dead < now + PROBE_AFTER * x->heartbeat)
				*since[j] = now + PROBE_AFTER * x->heartbeat - x->dead;
			if (*since[j] > now)
				*since[j] = now;
		}
	}
}
