/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads upcalls from the rings into a burst.  The rings are read here rather than by libbpf's
 * consumer, which drains one ring before the next: each class gets its share of a burst, so that
 * a flood from VMs does not keep tunnels waiting.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/bpf.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "exchange/clock.h"
#include "node/addon.h"

#define FRAMES_MAX 64
#define DESCRIPTOR_WORDS 8
#define ALIGN 8
#define WATCH_NS 150000
#define SLEEPS_MAX 64

int map_ring(struct ring *r, int fd, uint32_t size)
{
	long page = sysconf(_SC_PAGESIZE);
	uint8_t *p;

	r->fd = fd;
	r->mask = size - 1;
	p = mmap(NULL, page, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (p == MAP_FAILED)
		return -errno;
	r->consumer = (unsigned long *)p;
	/* the kernel offers the data twice in a row, so that no record wraps; it would count
	 * twice as resident, so it is mapped once and copied in two pieces where it wraps */
	p = mmap(NULL, page + (size_t)size, PROT_READ, MAP_SHARED, fd, page);
	if (p == MAP_FAILED)
		return -errno;
	r->producer = (unsigned long *)p;
	r->data = p + page;
	return 0;
}

void unmap_ring(struct ring *r, uint32_t size)
{
	long page = sysconf(_SC_PAGESIZE);

	if (r->consumer != NULL)
		munmap(r->consumer, page);
	if (r->producer != NULL)
		munmap(r->producer, page + (size_t)size);
	r->consumer = r->producer = NULL;
}

static void copy_out(const struct ring *r, unsigned long at, void *to, size_t length)
{
	size_t from = at & r->mask, first = r->mask + 1 - from;

	if (first > length)
		first = length;
	memcpy(to, r->data + from, first);
	memcpy((uint8_t *)to + first, r->data, length - first);
}

/* Where the next finished record begins, its header in `up`; 0 when there is none.  `past` is where
 * the consumer stands after. */
static unsigned long next_record(struct ring *r, struct mz_upcall *up, unsigned long *past)
{
	for (;;) {
		unsigned long at = *r->consumer;
		uint32_t length;
		bool discarded;

		if (at >= __atomic_load_n(r->producer, __ATOMIC_ACQUIRE))
			return 0;
		/* records are aligned to 8 bytes, so the length itself never wraps */
		length = __atomic_load_n((uint32_t *)(r->data + (at & r->mask)), __ATOMIC_ACQUIRE);
		if (length & BPF_RINGBUF_BUSY_BIT)
			return 0;
		discarded = length & BPF_RINGBUF_DISCARD_BIT;
		length &= ~BPF_RINGBUF_DISCARD_BIT;
		*past = at + ((length + BPF_RINGBUF_HDR_SZ + 7) & ~7ul);
		at += BPF_RINGBUF_HDR_SZ;
		if (!discarded) {
			copy_out(r, at, up, sizeof(*up));
			return at;
		}
		__atomic_store_n(r->consumer, *past, __ATOMIC_RELEASE);
	}
}

struct burst {
	struct span bytes;
	uint32_t *descriptors;
	struct mz_key *keys;
	uint32_t count, used;
};

static void take_record(struct host *h, struct burst *b, unsigned long at,
			const struct mz_upcall *up, uint32_t class)
{
	uint32_t *d = b->descriptors + b->count * DESCRIPTOR_WORDS;

	copy_out(&h->rings[class], at + sizeof(*up), b->bytes.at + b->used, up->cap_len);
	d[0] = b->used;
	d[1] = up->cap_len;
	d[2] = up->key.in_port;
	d[3] = up->reason;
	d[4] = up->arg;
	d[5] = up->gso_size;
	d[6] = up->gso_segs;
	d[7] = class;
	b->keys[b->count++] = up->key;
	b->used += (up->cap_len + ALIGN - 1) & ~(ALIGN - 1);
	if (up->slot < MZ_PORTS_MAX && h->attached[up->slot].ifindex == up->key.in_port)
		h->lent[h->lent_count++] = up->slot;
}

static void take_from(struct host *h, struct burst *b, uint32_t class, uint32_t most)
{
	struct ring *r = &h->rings[class];
	struct mz_upcall up;
	unsigned long at, past;

	for (; most > 0 && b->count < FRAMES_MAX; most--) {
		at = next_record(r, &up, &past);
		if (at == 0 || up.cap_len > MZ_FRAME_MAX || b->used + up.cap_len > b->bytes.len)
			return;
		take_record(h, b, at, &up, class);
		__atomic_store_n(r->consumer, past, __ATOMIC_RELEASE);
	}
}

/* A VM has its own; an underlay or an uplink carries the flows of many, in rings of its own. */
int64_t credits_of(const struct host *h, uint32_t class)
{
	return (int64_t)h->credits_max * (class == MZ_CLASS_VM ? 1 : MZ_SHARED_CREDITS);
}

static void give_back(struct host *h)
{
	for (uint32_t i = 0; i < h->lent_count; i++) {
		uint32_t slot = h->lent[i];
		int64_t *left = (int64_t *)&h->credits[slot].left;

		/* a slot that changed hands meanwhile must not grow */
		if (__atomic_load_n(left, __ATOMIC_RELAXED) <
		    credits_of(h, h->attached[slot].port_class))
			__atomic_fetch_add(left, 1, __ATOMIC_RELAXED);
	}
	h->lent_count = 0;
}

static bool has_records(const struct host *h)
{
	for (int class = 0; class < MZ_CLASSES; class++)
		if (*h->rings[class].consumer <
		    __atomic_load_n(h->rings[class].producer, __ATOMIC_ACQUIRE))
			return true;
	return false;
}

/* Who has opened a connection often opens the next at once, sooner than two threads that sleep are
 * woken (50 us and more on a virtual machine).  Each time that watching comes to nothing it is left
 * twice as often as before, so lone packets, a thousand a second, cost a quarter of a percent of a
 * core. */
static void watch_rings(struct host *h)
{
	uint64_t until;

	if (h->sleeps > 0) {
		h->sleeps--;
		return;
	}
	for (until = now_ns() + WATCH_NS; !has_records(h); sched_yield())
		if (now_ns() > until) {
			h->sleeps = h->vain;
			h->vain = h->vain < SLEEPS_MAX / 2 ? 2 * h->vain + 1 : SLEEPS_MAX;
			return;
		}
	h->vain = 0;
}

/* receive(handle, bytes, descriptors, keys, watch) -> frames */
napi_value receive_burst(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);
	struct span descriptors = arg_span(&a, 2), keys = arg_span(&a, 3);
	struct burst b = { .bytes = arg_span(&a, 1), .descriptors = (uint32_t *)descriptors.at,
			   .keys = (struct mz_key *)keys.at };
	bool was_busy;

	if (h == NULL)
		return number(env, -EBADF);
	if (descriptors.len < FRAMES_MAX * DESCRIPTOR_WORDS * 4 ||
	    keys.len < FRAMES_MAX * sizeof(struct mz_key))
		return number(env, -EINVAL);
	was_busy = h->lent_count > 0;
	give_back(h);
	if (was_busy && arg_bool(&a, 4) && !has_records(h))
		watch_rings(h);
	for (int class = MZ_CLASSES - 1; class >= 0; class--)
		take_from(h, &b, class, FRAMES_MAX / MZ_CLASSES);
	for (int class = MZ_CLASSES - 1; class >= 0; class--)
		take_from(h, &b, class, FRAMES_MAX);
	if (b.count == 0)
		waiter_rearm(&h->waiter);
	return number(env, b.count);
}

/* start(handle, fire) */
napi_value start_upcalls(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct host *h = arg_host(&a, 0);

	if (h == NULL || a.n < 2)
		return number(env, h == NULL ? -EBADF : -EINVAL);
	return number(env, waiter_start(&h->waiter, env, a.v[1]));
}
