/* SPDX-License-Identifier: Apache-2.0
 *
 * Two exchanges with their threads on loopback sockets, and a packet thread for each that does
 * what packet threads do, built with the thread sanitizer (`make test`).  Each drives the other
 * faster than it acknowledges, and gives everything again when something is owed.  At the end all
 * tickets were released and all records are on the other side.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "exchange/parts.h"

#define FLUSHES 20000
#define PORT 24790
#define WAIT_US 100
#define WAITS_MAX 2400000     /* four minutes, whatever else the machine does */
#define SECONDS_MAX 290        /* then SIGALRM, wherever it waits */
#define BACKLOG_MAX 256

static const uint32_t timeouts[TIMEOUT_WORDS] = {
	60, 86400, 3600, 60, 10, 30, 180, 30, 600, [TIMEOUTS + 4] = 1800
};

struct side {
	struct exchange *x;
	struct state_table *table;
	uint32_t word, other, given, released, refused, owed, again;
	uint32_t *read;
	pthread_t thread;
	const struct side *peer;
};

static uint32_t address_of(uint32_t word)
{
	return 0x7f4d0000 | (getpid() & 255) << 8 | word;
}

static struct mz_state record(const struct side *s, uint32_t n)
{
	struct mz_state r = { .born = 1, .owner = s->word };

	r.a.type = MZ_STATE_CONNECTION << 16 | 4 << 8 | 6;
	r.a.src[3] = s->word;
	r.a.ports = n;
	return r;
}

static void place(struct side *s)
{
	const uint32_t triple[3] = { s->other, address_of(s->other), address_of(s->word) };

	pthread_mutex_lock(&s->x->lock);
	assert(replace_peers(s->x, triple, 1) == 0);
	pthread_mutex_unlock(&s->x->lock);
}

static void read_all(struct side *s)
{
	uint32_t n;

	pthread_mutex_lock(&s->x->lock);
	n = read_news(s->x, s->read);
	s->x->told = false;
	pthread_mutex_unlock(&s->x->lock);
	for (uint32_t at = 0; at < n; at += 2 + s->read[at + 1]) {
		if (s->read[at] == NEWS_RELEASED)
			s->released += s->read[at + 1];
		if (s->read[at] == NEWS_OWED || s->read[at] == NEWS_JOINED)
			s->again = 0; /* from the first on */
		s->owed += s->read[at] == NEWS_OWED;
	}
}

static bool is_ready(struct side *s)
{
	struct peer *p;
	bool ready;

	pthread_mutex_lock(&s->x->lock);
	p = find_peer(s->x, s->other);
	ready = p && p->theirs;
	pthread_mutex_unlock(&s->x->lock);
	return ready;
}

/* False when there is no room: then no packet would leave. */
static bool flush(struct side *s, uint32_t n, int which)
{
	struct mz_state r = record(s, n);
	uint8_t entry[ENTRY_MAX];
	size_t len = write_entry(entry, &r, 0);
	bool full;

	pthread_mutex_lock(&s->x->lock);
	full = which == AWAITED && room_at(s->x, &s->other, 1) == ROOM_FULL;
	if (!full)
		draft_entry(s->x, &s->x->mine, find_peer(s->x, s->other), which, entry, len);
	send_drafts(s->x, &s->x->mine, AWAITED);
	s->given += close_ticket(s->x) != 0;
	pthread_mutex_unlock(&s->x->lock);
	flush_sendq(s->x, &s->x->mine);
	announce(s->x);
	return !full;
}

static uint32_t backlog(struct side *s)
{
	struct peer *p;
	uint32_t n;

	pthread_mutex_lock(&s->x->lock);
	p = find_peer(s->x, s->other);
	n = p->sent + p->waiting_count;
	pthread_mutex_unlock(&s->x->lock);
	return n;
}

/* As src/host/replication/peers.ts: a slice at a time, while little is under way. */
static void give_again(struct side *s)
{
	for (int i = 0; i < 64 && s->again < FLUSHES && backlog(s) < BACKLOG_MAX; i++)
		flush(s, s->again++, REFRESHED);
}

static uint32_t missing(const struct side *s)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < FLUSHES; i++) {
		struct mz_state r = record(s, i);

		n += !state_find(s->peer->table, &r.a);
	}
	return n;
}

static void *drive(void *context)
{
	struct side *s = context;

	while (!is_ready(s))
		usleep(WAIT_US);
	for (uint32_t n = 0; n < FLUSHES; n++) {
		while (!flush(s, n, n % 8 ? AWAITED : REFRESHED)) {
			s->refused++;
			read_all(s);
			usleep(WAIT_US);
		}
		if (n % 16 == 0)
			read_all(s);
		if (n % 512 == 0)
			place(s);
	}
	for (int wait = 0; wait < WAITS_MAX; wait++) {
		read_all(s);
		give_again(s);
		if (wait % 256 == 0 && s->released == s->given && missing(s) == 0)
			return NULL;
		usleep(WAIT_US);
	}
	fprintf(stderr, "%u of %u tickets released, %u records are missing\n", s->released,
		s->given, missing(s));
	abort();
}

static void open_side(struct side *s, uint32_t word, uint32_t other)
{
	const uint32_t settings[EXCHANGE_SETTINGS] = { word, PORT, 2000, 20, 40, 20000, 5, word };
	const uint8_t key[32] = { 9 };

	*s = (struct side){ .word = word, .other = other, .again = FLUSHES };
	s->read = calloc(READ_WORDS, sizeof(*s->read));
	s->table = state_open(100000, timeouts);
	s->x = make_exchange(settings, s->table);
	assert(s->read && s->table && s->x);
	hmac_set_key(&s->x->key, key, sizeof(key));
	s->x->keyed = true;
	assert(start_thread(s->x) == 0);
	place(s);
}

int main(void)
{
	struct side sides[2];

	alarm(SECONDS_MAX);
	for (int i = 0; i < 2; i++)
		open_side(&sides[i], 1 + i, 2 - i);
	for (int i = 0; i < 2; i++)
		sides[i].peer = &sides[1 - i];
	for (int i = 0; i < 2; i++)
		assert(pthread_create(&sides[i].thread, NULL, drive, &sides[i]) == 0);
	for (int i = 0; i < 2; i++)
		pthread_join(sides[i].thread, NULL);
	printf("%u tickets of %u flushes released, %u refused, %u times owed\n",
	       sides[0].released + sides[1].released, 2 * FLUSHES,
	       sides[0].refused + sides[1].refused, sides[0].owed + sides[1].owed);
	for (int i = 0; i < 2; i++) {
		shut_exchange(sides[i].x);
		free(sides[i].x);
		state_drop(sides[i].table);
		free(sides[i].read);
	}
	return 0;
}
