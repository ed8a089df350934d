// The blocks of ports that we hold for one translated address of one device.

/** What a new translation would like to have. */
export interface Wish {
  readonly hash: number // of the flow: where to begin to look
  readonly own: number // port of the sender, kept if it may be
  readonly first: number
  readonly last: number
  readonly isFree: (port: number) => boolean
}

interface Block {
  readonly index: number
  usedMs: number // a port of it was given out
  seenMs: number // beginning of the sweep in which a record named it
}

export class Pool {
  readonly name: string
  readonly waitingFor: string
  readonly blocks: Block[] = [] // the newest last
  readonly #byIndex = new Map<number, Block>()
  asking = false
  dryUntilMs = 0
  adoptMs = 0 // when an old block may be asked for

  constructor(name: string) {
    this.name = name
    this.waitingFor = `lease/${name}`
  }

  get isEmpty(): boolean {
    return this.blocks.length === 0
  }

  get(index: number): Block | undefined {
    return this.#byIndex.get(index)
  }

  add(index: number, now: number): boolean {
    if (this.#byIndex.has(index)) return false
    const block = { index, usedMs: now, seenMs: 0 }
    this.blocks.push(block)
    this.#byIndex.set(index, block)
    return true
  }

  remove(index: number): boolean {
    const block = this.#byIndex.get(index)
    if (block === undefined) return false
    this.#byIndex.delete(index)
    this.blocks.splice(this.blocks.indexOf(block), 1)
    return true
  }
}
