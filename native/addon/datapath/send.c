/* SPDX-License-Identifier: Apache-2.0
 *
 * Packet-out: writes frames' actions into shared memory and sends the frames by the inject
 * device, whose egress program carries them out.  That happens within sendmmsg (the device has no
 * queue), so the same chunks serve the next call.  PACKET_QDISC_BYPASS must stay off: it would
 * pass by the egress hook.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>
#include "node/addon.h"

#define POST_MAX 64

/* A job, as src/datapath/ebpf/out.ts writes it. */
struct job {
	uint32_t own; /* lies in the second buffer */
	uint32_t offset, length, gso_size;
	uint32_t action_at, action_count;
};

/* Messages on their way in one call; each has its own chunks in the shared memory. */
struct mail {
	struct virtio_net_hdr header;
	struct iovec parts[2];
	union {
		char bytes[CMSG_SPACE(sizeof(uint32_t))];
		struct cmsghdr align;
	} control;
};
struct post {
	struct mail mail[POST_MAX];
	struct mmsghdr messages[POST_MAX];
	uint32_t count, chunks;
};

/* Writes the actions from chunk `at` on; gives the first chunk behind them. */
static uint32_t write_actions(struct mz_chunk *outs, uint32_t at, const struct mz_action *actions,
			      uint32_t n)
{
	for (; n > 0; at++) {
		uint32_t here = n < MZ_CHUNK_ACTIONS ? n : MZ_CHUNK_ACTIONS;

		memcpy(outs[at].act, actions, here * sizeof(*actions));
		outs[at].n = here;
		n -= here;
		actions += here;
		outs[at].next = n > 0 ? at + 1 : 0;
	}
	return at;
}

/* A list goes on in chunk `next`, and 0 ends it: so chunk 0 only ever begins one. */
static void add_mail(struct host *h, struct post *post, uint8_t *frame, const struct job *job,
		     const struct mz_action *actions)
{
	struct mail *m = &post->mail[post->count];
	struct msghdr *out = &post->messages[post->count].msg_hdr;
	struct cmsghdr *c;
	uint32_t mark = MZ_MARK_OUT | post->chunks;

	memset(m, 0, sizeof(*m));
	post->chunks = write_actions(h->outs, post->chunks, actions, job->action_count);
	finish_frame(frame, job->length, job->gso_size, &m->header);
	m->parts[0] = (struct iovec){ &m->header, sizeof(m->header) };
	m->parts[1] = (struct iovec){ frame, job->length };
	*out = (struct msghdr){ .msg_iov = m->parts, .msg_iovlen = 2,
				.msg_control = m->control.bytes,
				.msg_controllen = sizeof(m->control.bytes) };
	c = CMSG_FIRSTHDR(out);
	c->cmsg_len = CMSG_LEN(sizeof(mark));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SO_MARK;
	memcpy(CMSG_DATA(c), &mark, sizeof(mark));
	post->count++;
}

/* The egress program's verdict may come back as an error, though the actions were done: the next
 * message goes out all the same. */
static void deliver(struct host *h, struct post *post)
{
	uint32_t at = 0;

	while (at < post->count) {
		int n = sendmmsg(h->packet_socket, post->messages + at, post->count - at, 0);

		at += n > 0 ? n : 1;
	}
	post->count = post->chunks = 0;
}

static bool sound(const struct job *job, struct span frames, struct span actions)
{
	uint64_t actions_end = (uint64_t)job->action_at + job->action_count;

	return job->length >= 14 && job->offset <= frames.len &&
	       job->length <= frames.len - job->offset && job->action_count > 0 &&
	       job->action_count <= MZ_ACTIONS_MAX &&
	       actions_end * sizeof(struct mz_action) <= actions.len;
}

/* send(handle, burst, own, jobs, n, actions) -> how many left */
napi_value send_frames(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span frames[2] = { arg_span(&a, 1), arg_span(&a, 2) }, jobs = arg_span(&a, 3),
		    actions = arg_span(&a, 5);
	uint32_t n = arg_u32(&a, 4), sent = 0;
	struct post post;

	if (h == NULL)
		return number(env, -EBADF);
	post.count = post.chunks = 0;
	if (jobs.len < n * sizeof(struct job))
		return number(env, -EINVAL);
	for (uint32_t i = 0; i < n; i++) {
		struct job *job = (struct job *)jobs.at + i;
		struct span from = frames[job->own ? 1 : 0];
		uint32_t need = (job->action_count + MZ_CHUNK_ACTIONS - 1) / MZ_CHUNK_ACTIONS;

		if (!sound(job, from, actions))
			continue;
		if (post.count == POST_MAX || post.chunks + need > MZ_OUT_CHUNKS)
			deliver(h, &post);
		add_mail(h, &post, from.at + job->offset, job,
			 (struct mz_action *)actions.at + job->action_at);
		sent++;
	}
	deliver(h, &post);
	return number(env, sent);
}
