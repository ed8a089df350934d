/* SPDX-License-Identifier: Apache-2.0
 *
 * How many records each port holds, by the port its openers' packets come in by: open addressing.
 * Who holds none keeps the place until the index grows.  Without memory a port holds nothing.
 */
#include <stdlib.h>
#include "parts.h"

#define FIRST 64u

static struct holder *place_of(const struct holders *h, uint32_t port)
{
	uint32_t i = port * 0x9e3779b1u & (h->places - 1);

	while (h->all[i].known && h->all[i].port != port)
		i = (i + 1) & (h->places - 1);
	return &h->all[i];
}

static void grow(struct holders *h)
{
	struct holders wider = { .places = h->places ? h->places * 2 : FIRST };

	wider.all = calloc(wider.places, sizeof(*wider.all));
	if (wider.all == NULL)
		return;
	for (uint32_t i = 0; i < h->places; i++) {
		if (h->all[i].count == 0)
			continue;
		*place_of(&wider, h->all[i].port) = h->all[i];
		wider.known++;
		wider.live++;
	}
	free(h->all);
	*h = wider;
}

uint32_t held_by(const struct holders *h, uint32_t port)
{
	return h->places ? place_of(h, port)->count : 0;
}

void hold(struct holders *h, uint32_t port)
{
	struct holder *at;

	if (h->known * 2 >= h->places)
		grow(h);
	if (h->known + 1 >= h->places)
		return; /* no memory, and no place left */
	at = place_of(h, port);
	h->known += !at->known;
	h->live += at->count == 0;
	at->known = true;
	at->port = port;
	at->count++;
}

void let_go(struct holders *h, uint32_t port)
{
	struct holder *at = h->places ? place_of(h, port) : NULL;

	if (at && at->count && --at->count == 0)
		h->live--;
}
