/* SPDX-License-Identifier: Apache-2.0
 *
 * Who waits, and what the agent hears.  A ticket stands for the packets held until all messages of
 * one flush are acknowledged, or its bound has passed; a pull for a key that peers were asked for.
 * Both have one bound for all, so the oldest passes first.  News waits here, under the lock, until
 * the loop reads it: what must not be lost has its room kept.
 */
#include <string.h>
#include "parts.h"

#define IDS 0x3fffffffu       /* a ticket is a small integer in JavaScript */
#define PULL_BIT 0x40000000u  /* and no pull's is another's */
#define PULLED_WORDS 4

static uint32_t id_after(uint32_t id)
{
	return (id & IDS) == IDS ? 1 : (id & IDS) + 1;
}

/* --- tickets -------------------------------------------------------------------------------- */

static struct ticket *ticket_of(struct exchange *x, uint32_t id)
{
	struct ticket *t = &x->tickets[id & (TICKETS_MAX - 1)];

	return id && t->id == id ? t : NULL;
}

uint32_t open_ticket(struct exchange *x, uint64_t now)
{
	uint32_t id = id_after(x->ticket_last);
	struct ticket *t = &x->tickets[id & (TICKETS_MAX - 1)];

	if (x->ticket_open)
		return x->ticket_open;
	/* what was released and not read yet counts: the list of it has as many places */
	if (t->id || x->held + x->released_count >= TICKETS_MAX) {
		x->count[COUNT_HOLD_FULL]++;
		return 0;
	}
	*t = (struct ticket){ .id = id, .waiting = 1, .deadline = now + x->hold };
	if (x->held++ == 0)
		x->ticket_oldest = id;
	x->count[COUNT_HELD]++;
	arm(x, t->deadline);
	return x->ticket_last = x->ticket_open = id;
}

void wait_for(struct exchange *x, uint32_t id)
{
	struct ticket *t = ticket_of(x, id);

	if (t)
		t->waiting++;
}

void waited(struct exchange *x, uint32_t id)
{
	struct ticket *t = ticket_of(x, id);

	if (t == NULL || --t->waiting)
		return;
	t->id = 0;
	TAKE(x->held, 1);
	x->released[x->released_count++] = id;
}

uint32_t close_ticket(struct exchange *x)
{
	uint32_t id = x->ticket_open;
	struct ticket *t = ticket_of(x, id);

	x->ticket_open = 0;
	if (t == NULL)
		return 0;
	if (--t->waiting)
		return id;
	t->id = 0; /* all is acknowledged already */
	TAKE(x->held, 1);
	return 0;
}

/* Nobody waits for this peer any more, until it acknowledges something.  Other tickets that waited
 * for it are counted as those that do not begin to. */
static void pass_over(struct exchange *x, struct peer *p, uint32_t late)
{
	p->passed_over = true;
	for (struct under_way *u = p->first; u; u = u->after) {
		uint32_t ticket = u->ticket;

		u->ticket = 0;
		if (ticket && ticket != late)
			x->count[COUNT_PASSED_OVER]++;
		waited(x, ticket);
	}
}

static void pass_bound(struct exchange *x, uint32_t id)
{
	x->count[COUNT_BOUND_PASSED]++;
	for (uint32_t i = 0; i < x->peer_count; i++) {
		struct under_way *u = x->peers[i]->first;

		if (x->peers[i]->passed_over)
			continue; /* nothing of it is waited for */
		while (u && u->ticket != id)
			u = u->after;
		if (u)
			pass_over(x, x->peers[i], id);
	}
}

static void skip_released(struct exchange *x)
{
	while (x->held && ticket_of(x, x->ticket_oldest) == NULL)
		x->ticket_oldest = id_after(x->ticket_oldest);
}

/* --- pulls ---------------------------------------------------------------------------------- */

struct pull *open_pull(struct exchange *x, uint64_t now)
{
	uint32_t id = id_after(x->pull_last) | PULL_BIT;
	struct pull *p = &x->pulls[id & (PULLS_MAX - 1)];

	if (p->id || x->pulls_live + x->pulled_unread >= PULLS_MAX) {
		x->count[COUNT_HOLD_FULL]++;
		return NULL;
	}
	*p = (struct pull){ .id = id, .deadline = now + x->hold };
	if (x->pulls_live++ == 0)
		x->pull_oldest = id;
	arm(x, p->deadline);
	x->pull_last = id;
	x->count[COUNT_PULLS]++;
	return p;
}

static void close_pull(struct exchange *x, struct pull *p, bool found)
{
	const uint32_t said[PULLED_WORDS] = { NEWS_PULLED, 2, p->id, found };

	p->id = 0;
	TAKE(x->pulls_live, 1);
	x->pulled_unread++;
	x->count[found ? COUNT_PULLS_FOUND : COUNT_PULLS_MISSED]++;
	memcpy(x->news + x->news_len, said, sizeof(said));
	x->news_len += PULLED_WORDS;
}

void answer_pull(struct exchange *x, uint32_t id, uint32_t word, bool found)
{
	struct pull *p = &x->pulls[id & (PULLS_MAX - 1)];

	if (id == 0 || p->id != id)
		return; /* another was faster, or it was too late */
	for (int i = 0; i < PULL_PEERS_MAX; i++)
		if (p->words[i] == word)
			p->left &= ~(1u << i);
	if (found || p->left == 0)
		close_pull(x, p, found);
}

void miss_pulls(struct exchange *x, uint32_t word)
{
	for (uint32_t i = 0; x->pulls_live && i < PULLS_MAX; i++)
		answer_pull(x, x->pulls[i].id, word, false);
}

static void skip_pulled(struct exchange *x)
{
	while (x->pulls_live && x->pulls[x->pull_oldest & (PULLS_MAX - 1)].id != x->pull_oldest)
		x->pull_oldest = id_after(x->pull_oldest) | PULL_BIT;
}

void pass_bounds(struct exchange *x, uint64_t now)
{
	struct ticket *t;
	struct pull *p;

	for (skip_released(x); x->held; skip_released(x)) {
		t = ticket_of(x, x->ticket_oldest);
		if (t->id == x->ticket_open || t->deadline > now)
			break;
		pass_bound(x, t->id);
	}
	for (skip_pulled(x); x->pulls_live; skip_pulled(x)) {
		p = &x->pulls[x->pull_oldest & (PULLS_MAX - 1)];
		if (p->deadline > now)
			break;
		close_pull(x, p, false);
	}
}

uint64_t next_bound(struct exchange *x)
{
	uint64_t next = UINT64_MAX;

	skip_released(x);
	skip_pulled(x);
	if (x->held && x->ticket_oldest != x->ticket_open)
		next = ticket_of(x, x->ticket_oldest)->deadline;
	if (x->pulls_live && x->pulls[x->pull_oldest & (PULLS_MAX - 1)].deadline < next)
		next = x->pulls[x->pull_oldest & (PULLS_MAX - 1)].deadline;
	return next;
}

/* --- news ----------------------------------------------------------------------------------- */

void tell_hash(struct exchange *x, uint32_t hash)
{
	if (x->hash_count < HASHES_MAX) {
		x->hashes[x->hash_count++] = hash;
		return;
	}
	x->lost = true;
	x->count[COUNT_EVENTS_LOST]++;
}

bool tell_news(struct exchange *x, uint32_t type, uint32_t word, const uint8_t *bytes, size_t len)
{
	uint32_t words = (len + 3) / 4, *at = x->news + x->news_len;

	/* pulls have their room kept */
	if (x->news_len + 4 + words > NEWS_WORDS - PULLED_WORDS * PULLS_MAX) {
		x->count[COUNT_NEWS_FULL]++;
		return false;
	}
	at[0] = type;
	at[1] = 2 + words;
	at[2] = word;
	at[3] = len;
	memcpy(at + 4, bytes, len);
	x->news_len += 4 + words;
	return true;
}

bool has_news(const struct exchange *x)
{
	return x->released_count || x->hash_count || x->news_len || x->peer_news || x->lost;
}

static uint32_t read_list(uint32_t *into, uint32_t type, const uint32_t *list, uint32_t n)
{
	if (n == 0)
		return 0;
	into[0] = type;
	into[1] = n;
	memcpy(into + 2, list, n * sizeof(*list));
	return n + 2;
}

static uint32_t read_peer_news(struct exchange *x, uint32_t *into)
{
	uint32_t n = 0;

	for (uint32_t i = 0; x->peer_news && i < x->peer_count; i++) {
		struct peer *p = x->peers[i];
		const uint32_t said[3] = { p->word, p->host, p->agent };

		if (p->news_liveness)
			n += read_list(into + n, NEWS_LIVENESS, said, 3);
		if (p->news_joined)
			n += read_list(into + n, NEWS_JOINED, said, 1);
		if (p->news_owed)
			n += read_list(into + n, NEWS_OWED, said, 1);
		p->news_liveness = p->news_joined = p->news_owed = false;
	}
	x->peer_news = 0;
	return n;
}

/* What has to be known first comes first: a released packet is walked with all of it. */
uint32_t read_news(struct exchange *x, uint32_t *into)
{
	uint32_t n = read_peer_news(x, into);

	n += read_list(into + n, NEWS_IMPORTED, x->hashes, x->hash_count);
	if (x->lost) {
		into[n++] = NEWS_LOST;
		into[n++] = 0;
	}
	memcpy(into + n, x->news, x->news_len * sizeof(*x->news));
	n += x->news_len;
	n += read_list(into + n, NEWS_RELEASED, x->released, x->released_count);
	x->hash_count = x->news_len = x->released_count = x->pulled_unread = 0;
	x->lost = false;
	return n;
}
