// SPDX-License-Identifier: Apache-2.0
// What the two ends of a crowd say to each other: a greeting by whoever connects, then bytes that
// depend on the connection and on their place in it, so that each end knows what has to come.

#ifndef LAB_CROWD_H
#define LAB_CROWD_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common.h"

#define GREETING_MAGIC 0x63726f77
#define DESCRIPTORS 65536

enum speaker { SPEAKER_CLIENT, SPEAKER_SERVER, SPEAKER_ASKS };

struct greeting {
	uint32_t magic;
	uint32_t id;
	uint16_t group; /* which crowd of a server's the connection belongs to */
	uint16_t speaker;
	uint16_t every_ms; /* between two records */
	uint16_t size;     /* of a record */
};

static inline uint8_t byte_at(uint32_t id, uint64_t at)
{
	return (id * 131 + at * 7 + (at >> 8) * 13 + (at >> 16)) & 255;
}

/* Ahead of whatever else the machine is doing, where that is allowed: silences are the network's,
 * not ours. */
static inline void prepare_process(void)
{
	struct rlimit many = { DESCRIPTORS, DESCRIPTORS };
	struct sched_param first = { .sched_priority = 1 };

	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setrlimit(RLIMIT_NOFILE, &many);
	sched_setscheduler(0, SCHED_FIFO, &first);
}

static inline struct sockaddr_in address_of(const char *ip, long port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (ip && inet_pton(AF_INET, ip, &to.sin_addr) != 1) {
		errno = EINVAL;
		die(ip);
	}
	return to;
}

#endif
