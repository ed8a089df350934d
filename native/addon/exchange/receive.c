/* SPDX-License-Identifier: Apache-2.0
 *
 * Frames in.  What is refused leaves nothing behind but a count; only after the tag is good is
 * anything answered or remembered.  Records go into the table before they are acknowledged: when
 * the sender lets its packet go, this host knows what the packet did.
 */
#define _GNU_SOURCE
#include <string.h>
#include "parts.h"

#define GREET_EVERY 20000000ull /* ns */
#define PROBE_FRESH 1000000000ull

/* --- the window of sequences ---------------------------------------------------------------- */

static bool is_replayed(const struct peer *p, uint64_t sequence)
{
	if (sequence == 0 || sequence + WINDOW <= p->highest)
		return true;
	return sequence <= p->highest &&
	       p->seen[sequence % WINDOW / 64] >> (sequence % 64) & 1;
}

static void note_sequence(struct peer *p, uint64_t sequence)
{
	if (sequence > p->highest) {
		if (sequence - p->highest >= WINDOW)
			memset(p->seen, 0, sizeof(p->seen));
		else
			for (uint64_t s = p->highest + 1; s <= sequence; s++)
				p->seen[s % WINDOW / 64] &= ~(1ull << s % 64);
		p->highest = sequence;
	}
	p->seen[sequence % WINDOW / 64] |= 1ull << sequence % 64;
}

/* --- sessions ------------------------------------------------------------------------------- */

enum standing { MEMBER, BEGINS, GREETING, STALE, SEEN };

/* What a message with a good tag is to the session: a pair of epochs, both made for it, so that
 * nothing said in one can be played again in another. */
static enum standing standing_of(const struct peer *p, const struct message *m)
{
	if (p->theirs && m->sender_epoch == p->theirs && m->receiver_epoch == p->own)
		return is_replayed(p, m->sequence) ? SEEN : MEMBER;
	/* only who hears us now can name it */
	if (m->sender_epoch && m->receiver_epoch == p->fresh)
		return BEGINS;
	return m->type == MESSAGE_HELLO && m->receiver_epoch == 0 ? GREETING : STALE;
}

/* What is no part of a session is answered; a forger cannot make us say more than one in 20 ms. */
static void greet(struct exchange *x, struct sendq *o, struct peer *p, const struct message *m,
		  uint64_t now)
{
	bool hello = m->type == MESSAGE_HELLO;

	if ((p->greeted && since(p->greeted, now) < GREET_EVERY) || (hello && m->receiver_epoch))
		return;
	p->greeted = now;
	if (p->theirs && (!hello || m->sender_epoch == p->theirs))
		send_hello(x, o, p, p->own, p->theirs);
	else
		send_hello(x, o, p, p->fresh, hello ? m->sender_epoch : 0);
}

static void begin_session(struct exchange *x, struct sendq *o, struct peer *p,
			  const struct message *m)
{
	forget_sent(x, p);
	miss_pulls(x, p->word);
	p->own = p->fresh;
	p->theirs = m->sender_epoch;
	p->overflowed = false; /* it is given everything */
	p->fresh = new_epoch();
	p->highest = m->sequence;
	memset(p->seen, 0, sizeof(p->seen));
	p->told = p->ack_count = 0;
	p->told_seen = 0;
	p->news_joined = true;
	x->peer_news++;
	x->count[COUNT_JOINED]++;
	if (m->type == MESSAGE_HELLO) /* by this it believes us */
		send_plain(x, o, p, MESSAGE_HEARTBEAT, NULL, 0);
	send_waiting(x, o, p);
}

/* --- each type ------------------------------------------------------------------------------ */

/* Gives the slot of a record of ours that was opened later: the sender is to learn it. */
static uint32_t import(struct exchange *x, const struct mz_state *s, uint32_t idle_ms)
{
	struct mz_state before;
	uint32_t idle, id, found = state_find(x->table, &s->a);
	bool had_b = found && state_read(x->table, found >> 1, &before, &idle) && before.b.type;

	switch (state_put(x->table, s, idle_ms, &id)) {
	case STATE_ADDED:
		x->count[COUNT_ADDED]++;
		break;
	case STATE_REPLACED:
		x->count[COUNT_REPLACED]++;
		if (had_b && memcmp(&before.b, &s->b, sizeof(before.b)))
			tell_hash(x, state_hash(&before.b));
		break;
	case STATE_MERGED: /* its keys are what they were; one that was blocked may be answered */
		x->count[COUNT_MERGED]++;
		if (s->flags & MZ_STATE_BLOCKED)
			break;
		return 0;
	default:
		x->count[COUNT_ENTRY_REFUSED]++;
		return id;
	}
	tell_hash(x, state_hash(&s->a));
	if (s->b.type)
		tell_hash(x, state_hash(&s->b));
	return 0;
}

/* Appends the record in a slot to a body of a refresh, while there is room. */
static size_t correct(struct exchange *x, uint32_t id, uint8_t *body, size_t len)
{
	struct mz_state s;
	uint32_t idle_ms;

	if (id == 0 || len + ENTRY_MAX > BODY_MAX || !state_read(x->table, id, &s, &idle_ms))
		return len;
	x->count[COUNT_ENTRIES_SENT]++;
	return len + write_entry(body + len, &s, idle_ms);
}

/* All entries are read before any is filed: a message is taken whole or not at all. */
static bool take_entries(struct exchange *x, struct sendq *o, struct peer *p,
			 const struct message *m)
{
	uint8_t younger[BODY_MAX] = { 0 };
	struct mz_state s;
	uint32_t idle_ms, n = 0;
	size_t at, size, len = 4;

	if (m->len < 4)
		return false;
	for (at = 4; at < m->len; at += size, n++) {
		size = read_entry(m->body + at, m->len - at, &s, &idle_ms);
		if (size == 0)
			return false;
	}
	for (at = 4; at < m->len; at += size) {
		size = read_entry(m->body + at, m->len - at, &s, &idle_ms);
		len = correct(x, import(x, &s, idle_ms), younger, len);
	}
	if (len > 4)
		send_kept(x, o, p, MESSAGE_REFRESH, younger, len);
	x->count[COUNT_ENTRIES_RECEIVED] += n;
	if (m->type == MESSAGE_STATE)
		answer_pull(x, get_u32(m->body), p->word, n > 0);
	return true;
}

static bool take_pull(struct exchange *x, struct sendq *o, struct peer *p,
		      const struct message *m)
{
	uint8_t body[4 + ENTRY_MAX];
	struct mz_state_key key;
	struct mz_state s;
	size_t len = 4;
	uint32_t id, idle_ms;

	if (m->len < 4 || read_key(m->body + 4, m->len - 4, &key) != m->len - 4)
		return false;
	memcpy(body, m->body, 4);
	id = state_find(x->table, &key) >> 1;
	if (id && state_read(x->table, id, &s, &idle_ms))
		len += write_entry(body + 4, &s, idle_ms);
	x->count[len > 4 ? COUNT_PULLS_ANSWERED : COUNT_PULLS_UNKNOWN]++;
	x->count[COUNT_ENTRIES_SENT] += len > 4;
	send_kept(x, o, p, MESSAGE_STATE, body, len);
	return true;
}

static bool take_acks(struct exchange *x, struct sendq *o, struct peer *p,
		      const struct message *m, uint64_t now)
{
	if (m->len == 0 || m->len % 8 || m->len > 8 * ACKS_MAX)
		return false;
	for (size_t at = 0; at < m->len; at += 8)
		acknowledged(x, p, get_u64(m->body + at), now);
	send_waiting(x, o, p);
	settle(x, p);
	return true;
}

static bool was_told(const struct peer *p, uint32_t serial)
{
	uint32_t behind = p->told - serial;

	return serial <= p->told && (behind >= SERIAL_WINDOW || p->told_seen >> behind & 1);
}

static void note_told(struct peer *p, uint32_t serial)
{
	if (serial > p->told) {
		uint32_t on = serial - p->told;

		p->told_seen = on >= SERIAL_WINDOW ? 0 : p->told_seen << on;
		p->told = serial;
	}
	p->told_seen |= 1ull << (p->told - serial);
}

/* For the agent, once.  Without room for it, it is not acknowledged, and comes again. */
static bool take_for_agent(struct exchange *x, struct peer *p, const struct message *m, bool *room)
{
	uint8_t body[BODY_MAX];
	uint32_t serial = m->len < 4 ? 0 : get_u32(m->body);
	bool ask = m->type == MESSAGE_ASK;

	if (serial == 0 || (ask && m->len % 4))
		return false;
	if (was_told(p, serial))
		return true;
	memcpy(body, m->body, m->len);
	for (size_t i = 4; ask && i < m->len; i += 4) {
		uint32_t port = get_u32(m->body + i);

		memcpy(body + i, &port, 4);
	}
	*room = tell_news(x, ask ? NEWS_ASKED : NEWS_TOLD, p->word, body + 4, m->len - 4);
	if (*room)
		note_told(p, serial);
	return true;
}

static enum refusal take_type(struct exchange *x, struct sendq *o, struct peer *p,
			      const struct message *m, bool *room, uint64_t now)
{
	uint8_t sequence[8];

	switch (m->type) {
	case MESSAGE_HEARTBEAT:
		if (m->len)
			return SHORT;
		put_u64(sequence, m->sequence);
		send_plain(x, o, p, MESSAGE_HEARTBEAT_ANSWER, sequence, 8);
		return TAKEN;
	case MESSAGE_HEARTBEAT_ANSWER:
		return m->len == 8 ? TAKEN : SHORT;
	case MESSAGE_STATE:
	case MESSAGE_REFRESH:
		return take_entries(x, o, p, m) ? TAKEN : SHORT;
	case MESSAGE_ACK:
		return take_acks(x, o, p, m, now) ? TAKEN : SHORT;
	case MESSAGE_PULL:
		return take_pull(x, o, p, m) ? TAKEN : SHORT;
	case MESSAGE_ASK:
	case MESSAGE_TELL:
		return take_for_agent(x, p, m, room) ? TAKEN : SHORT;
	default:
		return m->len ? SHORT : TAKEN;
	}
}

static bool is_acknowledged(uint8_t type)
{
	return type == MESSAGE_STATE || (type >= MESSAGE_PULL && type <= MESSAGE_REFRESH);
}

/* --- a message ------------------------------------------------------------------------------ */

static enum refusal take_message(struct exchange *x, struct sendq *o, struct peer *p,
				 const struct message *m, uint64_t now)
{
	enum refusal why;
	bool room = true;

	switch (standing_of(p, m)) {
	case SEEN:
		return REPLAYED;
	case STALE:
		greet(x, o, p, m, now);
		return STALE_EPOCH;
	case GREETING:
		greet(x, o, p, m, now);
		return TAKEN;
	case BEGINS:
		begin_session(x, o, p, m);
		break;
	case MEMBER:
		break;
	}
	note_sequence(p, m->sequence);
	p->heard = now;
	judge_peer(x, p, true, true);
	why = take_type(x, o, p, m, &room, now);
	if (why != TAKEN || !room || !is_acknowledged(m->type))
		return why;
	p->acks[p->ack_count++] = m->sequence;
	if (!p->acking) {
		p->acking = true;
		x->acking[x->acking_count++] = p;
	}
	if (p->ack_count == ACKS_MAX)
		send_acks(x, o, p);
	return TAKEN;
}

/* A probe that the other kernel has turned round: our own words, no older than a second. */
static enum refusal take_probe(struct exchange *x, struct peer *p, const struct message *m,
			       uint64_t now)
{
	if (m->type != MESSAGE_PROBE)
		return STALE_EPOCH;
	for (int i = 0; i < PROBES_KEPT; i++) {
		if (p->probes[i].sequence != m->sequence ||
		    p->probes[i].epoch != m->sender_epoch || m->sequence == 0)
			continue;
		p->probes[i].sequence = 0;
		if (since(p->probes[i].at, now) > PROBE_FRESH)
			break;
		p->probed = now;
		judge_peer(x, p, true, p->agent);
		return TAKEN;
	}
	return REPLAYED;
}

static struct peer *peer_of(struct exchange *x, uint32_t from, uint8_t mark,
			    const struct message *m)
{
	bool ours = mark == PROBE_ANSWERED;
	struct peer *p = find_peer(x, ours ? m->receiver : m->sender);

	if ((ours ? m->sender : m->receiver) != x->word)
		return NULL;
	return p && p->address == from ? p : NULL;
}

/* What can be said before the tag is reckoned, which is done without the lock. */
static enum refusal screen(struct exchange *x, uint32_t from, const uint8_t *at, size_t len,
			   uint8_t mark, struct message *m)
{
	enum refusal why = at ? read_message(at, len, m) : SHORT;

	if (why == TAKEN && m->kinds && x->kinds && m->kinds != x->kinds)
		return KINDS;
	if (why == TAKEN && (!x->keyed || peer_of(x, from, mark, m) == NULL))
		return STRANGER;
	return why;
}

static bool is_tagged(const struct hmac_key *k, const uint8_t *at, size_t len)
{
	uint8_t tag[32];

	hmac_tag(k, at, len - TAG_BYTES, tag);
	return same_bytes(tag, at + len - TAG_BYTES, TAG_BYTES);
}

void take_datagram(struct exchange *x, struct sendq *o, uint32_t from, const uint8_t *at,
		   size_t len, uint64_t now)
{
	uint8_t mark = 0;
	size_t message_len = 0;
	struct message m = { 0 };
	struct hmac_key key;
	enum refusal why;
	struct peer *p;

	at = read_frame(at, len, &mark, &message_len);
	if (mark == PROBE_ASKED)
		return; /* for the kernel's program, where there is one */
	pthread_mutex_lock(&x->lock);
	why = screen(x, from, at, message_len, mark, &m);
	key = x->key;
	pthread_mutex_unlock(&x->lock);
	if (why == TAKEN && !is_tagged(&key, at, message_len))
		why = FORGED;
	pthread_mutex_lock(&x->lock);
	p = why == TAKEN ? peer_of(x, from, mark, &m) : NULL;
	if (why == TAKEN && p == NULL)
		why = STRANGER; /* it left meanwhile */
	x->count[COUNT_DATAGRAMS]++;
	x->count[COUNT_BYTES_RECEIVED] += message_len;
	if (why == TAKEN)
		x->count[COUNT_RECEIVED + m.type - 1]++;
	if (why == TAKEN)
		why = mark == PROBE_ANSWERED ? take_probe(x, p, &m, now)
					     : take_message(x, o, p, &m, now);
	if (why != TAKEN)
		x->count[COUNT_REFUSED + why - 1]++;
	pthread_mutex_unlock(&x->lock);
	explicit_bzero(&key, sizeof(key));
}
