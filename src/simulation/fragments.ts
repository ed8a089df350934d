// Later fragments have no ports, nor do they say of which protocol they are where headers of IPv6
// are cut.  Who tracks connections or translates remembers, for a short time, what first fragments
// say of layer 4, by what all fragments of a packet share: the device they enter, addresses,
// protocol and identification.  And as they leave, by the device they leave: an ICMP error about a
// later one quotes it so. early.test.ts and tuple.test.ts hold it.

import { Word } from '../flow/key.ts'
import { deviceTag, hashWith } from '../flow/tag.ts'
import { Protocol } from '../wire/protocol.ts'
import { isQuery } from '../wire/query.ts'
import type { Quoted } from '../wire/quoted.ts'
import type { DeviceId } from './device.ts'

const SLOTS = 2048
const WAYS = 4 // slots in which a packet may be: it has two names, and others share them
const LOW = 0xffff
const KEEP_MS = 15_000 // fragments of one packet come within moments; RFC 1122 §3.3.2 waits 60 s

/**
 * What all fragments of a packet share besides addresses.  IPv6: the header behind that of the
 * fragment, which need not be that of transport, and is in the first fragment only.
 */
export interface Whole {
  /** Identification of the packet. */
  readonly id: number
  /** Protocol, as the fragment header or IPv4 says it. */
  readonly next: number
}

class Slots {
  readonly hash = new Int32Array(SLOTS)
  readonly check = new Int32Array(SLOTS)
  readonly until = new Float64Array(SLOTS)
  readonly ports = new Int32Array(SLOTS)
  readonly ids = new Int32Array(SLOTS) // of ICMP
  readonly protocols = new Uint8Array(SLOTS)
}

/** Remembers what the first fragment of a packet said of layer 4, for those behind it. */
export class FragmentMemory {
  #slots: Slots | null = null // there since the first fragment
  readonly #addresses = new Int32Array(8)
  #found = 0 // slot
  #namedHash = 0
  #namedCheck = 0
  #whole: Whole | null = null // of the first fragment that is walked
  /** The packet that the walk's fragment is of, when somebody has asked; '' when nobody has. */
  packet = ''
  /** Somebody has asked for the ports of a later one, and its first has not been seen here. */
  isEarly = false
  /** It was waited for, in vain. */
  isLate = false

  /** Whether the packet that is walked is a first fragment. */
  get isFirst(): boolean {
    return this.#whole !== null
  }

  /** Whether somebody asked for what the first fragment says, and it may still come. */
  get isLacking(): boolean {
    return this.isEarly && !this.isLate
  }

  /** Forgets the packet before. */
  begin(): void {
    this.packet = ''
    this.#whole = null
    this.isEarly = this.isLate = false
  }

  /** A newer packet takes the place of the oldest that shares its slots. */
  note(device: DeviceId | undefined, words: Int32Array, whole: Whole, now: number): void {
    this.#name(device, words, Word.ipSrc, whole)
    this.#keep(words, now)
    this.packet = `${this.#namedHash}/${this.#namedCheck}`
    this.#whole = whole
  }

  /** The first fragment that is walked leaves, as devices have made it. */
  leaves(device: DeviceId, words: Int32Array, now: number): void {
    if (this.#whole === null) return
    this.#name(device, words, Word.ipSrc, this.#whole)
    this.#keep(words, now)
  }

  /** False: the first fragment has not been seen here. */
  find(device: DeviceId | undefined, words: Int32Array, whole: Whole, now: number): boolean {
    this.#name(device, words, Word.ipSrc, whole)
    this.packet = `${this.#namedHash}/${this.#namedCheck}`
    this.isEarly = this.#finds(now) === null
    return !this.isEarly
  }

  /** Writes what the first fragment of the one found last said of layer 4 into a key. */
  adopt(words: Int32Array): void {
    const { ports, ids, protocols } = this.#slots!
    const slot = this.#found
    words[Word.l4Ports] = ports[slot]!
    words[Word.typeId] = (words[Word.typeId]! & ~LOW) | ids[slot]!
    words[Word.ipMisc] = (words[Word.ipMisc]! & 0xffffff) | (protocols[slot]! << 24)
  }

  /** The same, of one that an error quotes, which came in at this device. */
  adoptQuoted(device: DeviceId | undefined, quote: Quoted, now: number): void {
    if (quote.laterOf === null) return
    this.#addresses.set(quote.src)
    this.#addresses.set(quote.dst, 4)
    this.#name(device, this.#addresses, 0, quote.laterOf)
    const slots = this.#finds(now)
    if (slots === null) return
    const slot = this.#found
    quote.protocol = slots.protocols[slot]!
    quote.isHeadless = false
    switch (quote.protocol) {
      case Protocol.tcp:
      case Protocol.udp:
        quote.ports = slots.ports[slot]!
        break
      case quote.family === 4 ? Protocol.icmp : Protocol.icmpv6: {
        const id = slots.ids[slot]!
        quote.icmpType = slots.ports[slot]! >>> 16
        if (isQuery(quote.family, quote.icmpType)) quote.ports = (id << 16) | id
      }
    }
  }

  #keep(words: Int32Array, now: number): void {
    const slots = (this.#slots ??= new Slots())
    const slot = this.#slotFor(slots)
    slots.hash[slot] = this.#namedHash
    slots.check[slot] = this.#namedCheck
    slots.until[slot] = now + KEEP_MS
    slots.ports[slot] = words[Word.l4Ports]!
    slots.ids[slot] = words[Word.typeId]! & LOW
    slots.protocols[slot] = words[Word.ipMisc]! >>> 24
  }

  // Where the packet that was named last is kept, or may be: in place of the oldest.
  #slotFor(slots: Slots): number {
    const first = this.#namedHash & (SLOTS - WAYS)
    let oldest = first
    for (let slot = first; slot < first + WAYS; slot++) {
      if (this.#isAt(slots, slot)) return slot
      if (slots.until[slot]! < slots.until[oldest]!) oldest = slot
    }
    return oldest
  }

  #isAt(slots: Slots, slot: number): boolean {
    return slots.hash[slot] === this.#namedHash && slots.check[slot] === this.#namedCheck
  }

  // Those of the packet that was named last, where its first fragment has been seen.
  #finds(now: number): Slots | null {
    const slots = this.#slots
    if (slots === null) return null
    const slot = this.#slotFor(slots)
    this.#found = slot
    return this.#isAt(slots, slot) && slots.until[slot]! > now ? slots : null
  }

  #name(device: DeviceId | undefined, words: Int32Array, at: number, { id, next }: Whole): void {
    let hash = device === undefined ? next : hashWith(next, deviceTag(device))
    let check = id
    for (let i = at; i < at + 8; i += 2) {
      hash = hashWith(hash, words[i]!, words[i + 1]!, id)
      check = hashWith(check, words[i + 1]!, words[i]!, next)
    }
    this.#namedHash = hash
    this.#namedCheck = check
  }
}
