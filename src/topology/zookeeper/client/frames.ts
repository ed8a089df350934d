// A stream of bytes cut into the frames of ZooKeeper's protocol: a length of four bytes, then as
// many bytes.  One belongs to one socket, so that half a frame ends with the socket it came by.
// test/zookeeper/client.test.ts holds it.

// The server's jute.maxbuffer is 1 MB; a list of names may be larger.
const FRAME_BYTES_MAX = 8 << 20
const LENGTH_BYTES = 4

/** Cuts a stream into frames, each behind its length. */
export class Frames {
  #held: Buffer[] = []
  #size = 0

  #join(): void {
    if (this.#held.length > 1) this.#held = [Buffer.concat(this.#held)]
  }

  /** Takes bytes in; gives each whole frame, its length included.  Throws on a wrong length. */
  *take(bytes: Buffer): Generator<Buffer> {
    this.#held.push(bytes)
    this.#size += bytes.length
    for (let next = this.#next(); next !== undefined; next = this.#next()) yield next
  }

  #next(): Buffer | undefined {
    if (this.#size < LENGTH_BYTES) return undefined
    if (this.#held[0]!.length < LENGTH_BYTES) this.#join()
    const length = int32(this.#held[0]!, 0)
    if (length < 0 || length > FRAME_BYTES_MAX) throw new Error(`a frame of ${length} bytes`)
    const end = LENGTH_BYTES + length
    if (this.#size < end) return undefined
    this.#join()
    const all = this.#held[0]!
    this.#held = all.length > end ? [all.subarray(end)] : []
    this.#size -= end
    return all.subarray(0, end)
  }
}

/** A signed number of 32 bits at this place. */
export const int32 = (bytes: Buffer, at: number): number =>
  (bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!
