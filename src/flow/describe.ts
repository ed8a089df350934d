// Keys and actions as text, for people.  Reads the words and asks nothing: printing a key never
// widens a mask (a predecessor's flows differed by log level).

import { formatIp, formatIpv4, formatMac, macFrom } from '../wire/address.ts'
import * as ethernet from '../wire/ethernet.ts'
import { type ActionList, ActionType, TunnelKind } from './actions.ts'
import { Word } from './key.ts'

const HIGH = 0xffff0000 | 0

/** The fields of `words` that `mask` asks for, one text each: `ip_dst=10.0.1.0/255.255.255.0`. */
export function describeKey(words: Int32Array, mask: Int32Array): string[] {
  const out: string[] = []
  const bits = (word: number, part: number): number => mask[word]! & part
  const plain = (name: string, word: number, shift: number, width: number): void => {
    const part = width === 32 ? -1 : ((1 << width) - 1) << shift
    if (bits(word, part) === 0) return
    const low = width === 32 ? -1 : (1 << width) - 1
    const value = ((words[word]! >>> shift) & low) >>> 0
    const asked = ((mask[word]! >>> shift) & low) >>> 0
    out.push(`${name}=${value}${asked === low >>> 0 ? '' : `/0x${asked.toString(16)}`}`)
  }
  plain('in_port', Word.inPort, 0, 32)
  plain('tunnel_key', Word.tunnelKey, 0, 32)
  if (mask[Word.tunnelSrc] !== 0) out.push(`tunnel_src=${formatIpv4(words[Word.tunnelSrc]!)}`)
  plain('vlan_outer', Word.vlans, 16, 16)
  plain('vlan_inner', Word.vlans, 0, 16)
  if ((mask[Word.ethDstHi]! | bits(Word.ethMid, HIGH)) !== 0)
    out.push(`eth_dst=${macAt(words, 'dst')}`)
  if ((mask[Word.ethSrcLo]! | bits(Word.ethMid, 0xffff)) !== 0)
    out.push(`eth_src=${macAt(words, 'src')}`)
  const type = words[Word.typeId]! >>> 16
  if (bits(Word.typeId, HIGH) !== 0) out.push(`eth_type=0x${type.toString(16).padStart(4, '0')}`)
  describeAddress('ip_src', Word.ipSrc, words, mask, type, out)
  describeAddress('ip_dst', Word.ipDst, words, mask, type, out)
  plain('proto', Word.ipMisc, 24, 8)
  plain('tos', Word.ipMisc, 16, 8)
  plain('ttl', Word.ipMisc, 8, 8)
  plain('frag', Word.ipMisc, 0, 8)
  plain('l4_src', Word.l4Ports, 16, 16)
  plain('l4_dst', Word.l4Ports, 0, 16)
  plain('icmp_id', Word.typeId, 0, 16)
  plain('tcp_flags', Word.l4Misc, 0, 8)
  plain('ip_options', Word.l4Misc, 8, 1)
  plain('ah', Word.l4Misc, 9, 1)
  return out
}

function macAt(words: Int32Array, which: 'src' | 'dst'): string {
  const hi = words[Word.ethDstHi]!
  const mid = words[Word.ethMid]!
  if (which === 'src') return formatMac(macFrom(mid & 0xffff, words[Word.ethSrcLo]!))
  return formatMac(macFrom(hi >>> 16, ((hi & 0xffff) << 16) | (mid >>> 16)))
}

function describeAddress(
  name: string,
  word: number,
  words: Int32Array,
  mask: Int32Array,
  type: number,
  out: string[]
): void {
  const asked = mask.slice(word, word + 4)
  if (asked.every(each => each === 0)) return
  const family = type === ethernet.Type.ipv6 ? 6 : 4
  const ip = formatIp({ family, words: words.slice(word, word + 4) })
  const bits = asked.reduce((n, each) => n + ones(each), 0)
  const all = family === 4 ? 32 : 128
  const solid = family === 4 ? asked[0] === 0 && asked[1] === 0 && asked[2] === 0 : true
  out.push(`${name}=${ip}${bits === all && solid ? '' : `/${bits}`}`)
}

function ones(word: number): number {
  let n = 0
  for (let rest = word >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) n++
  return n
}

/** A line for each action. */
export function describeActions(actions: ActionList): string[] {
  const out: string[] = []
  for (let i = 0; i < actions.count; i++) out.push(describeAction(actions, i))
  return out
}

function describeAction(actions: ActionList, i: number): string {
  const w = (n: number): number => actions.w(i, n)
  const a = actions.a(i)
  switch (actions.type(i)) {
    case ActionType.output:
      return `output ${w(0)}`
    case ActionType.tunnel: {
      const kind = actions.flags(i) === TunnelKind.gre ? 'gre' : 'vxlan'
      return `${kind} ${formatIpv4(w(1))} key ${w(0)}`
    }
    case ActionType.setEthDst:
      return `set-eth-dst ${formatMac(macFrom(w(0) >>> 16, (w(0) << 16) | (w(1) & 0xffff)))}`
    case ActionType.setEthSrc:
      return `set-eth-src ${formatMac(macFrom(w(0), w(1)))}`
    case ActionType.pushVlan:
      return `push-vlan ${a & 0xfff}`
    case ActionType.popVlan:
      return 'pop-vlan'
    case ActionType.setIpSrc:
      return `set-ip-src ${addressOf(actions, i)}`
    case ActionType.setIpDst:
      return `set-ip-dst ${addressOf(actions, i)}`
    case ActionType.setTos:
      return `set-tos ${a}`
    case ActionType.addTtl:
      return w(0) < 0 ? `decrement-ttl ${-w(0)}` : `restore-ttl ${w(0)}`
    case ActionType.setL4Src:
      return `set-l4-src ${a}`
    case ActionType.setL4Dst:
      return `set-l4-dst ${a}`
    case ActionType.setIcmpId:
      return `set-icmp-id ${a}`
    default:
      return `action ${actions.type(i)}`
  }
}

function addressOf(actions: ActionList, i: number): string {
  const words = Int32Array.of(actions.w(i, 0), actions.w(i, 1), actions.w(i, 2), actions.w(i, 3))
  const family = words[0] === 0 && words[1] === 0 && words[2] === 0 ? 4 : 6
  return formatIp({ family, words })
}
