/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of flow state, for the addon's own files: state-table.c keeps it, exchange.c fills it
 * from other hosts, on a thread of its own.  Every function takes the table's lock itself and holds
 * it for one record.  Meanings are those of src/state/table.ts.
 */
#ifndef MEZZO_STATE_H
#define MEZZO_STATE_H

#include "addon.h"

/* Order of the lifetimes given to state_open, seconds: src/state/lifetimes.ts. */
enum lifetime {
	TCP_OPENING, TCP_ESTABLISHED, TCP_HALF_CLOSED, TCP_CLOSED, TCP_RESET, UDP_ONE_WAY,
	UDP_TWO_WAY, ICMP_ECHO, OTHER_PROTOCOL, STICKY_SOURCE, LIFETIMES
};
enum state_put { STATE_REFUSED, STATE_ADDED, STATE_MERGED, STATE_REPLACED };

struct state_table;

struct state_table *state_open(uint32_t capacity, const uint32_t *lifetimes);
/* Lives as long as somebody holds it: the addon's handle and the exchange. */
void state_hold(struct state_table *t);
void state_drop(struct state_table *t);
/* id << 1 | (1 for key b), or 0 */
uint32_t state_find(struct state_table *t, const struct mz_state_key *key);
bool state_read(struct state_table *t, uint32_t id, struct mz_state *into, uint32_t *idle_ms);
/* changed: whether keys are there that were not, or were different. */
enum state_put state_put(struct state_table *t, const struct mz_state *record, uint32_t idle_ms,
			 uint32_t *id);
/* As keyHash of src/state/record.ts. */
uint32_t state_hash(const struct mz_state_key *key);
struct state_table *arg_state(struct args *a, size_t i);

#endif
