// D5, D6: /health knows when the store is not what it seems: its file deleted or replaced under the
// agent, a full disk.  The disk is a small tmpfs, in a mount namespace of the appliance's own.

import assert from 'node:assert/strict'
import { copyFileSync, mkdtempSync, renameSync, rmSync, unlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { SystemClock } from '../../src/core/clock.ts'
import { Job } from '../../src/lab/process/process.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { eventually } from '../store/ground.ts'
import { allModels, call, openSystem } from './fixture.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-health-'))
after(() => rmSync(folder, { recursive: true, force: true }))

async function opened(name: string) {
  const path = join(folder, name)
  const models = await allModels()
  const store = await openSqliteStore({ path, models, clock: new SystemClock() })
  return { path, system: await openSystem({ store }) }
}

for (const [what, harm, said] of [
  ['deleted', unlinkSync, /was deleted/],
  ['moved away', (path: string) => renameSync(path, `${path}.old`), /was deleted/],
  [
    'replaced by a copy',
    (path: string) => {
      copyFileSync(path, `${path}.copy`)
      renameSync(`${path}.copy`, path)
    },
    /another file has taken the place/
  ]
] as const)
  test(`D5: a store whose file was ${what} is degraded, and the log says so`, async () => {
    const { path, system } = await opened(`${what}.db`.replaceAll(' ', '-'))
    const well = await call(`${system.url}/health`)
    assert.deepEqual([well.status, well.body], [200, { status: 'ok', store: 'ok', notes: [] }])
    harm(path)
    await eventually(async () => {
      const { status, body } = await call(`${system.url}/health`)
      assert.deepEqual([status, body.status], [503, 'degraded'])
      assert.match(String(body.store), said)
    })
    assert.match(system.log.join(''), said)
    const { body } = await call(`${system.url}/metrics`)
    assert.match(String(body), /mezzo_store_failing\{host="api"\} 1/)
    await system.close()
  })

test('D5: a store in memory is well', async () => {
  const system = await openSystem()
  assert.equal((await call(`${system.url}/health`)).body.status, 'ok')
  await system.close()
})

const canMount = process.getuid?.() === 0 && process.platform === 'linux'
const skip = canMount ? false : 'a small disk is mounted as root on Linux only'
const MAIN = join(import.meta.dirname, '../../src/main.ts')

test('D6: a full disk is degraded, until there is room', { skip }, async () => {
  const disk = join(folder, 'disk')
  const set = {
    'store.path': `${disk}/mezzo.db`,
    'state.store.kind': 'none',
    'datapath.kind': 'memory',
    'datapath.pins': '',
    'api.socket': '',
    'api.port': 0,
    'metrics.enabled': false
  }
  const settings = Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`])
  const role = join(import.meta.dirname, '../../config/appliance.json')
  const words = [process.execPath, MAIN, '--no-demo', '--config', role, ...settings]
  const mount = `mkdir -p ${disk} && mount -t tmpfs -o size=2m tmpfs ${disk} && exec "$@"`
  const job = new Job(['unshare', '--mount', 'sh', '-ec', mount, 'sh', ...words])
  try {
    const [, url] = await job.waitFor(/"url":"([^"]+)"/, 60_000)
    await job.waitFor(/"ready"/, 60_000)
    const well = await call(`${url}/health`)
    assert.equal(well.body.status, 'ok', JSON.stringify(well.body))
    const fill = `/proc/${job.pid}/root${disk}/fill`
    try {
      writeFileSync(fill, Buffer.alloc(4 << 20))
    } catch (error) {
      assert.equal((error as NodeJS.ErrnoException).code, 'ENOSPC')
    }
    await eventually(async () => {
      const made = await call(`${url}/bridges`, 'POST', { name: 'b'.repeat(255) })
      assert.equal(made.status, 503, JSON.stringify(made.body))
      const { status, body } = await call(`${url}/health`)
      assert.deepEqual([status, body.status], [503, 'degraded'])
      assert.match(String(body.store), /full/)
    })
    assert.equal((await call(`${url}/bridges?limit=1`)).status, 200, 'what is there is served')
    rmSync(fill)
    await eventually(async () => assert.equal((await call(`${url}/health`)).body.status, 'ok'))
    assert.equal((await call(`${url}/bridges`, 'POST', { name: 'again' })).status, 201)
  } finally {
    job.signal('SIGTERM')
    await job.exited
  }
})
