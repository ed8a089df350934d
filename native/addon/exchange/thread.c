/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange's own thread: it reads the sockets, runs what is due and tells the loop that there
 * is news.  It runs before ordinary threads where it may (SCHED_FIFO), so that a busy machine does
 * not look like a dead one.  It is made by the packet thread and so lives in its network namespace.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>
#include "parts.h"

#define REALTIME_PRIORITY 5   /* below what steers hardware, above what computes */
#define BATCHES_MAX 64        /* from one socket before what is due has its turn */
#define NS_PER_MS 1000000ull

void announce(struct exchange *x)
{
	bool fire;

	pthread_mutex_lock(&x->lock);
	fire = !x->told && has_news(x);
	x->told |= fire;
	pthread_mutex_unlock(&x->lock);
	if (fire && x->notify)
		x->notify(x->loop);
}

/* --- sockets -------------------------------------------------------------------------------- */

/* One batch; whether there may be more. */
static bool read_batch(struct exchange *x, int fd)
{
	struct sockaddr_in from[BATCH];
	struct mmsghdr headers[BATCH];
	struct iovec parts[BATCH];
	uint64_t now;
	int n;

	for (int i = 0; i < BATCH; i++) {
		parts[i] = (struct iovec){ x->in[i], sizeof(x->in[i]) };
		headers[i] = (struct mmsghdr){ .msg_hdr = {
			.msg_name = &from[i], .msg_namelen = sizeof(from[i]),
			.msg_iov = &parts[i], .msg_iovlen = 1 } };
	}
	n = recvmmsg(fd, headers, BATCH, MSG_DONTWAIT, NULL);
	now = now_ns();
	for (int i = 0; i < n; i++)
		take_datagram(x, &x->out, ntohl(from[i].sin_addr.s_addr), x->in[i],
			      headers[i].msg_len, now);
	if (n > 0) {
		pthread_mutex_lock(&x->lock);
		send_all_acks(x, &x->out);
		pthread_mutex_unlock(&x->lock);
		flush_sendq(x, &x->out);
	}
	return n == BATCH;
}

static void read_socket(struct exchange *x, int fd)
{
	for (int i = 0; i < BATCHES_MAX && read_batch(x, fd); i++)
		;
}

static void read_all(struct exchange *x)
{
	int fds[LOCALS_MAX];
	uint32_t n;

	pthread_mutex_lock(&x->lock);
	n = x->local_count;
	for (uint32_t i = 0; i < n; i++)
		fds[i] = x->locals[i].fd;
	pthread_mutex_unlock(&x->lock);
	for (uint32_t i = 0; i < n; i++)
		read_socket(x, fds[i]);
}

/* --- what is due ---------------------------------------------------------------------------- */

static uint64_t next_due(struct exchange *x)
{
	uint64_t next = next_bound(x);

	next = x->tick < next ? x->tick : next;
	if (x->refresh_due && x->refresh_due < next)
		next = x->refresh_due;
	if (x->silence_due && x->silence_due < next)
		next = x->silence_due;
	for (int i = 0; i < SENDS_MAX; i++)
		if (x->queues[i].first && x->queues[i].first->due < next)
			next = x->queues[i].first->due;
	return next;
}

static void run_due(struct exchange *x, uint64_t now)
{
	if (now >= x->tick) {
		tick_peers(x, &x->out, now);
		x->tick += x->heartbeat;
		if (x->tick <= now)
			x->tick = now + x->heartbeat;
	}
	if (x->silence_due && now >= x->silence_due)
		judge_silent(x, now);
	if (x->refresh_due && now >= x->refresh_due)
		send_drafts(x, &x->out, REFRESHED);
	send_due(x, &x->out, now);
	pass_bounds(x, now);
	x->armed = UINT64_MAX;
	arm(x, next_due(x));
}

/* When it was kept from running, what came in meanwhile is read before anybody is judged. */
static void look_at_clock(struct exchange *x)
{
	uint64_t now = now_ns(), late;

	pthread_mutex_lock(&x->lock);
	late = now > x->armed ? now - x->armed : 0;
	pthread_mutex_unlock(&x->lock);
	if (late > x->heartbeat / 2)
		read_all(x);
	pthread_mutex_lock(&x->lock);
	if (late > x->heartbeat / 2)
		excuse_silence(x, late, now);
	if (now >= x->armed)
		run_due(x, now);
	pthread_mutex_unlock(&x->lock);
	flush_sendq(x, &x->out);
}

static uint64_t own_cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static void prefer(struct exchange *x, bool urgent)
{
	struct sched_param how = { .sched_priority = urgent ? REALTIME_PRIORITY : 0 };
	int policy = urgent ? SCHED_FIFO : SCHED_OTHER;

	x->realtime = pthread_setschedparam(pthread_self(), policy, &how) == 0 && urgent;
}

/* Urgent as long as it is modest: a thread that goes before all others must not keep them from
 * running, whatever is sent to it.  Looked at once a second. */
static void stay_modest(struct exchange *x, uint64_t now)
{
	uint64_t used;

	if (now - x->looked < 1000 * NS_PER_MS)
		return;
	used = own_cpu_ns();
	if (x->looked)
		prefer(x, (used - x->used) * 2 < now - x->looked);
	x->looked = now;
	x->used = used;
}

static void *run(void *context)
{
	struct exchange *x = context;
	struct epoll_event events[LOCALS_MAX + 2];
	uint64_t fired;

	pthread_setname_np(pthread_self(), "mezzo-exchange");
	prefer(x, true);
	mlock(x, sizeof(*x)); /* helps against a full memory, where it is allowed */
	for (;;) {
		int n = epoll_wait(x->poll, events, LOCALS_MAX + 2, -1);

		for (int i = 0; i < n; i++) {
			if (events[i].data.fd == x->stop)
				return NULL;
			if (events[i].data.fd != x->timer)
				read_socket(x, events[i].data.fd);
			else if (read(x->timer, &fired, sizeof(fired)) < 0 && errno != EAGAIN)
				return NULL;
		}
		look_at_clock(x);
		announce(x);
		stay_modest(x, now_ns());
	}
}

/* --- its life ------------------------------------------------------------------------------- */

static int watch(struct exchange *x, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return fd < 0 ? -1 : epoll_ctl(x->poll, EPOLL_CTL_ADD, fd, &event);
}

static int open_descriptors(struct exchange *x)
{
	x->poll = epoll_create1(EPOLL_CLOEXEC);
	x->timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	x->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return x->poll < 0 || watch(x, x->timer) || watch(x, x->stop) ? -1 : 0;
}

struct exchange *make_exchange(const uint32_t *settings, struct state_table *table)
{
	struct exchange *x = calloc(1, sizeof(*x));
	pthread_mutexattr_t how;

	if (x == NULL)
		return NULL;
	x->magic = EXCHANGE_MAGIC;
	x->table = table;
	state_hold(table);
	x->word = settings[SET_WORD];
	x->port = settings[SET_PORT];
	x->hold = settings[SET_HOLD_MS] * NS_PER_MS;
	x->retransmit = settings[SET_RETRANSMIT_MS] * NS_PER_MS;
	x->heartbeat = settings[SET_HEARTBEAT_MS] * NS_PER_MS;
	x->dead = settings[SET_DEAD_MS] * NS_PER_MS;
	x->drop_per_mille = settings[SET_DROP_PER_MILLE];
	x->chance = settings[SET_DROP_SEED] | 1;
	x->kinds = settings[SET_STATE_KINDS];
	/* the thread is more urgent than the one it may wait for */
	pthread_mutexattr_init(&how);
	pthread_mutexattr_setprotocol(&how, PTHREAD_PRIO_INHERIT);
	pthread_mutex_init(&x->lock, &how);
	pthread_mutexattr_destroy(&how);
	x->armed = UINT64_MAX;
	x->open = true;
	if (x->retransmit && x->heartbeat && x->hold && open_descriptors(x) == 0)
		return x;
	shut_exchange(x);
	free(x);
	return NULL;
}

int start_thread(struct exchange *x)
{
	sigset_t all, before;
	int e;

	x->tick = now_ns();
	arm(x, x->tick);
	sigfillset(&all); /* signals are for the threads of Node */
	pthread_sigmask(SIG_SETMASK, &all, &before);
	e = pthread_create(&x->thread, NULL, run, x);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	x->running = e == 0;
	return -e;
}

void stop_thread(struct exchange *x)
{
	if (!x->running)
		return;
	eventfd_write(x->stop, 1);
	pthread_join(x->thread, NULL);
	x->running = false;
}

void shut_exchange(struct exchange *x)
{
	if (!x->open)
		return;
	x->open = false;
	stop_thread(x);
	free_peers(x);
	for (uint32_t i = 0; i < x->local_count; i++)
		close(x->locals[i].fd);
	for (int i = 0; i < 3; i++) {
		int fd = i == 0 ? x->poll : i == 1 ? x->timer : x->stop;

		if (fd > 0)
			close(fd);
	}
	state_drop(x->table);
	explicit_bzero(&x->key, sizeof(x->key));
	pthread_mutex_destroy(&x->lock);
	munlock(x, sizeof(*x));
}
