/* SPDX-License-Identifier: Apache-2.0
 *
 * Entries gather in drafts, two for each peer, until a message is full or it is time: what is
 * awaited goes with the flush, refreshes with it or a millisecond later.
 */
#include <stdlib.h>
#include <string.h>
#include "parts.h"

#define REFRESH_WAIT 1000000ull /* ns */

static void send_draft(struct exchange *x, struct sendq *o, struct peer *p, int which)
{
	struct draft *d = &p->drafts[which];
	uint32_t ticket = 0;

	if (which == AWAITED && (p->passed_over || !has_room(x, p, 1)))
		x->count[COUNT_PASSED_OVER]++;
	else if (which == AWAITED)
		ticket = open_ticket(x, now_ns());
	if (which == AWAITED)
		send_awaited(x, o, p, ticket, d->bytes, d->len);
	else
		send_kept(x, o, p, MESSAGE_REFRESH, d->bytes, d->len);
	d->len = 0;
}

void draft_entry(struct exchange *x, struct sendq *o, struct peer *p, int which,
		 const uint8_t *entry, size_t len)
{
	struct draft *d = &p->drafts[which];

	if (d->bytes == NULL && (d->bytes = malloc(BODY_MAX)) == NULL) {
		lacks(x, p, MESSAGE_STATE);
		return;
	}
	if (d->len + len > BODY_MAX)
		send_draft(x, o, p, which);
	if (d->len == 0) { /* request 0: it answers no pull */
		put_u32(d->bytes, 0);
		d->len = 4;
	}
	memcpy(d->bytes + d->len, entry, len);
	d->len += len;
	x->count[COUNT_ENTRIES_SENT]++;
	if (!p->drafted) {
		p->drafted = true;
		x->drafted[x->drafted_count++] = p;
	}
	if (which == REFRESHED && x->refresh_due == 0) {
		x->refresh_due = now_ns() + REFRESH_WAIT;
		arm(x, x->refresh_due);
	}
}

void send_drafts(struct exchange *x, struct sendq *o, int which)
{
	uint32_t left = 0;

	for (uint32_t i = 0; i < x->drafted_count; i++) {
		struct peer *p = x->drafted[i];

		for (int d = which; d < DRAFTS; d++)
			if (p->drafts[d].len)
				send_draft(x, o, p, d);
		p->drafted = p->drafts[AWAITED].len > 0;
		if (p->drafted)
			x->drafted[left++] = p;
	}
	x->drafted_count = left;
	x->refresh_due = 0;
}
