// A file that several open for the first time at once is theirs, whoever makes it a store.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { SystemClock } from '../../src/core/clock.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { models } from './models.ts'

const FILES = 20
const OPENERS = 3

interface Given {
  readonly folder: string
  readonly gate: Int32Array
}

if (isMainThread)
  test('a new file is opened by several at once', async t => {
    const folder = mkdtempSync(join(tmpdir(), 'mezzo-new-file-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const gate = new Int32Array(new SharedArrayBuffer(4))
    const said = Array.from({ length: OPENERS }, () => {
      const opener = new Worker(import.meta.filename, { workerData: { folder, gate } })
      return new Promise<string>((done, failed) => {
        opener.once('message', done).once('error', failed)
      })
    })
    assert.deepEqual(await Promise.all(said), Array(OPENERS).fill('all opened'))
  })
else await openAll(workerData as Given)

// All openers come to each file before any goes on.
async function openAll({ folder, gate }: Given): Promise<void> {
  for (let n = 0; n < FILES; n++) {
    Atomics.add(gate, 0, 1)
    while (Atomics.load(gate, 0) < (n + 1) * OPENERS) {}
    const store = await openSqliteStore({
      path: join(folder, `${n}.db`),
      models,
      clock: new SystemClock()
    })
    await store.close()
  }
  parentPort!.postMessage('all opened')
}
