// Entries gathered into the body of one message, as many as it holds.
// test/state/memory-exchange.test.ts holds it.

import { encodeEntry, entryBytes } from './codec.ts'
import { BODY_BYTES_MAX } from './message.ts'

const REQUEST_BYTES = 4

/** Gathers records into the body of one message, as many as it holds. */
export class Batch {
  readonly #bytes = new Uint8Array(BODY_BYTES_MAX)
  readonly #view = new DataView(this.#bytes.buffer)
  #end = REQUEST_BYTES

  /** Adds a record; gives the body that was full before it, if it was. */
  add(record: Int32Array, at: number, idleMs: number): Uint8Array | undefined {
    const full = this.#end + entryBytes(record, at) > BODY_BYTES_MAX ? this.take() : undefined
    this.#end = encodeEntry(this.#view, this.#end, record, at, idleMs)
    return full
  }

  /** The body of what was gathered, and begins another; undefined when there is nothing. */
  take(): Uint8Array | undefined {
    if (this.#end === REQUEST_BYTES) return undefined
    const body = this.#bytes.slice(0, this.#end)
    this.#end = REQUEST_BYTES
    return body
  }
}
