// SPDX-License-Identifier: Apache-2.0
// A hypervisor's share of the network, and nothing else: a tap in the host's namespace, a tap that
// is the VM's card in another, and every frame carried between them. Both have virtio-net headers
// and all offloads, so a 64 KB segment crosses whole, as it does from a real guest.
//   relay <host namespace> <tap> <VM namespace> <card>

#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "common.h"

#define FRAME_MAX (65536 + 256)
#define BURST 64

static int tap(const char *netns, const char *name)
{
	struct ifreq request = { .ifr_flags = IFF_TAP | IFF_NO_PI | IFF_VNET_HDR };
	int space = open(netns, O_RDONLY | O_CLOEXEC), fd;

	if (space < 0 || setns(space, CLONE_NEWNET))
		die(netns);
	close(space);
	fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		die("/dev/net/tun");
	snprintf(request.ifr_name, IFNAMSIZ, "%s", name);
	if (ioctl(fd, TUNSETIFF, &request))
		die(name);
	if (ioctl(fd, TUNSETOFFLOAD, TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN))
		die("TUNSETOFFLOAD");
	return fd;
}

/* A card that is down or full loses the frame, as cards do. */
static void carry(int from, int to)
{
	static char frame[FRAME_MAX];

	for (int i = 0; i < BURST; i++) {
		ssize_t length = read(from, frame, sizeof(frame));

		if (length <= 0 || write(to, frame, length) < 0)
			return;
	}
}

int main(int argc, char **argv)
{
	struct pollfd ends[2];

	if (argc != 5) {
		fprintf(stderr, "usage: relay <namespace> <tap> <namespace> <tap>\n");
		return 2;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	ends[0] = (struct pollfd){ .fd = tap(argv[1], argv[2]), .events = POLLIN };
	ends[1] = (struct pollfd){ .fd = tap(argv[3], argv[4]), .events = POLLIN };
	puts("ready");
	fflush(stdout);
	for (;;) {
		if (poll(ends, 2, -1) < 0 && errno != EINTR)
			die("poll");
		if (ends[0].revents & POLLIN)
			carry(ends[0].fd, ends[1].fd);
		if (ends[1].revents & POLLIN)
			carry(ends[1].fd, ends[0].fd);
	}
}
