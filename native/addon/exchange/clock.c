/* SPDX-License-Identifier: Apache-2.0
 *
 * The exchange's clock: what time it is, and when its thread is to be woken.
 */
#define _GNU_SOURCE
#include <sys/timerfd.h>
#include <time.h>
#include "parts.h"

#define NS_PER_S 1000000000ull

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * NS_PER_S + t.tv_nsec;
}

void arm(struct exchange *x, uint64_t due)
{
	struct itimerspec at = { .it_value = { due / NS_PER_S, due % NS_PER_S } };

	if (due >= x->armed)
		return;
	x->armed = due;
	timerfd_settime(x->timer, TFD_TIMER_ABSTIME, &at, NULL);
}
