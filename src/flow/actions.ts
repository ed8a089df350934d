// What a flow does to its packets.  Devices never write actions: they edit the key, and the
// difference between two keys is the list of actions (an idea we owe to MidoNet).
//
// An action sets one field only.  A flow stands for every packet that matches its mask, and a
// field nobody asked about may differ among them: to set it "to what it was" would be to forge it.
// Where a branch must put back what arrived, `diff` marks that field as asked, so that the flow
// holds only for packets that carry the same value.
//
// A list is packed five words an action, as `struct mz_action` in native/include/abi.h.

import { type FlowKey, VLAN_PRESENT, WORDS, Word } from './key.ts'

export const ACTION_WORDS = 5
export const ActionType = {
  none: 0,
  output: 1, // w0: in an outcome the port's number, in a datapath its ifindex
  tunnel: 2, // w0 tunnel key, w1 remote IPv4, w2 local IPv4, w3 underlay ifindex; flags: kind
  setEthDst: 3,
  setEthSrc: 4,
  pushVlan: 5,
  popVlan: 6,
  setIpSrc: 7,
  setIpDst: 8,
  setTos: 9,
  addTtl: 10,
  setL4Src: 11,
  setL4Dst: 12,
  setIcmpId: 13,
  upcall: 14
} as const
export const TunnelKind = { vxlan: 0, gre: 1 } as const
export const OUT_PEER = 1

const TPID_INNER = 0x8100
const TPID_OUTER = 0x88a8

export class ActionList {
  words: Int32Array
  count = 0

  constructor(capacity = 16) {
    this.words = new Int32Array(capacity * ACTION_WORDS)
  }

  clear(): void {
    this.count = 0
  }

  // head: type | flags << 8 | a << 16
  push(head: number, w0 = 0, w1 = 0, w2 = 0, w3 = 0): void {
    const at = this.count * ACTION_WORDS
    if (at === this.words.length) this.#grow()
    const words = this.words
    words[at] = head
    words[at + 1] = w0
    words[at + 2] = w1
    words[at + 3] = w2
    words[at + 4] = w3
    this.count++
  }

  type(i: number): number {
    return this.words[i * ACTION_WORDS]! & 255
  }
  flags(i: number): number {
    return (this.words[i * ACTION_WORDS]! >>> 8) & 255
  }
  a(i: number): number {
    return this.words[i * ACTION_WORDS]! >>> 16
  }
  w(i: number, n: number): number {
    return this.words[i * ACTION_WORDS + 1 + n]!
  }

  output(port: number, flags = 0): void {
    this.push(ActionType.output | (flags << 8), port)
  }
  // kind: TunnelKind; addresses as int32; `ifindex` of the underlay interface.
  tunnel(kind: number, key: number, remote: number, local: number, ifindex: number): void {
    this.push(ActionType.tunnel | (kind << 8), key, remote, local, ifindex)
  }

  append(from: ActionList, i: number): void {
    const at = i * ACTION_WORDS
    const w = from.words
    this.push(w[at]!, w[at + 1]!, w[at + 2]!, w[at + 3]!, w[at + 4]!)
  }

  copy(from: ActionList): void {
    this.count = 0
    for (let i = 0; i < from.count; i++) this.append(from, i)
  }

  // A list of exactly this length, for keeping.
  snapshot(): ActionList {
    const kept = new ActionList(Math.max(1, this.count))
    kept.copy(this)
    return kept
  }

  equals(other: ActionList): boolean {
    if (this.count !== other.count) return false
    for (let i = this.count * ACTION_WORDS - 1; i >= 0; i--)
      if (this.words[i] !== other.words[i]) return false
    return true
  }

  #grow(): void {
    const wider = new Int32Array(this.words.length * 2)
    wider.set(this.words)
    this.words = wider
  }
}

// Appends to `into` what turns a packet in state `before` into one in state `after`.  `arrived`
// is the packet as it came: a value put back to it is marked in `after.mask`.
export function diff(before: FlowKey, after: FlowKey, arrived: FlowKey, into: ActionList): void {
  const b = before.words
  const a = after.words
  let changed = 0
  for (let i = 0; i < WORDS; i++) changed |= b[i]! ^ a[i]!
  if (changed === 0) return
  diffVlans(b[Word.vlans]!, a[Word.vlans]!, arrived.words[Word.vlans]!, after, into)
  diffEthernet(b, a, arrived.words, after, into)
  diffAddress(Word.ipSrc, ActionType.setIpSrc, b, a, arrived.words, after, into)
  diffAddress(Word.ipDst, ActionType.setIpDst, b, a, arrived.words, after, into)
  diffMisc(before, after, arrived.words, into)
  diffL4(b, a, arrived.words, after, into)
}

function diffEthernet(
  b: Int32Array,
  a: Int32Array,
  arrived: Int32Array,
  after: FlowKey,
  into: ActionList
): void {
  const mid = a[Word.ethMid]!
  const midChange = b[Word.ethMid]! ^ mid
  if (b[Word.ethDstHi] !== a[Word.ethDstHi] || midChange >>> 16 !== 0) {
    into.push(ActionType.setEthDst, a[Word.ethDstHi]!, mid >>> 16)
    if (a[Word.ethDstHi] === arrived[Word.ethDstHi]) after.mark(Word.ethDstHi, -1)
    if ((mid ^ arrived[Word.ethMid]!) >>> 16 === 0) after.mark(Word.ethMid, 0xffff0000 | 0)
  }
  if (b[Word.ethSrcLo] !== a[Word.ethSrcLo] || (midChange & 0xffff) !== 0) {
    into.push(ActionType.setEthSrc, mid & 0xffff, a[Word.ethSrcLo]!)
    if (a[Word.ethSrcLo] === arrived[Word.ethSrcLo]) after.mark(Word.ethSrcLo, -1)
    if (((mid ^ arrived[Word.ethMid]!) & 0xffff) === 0) after.mark(Word.ethMid, 0xffff)
  }
}

function diffAddress(
  word: number,
  type: number,
  b: Int32Array,
  a: Int32Array,
  arrived: Int32Array,
  after: FlowKey,
  into: ActionList
): void {
  let change = 0
  for (let i = word; i < word + 4; i++) change |= b[i]! ^ a[i]!
  if (change === 0) return
  into.push(type, a[word]!, a[word + 1]!, a[word + 2]!, a[word + 3]!)
  for (let i = word; i < word + 4; i++) if (a[i] === arrived[i]) after.mark(i, -1)
}

function diffMisc(before: FlowKey, after: FlowKey, arrived: Int32Array, into: ActionList): void {
  const a = after.words[Word.ipMisc]!
  if (((before.words[Word.ipMisc]! ^ a) & 0x00ff0000) !== 0) {
    into.push(ActionType.setTos | (((a >>> 16) & 255) << 16))
    if (((a ^ arrived[Word.ipMisc]!) & 0x00ff0000) === 0) after.mark(Word.ipMisc, 0x00ff0000)
  }
  const delta = after.ttlDelta - before.ttlDelta
  if (delta !== 0) into.push(ActionType.addTtl, delta)
}

function diffL4(
  b: Int32Array,
  a: Int32Array,
  arrived: Int32Array,
  after: FlowKey,
  into: ActionList
): void {
  const ports = a[Word.l4Ports]!
  const change = b[Word.l4Ports]! ^ ports
  if (change >>> 16 !== 0) {
    into.push(ActionType.setL4Src | ((ports >>> 16) << 16))
    if ((ports ^ arrived[Word.l4Ports]!) >>> 16 === 0) after.mark(Word.l4Ports, 0xffff0000 | 0)
  }
  if ((change & 0xffff) !== 0) {
    into.push(ActionType.setL4Dst | (ports << 16))
    if (((ports ^ arrived[Word.l4Ports]!) & 0xffff) === 0) after.mark(Word.l4Ports, 0xffff)
  }
  const id = a[Word.typeId]!
  if (((b[Word.typeId]! ^ id) & 0xffff) !== 0) {
    into.push(ActionType.setIcmpId | (id << 16))
    if (((id ^ arrived[Word.typeId]!) & 0xffff) === 0) after.mark(Word.typeId, 0xffff)
  }
}

// Pops down to what both stacks share at the bottom, then pushes the rest.
function diffVlans(b: number, a: number, arrived: number, after: FlowKey, into: ActionList): void {
  if (b === a) return
  if (a === arrived) after.mark(Word.vlans, -1)
  const had = tags(b)
  const has = tags(a)
  let shared = 0
  while (
    shared < had.length &&
    shared < has.length &&
    had[had.length - 1 - shared] === has[has.length - 1 - shared]
  )
    shared++
  for (let i = had.length; i > shared; i--) into.push(ActionType.popVlan)
  for (let depth = shared; depth < has.length; depth++) {
    const tci = has[has.length - 1 - depth]! & ~VLAN_PRESENT & 0xffff
    into.push(ActionType.pushVlan | (tci << 16), depth === 0 ? TPID_INNER : TPID_OUTER)
  }
}

function tags(vlans: number): number[] {
  const outer = vlans >>> 16
  const inner = vlans & 0xffff
  if (outer === 0) return []
  return inner === 0 ? [outer] : [outer, inner]
}
