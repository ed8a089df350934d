// A process that does nothing but save, until it is killed: numbered batches of port 1 from SERIAL
// on, some of them large.  It prints the last number of what was settled.
//   node journal-writer.ts FOLDER SERIAL

import { SystemClock } from '../../src/core/clock.ts'
import { silentLog } from '../../src/core/log.ts'
import { Journal } from '../../src/state/storage/journal/journal.ts'

const BATCHES_MAX = 100_000

export const serialOf = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(0)

function numbered(serial: number): Uint8Array {
  const bytes = new Uint8Array(serial % 7 === 0 ? 100_000 : 4 + (serial % 500)).fill(serial)
  new DataView(bytes.buffer).setUint32(0, serial)
  return bytes
}

async function write(folder: string, first: number): Promise<void> {
  const journal = new Journal({
    folder,
    keepMs: 3_600_000,
    bytesMax: 1 << 30,
    queueBytesMax: 16 << 20,
    loadBytesMax: 1 << 30,
    coalesceMs: 2,
    clock: new SystemClock(),
    log: silentLog()
  })
  for (let serial = first; serial < first + BATCHES_MAX; serial++) {
    journal.save([{ port: 1, bytes: numbered(serial) }])
    if (serial % 3 !== 0) continue
    await journal.settle()
    if (journal.state !== 'ready') throw new Error('the journal is away')
    process.stdout.write(`${serial}\n`)
  }
}

if (import.meta.main) await write(process.argv[2]!, Number(process.argv[3]))
