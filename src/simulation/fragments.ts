// Later fragments have no ports, nor do they say of which protocol they are where headers of IPv6
// are cut.  Who tracks connections or translates remembers, for a short time, what first fragments
// say of layer 4, by what all fragments of a packet share: the device they enter, addresses,
// protocol and identification.

import { Word } from '../flow/key.ts'

const SLOTS = 1024
const LOW = 0xffff
const KEEP_MS = 15_000 // fragments of one packet come within moments; RFC 1122 §3.3.2 waits 60 s

class Slots {
  readonly hash = new Int32Array(SLOTS)
  readonly check = new Int32Array(SLOTS)
  readonly until = new Float64Array(SLOTS)
  readonly ports = new Int32Array(SLOTS)
  readonly ids = new Int32Array(SLOTS) // of ICMP
  readonly protocols = new Uint8Array(SLOTS)
}

export class FragmentMemory {
  #slots: Slots | null = null // there since the first fragment
  #found = 0 // slot
  /** The packet that the walk's fragment is of, when somebody has asked; '' when nobody has. */
  packet = ''
  isFirst = false
  /** Somebody has asked for the ports of a later one, and its first has not been seen here. */
  isEarly = false
  isLate = false // it was waited for, in vain

  begin(): void {
    this.packet = ''
    this.isFirst = this.isEarly = this.isLate = false
  }

  /** A newer packet takes the place of an older one that shares its slot. */
  note(hash: number, check: number, words: Int32Array, now: number): void {
    const slots = (this.#slots ??= new Slots())
    const slot = hash & (SLOTS - 1)
    slots.hash[slot] = hash
    slots.check[slot] = check
    slots.until[slot] = now + KEEP_MS
    slots.ports[slot] = words[Word.l4Ports]!
    slots.ids[slot] = words[Word.typeId]! & LOW
    slots.protocols[slot] = words[Word.ipMisc]! >>> 24
    this.packet = nameOf(hash, check)
    this.isFirst = true
  }

  /** False: the first fragment has not been seen here. */
  find(hash: number, check: number, now: number): boolean {
    this.packet = nameOf(hash, check)
    this.isEarly = true
    const slot = hash & (SLOTS - 1)
    const slots = this.#slots
    if (slots === null || slots.until[slot]! <= now) return false
    if (slots.hash[slot] !== hash || slots.check[slot] !== check) return false
    this.isEarly = false
    this.#found = slot
    return true
  }

  /** Writes what the first fragment of the one found last said of layer 4 into a key. */
  adopt(words: Int32Array): void {
    const [slots, slot] = [this.#slots!, this.#found]
    words[Word.l4Ports] = slots.ports[slot]!
    words[Word.typeId] = (words[Word.typeId]! & ~LOW) | slots.ids[slot]!
    words[Word.ipMisc] = (words[Word.ipMisc]! & 0xffffff) | (slots.protocols[slot]! << 24)
  }
}

const nameOf = (hash: number, check: number): string => `${hash}/${check}`
