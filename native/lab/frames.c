// SPDX-License-Identifier: Apache-2.0
// Sends frames as they are, one for each line of hexadecimal digits on standard input: what no
// kernel would send by itself, such as an ARP answer that nobody asked for.
//   frames <interface>

#include <ctype.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <sys/socket.h>

#include "common.h"

#define FRAME_MAX 65536

static int parse(const char *line, uint8_t *frame)
{
	int length = 0;

	for (; isxdigit(line[0]) && isxdigit(line[1]) && length < FRAME_MAX; line += 2)
		sscanf(line, "%2hhx", &frame[length++]);
	return length;
}

int main(int argc, char **argv)
{
	static char line[2 * FRAME_MAX + 2];
	static uint8_t frame[FRAME_MAX];
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	int fd, sent = 0;

	if (argc != 2) {
		fprintf(stderr, "usage: frames <interface>\n");
		return 2;
	}
	to.sll_ifindex = if_nametoindex(argv[1]);
	if (to.sll_ifindex == 0)
		die(argv[1]);
	fd = socket(AF_PACKET, SOCK_RAW, 0);
	if (fd < 0)
		die("socket");
	while (fgets(line, sizeof(line), stdin)) {
		int length = parse(line, frame);

		if (length < ETH_HLEN) {
			fprintf(stderr, "line %d is no frame\n", sent + 1);
			return 1;
		}
		if (sendto(fd, frame, length, 0, (struct sockaddr *)&to, sizeof(to)) != length)
			die("sendto");
		sent++;
	}
	printf("{\"sent\": %d}\n", sent);
	return 0;
}
