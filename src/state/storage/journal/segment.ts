// One file of the journal: frames of all ports as they came, and in memory where each port's are.
// A file is written by the process that made it and by no other: one that comes after a crash
// begins a new one, so a torn tail is never written over.  Files go as a whole.
// test/state/journal.test.ts holds it.

import { constants } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import type { Pace } from '../../../core/pace.ts'
import type { Waiting } from '../queue.ts'
import {
  FILE_HEADER,
  FRAME_HEADER,
  frameAt,
  frameBytes,
  hasFileHeader,
  portOf,
  timeOf,
  viewOf,
  writeFrames
} from './frame.ts'

// A place is `length * PLACE + offset` in one double: eight bytes for each frame that is kept.
const PLACE = 2 ** 24
/** The largest file whose places can be remembered. */
export const SEGMENT_BYTES_MAX = PLACE

// Frames nearer to each other than this are read at once, up to so many bytes.
const GAP_BYTES_MAX = 32 << 10
const READ_BYTES_MAX = 1 << 20

const FRAMES_A_BREATH = 256

/** One file of the journal, and where in it each port's frames are. */
export class Segment {
  /** Counts the files; it is in the file's name. */
  readonly number: number
  readonly #path: string
  readonly #places = new Map<number, number[]>()
  #writer: FileHandle | null = null
  /** Something in it could not be read: what stands behind is not used. */
  isDamaged = false
  /** Its length, as far as it is good. */
  bytes = 0
  /** Time of its first frame, wall clock in ms; 0: none. */
  oldest = 0
  /** Time of its last frame, likewise. */
  newest = 0

  private constructor(path: string, number: number) {
    this.#path = path
    this.number = number
  }

  /** A new file; throws when there is one. */
  static async make(path: string, number: number): Promise<Segment> {
    const segment = new Segment(path, number)
    segment.#writer = await open(path, 'wx', 0o600)
    try {
      await writeAll(segment.#writer, FILE_HEADER, 0)
    } catch (error) {
      await segment.delete()
      throw error
    }
    segment.bytes = FILE_HEADER.length
    return segment
  }

  /** A file that is there.  What is no frame is damage: the rest of the file is lost. */
  static async find(path: string, number: number, pace: Pace): Promise<Segment> {
    const segment = new Segment(path, number)
    const bytes = await readWhole(path)
    const view = viewOf(bytes)
    let at = hasFileHeader(bytes) ? FILE_HEADER.length : bytes.length
    for (let i = 1; at < bytes.length; i++) {
      const length = frameAt(bytes, view, at)
      if (length === 0) break
      segment.#enter(portOf(view, at), at, length, timeOf(view, at))
      at += length
      if (i % FRAMES_A_BREATH === 0) await pace.breathe()
    }
    segment.bytes = bytes.length
    segment.isDamaged = at < bytes.length || !hasFileHeader(bytes)
    return segment
  }

  /** Whether no port has a frame in it. */
  get isEmpty(): boolean {
    return this.#places.size === 0
  }

  /** Writes batches behind what is there, all of them or none that counts. */
  async append(batches: readonly Waiting[]): Promise<void> {
    await writeAll(this.#writer!, writeFrames(batches), this.bytes)
    for (const batch of batches) {
      const length = frameBytes(batch)
      this.#enter(batch.port, this.bytes, length, batch.at)
      this.bytes += length
    }
  }

  /** Where a port's frames are, from the newest back, as long as `bytesMax` lasts. */
  placesOf(port: number, bytesMax: number): { places: number[]; bytes: number; cut: boolean } {
    const all = this.#places.get(port) ?? []
    let bytes = 0
    let first = all.length
    while (first > 0) {
      const length = Math.floor(all[first - 1]! / PLACE)
      if (bytes + length > bytesMax) break
      bytes += length
      first--
    }
    return { places: all.slice(first), bytes, cut: first > 0 }
  }

  /** The batches at these places that are no older than `since`. */
  async read(places: readonly number[], since: number): Promise<Uint8Array[]> {
    if (places.length === 0) return []
    const found: Uint8Array[] = []
    const file = await open(this.#path, constants.O_RDONLY)
    try {
      for (let from = 0; from < places.length; ) {
        const to = groupEnd(places, from)
        const start = places[from]! % PLACE
        const bytes = new Uint8Array(endOf(places[to - 1]!) - start)
        await readAll(file, bytes, start)
        const view = viewOf(bytes)
        for (; from < to; from++) {
          const at = (places[from]! % PLACE) - start
          const length = frameAt(bytes, view, at)
          if (length === 0 || timeOf(view, at) < since) continue
          found.push(bytes.slice(at + FRAME_HEADER, at + length))
        }
      }
      return found
    } finally {
      await file.close()
    }
  }

  /** What was written is on the disk, should the machine lose its power. */
  async sync(): Promise<void> {
    await this.#writer?.datasync()
  }

  /** Cuts off what a write left that did not succeed. */
  async cut(): Promise<void> {
    await this.#writer?.truncate(this.bytes)
  }

  /** Nothing is written to it any more. */
  async seal(): Promise<void> {
    const writer = this.#writer
    this.#writer = null
    try {
      await writer?.datasync()
    } finally {
      await writer?.close()
    }
  }

  /** Removes the file. */
  async delete(): Promise<void> {
    const writer = this.#writer
    this.#writer = null
    await writer?.close()
    await rm(this.#path, { force: true })
  }

  #enter(port: number, at: number, length: number, time: number): void {
    let places = this.#places.get(port)
    if (places === undefined) this.#places.set(port, (places = []))
    places.push(length * PLACE + at)
    if (this.oldest === 0) this.oldest = time
    this.newest = Math.max(this.newest, time)
  }
}

const endOf = (place: number): number => (place % PLACE) + Math.floor(place / PLACE)

/** Where the run of places ends that one read takes. */
function groupEnd(places: readonly number[], from: number): number {
  const start = places[from]! % PLACE
  let to = from + 1
  while (to < places.length) {
    const next = places[to]!
    const isNear = (next % PLACE) - endOf(places[to - 1]!) <= GAP_BYTES_MAX
    if (!isNear || endOf(next) - start > READ_BYTES_MAX) break
    to++
  }
  return to
}

async function writeAll(file: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) {
    const left = bytes.length - done
    const { bytesWritten } = await file.write(bytes, done, left, position + done)
    done += bytesWritten
  }
}

async function readAll(file: FileHandle, into: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < into.length; ) {
    const { bytesRead } = await file.read(into, done, into.length - done, position + done)
    if (bytesRead === 0) throw new Error('the file ends early')
    done += bytesRead
  }
}

// A file of ours is never longer; of somebody else's the rest is not looked at.
async function readWhole(path: string): Promise<Uint8Array> {
  const file = await open(path, constants.O_RDONLY)
  try {
    const { size } = await file.stat()
    const bytes = new Uint8Array(Math.min(size, SEGMENT_BYTES_MAX))
    await readAll(file, bytes, 0)
    return bytes
  } finally {
    await file.close()
  }
}
