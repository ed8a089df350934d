// Flow state on the local disk: a log of batches in files of bounded size.  What is saved within
// `coalesceMs` is written at once, behind the caller's back.  A process that is killed loses what
// was not written yet, never what was.  A disk that refuses is a state, a counter and another try.
// test/state/journal.test.ts holds it.

import { Backoff } from '../../../core/backoff.ts'
import type { Clock, Timer } from '../../../core/clock.ts'
import { fail, reasonOf } from '../../../core/errors.ts'
import type { Log } from '../../../core/log.ts'
import { SaveQueue } from '../queue.ts'
import type { FlowStateStore, SavedBatch, StoreState } from '../store.ts'
import { Tally } from '../tally.ts'
import { Segments } from './segments.ts'

/** What a journal is made of. */
export interface JournalOptions {
  /** One process writes to a folder at a time. */
  readonly folder: string
  /** Older batches are not read, and their files go. */
  readonly keepMs: number
  /** Of the disk: the oldest file goes when there is more. */
  readonly bytesMax: number
  /** Memory for what waits to be written; the rest is left out. */
  readonly queueBytesMax: number
  /** State read for one port; the oldest is left out. */
  readonly loadBytesMax: number
  /** What comes within this time is written at once. */
  readonly coalesceMs?: number
  readonly clock: Clock
  readonly log: Log
}

// A batch of these bytes, which are no records: nothing of the port before it counts any more.
const FORGOTTEN = Uint8Array.of(0x4d, 0x5a, 0x66, 0x6f, 0x72, 0x67, 0x6f, 0x74)
const COALESCE_MS = 50
const WRITE_BYTES_MAX = 1 << 20
const RETRY_FIRST_MS = 100
const RETRY_MAX_MS = 5000

/** Flow state on the local disk: a log of batches in files of bounded size. */
export class Journal implements FlowStateStore {
  readonly #options: JournalOptions
  readonly #queue: SaveQueue
  readonly #tally = new Tally()
  readonly #segments: Segments
  readonly #retry = new Backoff(RETRY_FIRST_MS, RETRY_MAX_MS)
  #state: StoreState = 'away'
  #isOpen = false
  #timer: Timer | null = null
  #running: Promise<void> | null = null
  #closing: Promise<void> | undefined

  constructor(options: JournalOptions) {
    this.#options = options
    this.#queue = new SaveQueue(options.queueBytesMax)
    this.#segments = new Segments({ ...options, tally: this.#tally })
    this.#run()
  }

  get state(): StoreState {
    return this.#state
  }

  save(batches: readonly SavedBatch[]): void {
    if (this.#closing !== undefined) {
      this.#queue.leftOut += batches.length
      return
    }
    const now = this.#options.clock.wall()
    for (const batch of batches) this.#queue.push(batch, now)
    if (this.#running === null) this.#arm(this.#options.coalesceMs ?? COALESCE_MS)
  }

  forget(port: number): void {
    this.save([{ port, bytes: FORGOTTEN }])
  }

  async load(port: number): Promise<Uint8Array[]> {
    const tally = this.#tally
    tally.loads++
    try {
      // What waits is part of what was saved; a journal that is away is asked again.
      await this.#drain()
      if (!this.#isOpen || this.#state === 'closed')
        throw new Error(`the journal is ${this.#state}`)
      const all = await this.#segments.load(port)
      const found = all.slice(all.findLastIndex(isMark) + 1)
      tally.loaded += found.length
      return found
    } catch (error) {
      tally.loadFailed++
      throw fail('STORE_UNAVAILABLE', { reason: reasonOf(error) }, error)
    }
  }

  async settle(): Promise<void> {
    await this.#drain()
    try {
      await this.#segments.sync()
    } catch (error) {
      this.#failed(error)
      this.#rearm()
    }
  }

  counters(): Record<string, number> {
    return this.#tally.record(this.#queue)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await this.#drain()
    this.#timer?.cancel()
    this.#timer = null
    this.#state = 'closed'
    this.#queue.clear()
    await this.#segments.close().catch(() => {})
  }

  #arm(delayMs: number): void {
    this.#timer ??= this.#options.clock.after(delayMs, () => {
      this.#timer = null
      this.#run()
    })
  }

  async #drain(): Promise<void> {
    const isUnderWay = this.#running !== null
    await this.#run()
    // What was under way may have begun before all was saved that is asked for.
    if (isUnderWay && this.#queue.length > 0 && this.#state === 'ready') await this.#run()
  }

  // One at a time: whoever comes while it runs waits for the same end.
  #run(): Promise<void> {
    this.#running ??= this.#work().finally(() => {
      this.#running = null
      this.#rearm()
    })
    return this.#running
  }

  #rearm(): void {
    if (this.#closing !== undefined) return
    if (this.#state === 'away') this.#arm(this.#retry.next())
    else if (this.#queue.length > 0) this.#arm(this.#options.coalesceMs ?? COALESCE_MS)
  }

  async #work(): Promise<void> {
    if (this.#state === 'closed') return
    try {
      if (!this.#isOpen) await this.#segments.open()
      this.#isOpen = true
      for (let left = this.#queue.length; left > 0; ) left -= await this.#writeSome()
      await this.#segments.trim()
      this.#returned()
    } catch (error) {
      this.#failed(error)
    }
  }

  async #writeSome(): Promise<number> {
    const batches = this.#queue.peek(WRITE_BYTES_MAX)
    const count = await this.#segments.append(batches)
    this.#queue.drop(count)
    this.#tally.saved += count
    for (let i = 0; i < count; i++) this.#tally.savedBytes += batches[i]!.bytes.length
    this.#returned()
    return count
  }

  #returned(): void {
    this.#retry.reset()
    if (this.#state !== 'away') return
    this.#state = 'ready'
    const { log, folder } = this.#options
    log.info({ folder }, 'the journal of flow state is ready')
  }

  #failed(error: unknown): void {
    this.#tally.failed++
    if (this.#state === 'away' && this.#tally.away > 0) return
    this.#state = 'away'
    this.#tally.away++
    const { log, folder } = this.#options
    log.warn({ folder, reason: reasonOf(error) }, 'the journal of flow state is away')
  }
}

const isMark = (bytes: Uint8Array): boolean =>
  bytes.length === FORGOTTEN.length && FORGOTTEN.every((byte, i) => byte === bytes[i])
