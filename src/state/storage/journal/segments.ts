// The files of a journal, oldest first: one that is written, the others only read.  It sees to the
// bounds: how large a file becomes, how much disk they take together, how old they get.
//
//   0000000007.flow   0000000008.flow   0000000009.flow
//   └ the next to go                    └ written
// test/state/journal.test.ts holds it.

import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Clock } from '../../../core/clock.ts'
import { Pace } from '../../../core/pace.ts'
import type { Waiting } from '../queue.ts'
import type { Tally } from '../tally.ts'
import { frameBytes } from './frame.ts'
import { SEGMENT_BYTES_MAX, Segment } from './segment.ts'

/** What the files of a journal are bounded by. */
export interface SegmentsOptions {
  /** Where they are. */
  readonly folder: string
  /** Files whose newest frame is older go. */
  readonly keepMs: number
  /** Disk they take together. */
  readonly bytesMax: number
  /** State read for one port; the oldest is left out. */
  readonly loadBytesMax: number
  readonly clock: Clock
  readonly tally: Tally
}

// So many files the bounds are shared among: the oldest sixteenth goes at a time.
const SHARES = 16
// Each start of an agent begins a file; one that starts every second must not fill the folder.
const FILES_MAX = 4096
const NAME = /^(\d{10})\.flow$/

/** The files of a journal: one is written, the others only read. */
export class Segments {
  readonly #options: SegmentsOptions
  readonly #fileBytesMax: number
  #all: Segment[] = []
  #current: Segment | null = null
  #next = 1

  constructor(options: SegmentsOptions) {
    this.#options = options
    this.#fileBytesMax = Math.min(SEGMENT_BYTES_MAX, Math.ceil(options.bytesMax / SHARES))
  }

  /** Reads what is there. */
  async open(): Promise<void> {
    const { folder, clock, tally } = this.#options
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const names = (await readdir(folder)).filter(name => NAME.test(name)).sort()
    const pace = new Pace(clock)
    const found: Segment[] = []
    for (const name of names) {
      const number = Number(NAME.exec(name)![1])
      this.#next = number + 1
      // One that cannot be read stays where it is, for whoever repairs the disk.
      const segment = await Segment.find(join(folder, name), number, pace).catch(() => null)
      if (segment?.isDamaged !== false) tally.damaged++
      if (segment !== null) found.push(segment)
    }
    this.#all = found
    await this.trim()
  }

  /** Writes some of these, as many as one file takes: how many. */
  async append(batches: readonly Waiting[]): Promise<number> {
    const segment = await this.#writable(frameBytes(batches[0]!))
    let bytes = segment.bytes
    let count = 0
    for (const batch of batches) {
      bytes += frameBytes(batch)
      if (count > 0 && bytes > this.#fileBytesMax) break
      count++
    }
    try {
      await segment.append(batches.slice(0, count))
    } catch (error) {
      await this.#abandon()
      throw error
    }
    return count
  }

  /** The batches of a port, the oldest first, within `keepMs` and `loadBytesMax`. */
  async load(port: number): Promise<Uint8Array[]> {
    const { clock, keepMs, loadBytesMax, tally } = this.#options
    const since = clock.wall() - keepMs
    const chosen: { segment: Segment; places: number[] }[] = []
    let left = loadBytesMax
    for (const segment of this.#all.toReversed()) {
      if (segment.newest < since) continue
      const { places, bytes, cut } = segment.placesOf(port, left)
      left -= bytes
      if (places.length > 0) chosen.push({ segment, places })
      if (!cut) continue
      tally.cut++
      break
    }
    const found: Uint8Array[] = []
    for (const { segment, places } of chosen.reverse()) {
      if (!this.#all.includes(segment)) continue // it went meanwhile
      for (const bytes of await segment.read(places, since)) found.push(bytes)
    }
    return found
  }

  /** Lets files go that are too old, or that leave no room for so many bytes more. */
  async trim(room = 0): Promise<void> {
    const { clock, keepMs, bytesMax, tally } = this.#options
    const since = clock.wall() - keepMs
    let total = this.#all.reduce((sum, { bytes }) => sum + bytes, 0)
    for (const segment of [...this.#all]) {
      const isOld = segment.isEmpty || segment.newest < since
      const isTooMuch = total + room > bytesMax || this.#all.length > FILES_MAX
      if (segment === this.#current || (!isOld && !isTooMuch)) continue
      if (!isOld) tally.pushedOut++
      this.#all = this.#all.filter(other => other !== segment)
      total -= segment.bytes
      await segment.delete()
    }
    tally.diskBytes = total
  }

  /** Resolves when what was written is on the disk. */
  async sync(): Promise<void> {
    await this.#current?.sync()
  }

  /** Closes the file that is written. */
  async close(): Promise<void> {
    const current = this.#current
    this.#current = null
    await current?.seal()
  }

  async #writable(room: number): Promise<Segment> {
    const { folder, clock, keepMs } = this.#options
    const current = this.#current
    if (current !== null) {
      const isFull = current.bytes + room > this.#fileBytesMax
      const isOld = !current.isEmpty && current.oldest < clock.wall() - keepMs / SHARES
      if (current.isEmpty || !(isFull || isOld)) return current
      await this.close()
    }
    await this.trim(this.#fileBytesMax)
    await mkdir(folder, { recursive: true, mode: 0o700 })
    const number = this.#next++
    const path = join(folder, `${String(number).padStart(10, '0')}.flow`)
    const segment = await Segment.make(path, number)
    this.#all.push(segment)
    this.#current = segment
    return segment
  }

  // A file that refused a write may have some of it at its end, which will be written once more.
  async #abandon(): Promise<void> {
    const segment = this.#current
    await segment?.cut().catch(() => {})
    await this.close().catch(() => {})
    if (segment?.isEmpty !== true) return
    this.#all = this.#all.filter(other => other !== segment)
    await segment.delete().catch(() => {})
  }
}
