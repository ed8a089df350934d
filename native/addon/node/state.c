/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of flow state for TypeScript (src/native/state-table.ts).  Records and keys
 * are words in the caller's arrays; nothing here makes an object.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "addon.h"
#include "state/state.h"

#define STATE_MAGIC 0x6d7a5374
#define ONE(name, word) +1
enum { INFO_FIXED = 0 MZ_STATE_INFO(ONE) };

struct state_handle {
	uint32_t magic;
	struct state_table *table; /* NULL: closed */
};

static struct state_handle *arg_handle(struct args *a, size_t i)
{
	struct state_handle *h = NULL;

	if (i >= a->n || napi_get_value_external(a->env, a->v[i], (void **)&h) != napi_ok)
		return NULL;
	return h != NULL && h->magic == STATE_MAGIC ? h : NULL;
}

struct state_table *arg_state(struct args *a, size_t i)
{
	struct state_handle *h = arg_handle(a, i);

	return h == NULL ? NULL : h->table;
}

/* `words` words at the offset of argument i + 1 into the array of argument i, or NULL. */
static void *arg_words(struct args *a, size_t i, size_t words)
{
	struct span s = arg_span(a, i);
	uint64_t at = arg_u32(a, i + 1);

	return s.len / 4 >= at + words ? s.at + at * 4 : NULL;
}

#define KEY_WORDS (sizeof(struct mz_state_key) / 4)
#define RECORD_WORDS (sizeof(struct mz_state) / 4)

static void shut(struct state_handle *h)
{
	if (h->table != NULL)
		state_drop(h->table);
	h->table = NULL;
}

static void finalize(napi_env env, void *data, void *hint)
{
	(void)env;
	(void)hint;
	shut(data);
	free(data);
}

/* stateOpen(capacity, timeouts) */
napi_value open_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct span timeouts = arg_span(&a, 1);
	struct state_handle *h;
	napi_value external;

	if (timeouts.len != TIMEOUT_WORDS * 4 || arg_u32(&a, 0) == 0)
		return number(env, -EINVAL);
	h = calloc(1, sizeof(*h));
	if (h == NULL)
		return number(env, -ENOMEM);
	h->magic = STATE_MAGIC;
	h->table = state_open(arg_u32(&a, 0), (const uint32_t *)timeouts.at);
	if (h->table == NULL ||
	    napi_create_external(env, h, finalize, NULL, &external) != napi_ok) {
		shut(h);
		free(h);
		return number(env, -ENOMEM);
	}
	return external;
}

/* stateClose(table): what holds it besides goes on with it */
napi_value close_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_handle *h = arg_handle(&a, 0);

	if (h == NULL)
		return number(env, -EBADF);
	shut(h);
	return number(env, 0);
}

/* stateHeld(table, port) -> records that came in by it */
napi_value held_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);

	return number(env, t == NULL ? -EBADF : (double)state_held(t, arg_u32(&a, 1)));
}

/* stateFind(table, words, at) -> id << 1 | side, or 0 */
napi_value find_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);
	struct mz_state_key *key = arg_words(&a, 1, KEY_WORDS);

	if (t == NULL || key == NULL)
		return number(env, t == NULL ? -EBADF : -EINVAL);
	return number(env, state_find(t, key));
}

/* stateRead(table, id, words, at) -> 1, or 0 when it is empty */
napi_value read_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);
	struct mz_state *into = arg_words(&a, 2, RECORD_WORDS);
	uint32_t idle_ms;

	if (t == NULL || into == NULL)
		return number(env, t == NULL ? -EBADF : -EINVAL);
	return number(env, state_read(t, arg_u32(&a, 1), into, &idle_ms));
}

/* stateStamp(table, id) */
napi_value stamp_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);

	return number(env, t == NULL ? -EBADF : (double)state_stamp(t, arg_u32(&a, 1)));
}

/* statePut(table, words, at, idleMs) -> enum state_put | id << 2 */
napi_value put_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);
	struct mz_state *record = arg_words(&a, 1, RECORD_WORDS);
	enum state_put what;
	uint32_t id;

	if (t == NULL || record == NULL)
		return number(env, t == NULL ? -EBADF : -EINVAL);
	what = state_put(t, record, arg_u32(&a, 3), &id);
	return number(env, what | id << 2);
}

/* stateNote(table, handle, stamp, tcpFlags, idleMs) -> 1 when flags changed */
napi_value note_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);

	if (t == NULL)
		return number(env, -EBADF);
	return number(env, state_note(t, arg_u32(&a, 1), arg_u32(&a, 2), arg_u32(&a, 3),
				      arg_u32(&a, 4)));
}

/* stateRemove(table, id, stamp) -> 1 when it was that tenant's */
napi_value remove_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);

	if (t == NULL)
		return number(env, -EBADF);
	return number(env, state_remove(t, arg_u32(&a, 1), arg_u32(&a, 2)));
}

static uint32_t least(uint64_t a, uint64_t b)
{
	return a < b ? a : b;
}

/* stateExpire(table, into, max) -> how many */
napi_value expire_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);
	struct span into = arg_span(&a, 1);

	if (t == NULL)
		return number(env, -EBADF);
	return number(env, state_expire(t, (struct mz_state *)into.at,
					least(arg_u32(&a, 2), into.len / sizeof(struct mz_state))));
}

/* stateScan(table, from, into, idleMs, next) -> how many; next[0]: where to go on, or 0 */
napi_value scan_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);
	struct span into = arg_span(&a, 2), idle = arg_span(&a, 3), next = arg_span(&a, 4);
	uint32_t from = arg_u32(&a, 1), n;

	if (t == NULL || next.len < 4)
		return number(env, t == NULL ? -EBADF : -EINVAL);
	n = state_scan(t, &from, (struct mz_state *)into.at, (double *)idle.at,
		       least(idle.len / 8, into.len / sizeof(struct mz_state)));
	memcpy(next.at, &from, 4);
	return number(env, n);
}

/* stateInfo(table, into: size, evicted, untold, refused, bytes, then records by kind) */
napi_value inform_state(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);
	struct span into = arg_span(&a, 1);
	double *out = (double *)into.at;
	struct state_info i;

	if (t == NULL || into.len < (INFO_FIXED + STATE_KINDS) * sizeof(*out))
		return number(env, t == NULL ? -EBADF : -EINVAL);
	state_inform(t, &i);
#define GIVE(name, word) *out++ = i.name;
	MZ_STATE_INFO(GIVE)
	for (int kind = 0; kind < STATE_KINDS; kind++)
		out[kind] = i.kinds[kind];
	return number(env, 0);
}

/* stateStopClock(table, ms) */
napi_value stop_state_clock(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *t = arg_state(&a, 0);
	double ms = 0;

	if (t == NULL)
		return number(env, -EBADF);
	if (a.n < 2 || napi_get_value_double(env, a.v[1], &ms) != napi_ok || !(ms >= 0))
		return number(env, -EINVAL);
	state_stop_clock(t, ms);
	return number(env, 0);
}
