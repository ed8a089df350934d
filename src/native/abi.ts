// The numbers of native/include/abi.h that TypeScript needs; src/flow has the key and the actions.
// abi.test.ts compares all of them with what the C compiler says.

import type { Timeouts } from '../state/timeouts.ts'

/** Changes with the layout of what is pinned: an agent of another version does not adopt it. */
export const ABI_VERSION = 2

/** Masks the kernel's table has room for. */
export const MASKS_MAX = 128
/** Actions in a flow itself; the others lie in chunks. */
export const ACTIONS_INLINE = 8
/** Actions in one chunk. */
export const CHUNK_ACTIONS = 32
/** Actions a packet-out may have. */
export const ACTIONS_MAX = 4096
/** Bytes of the largest frame that comes up, GSO frames included. */
export const FRAME_MAX = 65600
/** Underlay addresses of this host. */
export const LOCALS_MAX = 256

/** Uplink ports whose control plane stands beside the walk. */
export const PUNTS_MAX = 256
/** Struct mz_punt up to its times, in words. */
export const PUNT_WORDS = 20
/** Where it has what. */
export const PuntWord = { out: 0, owner: 1, macHi: 2, macLo: 3, interval: 4, burst: 12 } as const
/** Words of `interval`, and of `burst`. */
export const PUNT_BUCKETS = 8
/** Struct mz_punt_listed without its interface, in words. */
export const PUNT_LISTED_WORDS = 5
/** What is listed. */
export const PuntList = { own: 1, peer: 2, service: 3 } as const
/** Of our end of a veth pair, where PortClass has those of ports. */
export const PUNT_CLASS = 3

/** Struct mz_flow, in words; behind `room`, in the upper half, is `mtu`. */
export const FLOW_WORDS = 44
/** Where a flow has what; flags are the upper half of `counts`. */
export const FlowWord = { id: 0, counts: 1, chunk: 2, room: 3, actions: 4 } as const
/** In its flags, the upper half of `counts`. */
export const FLOW_STATEFUL = 0x100

/** Struct mz_chunk, in words. */
export const CHUNK_WORDS = 162
/** Where a chunk has what. */
export const ChunkWord = { count: 0, next: 1, actions: 2 } as const

/** Struct mz_masks, in words. */
export const MASKS_WORDS = 2 + MASKS_MAX * 20
/** Where the masks have what. */
export const MasksWord = { count: 0, masks: 2 } as const

/** Counters the kernel's programs have room for. */
export const COUNTERS_MAX = 64

// The lists of abi.h: what crosses the boundary by its place in an order.

/** Counters of the kernel's programs. */
export const counterNames = [
  'rx',
  'hits',
  'misses',
  'upcalls',
  'ring-full',
  'no-credit',
  'errors',
  'packet-outs',
  'ttl-upcalls',
  'mtu-upcalls',
  'tunnel-tx',
  'tunnel-rx',
  'mask-cache-hits',
  'not-ethernet',
  'syn-upcalls',
  'probes',
  'strange-probes',
  'punted-routing',
  'punted-bfd',
  'punted-neighbour',
  'punted-peer-neighbour',
  'punted-icmp',
  'punted-other',
  'punt-policed-routing',
  'punt-policed-bfd',
  'punt-policed-neighbour',
  'punt-policed-peer-neighbour',
  'punt-policed-icmp',
  'punt-policed-other',
  'punt-strangers',
  'punt-fragments',
  'punt-injected',
  'punt-inject-refused'
] as const

/** What `open` is given. */
export const datapathSettings = [
  'flowsMax',
  'chunksMax',
  'creditsPerPort',
  'vxlanPort',
  'ringVmBytes',
  'ringUplinkBytes',
  'ringTunnelBytes'
] as const

/** What `exchangeOpen` is given. */
export const exchangeSettings = [
  'host',
  'port',
  'holdMs',
  'retransmitMs',
  'heartbeatMs',
  'deadMs',
  'dropPerMille',
  'dropSeed',
  'kinds'
] as const

/** Idle times that `stateOpen` is given; behind them those of kinds that have their own. */
export const timeoutNames = [
  'tcpOpeningS',
  'tcpEstablishedS',
  'tcpHalfClosedS',
  'tcpClosedS',
  'tcpResetS',
  'udpOneWayS',
  'udpTwoWayS',
  'icmpS',
  'otherS'
] as const satisfies readonly Exclude<keyof Timeouts, 'kindsS'>[]

/** What `stateInfo` gives; then come the records by kind. */
export const stateInfo = ['size', 'evicted', 'untold', 'refused', 'bytes'] as const

/** What `exchangeRead` tells, from 1. */
export const news = [
  'released',
  'imported',
  'pulled',
  'liveness',
  'joined',
  'asked',
  'told',
  'lost',
  'owed'
] as const
