// The ICMP errors a router sends.  They quote the packet as it entered the router, go back by the
// port it came in by, and are about one sender only: that is why a packet that gets one never
// becomes a flow.  A flow of packets that all deserve an error gets a few at once and then one per
// interval (RFC 1812 §4.3.2.8, RFC 4443 §2.4 f).
//
// Silence where an error would be wrong (wire/errors.ts, and subnet broadcasts here) is decided by
// fields of the key alone, so such a drop may become a flow.

import {
  address,
  ethernet,
  FlowKey,
  hashWith,
  icmp,
  icmpError,
  icmpv6,
  ipv4,
  ipv6,
  mayAnswerWithError,
  type SimulationContext,
  Word
} from '../../src/plugin.ts'
import type { RouterCounters } from './counters.ts'
import type { RouterPort } from './ports.ts'
import type { RouterSettings } from './settings.ts'

/** An ICMP error in both versions. */
export interface ErrorKind {
  /** Type and code; `param` is what its header says besides, such as an MTU. */
  readonly v4: readonly [type: number, code: number, param?: number]
  /** Likewise. */
  readonly v6: readonly [type: number, code: number, param?: number]
}

const V4 = icmp.Type
const V6 = icmpv6.Type
const IPV6_MTU_MIN = 1280

/** The errors that routers send. */
export const Errors = {
  ttlExpired: { v4: [V4.timeExceeded, 0], v6: [V6.timeExceeded, 0] },
  noRoute: {
    v4: [V4.unreachable, icmp.Unreachable.net],
    v6: [V6.unreachable, icmpv6.Unreachable.noRoute]
  },
  hostUnreachable: {
    v4: [V4.unreachable, icmp.Unreachable.host],
    v6: [V6.unreachable, icmpv6.Unreachable.address]
  },
  prohibited: {
    v4: [V4.unreachable, icmp.Unreachable.adminProhibited],
    v6: [V6.unreachable, icmpv6.Unreachable.adminProhibited]
  }
} as const satisfies Record<string, ErrorKind>

/** A header does not hold together at this byte. */
export const badHeader = (pointer: number): ErrorKind => ({
  v4: [V4.parameterProblem, 0, pointer],
  v6: [V6.parameterProblem, 0, pointer]
})

/** The packet is larger than what takes it further. */
export const tooBig = (mtu: number): ErrorKind => ({
  v4: [V4.unreachable, icmp.Unreachable.fragmentationNeeded, mtu],
  v6: [V6.packetTooBig, 0, Math.max(mtu, IPV6_MTU_MIN)]
})

const SLOTS = 1024

/** Sends ICMP errors, within a rate for each destination (RFC 1812 §4.3.2.8, RFC 4443 §2.4). */
export class ErrorSender {
  readonly #counters: RouterCounters
  readonly #settings: RouterSettings
  readonly #credit = new Float64Array(SLOTS)
  readonly #since = new Float64Array(SLOTS)
  readonly #kept = new FlowKey()

  constructor(counters: RouterCounters, settings: RouterSettings) {
    this.#counters = counters
    this.#settings = settings
    this.#credit.fill(settings.errorBurstMax)
  }

  /** `entered` is the packet as it came into the router. */
  send(ctx: SimulationContext, kind: ErrorKind, port: RouterPort, entered: FlowKey): void {
    if (ctx.generated || !isForUs(ctx.key, entered, port)) return
    const type = entered.words[Word.typeId]! >>> 16
    if (type !== ethernet.Type.ipv4 && type !== ethernet.Type.ipv6) return
    const family = type === ethernet.Type.ipv4 ? 4 : 6
    askWhoAndWhat(ctx.key, family)
    const own = port.sourceFor(family, entered.words, Word.ipSrc)
    const isBroadcast = family === 4 && port.isSubnetBroadcast(entered.words[Word.ipDst + 3]!)
    if (own === undefined || isBroadcast) return
    const cacheable = ctx.outcome.cacheable
    const frame = this.frameOf(ctx, entered)
    if (frame === undefined) return
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const [what, code, param] = family === 4 ? kind.v4 : kind.v6
    const isTooBig = family === 6 && what === V6.packetTooBig
    if (!mayAnswerWithError(view, 0, frame.length, isTooBig)) {
      ctx.outcome.cacheable = cacheable
      return
    }
    if (!ctx.dryRun && !this.#mayAfford(entered, ctx)) return
    const fields = { type: what, code, param, src: own.words, srcMac: port.port.mac }
    const error = icmpError(fields, view, 0, frame.length)
    if (error === undefined) return
    this.#counters.errors.value++
    ctx.emit(error, port.id)
  }

  /** The frame with what happened to it before this router, and nothing of what happened in it. */
  frameOf(ctx: SimulationContext, entered: FlowKey): Uint8Array | undefined {
    const { key } = ctx
    this.#kept.copy(key)
    key.copy(entered)
    const frame = ctx.frame()
    key.copy(this.#kept)
    return frame
  }

  // Flows that share a slot share its credit: the table is small, and the limit stays a limit.
  #mayAfford(entered: FlowKey, ctx: SimulationContext): boolean {
    const { errorIntervalMs, errorBurstMax } = this.#settings
    const slot = flowHash(entered) & (SLOTS - 1)
    const earned = (ctx.now - this.#since[slot]!) / errorIntervalMs
    const credit = Math.min(errorBurstMax, this.#credit[slot]! + earned)
    this.#since[slot] = ctx.now
    this.#credit[slot] = credit < 1 ? credit : credit - 1
    if (credit < 1) this.#counters.errorsLimited.value++
    return credit >= 1
  }
}

// A frame that reached the port only because a bridge floods has another's address; one with a
// tag is not for a router either.
function isForUs(key: FlowKey, entered: FlowKey, { port }: RouterPort): boolean {
  void key.ethDst
  void key.vlanOuter
  void key.ethType
  const { words } = entered
  if (words[Word.vlans] !== 0) return false
  const hi = words[Word.ethDstHi]!
  const lo = words[Word.ethMid]! >>> 16
  return address.macFrom(hi >>> 16, ((hi & 0xffff) << 16) | lo) === port.mac
}

// What decides whether the packet may be answered, and whom.
function askWhoAndWhat(key: FlowKey, family: 4 | 6): void {
  void key.ethSrc
  for (let i = family === 4 ? 3 : 0; i < 4; i++) {
    key.ipSrcWord(i)
    key.ipDstWord(i)
  }
  void key.fragment
  const isIcmp = key.ipProto === (family === 4 ? ipv4.Protocol.icmp : ipv6.Protocol.icmpv6)
  if (isIcmp) void key.icmpType
}

const Protocol = ipv4.Protocol

// Where it came in, its addresses, its protocol and ports.
function flowHash({ words }: FlowKey): number {
  let hash = words[Word.inPort]!
  for (let i = Word.ipSrc; i < Word.ipMisc; i += 2) hash = hashWith(hash, words[i]!, words[i + 1]!)
  const protocol = words[Word.ipMisc]! >>> 24
  return protocol === Protocol.icmp || protocol === Protocol.icmpv6
    ? hashWith(hash, protocol, words[Word.typeId]!)
    : hashWith(hash, protocol, words[Word.l4Ports]!)
}
