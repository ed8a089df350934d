/* SPDX-License-Identifier: Apache-2.0 OR GPL-2.0
 *
 * The one truth both sides of the boundary share: eBPF programs, the addon and TypeScript
 * (src/flow/key.ts, src/flow/actions.ts, src/native/abi.ts) agree on these layouts, and
 * native/test/abi-print.c prints every offset for a test to compare.  All numbers are in host
 * byte order: the BPF parser swaps each field once, so a key crosses into TypeScript, and a
 * prefix mask back into the kernel, without translation.
 */
#ifndef MEZZO_ABI_H
#define MEZZO_ABI_H

#define MZ_ABI_VERSION 2

/* --- flow key: twenty 32-bit words, 80 bytes, ten 64-bit words for masking ----------- */
#define MZ_KEY_WORDS 20
struct mz_key {
	__u32 in_port;     /* w0  ifindex */
	__u32 tunnel_key;  /* w1  24-bit number of the egress port; 0 = not from a tunnel */
	__u32 tunnel_src;  /* w2  underlay IPv4 of the sending host */
	__u32 vlans;       /* w3  outer TCI << 16 | inner TCI, each with 0x1000 = present */
	__u32 eth_dst_hi;  /* w4  first four bytes */
	__u32 eth_mid;     /* w5  last two bytes of dst << 16 | first two bytes of src */
	__u32 eth_src_lo;  /* w6  last four bytes */
	__u32 type_id;     /* w7  ethertype behind the tags << 16 | id of ICMP questions */
	__u32 ip_src[4];   /* w8  IPv4 sits in [3], the others 0; ARP: sender IP */
	__u32 ip_dst[4];   /* w12 likewise; ARP: target IP */
	__u32 ip_misc;     /* w16 proto (ARP: opcode) << 24 | tos << 16 | ttl << 8 | MZ_FRAG_* */
	__u32 l4_ports;    /* w17 source << 16 | destination; ICMP: type << 16 | code */
	__u32 l4_misc;     /* w18 TCP flags in the low byte, MZ_IP_OPTIONS, MZ_IP_AH; the rest 0 */
	__u32 mask_id;     /* w19 which mask the flow was stored under */
};
#define MZ_FRAG_NONE 0
#define MZ_FRAG_FIRST 1
#define MZ_FRAG_LATER 2
#define MZ_FRAG_UNREAD 3      /* the type says IP or ARP, but the header does not hold together */
#define MZ_VLAN_PRESENT 0x1000
#define MZ_IP_AH 0x200       /* an authentication header; what is behind it has been read */
#define MZ_IP_OPTIONS 0x100  /* the IPv4 header has options, and its checksum was not looked at */

/* --- actions: 20 bytes, each sets one field or sends the frame somewhere -------------- */
#define MZ_ACT_NONE 0
#define MZ_ACT_OUTPUT 1       /* w0 ifindex; flag MZ_OUT_PEER: bpf_redirect_peer where it applies */
#define MZ_ACT_TUNNEL 2       /* w0 key, w1 remote, w2 local IPv4, w3 underlay ifindex; kind */
#define MZ_ACT_SET_ETH_DST 3  /* w0 first four bytes, w1 last two */
#define MZ_ACT_SET_ETH_SRC 4  /* w0 first two bytes, w1 last four */
#define MZ_ACT_PUSH_VLAN 5    /* a = TCI without the present bit, w0 = TPID */
#define MZ_ACT_POP_VLAN 6     /* the outermost tag */
#define MZ_ACT_SET_IP_SRC 7   /* w0..w3, as in the key; the frame says v4 or v6 */
#define MZ_ACT_SET_IP_DST 8
#define MZ_ACT_SET_TOS 9      /* a = the whole TOS / traffic class byte */
#define MZ_ACT_ADD_TTL 10     /* w0 signed: -1 decrements */
#define MZ_ACT_SET_L4_SRC 11  /* a = port */
#define MZ_ACT_SET_L4_DST 12  /* a = port */
#define MZ_ACT_SET_ICMP_ID 13 /* a = identifier */
#define MZ_ACT_UPCALL 14      /* hand a copy to the agent */
#define MZ_ACT_MAX 15

#define MZ_OUT_PEER 1
#define MZ_TUN_VXLAN 0
#define MZ_TUN_GRE 1

#define MZ_ACT_WORDS 5
struct mz_action {
	__u8 type;
	__u8 flags;
	__u16 a;
	__u32 w[4];
};

/* --- a flow in the kernel table ------------------------------------------------------- */
#define MZ_ACT_INLINE 8       /* actions in the flow itself; longer lists live in chunks */
#define MZ_CHUNK_ACTIONS 32
struct mz_flow {
	__u32 flow_id;        /* index into the per-CPU statistics */
	__u8 n_act;           /* actions in act[]; the chunks hold the rest */
	__u8 ttl_min;         /* a packet whose TTL is not above this goes up (0: any goes) */
	__u16 flags;          /* 1 << kind of each tunnel among the actions; MZ_FLOW_* */
	__u32 chunk;          /* first chunk of further actions, 0 = none */
	__u16 room;           /* a packet with more bytes than this behind its MAC addresses and
				 type goes up instead (0: any goes); GSO counts by segment */
	__u16 mtu;            /* the same, of what stands behind the tags */
	struct mz_action act[MZ_ACT_INLINE];
};
#define MZ_FLOW_TUNNELS 0xff
/* Depends on flow state: a TCP packet that opens a connection (SYN, no ACK) goes up instead, so
 * that it is walked again, and the TCP flags of all others are noted in the statistics. */
#define MZ_FLOW_STATEFUL 0x100
struct mz_chunk {
	__u32 n;
	__u32 next;           /* 0 = last */
	struct mz_action act[MZ_CHUNK_ACTIONS];
};
struct mz_stats {
	__u64 packets;
	__u64 bytes;
	__u64 used_ns;        /* CLOCK_MONOTONIC of the last packet */
	__u32 tcp_flags;      /* of all packets, or-ed; stateful flows only */
	__u32 tcp_next;       /* behind the furthest byte sent, likewise; 0: not known */
};

/* --- masks ---------------------------------------------------------------------------- */
#define MZ_MASKS_MAX 128    /* a power of two */
struct mz_masks {
	__u32 n;              /* slots in use, counted from 0; bumped after the slot is written */
	__u32 rsv;
	__u64 mask[MZ_MASKS_MAX][MZ_KEY_WORDS / 2];
};

/* --- upcalls: the record that goes up the ring, followed by cap_len bytes of frame ---- */
#define MZ_UP_MISS 0          /* no flow */
#define MZ_UP_TTL 1           /* a flow, but this packet's TTL runs out on the way */
#define MZ_UP_MTU 2           /* a flow, but the frame does not fit an interface or a tunnel */
#define MZ_UP_ACTION 3        /* asked for by an action */
#define MZ_UP_SYN 4           /* a stateful flow, and a TCP packet that begins a connection anew */
struct mz_upcall {
	__u64 time_ns;
	__u32 len;            /* of the frame on the wire */
	__u32 cap_len;        /* of what follows */
	__u32 reason;
	__u32 arg;
	__u32 gso_size;       /* 0 = not GSO */
	__u32 gso_segs;
	__u32 slot;           /* whose credit it took */
	__u32 rsv;
	struct mz_key key;
};

/* frames up to 64 KiB of payload come up whole: the largest GSO packet fits */
#define MZ_FRAME_MAX 65600

/* port classes: one set of upcall rings each, so that one class cannot fill another's */
#define MZ_CLASS_VM 0
#define MZ_CLASS_UPLINK 1
#define MZ_CLASS_TUNNEL 2
#define MZ_CLASSES 3
#define MZ_SHARED_CREDITS 16  /* times a VM port's credits: classes that carry many ports' flows */

/* --- the agent's settings and ports, as the programs see them ----------------- */
struct mz_config {
	__u32 inject_ifindex; /* the private veth that packets of our own making leave by */
	__u32 vxlan_port;
};
struct mz_port {
	__u16 slot;           /* of the credit */
	__u8 port_class;
	__u8 flags;
};
#define MZ_PORTS_MAX 4096
#define MZ_LOCALS_MAX 256     /* underlay addresses */
#define MZ_PEERS_MAX 65536    /* those of other hosts */
/* --- punt: the control plane of uplink ports, which stands beside the walk ---------------- */
#define MZ_CLASS_PUNT 3       /* of our end of a veth pair whose other end has a control plane */
#define MZ_PUNTS_MAX 256      /* uplink ports that have one */
#define MZ_PUNT_LISTED_MAX 65536
/* What is policed each by itself; the counters of each kind stand in this order. */
#define MZ_PUNT_CLASSES(X) \
	X(ROUTING, "routing") \
	X(BFD, "bfd") \
	X(NEIGHBOUR, "neighbour") \
	X(PEER_NEIGHBOUR, "peer-neighbour") \
	X(ICMP, "icmp") \
	X(OTHER, "other")
#define MZ_ENUM_PUNT(name, word) MZ_PUNT_##name,
enum mz_punt_class { MZ_PUNT_CLASSES(MZ_ENUM_PUNT) MZ_PUNT_CLASSES_END };
#define MZ_PUNT_BUCKETS 8     /* a power of two */
/* By interface: of a bound one, and of the veth's end that leads back to it. */
struct mz_punt {
	__u32 out;            /* the other of the two */
	__u32 owner;          /* whose rules: hash of the port's id; 0: it is the way back */
	__u32 mac_hi;         /* the port's: first four bytes */
	__u32 mac_lo;         /* last two */
	__u32 interval_ns[MZ_PUNT_BUCKETS]; /* between packets of a class, in the long run */
	__u32 burst_ns[MZ_PUNT_BUCKETS];    /* how far it may be ahead of that */
	__u64 next_ns[MZ_PUNT_BUCKETS];     /* when the next one is due: the kernel's */
};
#define MZ_PUNT_OWN 1         /* what rules list: address of the port */
#define MZ_PUNT_PEER 2        /* address that BGP and BFD are heard from */
#define MZ_PUNT_SERVICE 3     /* words[3]: protocol << 16 | port */
struct mz_punt_listed {
	__u32 ifindex;
	__u32 what;           /* MZ_PUNT_* << 8 | version of the address, 0 of a service */
	__u32 words[4];       /* as in the flow key */
};

struct mz_credit {
	__s64 left;
	__s64 pad[7];         /* a cache line each: ports run on different CPUs */
};

/* A packet-out carries, in its mark, the first of the chunks its actions lie in. */
#define MZ_MARK_MASK 0xffff0000u
#define MZ_MARK_OUT 0x4d5a0000u
#define MZ_MARK_TUNNEL 0x4d5b0000u /* a clone that only awaits its tunnel header */
#define MZ_OUT_CHUNKS 512
/* a list longer than this is cut: the memory of a loop has an end */
#define MZ_ACTIONS_MAX 4096

/* --- flow state: src/state/record.ts --------------------------------------------------- */
/* Kinds of records, from 1.  Those behind these are of plugins, which TypeScript numbers. */
#define MZ_STATE_KINDS(X) \
	X(CONNECTION, "connection")
#define MZ_STATE_KINDS_MAX 16 /* they are below this */
#define MZ_ENUM_KIND(name, word) MZ_STATE_##name,
enum mz_state_kind { MZ_STATE_NONE, MZ_STATE_KINDS(MZ_ENUM_KIND) MZ_STATE_KINDS_END };
struct mz_state_key {
	__u32 type;           /* kind << 16 | family << 8 | protocol */
	__u32 scope[2];
	__u32 src[4];         /* as in the flow key: IPv4 sits in [3] */
	__u32 dst[4];
	__u32 ports;          /* source << 16 | destination; ICMP: src/wire/query.ts */
};
#define MZ_STATE_REPLIED 1
#define MZ_STATE_ASSURED 2
#define MZ_STATE_FIN_A 4
#define MZ_STATE_FIN_B 8
#define MZ_STATE_RESET 16
#define MZ_STATE_BLOCKED 32   /* no packet of the opener's has left: its last port refused them */
struct mz_state {
	struct mz_state_key a; /* packets of whoever opened the connection */
	struct mz_state_key b; /* the answers; all 0 = none */
	__u32 flags;
	__u32 generation;     /* of openings within a second: ms << 16, more to succeed */
	__u32 born;           /* when opened, seconds since 1970; 0: not seen */
	__u32 owner;
	__u32 ingress, egress; /* port numbers, 0 = none */
	__u32 timeout_s;      /* 0 = by protocol and flags */
	__u32 data;
};
/* VXLAN only: frames with this key are for the agent's socket, not for the datapath, but for probes
 * (docs/flow-state.md): told by the reserved byte behind the VNI, and sent back as answers. */
#define MZ_STATE_TUNNEL_KEY 0xffffff
#define MZ_PROBE 0x50
#define MZ_PROBE_ANSWER 0x51

/* --- lists: what crosses the boundary by its place in an order -------------------------- */
/* Each is X(name in C, word in TypeScript) in that order; an enum is made of it on this side, and
 * src/native/abi.test.ts compares the words. */
#define MZ_ENUM_COUNTER(name, word) MZ_CNT_##name,

/* Counters of the datapath, per CPU.  An agent meets the map of an older one: names are added at
 * the end, and what is counted no more keeps its place. */
#define MZ_DATAPATH_COUNTERS(X) \
	X(RX, "rx") \
	X(HIT, "hits") \
	X(MISS, "misses") \
	X(UPCALL, "upcalls") \
	X(RING_FULL, "ring-full") \
	X(NO_CREDIT, "no-credit") \
	X(ERROR, "errors") \
	X(PACKET_OUT, "packet-outs") \
	X(TTL_UP, "ttl-upcalls") \
	X(MTU_UP, "mtu-upcalls") \
	X(TUNNEL_TX, "tunnel-tx") \
	X(TUNNEL_RX, "tunnel-rx") \
	X(MASK_CACHE_HIT, "mask-cache-hits") \
	X(PARSE, "not-ethernet") \
	X(SYN_UP, "syn-upcalls") \
	X(PROBE, "probes") \
	X(PROBE_STRANGER, "strange-probes") \
	X(PUNTED_ROUTING, "punted-routing") X(PUNTED_BFD, "punted-bfd") \
	X(PUNTED_NEIGHBOUR, "punted-neighbour") \
	X(PUNTED_PEER_NEIGHBOUR, "punted-peer-neighbour") \
	X(PUNTED_ICMP, "punted-icmp") X(PUNTED_OTHER, "punted-other") \
	X(PUNT_POLICED_ROUTING, "punt-policed-routing") \
	X(PUNT_POLICED_BFD, "punt-policed-bfd") \
	X(PUNT_POLICED_NEIGHBOUR, "punt-policed-neighbour") \
	X(PUNT_POLICED_PEER_NEIGHBOUR, "punt-policed-peer-neighbour") \
	X(PUNT_POLICED_ICMP, "punt-policed-icmp") X(PUNT_POLICED_OTHER, "punt-policed-other") \
	X(PUNT_STRANGER, "punt-strangers") \
	X(PUNT_FRAGMENT, "punt-fragments") \
	X(PUNT_OUT, "punt-injected") \
	X(PUNT_OUT_REFUSED, "punt-inject-refused")
#define MZ_CNT_MAX 64
enum mz_counter { MZ_DATAPATH_COUNTERS(MZ_ENUM_COUNTER) MZ_CNT_NAMED };

/* What `open` is given. */
#define MZ_DATAPATH_SETTINGS(X) \
	X(FLOWS_MAX, "flowsMax") \
	X(CHUNKS_MAX, "chunksMax") \
	X(CREDITS, "creditsPerPort") \
	X(VXLAN_PORT, "vxlanPort") \
	X(RING_VM, "ringVmBytes") \
	X(RING_UPLINK, "ringUplinkBytes") \
	X(RING_TUNNEL, "ringTunnelBytes")

/* What `exchangeOpen` is given. */
#define MZ_EXCHANGE_SETTINGS(X) \
	X(WORD, "host") \
	X(PORT, "port") \
	X(HOLD_MS, "holdMs") \
	X(RETRANSMIT_MS, "retransmitMs") \
	X(HEARTBEAT_MS, "heartbeatMs") \
	X(DEAD_MS, "deadMs") \
	X(DROP_PER_MILLE, "dropPerMille") \
	X(DROP_SEED, "dropSeed") \
	X(STATE_KINDS, "kinds")

/* Types of messages of the exchange, from 1. */
#define MZ_MESSAGE_TYPES(X) \
	X(HELLO, "hello") \
	X(HEARTBEAT, "heartbeat") \
	X(HEARTBEAT_ANSWER, "heartbeat-answer") \
	X(STATE, "state") \
	X(ACK, "acknowledgement") \
	X(PULL, "pull") \
	X(ASK, "ask") \
	X(TELL, "tell") \
	X(REFRESH, "refresh") \
	X(PROBE, "probe")

/* Why a message is refused, from 1. */
#define MZ_REFUSALS(X) \
	X(SHORT, "short") \
	X(VERSION, "version") \
	X(KINDS, "kinds") \
	X(STRANGER, "stranger") \
	X(FORGED, "forged") \
	X(STALE_EPOCH, "stale-epoch") \
	X(REPLAYED, "replayed")

/* Behind those by message type, by refusal and by time of acknowledgement. */
#define MZ_EXCHANGE_COUNTERS(X) \
	X(DATAGRAMS, "messages-received") \
	X(ACKNOWLEDGED, "acknowledged") \
	X(HELD, "held") \
	X(QUEUED, "queued") \
	X(BYTES_SENT, "bytes-sent") \
	X(BYTES_RECEIVED, "bytes-received") \
	X(ENTRIES_SENT, "entries-sent") \
	X(ENTRIES_RECEIVED, "entries-received") \
	X(ADDED, "entries-added") \
	X(MERGED, "entries-merged") \
	X(REPLACED, "entries-replaced") \
	X(ENTRY_REFUSED, "entries-refused") \
	X(RETRANSMITTED, "retransmitted") \
	X(GIVEN_UP, "given-up") \
	X(BOUND_PASSED, "bound-passed") \
	X(PASSED_OVER, "passed-over") \
	X(HOLD_FULL, "hold-full") \
	X(QUEUE_FULL, "queue-full") \
	X(OVERFLOWED, "overflowed") \
	X(OWED, "owed") \
	X(PULLS, "pulls") \
	X(PULLS_FOUND, "pulls-found") \
	X(PULLS_MISSED, "pulls-missed") \
	X(PULLS_ANSWERED, "pulls-answered") \
	X(PULLS_UNKNOWN, "pulls-unknown") \
	X(EVENTS_LOST, "events-lost") \
	X(NEWS_FULL, "news-full") \
	X(SEND_FAILED, "send-failed") \
	X(DROPPED, "dropped") \
	X(LATE, "late-wakeups") \
	X(PEERS_FULL, "peers-full") \
	X(JOINED, "sessions") \
	X(PEER_LOST, "peers-lost")

/* Behind them: what is so now. */
#define MZ_EXCHANGE_GAUGES(X) \
	X(HELD, "held-now") \
	X(UNDER_WAY, "under-way-now") \
	X(PULLS, "pulls-now") \
	X(PEERS, "peers") \
	X(HOSTS, "hosts-alive") \
	X(AGENTS, "agents-alive") \
	X(REALTIME, "realtime")

/* What `exchangeRead` tells, from 1: type, how many words follow, those. */
#define MZ_NEWS(X) \
	X(RELEASED, "released") \
	X(IMPORTED, "imported") \
	X(PULLED, "pulled") \
	X(LIVENESS, "liveness") \
	X(JOINED, "joined") \
	X(ASKED, "asked") \
	X(TOLD, "told") \
	X(LOST, "lost") \
	X(OWED, "owed")

/* Idle times that `stateOpen` is given, seconds; behind them MZ_STATE_KINDS_MAX more, of the kinds
 * that have one of their own, 0 for the others. */
#define MZ_TIMEOUTS(X) \
	X(TCP_OPENING, "tcpOpeningS") \
	X(TCP_ESTABLISHED, "tcpEstablishedS") \
	X(TCP_HALF_CLOSED, "tcpHalfClosedS") \
	X(TCP_CLOSED, "tcpClosedS") \
	X(TCP_RESET, "tcpResetS") \
	X(UDP_ONE_WAY, "udpOneWayS") \
	X(UDP_TWO_WAY, "udpTwoWayS") \
	X(ICMP_ECHO, "icmpS") \
	X(OTHER_PROTOCOL, "otherS")

/* What `stateInfo` gives, before the records by kind. */
#define MZ_STATE_INFO(X) \
	X(size, "size") \
	X(evicted, "evicted") \
	X(untold, "untold") \
	X(refused, "refused") \
	X(bytes, "bytes")

#endif
