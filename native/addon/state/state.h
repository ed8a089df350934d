/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of flow state, for the addon's own files: table.c keeps it, the exchange fills it
 * from other hosts, on a thread of its own.  Every function takes the table's lock itself and holds
 * it for one record, or for a few.  Meanings are those of src/state/table.ts.
 */
#ifndef MEZZO_STATE_H
#define MEZZO_STATE_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include "abi.h"

#define ENUM_TIMEOUT(name, word) name,
enum timeout { MZ_TIMEOUTS(ENUM_TIMEOUT) TIMEOUTS };
enum state_put { STATE_REFUSED, STATE_ADDED, STATE_MERGED, STATE_REPLACED };

#define STATE_KINDS MZ_STATE_KINDS_MAX
/* What state_open is given: the times of the list, then those of the kinds. */
#define TIMEOUT_WORDS (TIMEOUTS + STATE_KINDS)
struct state_info {
	uint32_t size;
	uint64_t evicted;
	uint64_t untold;   /* of them, those that state_expire did not tell */
	uint64_t refused;  /* for want of memory */
	uint64_t bytes;    /* touched so far */
	uint32_t kinds[STATE_KINDS];
};

struct state_table;

/* NULL when there is no memory, or the capacity is none. */
struct state_table *state_open(uint32_t capacity, const uint32_t *timeouts);
/* Lives as long as somebody holds it: the addon's handle and the exchange. */
void state_hold(struct state_table *t);
void state_drop(struct state_table *t);
/* id << 1 | (1 for key b), or 0 */
uint32_t state_find(struct state_table *t, const struct mz_state_key *key);
bool state_read(struct state_table *t, uint32_t id, struct mz_state *into, uint32_t *idle_ms);
uint32_t state_stamp(struct state_table *t, uint32_t id);
/* *id: of the record that stands, 0 when none does.  Keys are new or different when it says ADDED
 * or REPLACED. */
enum state_put state_put(struct state_table *t, const struct mz_state *record, uint32_t idle_ms,
			 uint32_t *id);
bool state_note(struct state_table *t, uint32_t handle, uint32_t stamp, uint32_t tcp_flags,
		uint32_t idle_ms);
bool state_remove(struct state_table *t, uint32_t id, uint32_t stamp);
uint32_t state_expire(struct state_table *t, struct mz_state *into, uint32_t max);
/* Up to max records from slot *from on, which then is where to go on, 0 at the end. */
uint32_t state_scan(struct state_table *t, uint32_t *from, struct mz_state *into, double *idle_ms,
		    uint32_t max);
/* Records whose openers' packets come in by this port. */
uint32_t state_held(struct state_table *t, uint32_t port);
void state_inform(struct state_table *t, struct state_info *into);
/* For tests: from now on the table's clock stands at ms, until it is moved again. */
void state_stop_clock(struct state_table *t, int64_t ms);
/* As keyHash of src/state/record.ts. */
uint32_t state_hash(const struct mz_state_key *key);

#endif
