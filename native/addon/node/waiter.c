/* SPDX-License-Identifier: Apache-2.0
 *
 * A thread that sleeps on descriptors and calls one function on the loop's thread when any is
 * readable; then it holds its peace until it is armed again.  (Node-API has no way into libuv's
 * own poll; the detour costs under 10 us.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include "addon.h"

static void drain(int fd)
{
	eventfd_t value;

	eventfd_read(fd, &value);
}

static bool stopped(struct waiter *w)
{
	struct pollfd p = { .fd = w->stop, .events = POLLIN };

	return poll(&p, 1, 0) > 0;
}

static void *run(void *context)
{
	struct waiter *w = context;
	struct epoll_event event;

	while (!stopped(w)) {
		struct pollfd wait[2] = { { .fd = w->stop, .events = POLLIN },
					  { .fd = w->rearm, .events = POLLIN } };
		int n = epoll_wait(w->epoll, &event, 1, -1);

		if (n <= 0 || event.data.fd == w->stop)
			continue;
		drain(w->rearm);
		if (napi_call_threadsafe_function(w->tell, NULL, napi_tsfn_nonblocking) ==
		    napi_closing)
			break;
		while (poll(wait, 2, -1) < 0 && errno == EINTR)
			;
	}
	return NULL;
}

static void call(napi_env env, napi_value fire, void *context, void *data)
{
	napi_value undefined, result;

	(void)context;
	(void)data;
	if (env == NULL || fire == NULL || napi_get_undefined(env, &undefined) != napi_ok)
		return;
	napi_call_function(env, undefined, fire, 0, NULL, &result);
}

static void at_exit(void *context)
{
	waiter_close(context);
}

int waiter_watch(struct waiter *w, int fd)
{
	struct epoll_event event = { .events = EPOLLIN, .data.fd = fd };

	return epoll_ctl(w->epoll, EPOLL_CTL_ADD, fd, &event) ? -errno : 0;
}

int waiter_open(struct waiter *w)
{
	w->epoll = epoll_create1(EPOLL_CLOEXEC);
	w->rearm = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	w->stop = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (w->epoll < 0 || w->rearm < 0 || w->stop < 0)
		return -errno;
	return waiter_watch(w, w->stop);
}

int waiter_start(struct waiter *w, napi_env env, napi_value fire)
{
	napi_value name;

	if (w->running)
		return -EBUSY;
	if (napi_create_string_utf8(env, "mezzo", NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    napi_create_threadsafe_function(env, fire, NULL, name, 0, 1, NULL, NULL, NULL, call,
					    &w->tell) != napi_ok)
		return -EINVAL;
	w->env = env;
	if (pthread_create(&w->thread, NULL, run, w)) {
		napi_release_threadsafe_function(w->tell, napi_tsfn_abort);
		return -EAGAIN;
	}
	w->running = true;
	/* added after the function's own hook, so it runs before it: a worker may end at any
	 * time */
	napi_add_env_cleanup_hook(env, at_exit, w);
	return 0;
}

void waiter_rearm(struct waiter *w)
{
	if (w->running)
		eventfd_write(w->rearm, 1);
}

void waiter_close(struct waiter *w)
{
	if (w->running) {
		eventfd_write(w->stop, 1);
		pthread_join(w->thread, NULL);
		napi_remove_env_cleanup_hook(w->env, at_exit, w);
		napi_release_threadsafe_function(w->tell, napi_tsfn_abort);
		w->running = false;
	}
	if (w->epoll > 0)
		close(w->epoll);
	if (w->rearm > 0)
		close(w->rearm);
	if (w->stop > 0)
		close(w->stop);
	w->epoll = w->rearm = w->stop = 0;
}
