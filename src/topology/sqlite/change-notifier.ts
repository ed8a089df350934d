// How another process learns of a commit: a byte written to a file beside the store, after the
// commit, which its inotify watch reports.  A watch of the WAL itself would wake readers a moment
// before the commit can be seen. test/store/processes.test.ts holds it.

import { closeSync, constants, type FSWatcher, openSync, watch, writeSync } from 'node:fs'

const BYTE = new Uint8Array(1)

/** Tells the other processes of a store that something was committed. */
export class ChangeNotifier {
  readonly #file: number
  readonly #watcher: FSWatcher | undefined
  #deaf = false

  constructor(storePath: string, heard: () => void) {
    const path = `${storePath}-notify`
    this.#file = openSync(path, constants.O_RDWR | constants.O_CREAT, 0o600)
    try {
      this.#watcher = watch(path, heard)
      this.#watcher.on('error', () => {
        this.#deaf = true
      })
    } catch {
      this.#deaf = true // out of inotify watches
    }
  }

  /** True when notices do not arrive here and somebody must look from time to time. */
  get deaf(): boolean {
    return this.#deaf
  }

  /** Tells them. */
  notify(): void {
    try {
      writeSync(this.#file, BYTE, 0, 1, 0)
    } catch {
      // A full disk: what was committed stays so, and others see it at their next look.
    }
  }

  /** Tells and hears nothing more. */
  close(): void {
    this.#watcher?.close()
    closeSync(this.#file)
  }
}
