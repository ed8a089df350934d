// The local journal: the contract, and what only it has: files that are torn, damaged or full, a
// process killed while it writes, a disk that refuses.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { type TestContext, test } from 'node:test'
import { SystemClock } from '../../src/core/clock.ts'
import { silentLog } from '../../src/core/log.ts'
import { SeededRandom } from '../../src/core/random.ts'
import { Journal } from '../../src/state/storage/journal/journal.ts'
import type { SavedBatch } from '../../src/state/storage/store.ts'
import { eventually } from '../store/ground.ts'
import { serialOf } from './journal-writer.ts'
import {
  batchOf,
  counter,
  loads,
  type StoreLimits,
  storeContract,
  textsOf
} from './store-contract.ts'

const timeout = 60_000
const random = new SeededRandom(11)

/** A machine's clock that people may set. */
class SetClock extends SystemClock {
  aheadMs = 0

  override wall(): number {
    return super.wall() + this.aheadMs
  }
}

const defaults = {
  keepMs: 3_600_000,
  bytesMax: 256 << 20,
  queueBytesMax: 16 << 20,
  loadBytesMax: 64 << 20
}

class Ground {
  readonly top = mkdtempSync(join(tmpdir(), 'mezzo-journal-'))
  readonly folder = join(this.top, 'host')
  readonly clock = new SetClock()
  readonly #open: Journal[] = []

  async open(limits: StoreLimits & { bytesMax?: number } = {}): Promise<Journal> {
    const { folder, clock } = this
    const journal = new Journal({ folder, clock, log: silentLog(), ...defaults, ...limits })
    this.#open.push(journal)
    return journal
  }

  get files(): string[] {
    return readdirSync(this.folder)
      .sort()
      .map(name => join(this.folder, name))
  }

  get bytes(): number {
    return this.files.reduce((sum, path) => sum + statSync(path).size, 0)
  }

  async close(): Promise<void> {
    for (const journal of this.#open) await journal.close()
    rmSync(this.top, { recursive: true, force: true })
  }
}

const groundOf = (t: TestContext): Ground => {
  const ground = new Ground()
  t.after(() => ground.close())
  return ground
}

storeContract('journal', async () => new Ground())

test('what is saved within a moment is written at once', { timeout }, async t => {
  const ground = groundOf(t)
  const journal = await ground.open()
  await journal.settle()
  const batches = Array.from({ length: 50 }, () => batchOf(1, 100))
  for (const batch of batches) journal.save([batch])
  assert.equal(counter(journal, 'saved'), 0)
  await eventually(() => assert.equal(counter(journal, 'saved'), 50))
  assert.equal(ground.bytes, 8 + 50 * 120)
})

test('a file torn at any byte loses its tail and nothing else', { timeout }, async t => {
  const ground = groundOf(t)
  const batches = Array.from({ length: 4 }, () => batchOf(1, 30))
  const journal = await ground.open()
  journal.save(batches)
  await journal.close()
  const whole = readFileSync(ground.files[0]!)
  assert.equal(whole.length, 8 + 4 * 50)
  for (let length = 0; length < whole.length; length++) {
    const torn = groundOf(t)
    await (await torn.open()).close() // makes the folder
    writeFileSync(join(torn.folder, '0000000001.flow'), whole.subarray(0, length))
    const after = await torn.open()
    const next = batchOf(1, 30)
    after.save([next])
    const left = Math.max(0, Math.floor((length - 8) / 50))
    assert.deepEqual(await loads(after, 1), textsOf([...batches.slice(0, left), next], 1))
    const isWhole = length >= 8 && (length - 8) % 50 === 0
    assert.equal(counter(after, 'damaged'), isWhole ? 0 : 1, `torn at ${length}`)
    await torn.close()
  }
})

test('a flipped bit, or zeros behind the end, are seen', { timeout }, async t => {
  const ground = groundOf(t)
  const batches = Array.from({ length: 4 }, () => batchOf(1, 30))
  const journal = await ground.open()
  journal.save(batches)
  await journal.close()
  appendFileSync(ground.files[0]!, new Uint8Array(4096))
  const zeros = await ground.open()
  assert.deepEqual(await loads(zeros, 1), textsOf(batches, 1))
  assert.equal(counter(zeros, 'damaged'), 1)
  await zeros.close()
  const bytes = readFileSync(ground.files[0]!)
  for (let at = 8; at < 8 + 50; at += 3) {
    const flipped = Buffer.from(bytes)
    flipped[at]! ^= 0x10
    writeFileSync(ground.files[0]!, flipped)
    const store = await ground.open()
    assert.deepEqual(await store.load(1), [], `bit at ${at}`)
    assert.equal(counter(store, 'damaged'), 1)
    // It is empty, so it went: the next round writes it anew.
    assert.deepEqual(ground.files, [])
    await store.close()
    writeFileSync(join(ground.folder, '0000000001.flow'), bytes)
  }
})

test('the oldest go when the disk has its share', { timeout }, async t => {
  const ground = groundOf(t)
  const journal = await ground.open({ bytesMax: 1 << 20 })
  const batches: SavedBatch[] = []
  for (let i = 0; i < 40; i++) {
    const some = Array.from({ length: 50 }, () => batchOf(1 + (i % 3), 1000))
    journal.save(some)
    batches.push(...some)
    await journal.settle()
    assert.ok(ground.bytes <= 1 << 20, `${ground.bytes} bytes on the disk`)
  }
  assert.equal(counter(journal, 'disk-bytes'), ground.bytes)
  assert.ok(counter(journal, 'pushed-out') > 0)
  for (let port = 1; port <= 3; port++) {
    const found = await loads(journal, port)
    assert.ok(found.length > 250, `${found.length} of port ${port} are left`)
    assert.deepEqual(found, textsOf(batches, port).slice(-found.length))
  }
})

test('files go when all in them is too old', { timeout }, async t => {
  const ground = groundOf(t)
  const journal = await ground.open()
  journal.save([batchOf(1, 100)])
  await journal.settle()
  ground.clock.aheadMs = defaults.keepMs / 2
  const later = batchOf(1, 100)
  journal.save([later])
  await journal.settle()
  assert.equal(ground.files.length, 2)
  ground.clock.aheadMs = defaults.keepMs + 1000
  assert.deepEqual(await loads(journal, 1), textsOf([later], 1))
  assert.equal(ground.files.length, 1)
  assert.equal(counter(journal, 'pushed-out'), 0)
  await journal.close()
  ground.clock.aheadMs = 2 * defaults.keepMs
  const next = await ground.open()
  assert.deepEqual(await next.load(1), [])
  assert.deepEqual(ground.files, [])
})

test('a folder that cannot be is a state; what waits is written later', { timeout }, async t => {
  const ground = groundOf(t)
  writeFileSync(ground.folder, 'a file where the folder should be')
  const journal = await ground.open({ queueBytesMax: 5000 })
  const batches = Array.from({ length: 10 }, () => batchOf(1, 900))
  journal.save(batches)
  await journal.settle()
  assert.equal(journal.state, 'away')
  assert.equal(counter(journal, 'left-out'), 5)
  assert.equal(counter(journal, 'away'), 1)
  await assert.rejects(journal.load(1), { code: 'STORE_UNAVAILABLE' })
  await eventually(() => assert.ok(counter(journal, 'failed') >= 4, 'it tries again by itself'))
  assert.equal(counter(journal, 'away'), 1)
  rmSync(ground.folder)
  await eventually(() => assert.equal(journal.state, 'ready'))
  assert.deepEqual(await loads(journal, 1), textsOf(batches.slice(0, 5), 1))
})

test('a folder that goes away and comes back', { timeout }, async t => {
  const ground = groundOf(t)
  const first = await ground.open({ bytesMax: 1 << 20 })
  const early = batchOf(1, 60_000)
  first.save([early])
  await first.settle()
  renameSync(ground.folder, `${ground.folder}-away`)
  writeFileSync(ground.folder, '')
  const late = batchOf(1, 60_000) // needs a file of its own
  first.save([late])
  await first.settle()
  assert.equal(first.state, 'away')
  await assert.rejects(first.load(1), { code: 'STORE_UNAVAILABLE' })
  rmSync(ground.folder)
  renameSync(`${ground.folder}-away`, ground.folder)
  await eventually(() => assert.equal(first.state, 'ready'))
  assert.deepEqual(await loads(first, 1), textsOf([early, late], 1))
})

test('D1: what was saved of a port before it is forgotten is not loaded again', {
  timeout
}, async t => {
  const ground = new Ground()
  t.after(() => ground.close())
  const before = await ground.open()
  const [old, other, late] = [batchOf(1, 30), batchOf(2, 30), batchOf(1, 40)]
  before.save([old, other])
  before.forget(1)
  assert.deepEqual(await loads(before, 1), [])
  await before.close()
  const after = await ground.open()
  assert.deepEqual(await loads(after, 1), [])
  after.save([late])
  assert.deepEqual(await loads(after, 1), textsOf([late], 1))
  assert.deepEqual(await loads(after, 2), textsOf([other], 2))
})

test('a full disk is a state; it goes on when there is room', { timeout }, async t => {
  const ground = groundOf(t)
  mkdirSync(ground.folder)
  const options = ['-t', 'tmpfs', '-o', 'size=512k', 'mezzo-test', ground.folder]
  const { status, stderr } = spawnSync('mount', options, { encoding: 'utf8' })
  if (status !== 0) return t.skip(`no small disk: ${stderr?.trim() ?? 'mount is missing'}`)
  try {
    const journal = await ground.open()
    const batches = Array.from({ length: 5 }, () => batchOf(1, 60_000))
    journal.save(batches)
    await journal.settle()
    assert.equal(journal.state, 'ready')
    const stranger = join(ground.folder, 'stranger')
    writeFileSync(stranger, new Uint8Array(150_000))
    const more = Array.from({ length: 2 }, () => batchOf(1, 60_000))
    journal.save(more)
    await journal.settle()
    assert.equal(journal.state, 'away')
    assert.ok(counter(journal, 'failed') > 0)
    assert.deepEqual(await loads(journal, 1), textsOf(batches, 1), 'it can be read all the same')
    rmSync(stranger)
    await eventually(() => assert.equal(journal.state, 'ready'))
    assert.deepEqual(await loads(journal, 1), textsOf([...batches, ...more], 1))
    await journal.close()
    const next = await ground.open()
    assert.deepEqual(await loads(next, 1), textsOf([...batches, ...more], 1))
    await next.close()
  } finally {
    spawnSync('umount', ['-l', ground.folder])
  }
})

test('a process killed while it writes loses nothing that was settled', { timeout }, async t => {
  const ground = groundOf(t)
  let written = 0 // serials found so far, without a gap
  for (let round = 0; round < 6; round++) {
    const script = join(import.meta.dirname, 'journal-writer.ts')
    const child = spawn(process.execPath, [script, ground.folder, String(written + 1)], {
      stdio: ['ignore', 'pipe', 'inherit']
    })
    t.after(() => child.kill('SIGKILL'))
    const ended = once(child, 'exit')
    let settled = 0
    const enough = written + 20 + random.below(200)
    for await (const line of createInterface({ input: child.stdout })) {
      settled = Number(line)
      if (settled >= enough) child.kill('SIGKILL')
    }
    await ended
    const journal = await ground.open()
    const found = (await journal.load(1)).map(serialOf)
    assert.deepEqual(
      found,
      found.map((_, i) => i + 1)
    )
    assert.ok(found.length >= settled, `${found.length} found, ${settled} were settled`)
    assert.ok(settled >= enough)
    written = found.length
    await journal.close()
  }
})
