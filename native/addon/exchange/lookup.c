/* SPDX-License-Identifier: Apache-2.0
 *
 * Peers by their word.
 */
#include <string.h>
#include "parts.h"

static uint32_t slot_of(uint32_t word)
{
	return (word * 0x9e3779b1u) >> 20 & (PEER_SLOTS - 1);
}

struct peer *find_peer(struct exchange *x, uint32_t word)
{
	for (uint32_t s = slot_of(word); x->by_word[s]; s = (s + 1) & (PEER_SLOTS - 1))
		if (x->peers[x->by_word[s] - 1]->word == word)
			return x->peers[x->by_word[s] - 1];
	return NULL;
}

void index_peer(struct exchange *x, uint32_t i)
{
	uint32_t s = slot_of(x->peers[i]->word);

	while (x->by_word[s])
		s = (s + 1) & (PEER_SLOTS - 1);
	x->by_word[s] = i + 1;
}

void forget_index(struct exchange *x)
{
	memset(x->by_word, 0, sizeof(x->by_word));
}
