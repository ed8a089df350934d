/* SPDX-License-Identifier: Apache-2.0
 *
 * Prints every offset and number of abi.h as JSON; src/native/abi.test.ts holds them against
 * TypeScript's.
 */
#include <linux/types.h>
#include <stddef.h>
#include <stdio.h>
#include "../include/abi.h"

#define SIZE(t) printf("  \"sizeof." #t "\": %zu,\n", sizeof(struct t))
#define FIELD(t, f) printf("  \"" #t "." #f "\": %zu,\n", offsetof(struct t, f))
#define NUMBER(n) printf("  \"" #n "\": %lld,\n", (long long)(n))

static void layouts(void)
{
	SIZE(mz_key); FIELD(mz_key, in_port); FIELD(mz_key, tunnel_key); FIELD(mz_key, tunnel_src);
	FIELD(mz_key, vlans); FIELD(mz_key, eth_dst_hi); FIELD(mz_key, eth_mid);
	FIELD(mz_key, eth_src_lo); FIELD(mz_key, type_id); FIELD(mz_key, ip_src);
	FIELD(mz_key, ip_dst); FIELD(mz_key, ip_misc); FIELD(mz_key, l4_ports);
	FIELD(mz_key, l4_misc); FIELD(mz_key, mask_id);
	SIZE(mz_action); FIELD(mz_action, type); FIELD(mz_action, flags); FIELD(mz_action, a);
	FIELD(mz_action, w);
	SIZE(mz_flow); FIELD(mz_flow, flow_id); FIELD(mz_flow, n_act); FIELD(mz_flow, ttl_min);
	FIELD(mz_flow, flags); FIELD(mz_flow, chunk); FIELD(mz_flow, room); FIELD(mz_flow, mtu);
	FIELD(mz_flow, act);
	SIZE(mz_chunk); FIELD(mz_chunk, n); FIELD(mz_chunk, next); FIELD(mz_chunk, act);
	SIZE(mz_stats); SIZE(mz_masks); FIELD(mz_masks, n); FIELD(mz_masks, mask);
	SIZE(mz_punt); FIELD(mz_punt, out); FIELD(mz_punt, owner); FIELD(mz_punt, mac_hi);
	FIELD(mz_punt, mac_lo); FIELD(mz_punt, interval_ns); FIELD(mz_punt, burst_ns);
	FIELD(mz_punt, next_ns);
	SIZE(mz_punt_listed); FIELD(mz_punt_listed, ifindex); FIELD(mz_punt_listed, what);
	FIELD(mz_punt_listed, words);
	SIZE(mz_upcall); SIZE(mz_port); SIZE(mz_config); SIZE(mz_credit);
}

static void state(void)
{
	SIZE(mz_state_key); FIELD(mz_state_key, type); FIELD(mz_state_key, scope);
	FIELD(mz_state_key, src); FIELD(mz_state_key, dst); FIELD(mz_state_key, ports);
	SIZE(mz_state); FIELD(mz_state, a); FIELD(mz_state, b); FIELD(mz_state, flags);
	FIELD(mz_state, generation); FIELD(mz_state, born); FIELD(mz_state, owner);
	FIELD(mz_state, ingress); FIELD(mz_state, egress); FIELD(mz_state, timeout_s);
	FIELD(mz_state, data);
	NUMBER(MZ_STATE_REPLIED); NUMBER(MZ_STATE_ASSURED);
	NUMBER(MZ_STATE_FIN_A); NUMBER(MZ_STATE_FIN_B); NUMBER(MZ_STATE_RESET);
	NUMBER(MZ_STATE_BLOCKED);
}

static void actions(void)
{
	NUMBER(MZ_ACT_NONE); NUMBER(MZ_ACT_OUTPUT); NUMBER(MZ_ACT_TUNNEL);
	NUMBER(MZ_ACT_SET_ETH_DST); NUMBER(MZ_ACT_SET_ETH_SRC); NUMBER(MZ_ACT_PUSH_VLAN);
	NUMBER(MZ_ACT_POP_VLAN); NUMBER(MZ_ACT_SET_IP_SRC); NUMBER(MZ_ACT_SET_IP_DST);
	NUMBER(MZ_ACT_SET_TOS); NUMBER(MZ_ACT_ADD_TTL); NUMBER(MZ_ACT_SET_L4_SRC);
	NUMBER(MZ_ACT_SET_L4_DST); NUMBER(MZ_ACT_SET_ICMP_ID); NUMBER(MZ_ACT_UPCALL);
	NUMBER(MZ_OUT_PEER); NUMBER(MZ_TUN_VXLAN); NUMBER(MZ_TUN_GRE);
	NUMBER(MZ_ACT_WORDS); NUMBER(MZ_ACT_INLINE); NUMBER(MZ_CHUNK_ACTIONS);
	NUMBER(MZ_ACTIONS_MAX);
}

#define WORD(name, word) printf("%s\"" word "\"", n++ ? ", " : "");
#define LIST(list) do { \
	int n = 0; \
	printf("  \"" #list "\": ["); \
	list(WORD) \
	printf("],\n"); \
} while (0)

static void lists(void)
{
	LIST(MZ_DATAPATH_COUNTERS); LIST(MZ_DATAPATH_SETTINGS); LIST(MZ_PUNT_CLASSES);
	LIST(MZ_STATE_KINDS); LIST(MZ_TIMEOUTS); LIST(MZ_STATE_INFO);
	LIST(MZ_MESSAGE_TYPES); LIST(MZ_REFUSALS); LIST(MZ_NEWS);
	LIST(MZ_EXCHANGE_SETTINGS); LIST(MZ_EXCHANGE_COUNTERS); LIST(MZ_EXCHANGE_GAUGES);
	NUMBER(MZ_CNT_MAX);
}

int main(void)
{
	printf("{\n");
	layouts();
	state();
	actions();
	lists();
	NUMBER(MZ_KEY_WORDS); NUMBER(MZ_MASKS_MAX); NUMBER(MZ_FRAME_MAX); NUMBER(MZ_LOCALS_MAX);
	NUMBER(MZ_VLAN_PRESENT); NUMBER(MZ_FRAG_NONE); NUMBER(MZ_FRAG_FIRST);
	NUMBER(MZ_FRAG_LATER); NUMBER(MZ_FRAG_UNREAD); NUMBER(MZ_IP_OPTIONS); NUMBER(MZ_IP_AH);
	NUMBER(MZ_UP_MISS); NUMBER(MZ_UP_TTL); NUMBER(MZ_UP_MTU);
	NUMBER(MZ_UP_ACTION); NUMBER(MZ_UP_SYN); NUMBER(MZ_FLOW_STATEFUL); NUMBER(MZ_CLASS_VM);
	NUMBER(MZ_CLASS_UPLINK); NUMBER(MZ_CLASS_TUNNEL); NUMBER(MZ_CLASS_PUNT);
	NUMBER(MZ_PUNTS_MAX); NUMBER(MZ_PUNT_LISTED_MAX); NUMBER(MZ_PUNT_BUCKETS);
	NUMBER(MZ_PUNT_OWN); NUMBER(MZ_PUNT_PEER); NUMBER(MZ_PUNT_SERVICE);
	printf("  \"MZ_ABI_VERSION\": %d\n}\n", MZ_ABI_VERSION);
	return 0;
}
