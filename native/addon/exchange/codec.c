/* SPDX-License-Identifier: Apache-2.0
 *
 * The bytes of the exchange, as docs/flow-state.md has them: the headers around a message, the
 * message, entries and keys.  src/state/exchange/codec.ts writes the same;
 * test/state/vectors.json holds both to it.
 */
#include <string.h>
#include "codec.h"

#define MAGIC 0x4d5a
#define MESSAGE_VERSION 1
#define HAS_B 0x80
#define ENTRY_HEAD 36

/* --- the headers ---------------------------------------------------------------------------- */

static const uint8_t frame_head[FRAME_BYTES] = {
	0x08, 0, 0, 0, 0xff, 0xff, 0xff, 0,                             /* VXLAN */
	0x02, 0x4d, 0x5a, 0, 0, 2, 0x02, 0x4d, 0x5a, 0, 0, 1, 0x08, 0,  /* Ethernet */
	0x45, 0, 0, 0, 0, 0, 0, 0, 64, 17, 0, 0,                        /* IPv4 */
	169, 254, 77, 1, 169, 254, 77, 2,
	2925 >> 8, 2925 & 255, 2925 >> 8, 2925 & 255, 0, 0, 0, 0        /* UDP */
};
enum { AT_MARK = 7, AT_TYPE = 20, AT_IP = 22, AT_IP_LEN = 24, AT_IP_SUM = 32, AT_PROTOCOL = 31,
       AT_UDP_LEN = 46, IP_BYTES = 20, UDP_BYTES = 8 };

void write_frame(uint8_t *at, uint8_t mark, size_t message_len)
{
	uint32_t sum = 0;

	memcpy(at, frame_head, FRAME_BYTES);
	at[AT_MARK] = mark;
	put_u16(at + AT_IP_LEN, IP_BYTES + UDP_BYTES + message_len);
	put_u16(at + AT_UDP_LEN, UDP_BYTES + message_len);
	for (int i = 0; i < IP_BYTES; i += 2)
		sum += get_u16(at + AT_IP + i);
	sum = (sum & 0xffff) + (sum >> 16);
	sum += sum >> 16;
	put_u16(at + AT_IP_SUM, ~sum);
}

const uint8_t *read_frame(const uint8_t *at, size_t len, uint8_t *mark, size_t *message_len)
{
	size_t udp;

	if (len < FRAME_BYTES || at[0] != 0x08 || get_u32(at + 4) >> 8 != MZ_STATE_TUNNEL_KEY ||
	    get_u16(at + AT_TYPE) != 0x0800 || at[AT_IP] != 0x45 || at[AT_PROTOCOL] != 17)
		return NULL;
	udp = get_u16(at + AT_UDP_LEN);
	if (udp < UDP_BYTES || udp - UDP_BYTES > len - FRAME_BYTES ||
	    get_u16(at + AT_IP_LEN) != IP_BYTES + udp)
		return NULL;
	*mark = at[AT_MARK];
	*message_len = udp - UDP_BYTES;
	return at + FRAME_BYTES;
}

/* --- a message ------------------------------------------------------------------------------ */

size_t write_message(uint8_t *at, const struct message *m, const struct hmac_key *k)
{
	uint8_t tag[32];

	put_u16(at, MAGIC);
	at[2] = MESSAGE_VERSION;
	at[3] = m->type;
	put_u16(at + 4, m->kinds);
	put_u16(at + 6, m->len);
	put_u32(at + 8, m->sender);
	put_u32(at + 12, m->receiver);
	put_u64(at + 16, m->sender_epoch);
	put_u64(at + 24, m->receiver_epoch);
	put_u64(at + 32, m->sequence);
	if (m->len)
		memcpy(at + HEADER_BYTES, m->body, m->len);
	hmac_tag(k, at, HEADER_BYTES + m->len, tag);
	memcpy(at + HEADER_BYTES + m->len, tag, TAG_BYTES);
	return HEADER_BYTES + m->len + TAG_BYTES;
}

enum refusal read_message(const uint8_t *at, size_t len, struct message *m)
{
	if (len < HEADER_BYTES + TAG_BYTES || len > MESSAGE_MAX)
		return SHORT;
	if (get_u16(at) != MAGIC || at[2] != MESSAGE_VERSION)
		return VERSION;
	m->type = at[3];
	m->kinds = get_u16(at + 4);
	m->len = get_u16(at + 6);
	if (HEADER_BYTES + m->len + TAG_BYTES != len)
		return SHORT;
	if (m->type < MESSAGE_HELLO || m->type >= MESSAGE_TYPES)
		return VERSION;
	m->sender = get_u32(at + 8);
	m->receiver = get_u32(at + 12);
	m->sender_epoch = get_u64(at + 16);
	m->receiver_epoch = get_u64(at + 24);
	m->sequence = get_u64(at + 32);
	m->body = at + HEADER_BYTES;
	return TAKEN;
}

/* --- entries -------------------------------------------------------------------------------- */

static size_t tuple_bytes(uint32_t type)
{
	return 8 + ((type >> 8 & 255) == 6 ? 32 : 8) + 4;
}

/* Scope, addresses, ports. */
static void write_tuple(uint8_t *at, const struct mz_state_key *k)
{
	int from = (k->type >> 8 & 255) == 6 ? 0 : 3;

	put_u32(at, k->scope[0]);
	put_u32(at + 4, k->scope[1]);
	at += 8;
	for (int i = from; i < 4; i++, at += 4)
		put_u32(at, k->src[i]);
	for (int i = from; i < 4; i++, at += 4)
		put_u32(at, k->dst[i]);
	put_u32(at, k->ports);
}

static void read_tuple(const uint8_t *at, uint32_t type, struct mz_state_key *k)
{
	int from = (type >> 8 & 255) == 6 ? 0 : 3;

	memset(k, 0, sizeof(*k));
	k->type = type;
	k->scope[0] = get_u32(at);
	k->scope[1] = get_u32(at + 4);
	at += 8;
	for (int i = from; i < 4; i++, at += 4)
		k->src[i] = get_u32(at);
	for (int i = from; i < 4; i++, at += 4)
		k->dst[i] = get_u32(at);
	k->ports = get_u32(at);
}

/* Kind and family must be among those there can be: what is filed is found again by them. */
static bool read_type(const uint8_t *at, uint32_t *type)
{
	uint8_t kind = at[0] & ~HAS_B;

	*type = kind << 16 | at[1] << 8 | at[2];
	return kind > 0 && kind < MZ_STATE_KINDS_MAX && (at[1] == 4 || at[1] == 6);
}

size_t write_entry(uint8_t *at, const struct mz_state *s, uint32_t idle_ms)
{
	size_t tuple = tuple_bytes(s->a.type);

	at[0] = s->a.type >> 16 | (s->b.type ? HAS_B : 0);
	at[1] = s->a.type >> 8;
	at[2] = s->a.type;
	at[3] = s->flags;
	put_u32(at + 4, s->generation);
	put_u32(at + 8, s->born);
	put_u32(at + 12, s->owner);
	put_u32(at + 16, s->ingress);
	put_u32(at + 20, s->egress);
	put_u32(at + 24, s->timeout_s);
	put_u32(at + 28, s->data);
	put_u32(at + 32, idle_ms);
	write_tuple(at + ENTRY_HEAD, &s->a);
	if (!s->b.type)
		return ENTRY_HEAD + tuple;
	write_tuple(at + ENTRY_HEAD + tuple, &s->b);
	return ENTRY_HEAD + 2 * tuple;
}

size_t read_entry(const uint8_t *at, size_t len, struct mz_state *s, uint32_t *idle_ms)
{
	uint32_t type;
	size_t tuple, all;

	if (len < ENTRY_HEAD || !read_type(at, &type))
		return 0;
	tuple = tuple_bytes(type);
	all = ENTRY_HEAD + (at[0] & HAS_B ? 2 : 1) * tuple;
	if (len < all)
		return 0;
	memset(s, 0, sizeof(*s));
	s->flags = at[3];
	s->generation = get_u32(at + 4);
	s->born = get_u32(at + 8);
	s->owner = get_u32(at + 12);
	s->ingress = get_u32(at + 16);
	s->egress = get_u32(at + 20);
	s->timeout_s = get_u32(at + 24);
	s->data = get_u32(at + 28);
	*idle_ms = get_u32(at + 32);
	read_tuple(at + ENTRY_HEAD, type, &s->a);
	if (at[0] & HAS_B)
		read_tuple(at + ENTRY_HEAD + tuple, type, &s->b);
	return all;
}

/* A key of its own, in a pull: kind, family, protocol, 0, then as in an entry. */
size_t write_key(uint8_t *at, const struct mz_state_key *k)
{
	at[0] = k->type >> 16;
	at[1] = k->type >> 8;
	at[2] = k->type;
	at[3] = 0;
	write_tuple(at + 4, k);
	return 4 + tuple_bytes(k->type);
}

size_t read_key(const uint8_t *at, size_t len, struct mz_state_key *k)
{
	uint32_t type;

	if (len < 4 || !read_type(at, &type) || len < 4 + tuple_bytes(type))
		return 0;
	read_tuple(at + 4, type, k);
	return 4 + tuple_bytes(type);
}
