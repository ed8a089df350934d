// SPDX-License-Identifier: Apache-2.0
// One node's half of a conversation that proves who is who:
//   probe NAME PORT ADDRESS...
// It answers UDP questions at its own addresses with its name, and says which it heard:
//   {"heard":"red-web1>red-db1/4"}
// And it asks what it is told to on standard input, several at a time, from the address of that
// family, the next question 2 ms after the answer to the last:
//   ask ID ADDRESS COUNT TIMEOUT_MS LABEL
//   {"id":7,"rtt_us":[812,64,61],"by":"red-db1","strange":0,"error":""}
// `strange` counts answers that came twice or from another node than the first. It ends with its
// input, that is with the lab.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define ASKS_MAX 64
#define SERVERS_MAX 4
#define COUNT_MAX 100
#define TEXT_MAX 128
#define PAUSE_NS 2000000LL

struct ask {
	int fd; /* 0: free */
	int id, count, sent, answered, strange, error;
	int64_t timeout_ns, sent_at, next_at, rtt_us[COUNT_MAX];
	char label[64], by[64];
};

static const char *own_name, *port;
static struct ask asks[ASKS_MAX];
static struct sockaddr_storage own[SERVERS_MAX];
static socklen_t own_length[SERVERS_MAX];
static int servers[SERVERS_MAX], server_count;

static socklen_t resolve(const char *host, const char *service, struct sockaddr_storage *out)
{
	struct addrinfo hints = { .ai_flags = AI_NUMERICHOST, .ai_socktype = SOCK_DGRAM }, *found;
	socklen_t length;

	if (getaddrinfo(host, service, &hints, &found)) {
		fprintf(stderr, "%s is no address\n", host);
		exit(2);
	}
	memcpy(out, found->ai_addr, found->ai_addrlen);
	length = found->ai_addrlen;
	freeaddrinfo(found);
	return length;
}

static int bound(const struct sockaddr_storage *address, socklen_t length)
{
	int fd = socket(address->ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (fd < 0 || bind(fd, (const struct sockaddr *)address, length))
		die("bind");
	return fd;
}

static void serve(const char *address)
{
	struct sockaddr_storage at;

	if (server_count == SERVERS_MAX) {
		fprintf(stderr, "more than %d addresses\n", SERVERS_MAX);
		exit(2);
	}
	own_length[server_count] = resolve(address, "0", &own[server_count]);
	resolve(address, port, &at);
	servers[server_count] = bound(&at, own_length[server_count]);
	server_count++;
}

/* A question is `? LABEL NUMBER`, its answer `! NAME LABEL NUMBER`. */
static void answer(int fd)
{
	char text[TEXT_MAX], reply[2 * TEXT_MAX], label[64];
	struct sockaddr_storage peer;
	socklen_t length = sizeof(peer);
	ssize_t got;
	int number, size;

	while ((got = recvfrom(fd, text, sizeof(text) - 1, 0, (void *)&peer, &length)) >= 0) {
		text[got] = 0;
		if (sscanf(text, "? %63[a-z0-9>/-] %d", label, &number) != 2)
			continue;
		if (number == 0)
			printf("{\"heard\":\"%s\"}\n", label);
		size = snprintf(reply, sizeof(reply), "! %s %s %d", own_name, label, number);
		sendto(fd, reply, size, 0, (void *)&peer, length);
		length = sizeof(peer);
	}
}

static void finish(struct ask *a)
{
	printf("{\"id\":%d,\"rtt_us\":[", a->id);
	for (int i = 0; i < a->answered; i++)
		printf("%s%lld", i ? "," : "", (long long)a->rtt_us[i]);
	printf("],\"by\":\"%s\",\"strange\":%d,\"error\":\"%s\"}\n", a->by, a->strange,
	       a->error ? strerrorname_np(a->error) : "");
	close(a->fd);
	a->fd = 0;
}

static void question(struct ask *a, int64_t now)
{
	char text[TEXT_MAX];
	int size = snprintf(text, sizeof(text), "? %s %d", a->label, a->sent);

	a->sent++;
	a->sent_at = now;
	if (send(a->fd, text, size, 0) < 0)
		a->error = errno;
}

/* An ICMP error that answers the question is read as an error of the socket. */
static void hear(struct ask *a, int64_t now)
{
	char text[2 * TEXT_MAX], name[64], label[64];
	ssize_t got;
	int number;

	while ((got = recv(a->fd, text, sizeof(text) - 1, 0)) >= 0) {
		text[got] = 0;
		if (sscanf(text, "! %63s %63s %d", name, label, &number) != 3)
			continue;
		if (strcmp(label, a->label))
			continue;
		if (!a->by[0])
			strcpy(a->by, name);
		if (number != a->answered || strcmp(name, a->by)) {
			a->strange++;
			continue;
		}
		a->rtt_us[a->answered++] = (now - a->sent_at) / 1000;
		a->next_at = now + PAUSE_NS;
	}
	if (errno != EAGAIN)
		a->error = errno;
}

static void move(struct ask *a, int64_t now)
{
	bool waiting = a->answered < a->sent;

	if (a->error || (waiting && now >= a->sent_at + a->timeout_ns))
		finish(a);
	else if (!waiting && now >= a->next_at) {
		if (a->sent == a->count)
			finish(a);
		else
			question(a, now);
	}
}

static void command(const char *line)
{
	struct ask *a = NULL;
	struct sockaddr_storage to;
	char host[64];
	long timeout_ms;
	socklen_t length;

	for (int i = 0; i < ASKS_MAX && !a; i++)
		if (!asks[i].fd)
			a = &asks[i];
	if (!a) {
		fprintf(stderr, "more than %d questions at once\n", ASKS_MAX);
		exit(2);
	}
	memset(a, 0, sizeof(*a));
	if (sscanf(line, "ask %d %63s %d %ld %63s", &a->id, host, &a->count, &timeout_ms,
		   a->label) != 5 || a->count < 1 || a->count > COUNT_MAX) {
		fprintf(stderr, "not understood: %s\n", line);
		exit(2);
	}
	a->timeout_ns = timeout_ms * 1000000;
	length = resolve(host, port, &to);
	for (int i = 0; i < server_count && !a->fd; i++)
		if (own[i].ss_family == to.ss_family)
			a->fd = bound(&own[i], own_length[i]);
	if (!a->fd)
		a->fd = socket(to.ss_family, SOCK_DGRAM | SOCK_NONBLOCK, 0);
	if (connect(a->fd, (void *)&to, length))
		a->error = errno;
}

static bool commands(void)
{
	static char text[4096];
	static size_t filled;
	ssize_t got = read(0, text + filled, sizeof(text) - 1 - filled);
	char *line = text, *end;

	if (got <= 0)
		return got < 0 && errno == EAGAIN;
	filled += got;
	text[filled] = 0;
	while ((end = strchr(line, '\n'))) {
		*end = 0;
		command(line);
		line = end + 1;
	}
	filled -= line - text;
	memmove(text, line, filled);
	return true;
}

/* Until when there is nothing to do by ourselves, in poll's milliseconds. */
static int pause_ms(int64_t now)
{
	int64_t until = INT64_MAX;

	for (int i = 0; i < ASKS_MAX; i++) {
		int64_t at = asks[i].answered < asks[i].sent ? asks[i].sent_at + asks[i].timeout_ns
							     : asks[i].next_at;

		if (asks[i].fd && at < until)
			until = at;
	}
	if (until == INT64_MAX)
		return -1;
	return until <= now ? 0 : (until - now) / 1000000 + 1;
}

int main(int argc, char **argv)
{
	struct pollfd waiting[1 + SERVERS_MAX + ASKS_MAX];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (argc < 4) {
		fprintf(stderr, "usage: probe NAME PORT ADDRESS...\n");
		return 2;
	}
	own_name = argv[1];
	port = argv[2];
	for (int i = 3; i < argc; i++)
		serve(argv[i]);
	fcntl(0, F_SETFL, O_NONBLOCK);
	puts("ready");
	for (;;) {
		int n = 0;

		fflush(stdout);
		waiting[n++] = (struct pollfd){ .fd = 0, .events = POLLIN };
		for (int i = 0; i < server_count; i++)
			waiting[n++] = (struct pollfd){ .fd = servers[i], .events = POLLIN };
		for (int i = 0; i < ASKS_MAX; i++)
			waiting[n++] = (struct pollfd){ .fd = asks[i].fd ?: -1, .events = POLLIN };
		poll(waiting, n, pause_ms(now_ns()));
		for (int i = 0; i < server_count; i++)
			answer(servers[i]);
		for (int i = 0; i < ASKS_MAX; i++)
			if (asks[i].fd && waiting[1 + server_count + i].revents)
				hear(&asks[i], now_ns());
		if (waiting[0].revents && !commands())
			return 0;
		for (int i = 0; i < ASKS_MAX; i++)
			if (asks[i].fd)
				move(&asks[i], now_ns());
	}
}
