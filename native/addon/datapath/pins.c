/* SPDX-License-Identifier: Apache-2.0
 *
 * What outlives an agent: maps and links pinned in a directory of its own.  They are of the network
 * namespace they were made in.  After a reboot, or when a host's namespace was made anew while
 * somebody kept the old one and its pins alive, interfaces have the numbers of before, and links by
 * those numbers would be updated where nobody is any more: so a pinned map says whose pins these
 * are, and pins of a namespace that is gone are removed, all of them, before anything is loaded.
 */
#include <bpf/bpf.h>
#include <dirent.h>
#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include "node/addon.h"

#ifndef SO_NETNS_COOKIE
#define SO_NETNS_COOKIE 71
#endif
#define OWNER_PIN "owner"

int mount_pins(const char *dir)
{
	struct statfs fs;

	if (mkdir(dir, 0700) && errno != EEXIST)
		return -errno;
	if (statfs(dir, &fs))
		return -errno;
	if (fs.f_type == BPF_FS_MAGIC)
		return 0;
	return mount("bpf", dir, "bpf", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0700") ? -errno : 0;
}

/* Never given twice while the machine runs; 0 where the kernel does not say. */
static uint64_t namespace_cookie(void)
{
	int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	uint64_t cookie = 0;
	socklen_t size = sizeof(cookie);

	if (fd < 0)
		return 0;
	if (getsockopt(fd, SOL_SOCKET, SO_NETNS_COOKIE, &cookie, &size))
		cookie = 0;
	close(fd);
	return cookie;
}

/* 0: nobody has said */
static uint64_t owner_of(const char *path)
{
	uint32_t zero = 0;
	uint64_t cookie = 0;
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (bpf_map_lookup_elem(fd, &zero, &cookie))
		cookie = 0;
	close(fd);
	return cookie;
}

static int note_owner(const char *path, uint64_t cookie)
{
	uint32_t zero = 0;
	int fd = bpf_map_create(BPF_MAP_TYPE_ARRAY, "mz_owner", 4, 8, 1, NULL), e = 0;

	if (fd < 0)
		return -errno;
	if (bpf_map_update_elem(fd, &zero, &cookie, BPF_ANY) || bpf_obj_pin(fd, path))
		e = -errno;
	close(fd);
	return e;
}

static void unpin_all(const char *dir)
{
	char path[2 * PATH_SIZE + 32];
	DIR *d = opendir(dir);
	struct dirent *entry;

	while (d && (entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "%s/%.*s", dir, PATH_SIZE, entry->d_name);
		unlink(path);
	}
	if (d)
		closedir(d);
}

/* Called in the namespace the agent is in, the directory being mounted. */
int claim_pins(const char *dir)
{
	char path[PATH_SIZE + 32];
	uint64_t ours = namespace_cookie(), owner;

	snprintf(path, sizeof(path), "%s/" OWNER_PIN, dir);
	owner = owner_of(path);
	if (ours == 0 || owner == ours)
		return 0;
	if (owner != 0) /* of an agent before this map was, they are taken for ours */
		unpin_all(dir);
	return note_owner(path, ours);
}

void release_pins(const char *dir)
{
	char path[PATH_SIZE + 32];

	snprintf(path, sizeof(path), "%s/" OWNER_PIN, dir);
	unlink(path);
}
