// Puts fragments together for the nodes of the memory lab: whole frames in, each unfragmented
// one at once, a fragmented one when its last piece has come. Bounded: the oldest unfinished
// packet makes room for a new one. test/memory-vm.test.ts holds it.

import * as ethernet from '../../wire/ethernet.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as ipv6 from '../../wire/ipv6.ts'

type Bytes = Uint8Array<ArrayBuffer>

interface Fragment {
  readonly key: string
  /** Ethernet and IP header as the whole packet will have them, but for its length. */
  readonly head: Bytes
  readonly offset: number
  readonly more: boolean
  readonly payload: Bytes
}

interface Unfinished {
  head: Bytes
  readonly pieces: Map<number, Bytes>
  length: number
}

const UNFINISHED_MAX = 16
const PIECES_MAX = 1024
const PAYLOAD_MAX = 65_535
const L3 = ethernet.LENGTH

/** Puts fragments together (RFC 791, RFC 8200 §4.5). */
export class Reassembler {
  readonly #unfinished = new Map<string, Unfinished>()

  /** The whole frame, or undefined while pieces are missing. The IP header has been checked. */
  add(frame: Bytes): Bytes | undefined {
    const fragment = split(frame)
    if (fragment === undefined) return frame
    const { key, head, offset, more, payload } = fragment
    if (offset + payload.length > PAYLOAD_MAX) return undefined
    const packet = this.#open(key, head)
    if (packet.pieces.size >= PIECES_MAX) return undefined
    packet.pieces.set(offset, payload)
    if (offset === 0) packet.head = head
    if (!more) packet.length = offset + payload.length
    const whole = join(packet)
    if (whole !== undefined) this.#unfinished.delete(key)
    return whole
  }

  #open(key: string, head: Bytes): Unfinished {
    const known = this.#unfinished.get(key)
    if (known !== undefined) return known
    const [oldest] = this.#unfinished.keys()
    if (this.#unfinished.size >= UNFINISHED_MAX) this.#unfinished.delete(oldest!)
    const packet = { head, pieces: new Map<number, Bytes>(), length: -1 }
    this.#unfinished.set(key, packet)
    return packet
  }
}

/** Undefined for what is no fragment. */
function split(frame: Bytes): Fragment | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  return ethernet.type(view, 0) === ethernet.Type.ipv4 ? split4(frame, view) : split6(frame, view)
}

function split4(frame: Bytes, view: DataView): Fragment | undefined {
  if (!ipv4.isFragment(view, L3)) return undefined
  const at = ipv4.payload(view, L3)
  const names = [ipv4.src(view, L3), ipv4.dst(view, L3), ipv4.protocol(view, L3)]
  return {
    key: [4, ...names, ipv4.id(view, L3)].join(),
    head: frame.slice(0, at),
    offset: ipv4.fragmentOffset(view, L3),
    more: ipv4.moreFragments(view, L3),
    payload: frame.slice(at, ipv4.payloadEnd(view, L3))
  }
}

// Only with the fragment header directly behind the IPv6 header, where nodes put it that have no
// other extension to send.
function split6(frame: Bytes, view: DataView): Fragment | undefined {
  if (!ipv6.walk(view, L3, frame.length)) return undefined
  const { fragmentAt, fragmentOffset, moreFragments } = ipv6.walked
  if (fragmentAt !== L3 + ipv6.LENGTH) return undefined
  const head = frame.slice(0, fragmentAt)
  head[L3 + 6] = frame[fragmentAt]!
  return {
    key: `6,${head.subarray(L3 + 8).join()},${ipv6.fragmentId(view, fragmentAt)}`,
    head,
    offset: fragmentOffset,
    more: moreFragments,
    payload: frame.slice(fragmentAt + ipv6.FRAGMENT_LENGTH, ipv6.payloadEnd(view, L3))
  }
}

function join({ head, pieces, length }: Unfinished): Bytes | undefined {
  if (length < 0) return undefined
  const whole = new Uint8Array(head.length + length)
  whole.set(head)
  let at = 0
  while (at < length) {
    const piece = pieces.get(at)
    if (piece === undefined || piece.length === 0 || at + piece.length > length) return undefined
    whole.set(piece, head.length + at)
    at += piece.length
  }
  const view = new DataView(whole.buffer)
  if (ethernet.type(view, 0) === ethernet.Type.ipv4) {
    ipv4.setFragment(view, L3, 0, false, false)
    ipv4.setTotalLength(view, L3, whole.length - L3)
  } else ipv6.setPayloadLength(view, L3, whole.length - L3 - ipv6.LENGTH)
  return whole
}
