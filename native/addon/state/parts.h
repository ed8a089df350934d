/* SPDX-License-Identifier: Apache-2.0
 *
 * What the table of flow state is made of, for its own files: table.c (what state.h says),
 * index.c (memory, and finding by key), wheel.c (when a record is over),
 * holders.c and evict.c (who holds how many, which goes when there is no room) and
 * rules.c (how long it lives, which of two stands).  Only table.c takes the lock.
 */
#ifndef MEZZO_STATE_PARTS_H
#define MEZZO_STATE_PARTS_H

#include "state.h"

#define SLAB_ENTRIES 4096
#define SEGMENT_BUCKETS 65536
#define EVICTED_MAX 4096    /* remembered until the next expiry: src/state/table.ts */
#define CAPACITY_MAX (1u << 30) /* a handle has a bit more than an id */

struct entry {
	struct mz_state state;
	uint32_t next[2];  /* handles in the bucket of key a, of key b; [0]: the next free id */
	uint32_t hash[2];
	uint32_t stamp;    /* 0: empty */
	uint32_t filed;    /* tick of its list of the wheel, low bits */
	uint32_t later, before; /* neighbours on that list */
	int64_t used;      /* ms */
};

/* Buckets of handles, by linear hashing: it grows a bucket at a time and never stops the packets to
 * build itself anew.  A chain begins with what was filed last. */
struct index {
	uint32_t **segments;
	uint32_t buckets, low; /* low: the largest power of two that is not above buckets */
	uint32_t buckets_max;
	uint32_t handles;
	uint64_t secret[2];    /* who chooses keys must not choose buckets */
};

/* 524 s in ticks of 128 ms.  What lives longer is filed half that far, or more, and then again. */
#define TICK_MS 128
#define TICKS 4096
struct wheel {
	uint64_t tick;         /* lists of ticks before it are empty */
	/* a list for each tick, and two for what was looked at and is over within this very tick:
	 * one is being looked at, the other takes what must be looked at next time */
	uint32_t heads[TICKS + 2];
	uint32_t turn;         /* which of the two is being looked at */
};

struct holder {
	uint32_t port, count;
	bool known;
};

struct holders {
	struct holder *all;
	uint32_t places, known, live; /* a power of two; with a place; that hold something */
};

struct state_table {
	pthread_mutex_t lock;
	uint32_t held;
	uint32_t capacity;
	uint32_t timeouts[TIMEOUT_WORDS];
	struct entry **slabs;
	uint32_t top;          /* ids from here on were never given out */
	uint32_t free;
	uint32_t size;
	uint32_t stamp;
	uint32_t hand;
	bool stopped, cut;     /* the clock; the last expiry, by its maximum */
	int64_t stopped_at;
	struct index index;
	struct wheel wheel;
	struct holders holders;
	struct mz_state *evicted;
	uint32_t evicted_count;
	struct state_info info;
};

static inline struct entry *entry_of(const struct state_table *t, uint32_t id)
{
	return &t->slabs[id / SLAB_ENTRIES][id % SLAB_ENTRIES];
}

static inline const struct mz_state_key *entry_key(const struct entry *e, uint32_t side)
{
	return side ? &e->state.b : &e->state.a;
}

static inline bool same_key(const struct mz_state_key *a, const struct mz_state_key *b)
{
	return !__builtin_memcmp(a, b, sizeof(*a));
}

/* --- index.c ---------------------------------------------------------------------------- */

int index_open(struct index *x, uint32_t capacity);
void index_close(struct index *x);
uint32_t index_hash(const struct index *x, const struct mz_state_key *key);
void index_add(struct state_table *t, uint32_t id, uint32_t side);
void index_remove(struct state_table *t, uint32_t id, uint32_t side);
/* The handle under this key that was filed last, or 0; sides: 1 << side of those that count. */
uint32_t index_find(struct state_table *t, const struct mz_state_key *key, uint32_t sides);
/* An id nobody has, or 0 when there is no memory. */
uint32_t take_id(struct state_table *t);
void give_id(struct state_table *t, uint32_t id);

/* --- wheel.c ---------------------------------------------------------------------------- */

int64_t deadline_of(const struct state_table *t, const struct entry *e);
void wheel_add(struct state_table *t, uint32_t id);
void wheel_remove(struct state_table *t, uint32_t id);
/* Files a record anew whose life has become shorter. */
void wheel_hurry(struct state_table *t, uint32_t id);
/* Lists from which records come up, until now. */
void wheel_leap(struct state_table *t, int64_t now);
/* A record that may be over, off its list; 0: none is left for this turn. */
uint32_t wheel_next(struct state_table *t, int64_t now);
/* Puts it where it comes up again. */
void wheel_again(struct state_table *t, uint32_t id);
void wheel_turn(struct state_table *t);

/* --- holders.c -------------------------------------------------------------------------- */

uint32_t held_by(const struct holders *h, uint32_t port);
void hold(struct holders *h, uint32_t port);
void let_go(struct holders *h, uint32_t port);

/* --- evict.c ---------------------------------------------------------------------------- */

/* Which record goes for one of this port, 0: none was found. */
uint32_t worst_for(struct state_table *t, uint32_t port);

/* --- rules.c ---------------------------------------------------------------------------- */

uint32_t timeout_of(const uint32_t *timeouts, const struct mz_state *s);
/* Of a kind that has one of its own: it remembers something, and stands for no connection. */
uint32_t own_timeout(const uint32_t *timeouts, const struct mz_state *s);
bool is_over(uint32_t flags);
/* Packets with these TCP flags were seen, so long after the last, ms; whether the flags changed. */
bool note_use(struct mz_state *s, bool is_return, uint32_t tcp, int64_t after);
enum state_put judge(const struct mz_state *there, const struct mz_state *record);
void merge(struct mz_state *there, const struct mz_state *record);

#endif
