// Two controllers, programs of their own, on one store in ZooKeeper.  Both write at once, changes
// of several objects among them, and one is killed amid that, again and again: each change is whole
// or absent, what was acknowledged is there, and the other, its watches and a reader that begins
// later see the same.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { sleep } from '../../src/core/clock.ts'
import { type Random, SeededRandom } from '../../src/core/random.ts'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import type { Stored } from '../../src/topology/model.ts'
import type { SqliteStore } from '../../src/topology/sqlite/store.ts'
import { openZooKeeperStore } from '../../src/topology/zookeeper/store.ts'
import { type Answer, allModels } from '../api/fixture.ts'
import { all, assertSame, Replica } from '../store/ground.ts'
import { clock, eventually } from './clients.ts'
import { Role } from './role.ts'
import { type SharedServer, sharedServer } from './shared.ts'

const SEED = Number(process.env.ORACLE_SEED ?? 5)
const TOKEN = 'correct-horse-battery-staple'
const ROUNDS = 4
const PORTS = 4
const WORKERS = 3
const PATIENCE_MS = 60_000
const timeout = 300_000

/** Two bridges whose ports are linked one by one; then one of them goes, with all that was its. */
interface Pair {
  readonly kept: string
  readonly doomed: string
  readonly ports: readonly (readonly [string, string])[]
  readonly linked: Set<string> // of ports of the bridge that is kept, acknowledged
  removal: 'none' | 'asked' | 'done'
}

/** One who writes by one controller until it is told to stop, or that is dead. */
class Worker {
  readonly pairs: Pair[] = []
  counted = 0 // acknowledged
  unknown = 0
  failure: unknown
  readonly #role: Role
  readonly #counter: string
  #isStopped = false
  #isKilled = false

  constructor(role: Role, counter: string) {
    this.#role = role
    this.#counter = counter
  }

  async run(): Promise<void> {
    try {
      while (!this.#isStopped) {
        await this.#count()
        await this.#pair()
      }
    } catch (error) {
      if (!this.#isKilled) this.failure = error
    }
  }

  stop(): void {
    this.#isStopped = true
  }

  /** Its controller is about to be killed: what it asks is not answered any more. */
  killed(): void {
    this.stop()
    this.#isKilled = true
  }

  async #done(status: number, asked: Promise<Answer>): Promise<Answer> {
    const answer = await asked
    assert.equal(answer.status, status, JSON.stringify(answer.body))
    return answer
  }

  async #make(path: string, body: object): Promise<string> {
    return String((await this.#done(201, this.#role.ask(path, 'POST', body))).body.id)
  }

  // Nobody's is lost: who was slower tries again on what is there now.
  async #count(): Promise<void> {
    const path = `/bridges/${this.#counter}`
    const { body, headers } = await this.#done(200, this.#role.ask(path))
    const macsMax = Number(body.macsMax) + 1
    this.unknown++
    const { status } = await this.#role.ask(
      path,
      'PATCH',
      { macsMax },
      {
        'if-match': String(headers.get('etag'))
      }
    )
    this.unknown--
    assert.ok(status === 200 || status === 412, `status ${status}`)
    if (status === 200) this.counted++
  }

  async #pair(): Promise<void> {
    const bridge = (): Promise<string> => this.#make('/bridges', { name: 'one of two' })
    const [kept, doomed] = await Promise.all([bridge(), bridge()])
    const port = (device: string): Promise<string> => this.#make('/ports', { device })
    const both = (): Promise<[string, string]> => Promise.all([port(kept), port(doomed)])
    const ports = await Promise.all(Array.from({ length: PORTS }, both))
    const pair: Pair = { kept, doomed, ports, linked: new Set(), removal: 'none' }
    this.pairs.push(pair)
    for (const [port, peer] of ports) {
      await this.#done(201, this.#role.ask(`/ports/${port}/link`, 'POST', { peer }))
      pair.linked.add(port)
    }
    pair.removal = 'asked'
    await this.#done(204, this.#role.ask(`/bridges/${doomed}`, 'DELETE'))
    pair.removal = 'done'
  }
}

describe('two controllers', { skip: missingForServer() ?? false }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'mezzo-controllers-'))
  const tokenFile = join(folder, 'token')
  let server: SharedServer
  let reader: SqliteStore
  let survivor: Role
  const roles: Role[] = []
  const workers: Worker[] = []
  const models = allModels()
  const open = async (): Promise<SqliteStore> =>
    openZooKeeperStore({
      ...{ servers: [{ host: server.address, port: server.port }], chroot: '/controllers' },
      ...{ models: await models, clock }
    })
  const controller = async (name: string): Promise<Role> => {
    const settings = {
      'store.kind': 'zookeeper',
      'store.zookeeper.servers': [`${server.address}:${server.port}`],
      'store.zookeeper.create': true,
      'store.zookeeper.chroot': '/controllers',
      'store.path': join(folder, `${name}.db`),
      'api.socket': join(folder, `${name}.sock`),
      'api.tokenFile': tokenFile,
      'api.port': 0,
      'metrics.enabled': false
    }
    const role = await Role.start('controller', settings, TOKEN)
    roles.push(role)
    return role
  }
  before(async () => {
    writeFileSync(tokenFile, TOKEN, { mode: 0o600 })
    server = await sharedServer()
    survivor = await controller('survivor')
    reader = await open()
  })
  after(async () => {
    for (const worker of workers) worker.killed()
    for (const role of roles) await role.job.stop('SIGKILL')
    await reader?.close()
    await server?.close()
    rmSync(folder, { recursive: true, force: true })
  })

  test('INV-18 killed amid changes: each is whole or absent, and the other sees it', {
    timeout
  }, async t => {
    t.diagnostic(`seed ${SEED}`)
    const random = new SeededRandom(SEED)
    const watch = {
      bridge: new Replica(reader, { kind: 'bridge' }),
      port: new Replica(reader, { kind: 'port' })
    }
    const made = await survivor.ask('/bridges', 'POST', { name: 'counted', macsMax: 1 })
    const counter = String(made.body.id)
    const begin = (role: Role): Promise<void>[] =>
      Array.from({ length: WORKERS }, () => {
        const worker = new Worker(role, counter)
        workers.push(worker)
        return worker.run()
      })
    const runs = begin(survivor)
    for (let round = 0; round < ROUNDS; round++) {
      const victim = await controller('victim')
      const of = workers.length
      const own = begin(victim)
      await amid(workers.slice(of), random)
      for (const worker of workers.slice(of)) worker.killed()
      await victim.job.stop('SIGKILL')
      await Promise.all(own)
    }
    for (const worker of workers) worker.stop()
    await Promise.all(runs)
    for (const { failure } of workers) assert.ifError(failure)

    const late = await open()
    try {
      for (const kind of ['bridge', 'port'] as const) {
        const truth = await all(late.list(kind))
        assertSame(await all(reader.list(kind)), truth)
        await eventually(() => assertSame(watch[kind].sorted, truth))
        assertSame(
          await shown(survivor, `/${kind}s`),
          truth.map(({ id }) => id)
        )
      }
      judge(workers, await valuesOf(late, 'bridge'), await valuesOf(late, 'port'))
      const counted = workers.reduce((sum, worker) => sum + worker.counted, 1)
      const unknown = workers.reduce((sum, worker) => sum + worker.unknown, 0)
      const value = Number((await late.read('bridge', counter))?.value.macsMax)
      t.diagnostic(`${value} counted, ${counted} of them acknowledged, ${unknown} not answered`)
      assert.ok(value >= counted && value <= counted + unknown, `${value}, not ${counted}`)
      const pairs = workers.flatMap(({ pairs }) => pairs)
      const halfway = pairs.filter(
        ({ linked, removal }) => linked.size < PORTS || removal === 'asked'
      )
      t.diagnostic(`${pairs.length} pairs, ${halfway.length} of them left amid their changes`)
      assert.ok(halfway.length > 0, 'nobody was killed amid a change')
    } finally {
      await late.close()
    }
  })
})

// All of them have done something, and one is about to do something more.
async function amid(workers: readonly Worker[], random: Random): Promise<void> {
  const isBusy = (): void => {
    for (const { pairs } of workers) assert.ok(pairs.length > 0, 'nothing was done yet')
  }
  await eventually(isBusy, PATIENCE_MS)
  await sleep(clock, random.below(100))
}

const valuesOf = async (store: SqliteStore, kind: string): Promise<Map<string, Stored>> =>
  new Map((await all(store.list(kind))).map(({ id, value }) => [id, value]))

// What the API answers, page after page.
async function shown(role: Role, path: string): Promise<string[]> {
  const ids: string[] = []
  for (let next: string | undefined = `${path}?limit=1000`; next !== undefined; ) {
    const { headers, body } = await role.ask(next)
    ids.push(...(body as unknown as { id: string }[]).map(({ id }) => id))
    next = /<([^>]+)>; rel="next"/.exec(headers.get('link') ?? '')?.[1]
  }
  return ids
}

// Both ends of a link say the same; a bridge is there with all its ports or gone with them.
function judge(
  workers: readonly Worker[],
  bridges: ReadonlyMap<string, Stored>,
  ports: ReadonlyMap<string, Stored>
): void {
  for (const [id, { peer }] of ports)
    if (peer !== undefined) assert.equal(ports.get(String(peer))?.peer, id, 'a link of one end')
  for (const { kept, doomed, ports: pairs, linked, removal } of workers.flatMap(w => w.pairs)) {
    const isGone = !bridges.has(doomed)
    if (removal === 'none') assert.ok(!isGone, 'removed though nobody asked')
    if (removal === 'done') assert.ok(isGone, 'there though its removal was acknowledged')
    assert.ok(bridges.has(kept), 'acknowledged and not there')
    for (const [port, peer] of pairs) {
      assert.ok(ports.has(port), 'a port was acknowledged and is not there')
      assert.equal(ports.has(peer), !isGone, 'a bridge and its ports go together')
      if (isGone) assert.equal(ports.get(port)!.peer, undefined)
      else if (linked.has(port)) assert.equal(ports.get(port)!.peer, peer)
    }
  }
}
