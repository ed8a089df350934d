/* SPDX-License-Identifier: Apache-2.0
 *
 * The tag of a message: HMAC (RFC 2104) over SHA-256 (RFC 6234).  The blocks that the key fills
 * are hashed once, when it is set.  On x86 with the SHA extensions a block takes a quarter of the
 * time.  native/test/exchange-fuzz.c holds the portable way to RFC 4231, and
 * test/state/native-exchange.test.ts what runs to Node's own crypto.
 */
#include <string.h>
#if defined(__x86_64__) && !defined(PORTABLE_SHA256)
#include <immintrin.h>
#endif
#include "codec.h"

#define BLOCK 64
#define DIGEST 32

static const uint32_t k256[64] __attribute__((aligned(16))) = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4,
	0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe,
	0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f,
	0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7,
	0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc,
	0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b,
	0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116,
	0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
	0xc67178f2
};
static const uint32_t start[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a,
				   0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19 };

static uint32_t turn(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

static void hash_portably(uint32_t state[8], const uint8_t *p, size_t blocks)
{
	uint32_t w[64], s[8];

	for (; blocks > 0; blocks--, p += BLOCK) {
		for (int i = 0; i < 16; i++)
			w[i] = get_u32(p + 4 * i);
		for (int i = 16; i < 64; i++) {
			uint32_t a = w[i - 15], b = w[i - 2];

			w[i] = w[i - 16] + w[i - 7] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) +
			       (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
		}
		memcpy(s, state, sizeof(s));
		for (int i = 0; i < 64; i++) {
			uint32_t e = s[4], a = s[0];
			uint32_t t = s[7] + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) +
				     ((e & s[5]) ^ (~e & s[6])) + k256[i] + w[i];
			uint32_t u = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) +
				     ((a & s[1]) ^ (a & s[2]) ^ (s[1] & s[2]));

			memmove(s + 1, s, 7 * sizeof(*s));
			s[4] += t;
			s[0] = t + u;
		}
		for (int i = 0; i < 8; i++)
			state[i] += s[i];
	}
}

#if defined(__x86_64__) && !defined(PORTABLE_SHA256)
/* The extensions keep the state as two registers, ABEF and CDGH, and do two rounds at a time. */
__attribute__((target("sha,sse4.1,ssse3")))
static void hash_by_extension(uint32_t state[8], const uint8_t *p, size_t blocks)
{
	const __m128i swap = _mm_set_epi64x(0x0c0d0e0f08090a0bull, 0x0405060700010203ull);
	__m128i low = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)state), 0xb1);
	__m128i high = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)(state + 4)), 0x1b);
	__m128i abef = _mm_alignr_epi8(low, high, 8), cdgh = _mm_blend_epi16(high, low, 0xf0);

	for (; blocks > 0; blocks--, p += BLOCK) {
		__m128i w[4], abef_before = abef, cdgh_before = cdgh;

		for (int i = 0; i < 4; i++)
			w[i] = _mm_shuffle_epi8(
				_mm_loadu_si128((const __m128i *)(p + 16 * i)), swap);
		for (int i = 0; i < 16; i++) {
			__m128i sum = _mm_add_epi32(w[i & 3],
						    _mm_load_si128((const __m128i *)k256 + i));

			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, sum);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(sum, 0x0e));
			if (i < 12) {
				__m128i next = _mm_sha256msg1_epu32(w[i & 3], w[(i + 1) & 3]);

				next = _mm_add_epi32(next, _mm_alignr_epi8(w[(i + 3) & 3],
									   w[(i + 2) & 3], 4));
				w[i & 3] = _mm_sha256msg2_epu32(next, w[(i + 3) & 3]);
			}
		}
		abef = _mm_add_epi32(abef, abef_before);
		cdgh = _mm_add_epi32(cdgh, cdgh_before);
	}
	low = _mm_shuffle_epi32(abef, 0x1b);
	high = _mm_shuffle_epi32(cdgh, 0xb1);
	_mm_storeu_si128((__m128i *)state, _mm_blend_epi16(low, high, 0xf0));
	_mm_storeu_si128((__m128i *)(state + 4), _mm_alignr_epi8(high, low, 8));
}
#endif

static void hash_blocks(uint32_t state[8], const uint8_t *p, size_t blocks)
{
#if defined(__x86_64__) && !defined(PORTABLE_SHA256)
	if (__builtin_cpu_supports("sha")) {
		hash_by_extension(state, p, blocks);
		return;
	}
#endif
	hash_portably(state, p, blocks);
}

/* Hashes the rest of what `state` has begun: `before` bytes are in it. */
static void finish(uint32_t state[8], const uint8_t *data, size_t len, size_t before,
		   uint8_t into[DIGEST])
{
	uint8_t last[2 * BLOCK] = { 0 };
	size_t rest = len % BLOCK, blocks = rest + 9 > BLOCK ? 2 : 1;

	hash_blocks(state, data, len / BLOCK);
	memcpy(last, data + len - rest, rest);
	last[rest] = 0x80;
	put_u64(last + blocks * BLOCK - 8, (uint64_t)(before + len) * 8);
	hash_blocks(state, last, blocks);
	for (int i = 0; i < 8; i++)
		put_u32(into + 4 * i, state[i]);
}

void hmac_set_key(struct hmac_key *k, const uint8_t *key, size_t len)
{
	uint8_t block[BLOCK] = { 0 };

	if (len > BLOCK) {
		uint32_t state[8];

		memcpy(state, start, sizeof(state));
		finish(state, key, len, 0, block);
	} else {
		memcpy(block, key, len);
	}
	memcpy(k->inner, start, sizeof(start));
	memcpy(k->outer, start, sizeof(start));
	for (int i = 0; i < BLOCK; i++)
		block[i] ^= 0x36;
	hash_blocks(k->inner, block, 1);
	for (int i = 0; i < BLOCK; i++)
		block[i] ^= 0x36 ^ 0x5c;
	hash_blocks(k->outer, block, 1);
	explicit_bzero(block, sizeof(block));
}

void hmac_tag(const struct hmac_key *k, const uint8_t *data, size_t len, uint8_t tag[DIGEST])
{
	uint32_t state[8];
	uint8_t inner[DIGEST];

	memcpy(state, k->inner, sizeof(state));
	finish(state, data, len, BLOCK, inner);
	memcpy(state, k->outer, sizeof(state));
	finish(state, inner, sizeof(inner), BLOCK, tag);
}

bool same_bytes(const uint8_t *a, const uint8_t *b, size_t len)
{
	volatile uint8_t differs = 0;

	for (size_t i = 0; i < len; i++)
		differs |= a[i] ^ b[i];
	return differs == 0;
}
