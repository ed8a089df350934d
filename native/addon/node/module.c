/* SPDX-License-Identifier: Apache-2.0
 *
 * The table of the addon's functions.  src/native/addon.ts declares them to TypeScript.
 */
#include <bpf/libbpf.h>
#include <stdlib.h>
#include "addon.h"

static const struct {
	const char *name;
	napi_callback function;
} table[] = {
	{ "open", open_host },
	{ "close", close_host },
	{ "attach", attach_port },
	{ "detach", detach_port },
	{ "pinned", list_pinned },
	{ "attachSoon", attach_soon },
	{ "punt", set_punt },
	{ "punts", list_punts },
	{ "setLocals", set_locals },
	{ "setPeers", set_peers },
	{ "counters", read_counters },
	{ "setMasks", set_masks },
	{ "getMasks", get_masks },
	{ "setChunks", set_chunks },
	{ "getChunk", get_chunk },
	{ "install", install_flows },
	{ "remove", remove_flows },
	{ "stats", read_stats },
	{ "statsOf", read_stats_of },
	{ "adopt", adopt_flows },
	{ "start", start_upcalls },
	{ "receive", receive_burst },
	{ "send", send_frames },
	{ "enterNamespace", enter_namespace },
	{ "listenIn", listen_in },
	{ "netlinkOpen", open_netlink },
	{ "netlinkRead", read_netlink },
	{ "netlinkWrite", write_netlink },
	{ "netlinkClose", close_netlink },
	{ "monotonicMs", monotonic_now },
	{ "trim", trim_memory },
	{ "stateOpen", open_state },
	{ "stateClose", close_state },
	{ "stateFind", find_state },
	{ "stateHeld", held_state },
	{ "stateRead", read_state },
	{ "stateStamp", stamp_state },
	{ "statePut", put_state },
	{ "stateNote", note_state },
	{ "stateRemove", remove_state },
	{ "stateExpire", expire_state },
	{ "stateScan", scan_state },
	{ "stateInfo", inform_state },
	{ "stateStopClock", stop_state_clock },
	{ "exchangeOpen", exchange_open },
	{ "exchangeClose", exchange_close },
	{ "exchangeSetKey", exchange_set_key },
	{ "exchangeSetPeers", exchange_set_peers },
	{ "exchangeReady", exchange_ready },
	{ "exchangeRoom", exchange_room },
	{ "exchangeShare", exchange_share },
	{ "exchangeFlush", exchange_flush },
	{ "exchangePull", exchange_pull },
	{ "exchangeAsk", exchange_ask },
	{ "exchangeTell", exchange_tell },
	{ "exchangeRead", exchange_read },
	{ "exchangeCounters", exchange_counters },
};

static napi_value init(napi_env env, napi_value exports)
{
	/* the verifier's log, for those who ask */
	if (getenv("MEZZO_BPF_LOG") == NULL)
		libbpf_set_print(NULL);
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		napi_value f;

		if (napi_create_function(env, table[i].name, NAPI_AUTO_LENGTH, table[i].function,
					 NULL, &f) != napi_ok ||
		    napi_set_named_property(env, exports, table[i].name, f) != napi_ok)
			return NULL;
	}
	return exports;
}

NAPI_MODULE(mezzo, init)
