// The blocks of ports that we hold for one translated address of one device.
// nat/world.test.ts holds it.

/** What a new translation would like to have. */
export interface Wish {
  /** Of the flow: where to begin to look. */
  readonly hash: number
  /** Port of the sender, kept if it may be. */
  readonly own: number
  /** The lowest port that will do. */
  readonly first: number
  /** The highest port that will do. */
  readonly last: number
  /** Whether nobody has this port. */
  readonly isFree: (port: number) => boolean
}

interface Block {
  readonly index: number
  usedMs: number // a port of it was given out
  seenMs: number // beginning of the sweep in which a record named it
}

/** The blocks of ports of one address that this host holds. */
export class Pool {
  readonly name: string
  /** What packets wait for while a block is asked for. */
  readonly waitingFor: string
  /** The newest last. */
  readonly blocks: Block[] = []
  readonly #byIndex = new Map<number, Block>()
  /** A block was asked for, and no answer is here. */
  asking = false
  /** No block could be had: until then none is asked for, on Clock.now()'s scale. */
  dryUntilMs = 0
  /** When an old block may be asked for. */
  adoptMs = 0

  constructor(name: string) {
    this.name = name
    this.waitingFor = `lease/${name}`
  }

  /** Whether no block is held. */
  get isEmpty(): boolean {
    return this.blocks.length === 0
  }

  /** The block with this number; undefined when it is not held. */
  get(index: number): Block | undefined {
    return this.#byIndex.get(index)
  }

  /** Takes over a block; false when it was held already. */
  add(index: number, now: number): boolean {
    if (this.#byIndex.has(index)) return false
    const block = { index, usedMs: now, seenMs: 0 }
    this.blocks.push(block)
    this.#byIndex.set(index, block)
    return true
  }

  /** Lets a block go; false when it was not held. */
  remove(index: number): boolean {
    const block = this.#byIndex.get(index)
    if (block === undefined) return false
    this.#byIndex.delete(index)
    this.blocks.splice(this.blocks.indexOf(block), 1)
    return true
  }
}
