/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange of flow state between hosts (docs/flow-state.md), for its own files and for the
 * addon's functions (node/exchange.c).  A file calls those that stand below it, and no other:
 *   thread.c     the exchange's own thread: sockets, timers
 *   receive.c    frames in: what is refused, sessions, each type of message
 *   peers.c      the peers, their sockets, whether they live · draft.c: entries of a message to be
 *   room.c       what goes out now, waits its turn, is given up, or is owed
 *   send.c       frames out: messages under way, acknowledgements
 *   hold.c       tickets and pulls, what the agent hears
 *   clock.c · lookup.c, peers by word · codec.c and hmac.c, the bytes (codec.h)
 */
#ifndef MEZZO_EXCHANGE_PARTS_H
#define MEZZO_EXCHANGE_PARTS_H

#include <assert.h>
#include <netinet/in.h>
#include <pthread.h>
#include "exchange/clock.h"
#include "exchange/codec.h"
#include "state/state.h"

#define EXCHANGE_MAGIC 0x6d7a4558

/* --- what is under way ---------------------------------------------------------------------- */

#define PEERS_MAX 1024
#define PEER_SLOTS 4096       /* of the index by word: a power of two */
#define LOCALS_MAX 64
#define TICKETS_MAX 8192      /* powers of two */
#define PULLS_MAX 1024
#define PULL_PEERS_MAX 32
#define UNDER_WAY_MAX 16384   /* messages sent or waiting their turn, of all peers */
#define UNDER_WAY_RESERVED 8192 /* of them, for what packets wait for */
#define PEER_SENT_MAX 4096    /* sent to one, not acknowledged */
#define PEER_RESERVED 256     /* of them, for what packets wait for */
#define PEER_BULK_MAX 64      /* of them refreshes, so that they leave room for what is awaited */
#define PEER_WAITING_MAX 8192
#define PEER_DRAINED 64       /* with no more, there is room to make good what was left out */
#define PEER_AWAY_MAX 64      /* waiting without a session */
#define SENDS_MAX 10          /* of one message */
#define SEQUENCE_SLOTS 16384
#define WINDOW 4096
#define SERIAL_WINDOW 64
#define PROBES_KEPT 64        /* a power of two */
#define ACKS_MAX 160
#define ASK_PORTS_MAX (BODY_MAX / 4 - 1) /* of one message */
#define SENDQ 64
#define BATCH 32
#define HASHES_MAX 16384
#define NEWS_WORDS 16384      /* asked, told and pulled, until they are read */

#define MESSAGES_OF_A_RECORD 2 /* it fills one and begins another */
/* As Room of src/state/exchange/exchange.ts. */
enum room { ROOM_NOBODY, ROOM_OPEN, ROOM_FULL };

struct peer;
struct under_way;

/* One sending of a message: found by its sequence when it is acknowledged. */
struct sending {
	struct sending *next; /* in its slot */
	struct under_way *of;
	uint64_t sequence;
};

struct under_way {
	struct under_way *next, *prev;     /* due at the same number of sendings, in order */
	struct under_way *after, *before;  /* of the same peer */
	struct peer *peer;
	uint64_t born, due;   /* ns */
	uint32_t ticket;      /* that waits for it, or 0 */
	uint8_t type, sends;  /* 0: it waits its turn */
	bool bulk;
	uint16_t len;
	struct sending sending[SENDS_MAX];
	uint8_t body[];
};

struct queue {
	struct under_way *first, *last;
};

/* Entries on their way into a message. */
struct draft {
	uint8_t *bytes;       /* BODY_MAX, or NULL */
	uint16_t len;
};
enum { AWAITED, REFRESHED, DRAFTS };

struct peer {
	uint32_t word, address, local;
	int fd;               /* of the socket bound to local, or -1 */
	uint64_t own, theirs; /* epochs of the session; theirs is 0 without one */
	uint64_t fresh;       /* ours, of the next session */
	uint64_t sequence;    /* ours, the last used */
	uint64_t highest, seen[WINDOW / 64];
	uint32_t serial, told; /* of asks and tells: last sent, highest taken */
	uint64_t told_seen;
	uint64_t heard, probed, greeted; /* ns: message, probe come back, hello sent in answer */
	struct { uint64_t sequence, epoch, at; } probes[PROBES_KEPT];
	uint32_t probe_at;
	bool host, agent;     /* as was told last */
	bool passed_over;     /* it let a bound pass, and has acknowledged nothing since */
	bool overflowed;      /* it lacks something we had for it */
	bool news_liveness, news_joined, news_owed;
	bool drafted;         /* it is on the list of those with drafts */
	bool acking;          /* and of those with acknowledgements */
	bool stays;
	uint32_t sent, bulk, waiting_count;
	struct under_way *first;              /* sent, in no order */
	struct under_way *waiting, *waiting_last;
	struct draft drafts[DRAFTS];
	uint64_t acks[ACKS_MAX];
	uint32_t ack_count;
};

struct ticket {
	uint32_t id;          /* 0: free */
	uint32_t waiting;     /* messages not acknowledged, and 1 until it is flushed */
	uint64_t deadline;
};

struct pull {
	uint32_t id;          /* 0: free */
	uint64_t deadline;
	uint32_t words[PULL_PEERS_MAX];
	uint32_t left;        /* peers that have not answered: bits of words */
};

/* Datagrams made under the lock and sent without it; each thread has one. */
struct sendq {
	uint32_t n;
	int fd[SENDQ];
	struct sockaddr_in to[SENDQ];
	uint16_t len[SENDQ];
	uint8_t bytes[SENDQ][DATAGRAM_MAX];
};

#define ENUM_SETTING(name, word) SET_##name,
enum exchange_setting { MZ_EXCHANGE_SETTINGS(ENUM_SETTING) EXCHANGE_SETTINGS };

#define ACK_BUCKETS 10
#define ENUM_COUNT(name, word) COUNT_##name,
#define ENUM_NOW(name, word) NOW_##name,
enum exchange_counter {
	COUNT_SENT = 0,                               /* by type, from hello */
	COUNT_RECEIVED = COUNT_SENT + MESSAGE_TYPES - 1,
	COUNT_REFUSED = COUNT_RECEIVED + MESSAGE_TYPES - 1,  /* by reason, from short */
	COUNT_ACK_BUCKET = COUNT_REFUSED + REFUSALS - 1,
	COUNT_ACK_SUM = COUNT_ACK_BUCKET + ACK_BUCKETS,      /* us */
	MZ_EXCHANGE_COUNTERS(ENUM_COUNT)
	COUNTERS_KEPT,
	BEFORE_NOW = COUNTERS_KEPT - 1,
	MZ_EXCHANGE_GAUGES(ENUM_NOW)
	EXCHANGE_COUNTERS
};

struct exchange {
	uint32_t magic;
	bool open, keyed;
	pthread_mutex_t lock; /* of all below but what a thread has for itself */
	struct state_table *table;
	struct hmac_key key;
	uint32_t word, port;
	uint64_t hold, retransmit, heartbeat, dead; /* ns */
	uint32_t drop_per_mille, chance;
	uint16_t kinds;       /* of records, as we number them; 0: everybody numbers them so */

	uint32_t peer_count;
	struct peer *peers[PEERS_MAX];
	uint16_t by_word[PEER_SLOTS];    /* index + 1 */
	struct { uint32_t address; int fd; } locals[LOCALS_MAX];
	uint32_t local_count;
	uint32_t drafted_count, acking_count;
	struct peer *drafted[PEERS_MAX]; /* those with entries that are not sent yet */
	struct peer *acking[PEERS_MAX];  /* those with acknowledgements to come */

	struct queue queues[SENDS_MAX];
	struct sending *by_sequence[SEQUENCE_SLOTS];
	uint32_t under_way;

	uint32_t ticket_last, ticket_oldest, ticket_open; /* ids; open: not flushed yet, or 0 */
	uint32_t held;
	struct ticket tickets[TICKETS_MAX];
	uint32_t pull_last, pull_oldest, pulls_live, pulled_unread;
	struct pull pulls[PULLS_MAX];

	/* what the agent hears */
	uint32_t released_count, released[TICKETS_MAX];
	uint32_t hash_count, hashes[HASHES_MAX];
	uint32_t news_len, news[NEWS_WORDS];
	uint32_t peer_news;
	bool lost, told;      /* told: the loop has been called and has not read yet */

	uint64_t tick, refresh_due, armed; /* ns; armed: what the timer is set to */
	uint64_t silence_due; /* before the next tick: a peer that says nothing until then, or 0 */
	int timer, poll, stop;
	bool running, realtime;
	uint64_t looked, used; /* when the thread last asked how much it runs, ns */
	pthread_t thread;
	void (*notify)(void *loop); /* has the loop read the news; once until it has */
	void *loop;          /* NULL: nobody reads it */
	uint64_t count[COUNTERS_KEPT];
	struct sendq mine;   /* of the thread that opened it */
	struct sendq out;    /* of the exchange's own */
	uint8_t in[BATCH][DATAGRAM_MAX + 1]; /* what is longer is told by its length */
};

/* Takes from a count that must hold as much: one that wrapped would hold packets for ever, so the
 * process ends instead; the kernel forwards on, and the next agent adopts. */
#define TAKE(count, n) do { \
	assert((count) >= (n)); \
	(count) -= (n); \
} while (0)

/* --- lookup.c ---------------------------------------------------------------------- */

struct peer *find_peer(struct exchange *x, uint32_t word);
/* The peer in place i of the list. */
void index_peer(struct exchange *x, uint32_t i);
void forget_index(struct exchange *x);

/* --- peers.c ----------------------------------------------------------------------- */

/* Triples of word, address, local; gives a negative errno when an address has no socket. */
int replace_peers(struct exchange *x, const uint32_t *triples, uint32_t n);
/* Heartbeats, probes and judgement, every heartbeat. */
void tick_peers(struct exchange *x, struct sendq *o, uint64_t now);
void judge_silent(struct exchange *x, uint64_t now);
void excuse_silence(struct exchange *x, uint64_t late, uint64_t now);
void judge_peer(struct exchange *x, struct peer *p, bool host, bool agent);
uint64_t new_epoch(void);
void free_peers(struct exchange *x);

/* --- send.c ------------------------------------------------------------------------ */

/* Without the lock, or when the queue is full. */
void flush_sendq(struct exchange *x, struct sendq *o);
void send_plain(struct exchange *x, struct sendq *o, struct peer *p, uint8_t type,
		const uint8_t *body, size_t len);
/* A hello may have other epochs than the session. */
void send_hello(struct exchange *x, struct sendq *o, struct peer *p, uint64_t own,
		uint64_t theirs);
/* The first sending of what is kept. */
void dispatch(struct exchange *x, struct sendq *o, struct under_way *u);
void acknowledged(struct exchange *x, struct peer *p, uint64_t sequence, uint64_t now);
void send_acks(struct exchange *x, struct sendq *o, struct peer *p);
void send_all_acks(struct exchange *x, struct sendq *o);
/* Sends again what is due.  Gives the first that has been sent for long enough, which whoever asks
 * has to forget before it asks again; NULL when there is none. */
struct under_way *send_again(struct exchange *x, struct sendq *o, uint64_t now);
void forget(struct exchange *x, struct under_way *u);
/* Forgets all that was sent to a peer, and releases what waits for it. */
void forget_sent(struct exchange *x, struct peer *p);

/* --- room.c ------------------------------------------------------------------------ */

/* What is acknowledged: now, or in its turn. */
void send_kept(struct exchange *x, struct sendq *o, struct peer *p, uint8_t type,
	       const uint8_t *body, size_t len);
/* State that packets wait for.  In its turn no ticket waits for it. */
void send_awaited(struct exchange *x, struct sendq *o, struct peer *p, uint32_t ticket,
		  const uint8_t *body, size_t len);
/* Sends again what is due, and gives up what has been sent for long enough. */
void send_due(struct exchange *x, struct sendq *o, uint64_t now);
/* Sends of what waits as much as there is room for. */
void send_waiting(struct exchange *x, struct sendq *o, struct peer *p);
/* For so many messages that packets wait for. */
bool has_room(const struct exchange *x, const struct peer *p, uint32_t messages);
/* Something of this type for a peer found no room, or never got there. */
void lacks(struct exchange *x, struct peer *p, uint8_t type);
/* Has the agent make good what was left out, once there is room for it. */
void settle(struct exchange *x, struct peer *p);
void forget_waiting(struct exchange *x, struct peer *p);
enum room room_at(struct exchange *x, const uint32_t *words, uint32_t n);

/* --- draft.c ----------------------------------------------------------------------- */

void draft_entry(struct exchange *x, struct sendq *o, struct peer *p, int which,
		 const uint8_t *entry, size_t len);
/* From `which` on: a flush sends both kinds, the timer only refreshes. */
void send_drafts(struct exchange *x, struct sendq *o, int which);

/* --- hold.c ------------------------------------------------------------------------ */

uint32_t open_ticket(struct exchange *x, uint64_t now);
void wait_for(struct exchange *x, uint32_t ticket);
void waited(struct exchange *x, uint32_t ticket);
uint32_t close_ticket(struct exchange *x);
struct pull *open_pull(struct exchange *x, uint64_t now);
void answer_pull(struct exchange *x, uint32_t id, uint32_t word, bool found);
void pass_bounds(struct exchange *x, uint64_t now);
uint64_t next_bound(struct exchange *x);
/* A peer is gone: it answers no pull. */
void miss_pulls(struct exchange *x, uint32_t word);
void tell_hash(struct exchange *x, uint32_t hash);
/* Asked, told or pulled; false when there is no room. */
bool tell_news(struct exchange *x, uint32_t type, uint32_t word, const uint8_t *bytes, size_t len);
bool has_news(const struct exchange *x);
uint32_t read_news(struct exchange *x, uint32_t *into);

#define ENUM_NEWS(name, word) NEWS_##name,
enum news { NEWS_NONE, MZ_NEWS(ENUM_NEWS) NEWS_TYPES };
#define READ_WORDS (TICKETS_MAX + HASHES_MAX + NEWS_WORDS + 11 * PEERS_MAX + 16)

/* --- receive.c --------------------------------------------------------------------- */

/* One datagram, without the lock.  Takes what it says and puts answers in the send queue. */
void take_datagram(struct exchange *x, struct sendq *o, uint32_t from, const uint8_t *at,
		   size_t len, uint64_t now);

/* --- thread.c ---------------------------------------------------------------------- */

/* NULL and errno */
struct exchange *make_exchange(const uint32_t *settings, struct state_table *table);
/* Closes it; its memory goes with the handle. */
void shut_exchange(struct exchange *x);
int start_thread(struct exchange *x);
void stop_thread(struct exchange *x);
/* Without the lock: calls the loop if there is news for it. */
void announce(struct exchange *x);

#endif
