// How long state outlives its last packet.  TCP goes by its flags (RFC 5382 §5: an established
// connection lives 2 h 4 min at least), UDP by whether it was answered (RFC 4787 §4.3).

import { KeyWord, RecordWord, StateFlag } from './record.ts'

/** Idle times, seconds, in the order native code has them (enum timeout of native/addon). */
export interface Timeouts {
  /** No handshake yet. */
  readonly tcpOpeningS: number
  /** The handshake is over. */
  readonly tcpEstablishedS: number
  /** One side said FIN. */
  readonly tcpHalfClosedS: number
  /** Both did. */
  readonly tcpClosedS: number
  /** Somebody said RST. */
  readonly tcpResetS: number
  /** No answer yet. */
  readonly udpOneWayS: number
  /** There was an answer. */
  readonly udpTwoWayS: number
  /** Echo, and old queries. */
  readonly icmpS: number
  /** Every other protocol. */
  readonly otherS: number
  /** By number of kind: of those that have one of their own; 0 or undefined: as above. */
  readonly kindsS: readonly number[]
}

/** The timeouts of a configuration that names none. */
export const TIMEOUTS_DEFAULT: Timeouts = {
  tcpOpeningS: 60,
  tcpEstablishedS: 86_400,
  tcpHalfClosedS: 3_600,
  tcpClosedS: 60,
  tcpResetS: 10,
  udpOneWayS: 30,
  udpTwoWayS: 180,
  icmpS: 30,
  otherS: 600,
  kindsS: []
}

const TCP = 6
const UDP = 17
const ICMP = 1
const ICMPV6 = 58
const { assured, blocked, finA, finB, replied, reset } = StateFlag

/** The idle time of the record at record[at], seconds. */
export function timeoutOf(of: Timeouts, record: Int32Array, at = 0): number {
  const own = record[at + RecordWord.timeoutS]!
  if (own !== 0) return own >>> 0
  const type = record[at + KeyWord.type]!
  const ofKind = of.kindsS[type >>> 16]
  if (ofKind !== undefined && ofKind !== 0) return ofKind
  const flags = record[at + RecordWord.flags]!
  switch (type & 255) {
    case TCP:
      return tcpTimeout(of, flags)
    case UDP:
      return (flags & replied) !== 0 ? of.udpTwoWayS : of.udpOneWayS
    case ICMP:
    case ICMPV6:
      return of.icmpS
    default:
      return of.otherS
  }
}

/** Whether a kind has an idle time of its own: it remembers something, it is no connection. */
export const isMemory = ({ kindsS }: Timeouts, kind: number): boolean => (kindsS[kind] ?? 0) !== 0

function tcpTimeout(of: Timeouts, flags: number): number {
  if ((flags & reset) !== 0) return of.tcpResetS
  const fins = flags & (finA | finB)
  if (fins === (finA | finB)) return of.tcpClosedS
  if (fins !== 0) return of.tcpHalfClosedS
  return (flags & assured) !== 0 ? of.tcpEstablishedS : of.tcpOpeningS
}

const FIN = 1
const SYN = 2
const RST = 4

/** What a direction's packets add to a record's flags.  `tcp`: their TCP flags, or-ed. */
export function flagsAfter(
  protocol: number,
  flags: number,
  isReturn: boolean,
  tcp: number
): number {
  let after = flags
  // Where no packet of the opener's was let through, the other end may be alone to be seen.
  if (isReturn && (flags & blocked) !== 0 && (flags & replied) !== 0 && (tcp & SYN) === 0)
    after |= assured
  if (isReturn) after |= replied
  if (protocol !== TCP) return isReturn || (flags & replied) === 0 ? after : after | assured
  if ((tcp & RST) !== 0) after |= reset
  if ((tcp & FIN) !== 0) after |= isReturn ? finB : finA
  if (!isReturn && (flags & replied) !== 0 && (tcp & SYN) === 0) after |= assured
  return after
}

/** So long after a RST, ms, what still comes was not on its way already. */
const TAKE_BACK_MS = 50

/**
 * Packets without these flags were seen so long after the last ones: a connection that goes on was
 * not reset, whoever said so.
 */
export const goesOn = (protocol: number, flags: number, tcp: number, afterMs: number): boolean =>
  protocol === TCP && (flags & reset) !== 0 && (tcp & (SYN | RST)) === 0 && afterMs > TAKE_BACK_MS

/** The flags of a record that begins anew: without RST. */
export const withoutReset = (flags: number): number => flags & ~reset

/** The opener's packets were refused, and the other end has not answered. */
export const isBlocked = (flags: number): boolean => (flags & (blocked | replied)) === blocked

/** A TCP connection that is over: a SYN of its opener begins another. */
export const isOver = (flags: number): boolean =>
  (flags & reset) !== 0 || (flags & (finA | finB)) === (finA | finB)
