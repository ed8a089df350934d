// When a session ends although nobody closed it: its process is recognised as gone by pid, start
// time and boot, or, where pids cannot be compared, by silence.  Rows of other processes are put
// into the file by hand, and time is moved by hand.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, readlinkSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { SystemClock, sleep, VirtualClock } from '../../src/core/clock.ts'
import { openSqliteStore, type SqliteStore } from '../../src/topology/sqlite/store.ts'
import { eventually, pairs, refused } from './ground.ts'
import { models } from './models.ts'

const linux = process.platform === 'linux' ? false : 'needs /proc'

interface File {
  readonly clock: VirtualClock
  readonly database: DatabaseSync
  open(session?: string): Promise<SqliteStore>
  /** So many seconds, and time for what they set off. */
  pass(seconds: number): Promise<void>
}

const LINGER_MS = 10_000

async function withFile(body: (file: File) => Promise<void>, lingerMs = 0): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-store-'))
  const path = join(folder, 'store.db')
  const clock = new VirtualClock()
  const sessions: SqliteStore[] = []
  const open = async (session = 'session'): Promise<SqliteStore> => {
    const store = await openSqliteStore({ path, models, clock, lingerMs, session })
    sessions.push(store)
    return store
  }
  const pass = async (seconds: number): Promise<void> => {
    for (let i = 0; i < seconds; i++) {
      clock.advance(1000)
      await sleep(new SystemClock(), 2)
    }
  }
  await open()
  const database = new DatabaseSync(path, { timeout: 1000 })
  try {
    await body({ clock, database, open, pass })
  } finally {
    database.close()
    for (const session of sessions) await session.close()
    rmSync(folder, { recursive: true, force: true })
  }
}

const boot = (): string => readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
const namespace = (): string => readlinkSync('/proc/self/ns/pid')

// A session with one entry and one lease, of a process as described.
function insert(
  database: DatabaseSync,
  id: string,
  who: { boot?: string; namespace?: string; lingers?: number }
): void {
  database
    .prepare('INSERT INTO sessions VALUES (?, ?, ?, ?, ?, 0, 0)')
    .run(id, process.pid, '1', who.namespace ?? namespace(), who.boot ?? boot())
  database.prepare('INSERT INTO entries VALUES (?, ?, ?, 1, ?)').run('t', id, id, 'x')
  database.prepare('INSERT INTO leases VALUES (?, 0, 1, ?, 0, ?)').run(id, id, who.lingers ?? 0)
}

test('a pid that another process has now does not keep a session', { skip: linux }, () =>
  withFile(async ({ database, open }) => {
    insert(database, 'reused', {})
    const store = await open()
    assert.deepEqual(await pairs(store.table('t')), [])
    assert.equal((await store.lease('reused', 1))?.epoch, 2)
  })
)

test('no session outlives the boot of the machine', { skip: linux }, () =>
  withFile(async ({ database, open }) => {
    insert(database, 'before', { boot: 'an earlier one', namespace: 'pid:[1]' })
    const store = await open()
    assert.deepEqual(await pairs(store.table('t')), [])
  })
)

test('a session of another pid namespace lives while it beats', { skip: linux }, () =>
  withFile(async ({ database, open, pass }) => {
    insert(database, 'stranger', { namespace: 'pid:[1]' })
    const store = await open()
    const own = 'SELECT beat FROM sessions WHERE id = ?'
    for (let beat = 1; beat < 5; beat++) {
      database.prepare("UPDATE sessions SET beat = ? WHERE id = 'stranger'").run(beat)
      await pass(15)
      assert.equal((await pairs(store.table('t'))).length, 1)
    }
    assert.ok(Number(database.prepare(own).get(store.session)?.beat) > 0, 'we beat for strangers')
    await pass(30)
    await eventually(async () => assert.deepEqual(await pairs(store.table('t')), []))
  })
)

test('a session that was declared dead writes no more, and says so', () =>
  withFile(async ({ database, open }) => {
    const store = await open()
    await store.table('t').put('k', 'v')
    database.prepare('UPDATE sessions SET dead = 1 WHERE id = ?').run(store.session)
    await refused(store.table('t').put('k', 'w'), 'SESSION_LOST', store.session)
    await refused(store.lease('pool', 1), 'SESSION_LOST')
    const survivor = await open()
    assert.deepEqual(await pairs(survivor.table('t')), [])
  }))

test('what a session has learned stands until it expires, when it has left or died', () =>
  withFile(async ({ database, open, pass }) => {
    const store = await open()
    const leaver = await open()
    await leaver.table('t').put('left', 'x')
    assert.equal((await leaver.lease('pool', 1))?.epoch, 1)
    await leaver.leave()
    insert(database, 'died', {})
    await pass(LINGER_MS / 1000 - 2)
    const keys = async () => (await pairs(store.table('t'))).map(([key]) => key).sort()
    assert.deepEqual(await keys(), linux === false ? ['died', 'left'] : ['left'])
    assert.equal((await store.lease('pool', 1))?.epoch, 2, 'leases do not stand')
    // A successor that says the same takes over; nothing flaps when the old entry goes.
    await store.table('t').put('left', 'x')
    await pass(6)
    await eventually(async () => assert.deepEqual(await keys(), ['left']))
  }, LINGER_MS))

test('NT-04 blocks that linger are free again when the session of a dead owner expires', () =>
  withFile(async ({ database, open, pass }) => {
    const left = await open('gateway1')
    const blocks = [0, 1, 2]
    for (const block of blocks)
      assert.equal((await left.lease('nat', 3, { lingers: block > 0 }))?.epoch, 1)
    const seats = await held(database)
    await left.leave()
    insert(database, 'died', { lingers: 1 })
    const other = await open('gateway2')
    const seat = await other.lease('nat', 3)
    assert.ok(seats.some(({ block, lingers }) => block === seat?.block && lingers === 0))
    assert.equal(await other.lease('nat', 3), undefined)
    if (linux === false) assert.equal(await other.lease('died', 1), undefined)
    await pass(LINGER_MS / 1000 - 2)
    assert.equal(await other.lease('nat', 3), undefined, 'not yet')
    await pass(6)
    await eventually(async () => assert.equal((await other.lease('nat', 3))?.epoch, 2))
    assert.equal((await other.lease('nat', 3))?.epoch, 2)
    assert.equal((await other.lease('died', 1))?.epoch, 2)
  }, LINGER_MS))

const held = async (database: DatabaseSync) =>
  database.prepare("SELECT block, lingers FROM leases WHERE pool = 'nat'").all() as {
    block: number
    lingers: number
  }[]
