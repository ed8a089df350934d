// A batch as the journal's files hold it.  The checksum covers everything behind it, so that a torn
// write, a tail of zeros or a flipped bit is seen, and reading ends there.
//
//   0 CRC-32 · 4 length of the bytes · 8 wall clock, ms (double) · 16 port · 20 bytes
//
// A file begins with eight bytes: "MZFS", version.  All numbers are in network byte order.

import { crc32 } from 'node:zlib'
import type { Waiting } from '../queue.ts'
import { BATCH_BYTES_MAX } from '../store.ts'

/** Bytes before those of the batch. */
export const FRAME_HEADER = 20
/** What a file begins with: MZFS, version 1. */
export const FILE_HEADER = Uint8Array.of(0x4d, 0x5a, 0x46, 0x53, 0, 0, 0, 1)

const LENGTH_AT = 4
const TIME_AT = 8
const PORT_AT = 16

/** Bytes a batch takes in a file. */
export const frameBytes = (batch: Waiting): number => FRAME_HEADER + batch.bytes.length

/** Writes frames one behind the other. */
export function writeFrames(batches: readonly Waiting[]): Uint8Array {
  const into = new Uint8Array(batches.reduce((sum, batch) => sum + frameBytes(batch), 0))
  const view = new DataView(into.buffer)
  let at = 0
  for (const batch of batches) {
    const end = at + frameBytes(batch)
    view.setUint32(at + LENGTH_AT, batch.bytes.length)
    view.setFloat64(at + TIME_AT, batch.at)
    view.setUint32(at + PORT_AT, batch.port)
    into.set(batch.bytes, at + FRAME_HEADER)
    view.setUint32(at, crc32(into.subarray(at + LENGTH_AT, end)))
    at = end
  }
  return into
}

/** The length of the good frame at `at`, its header included; 0: there is none. */
export function frameAt(bytes: Uint8Array, view: DataView, at: number): number {
  if (at + FRAME_HEADER > bytes.length) return 0
  const length = view.getUint32(at + LENGTH_AT)
  const end = at + FRAME_HEADER + length
  if (length > BATCH_BYTES_MAX || end > bytes.length) return 0
  const isGood = crc32(bytes.subarray(at + LENGTH_AT, end)) === view.getUint32(at)
  return isGood ? end - at : 0
}

/** When the frame at this place was saved, wall clock in ms. */
export const timeOf = (view: DataView, at: number): number => view.getFloat64(at + TIME_AT)
/** Number of the port whose frame that is. */
export const portOf = (view: DataView, at: number): number => view.getUint32(at + PORT_AT)

/** Whether the bytes begin a file of this version. */
export const hasFileHeader = (bytes: Uint8Array): boolean =>
  FILE_HEADER.every((byte, i) => bytes[i] === byte)

/** The bytes as a DataView. */
export const viewOf = (bytes: Uint8Array): DataView =>
  new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength)
