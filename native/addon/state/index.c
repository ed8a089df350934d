/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory of the table of flow state, in slabs that are taken as it fills (and of which the
 * kernel gives what is touched), and the index over the two keys of each record.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "parts.h"

#define BUCKETS_FIRST 256

int index_open(struct index *x, uint32_t capacity)
{
	x->buckets_max = capacity < BUCKETS_FIRST / 2 ? BUCKETS_FIRST : capacity * 2;
	x->segments = calloc(x->buckets_max / SEGMENT_BUCKETS + 1, sizeof(*x->segments));
	if (x->segments == NULL)
		return -ENOMEM;
	x->segments[0] = calloc(SEGMENT_BUCKETS, sizeof(**x->segments));
	if (x->segments[0] == NULL)
		return -ENOMEM;
	x->buckets = x->low = BUCKETS_FIRST;
	if (getrandom(x->secret, sizeof(x->secret), 0) != sizeof(x->secret))
		return -EIO;
	return 0;
}

void index_close(struct index *x)
{
	if (x->segments != NULL)
		for (uint32_t i = 0; i <= x->buckets_max / SEGMENT_BUCKETS; i++)
			free(x->segments[i]);
	free(x->segments);
}

static uint64_t fold(uint64_t a, uint64_t b)
{
	unsigned __int128 product = (unsigned __int128)a * b;

	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

/* wyhash's step over six double words */
uint32_t index_hash(const struct index *x, const struct mz_state_key *key)
{
	uint64_t w[sizeof(*key) / 8], h = x->secret[0];

	memcpy(w, key, sizeof(w));
	for (size_t i = 0; i < sizeof(*key) / 8; i += 2)
		h = fold(w[i] ^ x->secret[0] ^ h, w[i + 1] ^ x->secret[1]);
	return h ^ h >> 32;
}

static uint32_t *bucket_at(const struct index *x, uint32_t i)
{
	return &x->segments[i / SEGMENT_BUCKETS][i % SEGMENT_BUCKETS];
}

static uint32_t *bucket_of(const struct index *x, uint32_t hash)
{
	uint32_t i = hash & (x->low * 2 - 1);

	return bucket_at(x, i < x->buckets ? i : hash & (x->low - 1));
}

static uint32_t *next_of(struct state_table *t, uint32_t handle)
{
	return &entry_of(t, handle >> 1)->next[handle & 1];
}

/* Gives the next bucket what is its own.  Both chains keep their order. */
static void split(struct state_table *t)
{
	struct index *x = &t->index;
	uint32_t **segment = &x->segments[x->buckets / SEGMENT_BUCKETS];
	uint32_t at, *ends[2];

	if (*segment == NULL)
		*segment = calloc(SEGMENT_BUCKETS, sizeof(**segment));
	if (*segment == NULL)
		return; /* longer chains, then */
	ends[0] = bucket_at(x, x->buckets - x->low);
	ends[1] = bucket_at(x, x->buckets);
	at = *ends[0];
	while (at) {
		uint32_t hash = entry_of(t, at >> 1)->hash[at & 1];
		uint32_t **end = &ends[!!(hash & x->low)];

		**end = at;
		*end = next_of(t, at);
		at = **end;
	}
	*ends[0] = *ends[1] = 0;
	if (++x->buckets == x->low * 2)
		x->low *= 2;
}

void index_add(struct state_table *t, uint32_t id, uint32_t side)
{
	struct index *x = &t->index;
	struct entry *e = entry_of(t, id);
	uint32_t *bucket;

	if (++x->handles > x->buckets && x->buckets < x->buckets_max)
		split(t);
	e->hash[side] = index_hash(x, entry_key(e, side));
	bucket = bucket_of(x, e->hash[side]);
	e->next[side] = *bucket;
	*bucket = id << 1 | side;
}

void index_remove(struct state_table *t, uint32_t id, uint32_t side)
{
	struct entry *e = entry_of(t, id);
	uint32_t *at = bucket_of(&t->index, e->hash[side]);

	while (*at != (id << 1 | side)) {
		assert(*at); /* it is where its key says */
		at = next_of(t, *at);
	}
	*at = e->next[side];
	assert(t->index.handles > 0);
	t->index.handles--;
}

uint32_t index_find(struct state_table *t, const struct mz_state_key *key, uint32_t sides)
{
	uint32_t hash = index_hash(&t->index, key);
	uint32_t at = *bucket_of(&t->index, hash);

	while (at) {
		struct entry *e = entry_of(t, at >> 1);

		if (e->hash[at & 1] == hash && sides & 1 << (at & 1) &&
		    same_key(entry_key(e, at & 1), key))
			return at;
		at = e->next[at & 1];
	}
	return 0;
}

uint32_t take_id(struct state_table *t)
{
	uint32_t id = t->free;
	struct entry **slab;

	if (id) {
		t->free = entry_of(t, id)->next[0];
		return id;
	}
	slab = &t->slabs[t->top / SLAB_ENTRIES];
	if (*slab == NULL)
		*slab = calloc(SLAB_ENTRIES, sizeof(**slab));
	return *slab == NULL ? 0 : t->top++;
}

void give_id(struct state_table *t, uint32_t id)
{
	entry_of(t, id)->next[0] = t->free;
	t->free = id;
}
