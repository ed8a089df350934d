// An ICMP error belongs to the connection of the packet it quotes (RFC 5508 §4).  Whether a rule
// would have concerned that connection is asked of the answer to the quoted packet, which goes the
// way the error goes: its addresses, its protocol and ports.

import { FlowKey, Fragment, query, type SimulationContext, tcp, Word } from '../../src/plugin.ts'

const HIGH = 0xffff0000 | 0
const kept = new FlowKey()

/** Asks something of the answer as if it were the packet.  For errors that `isError` knows. */
export function ofAnswer(ctx: SimulationContext, asks: () => boolean): boolean {
  const { key } = ctx
  kept.copy(key)
  become(key.words, ctx)
  const answer = asks()
  key.copy(kept)
  return answer
}

function become(words: Int32Array, ctx: SimulationContext): void {
  const { family, protocol, src, dst, ports, icmpType } = ctx.quote()!
  words.set(dst, Word.ipSrc)
  words.set(src, Word.ipDst)
  words[Word.ipMisc] = (protocol << 24) | (words[Word.ipMisc]! & 0x00ffff00) | Fragment.none
  words[Word.l4Misc] = tcp.Flag.ack
  if (icmpType < 0) {
    words[Word.l4Ports] = (ports << 16) | (ports >>> 16)
    return
  }
  words[Word.l4Ports] = query.opposite(family, icmpType) << 16
  words[Word.typeId] = (words[Word.typeId]! & HIGH) | (ports >>> 16)
}
