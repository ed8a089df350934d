// Action lists longer than a flow holds lie in chained chunks of 32.  Chunks are numbered from 1;
// a freed one goes to the end of the queue, so that a packet that still walks it in the kernel is
// long gone when it is written again. test/lab/datapath-ebpf.test.ts holds it.

import { invariant } from '../../core/assert.ts'
import { ACTION_WORDS, type ActionList } from '../../flow/actions.ts'
import { ACTIONS_MAX, CHUNK_ACTIONS, CHUNK_WORDS, ChunkWord, FlowWord } from '../../native/abi.ts'
import { type Addon, check, type HostHandle } from '../../native/addon.ts'

/** Gives out chunks for action lists that a flow cannot hold. */
export class ActionChunks {
  readonly #next: Int32Array // in its chain; 0 = last
  readonly #queue: Int32Array // of free chunks
  #head = 0
  #free = 0
  readonly #write: (indices: Uint32Array, words: Int32Array, n: number) => void
  #indices = new Uint32Array(16)
  #words = new Int32Array(16 * CHUNK_WORDS)

  constructor(
    chunksMax: number,
    write: (indices: Uint32Array, words: Int32Array, n: number) => void
  ) {
    this.#next = new Int32Array(chunksMax + 1)
    this.#queue = new Int32Array(chunksMax)
    this.#write = write
  }

  /** Chunks that are given out. */
  get used(): number {
    return this.#queue.length - this.#free
  }

  /** Everything that is not in `taken` is free. */
  reset(taken: ReadonlySet<number> = new Set()): void {
    this.#head = 0
    this.#free = 0
    for (let chunk = 1; chunk < this.#next.length; chunk++)
      if (!taken.has(chunk)) this.#queue[this.#free++] = chunk
  }

  /** Takes a chain over from an earlier agent. */
  link(chunk: number, next: number): void {
    this.#next[chunk] = next
  }

  /** Writes `n` actions from `at` (in words) and gives the first chunk; 0 when there is no room. */
  store(actions: Int32Array, at: number, n: number): number {
    const need = Math.ceil(n / CHUNK_ACTIONS)
    if (need > this.#free) return 0
    this.#room(need)
    for (let i = 0; i < need; i++) this.#indices[i] = this.#pop()
    for (let i = 0; i < need; i++) {
      const first = i * CHUNK_ACTIONS
      const here = Math.min(CHUNK_ACTIONS, n - first)
      const o = i * CHUNK_WORDS
      const next = i + 1 < need ? this.#indices[i + 1]! : 0
      this.#words[o + ChunkWord.count] = here
      this.#words[o + ChunkWord.next] = next
      this.#next[this.#indices[i]!] = next
      for (let w = 0; w < here * ACTION_WORDS; w++)
        this.#words[o + ChunkWord.actions + w] = actions[at + first * ACTION_WORDS + w]!
    }
    this.#write(this.#indices, this.#words, need)
    return this.#indices[0]!
  }

  /** Takes back a chunk and those chained to it; 0: none. */
  release(first: number): void {
    for (let chunk = first; chunk !== 0; chunk = this.#next[chunk]!) this.#push(chunk)
  }

  #pop(): number {
    const chunk = this.#queue[this.#head]!
    this.#head = (this.#head + 1) % this.#queue.length
    this.#free--
    return chunk
  }

  #push(chunk: number): void {
    invariant(this.#free < this.#queue.length, 'a chunk is given back once')
    this.#queue[(this.#head + this.#free) % this.#queue.length] = chunk
    this.#free++
  }

  #room(chunks: number): void {
    if (this.#indices.length >= chunks) return
    this.#indices = new Uint32Array(chunks)
    this.#words = new Int32Array(chunks * CHUNK_WORDS)
  }
}

/** Appends the actions of a kernel flow at flows[o], chunks and all; gives the chunks it holds. */
export function readFlow(
  addon: Addon,
  host: HostHandle,
  flows: Int32Array,
  o: number,
  into: ActionList
): number[] {
  const inline = flows[o + FlowWord.counts]! & 255
  append(flows, o + FlowWord.actions, inline, into)
  const held: number[] = []
  const words = new Int32Array(CHUNK_WORDS)
  let chunk = flows[o + FlowWord.chunk]!
  while (chunk !== 0 && held.length * CHUNK_ACTIONS < ACTIONS_MAX) {
    held.push(chunk)
    check('chunks', addon.getChunk(host, chunk, words))
    append(words, ChunkWord.actions, Math.min(CHUNK_ACTIONS, words[ChunkWord.count]!), into)
    chunk = words[ChunkWord.next]!
  }
  return held
}

function append(words: Int32Array, at: number, n: number, into: ActionList): void {
  for (let i = 0; i < n; i++) {
    const o = at + i * ACTION_WORDS
    into.push(words[o]!, words[o + 1]!, words[o + 2]!, words[o + 3]!, words[o + 4]!)
  }
}
