/* SPDX-License-Identifier: Apache-2.0
 *
 * A listening socket in another network namespace.  A thread of its own goes there and makes it:
 * the caller's stays where it is, and a socket belongs to the namespace it was made in.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include "addon.h"

#define BACKLOG 8

struct wanted {
	char path[PATH_SIZE];
	struct sockaddr_in address;
	int result; /* the socket, or negative errno */
};

static int make_socket(const struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), one = 1, e;

	if (fd < 0)
		return -errno;
	/* connections of an earlier listener may linger */
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(fd, (const struct sockaddr *)address, sizeof(*address)) || listen(fd, BACKLOG)) {
		e = -errno;
		close(fd);
		return e;
	}
	return fd;
}

static void *visit(void *context)
{
	struct wanted *w = context;
	int fd = open(w->path, O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		w->result = -errno;
		return NULL;
	}
	w->result = setns(fd, CLONE_NEWNET) ? -errno : make_socket(&w->address);
	close(fd);
	return NULL;
}

/* listenIn(namespace, IPv4 address, port) -> descriptor, or negative errno */
napi_value listen_in(napi_env env, napi_callback_info info)
{
	struct args a = take_args(env, info);
	struct wanted w = { .address = { .sin_family = AF_INET }, .result = -EINVAL };
	char address[INET_ADDRSTRLEN];
	uint32_t port = arg_u32(&a, 2);
	pthread_t thread;

	arg_text(&a, 0, w.path, sizeof(w.path));
	arg_text(&a, 1, address, sizeof(address));
	if (w.path[0] == 0 || port > 0xffff ||
	    inet_pton(AF_INET, address, &w.address.sin_addr) != 1)
		return number(env, -EINVAL);
	w.address.sin_port = htons(port);
	if (pthread_create(&thread, NULL, visit, &w))
		return number(env, -EAGAIN);
	pthread_join(thread, NULL);
	return number(env, w.result);
}
