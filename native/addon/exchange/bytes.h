/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers in the byte order of the network, anywhere in memory.
 */
#ifndef MEZZO_BYTES_H
#define MEZZO_BYTES_H

#include <stdint.h>
#include <string.h>

static inline void put_u16(uint8_t *at, uint16_t v)
{
	at[0] = v >> 8;
	at[1] = v;
}

static inline void put_u32(uint8_t *at, uint32_t v)
{
	v = __builtin_bswap32(v);
	memcpy(at, &v, 4);
}

static inline void put_u64(uint8_t *at, uint64_t v)
{
	v = __builtin_bswap64(v);
	memcpy(at, &v, 8);
}

static inline uint16_t get_u16(const uint8_t *at)
{
	return at[0] << 8 | at[1];
}

static inline uint32_t get_u32(const uint8_t *at)
{
	uint32_t v;

	memcpy(&v, at, 4);
	return __builtin_bswap32(v);
}

static inline uint64_t get_u64(const uint8_t *at)
{
	uint64_t v;

	memcpy(&v, at, 8);
	return __builtin_bswap64(v);
}

#endif
