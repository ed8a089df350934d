/* SPDX-License-Identifier: Apache-2.0
 *
 * A message as bytes: what codec.c writes and reads, and the tag of hmac.c.
 */
#ifndef MEZZO_EXCHANGE_CODEC_H
#define MEZZO_EXCHANGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include "abi.h"
#include "exchange/bytes.h"

/* --- hmac.c: RFC 2104 over SHA-256 (RFC 6234), with the key's blocks done before --- */

struct hmac_key {
	uint32_t inner[8], outer[8];
};
void hmac_set_key(struct hmac_key *k, const uint8_t *key, size_t len);
void hmac_tag(const struct hmac_key *k, const uint8_t *data, size_t len, uint8_t tag[32]);
bool same_bytes(const uint8_t *a, const uint8_t *b, size_t len); /* in constant time */

/* --- codec.c: the bytes ------------------------------------------------------------ */

#define MESSAGE_MAX 1400
#define HEADER_BYTES 40
#define TAG_BYTES 16
#define BODY_MAX (MESSAGE_MAX - HEADER_BYTES - TAG_BYTES)
#define ENTRY_MAX 124
#define VXLAN_BYTES 8
#define FRAME_BYTES 50        /* VXLAN, inner Ethernet, IPv4 and UDP */
#define DATAGRAM_MAX (FRAME_BYTES + MESSAGE_MAX)
#define PROBE_ASKED 0x50
#define PROBE_ANSWERED 0x51

#define ENUM_MESSAGE(name, word) MESSAGE_##name,
enum message_type { MESSAGE_NONE, MZ_MESSAGE_TYPES(ENUM_MESSAGE) MESSAGE_TYPES };
#define ENUM_REFUSAL(name, word) name,
enum refusal { TAKEN, MZ_REFUSALS(ENUM_REFUSAL) REFUSALS };

struct message {
	uint8_t type;
	uint16_t kinds;       /* of records, as the sender numbers them; 0: not told */
	uint32_t sender, receiver;
	uint64_t sender_epoch, receiver_epoch, sequence;
	const uint8_t *body;
	size_t len;           /* of the body */
};
void write_frame(uint8_t *at, uint8_t mark, size_t message_len);
/* The message behind the headers, or NULL. `mark`: the byte behind the VNI. */
const uint8_t *read_frame(const uint8_t *at, size_t len, uint8_t *mark, size_t *message_len);
/* Header, body and tag at `at`; gives the length. */
size_t write_message(uint8_t *at, const struct message *m, const struct hmac_key *k);
enum refusal read_message(const uint8_t *at, size_t len, struct message *m);
size_t write_entry(uint8_t *at, const struct mz_state *s, uint32_t idle_ms);
/* Bytes read, 0 when it is no entry. */
size_t read_entry(const uint8_t *at, size_t len, struct mz_state *s, uint32_t *idle_ms);
size_t write_key(uint8_t *at, const struct mz_state_key *k);
size_t read_key(const uint8_t *at, size_t len, struct mz_state_key *k);

#endif
