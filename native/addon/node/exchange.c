/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange's functions for TypeScript (src/native/exchange.ts), called on the packet
 * thread.  What has to be sent is sent from here: no other thread is woken on the way of a held
 * packet.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "addon.h"
#include "exchange/parts.h"

#define KEY_BYTES 32

static struct exchange *arg_exchange(struct args *a)
{
	struct exchange *x = NULL;
	napi_valuetype type;

	if (a->n < 1 || napi_typeof(a->env, a->v[0], &type) != napi_ok || type != napi_external ||
	    napi_get_value_external(a->env, a->v[0], (void **)&x) != napi_ok)
		return NULL;
	return x != NULL && x->magic == EXCHANGE_MAGIC && x->open ? x : NULL;
}

/* Words and the like at v[i], from word v[i + 1] on; NULL when there are not so many. */
static const void *arg_words(struct args *a, size_t i, size_t words)
{
	struct span s = arg_span(a, i);
	size_t at = arg_u32(a, i + 1);

	return s.len / 4 < words || at > s.len / 4 - words ? NULL : s.at + 4 * at;
}

static void lock(struct exchange *x)
{
	pthread_mutex_lock(&x->lock);
}

/* Sends without the lock what was made under it. */
static void unlock_and_send(struct exchange *x)
{
	pthread_mutex_unlock(&x->lock);
	flush_sendq(x, &x->mine);
}

/* --- its life ------------------------------------------------------------------------------- */

/* An exchange's loop is a napi_threadsafe_function. */
static void call_loop(void *loop)
{
	napi_call_threadsafe_function(loop, NULL, napi_tsfn_nonblocking);
}

static void called(napi_env env, napi_value fire, void *context, void *data)
{
	napi_value undefined, result;

	(void)context;
	(void)data;
	if (env == NULL || fire == NULL || napi_get_undefined(env, &undefined) != napi_ok)
		return;
	napi_call_function(env, undefined, fire, 0, NULL, &result);
}

static void at_exit(void *context);

/* `env`: NULL when it ends, and forgets its hooks itself */
static void shut(struct exchange *x, napi_env env)
{
	stop_thread(x);
	if (x->loop && env)
		napi_remove_env_cleanup_hook(env, at_exit, x);
	if (x->loop)
		napi_release_threadsafe_function(x->loop, napi_tsfn_abort);
	x->loop = NULL;
	shut_exchange(x);
}

static void at_exit(void *context)
{
	shut(context, NULL);
}

static void finalize(napi_env env, void *data, void *hint)
{
	struct exchange *x = data;

	(void)hint;
	shut(x, env);
	x->magic = 0;
	free(x);
}

static int start(struct exchange *x, napi_env env, napi_value fire)
{
	napi_threadsafe_function tell;
	napi_value name;

	if (napi_create_string_utf8(env, "mezzo-exchange", NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    napi_create_threadsafe_function(env, fire, NULL, name, 0, 1, NULL, NULL, NULL, called,
					    &tell) != napi_ok)
		return -EINVAL;
	/* added after the function's own hook, so it runs before it */
	napi_add_env_cleanup_hook(env, at_exit, x);
	x->loop = tell;
	x->notify = call_loop;
	return start_thread(x);
}

/* exchangeOpen(table, settings, fire) -> handle, or negative errno */
napi_value exchange_open(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct state_table *table = arg_state(&a, 0);
	struct span settings = arg_span(&a, 1);
	struct exchange *x;
	napi_value handle;
	int e;

	if (table == NULL || settings.len < EXCHANGE_SETTINGS * 4 || a.n < 3)
		return number(env, -EINVAL);
	x = make_exchange((const uint32_t *)settings.at, table);
	if (x == NULL)
		return number(env, errno ? -errno : -EINVAL);
	e = start(x, env, a.v[2]);
	if (!e && napi_create_external(env, x, finalize, NULL, &handle) == napi_ok)
		return handle;
	shut(x, env);
	free(x);
	return number(env, e ? e : -ENOMEM);
}

/* exchangeClose(handle) */
napi_value exchange_close(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);

	if (x == NULL)
		return number(env, -EBADF);
	shut(x, env);
	return number(env, 0);
}

/* Whoever is new need not wait for the next heartbeat. */
static void beat_soon(struct exchange *x)
{
	x->tick = now_ns();
	arm(x, x->tick);
}

/* exchangeSetKey(handle, 32 bytes) */
napi_value exchange_set_key(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	struct span key = arg_span(&a, 1);

	if (x == NULL || key.len != KEY_BYTES)
		return number(env, x == NULL ? -EBADF : -EINVAL);
	lock(x);
	hmac_set_key(&x->key, key.at, key.len);
	x->keyed = true;
	beat_soon(x);
	pthread_mutex_unlock(&x->lock);
	return number(env, 0);
}

/* exchangeSetPeers(handle, Uint32Array of word, address, local each) */
napi_value exchange_set_peers(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	struct span triples = arg_span(&a, 1);
	int e;

	if (x == NULL)
		return number(env, -EBADF);
	lock(x);
	e = replace_peers(x, (const uint32_t *)triples.at, triples.len / 12);
	beat_soon(x);
	pthread_mutex_unlock(&x->lock);
	announce(x);
	return number(env, e);
}

/* exchangeReady(handle, word) -> messages sent and not acknowledged; -1: it takes no state */
napi_value exchange_ready(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	struct peer *p;
	double n = -1;

	if (x == NULL)
		return number(env, -EBADF);
	lock(x);
	p = find_peer(x, arg_u32(&a, 1));
	if (p && p->theirs)
		n = p->sent + p->waiting_count;
	pthread_mutex_unlock(&x->lock);
	return number(env, n);
}

/* exchangeRoom(handle, peers, from, n) -> enum room */
napi_value exchange_room(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	uint32_t n = arg_u32(&a, 3);
	const uint32_t *peers = arg_words(&a, 1, n);
	enum room room;

	if (x == NULL || (n && peers == NULL))
		return number(env, x == NULL ? -EBADF : -EINVAL);
	lock(x);
	room = room_at(x, peers, n);
	pthread_mutex_unlock(&x->lock);
	return number(env, room);
}

/* --- records -------------------------------------------------------------------------------- */

/* exchangeShare(handle, record, at, peers, from, n, idleMs, refresh) */
napi_value exchange_share(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	const struct mz_state *record = arg_words(&a, 1, sizeof(*record) / 4);
	uint32_t n = arg_u32(&a, 5);
	const uint32_t *peers = arg_words(&a, 3, n);
	int which = arg_bool(&a, 7) ? REFRESHED : AWAITED;
	uint8_t entry[ENTRY_MAX];
	size_t len;

	if (x == NULL || record == NULL || (n && peers == NULL))
		return number(env, x == NULL ? -EBADF : -EINVAL);
	len = write_entry(entry, record, arg_u32(&a, 6));
	lock(x);
	for (uint32_t i = 0; i < n; i++) {
		struct peer *p = find_peer(x, peers[i]);

		if (p)
			draft_entry(x, &x->mine, p, which, entry, len);
	}
	unlock_and_send(x);
	return number(env, 0);
}

/* exchangeFlush(handle) -> ticket, 0: nobody is waited for */
napi_value exchange_flush(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	uint32_t ticket;

	if (x == NULL)
		return number(env, -EBADF);
	lock(x);
	send_drafts(x, &x->mine, AWAITED);
	ticket = close_ticket(x);
	unlock_and_send(x);
	return number(env, ticket);
}

/* exchangePull(handle, key, at, peers, from, n) -> ticket, 0: nobody to ask */
napi_value exchange_pull(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	const struct mz_state_key *key = arg_words(&a, 1, sizeof(*key) / 4);
	uint32_t n = arg_u32(&a, 5), asked = 0, id;
	const uint32_t *peers = arg_words(&a, 3, n);
	uint8_t body[4 + ENTRY_MAX];
	struct pull *pull = NULL;
	size_t len;

	if (x == NULL || key == NULL || (n && peers == NULL))
		return number(env, x == NULL ? -EBADF : -EINVAL);
	len = 4 + write_key(body + 4, key);
	lock(x);
	for (uint32_t i = 0; i < n && asked < PULL_PEERS_MAX; i++) {
		struct peer *p = find_peer(x, peers[i]);

		if (p == NULL || !p->theirs)
			continue;
		if (pull == NULL && (pull = open_pull(x, now_ns())) == NULL)
			break;
		pull->words[asked] = p->word;
		pull->left |= 1u << asked++;
		put_u32(body, pull->id);
		send_kept(x, &x->mine, p, MESSAGE_PULL, body, len);
	}
	id = pull ? pull->id : 0;
	unlock_and_send(x);
	return number(env, id);
}

/* --- for other agents ----------------------------------------------------------------------- */

static int say(struct exchange *x, uint32_t word, uint8_t type, const uint8_t *bytes, size_t len)
{
	uint8_t body[BODY_MAX];
	struct peer *p;

	if (len > BODY_MAX - 4)
		return -EMSGSIZE;
	if (len)
		memcpy(body + 4, bytes, len);
	lock(x);
	p = find_peer(x, word);
	if (p) {
		put_u32(body, ++p->serial);
		send_kept(x, &x->mine, p, type, body, len + 4);
	}
	unlock_and_send(x);
	return p ? 0 : -ENOENT;
}

/* exchangeAsk(handle, word, ports): at most ASK_PORTS_MAX */
napi_value exchange_ask(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	struct span ports = arg_span(&a, 2);
	uint8_t body[4 * ASK_PORTS_MAX];

	if (x == NULL || ports.len > sizeof(body))
		return number(env, x == NULL ? -EBADF : -E2BIG);
	for (size_t i = 0; i + 4 <= ports.len; i += 4) {
		uint32_t port;

		memcpy(&port, ports.at + i, 4);
		put_u32(body + i, port);
	}
	return number(env, say(x, arg_u32(&a, 1), MESSAGE_ASK, body, ports.len & ~3ul));
}

/* exchangeTell(handle, word, bytes) */
napi_value exchange_tell(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	struct span bytes = arg_span(&a, 2);

	if (x == NULL)
		return number(env, -EBADF);
	return number(env, say(x, arg_u32(&a, 1), MESSAGE_TELL, bytes.at, bytes.len));
}

/* --- what it has to say --------------------------------------------------------------------- */

/* exchangeRead(handle, Int32Array of READ_WORDS) -> words; 0: `fire` is called when there is
 * more */
napi_value exchange_read(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	struct span into = arg_span(&a, 1);
	uint32_t n;

	if (x == NULL || into.len < READ_WORDS * 4)
		return number(env, x == NULL ? -EBADF : -EINVAL);
	lock(x);
	n = read_news(x, (uint32_t *)into.at);
	if (n == 0)
		x->told = false;
	pthread_mutex_unlock(&x->lock);
	return number(env, n);
}

/* exchangeCounters(handle, Float64Array) */
napi_value exchange_counters(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct exchange *x = arg_exchange(&a);
	struct span out = arg_span(&a, 1);
	double *into = (double *)out.at;

	if (x == NULL || out.len < EXCHANGE_COUNTERS * sizeof(*into))
		return number(env, x == NULL ? -EBADF : -EINVAL);
	lock(x);
	for (int i = 0; i < COUNTERS_KEPT; i++)
		into[i] = x->count[i];
	into[NOW_HELD] = x->held;
	into[NOW_UNDER_WAY] = x->under_way + x->drafted_count; /* those being made, too */
	into[NOW_PULLS] = x->pulls_live;
	into[NOW_PEERS] = x->peer_count;
	into[NOW_HOSTS] = into[NOW_AGENTS] = 0;
	for (uint32_t i = 0; i < x->peer_count; i++) {
		into[NOW_HOSTS] += x->peers[i]->host;
		into[NOW_AGENTS] += x->peers[i]->agent;
	}
	into[NOW_REALTIME] = x->realtime;
	pthread_mutex_unlock(&x->lock);
	return number(env, EXCHANGE_COUNTERS);
}
