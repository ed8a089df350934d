/* SPDX-License-Identifier: Apache-2.0
 *
 * A million messages of every kind into the exchange's receiving end, built with the sanitizers
 * (`make test`): random, spoilt, and such with a good tag and epochs of the session, so that all
 * that parses is reached.  In between the agent does what it may.  Chance is seeded: a run can be
 * had again.  First, the tag by the vectors of RFC 4231.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "exchange/parts.h"

#define ROUNDS 1000000
#define PEERS 4
#define MS 1000000ull

static const uint32_t timeouts[TIMEOUT_WORDS] = {
	60, 86400, 3600, 60, 10, 30, 180, 30, 600, [TIMEOUTS + 4] = 1800
};
static uint32_t seed = 20261125;

static uint32_t chance(uint32_t below)
{
	seed ^= seed << 13;
	seed ^= seed >> 17;
	seed ^= seed << 5;
	return seed % below;
}

/* --- RFC 4231 ------------------------------------------------------------------------------- */

static void check_tag(const char *key, size_t key_len, const char *data, const char *hex)
{
	struct hmac_key k;
	uint8_t tag[32];
	char said[65];

	hmac_set_key(&k, (const uint8_t *)key, key_len);
	hmac_tag(&k, (const uint8_t *)data, strlen(data), tag);
	for (int i = 0; i < 32; i++)
		sprintf(said + 2 * i, "%02x", tag[i]);
	assert(strcmp(said, hex) == 0);
}

static void check_tags(void)
{
	char key[131];

	memset(key, 0x0b, 20);
	check_tag(key, 20, "Hi There",
		  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7");
	check_tag("Jefe", 4, "what do ya want for nothing?",
		  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
	memset(key, 0xaa, sizeof(key));
	check_tag(key, sizeof(key), "Test Using Larger Than Block-Size Key - Hash Key First",
		  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54");
	check_tag(key, sizeof(key),
		  "This is a test using a larger than block-size key and a larger than block-size "
		  "data. The key needs to be hashed before being used by the HMAC algorithm.",
		  "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2");
}

/* --- messages ------------------------------------------------------------------------------- */

static struct mz_state some_record(void)
{
	struct mz_state s = { .generation = chance(3), .born = chance(4), .owner = chance(3) };
	uint32_t family = chance(3) ? 4 : 6;

	s.a.type = (1 + chance(4)) << 16 | family << 8 | 6;
	s.a.src[3] = chance(2000);
	if (chance(3)) {
		s.b = s.a;
		s.b.dst[3] = chance(2000);
	}
	return s;
}

static size_t some_entries(uint8_t *body)
{
	size_t len = 4;

	put_u32(body, chance(3) ? 0 : chance(8) | 0x40000000);
	for (uint32_t n = chance(8); n > 0; n--) {
		struct mz_state s = some_record();

		len += write_entry(body + len, &s, chance(100000));
	}
	return len;
}

static size_t some_body(struct peer *p, uint8_t type, uint8_t *body)
{
	struct mz_state s = some_record();
	size_t len = 0;

	switch (type) {
	case MESSAGE_STATE:
	case MESSAGE_REFRESH:
		return some_entries(body);
	case MESSAGE_ACK:
		for (uint32_t n = 1 + chance(8); n > 0; n--, len += 8)
			put_u64(body + len, p->sequence - chance(40));
		return len;
	case MESSAGE_PULL:
		put_u32(body, chance(20));
		return 4 + write_key(body + 4, &s.a);
	case MESSAGE_ASK:
	case MESSAGE_TELL:
		put_u32(body, p->told + 1 - chance(3));
		for (len = 4; chance(6); len += 4)
			put_u32(body + len, chance(1000));
		return len;
	case MESSAGE_HEARTBEAT_ANSWER:
		return 8;
	default:
		return 0;
	}
}

#define KINDS_HERE 0x1234 /* stamp of the kinds of records */
static uint64_t sequences[PEERS];

static size_t some_message(struct exchange *x, struct peer *p, uint8_t *at)
{
	uint8_t body[BODY_MAX] = { 0 };
	struct message m = { .type = 1 + chance(10), .sender = p->word, .receiver = x->word,
			     .sender_epoch = p->theirs, .receiver_epoch = p->own, .body = body,
			     .sequence = sequences[p->word - 2] += chance(3) };
	size_t len;

	m.kinds = chance(40) ? KINDS_HERE : chance(3); /* 0: not told */
	if (!p->theirs || !chance(200)) { /* begins a session, more or less well */
		m.sender_epoch = 1 + chance(3);
		m.receiver_epoch = chance(4) ? p->fresh : 0;
	}
	if (!chance(1000))
		sequences[p->word - 2] += chance(2 * WINDOW);
	m.len = some_body(p, m.type, body);
	if (!chance(8) && m.len) /* an accident before it was tagged */
		body[chance(m.len)] ^= 1 << chance(8);
	if (!chance(16))
		m.len = chance(m.len + 9);
	len = write_message(at + FRAME_BYTES, &m, &x->key);
	write_frame(at, m.type == MESSAGE_PROBE && chance(2) ? PROBE_ANSWERED : 0, len);
	return FRAME_BYTES + len;
}

static size_t spoil(uint8_t *at, size_t len)
{
	for (uint32_t n = chance(4); n > 0; n--)
		at[chance(len)] = chance(256);
	if (!chance(4))
		len = chance(len + 1);
	if (!chance(50))
		for (size_t i = 0; i < len; i++)
			at[i] = chance(256);
	return len;
}

/* --- and what the agent does ---------------------------------------------------------------- */

static void place(struct exchange *x, uint32_t n)
{
	uint32_t triples[3 * PEERS];

	for (uint32_t i = 0; i < n; i++) {
		triples[3 * i] = 2 + i;
		triples[3 * i + 1] = 0x7f000102 + i;
		triples[3 * i + 2] = 0x7f000101;
	}
	assert(replace_peers(x, triples, n) == 0);
}

static void act(struct exchange *x, uint64_t now)
{
	static uint32_t read[READ_WORDS];
	uint8_t entry[ENTRY_MAX];
	struct mz_state s = some_record();
	struct peer *p = find_peer(x, 2 + chance(PEERS));
	size_t len = write_entry(entry, &s, 0);
	struct pull *pull;

	switch (p ? chance(8) : 7) {
	case 0:
		draft_entry(x, &x->mine, p, chance(2), entry, len);
		break;
	case 1:
		send_drafts(x, &x->mine, chance(2));
		close_ticket(x);
		break;
	case 2:
		pull = open_pull(x, now);
		if (pull == NULL)
			break;
		pull->words[0] = p->word;
		pull->left = 1;
		break;
	case 3:
		assert(read_news(x, read) <= READ_WORDS);
		break;
	case 4:
		tick_peers(x, &x->mine, now);
		break;
	case 5:
		send_due(x, &x->mine, now);
		pass_bounds(x, now);
		break;
	case 6:
		send_all_acks(x, &x->mine);
		break;
	default:
		if (!chance(100))
			place(x, chance(PEERS + 1));
	}
}

static void fuzz(struct exchange *x)
{
	uint8_t bytes[DATAGRAM_MAX + 100];

	for (uint32_t i = 0; i < ROUNDS; i++) {
		uint64_t now = now_ns() + (chance(100) ? 0 : chance(1000) * MS);
		struct peer *p = find_peer(x, 2 + chance(PEERS));
		size_t len = p ? some_message(x, p, bytes) : 0;
		uint8_t *exact;

		if (chance(3) == 0)
			len = spoil(bytes, len ? len : sizeof(bytes));
		exact = malloc(len); /* so that a byte too far is noticed */
		memcpy(exact, bytes, len);
		take_datagram(x, &x->mine, p ? p->address : 0x7f000199, exact, len, now);
		free(exact);
		if (!chance(4))
			act(x, now);
	}
}

int main(void)
{
	const uint32_t settings[EXCHANGE_SETTINGS] = {
		1, 24789, 200, 3, 40, 200, 1000, 7, KINDS_HERE
	};
	struct state_table *table = state_open(1000, timeouts);
	struct exchange *x;
	uint8_t key[32] = { 1, 2, 3 };

	check_tags();
	x = make_exchange(settings, table);
	assert(table && x);
	hmac_set_key(&x->key, key, sizeof(key));
	x->keyed = true;
	place(x, PEERS);
	fuzz(x);
	for (int i = COUNT_RECEIVED; i < COUNT_REFUSED + REFUSALS - 1; i++)
		assert(x->count[i] > 100 || i == COUNT_RECEIVED + MESSAGE_PROBE - 1);
	assert(x->count[COUNT_ACKNOWLEDGED] > 1000 && x->count[COUNT_GIVEN_UP] > 1000 &&
	       x->count[COUNT_BOUND_PASSED] > 10);
	place(x, 0);
	assert(x->under_way == 0 && x->peer_count == 0 && x->drafted_count == 0);
	pass_bounds(x, UINT64_MAX);
	assert(x->held == 0 && x->pulls_live == 0);
	printf("%d messages: %llu taken apart, %llu sessions\n", ROUNDS,
	       (unsigned long long)x->count[COUNT_ENTRIES_RECEIVED],
	       (unsigned long long)x->count[COUNT_JOINED]);
	shut_exchange(x);
	free(x);
	state_drop(table);
	return 0;
}
