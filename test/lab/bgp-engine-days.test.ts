// Bad days of the engine of BGP, with real FRR and a real BIRD outside: what a wrong password, a
// silent link, a killed daemon, a killed or stopped agent and a changed configuration do, and what
// they must not do.

import assert from 'node:assert/strict'
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { RouteHop, SessionState, Speaker } from '../../plugins/bgp/engine/engine.ts'
import { Job } from '../../src/lab/process/process.ts'
import { eventually } from '../store/ground.ts'
import { BgpGround, PORT, peer, speaker, whyNot } from './bgp-ground.ts'

const ROUTES = ['203.0.113.0/24', '192.0.2.0/25']
const SECRET = 's3cretWord'
const SHORT = PORT.slice(0, 8)
const HUNG_MS = 8000
const START_MS = 60_000 // of a process, on a busy machine
const AGENT = 'fixtures/bgp-agent.ts'
// A machine that stands still for a moment is missed by nobody, but where it is about being missed.
const CALM = { intervalMs: 1000, multiplier: 30 }
const SHARP = { intervalMs: 100, multiplier: 3 }
const [CALM_S, SHARP_S] = [CALM, SHARP].map(each => (each.intervalMs * each.multiplier) / 1000)

class Learned {
  readonly routes = new Map<string, readonly RouteHop[]>()
  withdrawn = 0
  isComplete = false

  constructor(speaker: Speaker) {
    speaker.onRoutes(({ changes, isComplete }) => {
      for (const { prefix, hops } of changes)
        if (hops.length > 0) this.routes.set(prefix, hops)
        else if (this.routes.delete(prefix)) this.withdrawn++
      this.isComplete ||= isComplete
    })
  }

  get prefixes(): string[] {
    return [...this.routes.keys()].sort()
  }
}

const only = async (speaker: Speaker): Promise<SessionState> => (await speaker.sessions())[0]!
const up = (speaker: Speaker): Promise<void> =>
  eventually(async () => assert.equal((await only(speaker)).state, 'established'))
const argumentsOfAll = (): string[] =>
  readdirSync('/proc')
    .filter(name => /^\d+$/.test(name))
    .flatMap(name => {
      try {
        return readFileSync(`/proc/${name}/cmdline`, 'utf8')
      } catch {
        return [] // it has ended meanwhile
      }
    })
const pidOf = (text: string): number => Number.parseInt(text, 10)

describe('bad days of BGP by FRR', { skip: whyNot() ?? false }, () => {
  let ground: BgpGround
  let agent: Awaited<ReturnType<BgpGround['agent']>>
  let first: Speaker
  let learned: Learned
  const one = (more: Parameters<typeof peer>[0] = {}) => speaker({ peers: [peer(more)] })
  const outside = { networks: ROUTES, password: SECRET, bfd: CALM }
  // What another session in its place would not have.
  const standing = async () => {
    const { state, flaps } = await only(first)
    assert.equal(state, 'established')
    return { flaps, bgpd: pid('bgpd') }
  }
  const pid = (name: string): number =>
    pidOf(readFileSync(join(ground.engineFolder, SHORT, `${name}-${SHORT}.pid`), 'utf8'))

  before(async () => {
    ground = await BgpGround.open('bgp-days')
    await ground.outsideSpeaks(outside)
    agent = await ground.agent({ withdrawAfterMs: 3000 })
    first = await agent.engine.open(ground.place)
    await ground.plug(first.interface)
    learned = new Learned(first)
  })
  after(() => ground?.close())

  test('a password that is wrong or missing is said, and the right one connects', async () => {
    await first.apply(one({ password: 'another' }))
    await eventually(async () =>
      assert.match((await only(first)).lastError ?? '', /wrong TCP-MD5 signature/)
    )
    assert.notEqual((await only(first)).state, 'established')
    await first.apply(one())
    await eventually(async () =>
      assert.match((await only(first)).lastError ?? '', /the peer has a password, we have none/)
    )
    await first.apply(one({ password: SECRET, bfd: CALM }))
    await up(first)
    await eventually(() => assert.deepEqual(learned.prefixes, [...ROUTES].sort()))
    await eventually(async () => assert.equal((await only(first)).bfd, 'up'))
    await eventually(async () => {
      const { prefixesReceived, prefixesSent } = await only(first)
      assert.deepEqual([prefixesReceived, prefixesSent], [2, 1])
    })
    assert.doesNotMatch((await only(first)).lastError ?? '', /MD5/)
  })

  test('the password is in no argument, no log and no file that others read', async () => {
    const all = argumentsOfAll()
    assert.ok(all.some(text => text.includes('bgpd')))
    assert.ok(!all.some(text => text.includes(SECRET)))
    assert.ok(!agent.lines.join('\n').includes(SECRET))
    const find = ['grep', '-rlsa', SECRET, join(ground.folder, 'engine')]
    const files = (await ground.host.exec(find)).stdout.trim().split('\n')
    assert.ok(files.length > 0)
    const modes = await ground.host.must(['stat', '-c', '%a %U %G', ...files])
    const allowed = ['600 root root', '640 root frr'] // the daemons' group has one member
    assert.deepEqual(new Set(modes.trim().split('\n')), new Set(allowed))
  })

  test('a change of something else leaves the session alone', async () => {
    const before = await standing()
    const policy = { prefixes: [{ prefix: '203.0.113.0/24', action: 'permit' as const }] }
    const more = { password: SECRET, bfd: CALM, import: policy }
    const networks = ['198.51.100.0/24', '198.51.101.0/24']
    await first.apply({ ...one(more), networks, maximumPaths: 4 })
    await eventually(() => assert.deepEqual(learned.prefixes, ['203.0.113.0/24']))
    await eventually(async () => assert.equal((await ground.learnedOutside()).length, 2))
    await first.apply(one({ password: SECRET, bfd: CALM }))
    await eventually(() => assert.deepEqual(learned.prefixes, [...ROUTES].sort()))
    await eventually(async () => assert.equal((await ground.learnedOutside()).length, 1))
    assert.deepEqual(await standing(), before)
  })

  test('a link that is silent is missed by BFD, and comes back', async () => {
    const before = await only(first)
    await ground.outsideSpeaks({ ...outside, bfd: SHARP })
    await first.apply(one({ password: SECRET, bfd: SHARP }))
    await eventually(async () => assert.equal(await ground.missesOutside(), SHARP_S))
    const drop = (hook: string) =>
      `chain ${hook} { type filter hook ${hook} priority -300; policy drop; }`
    await ground.outside.nft(`table inet cut { ${drop('prerouting')}; ${drop('output')}; }`)
    try {
      await eventually(() => assert.deepEqual(learned.prefixes, []))
      const during = await only(first)
      assert.notEqual(during.state, 'established')
      assert.match(during.lastError ?? '', /BFD/)
      assert.ok(during.flaps > before.flaps)
    } finally {
      await ground.outside.nft('delete table inet cut')
    }
    await up(first)
    await eventually(() => assert.deepEqual(learned.prefixes, [...ROUTES].sort()))
    await first.apply(one({ password: SECRET, bfd: CALM }))
    await ground.outsideSpeaks(outside)
    await eventually(async () => assert.equal(await ground.missesOutside(), CALM_S))
    await up(first)
  })

  test('bgpd is killed: it comes back, and no route was missed meanwhile', async () => {
    const before = pid('bgpd')
    const { withdrawn } = learned
    process.kill(before, 'SIGKILL')
    await eventually(() => assert.notEqual(pid('bgpd'), before))
    await up(first)
    await eventually(async () => assert.equal((await only(first)).prefixesReceived, 2))
    assert.equal(learned.withdrawn, withdrawn)
    assert.deepEqual(learned.prefixes, [...ROUTES].sort())
    await eventually(async () =>
      assert.deepEqual(await ground.learnedOutside(), ['198.51.100.0/24'])
    )
  })

  test('zebra is killed: it comes back, and no route is withdrawn for it', async () => {
    const before = pid('zebra')
    const { withdrawn } = learned
    process.kill(before, 'SIGKILL')
    await eventually(() => assert.notEqual(pid('zebra'), before))
    await up(first)
    const more = [...ROUTES, '192.0.2.128/25']
    await ground.outsideSpeaks({ ...outside, networks: more })
    await eventually(() => assert.deepEqual(learned.prefixes, more.sort()))
    await eventually(async () => assert.equal((await only(first)).prefixesReceived, 3))
    assert.equal(learned.withdrawn, withdrawn)
    await ground.outsideSpeaks(outside)
    await eventually(() => assert.deepEqual(learned.prefixes, [...ROUTES].sort()))
  })

  test('a daemon that hangs is started again, also one that was adopted so', async () => {
    for (const isAdopted of [false, true]) {
      const before = pid('bgpd')
      if (isAdopted) process.kill(before, 'SIGSTOP')
      await first.leave()
      await agent.processes.close()
      agent = await ground.agent({ hungAfterMs: HUNG_MS })
      await eventually(async () => {
        first = await agent.engine.open(ground.place)
      })
      learned = new Learned(first)
      await first.apply(one({ password: SECRET, bfd: CALM }))
      if (!isAdopted) process.kill(before, 'SIGSTOP')
      await eventually(() => assert.notEqual(pid('bgpd'), before))
      await up(first)
      await eventually(() => assert.deepEqual(learned.prefixes, [...ROUTES].sort()))
    }
    await first.leave()
    await agent.processes.close()
    agent = await ground.agent({ withdrawAfterMs: 3000 })
    first = await agent.engine.open(ground.place)
    learned = new Learned(first)
    await first.apply(one({ password: SECRET, bfd: CALM }))
    await eventually(() => assert.ok(learned.isComplete))
  })

  test('an agent that ends is not missed by the peer, and the next one adopts', async () => {
    const before = await standing()
    const pids = ['zebra', 'bfdd', 'bgpd', 'guard'].map(pid)
    await first.leave()
    await agent.processes.close()
    agent = await ground.agent({ withdrawAfterMs: 3000 })
    assert.deepEqual(await agent.engine.places(), [PORT])
    first = await agent.engine.open(ground.place)
    learned = new Learned(first)
    await first.apply(one({ password: SECRET, bfd: CALM }))
    await eventually(() => assert.ok(learned.isComplete))
    assert.deepEqual(learned.prefixes, [...ROUTES].sort())
    assert.deepEqual(await standing(), before)
    assert.deepEqual(['zebra', 'bfdd', 'bgpd', 'guard'].map(pid), pids)
  })

  test('an agent that is killed is not missed either', async () => {
    const before = await standing()
    await first.leave()
    await agent.processes.close()
    const config = JSON.stringify(one({ bfd: CALM, password: SECRET }))
    const words = [ground.engineFolder, JSON.stringify(ground.place), config]
    const job = new Job([process.execPath, join(import.meta.dirname, AGENT), ...words])
    await job.waitFor(/applied/, START_MS)
    await job.stop('SIGKILL')
    assert.ok(await ground.isUpOutside())
    agent = await ground.agent({ withdrawAfterMs: 3000 })
    first = await agent.engine.open(ground.place)
    learned = new Learned(first)
    await first.apply(one({ password: SECRET, bfd: CALM }))
    await eventually(() => assert.ok(learned.isComplete))
    assert.deepEqual(learned.prefixes, [...ROUTES].sort())
    assert.deepEqual(await standing(), before)
  })

  test('an agent that stays away: our networks are withdrawn, and come back with it', async () => {
    const before = await standing()
    await first.leave()
    await agent.processes.close()
    await eventually(async () => assert.deepEqual(await ground.learnedOutside(), []))
    assert.ok(await ground.isUpOutside())
    agent = await ground.agent({ withdrawAfterMs: 3000 })
    first = await agent.engine.open(ground.place)
    learned = new Learned(first)
    await first.apply(one({ password: SECRET, bfd: CALM }))
    await eventually(async () =>
      assert.deepEqual(await ground.learnedOutside(), ['198.51.100.0/24'])
    )
    assert.deepEqual(await standing(), before)
  })

  test('what was applied cannot be read: daemons are started with what is to be', async () => {
    const pids = () => ['bfdd', 'bgpd'].map(pid)
    const before = pids()
    await first.leave()
    await agent.processes.close()
    writeFileSync(join(ground.engineFolder, SHORT, 'applied'), '{"bgpd": [')
    agent = await ground.agent({ withdrawAfterMs: 3000 })
    first = await agent.engine.open(ground.place)
    learned = new Learned(first)
    assert.deepEqual(pids(), before, 'not before it is known what is to be')
    await first.apply(one({ password: SECRET, bfd: CALM }))
    pids().forEach((each, i) => {
      assert.notEqual(each, before[i])
    })
    await up(first)
    await eventually(() => assert.deepEqual(learned.prefixes, [...ROUTES].sort()))
    await eventually(async () =>
      assert.deepEqual(await ground.learnedOutside(), ['198.51.100.0/24'])
    )
    assert.equal(agent.lines.filter(line => line.includes('cannot be read')).length, 1)
  })

  test('our number and the router id reset the session, and it comes up again', async () => {
    const before = await only(first)
    await first.apply({ ...one({ password: SECRET, bfd: CALM }), routerId: '10.9.0.9' })
    await eventually(async () => {
      const { state, upSinceMs } = await only(first)
      assert.equal(state, 'established')
      assert.notEqual(upSinceMs, before.upSinceMs)
    })
    await first.apply({ ...one({ password: SECRET, bfd: CALM }), asn: 65_009 })
    await eventually(async () =>
      assert.match((await only(first)).lastError ?? '', /Bad Peer AS|OPEN Message Error/)
    )
    await first.apply(one({ password: SECRET, bfd: CALM }))
    await up(first)
  })

  test('a closed speaker leaves nothing', async () => {
    await first.close()
    assert.deepEqual(await agent.engine.places(), [])
    assert.ok(!readdirSync('/run/netns').some(name => name.startsWith('mezzo-bgp-')))
    await assert.rejects(ground.host.ip(`link show ${first.interface}`))
    const left = argumentsOfAll().filter(text => text.includes(join(ground.folder, 'engine')))
    assert.deepEqual(left, [])
  })
})
