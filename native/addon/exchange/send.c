/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames out.  What must be acknowledged is kept and sent again: each time with a new sequence, of
 * which any acknowledges it, after a wait that doubles.  Messages that were sent equally often are
 * due in the order in which they were sent, so one list for each number of sendings is all the
 * timer needs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "parts.h"

#define NS_PER_MS 1000000ull
#define KEPT_HOLDS 4          /* times the bound of a held packet, then it is given up */

/* --- datagrams ------------------------------------------------------------------------------ */

/* For tests: loses some of what is sent, the same for the same seed (xorshift). */
static bool is_dropped(struct exchange *x)
{
	if (x->drop_per_mille == 0)
		return false;
	x->chance ^= x->chance << 13;
	x->chance ^= x->chance >> 17;
	x->chance ^= x->chance << 5;
	return x->chance % 1000 < x->drop_per_mille;
}

void flush_sendq(struct exchange *x, struct sendq *o)
{
	struct mmsghdr headers[SENDQ];
	struct iovec parts[SENDQ];
	uint32_t failed = 0;

	for (uint32_t i = 0; i < o->n; i++) {
		parts[i] = (struct iovec){ o->bytes[i], o->len[i] };
		headers[i] = (struct mmsghdr){ .msg_hdr = {
			.msg_name = &o->to[i], .msg_namelen = sizeof(o->to[i]),
			.msg_iov = &parts[i], .msg_iovlen = 1 } };
	}
	for (uint32_t i = 0; i < o->n;) {
		uint32_t same = 1;
		int sent;

		while (i + same < o->n && o->fd[i + same] == o->fd[i])
			same++;
		sent = sendmmsg(o->fd[i], headers + i, same, MSG_DONTWAIT | MSG_NOSIGNAL);
		failed += sent < 1;
		i += sent < 1 ? 1 : sent; /* the one that failed is sent again in its time */
	}
	o->n = 0;
	if (failed)
		__atomic_fetch_add(&x->count[COUNT_SEND_FAILED], failed, __ATOMIC_RELAXED);
}

/* Under the lock: a full send queue is sent at once. */
static void put_datagram(struct exchange *x, struct sendq *o, struct peer *p, uint8_t mark,
			 const struct message *m)
{
	size_t len;
	uint8_t *at;

	if (p->fd < 0)
		__atomic_fetch_add(&x->count[COUNT_SEND_FAILED], 1, __ATOMIC_RELAXED);
	if (!x->keyed || p->fd < 0)
		return;
	if (o->n == SENDQ)
		flush_sendq(x, o);
	at = o->bytes[o->n];
	len = write_message(at + FRAME_BYTES, m, &x->key);
	write_frame(at, mark, len);
	x->count[COUNT_SENT + m->type - 1]++;
	x->count[COUNT_BYTES_SENT] += len;
	if (is_dropped(x)) {
		x->count[COUNT_DROPPED]++;
		return;
	}
	o->len[o->n] = FRAME_BYTES + len;
	o->fd[o->n] = p->fd;
	o->to[o->n] = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = htons(x->port),
					    .sin_addr.s_addr = htonl(p->address) };
	o->n++;
}

static struct message message_to(struct exchange *x, struct peer *p, uint8_t type)
{
	return (struct message){ .type = type, .kinds = x->kinds,
				 .sender = x->word, .receiver = p->word,
				 .sender_epoch = p->theirs ? p->own : p->fresh,
				 .receiver_epoch = p->theirs,
				 .sequence = ++p->sequence };
}

void send_plain(struct exchange *x, struct sendq *o, struct peer *p, uint8_t type,
		const uint8_t *body, size_t len)
{
	struct message m = message_to(x, p, type);

	if (type == MESSAGE_PROBE) /* it comes back to us, the other agent never sees it */
		m.receiver_epoch = 0;
	m.body = body;
	m.len = len;
	put_datagram(x, o, p, type == MESSAGE_PROBE ? PROBE_ASKED : 0, &m);
}

void send_hello(struct exchange *x, struct sendq *o, struct peer *p, uint64_t own,
		uint64_t theirs)
{
	struct message m = message_to(x, p, MESSAGE_HELLO);

	m.sender_epoch = own;
	m.receiver_epoch = theirs;
	put_datagram(x, o, p, 0, &m);
}

void send_acks(struct exchange *x, struct sendq *o, struct peer *p)
{
	uint8_t body[8 * ACKS_MAX];

	for (uint32_t i = 0; i < p->ack_count; i++)
		put_u64(body + 8 * i, p->acks[i]);
	if (p->ack_count)
		send_plain(x, o, p, MESSAGE_ACK, body, 8 * p->ack_count);
	p->ack_count = 0;
}

void send_all_acks(struct exchange *x, struct sendq *o)
{
	for (uint32_t i = 0; i < x->acking_count; i++) {
		send_acks(x, o, x->acking[i]);
		x->acking[i]->acking = false;
	}
	x->acking_count = 0;
}

/* --- what is kept --------------------------------------------------------------------------- */

static void enqueue(struct exchange *x, struct under_way *u)
{
	struct queue *q = &x->queues[u->sends - 1];

	u->next = NULL;
	u->prev = q->last;
	*(q->last ? &q->last->next : &q->first) = u;
	q->last = u;
}

static void dequeue(struct exchange *x, struct under_way *u)
{
	struct queue *q = &x->queues[u->sends - 1];

	*(u->prev ? &u->prev->next : &q->first) = u->next;
	*(u->next ? &u->next->prev : &q->last) = u->prev;
}

static struct sending **slot_of(struct exchange *x, const struct peer *p, uint64_t sequence)
{
	return &x->by_sequence[(sequence ^ p->word * 0x9e3779b1u) & (SEQUENCE_SLOTS - 1)];
}

/* Sends it once more, and says when it is due again. */
static void send_once(struct exchange *x, struct sendq *o, struct under_way *u, uint64_t now)
{
	struct message m = message_to(x, u->peer, u->type);
	struct sending *s = &u->sending[u->sends], **slot = slot_of(x, u->peer, m.sequence);
	uint64_t end = u->born + KEPT_HOLDS * x->hold;

	*s = (struct sending){ .next = *slot, .of = u, .sequence = m.sequence };
	*slot = s;
	m.body = u->body;
	m.len = u->len;
	put_datagram(x, o, u->peer, 0, &m);
	u->due = now + (x->retransmit << u->sends++);
	if (u->due > end || u->sends == SENDS_MAX)
		u->due = end;
	enqueue(x, u);
	arm(x, u->due);
}

void forget(struct exchange *x, struct under_way *u)
{
	struct peer *p = u->peer;

	dequeue(x, u);
	*(u->before ? &u->before->after : &p->first) = u->after;
	if (u->after)
		u->after->before = u->before;
	for (int i = 0; i < u->sends; i++) {
		struct sending **at = slot_of(x, p, u->sending[i].sequence);

		while (*at != &u->sending[i])
			at = &(*at)->next;
		*at = u->sending[i].next;
	}
	TAKE(p->sent, 1);
	TAKE(p->bulk, u->bulk);
	TAKE(x->under_way, 1);
	waited(x, u->ticket);
	free(u);
}

void forget_sent(struct exchange *x, struct peer *p)
{
	while (p->first)
		forget(x, p->first);
}

void dispatch(struct exchange *x, struct sendq *o, struct under_way *u)
{
	struct peer *p = u->peer;

	u->born = now_ns();
	u->after = p->first;
	u->before = NULL;
	if (p->first)
		p->first->before = u;
	p->first = u;
	p->sent++;
	p->bulk += u->bulk;
	wait_for(x, u->ticket);
	send_once(x, o, u, u->born);
}

void acknowledged(struct exchange *x, struct peer *p, uint64_t sequence, uint64_t now)
{
	static const uint32_t bounds_us[ACK_BUCKETS - 1] = { 100, 200, 300, 500, 1000, 2000, 5000,
							     20000, 100000 };
	struct sending *s = *slot_of(x, p, sequence);
	uint64_t us;
	int bucket = 0;

	while (s && (s->sequence != sequence || s->of->peer != p))
		s = s->next;
	if (s == NULL)
		return; /* it had been acknowledged by another of its sequences */
	us = (since(s->of->born, now)) / 1000;
	while (bucket < ACK_BUCKETS - 1 && us > bounds_us[bucket])
		bucket++;
	x->count[COUNT_ACK_BUCKET + bucket]++;
	x->count[COUNT_ACK_SUM] += us;
	x->count[COUNT_ACKNOWLEDGED]++;
	p->passed_over = false;
	forget(x, s->of);
}

struct under_way *send_again(struct exchange *x, struct sendq *o, uint64_t now)
{
	for (int i = 0; i < SENDS_MAX; i++) {
		struct under_way *u;

		/* what is sent goes on to the next list, due later than now */
		while ((u = x->queues[i].first) && u->due <= now) {
			if (since(u->born, now) >= KEPT_HOLDS * x->hold || u->sends == SENDS_MAX)
				return u;
			dequeue(x, u);
			x->count[COUNT_RETRANSMITTED]++;
			send_once(x, o, u, now);
		}
	}
	return NULL;
}
