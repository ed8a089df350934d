/* SPDX-License-Identifier: Apache-2.0
 *
 * Packet-out: writes a frame's actions into shared memory and sends the frame by the inject
 * device, whose egress program carries them out.  That happens within sendmsg (the device has no
 * queue), so the same chunks serve the next frame.  PACKET_QDISC_BYPASS must stay off: it would
 * pass by the egress hook.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/virtio_net.h>
#include <string.h>
#include <sys/socket.h>
#include "addon.h"

/* A job, as src/datapath/ebpf-out.ts writes it. */
struct job {
	uint32_t own; /* lies in the second buffer */
	uint32_t offset, length, gso_size;
	uint32_t action_at, action_count;
};

static void write_actions(struct mz_chunk *outs, const struct mz_action *actions, uint32_t n)
{
	for (uint32_t i = 0; n > 0; i++) {
		uint32_t here = n < MZ_CHUNK_ACTIONS ? n : MZ_CHUNK_ACTIONS;

		memcpy(outs[i].act, actions, here * sizeof(*actions));
		outs[i].n = here;
		n -= here;
		actions += here;
		outs[i].next = n > 0 ? i + 1 : 0;
	}
}

static int send_one(struct host *h, uint8_t *frame, const struct job *job)
{
	struct virtio_net_hdr header = { 0 };
	struct iovec parts[2] = { { &header, sizeof(header) }, { frame, job->length } };
	union {
		char bytes[CMSG_SPACE(sizeof(uint32_t))];
		struct cmsghdr align;
	} control = { 0 };
	struct msghdr m = { .msg_iov = parts, .msg_iovlen = 2, .msg_control = control.bytes,
			    .msg_controllen = sizeof(control.bytes) };
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	uint32_t mark = MZ_MARK_OUT;

	c->cmsg_len = CMSG_LEN(sizeof(mark));
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SO_MARK;
	memcpy(CMSG_DATA(c), &mark, sizeof(mark));
	finish_frame(frame, job->length, job->gso_size, &header);
	return sendmsg(h->packet_socket, &m, 0) < 0 ? -errno : 0;
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

	if (h == NULL)
		return number(env, -EBADF);
	if (jobs.len < n * sizeof(struct job))
		return number(env, -EINVAL);
	for (uint32_t i = 0; i < n; i++) {
		struct job *job = (struct job *)jobs.at + i;
		struct span from = frames[job->own ? 1 : 0];

		if (!sound(job, from, actions))
			continue;
		write_actions(h->outs, (struct mz_action *)actions.at + job->action_at,
			      job->action_count);
		/* the egress program's verdict may come back as an error: the actions were
		 * done */
		send_one(h, from.at + job->offset, job);
		sent++;
	}
	return number(env, sent);
}
