// SPDX-License-Identifier: Apache-2.0
// The far ends of many cables: sends frames as they are, and says which have come, byte for byte.
// It answers only when it is asked, so that whoever asks can go step by step.
//   wire <namespace> <requests> <answers> <interface>...
//
// A request and a frame of an answer look alike, in the machine's byte order:
//   u16 interface, in the order of the arguments   u16 length   bytes
// A request of length 0 sends nothing.  An answer is every frame that has come, in the order of
// interfaces, and then interface 0xffff, length 0.

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <sys/prctl.h>
#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>
#include <arpa/inet.h>

#include "common.h"

#define CABLES_MAX 64
#define FRAME_MAX 65535
#define MACS_LENGTH 12
#define VLAN_LENGTH 4

struct record {
	uint16_t cable, length;
};

static int cable(const char *name)
{
	struct sockaddr_ll at = {
		.sll_family = AF_PACKET,
		.sll_protocol = htons(ETH_P_ALL),
		.sll_ifindex = if_nametoindex(name),
	};
	int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK, 0), room = 4 << 20, on = 1;

	if (fd < 0 || at.sll_ifindex == 0)
		die(name);
	setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof(room));
	if (setsockopt(fd, SOL_PACKET, PACKET_AUXDATA, &on, sizeof(on)))
		die(name);
	if (bind(fd, (struct sockaddr *)&at, sizeof(at)))
		die(name);
	return fd;
}

static void answer(int to, uint16_t at, const uint8_t *frame, uint16_t length)
{
	static uint8_t out[sizeof(struct record) + FRAME_MAX];
	struct record head = { at, length };
	size_t size = sizeof(head) + length;

	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), frame, length);
	for (size_t done = 0; done < size;) {
		ssize_t n = write(to, out + done, size - done);

		if (n < 0)
			die("answers");
		done += n;
	}
}

/* The kernel keeps the outer tag of a frame beside it. */
static ssize_t take(int fd, uint8_t *frame, size_t room, struct sockaddr_ll *from)
{
	union {
		struct cmsghdr head;
		char bytes[CMSG_SPACE(sizeof(struct tpacket_auxdata))];
	} control;
	struct iovec whole = { .iov_base = frame, .iov_len = room - VLAN_LENGTH };
	struct msghdr message = { .msg_name = from, .msg_namelen = sizeof(*from),
				  .msg_iov = &whole, .msg_iovlen = 1,
				  .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t n = recvmsg(fd, &message, 0);

	if (n < MACS_LENGTH)
		return n;
	for (struct cmsghdr *at = CMSG_FIRSTHDR(&message); at; at = CMSG_NXTHDR(&message, at)) {
		struct tpacket_auxdata aux;

		if (at->cmsg_level != SOL_PACKET || at->cmsg_type != PACKET_AUXDATA)
			continue;
		memcpy(&aux, CMSG_DATA(at), sizeof(aux));
		if (!(aux.tp_status & TP_STATUS_VLAN_VALID))
			continue;
		uint16_t tag[2] = { htons(aux.tp_status & TP_STATUS_VLAN_TPID_VALID ?
						  aux.tp_vlan_tpid : ETH_P_8021Q),
				    htons(aux.tp_vlan_tci) };

		memmove(frame + MACS_LENGTH + VLAN_LENGTH, frame + MACS_LENGTH, n - MACS_LENGTH);
		memcpy(frame + MACS_LENGTH, tag, VLAN_LENGTH);
		return n + VLAN_LENGTH;
	}
	return n;
}

/* What was sent from here is seen here too, as outgoing. */
static void collect(const struct pollfd *cables, int count, int to)
{
	static uint8_t frame[FRAME_MAX];

	for (int i = 0; i < count; i++) {
		while (cables[i].revents & POLLIN) {
			struct sockaddr_ll from;
			ssize_t n = take(cables[i].fd, frame, sizeof(frame), &from);

			if (n < 0)
				break;
			if (from.sll_pkttype != PACKET_OUTGOING)
				answer(to, i, frame, n);
		}
	}
	answer(to, 0xffff, NULL, 0);
}

static void read_all(int from, void *into, size_t size)
{
	for (size_t done = 0; done < size;) {
		ssize_t n = read(from, (uint8_t *)into + done, size - done);

		if (n == 0)
			exit(0);
		if (n < 0)
			die("requests");
		done += n;
	}
}

int main(int argc, char **argv)
{
	static struct pollfd cables[CABLES_MAX];
	static uint8_t frame[FRAME_MAX];
	int count = argc - 4, space, from, to;
	struct record head;

	if (count < 1 || count > CABLES_MAX) {
		fprintf(stderr, "usage: wire <namespace> <requests> <answers> <interface>...\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	from = open(argv[2], O_RDONLY);
	to = open(argv[3], O_WRONLY);
	if (from < 0 || to < 0)
		die("pipes");
	space = open(argv[1], O_RDONLY | O_CLOEXEC);
	if (space < 0 || setns(space, CLONE_NEWNET))
		die(argv[1]);
	for (int i = 0; i < count; i++)
		cables[i] = (struct pollfd){ .fd = cable(argv[4 + i]), .events = POLLIN };
	for (;;) {
		read_all(from, &head, sizeof(head));
		read_all(from, frame, head.length);
		/* a cable that is pulled takes nothing */
		if (head.length > 0 && head.cable < count &&
		    send(cables[head.cable].fd, frame, head.length, 0) < 0 &&
		    errno != ENETDOWN && errno != ENXIO && errno != ENOBUFS)
			die(argv[4 + head.cable]);
		poll(cables, count, 0);
		collect(cables, count, to);
	}
}
