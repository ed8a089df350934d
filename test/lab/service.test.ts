// The program as a service runs it, on a kernel: how it stops under load, what becomes of a store
// that is lost beneath it, and whether its heartbeats may run before others.

import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { rmSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { after, afterEach, before, describe, test } from 'node:test'
import { loadResources } from '../../src/agent/resources.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { type Host, type Job, Lab, run, until, type Vm } from '../../src/lab/index.ts'
import { modelsOf } from '../../src/topology/assembly/assemble.ts'
import { openSqliteStore } from '../../src/topology/sqlite/store.ts'
import { Network } from './fixtures/index.ts'

const root = join(import.meta.dirname, '../..')
const READY_MS = 60_000
const SERVICE_STOP_MS = 15_000 // then systemd kills it
// Of many more new connections than the agent can make flows for.
const FLOOD = `
const socket = require('node:dgram').createSocket('udp4')
const bytes = Buffer.alloc(64)
let port = 1024
function burst() {
  for (let i = 0; i < 64; i++) {
    port = port >= 65535 ? 1024 : port + 1
    socket.send(bytes, port, '10.9.1.2')
  }
  setImmediate(burst)
}
socket.bind(0, () => { process.stdout.write('flooding\\n'); burst() })
`

interface Running {
  readonly job: Job
  ask(path: string): Promise<{ readonly status: number; readonly text: string }>
  metric(name: string): Promise<number>
}

describe('the program as a service', { skip: Network.skip() }, () => {
  let lab: Lab
  let host: Host
  let a: Vm
  let path: string
  const running: Job[] = []

  before(async () => {
    lab = await Lab.open({ prefix: 'mz-lab-service' })
    host = await lab.host('one')
    a = await host.vm('svca', { addresses: ['10.9.1.1/24'], linkLocal: false })
    await host.vm('svcb', { addresses: ['10.9.1.2/24'], linkLocal: false })
    path = join(lab.folder, 'mezzo.db')
  })
  after(() => lab?.close())
  afterEach(async () => {
    for (const job of running.splice(0)) await job.stop('SIGKILL')
  })

  /** A bridge between both, and a policy that keeps connections. */
  async function describeIn(file: string): Promise<void> {
    const models = modelsOf(await loadResources())
    const store = await openSqliteStore({ path: file, models, clock: new SystemClock() })
    const [id, device, chain] = [randomUUID(), randomUUID(), randomUUID()]
    const create = (kind: string, value: object) =>
      ({ op: 'create', kind, value: { id: randomUUID(), ...value } }) as const
    const rule = { chain, position: 1, action: 'accept', matchForwardFlow: true }
    await store.write([
      create('host', { id, name: host.name }),
      create('bridge', { id: device }),
      create('chain', { id: chain, name: 'keep' }),
      create('rule', rule),
      ...['svca', 'svcb'].map(name =>
        create('port', { type: 'bridge', device, host: id, interface: name, inFilter: chain })
      )
    ])
    await store.close()
  }

  async function start(more: readonly string[] = [], before: readonly string[] = []) {
    const socketPath = join(lab.folder, 'api.sock')
    const set = {
      'store.path': path,
      'state.store.path': join(lab.folder, 'flow-state'),
      'host.name': host.name,
      'datapath.pins': join(lab.folder, 'bpf'),
      'api.socket': socketPath,
      'metrics.enabled': false
    }
    const settings = Object.entries(set).flatMap(([key, value]) => ['--set', `${key}=${value}`])
    const role = join(root, 'config/appliance.json')
    const program = [process.execPath, join(root, 'src/main.ts'), '--no-demo', '--config', role]
    const job = host.spawn([...before, ...program, ...settings, ...more])
    running.push(job)
    await job.waitFor(/"ready"|mezzo: /, READY_MS)
    const ask = (at: string) =>
      new Promise<{ status: number; text: string }>((done, failed) => {
        const asked = request({ socketPath, path: at, agent: false }, response => {
          let text = ''
          response.on('data', chunk => (text += chunk))
          response.on('end', () => done({ status: response.statusCode ?? 0, text }))
        })
        asked.on('error', failed)
        asked.end()
      })
    const metric = async (name: string): Promise<number> => {
      const { text } = await ask('/metrics')
      return Number(new RegExp(`^${name}\\{[^}]*\\} (\\S+)$`, 'm').exec(text)?.[1] ?? Number.NaN)
    }
    return { job, ask, metric } satisfies Running
  }

  test('F12: it stops soon, however many connections are being opened, and says when', async t => {
    await describeIn(path)
    const { job, metric } = await start()
    const flood = a.spawn([process.execPath, '-e', FLOOD])
    await flood.waitFor(/flooding/)
    const walked = () => metric('mezzo_packets_walked_total')
    await until('it is flooded', async () => (await walked()) > 5000, READY_MS)
    const begin = performance.now()
    job.signal('SIGTERM')
    const exit = await job.exited
    const ms = performance.now() - begin
    t.diagnostic(`stopped under load in ${Math.round(ms)} ms`)
    await flood.stop()
    assert.equal(exit.status, 0, job.output.slice(-2000))
    assert.match(job.output, /"ms":\d+,"msg":"stopped"/)
    assert.ok(ms < SERVICE_STOP_MS, `${Math.round(ms)} ms`)
  })

  test('D5: it does not serve an empty store while the kernel forwards by a lost one', async () => {
    const { job, ask } = await start()
    for (const end of ['', '-wal', '-shm', '-notify']) rmSync(path + end, { force: true })
    await until(
      'health says so',
      async () => {
        const { status, text } = await ask('/health')
        return status === 503 && /"degraded".*was deleted/.test(text)
      },
      READY_MS
    )
    job.signal('SIGKILL')
    await job.exited
    const empty = await start()
    const { status } = await empty.job.exited
    assert.equal(status, 1)
    assert.match(empty.job.output, /is empty; the kernel forwards by one that is gone/)
    assert.doesNotMatch(empty.job.output, /"ready"/)
    const meant = await start(['--set', 'store.mayBeNew=true'])
    assert.match(meant.job.output, /"ready"/)
    await meant.job.stop('SIGTERM', READY_MS)
  })

  test('D8: heartbeats have real-time priority where they may, or health says so', async () => {
    const drop = ['setpriv', '--bounding-set', '-sys_nice', '--inh-caps', '-sys_nice']
    const limited = (priority: number): string[] => ['prlimit', `--rtprio=${priority}:${priority}`]
    const cases: [before: readonly string[], isUrgent: boolean][] = [
      [[], true],
      [[...limited(0), ...drop], false]
    ]
    // As the unit has it; a container may not be able to raise the limit.
    const raises = (await run([...limited(5), 'true'])).status === 0
    if (raises) cases.push([[...limited(5), ...drop], true])
    for (const [before, isUrgent] of cases) {
      const { job, ask, metric } = await start([], before)
      await until(
        'health and the gauge agree',
        async () => {
          const { notes } = JSON.parse((await ask('/health')).text) as { notes: string[] }
          const said = notes.some(note => /real-time priority/.test(note))
          return (
            (await metric('mezzo_exchange_realtime')) === Number(isUrgent) && said === !isUrgent
          )
        },
        READY_MS
      )
      if (!isUrgent) assert.match(job.output, /"level":"warn".*real-time priority/)
      await job.stop('SIGTERM', READY_MS)
    }
  })
})
