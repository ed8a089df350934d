/* SPDX-License-Identifier: Apache-2.0
 *
 * A frame from a veth or a tap may come up unfinished: its layer-4 checksum holds the pseudo
 * header only, and it may be many segments in one (GSO).  Sent again as it is, every receiver
 * would drop it. The virtio header says the same to the kernel once more, so that no byte is
 * summed here.  A checksum that is neither finished nor the pseudo header's is wrong, and stays
 * wrong: it is not ours to repair what a wire has spoilt.
 */
#include <linux/virtio_net.h>
#include <stdbool.h>
#include "node/addon.h"

#define TCP 6
#define UDP 17
#define CWR 0x80
#define GSO_UDP_L4 5 /* VIRTIO_NET_HDR_GSO_UDP_L4, of 6.2 */

struct l4 {
	uint32_t at, end;
	uint8_t proto;
	bool v6;
	uint64_t addresses; /* their sum */
};

static uint32_t get16(const uint8_t *p)
{
	return p[0] << 8 | p[1];
}

static uint32_t fold(uint64_t sum)
{
	while (sum >> 16)
		sum = (sum & 0xffff) + (sum >> 16);
	return sum;
}

static uint64_t sum_words(const uint8_t *p, uint32_t len)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < len; i += 2)
		sum += get16(p + i);
	return sum;
}

static bool find_ipv4(const uint8_t *f, uint32_t at, uint32_t len, struct l4 *l)
{
	uint32_t header, total;

	if (len - at < 20 || f[at] >> 4 != 4)
		return false;
	header = (f[at] & 15) * 4;
	total = get16(f + at + 2);
	if (header < 20 || total < header || total > len - at || get16(f + at + 6) & 0x3fff)
		return false;
	l->proto = f[at + 9];
	l->at = at + header;
	l->end = at + total;
	l->addresses = sum_words(f + at + 12, 8);
	return true;
}

static bool find_ipv6(const uint8_t *f, uint32_t at, uint32_t len, struct l4 *l)
{
	uint32_t total;

	if (len - at < 40 || f[at] >> 4 != 6)
		return false;
	total = 40 + get16(f + at + 4);
	if (total > len - at)
		return false;
	l->v6 = true;
	l->end = at + total;
	l->addresses = sum_words(f + at + 8, 32);
	l->proto = f[at + 6];
	at += 40;
	/* options only: a fragment's checksum is finished, a routing header changes the sum */
	for (int i = 0; i < 8 && (l->proto == 0 || l->proto == 60); i++) {
		if (at + 8 > l->end)
			return false;
		l->proto = f[at];
		at += (f[at + 1] + 1) * 8;
	}
	l->at = at;
	return at <= l->end;
}

static bool find_l4(const uint8_t *f, uint32_t len, struct l4 *l)
{
	uint32_t at = 12, type = get16(f + 12);

	while ((type == 0x8100 || type == 0x88a8) && at + 6 <= len) {
		at += 4;
		type = get16(f + at);
	}
	at += 2;
	if (at > len)
		return false;
	return type == 0x0800 ? find_ipv4(f, at, len, l) :
	       type == 0x86dd ? find_ipv6(f, at, len, l) : false;
}

static uint32_t checksum_at(const struct l4 *l)
{
	uint32_t length = l->end - l->at;

	if (l->proto == TCP)
		return length >= 20 ? 16 : 0;
	if (l->proto == UDP)
		return length >= 8 ? 6 : 0;
	return 0; /* ICMP has no partial form */
}

static void describe_gso(const uint8_t *f, const struct l4 *l, uint32_t gso_size,
			 struct virtio_net_hdr *h)
{
	h->gso_size = gso_size;
	if (l->proto == UDP) {
		h->gso_type = GSO_UDP_L4;
		h->hdr_len = l->at + 8;
		return;
	}
	h->gso_type = l->v6 ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
	if (f[l->at + 13] & CWR)
		h->gso_type |= VIRTIO_NET_HDR_GSO_ECN;
	h->hdr_len = l->at + (f[l->at + 12] >> 4) * 4;
}

void finish_frame(uint8_t *frame, uint32_t len, uint32_t gso_size, struct virtio_net_hdr *h)
{
	struct l4 l = { 0 };
	uint32_t field, pseudo;

	if (!find_l4(frame, len, &l))
		return;
	field = checksum_at(&l);
	if (!field)
		return;
	pseudo = fold(l.addresses + l.proto + (l.end - l.at));
	if (!gso_size && get16(frame + l.at + field) != pseudo)
		return;
	frame[l.at + field] = pseudo >> 8;
	frame[l.at + field + 1] = pseudo;
	h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
	h->csum_start = l.at;
	h->csum_offset = field;
	if (gso_size)
		describe_gso(frame, &l, gso_size, h);
}
