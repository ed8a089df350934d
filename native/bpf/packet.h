/* SPDX-License-Identifier: GPL-2.0 OR Apache-2.0
 *
 * What one run of a program knows of its packet, and the few kernel constants it needs.  Only
 * uapi headers are used: the programs touch no kernel structure, so no dump of the kernel's types
 * and no CO-RE.
 */
#ifndef MEZZO_PACKET_H
#define MEZZO_PACKET_H

#include <linux/bpf.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_endian.h>
#include "abi.h"

#define TC_ACT_OK 0
#define TC_ACT_SHOT 2
#define CONTINUE (-1)         /* of an action: go on with the next */

#define ETH_P_IPV4 0x0800
#define ETH_P_ARP 0x0806
#define ETH_P_8021Q 0x8100
#define ETH_P_8021AD 0x88a8
#define ETH_P_IPV6 0x86dd
#define ETH_LEN 14
#define VLAN_LEN 4

#define IP_TCP 6
#define IP_UDP 17
#define IP_AH 51
#define IP_ICMP 1
#define IP_GRE 47
#define IP_ICMPV6 58

#define TCP_FIN 0x01
#define TCP_SYN 0x02
#define TCP_RST 0x04
#define TCP_ACK 0x10

#define PACKET_HOST 0

union mz_ukey {
	struct mz_key k;
	__u32 w[MZ_KEY_WORDS];
	__u64 d[MZ_KEY_WORDS / 2];
};

/* Offsets are from the MAC header and follow pushes and pops of tags; 0 = no such header. */
struct mz_packet {
	union mz_ukey key;
	__u32 body;           /* behind the tags */
	__u32 l3;             /* a sound IPv4 or IPv6 header */
	__u32 l4;             /* a whole TCP, UDP or ICMP header, not in a later fragment */
	__u32 tcp_next;       /* sequence number behind its payload */
	__u8 version;         /* 4, 6 or 0 */
	__u8 proto;
	__u8 ingress;         /* run by an ingress hook: bpf_redirect_peer works */
	__u8 decapped;        /* 1 + kind of the tunnel it came by */
	__u8 routed;          /* an IPv6 routing header has segments left */
	__u8 sent;            /* went out at least once */
	__u8 pad[2];
};

#define DIRECT_MAX 256        /* headers further in are read and written by a helper */

/* An offset up to DIRECT_MAX, as the verifier can see: of a spilled register 6.1 forgets what a
 * copy of it was compared with. */
static __always_inline __u32 direct(__u32 off)
{
	asm volatile("" : "+r"(off));
	return off & (2 * DIRECT_MAX - 1);
}

/* Copies whole words from the frame: directly when they lie in the linear part. */
static __always_inline int peek(struct __sk_buff *skb, __u32 off, __u32 *to, const __u32 words)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;

	if (off <= DIRECT_MAX) {
		__u32 *from = data + direct(off);

		/* one register for the check and the loads, or the verifier loses the thread */
		asm volatile("" : "+r"(from));
		if ((void *)(from + words) <= end) {
#pragma unroll
			for (__u32 i = 0; i < words; i++)
				to[i] = from[i];
			return 0;
		}
	}
	return bpf_skb_load_bytes(skb, off, to, words * 4);
}

/* The same for half words, and back: a write to the linear part costs a tenth of the helper's.
 * It leaves a card's own sum alone, so it is for what that does not cover (MAC addresses) and for
 * changes that a checksum within it makes up for. */
static __always_inline int peek16(struct __sk_buff *skb, __u32 off, __u16 *to, const __u32 halves)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;

	if (off <= DIRECT_MAX) {
		__u16 *from = data + direct(off);

		asm volatile("" : "+r"(from));
		if ((void *)(from + halves) <= end) {
#pragma unroll
			for (__u32 i = 0; i < halves; i++)
				to[i] = from[i];
			return 0;
		}
	}
	return bpf_skb_load_bytes(skb, off, to, halves * 2);
}

static __always_inline int poke16(struct __sk_buff *skb, __u32 off, const __u16 *from,
				  const __u32 halves)
{
	void *data = (void *)(long)skb->data;
	void *end = (void *)(long)skb->data_end;

	if (off <= DIRECT_MAX) {
		__u16 *to = data + direct(off);

		asm volatile("" : "+r"(to));
		if ((void *)(to + halves) <= end) {
#pragma unroll
			for (__u32 i = 0; i < halves; i++)
				to[i] = from[i];
			return 0;
		}
	}
	return bpf_skb_store_bytes(skb, off, from, halves * 2, 0);
}

/* RFC 1812 4.2.2.5, of a header without options.  The sum is the same in any byte order. */
static __always_inline int ipv4_sum_holds(const __u32 *w)
{
	__u64 sum = (__u64)w[0] + w[1] + w[2] + w[3] + w[4];

	sum = (sum & 0xffff) + (sum >> 16 & 0xffff) + (sum >> 32);
	sum = (sum & 0xffff) + (sum >> 16);
	sum = (sum & 0xffff) + (sum >> 16);
	return sum == 0xffff;
}

static __always_inline int is_tag(__u32 type)
{
	return type == ETH_P_8021Q || type == ETH_P_8021AD;
}

#endif
