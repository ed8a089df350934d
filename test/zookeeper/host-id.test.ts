// A host's id is on its own disk.  The program is started as on machines that are renamed, copied,
// reinstalled, upgraded, or have the name of another; in one store of a file, and on ZooKeeper.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, afterEach, before, describe } from 'node:test'
import { loadResources } from '../../src/agent/resources.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import { readHostId, writeHostId } from '../../src/main/host/host-id.ts'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { eventually } from '../store/ground.ts'
import { Role, refusalOf, test } from './role.ts'
import { type SharedServer, sharedServer } from './shared.ts'

const folder = mkdtempSync(join(tmpdir(), 'mezzo-host-id-'))
const running: Role[] = []
after(() => rmSync(folder, { recursive: true, force: true }))
afterEach(async () => {
  const left = running.splice(0).filter(({ job }) => job.running)
  await Promise.all(left.map(role => role.stop()))
})

type Settings = Readonly<Record<string, unknown>>

/** A machine with a disk of its own. */
const machine = (name: string): Settings => ({
  'store.path': join(folder, name, 'mezzo.db'),
  'state.store.path': join(folder, name, 'flow-state'),
  'api.socket': '',
  'api.port': 0,
  'metrics.enabled': false,
  'datapath.kind': 'memory',
  'datapath.pins': ''
})
const idFile = (name: string): string => join(folder, name, 'mezzo.db-host-id')
const idOf = (name: string): string => readFileSync(idFile(name), 'utf8').trim()

async function start(settings: Settings): Promise<Role> {
  const role = await Role.start('appliance', settings)
  running.push(role)
  return role
}

const hostsOf = async (role: Role) =>
  (await role.ask('/hosts')).body as unknown as { id: string; name: string; alive: boolean }[]

const namesOf = async (role: Role) => (await hostsOf(role)).map(({ id, name }) => [id, name])

describe('the id of a host, in a store of its own', () => {
  const settings = machine('own')
  const id = randomUUID()

  test('an install of before, or a host made by hand, keeps its id', async () => {
    mkdirSync(join(folder, 'own'))
    const models = modelsOf(await loadResources())
    const path = String(settings['store.path'])
    const store = await openSqliteStore({ path, models, clock: new SystemClock() })
    await store.write([{ op: 'create', kind: 'host', value: { id, name: 'before' } }])
    await store.close()
    const role = await start({ ...settings, 'host.name': 'before' })
    assert.deepEqual(await namesOf(role), [[id, 'before']])
    assert.equal(idOf('own'), id)
    assert.equal(statSync(idFile('own')).mode & 0o777, 0o600)
  })

  test('HO-01 a machine that is renamed stays the host it was, by its own name', async () => {
    assert.notEqual(hostname(), 'before')
    const role = await start(settings)
    assert.deepEqual(await namesOf(role), [[id, 'before']])
    assert.match(role.job.output, /"host":"before","msg":"the machine has another name/)
  })

  test("a name that is set renames its host, unless it is another one's", async () => {
    const role = await start({ ...settings, 'host.name': 'after' })
    assert.deepEqual(await namesOf(role), [[id, 'after']])
    const other = (await role.ask('/hosts', 'POST', { name: 'other' })).body.id
    await role.stop()
    const said = await refusalOf('appliance', { ...settings, 'host.name': 'other' })
    assert.match(said, new RegExp(`host other \\(${other}\\) is another machine already`))
  })

  test('HO-02 a second agent of the same id is refused, and hears who the first is', async () => {
    const first = await start(settings)
    await eventually(async () => assert.ok((await hostsOf(first)).some(({ alive }) => alive)))
    const said = await refusalOf('appliance', settings)
    const who = `host after \\(${id}\\) has an agent already: on ${hostname()} \\(.+\\), pid `
    assert.match(said, new RegExp(`${who}${first.job.pid}, since 20\\d\\d-[-\\dT:.]+Z\\.`))
    assert.match(said, /see host\.idFile/)
    first.job.signal('SIGKILL')
    await first.job.exited
    const next = await start(settings)
    const [mine] = (await hostsOf(next)).filter(({ name }) => name === 'after')
    assert.equal(mine?.id, id)
  })

  test('a file that holds no id is refused by name and left as it is', async () => {
    const complaint = /host\.idFile is .*mezzo\.db-host-id with ".*; expected a file with one/
    for (const text of ['', `${id} ${id}`, 'x'.repeat(5000), 'compute1']) {
      writeFileSync(idFile('own'), text)
      assert.throws(() => readHostId(idFile('own')), complaint)
    }
    assert.match(await refusalOf('appliance', settings), complaint)
    assert.equal(readFileSync(idFile('own'), 'utf8'), 'compute1')
    const elsewhere = join(folder, 'a folder')
    mkdirSync(elsewhere)
    assert.throws(() => readHostId(elsewhere), /host\.idFile is .*a folder, which cannot be read/)
    const below = join(idFile('own'), 'id')
    assert.throws(() => writeHostId(below, id), /which cannot be written/)
    writeHostId(idFile('own'), id)
    assert.equal(readHostId(idFile('own')), id)
  })
})

const skip = missingForServer() ?? false

describe('the ids of hosts on ZooKeeper', { skip }, () => {
  let server: SharedServer
  before(async () => {
    server = await sharedServer()
  })
  after(() => server.close())

  const on = (name: string, called: string): Settings => ({
    ...machine(name),
    'store.kind': 'zookeeper',
    'store.zookeeper.servers': [`${server.address}:${server.port}`],
    'store.zookeeper.create': true,
    'store.zookeeper.chroot': '/host-id',
    'host.name': called
  })

  // It is over soon, and no busy machine's: a seat is waited for as long as sessions last.
  const brief = { 'store.zookeeper.sessionMs': 4_000 }

  test('HO-01 two machines of one name do not become one, running or not', async () => {
    const first = await start(on('a', 'twin'))
    const id = idOf('a')
    const isRefused = async (): Promise<void> => {
      const said = await refusalOf('appliance', on('b', 'twin'))
      assert.match(said, new RegExp(`host twin \\(${id}\\) is another machine already`))
      assert.ok(said.includes(`write its id into ${idFile('b')}`), said)
      assert.ok(!existsSync(idFile('b')))
    }
    await isRefused()
    await first.stop()
    await isRefused()
    const other = await start(on('b', 'other'))
    assert.deepEqual(
      (await namesOf(other)).sort(),
      [
        [id, 'twin'],
        [idOf('b'), 'other']
      ].sort()
    )
  })

  test('HO-02 a copied disk is refused while the first runs, not later', async () => {
    const first = await start(on('a', 'twin'))
    const id = idOf('a')
    await eventually(async () =>
      assert.ok((await hostsOf(first)).some(each => each.id === id && each.alive))
    )
    mkdirSync(join(folder, 'c'))
    writeFileSync(idFile('c'), `${id.toUpperCase()}\n`)
    const said = await refusalOf('appliance', { ...on('c', 'twin'), ...brief })
    const { pid } = first.job
    assert.match(said, new RegExp(`host twin \\(${id}\\) has an agent already: on .*, pid ${pid}`))
    await first.stop()
    const second = await start(on('c', 'twin'))
    assert.ok((await namesOf(second)).some(([each]) => each === id))
  })

  test('one that stalls, and whose seat nobody has taken, goes on', async () => {
    const [first, watcher] = await Promise.all([
      start({ ...on('i', 'goes on'), ...brief }),
      start(on('h', 'sees it stall'))
    ])
    const id = idOf('i')
    const isAlive = (alive: boolean) =>
      eventually(async () => {
        const found = (await hostsOf(watcher)).find(each => each.id === id)
        assert.equal(found?.alive, alive)
      })
    await isAlive(true)
    first.job.signal('SIGSTOP')
    await isAlive(false)
    first.job.signal('SIGCONT')
    await isAlive(true)
    mkdirSync(join(folder, 'j'))
    writeFileSync(idFile('j'), id)
    const said = await refusalOf('appliance', { ...on('j', 'goes on'), ...brief })
    assert.match(said, /has an agent already/)
    assert.ok(first.job.running)
  })

  test('one that stalls until another has its seat ends when it goes on', async () => {
    const first = await start({ ...on('f', 'stalls'), ...brief })
    const id = idOf('f')
    mkdirSync(join(folder, 'g'))
    writeFileSync(idFile('g'), `${id}\n`)
    first.job.signal('SIGSTOP')
    let second: Role | undefined
    try {
      second = await start(on('g', 'stalls'))
    } finally {
      first.job.signal('SIGCONT')
    }
    await first.job.waitFor(/"this host has another agent by now/, 60_000)
    assert.equal((await first.job.exited).status, 1)
    await eventually(async () => {
      const host = (await second!.ask(`/hosts/${id}`)).body
      assert.deepEqual([host.alive, host.pid], [true, second!.job.pid])
    })
    const next = await second!.ask('/bridges', 'POST', { name: 'made by the second' })
    assert.equal(next.status, 201)
  })

  test('a machine that died is replaced, though nobody but the new one is there', async () => {
    const first = await start({ ...on('dead', 'replaced'), ...brief })
    mkdirSync(join(folder, 'new'))
    writeFileSync(idFile('new'), `${idOf('dead')}\n`)
    await first.job.stop('SIGKILL')
    const second = await start(on('new', 'replaced'))
    assert.ok((await namesOf(second)).some(([id]) => id === idOf('dead')))
  })

  test('a host that was made by hand is taken once, by its name', async () => {
    const role = await start(on('a', 'twin'))
    const made = (await role.ask('/hosts', 'POST', { name: 'planned' })).body.id
    await start(on('d', 'planned'))
    assert.equal(idOf('d'), made)
    assert.match(await refusalOf('appliance', on('e', 'planned')), /is another machine already/)
  })
})
