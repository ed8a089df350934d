// A file that grows up to a limit, written beside the packets: nobody waits for the disk.
// decorators.test.ts holds it.

import { createWriteStream, type WriteStream } from 'node:fs'

const WAITING_MAX = 8 * 1024 * 1024 // bytes that the disk has not taken yet

/** What a capture writes to. */
export interface CaptureSink {
  /** False: there is no room for it, now or ever. */
  write(bytes: Uint8Array): boolean
  /** Writes what waits and closes the file. */
  close(): void
}

/** A file of mode 0600 that is begun anew, of at most `bytesMax` bytes. */
export class CaptureFile implements CaptureSink {
  readonly #stream: WriteStream
  readonly #bytesMax: number
  #written = 0
  #isBroken = false

  constructor(path: string, bytesMax: number, failed: (reason: string) => void) {
    this.#bytesMax = bytesMax
    this.#stream = createWriteStream(path, { mode: 0o600 })
    this.#stream.on('error', ({ message }) => {
      this.#isBroken = true
      failed(message)
    })
  }

  write(bytes: Uint8Array): boolean {
    const hasRoom = this.#written + bytes.length <= this.#bytesMax
    if (this.#isBroken || !hasRoom || this.#stream.writableLength > WAITING_MAX) return false
    this.#written += bytes.length
    this.#stream.write(bytes)
    return true
  }

  /** `done` is called when all of it is on the disk. */
  close(done: () => void = () => {}): void {
    this.#stream.end(done)
  }
}
