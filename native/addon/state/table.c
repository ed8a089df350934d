/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of flow state: every function of state.h that needs its lock.
 */
#define _GNU_SOURCE
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "parts.h"

#define STAMP_MAX 0x7fffffff
#define AT_ONCE 32 /* records looked at under one hold of the lock */

static int64_t clock_of(const struct state_table *t)
{
	struct timespec now;

	if (t->stopped)
		return t->stopped_at;
	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

struct state_table *state_open(uint32_t capacity, const uint32_t *timeouts)
{
	struct state_table *t = calloc(1, sizeof(*t));
	pthread_mutexattr_t how;

	if (t == NULL || capacity == 0 || capacity >= CAPACITY_MAX) {
		free(t);
		return NULL;
	}
	pthread_mutexattr_init(&how);
	/* who fills it from other hosts is more urgent than who walks packets */
	pthread_mutexattr_setprotocol(&how, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&t->lock, &how);
	pthread_mutexattr_destroy(&how);
	t->held = 1;
	t->top = 1;
	t->capacity = capacity;
	memcpy(t->timeouts, timeouts, sizeof(t->timeouts));
	t->wheel.tick = clock_of(t) / TICK_MS;
	t->slabs = calloc(capacity / SLAB_ENTRIES + 1, sizeof(*t->slabs));
	if (t->slabs == NULL || index_open(&t->index, capacity)) {
		state_drop(t);
		return NULL;
	}
	return t;
}

void state_hold(struct state_table *t)
{
	__atomic_add_fetch(&t->held, 1, __ATOMIC_RELAXED);
}

void state_drop(struct state_table *t)
{
	if (__atomic_sub_fetch(&t->held, 1, __ATOMIC_ACQ_REL))
		return;
	if (t->slabs != NULL)
		for (uint32_t i = 0; i <= t->capacity / SLAB_ENTRIES; i++)
			free(t->slabs[i]);
	free(t->slabs);
	free(t->evicted);
	free(t->holders.all);
	index_close(&t->index);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

/* The record with this id, or NULL. */
static struct entry *tenant(struct state_table *t, uint32_t id)
{
	struct entry *e = id > 0 && id < t->top ? entry_of(t, id) : NULL;

	return e != NULL && e->stamp ? e : NULL;
}

static void file(struct state_table *t, uint32_t id, const struct mz_state *record, int64_t used)
{
	struct entry *e = entry_of(t, id);

	e->state = *record;
	e->used = used;
	t->stamp = t->stamp == STAMP_MAX ? 1 : t->stamp + 1;
	e->stamp = t->stamp;
	t->info.kinds[record->a.type >> 16]++;
	hold(&t->holders, record->ingress);
	/* a in front: a key that is its own answer's says forward */
	if (record->b.type)
		index_add(t, id, 1);
	index_add(t, id, 0);
	wheel_add(t, id);
}

/* It is on no list of the wheel. */
static void unfile(struct state_table *t, uint32_t id)
{
	struct entry *e = entry_of(t, id);

	assert(t->info.kinds[e->state.a.type >> 16] > 0);
	t->info.kinds[e->state.a.type >> 16]--;
	let_go(&t->holders, e->state.ingress);
	index_remove(t, id, 0);
	if (e->state.b.type)
		index_remove(t, id, 1);
}

static void empty(struct state_table *t, uint32_t id)
{
	unfile(t, id);
	entry_of(t, id)->stamp = 0;
	give_id(t, id);
	assert(t->size > 0);
	t->size--;
}

static void remember(struct state_table *t, const struct mz_state *state)
{
	if (t->evicted == NULL)
		t->evicted = malloc(EVICTED_MAX * sizeof(*t->evicted));
	if (t->evicted != NULL && t->evicted_count < EVICTED_MAX)
		t->evicted[t->evicted_count++] = *state;
	else
		t->info.untold++;
}

static bool evict(struct state_table *t, uint32_t port)
{
	uint32_t id = worst_for(t, port);

	if (!id)
		return false;
	remember(t, &entry_of(t, id)->state);
	wheel_remove(t, id);
	empty(t, id);
	t->info.evicted++;
	return true;
}

static enum state_put add(struct state_table *t, const struct mz_state *record, int64_t used,
			  uint32_t *id)
{
	if (t->size == t->capacity && !evict(t, record->ingress))
		return STATE_REFUSED;
	*id = take_id(t);
	/* no memory: what is there makes room, as if the table were full */
	if (!*id && t->size > 0 && evict(t, record->ingress))
		*id = take_id(t);
	if (!*id) {
		t->info.refused++;
		return STATE_REFUSED;
	}
	t->size++;
	file(t, *id, record, used);
	return STATE_ADDED;
}

static void touch(struct state_table *t, uint32_t id, int64_t used)
{
	struct entry *e = entry_of(t, id);

	if (used > e->used)
		e->used = used;
	wheel_hurry(t, id);
}

static enum state_put put(struct state_table *t, const struct mz_state *record, int64_t used,
			  uint32_t *id)
{
	enum state_put what;

	*id = index_find(t, &record->a, 1) >> 1;
	if (!*id)
		return add(t, record, used, id);
	what = judge(&entry_of(t, *id)->state, record);
	if (what == STATE_MERGED) {
		let_go(&t->holders, entry_of(t, *id)->state.ingress);
		merge(&entry_of(t, *id)->state, record);
		hold(&t->holders, entry_of(t, *id)->state.ingress);
		touch(t, *id, used);
	} else if (what == STATE_REPLACED) {
		wheel_remove(t, *id);
		unfile(t, *id);
		file(t, *id, record, used);
	}
	return what;
}

enum state_put state_put(struct state_table *t, const struct mz_state *record, uint32_t idle_ms,
			 uint32_t *id)
{
	uint32_t kind = record->a.type >> 16;
	enum state_put what;

	*id = 0;
	if (kind == 0 || kind >= STATE_KINDS)
		return STATE_REFUSED;
	pthread_mutex_lock(&t->lock);
	what = put(t, record, clock_of(t) - idle_ms, id);
	pthread_mutex_unlock(&t->lock);
	return what;
}

uint32_t state_find(struct state_table *t, const struct mz_state_key *key)
{
	uint32_t handle;

	pthread_mutex_lock(&t->lock);
	handle = index_find(t, key, 3);
	pthread_mutex_unlock(&t->lock);
	return handle;
}

static double idle_of(const struct entry *e, int64_t now)
{
	return now > e->used ? now - e->used : 0;
}

bool state_read(struct state_table *t, uint32_t id, struct mz_state *into, uint32_t *idle_ms)
{
	struct entry *e;

	pthread_mutex_lock(&t->lock);
	e = tenant(t, id);
	if (e != NULL) {
		double idle = idle_of(e, clock_of(t));

		*into = e->state;
		*idle_ms = idle < UINT32_MAX ? idle : UINT32_MAX;
	}
	pthread_mutex_unlock(&t->lock);
	return e != NULL;
}

uint32_t state_stamp(struct state_table *t, uint32_t id)
{
	struct entry *e;
	uint32_t stamp;

	pthread_mutex_lock(&t->lock);
	e = tenant(t, id);
	stamp = e == NULL ? 0 : e->stamp;
	pthread_mutex_unlock(&t->lock);
	return stamp;
}

bool state_note(struct state_table *t, uint32_t handle, uint32_t stamp, uint32_t tcp_flags,
		uint32_t idle_ms)
{
	bool changed = false;
	struct entry *e;

	pthread_mutex_lock(&t->lock);
	e = tenant(t, handle >> 1);
	if (e != NULL && e->stamp == stamp) {
		int64_t used = clock_of(t) - idle_ms;

		changed = note_use(&e->state, handle & 1, tcp_flags, used - e->used);
		touch(t, handle >> 1, used);
	}
	pthread_mutex_unlock(&t->lock);
	return changed;
}

bool state_remove(struct state_table *t, uint32_t id, uint32_t stamp)
{
	struct entry *e;
	bool is_it;

	pthread_mutex_lock(&t->lock);
	e = tenant(t, id);
	is_it = e != NULL && e->stamp == stamp;
	if (is_it) {
		wheel_remove(t, id);
		empty(t, id);
	}
	pthread_mutex_unlock(&t->lock);
	return is_it;
}

/* Looks at one record: false when none is left. */
static bool look(struct state_table *t, int64_t now, struct mz_state *into, uint32_t *n)
{
	uint32_t id = wheel_next(t, now);

	if (!id)
		return false;
	if (deadline_of(t, entry_of(t, id)) > now) {
		wheel_again(t, id);
		return true;
	}
	into[(*n)++] = entry_of(t, id)->state;
	empty(t, id);
	return true;
}

uint32_t state_expire(struct state_table *t, struct mz_state *into, uint32_t max)
{
	uint32_t n = 0, turns, looked = 0;
	int64_t now;

	pthread_mutex_lock(&t->lock);
	while (t->evicted_count > 0 && n < max)
		into[n++] = t->evicted[--t->evicted_count];
	now = clock_of(t);
	wheel_leap(t, now);
	/* After one that was cut, both lists of this tick have to be looked at. */
	turns = t->cut ? 2 : 1;
	while (n < max && turns > 0) {
		if (++looked % AT_ONCE == 0) {
			pthread_mutex_unlock(&t->lock);
			pthread_mutex_lock(&t->lock);
		}
		if (!look(t, now, into, &n)) {
			wheel_turn(t);
			turns--;
		}
	}
	t->cut = turns > 0;
	pthread_mutex_unlock(&t->lock);
	return n;
}

uint32_t state_scan(struct state_table *t, uint32_t *from, struct mz_state *into, double *idle_ms,
		    uint32_t max)
{
	uint32_t n = 0, id = *from ? *from : 1;
	int64_t now;

	pthread_mutex_lock(&t->lock);
	now = clock_of(t);
	for (; id < t->top && n < max; id++) {
		struct entry *e = tenant(t, id);

		if (id % AT_ONCE == 0) {
			pthread_mutex_unlock(&t->lock);
			pthread_mutex_lock(&t->lock);
			e = tenant(t, id);
		}
		if (e == NULL)
			continue;
		idle_ms[n] = idle_of(e, now);
		into[n++] = e->state;
	}
	*from = id < t->top ? id : 0;
	pthread_mutex_unlock(&t->lock);
	return n;
}

uint32_t state_held(struct state_table *t, uint32_t port)
{
	uint32_t n;

	pthread_mutex_lock(&t->lock);
	n = held_by(&t->holders, port);
	pthread_mutex_unlock(&t->lock);
	return n;
}

void state_inform(struct state_table *t, struct state_info *into)
{
	pthread_mutex_lock(&t->lock);
	*into = t->info;
	into->size = t->size;
	into->bytes = sizeof(*t) + (uint64_t)t->top * sizeof(struct entry) +
		      (uint64_t)t->index.buckets * sizeof(uint32_t);
	pthread_mutex_unlock(&t->lock);
}

void state_stop_clock(struct state_table *t, int64_t ms)
{
	pthread_mutex_lock(&t->lock);
	t->stopped = true;
	t->stopped_at = ms;
	if (t->size == 0)
		t->wheel.tick = ms / TICK_MS;
	pthread_mutex_unlock(&t->lock);
}
