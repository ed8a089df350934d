// SPDX-License-Identifier: Apache-2.0
// A crowd of long-lived TCP connections, either end of it.  Whoever connects says who speaks; the
// speaker writes a record every so often, the listener compares every byte with what has to come
// and keeps account of the longest silence.  Lines on standard input:
//   mark        silences count from now on
//   report G    one line of JSON: [id, state, longest silence ms, present silence ms, bytes] of
//               each connection of group G; state: 0 open, 1 closed, 2 wrong bytes, else -errno
//   crowd serve --port 9000
//   crowd open --to 10.0.0.1 --port 9000 --count 100 --speaks server --group 3

#define _GNU_SOURCE
#include <getopt.h>

#include "crowd.h"

#define RECORD_MAX 4096
#define TICK_MS 5
#define EVENTS 256

enum { OPEN, CLOSED, WRONG };

struct connection {
	int fd;
	int state;
	bool connecting, speaks;
	struct greeting greeting;
	uint32_t greeted; /* bytes of the greeting that have come, or gone */
	uint64_t bytes;   /* heard, or said */
	int64_t heard_ns, gap_ns, due_ns;
};

static struct connection *all[DESCRIPTORS];
static int count, poll_fd, listen_fd = -1;
static int64_t mark_ns;

static struct connection *add(int fd)
{
	struct connection *c = calloc(1, sizeof(*c));
	struct epoll_event event = { .events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c };
	int on = 1;

	if (c == NULL || count == DESCRIPTORS)
		die("connections");
	c->fd = fd;
	c->heard_ns = now_ns();
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
	return all[count++] = c;
}

static void end(struct connection *c, int state)
{
	if (c->state != OPEN)
		return;
	c->state = state;
	close(c->fd);
	c->fd = -1;
}

static void note_silence(struct connection *c, int64_t now)
{
	int64_t since = c->heard_ns > mark_ns ? c->heard_ns : mark_ns;

	if (now - since > c->gap_ns)
		c->gap_ns = now - since;
}

/* --- saying and hearing --------------------------------------------------------------------- */

static void say(struct connection *c, int64_t now)
{
	uint8_t record[RECORD_MAX];
	int size = c->greeting.size;
	ssize_t n;

	while (now >= c->due_ns)
		c->due_ns += c->greeting.every_ms * 1000000LL;
	for (int i = 0; i < size; i++)
		record[i] = byte_at(c->greeting.id, c->bytes + i);
	n = send(c->fd, record, size, MSG_DONTWAIT);
	if (n > 0)
		c->bytes += n;
	else if (n < 0 && errno != EAGAIN)
		end(c, -errno);
}

static void begin(struct connection *c, int64_t now)
{
	c->heard_ns = now;
	/* not all at once: every connection has a beat of its own */
	c->due_ns = now + c->greeting.id % c->greeting.every_ms * 1000000LL;
}

static void greet(struct connection *c)
{
	int error = 0;
	socklen_t length = sizeof(error);

	if (getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &error, &length) || error)
		return end(c, -(error ? error : errno));
	if (send(c->fd, &c->greeting, sizeof(c->greeting), MSG_DONTWAIT) != sizeof(c->greeting)) {
		if (errno != EAGAIN && errno != ENOTCONN)
			end(c, -errno);
		return;
	}
	c->connecting = false;
	c->greeted = sizeof(c->greeting);
	begin(c, now_ns());
}

static void take_greeting(struct connection *c)
{
	struct greeting *g = &c->greeting;

	if (g->magic != GREETING_MAGIC || g->size > RECORD_MAX || g->every_ms == 0)
		return end(c, WRONG);
	c->speaks = g->speaker == SPEAKER_SERVER;
	if (g->speaker == SPEAKER_ASKS && send(c->fd, g, sizeof(*g), MSG_DONTWAIT) != sizeof(*g))
		end(c, -errno);
	begin(c, now_ns());
}

static void hear(struct connection *c, const uint8_t *bytes, ssize_t n)
{
	int64_t now = now_ns();

	note_silence(c, now);
	c->heard_ns = now;
	for (ssize_t i = 0; i < n; i++)
		if (bytes[i] != byte_at(c->greeting.id, c->bytes++))
			return end(c, WRONG);
}

static void take(struct connection *c)
{
	uint8_t bytes[16384];
	ssize_t n;

	while (c->state == OPEN && (n = recv(c->fd, bytes, sizeof(bytes), MSG_DONTWAIT)) != 0) {
		ssize_t used = 0;

		if (n < 0) {
			if (errno != EAGAIN)
				end(c, -errno);
			return;
		}
		if (c->greeted < sizeof(c->greeting)) {
			used = sizeof(c->greeting) - c->greeted;
			used = used < n ? used : n;
			memcpy((uint8_t *)&c->greeting + c->greeted, bytes, used);
			c->greeted += used;
			if (c->greeted == sizeof(c->greeting))
				take_greeting(c);
		}
		if (c->state == OPEN && n > used)
			hear(c, bytes + used, n - used);
	}
	end(c, CLOSED);
}

/* --- the server's short ones ---------------------------------------------------------------- */

/* Calls come by the ten thousand and are of no interest once they are over. */
static void forget_calls(void)
{
	int left = 0;

	for (int i = 0; i < count; i++) {
		if (all[i]->state != OPEN && all[i]->greeting.speaker == SPEAKER_ASKS)
			free(all[i]);
		else
			all[left++] = all[i];
	}
	count = left;
}

/* --- commands ------------------------------------------------------------------------------- */

static void mark(void)
{
	mark_ns = now_ns();
	for (int i = 0; i < count; i++)
		all[i]->gap_ns = 0;
}

static void report(long group)
{
	int64_t now = now_ns();
	const char *comma = "";

	printf("{\"connections\":[");
	for (int i = 0; i < count; i++) {
		struct connection *c = all[i];

		if (c->greeting.group != group || c->greeted < sizeof(c->greeting))
			continue;
		if (c->state == OPEN)
			note_silence(c, now);
		printf("%s[%u,%d,%.1f,%.1f,%llu]", comma, c->greeting.id, c->state, c->gap_ns / 1e6,
		       (now - c->heard_ns) / 1e6, (unsigned long long)c->bytes);
		comma = ",";
	}
	printf("]}\n");
	fflush(stdout);
}

static void command(void)
{
	static char line[256];
	static size_t length;
	ssize_t n = read(0, line + length, sizeof(line) - 1 - length);
	char *newline;

	if (n <= 0)
		exit(0); /* the lab has ended */
	length += n;
	line[length] = 0;
	while ((newline = strchr(line, '\n'))) {
		if (strncmp(line, "mark", 4) == 0)
			mark();
		else if (strncmp(line, "report ", 7) == 0)
			report(atol(line + 7));
		length -= newline + 1 - line;
		memmove(line, newline + 1, length + 1);
	}
}

/* --- the loop ------------------------------------------------------------------------------- */

static void accept_all(void)
{
	int fd;

	while ((fd = accept4(listen_fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
		add(fd);
}

static void turn(int wait_ms)
{
	struct epoll_event events[EVENTS];
	int n = epoll_wait(poll_fd, events, EVENTS, wait_ms);

	for (int i = 0; i < n; i++) {
		struct connection *c = events[i].data.ptr;

		if (c == NULL)
			command();
		else if ((void *)c == &listen_fd)
			accept_all();
		else if (c->state == OPEN) {
			if (c->connecting && events[i].events & (EPOLLOUT | EPOLLERR | EPOLLHUP))
				greet(c);
			if (c->state == OPEN && events[i].events & (EPOLLIN | EPOLLERR | EPOLLHUP))
				take(c);
		}
	}
}

/* How long there is nothing to say, ms: a tick at least, -1 when nobody speaks. */
static int speak_all(void)
{
	int64_t now = now_ns(), next = INT64_MAX;

	for (int i = 0; i < count; i++) {
		struct connection *c = all[i];

		if (c->state != OPEN || !c->speaks || c->greeted < sizeof(c->greeting))
			continue;
		if (now >= c->due_ns)
			say(c, now);
		if (c->state == OPEN && c->due_ns < next)
			next = c->due_ns;
	}
	if (next == INT64_MAX)
		return -1;
	return next - now > TICK_MS * 1000000LL ? (next - now) / 1000000 : TICK_MS;
}

static void go_on(void)
{
	for (int wait_ms = 0;; wait_ms = speak_all()) {
		turn(wait_ms);
		forget_calls();
	}
}

static void watch(int fd, void *what)
{
	struct epoll_event event = { .events = EPOLLIN, .data.ptr = what };

	if (epoll_ctl(poll_fd, EPOLL_CTL_ADD, fd, &event))
		die("epoll_ctl");
}

static void serve(long port)
{
	struct sockaddr_in at = address_of(NULL, port);
	int on = 1;

	listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	setsockopt(listen_fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(listen_fd, (struct sockaddr *)&at, sizeof(at)) || listen(listen_fd, 4096))
		die("listen");
	watch(listen_fd, &listen_fd);
	printf("ready\n");
	fflush(stdout);
	go_on();
}

/* Of those that are not open their state; 0: nobody has answered. */
static void tell_opened(int open)
{
	const char *comma = "";

	printf("{\"opened\":%d,\"failed\":[", open);
	for (int i = 0; i < count; i++) {
		if (all[i]->state == OPEN && !all[i]->connecting)
			continue;
		printf("%s%d", comma, all[i]->state);
		comma = ",";
	}
	printf("]}\n");
	fflush(stdout);
}

static void open_all(struct sockaddr_in *to, struct greeting greeting, long n, long per_s)
{
	int64_t start = now_ns(), limit;
	int open = 0, failed = 0;

	for (long i = 0; i < n; i++) {
		int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		struct connection *c;

		if (fd < 0)
			die("socket");
		if (connect(fd, (struct sockaddr *)to, sizeof(*to)) && errno != EINPROGRESS)
			die("connect");
		c = add(fd);
		c->greeting = greeting;
		c->greeting.id = i;
		c->connecting = true;
		c->speaks = greeting.speaker == SPEAKER_CLIENT;
		do
			turn(now_ns() < start + (i + 1) * 1000000000LL / per_s);
		while (now_ns() < start + (i + 1) * 1000000000LL / per_s);
	}
	for (limit = now_ns() + 10000000000LL; open + failed < n && now_ns() < limit; turn(1)) {
		open = failed = 0;
		for (int i = 0; i < count; i++) {
			open += all[i]->state == OPEN && !all[i]->connecting;
			failed += all[i]->state != OPEN;
		}
		speak_all();
	}
	tell_opened(open);
	go_on();
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {
		{ "to", 1, NULL, 't' },	      { "port", 1, NULL, 'p' },
		{ "count", 1, NULL, 'n' },    { "speaks", 1, NULL, 's' },
		{ "every-ms", 1, NULL, 'e' }, { "size", 1, NULL, 'z' },
		{ "per-s", 1, NULL, 'r' },    { "group", 1, NULL, 'g' },
		{ NULL, 0, NULL, 0 },
	};
	struct greeting greeting = { .magic = GREETING_MAGIC, .every_ms = 40, .size = 64 };
	long port = 9000, n = 1, per_s = 1000;
	const char *to = NULL;
	struct sockaddr_in address;
	int option;

	prepare_process();
	while ((option = getopt_long(argc, argv, "", longs, NULL)) != -1) {
		switch (option) {
		case 't': to = optarg; break;
		case 'p': port = atol(optarg); break;
		case 'n': n = atol(optarg); break;
		case 's': greeting.speaker = strcmp(optarg, "server") == 0; break;
		case 'e': greeting.every_ms = atol(optarg); break;
		case 'z': greeting.size = atol(optarg); break;
		case 'r': per_s = atol(optarg); break;
		case 'g': greeting.group = atol(optarg); break;
		default: return 2;
		}
	}
	poll_fd = epoll_create1(EPOLL_CLOEXEC);
	watch(0, NULL);
	if (to == NULL)
		serve(port);
	address = address_of(to, port);
	open_all(&address, greeting, n, per_s);
}
