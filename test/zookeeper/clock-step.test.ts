// A step of the machine's clock, an hour to and fro, under the program with an agent: durations go
// by time that does not step, so that its session, its host and what it serves stay as they are.

import assert from 'node:assert/strict'
import { globSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe } from 'node:test'
import { sleep } from '../../src/core/clock.ts'
import { missingForServer } from '../../src/lab/services/zookeeper.ts'
import { clock, eventually } from './clients.ts'
import { Role, test } from './role.ts'
import { sharedServer } from './shared.ts'

const HOUR_S = 3_600
// Long enough that a busy machine's server, or store, is not taken for silent.
const SESSION_MS = 6_000
// Replaces the functions of the C library that tell the wall clock.
const library = globSync('/usr/lib/*/faketime/libfaketimeMT.so.1')[0]
const missing =
  missingForServer() ??
  (library === undefined ? 'faketime is not installed; node setup.mjs --zookeeper does' : undefined)

describe('a step of the wall clock', { skip: missing ?? false }, () => {
  test('an hour forward, two back: no session ends, nobody is taken for dead', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'mezzo-clock-'))
    const server = await sharedServer()
    const running: Role[] = []
    const settings = (name: string) => ({
      'store.kind': 'zookeeper',
      'store.path': join(folder, `${name}.db`),
      'store.zookeeper.servers': [`${server.address}:${server.port}`],
      'store.zookeeper.create': true,
      'store.zookeeper.chroot': '/clock-step',
      'store.zookeeper.sessionMs': SESSION_MS,
      'host.name': name,
      'state.store.path': join(folder, `${name}-state`),
      'datapath.kind': 'memory',
      'datapath.pins': '',
      'api.socket': '',
      'api.port': 0,
      'metrics.enabled': false
    })
    const file = join(folder, 'clock')
    const step = (seconds: number): void => {
      writeFileSync(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}\n`)
      renameSync(`${file}.new`, file)
    }
    step(0)
    const env = {
      LD_PRELOAD: library!,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1'
    }
    try {
      const steady = await Role.start('appliance', settings('steady'))
      running.push(steady)
      const stepped = await Role.start('appliance', settings('stepped'), undefined, env)
      running.push(stepped)
      const id = await idOf(steady, 'stepped')
      const before = await reportOf(stepped)
      for (const seconds of [HOUR_S, -HOUR_S, 0]) {
        step(seconds)
        await eventually(async () => assert.ok(Math.abs((await aheadS(stepped)) - seconds) < 60))
        const until = clock.now() + 1.5 * SESSION_MS
        while (clock.now() < until) {
          await isWell(steady, stepped, id)
          await isWell(stepped, steady, id)
          await sleep(clock, 200)
        }
        assert.deepEqual(await reportOf(stepped), before, `after a step to ${seconds} s`)
      }
    } finally {
      for (const role of running) await role.job.stop('SIGKILL')
      await server.close()
      rmSync(folder, { recursive: true, force: true })
    }
  })
})

async function isWell(one: Role, other: Role, host: string): Promise<void> {
  const made = await one.ask('/bridges', 'POST', { name: 'made meanwhile' })
  assert.equal(made.status, 201)
  assert.equal((await other.ask(`/bridges/${made.body.id}`)).status, 200)
  assert.equal((await one.ask(`/hosts/${host}`)).body.alive, true)
}

async function idOf(role: Role, name: string): Promise<string> {
  let id: string | undefined
  await eventually(async () => {
    const { body } = await role.ask('/hosts')
    const hosts = body as unknown as { id: string; name: string; alive: boolean }[]
    id = hosts.find(host => host.name === name && host.alive)?.id
    assert.ok(id !== undefined)
  })
  return id!
}

// By how much its clock is ahead of ours.
async function aheadS(role: Role): Promise<number> {
  const { headers } = await role.ask('/health')
  return (Date.parse(String(headers.get('date'))) - clock.wall()) / 1_000
}

async function reportOf(role: Role) {
  const { body } = await role.ask('/store')
  const counters = body.counters as Readonly<Record<string, number>>
  const { connections, losses, expirations, silences, timeouts } = counters
  return { session: body.session, connections, losses, expirations, silences, timeouts }
}
