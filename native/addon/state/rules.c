/* SPDX-License-Identifier: Apache-2.0
 *
 * What TypeScript says in src/state/timeouts.ts, conflict.ts and record.ts, said again for the
 * native table; test/state holds the one against the other.
 */
#include "parts.h"

#define PROTO_ICMP 1
#define PROTO_TCP 6
#define PROTO_UDP 17
#define PROTO_ICMPV6 58
#define FLAG_FIN 1
#define FLAG_SYN 2
#define FLAG_RST 4
#define BOTH_FINS (MZ_STATE_FIN_A | MZ_STATE_FIN_B)

static enum timeout tcp_timeout(uint32_t flags)
{
	if (flags & MZ_STATE_RESET)
		return TCP_RESET;
	if ((flags & BOTH_FINS) == BOTH_FINS)
		return TCP_CLOSED;
	if (flags & BOTH_FINS)
		return TCP_HALF_CLOSED;
	return flags & MZ_STATE_ASSURED ? TCP_ESTABLISHED : TCP_OPENING;
}

uint32_t own_timeout(const uint32_t *timeouts, const struct mz_state *s)
{
	return timeouts[TIMEOUTS + (s->a.type >> 16 & (STATE_KINDS - 1))];
}

uint32_t timeout_of(const uint32_t *timeouts, const struct mz_state *s)
{
	uint32_t own = s->timeout_s ? s->timeout_s : own_timeout(timeouts, s);

	if (own)
		return own;
	switch (s->a.type & 255) {
	case PROTO_TCP:
		return timeouts[tcp_timeout(s->flags)];
	case PROTO_UDP:
		return timeouts[s->flags & MZ_STATE_REPLIED ? UDP_TWO_WAY : UDP_ONE_WAY];
	case PROTO_ICMP:
	case PROTO_ICMPV6:
		return timeouts[ICMP_ECHO];
	default:
		return timeouts[OTHER_PROTOCOL];
	}
}

bool is_over(uint32_t flags)
{
	return flags & MZ_STATE_RESET || (flags & BOTH_FINS) == BOTH_FINS;
}

static uint32_t flags_after(uint32_t protocol, uint32_t flags, bool is_return, uint32_t tcp)
{
	bool answers_answer = !is_return && flags & MZ_STATE_REPLIED;
	uint32_t after = flags;

	/* where no packet of the opener's was let through, the other end may be alone to be seen */
	if (is_return && flags & MZ_STATE_BLOCKED && flags & MZ_STATE_REPLIED && !(tcp & FLAG_SYN))
		after |= MZ_STATE_ASSURED;
	if (is_return)
		after |= MZ_STATE_REPLIED;
	if (protocol != PROTO_TCP)
		return answers_answer ? after | MZ_STATE_ASSURED : after;
	if (tcp & FLAG_RST)
		after |= MZ_STATE_RESET;
	if (tcp & FLAG_FIN)
		after |= is_return ? MZ_STATE_FIN_B : MZ_STATE_FIN_A;
	if (answers_answer && !(tcp & FLAG_SYN))
		after |= MZ_STATE_ASSURED;
	return after;
}

/* so long after a RST, ms, what still comes was not on its way already */
#define TAKE_BACK_MS 50

static bool goes_on(uint32_t protocol, uint32_t flags, uint32_t tcp, int64_t after)
{
	return protocol == PROTO_TCP && flags & MZ_STATE_RESET &&
	       !(tcp & (FLAG_SYN | FLAG_RST)) && after > TAKE_BACK_MS;
}

bool note_use(struct mz_state *s, bool is_return, uint32_t tcp, int64_t after)
{
	uint32_t protocol = s->a.type & 255, before = s->flags;

	s->flags = flags_after(protocol, before, is_return, tcp);
	if (goes_on(protocol, before, tcp, after)) {
		s->flags &= ~MZ_STATE_RESET;
		s->generation++; /* others hold that it was reset */
	}
	return s->flags != before;
}

static int order(uint32_t a, uint32_t b)
{
	return (a > b) - (a < b);
}

/* above 0: a was opened later */
static int by_opening(const struct mz_state *a, const struct mz_state *b)
{
	int born = order(a->born, b->born), age = born ? born : order(a->generation, b->generation);

	return age ? age : order(a->owner, b->owner);
}

static int by_return(const struct mz_state *a, const struct mz_state *b)
{
	const uint32_t *x = (const uint32_t *)&a->b, *y = (const uint32_t *)&b->b;

	for (size_t i = 0; i < sizeof(a->b) / sizeof(*x); i++)
		if (x[i] != y[i])
			return order(x[i], y[i]);
	return 0;
}

enum state_put judge(const struct mz_state *there, const struct mz_state *record)
{
	int age = by_opening(record, there);

	if (age == 0 && same_key(&record->b, &there->b))
		return STATE_MERGED;
	return (age ? age : by_return(record, there)) > 0 ? STATE_REPLACED : STATE_REFUSED;
}

void merge(struct mz_state *there, const struct mz_state *record)
{
	const uint32_t *from = &record->ingress;
	uint32_t *to = &there->ingress;

	there->flags |= record->flags;
	for (int i = 0; i <= &record->data - &record->ingress; i++)
		if (from[i] > to[i])
			to[i] = from[i];
}

static uint32_t turned(uint32_t h, int by)
{
	return h << by | h >> (32 - by);
}

uint32_t state_hash(const struct mz_state_key *key)
{
	const uint32_t *words = (const uint32_t *)key;
	uint32_t h = 0x6d7a5354;

	for (size_t i = 0; i < sizeof(*key) / sizeof(*words); i++)
		h = turned(h ^ words[i] * 0xcc9e2d51, 13) * 5 + 0xe6546b64;
	h ^= h >> 16;
	h *= 0x85ebca6b;
	h ^= h >> 13;
	h *= 0xc2b2ae35;
	return h ^ h >> 16;
}
