/* SPDX-License-Identifier: Apache-2.0
 *
 * Puts a program on an interface without keeping the packet thread: the kernel waits for all of its
 * readers first (synchronize_rcu), 15 to 30 ms measured, in which the packets of all other ports
 * would wait too.  The system calls are made on a thread of libuv's pool.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include "node/addon.h"

struct attaching {
	struct attaching *next; /* of the host; not on its list any more once it is settled */
	struct host *host;
	struct attachment at;
	int slot, result;
	bool clsact, ran; /* ran: under the host's lock */
	napi_async_work work;
	napi_ref done, handle; /* the handle keeps the host's memory */
};

static void run(napi_env env, void *data)
{
	struct attaching *job = data;
	struct host *h = job->host;
	int back = visit_namespace(h->namespace);

	(void)env;
	job->result = attach_program(h, &job->at, program_of(h, &job->at), job->clsact);
	leave_namespace(back);
	pthread_mutex_lock(&h->attach_lock);
	job->ran = true;
	pthread_cond_broadcast(&h->attach_ran);
	pthread_mutex_unlock(&h->attach_lock);
}

/* On the host's own thread. */
static void settle(struct attaching *job)
{
	struct attaching **at = &job->host->attaching;

	while (*at && *at != job)
		at = &(*at)->next;
	if (*at == NULL)
		return;
	*at = job->next;
	if (job->result < 0)
		free_slot(job->host, job->slot);
	else
		job->host->attached[job->slot] = job->at;
}

void await_attaching(struct host *h, uint32_t ifindex)
{
	struct attaching *next;

	for (struct attaching *job = h->attaching; job; job = next) {
		next = job->next;
		if (ifindex && job->at.ifindex != ifindex)
			continue;
		pthread_mutex_lock(&h->attach_lock);
		while (!job->ran)
			pthread_cond_wait(&h->attach_ran, &h->attach_lock);
		pthread_mutex_unlock(&h->attach_lock);
		settle(job);
	}
}

static void complete(napi_env env, napi_status status, void *data)
{
	struct attaching *job = data;
	napi_value done, nobody, result = number(env, job->result);

	(void)status;
	settle(job);
	if (job->host->open && napi_get_reference_value(env, job->done, &done) == napi_ok &&
	    napi_get_undefined(env, &nobody) == napi_ok)
		napi_call_function(env, nobody, done, 1, &result, NULL);
	napi_delete_reference(env, job->done);
	napi_delete_reference(env, job->handle);
	napi_delete_async_work(env, job->work);
	free(job);
}

static int begin(napi_env env, struct attaching *job, napi_value handle, napi_value done)
{
	napi_value name;

	if (napi_create_string_utf8(env, "mezzo-attach", NAPI_AUTO_LENGTH, &name) != napi_ok ||
	    napi_create_async_work(env, NULL, name, run, complete, job, &job->work) != napi_ok)
		return -ENOMEM;
	if (napi_create_reference(env, done, 1, &job->done) != napi_ok ||
	    napi_create_reference(env, handle, 1, &job->handle) != napi_ok ||
	    napi_queue_async_work(env, job->work) != napi_ok) {
		napi_delete_async_work(env, job->work);
		return -ENOMEM;
	}
	job->next = job->host->attaching;
	job->host->attaching = job;
	return 0;
}

int begin_attaching(struct args *a, struct host *h, int slot, bool clsact)
{
	struct attaching *job = calloc(1, sizeof(*job));
	int e;

	if (job == NULL)
		return -ENOMEM;
	*job = (struct attaching){ .host = h, .at = h->attached[slot], .slot = slot,
				   .clsact = clsact };
	e = begin(a->env, job, a->v[0], a->v[4]);
	if (e)
		free(job);
	return e;
}
