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

/** Words of one action: a head, and four words whose meaning depends on its type. */
export const ACTION_WORDS = 5
/** What an action does; the numbers are MZ_ACT_* of abi.h. */
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
/** How a tunnel's packets are encapsulated; stands in the action's flags. */
export const TunnelKind = { vxlan: 0, gre: 1 } as const
/** Flag of an output: to the other end of a veth pair. */
export const OUT_PEER = 1

const TPID_INNER = 0x8100
const TPID_OUTER = 0x88a8

const ALL = -1
const HIGH = 0xffff0000 | 0
const LOW = 0xffff
const TOS = 0x00ff0000

/** A list of actions, in words, as it crosses to C; cleared and used again. */
export class ActionList {
  /** ACTION_WORDS for each action, then room for more. */
  words: Int32Array
  /** How many actions there are. */
  count = 0

  constructor(capacity = 16) {
    this.words = new Int32Array(capacity * ACTION_WORDS)
  }

  /** Empties the list and keeps its memory. */
  clear(): void {
    this.count = 0
  }

  /** Head: type | flags << 8 | a << 16. */
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

  /** ActionType of action `i`. */
  type(i: number): number {
    return this.words[i * ACTION_WORDS]! & 255
  }
  /** Flags of action `i`: of a tunnel its kind, of an output OUT_PEER. */
  flags(i: number): number {
    return (this.words[i * ACTION_WORDS]! >>> 8) & 255
  }
  /** The 16-bit operand in the head of action `i`. */
  a(i: number): number {
    return this.words[i * ACTION_WORDS]! >>> 16
  }
  /** Word `n`, 0 to 3, of action `i`. */
  w(i: number, n: number): number {
    return this.words[i * ACTION_WORDS + 1 + n]!
  }

  /** Adds an output: `port` is a port's number in an outcome, an ifindex in a datapath. */
  output(port: number, flags = 0): void {
    this.push(ActionType.output | (flags << 8), port)
  }
  /** Kind: TunnelKind; addresses as int32; `ifindex` of the underlay interface. */
  tunnel(kind: number, key: number, remote: number, local: number, ifindex: number): void {
    this.push(ActionType.tunnel | (kind << 8), key, remote, local, ifindex)
  }

  /** Adds a copy of the other list's action `i`. */
  append(from: ActionList, i: number): void {
    const at = i * ACTION_WORDS
    const w = from.words
    this.push(w[at]!, w[at + 1]!, w[at + 2]!, w[at + 3]!, w[at + 4]!)
  }

  /** Becomes equal to the other list. */
  copy(from: ActionList): void {
    this.count = 0
    for (let i = 0; i < from.count; i++) this.append(from, i)
  }

  // A list of exactly this length, for keeping.
  /** A list of its own, no larger than needed. */
  snapshot(): ActionList {
    const kept = new ActionList(Math.max(1, this.count))
    kept.copy(this)
    return kept
  }

  /** Whether both have the same actions in the same order. */
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

/**
 * Appends to `into` what turns a packet in state `before` into one in state `after`, and marks in
 * `after.mask` what that rests on:
 *   - a value that arrived, put back after an action has changed it: for this flow it is fixed;
 *   - a value a device has set to what it was: there is nothing to do, but only for that value.
 */
export function diff(before: FlowKey, after: FlowKey, into: ActionList): void {
  let difference = 0
  for (let i = 0; i < WORDS; i++)
    difference |= (before.words[i]! ^ after.words[i]!) | (before.written[i]! ^ after.written[i]!)
  if (difference === 0) return
  diffVlans(before, after, into)
  diffEthernet(before, after, into)
  diffAddress(Word.ipSrc, ActionType.setIpSrc, before, after, into)
  diffAddress(Word.ipDst, ActionType.setIpDst, before, after, into)
  diffMisc(before, after, into)
  diffL4(before, after, into)
}

// One word's part of a field, which is always written as a whole.
function rest(before: FlowKey, after: FlowKey, word: number, bits: number, acted: boolean): void {
  const was = (before.written[word]! & bits) !== 0
  const is = (after.written[word]! & bits) !== 0
  if (was !== is && !(is && acted)) after.mark(word, bits)
}

function diffEthernet(before: FlowKey, after: FlowKey, into: ActionList): void {
  const b = before.words
  const a = after.words
  const mid = a[Word.ethMid]!
  const midChange = b[Word.ethMid]! ^ mid
  const dst = b[Word.ethDstHi] !== a[Word.ethDstHi] || midChange >>> 16 !== 0
  if (dst) into.push(ActionType.setEthDst, a[Word.ethDstHi]!, mid >>> 16)
  rest(before, after, Word.ethDstHi, ALL, dst)
  rest(before, after, Word.ethMid, HIGH, dst)
  const src = b[Word.ethSrcLo] !== a[Word.ethSrcLo] || (midChange & LOW) !== 0
  if (src) into.push(ActionType.setEthSrc, mid & LOW, a[Word.ethSrcLo]!)
  rest(before, after, Word.ethMid, LOW, src)
  rest(before, after, Word.ethSrcLo, ALL, src)
}

function diffAddress(
  word: number,
  type: number,
  before: FlowKey,
  after: FlowKey,
  into: ActionList
): void {
  const b = before.words
  const a = after.words
  let change = 0
  for (let i = word; i < word + 4; i++) change |= b[i]! ^ a[i]!
  if (change !== 0) into.push(type, a[word]!, a[word + 1]!, a[word + 2]!, a[word + 3]!)
  for (let i = word; i < word + 4; i++) rest(before, after, i, ALL, change !== 0)
}

function diffMisc(before: FlowKey, after: FlowKey, into: ActionList): void {
  const a = after.words[Word.ipMisc]!
  const tos = ((before.words[Word.ipMisc]! ^ a) & TOS) !== 0
  if (tos) into.push(ActionType.setTos | (((a >>> 16) & 255) << 16))
  rest(before, after, Word.ipMisc, TOS, tos)
  const delta = after.ttlDelta - before.ttlDelta
  if (delta !== 0) into.push(ActionType.addTtl, delta)
}

function diffL4(before: FlowKey, after: FlowKey, into: ActionList): void {
  const ports = after.words[Word.l4Ports]!
  const change = before.words[Word.l4Ports]! ^ ports
  const src = change >>> 16 !== 0
  if (src) into.push(ActionType.setL4Src | ((ports >>> 16) << 16))
  rest(before, after, Word.l4Ports, HIGH, src)
  const dst = (change & LOW) !== 0
  if (dst) into.push(ActionType.setL4Dst | (ports << 16))
  rest(before, after, Word.l4Ports, LOW, dst)
  const id = after.words[Word.typeId]!
  const isNewId = ((before.words[Word.typeId]! ^ id) & LOW) !== 0
  if (isNewId) into.push(ActionType.setIcmpId | (id << 16))
  rest(before, after, Word.typeId, LOW, isNewId)
}

// Pops down to what both stacks share at the bottom, then pushes the rest.
function diffVlans(before: FlowKey, after: FlowKey, into: ActionList): void {
  const b = before.words[Word.vlans]!
  const a = after.words[Word.vlans]!
  rest(before, after, Word.vlans, ALL, a !== b)
  if (a === b) return
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
