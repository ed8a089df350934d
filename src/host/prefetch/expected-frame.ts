// The shortest frame that has a key of flow state: what a packet of the connection looks like.
// test/state/gateways.test.ts holds it.

import { KEY_WORDS, KeyWord } from '../../state/record.ts'
import * as ethernet from '../../wire/ethernet.ts'
import type { Frame } from '../../wire/frames.ts'
import * as ipv4 from '../../wire/ipv4.ts'
import * as ipv6 from '../../wire/ipv6.ts'
import { Protocol } from '../../wire/protocol.ts'
import * as tcp from '../../wire/tcp.ts'
import * as udp from '../../wire/udp.ts'

const MAC = 0x02_4d_5a_00_00_02 // nobody's
const TTL = 64

const ANY = 0xc0_00_02_01 | 0 // 192.0.2.1 and up: nobody's either

/** Words to make a key of, for a connection that does not exist. */
export function anyKey(): Int32Array {
  const words = new Int32Array(KEY_WORDS)
  words[KeyWord.type] = (4 << 8) | Protocol.tcp
  words[KeyWord.src + 3] = ANY
  words[KeyWord.dst + 3] = ANY + 1
  return words
}

/** undefined: of neither TCP nor UDP, whose packets cannot be made up. */
export function frameOf(words: Int32Array, key: number, dst: number): Frame | undefined {
  const type = words[key + KeyWord.type]!
  const protocol = type & 255
  const isIpv4 = ((type >>> 8) & 255) === 4
  if (protocol !== Protocol.tcp && protocol !== Protocol.udp) return undefined
  const l3 = ethernet.LENGTH
  const l4 = l3 + (isIpv4 ? ipv4.LENGTH_MIN : ipv6.LENGTH)
  const payloadLength = protocol === Protocol.tcp ? tcp.LENGTH_MIN : udp.LENGTH
  const frame = new Uint8Array(l4 + payloadLength)
  const view = new DataView(frame.buffer)
  const src = words.slice(key + KeyWord.src, key + KeyWord.src + 4)
  const to = words.slice(key + KeyWord.dst, key + KeyWord.dst + 4)
  const { Type } = ethernet
  ethernet.emit(view, 0, { dst, src: MAC, type: isIpv4 ? Type.ipv4 : Type.ipv6 })
  if (isIpv4) ipv4.emit(view, l3, { src: src[3]!, dst: to[3]!, protocol, ttl: TTL, payloadLength })
  else ipv6.emit(view, l3, { src, dst: to, nextHeader: protocol, hopLimit: TTL, payloadLength })
  const ports = words[key + KeyWord.ports]!
  const both = { srcPort: ports >>> 16, dstPort: ports & 0xffff }
  if (protocol === Protocol.udp) udp.emit(view, l3, l4, frame.length, both)
  else {
    const rest = { sequence: 1, acknowledgement: 1, flags: tcp.Flag.ack, window: 0 }
    tcp.emit(view, l3, l4, frame.length, { ...both, ...rest })
  }
  return frame
}
