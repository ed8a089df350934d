// A frame of a burst, copied to outlive it. senders.test.ts holds it.

import { type Burst, DESCRIPTOR_WORDS, Descriptor, Reason } from '../../datapath/datapath.ts'
import { extract } from '../../flow/extract.ts'
import { WORDS } from '../../flow/key.ts'
import type { WaitingPacket } from './waiting-room.ts'

const CHUNK_BYTES = 32 << 10
const FRAME_MAX = 2 << 10 // larger ones have memory of their own

/**
 * Memory for copies that all go soon, in the order they came: a chunk is there as long as one of
 * its copies is.  Without it, each copy of a frame is an allocation outside of the heap.
 */
export class Arena {
  #chunk = new ArrayBuffer(0)
  #used = 0

  /** A copy of a frame. */
  frame(bytes: Uint8Array, at: number, length: number): Uint8Array {
    if (length > FRAME_MAX) return bytes.slice(at, at + length)
    const copy = new Uint8Array(this.#room(length), this.#used, length)
    this.#used += (length + 3) & ~3
    for (let i = 0; i < length; i++) copy[i] = bytes[at + i]!
    return copy
  }

  /** A copy of a key. */
  key(keys: Int32Array, at: number): Int32Array {
    const copy = new Int32Array(this.#room(WORDS * 4), this.#used, WORDS)
    this.#used += WORDS * 4
    for (let i = 0; i < WORDS; i++) copy[i] = keys[at + i]!
    return copy
  }

  #room(bytes: number): ArrayBuffer {
    if (this.#used + bytes > this.#chunk.byteLength) {
      this.#chunk = new ArrayBuffer(CHUNK_BYTES)
      this.#used = 0
    }
    return this.#chunk
  }
}

/** Frame `i` of a burst, copied into the arena, or into memory of its own. */
export function waitingPacketOf(
  { descriptors, bytes, keys }: Burst,
  i: number,
  arena?: Arena
): WaitingPacket {
  const d = i * DESCRIPTOR_WORDS
  const at = descriptors[d + Descriptor.offset]!
  const length = descriptors[d + Descriptor.length]!
  return {
    frame: arena?.frame(bytes, at, length) ?? bytes.slice(at, at + length),
    key: arena?.key(keys, i * WORDS) ?? keys.slice(i * WORDS, i * WORDS + WORDS),
    ifindex: descriptors[d + Descriptor.ifindex]!,
    reason: descriptors[d + Descriptor.reason]!,
    gsoSize: descriptors[d + Descriptor.gsoSize]!,
    port: '',
    deadline: 0
  }
}

/** The same in memory of its own: it may have to wait long. */
export const ownCopy = (waiting: WaitingPacket): WaitingPacket => ({
  ...waiting,
  frame: waiting.frame.slice(),
  key: waiting.key.slice()
})

/** A frame of a device's own making, which leaves by a port; null where it is no frame. */
export function waitingPacketOwn(frame: Uint8Array, port: string): WaitingPacket | null {
  const key = new Int32Array(WORDS)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
  if (!extract(key, 0, 0, 0, 0, view, 0, frame.length)) return null
  return { frame, key, ifindex: 0, reason: Reason.miss, gsoSize: 0, port, deadline: 0 }
}
