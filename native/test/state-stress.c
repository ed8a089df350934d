/* SPDX-License-Identifier: Apache-2.0
 *
 * Threads that do everything to one table of flow state at once, built with the sanitizers (`make
 * test`), and what must be true of it afterwards.  Chance is seeded: a run can be had again.
 */
#include <assert.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "state/state.h"

#define THREADS 4
#define STEPS 60000
#define KEYS 1500
#define BATCH 64

static const uint32_t timeouts[TIMEOUT_WORDS] = {
	60, 86400, 3600, 60, 10, 30, 180, 30, 600, [TIMEOUTS + 4] = 1800
};
static const uint32_t protocols[] = { 6, 17, 1, 58, 47 };

struct thread {
	pthread_t thread;
	struct state_table *table;
	pthread_barrier_t *start;
	uint32_t seed;
	int64_t *clock; /* of one of them: it moves the table's */
};

static uint32_t chance(struct thread *t, uint32_t below)
{
	t->seed ^= t->seed << 13;
	t->seed ^= t->seed >> 17;
	t->seed ^= t->seed << 5;
	return t->seed % below;
}

static struct mz_state some(struct thread *t)
{
	struct mz_state s = { .generation = chance(t, 3), .born = chance(t, 4),
			      .owner = chance(t, 3), .flags = chance(t, 32) };

	s.a.type = (1 + chance(t, 4)) << 16 | 4 << 8 | protocols[chance(t, 5)];
	s.a.src[3] = chance(t, KEYS);
	if (chance(t, 4)) {
		s.b = s.a;
		s.b.dst[3] = chance(t, KEYS);
	}
	return s;
}

static void step(struct thread *t)
{
	struct mz_state s = some(t), into[BATCH];
	uint32_t handle = state_find(t->table, chance(t, 2) ? &s.a : &s.b);
	uint32_t id = handle >> 1, from = chance(t, 200), idle_ms;
	struct state_info info;
	double idle[BATCH];

	if (!chance(t, 4))
		sched_yield(); /* one core is enough to meet others */
	switch (chance(t, 12)) {
	case 0:
		state_remove(t->table, id, state_stamp(t->table, id));
		break;
	case 1:
		state_expire(t->table, into, BATCH);
		break;
	case 2:
		state_scan(t->table, &from, into, idle, BATCH);
		break;
	case 3:
		state_inform(t->table, &info);
		break;
	case 4:
		state_read(t->table, id, into, &idle_ms);
		break;
	case 5:
	case 6:
		state_note(t->table, handle, state_stamp(t->table, id), chance(t, 256),
			   chance(t, 1000));
		break;
	case 7:
		if (t->clock != NULL)
			state_stop_clock(t->table, *t->clock += chance(t, 20) ? 50 : 700000);
		break;
	default:
		state_put(t->table, &s, chance(t, 5000), &id);
	}
}

static void *run(void *context)
{
	struct thread *t = context;

	pthread_barrier_wait(t->start);
	for (int i = 0; i < STEPS; i++)
		step(t);
	state_drop(t->table);
	return NULL;
}

/* Every record is found, and there are as many as it says. */
static void take_stock(struct state_table *t, uint32_t capacity)
{
	uint32_t from = 0, seen = 0, kinds[STATE_KINDS] = { 0 };
	struct mz_state into[BATCH], read;
	struct state_info info;
	double idle[BATCH];

	do {
		uint32_t n = state_scan(t, &from, into, idle, BATCH), idle_ms;

		for (uint32_t i = 0; i < n; i++) {
			uint32_t handle = state_find(t, &into[i].a);

			assert(state_read(t, handle >> 1, &read, &idle_ms));
			assert(!memcmp(handle & 1 ? &read.b : &read.a, &into[i].a, sizeof(read.a)));
			assert(into[i].b.type == 0 || state_find(t, &into[i].b));
			kinds[into[i].a.type >> 16]++;
		}
		seen += n;
	} while (from);
	state_inform(t, &info);
	assert(seen == info.size && seen <= capacity && info.refused == 0);
	assert(!memcmp(kinds, info.kinds, sizeof(kinds)));
}

static void hammer(uint32_t capacity)
{
	struct state_table *t = state_open(capacity, timeouts);
	struct mz_state into[BATCH];
	struct thread threads[THREADS];
	struct state_info info;
	int64_t clock = 1000000;
	pthread_barrier_t start;

	pthread_barrier_init(&start, NULL, THREADS);
	assert(t != NULL);
	state_stop_clock(t, clock);
	for (uint32_t i = 0; i < THREADS; i++) {
		state_hold(t);
		threads[i] = (struct thread){ .table = t, .start = &start, .seed = 77 + i,
					      .clock = i ? NULL : &clock };
		assert(!pthread_create(&threads[i].thread, NULL, run, &threads[i]));
	}
	for (int i = 0; i < THREADS; i++)
		pthread_join(threads[i].thread, NULL);
	take_stock(t, capacity);
	state_stop_clock(t, clock + INT64_C(86400000));
	while (state_expire(t, into, BATCH) == BATCH)
		;
	take_stock(t, capacity);
	state_inform(t, &info);
	assert(info.size == 0);
	pthread_barrier_destroy(&start);
	state_drop(t);
}

int main(void)
{
	uint32_t words[12] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 0xfffffffe };

	/* src/state/record.test.ts has the same */
	assert(state_hash((struct mz_state_key *)words) == 0x65cd76c8);
	hammer(1);
	hammer(300);
	hammer(100000);
	printf("state table: %d threads, %d steps each\n", THREADS, STEPS);
	return 0;
}
