/* SPDX-License-Identifier: Apache-2.0
 *
 * What there is room for.  State that packets wait for goes out at once, or its packet does not
 * leave (room_at); all else goes out or waits its turn.  A peer for which something found no room,
 * or never got there, is owed: the agent gives it everything again, once little is under way to it.
 */
#include <stdlib.h>
#include <string.h>
#include "parts.h"

bool has_room(const struct exchange *x, const struct peer *p, uint32_t messages)
{
	return p->theirs && p->sent + messages <= PEER_SENT_MAX &&
	       x->under_way + messages <= UNDER_WAY_MAX;
}

static bool is_open(const struct peer *p, bool bulk)
{
	return p->theirs && p->sent < PEER_SENT_MAX - PEER_RESERVED &&
	       (!bulk || p->bulk < PEER_BULK_MAX);
}

/* Who begins a session is given everything anyway. */
void lacks(struct exchange *x, struct peer *p, uint8_t type)
{
	if (p->theirs == 0 || p->overflowed || (type != MESSAGE_STATE && type != MESSAGE_REFRESH))
		return;
	p->overflowed = true;
	x->count[COUNT_OVERFLOWED]++;
}

void settle(struct exchange *x, struct peer *p)
{
	if (!p->overflowed || p->sent + p->waiting_count > PEER_DRAINED)
		return;
	p->overflowed = false;
	p->news_owed = true;
	x->peer_news++;
	x->count[COUNT_OWED]++;
}

void forget_waiting(struct exchange *x, struct peer *p)
{
	for (struct under_way *u = p->waiting, *after; u; u = after) {
		after = u->after;
		free(u);
	}
	TAKE(x->under_way, p->waiting_count);
	p->waiting = p->waiting_last = NULL;
	p->waiting_count = 0;
}

void send_waiting(struct exchange *x, struct sendq *o, struct peer *p)
{
	struct under_way *u;

	while ((u = p->waiting) && is_open(p, true)) {
		p->waiting = u->after;
		if (p->waiting == NULL)
			p->waiting_last = NULL;
		TAKE(p->waiting_count, 1);
		u->bulk = true;
		dispatch(x, o, u);
	}
}

void send_due(struct exchange *x, struct sendq *o, uint64_t now)
{
	struct under_way *u;

	while ((u = send_again(x, o, now))) {
		struct peer *p = u->peer;

		x->count[COUNT_GIVEN_UP]++;
		lacks(x, p, u->type);
		forget(x, u);
		send_waiting(x, o, p);
	}
}

static void leave_out(struct exchange *x, struct peer *p, uint8_t type)
{
	x->count[COUNT_QUEUE_FULL]++;
	lacks(x, p, type);
}

static bool may_keep(const struct exchange *x)
{
	return x->under_way < UNDER_WAY_MAX - UNDER_WAY_RESERVED;
}

static struct under_way *keep(struct exchange *x, struct peer *p, uint8_t type,
			      const uint8_t *body, size_t len)
{
	struct under_way *u = malloc(sizeof(*u) + len);

	if (u == NULL) {
		leave_out(x, p, type);
		return NULL;
	}
	x->under_way++;
	*u = (struct under_way){ .peer = p, .type = type, .bulk = type == MESSAGE_REFRESH,
				 .len = len };
	memcpy(u->body, body, len);
	return u;
}

static void wait_turn(struct exchange *x, struct peer *p, uint8_t type, const uint8_t *body,
		      size_t len)
{
	bool room = p->waiting_count < (p->theirs ? PEER_WAITING_MAX : PEER_AWAY_MAX);
	struct under_way *u;

	if (!room || !may_keep(x)) {
		leave_out(x, p, type);
		return;
	}
	u = keep(x, p, type, body, len);
	if (u == NULL)
		return;
	x->count[COUNT_QUEUED]++;
	*(p->waiting_last ? &p->waiting_last->after : &p->waiting) = u;
	p->waiting_last = u;
	p->waiting_count++;
}

void send_kept(struct exchange *x, struct sendq *o, struct peer *p, uint8_t type,
	       const uint8_t *body, size_t len)
{
	bool bulk = type == MESSAGE_REFRESH;
	struct under_way *u;

	if (!is_open(p, bulk) || (bulk && p->waiting) || !may_keep(x)) {
		wait_turn(x, p, type, body, len);
		return;
	}
	u = keep(x, p, type, body, len);
	if (u)
		dispatch(x, o, u);
}

void send_awaited(struct exchange *x, struct sendq *o, struct peer *p, uint32_t ticket,
		  const uint8_t *body, size_t len)
{
	struct under_way *u;

	if (!has_room(x, p, 1)) {
		wait_turn(x, p, MESSAGE_STATE, body, len);
		return;
	}
	u = keep(x, p, MESSAGE_STATE, body, len);
	if (u == NULL)
		return;
	u->ticket = ticket;
	dispatch(x, o, u);
}

/* Of what is drafted now, too: a record may fill a message and begin another. */
enum room room_at(struct exchange *x, const uint32_t *words, uint32_t n)
{
	uint32_t all = MESSAGES_OF_A_RECORD * (x->drafted_count + n);
	enum room room = ROOM_NOBODY;

	for (uint32_t i = 0; i < n; i++) {
		struct peer *p = find_peer(x, words[i]);

		if (p == NULL || p->theirs == 0)
			continue;
		if (!has_room(x, p, MESSAGES_OF_A_RECORD) || x->under_way + all > UNDER_WAY_MAX)
			return ROOM_FULL;
		room = ROOM_OPEN;
	}
	return room;
}
