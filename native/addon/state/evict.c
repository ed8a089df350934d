/* SPDX-License-Identifier: Apache-2.0
 *
 * Which record goes when there is no room.  Candidates lie evenly over the table, wherever its old
 * records lie.  Of them goes, in this order: what nobody answered or is over, of the newcomer's own
 * port; of a port that holds its fair share or more; anything of such a port; anything at all.
 * Nobody loses what is established to others while he holds less than they.
 */
#include "parts.h"

#define CANDIDATES 16
#define CANDIDATES_MAX 256 /* until one is of a port that holds its share */

enum { OWN_IDLE, RICH_IDLE, RICH, IDLE, ANY };

struct choice {
	uint32_t id, rank, held;
	int64_t deadline;
};

/* Nobody answered, or it is over. */
static bool is_idle(const struct state_table *t, const struct entry *e)
{
	return !own_timeout(t->timeouts, &e->state) &&
	       (!(e->state.flags & MZ_STATE_REPLIED) || is_over(e->state.flags));
}

static struct choice look_at(const struct state_table *t, uint32_t id, uint32_t port)
{
	const struct entry *e = entry_of(t, id);
	struct choice c = { .id = id, .held = held_by(&t->holders, e->state.ingress),
			    .deadline = deadline_of(t, e) };
	bool rich = (uint64_t)c.held * t->holders.live >= t->size, idle = is_idle(t, e);

	if (idle && e->state.ingress == port)
		c.rank = OWN_IDLE;
	else
		c.rank = rich ? idle ? RICH_IDLE : RICH : idle ? IDLE : ANY;
	return c;
}

static bool goes_before(const struct choice *a, const struct choice *b)
{
	if (a->rank != b->rank)
		return a->rank < b->rank;
	if (a->held != b->held)
		return a->held > b->held;
	return a->deadline < b->deadline;
}

static uint32_t next_candidate(struct state_table *t)
{
	uint32_t id = 1 + ((uint64_t)(t->hand += 0x9e3779b9) * t->capacity >> 32);

	return id < t->top && entry_of(t, id)->stamp ? id : 0;
}

uint32_t worst_for(struct state_table *t, uint32_t port)
{
	struct choice worst = { .id = 0, .rank = ANY };
	uint32_t ids[CANDIDATES];

	for (int n = 0; n < CANDIDATES_MAX && worst.rank > RICH; n += CANDIDATES) {
		for (int i = 0; i < CANDIDATES; i++) {
			ids[i] = next_candidate(t);
			if (ids[i]) /* none is in the cache: fetch them at once */
				__builtin_prefetch(&entry_of(t, ids[i])->state.flags);
		}
		for (int i = 0; i < CANDIDATES; i++) {
			struct choice c;

			if (!ids[i])
				continue;
			c = look_at(t, ids[i], port);
			if (!worst.id || goes_before(&c, &worst))
				worst = c;
		}
	}
	return worst.id;
}
