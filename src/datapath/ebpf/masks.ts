// The kernel table's masks: a fixed number of slots, each counted by the flows that stand under it.
// A slot may get another mask only when no flow names it, and `n` grows only after the mask is in
// place, so a packet never meets half a mask with flows behind it.
// test/lab/datapath-ebpf.test.ts holds it.

import { less } from '../../core/assert.ts'
import { WORDS, Word } from '../../flow/key.ts'
import { MASKS_MAX, MASKS_WORDS, MasksWord } from '../../native/abi.ts'

/** The kernel table's masks, each counted by the flows that stand under it. */
export class MaskSlots {
  /** The kernel's struct mz_masks, as it is or is about to be. */
  readonly words = new Int32Array(MASKS_WORDS)
  readonly #references = new Uint32Array(MASKS_MAX)
  readonly #hashes = new Int32Array(MASKS_MAX)
  readonly #used = new Uint8Array(MASKS_MAX) // a mask was written here
  readonly #write: () => void

  // `write` hands `words` to the kernel.
  constructor(write: () => void) {
    this.#write = write
  }

  /** Takes over the words of an earlier agent, each slot held until `settle`. */
  restore(): void {
    for (let slot = 0; slot < this.count; slot++) {
      this.#used[slot] = 1
      this.#references[slot] = 1
      this.#hashes[slot] = hash(this.words, this.#at(slot))
    }
  }

  /** Ends the hold of `restore`. */
  settle(): void {
    for (let slot = 0; slot < this.count; slot++) this.#letGo(slot)
    this.#shrink()
  }

  /** Slots in use, with those between them that are free. */
  get count(): number {
    return this.words[MasksWord.count]!
  }

  /** The slot of the mask, one more flow under it; -1 when none is left. */
  acquire(masks: Int32Array, at: number): number {
    const h = hash(masks, at)
    let free = -1
    for (let slot = 0; slot < MASKS_MAX; slot++) {
      if (this.#used[slot] === 1 && this.#hashes[slot] === h && this.#equals(slot, masks, at)) {
        this.#references[slot]!++
        if (slot >= this.count) this.#grow(slot)
        return slot
      }
      if (free === -1 && this.#references[slot] === 0) free = slot
    }
    return free === -1 ? -1 : this.#take(free, masks, at, h)
  }

  /** One more flow stands under this slot's mask. */
  retain(slot: number): void {
    this.#references[slot]!++
  }

  /** One less does; a mask without flows may be given up. */
  release(slot: number): void {
    this.#letGo(slot)
    if (this.#references[slot] === 0 && slot === this.count - 1) this.#shrink()
  }

  /** Copies the slot's mask into `into` at `at`. */
  read(slot: number, into: Int32Array, at: number): void {
    const from = this.#at(slot)
    for (let w = 0; w < WORDS; w++) into[at + w] = this.words[from + w]!
  }

  #letGo(slot: number): void {
    this.#references[slot] = less(this.#references[slot]!, 1, 'flows under a mask')
  }

  #at(slot: number): number {
    return MasksWord.masks + slot * WORDS
  }

  #equals(slot: number, masks: Int32Array, at: number): boolean {
    const mine = this.#at(slot)
    for (let w = 0; w < Word.maskId; w++) if (this.words[mine + w] !== masks[at + w]) return false
    return true
  }

  #take(slot: number, masks: Int32Array, at: number, h: number): number {
    const mine = this.#at(slot)
    for (let w = 0; w < Word.maskId; w++) this.words[mine + w] = masks[at + w]!
    this.words[mine + Word.maskId] = 0
    this.#hashes[slot] = h
    this.#used[slot] = 1
    this.#references[slot] = 1
    this.#write()
    if (slot >= this.count) this.#grow(slot)
    return slot
  }

  #grow(slot: number): void {
    this.words[MasksWord.count] = slot + 1
    this.#write()
  }

  #shrink(): void {
    let n = this.count
    while (n > 0 && this.#references[n - 1] === 0) n--
    if (n === this.count) return
    this.words[MasksWord.count] = n
    this.#write()
  }
}

function hash(words: Int32Array, at: number): number {
  let h = 0
  for (let w = 0; w < Word.maskId; w++) h = Math.imul(h ^ words[at + w]!, 0x9e3779b1) ^ (h >>> 15)
  return h
}
