// The flow key: what is known of a packet.  Twenty 32-bit words, the same twenty as
// `struct mz_key` in native/include/abi.h, so a key crosses into C without translation.
//
// Reading a field marks the bits that were read.  The marked bits become the flow's mask: a flow
// is only as narrow as the questions that were asked of the packet (Open vSwitch calls this
// un-wildcarding).  A field that a device has written answers for itself: reading it back asks
// nothing of the packet.  Text for logs and traces is made by `describeKey`, which marks nothing.

import { macFrom, macHi, macLo } from '../wire/address.ts'
import { TAGS_MAX, VID_MASK } from '../wire/vlan.ts'

/** Words of a key, and of a mask. */
export const WORDS = 20
/** Which word holds which field: the order of struct flow_key in abi.h. */
export const Word = {
  inPort: 0,
  tunnelKey: 1,
  tunnelSrc: 2,
  vlans: 3,
  ethDstHi: 4,
  ethMid: 5,
  ethSrcLo: 6,
  typeId: 7,
  ipSrc: 8,
  ipDst: 12,
  ipMisc: 16,
  l4Ports: 17,
  l4Misc: 18,
  maskId: 19
} as const

/** `unread`: the type says IP or ARP, but the header does not hold together. */
export const Fragment = { none: 0, first: 1, later: 2, unread: 3 } as const
/** Stands in a tag's TCI when there is a tag: VLAN 0 without priority is a tag, too. */
export const VLAN_PRESENT = 0x1000
/** In l4Misc: an authentication header; the protocol is that behind it. */
export const IP_AH = 0x200
/** In l4Misc: an IPv4 header with options; its sum may be wrong. */
export const IP_OPTIONS = 0x100

const ALL = -1
const HIGH = 0xffff0000 | 0
const LOW = 0x0000ffff

/** The fields of a packet. Reading one marks its bits in the mask; writing one does not. */
export class FlowKey {
  /** The fields as `Word` orders them. */
  readonly words: Int32Array
  /** Bits asked of the packet as it arrived. */
  readonly mask: Int32Array
  /** Bits a device has set since. */
  readonly written: Int32Array
  /** Decrements so far, negative. */
  ttlDelta = 0

  // One buffer for the three: each of its own would lie outside of the heap.
  constructor() {
    const buffer = new ArrayBuffer(3 * WORDS * Int32Array.BYTES_PER_ELEMENT)
    this.words = new Int32Array(buffer, 0, WORDS)
    this.mask = new Int32Array(buffer, this.words.byteLength, WORDS)
    this.written = new Int32Array(buffer, 2 * this.words.byteLength, WORDS)
  }

  #see(word: number, bits: number): number {
    this.mask[word]! |= bits & ~this.written[word]!
    return this.words[word]!
  }

  #put(word: number, bits: number, value: number): void {
    this.words[word] = (this.words[word]! & ~bits) | (value & bits)
    this.written[word]! |= bits
  }

  /** Bits of a word, asked for like any field. */
  ask(word: number, bits: number): number {
    return this.#see(word, bits) & bits
  }

  /** Number of the port, or the ifindex, where the packet came in. */
  get inPort(): number {
    return this.#see(Word.inPort, ALL)
  }
  /** Key of the tunnel it came by; 0 without. */
  get tunnelKey(): number {
    return this.#see(Word.tunnelKey, ALL)
  }
  /** Outer source address of that tunnel; 0 without. */
  get tunnelSrc(): number {
    return this.#see(Word.tunnelSrc, ALL)
  }
  /** Destination MAC, a 48-bit number. */
  get ethDst(): number {
    return macFrom(
      this.#see(Word.ethDstHi, ALL) >>> 16,
      ((this.words[Word.ethDstHi]! & LOW) << 16) | (this.#see(Word.ethMid, HIGH) >>> 16)
    )
  }
  /** Source MAC, a 48-bit number. */
  get ethSrc(): number {
    return macFrom(this.#see(Word.ethMid, LOW) & LOW, this.#see(Word.ethSrcLo, ALL))
  }
  /** The ethertype behind any tags. */
  get ethType(): number {
    return this.#see(Word.typeId, HIGH) >>> 16
  }
  /** Outermost tag's TCI with VLAN_PRESENT, or 0. */
  get vlanOuter(): number {
    return this.#see(Word.vlans, HIGH) >>> 16
  }
  /** TCI of the second tag with VLAN_PRESENT, or 0. */
  get vlanInner(): number {
    return this.#see(Word.vlans, LOW) & LOW
  }
  /** Source address as a signed word; of ARP the sender's. */
  get ipv4Src(): number {
    return this.#see(Word.ipSrc + 3, ALL)
  }
  /** Destination address as a signed word; of ARP the target's. */
  get ipv4Dst(): number {
    return this.#see(Word.ipDst + 3, ALL)
  }
  /** Four words; `bits` counts from the top of the first (0..3) word of the address. */
  ipSrcWord(i: number, bits = ALL): number {
    return this.#see(Word.ipSrc + i, bits) & bits
  }
  /** Like `ipSrcWord`, of the destination. */
  ipDstWord(i: number, bits = ALL): number {
    return this.#see(Word.ipDst + i, bits) & bits
  }
  /** Protocol behind extension headers; of ARP its operation. */
  get ipProto(): number {
    return this.#see(Word.ipMisc, 0xff000000 | 0) >>> 24
  }
  /** DSCP and ECN. */
  get ipTos(): number {
    return (this.#see(Word.ipMisc, 0x00ff0000) >>> 16) & 255
  }
  /** A value of `Fragment`. */
  get fragment(): number {
    return this.#see(Word.ipMisc, 0x000000ff) & 255
  }
  /** Source port; of ICMP the type. */
  get l4Src(): number {
    return this.#see(Word.l4Ports, HIGH) >>> 16
  }
  /** Destination port; of ICMP the code. */
  get l4Dst(): number {
    return this.#see(Word.l4Ports, LOW) & LOW
  }
  /** ICMP or ICMPv6 type. */
  get icmpType(): number {
    return this.l4Src
  }
  /** ICMP or ICMPv6 code. */
  get icmpCode(): number {
    return this.l4Dst
  }
  /** Id of an echo message or an old query; 0 for other types. */
  get icmpId(): number {
    return this.#see(Word.typeId, LOW) & LOW
  }
  /** Whether an IPv4 header has options. The key says no more of them: routers read the header. */
  get hasOptions(): boolean {
    return (this.#see(Word.l4Misc, IP_OPTIONS) & IP_OPTIONS) !== 0
  }
  /** An authentication header; protocol and ports are those behind it, where they can be read. */
  get isAuthenticated(): boolean {
    return (this.#see(Word.l4Misc, IP_AH) & IP_AH) !== 0
  }
  /** The eight flags from FIN to CWR. */
  get tcpFlags(): number {
    return this.#see(Word.l4Misc, 0xff) & 255
  }

  /**
   * TTL as it stands now, read without asking: `decrementTtl` is the only question the walk has.
   */
  get ttlUnseen(): number {
    return (this.words[Word.ipMisc]! >>> 8) & 255
  }

  // One hop.  False when the packet may not make it.  The mask is not widened: the datapath sends
  // up every packet whose TTL would run out in a flow (`ttlMin`), so a flow holds for all others.
  /** Takes one off the TTL; false, and nothing done, when it would become 0. */
  decrementTtl(): boolean {
    const ttl = this.ttlUnseen
    if (ttl <= 1) return false
    this.words[Word.ipMisc] = (this.words[Word.ipMisc]! & ~0xff00) | ((ttl - 1) << 8)
    this.ttlDelta--
    return true
  }

  set ethDst(mac: number) {
    const hi = macHi(mac)
    const lo = macLo(mac)
    this.#put(Word.ethDstHi, ALL, (hi << 16) | (lo >>> 16))
    this.#put(Word.ethMid, HIGH, lo << 16)
  }
  set ethSrc(mac: number) {
    this.#put(Word.ethMid, LOW, macHi(mac))
    this.#put(Word.ethSrcLo, ALL, macLo(mac))
  }
  set ipv4Src(ip: number) {
    void this.ethType // the action edits whatever header is there: say which
    this.#put(Word.ipSrc + 3, ALL, ip)
  }
  set ipv4Dst(ip: number) {
    void this.ethType
    this.#put(Word.ipDst + 3, ALL, ip)
  }
  /** Sets all four words of the source. */
  setIpSrc(words: Int32Array, at = 0): void {
    void this.ethType
    for (let i = 0; i < 4; i++) this.#put(Word.ipSrc + i, ALL, words[at + i]!)
  }
  /** Sets all four words of the destination. */
  setIpDst(words: Int32Array, at = 0): void {
    void this.ethType
    for (let i = 0; i < 4; i++) this.#put(Word.ipDst + i, ALL, words[at + i]!)
  }
  set ipTos(tos: number) {
    void this.ethType
    this.#put(Word.ipMisc, 0x00ff0000, tos << 16)
  }
  set l4Src(port: number) {
    this.#asksL4()
    this.#put(Word.l4Ports, HIGH, port << 16)
  }
  set l4Dst(port: number) {
    this.#asksL4()
    this.#put(Word.l4Ports, LOW, port)
  }
  set icmpId(id: number) {
    this.#asksL4()
    this.#put(Word.typeId, LOW, id)
  }

  // Both tags are in the key; a frame with three or more shows an ethertype of VLAN behind them.
  /** Puts a tag before those that there are. */
  pushVlan(tci: number): void {
    const outer = this.vlanOuter
    this.#put(Word.vlans, ALL, ((tci | VLAN_PRESENT) << 16) | outer)
  }
  /** Takes the outer tag off. */
  popVlan(): void {
    void this.vlanOuter
    this.#put(Word.vlans, ALL, this.vlanInner << 16)
  }

  // A tag of VLAN 0 carries a priority and no VLAN (802.1Q §6.9.1): a frame in it counts as
  // untagged, and goes on without it.
  /** Takes off outer tags that name no VLAN (IEEE 802.1Q, VID 0). */
  popPriorityTags(): void {
    for (let i = 0; i < TAGS_MAX; i++) {
      const outer = this.vlanOuter
      if (outer === 0 || (outer & VID_MASK) !== 0) return
      this.popVlan()
    }
  }

  #asksL4(): void {
    void this.ethType
    void this.ipProto
    void this.fragment
  }

  // Marks bits without reading them as a value (used when an action restores what arrived).
  /** Puts bits into the mask, as if they had been read. */
  mark(word: number, bits: number): void {
    this.mask[word]! |= bits
  }

  /** As new: no field, no mask. */
  clear(): void {
    this.words.fill(0)
    this.mask.fill(0)
    this.written.fill(0)
    this.ttlDelta = 0
  }

  // A fresh key from raw words (an upcall's key, or an adopted flow's).
  /** Takes a key out of an array; nothing of it has been read yet. */
  load(words: Int32Array, at: number): void {
    for (let i = 0; i < WORDS; i++) {
      this.words[i] = words[at + i]!
      this.mask[i] = 0
      this.written[i] = 0
    }
    this.words[Word.maskId] = 0
    this.ttlDelta = 0
  }

  // One loop over all three: a third of the time that three calls of `set` take.
  /** Takes over the other's fields, mask and edits. */
  copy(from: FlowKey): void {
    for (let i = 0; i < WORDS; i++) {
      this.words[i] = from.words[i]!
      this.mask[i] = from.mask[i]!
      this.written[i] = from.written[i]!
    }
    this.ttlDelta = from.ttlDelta
  }
}
