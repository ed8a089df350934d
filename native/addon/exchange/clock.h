/* SPDX-License-Identifier: Apache-2.0
 *
 * What time it is, and when an exchange's thread is to be woken.
 */
#ifndef MEZZO_EXCHANGE_CLOCK_H
#define MEZZO_EXCHANGE_CLOCK_H

#include <stdint.h>

struct exchange;

uint64_t now_ns(void);
/* Two threads look at the clock: what the other noted may be a little later than `now`. */
static inline uint64_t since(uint64_t then, uint64_t now)
{
	return now > then ? now - then : 0;
}
/* The timer fires at `due` at the latest. */
void arm(struct exchange *x, uint64_t due);

#endif
