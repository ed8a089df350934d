/* SPDX-License-Identifier: Apache-2.0
 *
 * A timer wheel: a record is filed under the tick in which it would be over.  To use it again costs
 * nothing here; when its tick comes it is filed again.  To file one before it is over is never
 * wrong, so a record that lives longer than the wheel reaches is filed at a place of its own in
 * the further half: records that came at once do not come up at once, ever again.
 */
#include <assert.h>
#include "parts.h"

#define LIST 0x80000000u /* in `before`: not an id but the list it heads */

int64_t deadline_of(const struct state_table *t, const struct entry *e)
{
	return e->used + (int64_t)timeout_of(t->timeouts, &e->state) * 1000;
}

static void link_to(struct state_table *t, uint32_t id, uint32_t list, uint64_t tick)
{
	struct entry *e = entry_of(t, id);
	uint32_t head = t->wheel.heads[list];

	e->later = head;
	e->before = LIST | list;
	e->filed = (uint32_t)tick;
	if (head)
		entry_of(t, head)->before = id;
	t->wheel.heads[list] = id;
}

/* The tick to file a record under: its own, or one before it. */
static uint64_t tick_for(const struct state_table *t, const struct entry *e)
{
	const struct wheel *w = &t->wheel;
	int64_t deadline = deadline_of(t, e);
	uint64_t tick = deadline < 0 ? 0 : (uint64_t)deadline / TICK_MS;

	if (tick < w->tick)
		return w->tick;
	if (tick - w->tick < TICKS)
		return tick;
	return w->tick + TICKS / 2 + e->hash[0] % (TICKS / 2);
}

void wheel_add(struct state_table *t, uint32_t id)
{
	uint64_t tick = tick_for(t, entry_of(t, id));

	link_to(t, id, tick % TICKS, tick);
}

void wheel_remove(struct state_table *t, uint32_t id)
{
	struct entry *e = entry_of(t, id);

	uint32_t *at = e->before & LIST ? &t->wheel.heads[e->before & ~LIST]
					: &entry_of(t, e->before)->later;

	assert(*at == id);
	*at = e->later;
	if (e->later)
		entry_of(t, e->later)->before = e->before;
}

void wheel_hurry(struct state_table *t, uint32_t id)
{
	struct entry *e = entry_of(t, id);

	if ((int32_t)((uint32_t)tick_for(t, e) - e->filed) >= 0)
		return;
	wheel_remove(t, id);
	wheel_add(t, id);
}

/* After more than a round every list has come up: one more round sees them all. */
void wheel_leap(struct state_table *t, int64_t now)
{
	uint64_t end = now / TICK_MS;

	if (end > t->wheel.tick + TICKS)
		t->wheel.tick = end - TICKS;
}

uint32_t wheel_next(struct state_table *t, int64_t now)
{
	struct wheel *w = &t->wheel;
	uint64_t end = now / TICK_MS;
	uint32_t id;

	while (!(id = w->heads[w->tick % TICKS]) && !(id = w->heads[TICKS + w->turn])) {
		if (w->tick >= end)
			return 0;
		w->tick++;
	}
	wheel_remove(t, id);
	return id;
}

void wheel_again(struct state_table *t, uint32_t id)
{
	struct wheel *w = &t->wheel;
	uint64_t tick = tick_for(t, entry_of(t, id));

	link_to(t, id, tick == w->tick ? TICKS + !w->turn : tick % TICKS, tick);
}

void wheel_turn(struct state_table *t)
{
	t->wheel.turn = !t->wheel.turn;
}
