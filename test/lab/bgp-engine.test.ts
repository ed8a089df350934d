// The engine of BGP with real FRR, and a real BIRD outside.

import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { RouteHop, Speaker } from '../../plugins/bgp/engine/engine.ts'
import { configure } from '../../plugins/bgp/engine/frr/configure.ts'
import { SystemClock } from '../../src/core/clock.ts'
import { isFailure } from '../../src/core/errors.ts'
import { must } from '../../src/lab/process/process.ts'
import { eventually } from '../store/ground.ts'
import { BgpGround, OURS, PEER, PORT, peer, speaker, whyNot } from './bgp-ground.ts'

const ROUTES = ['203.0.113.0/24', '192.0.2.0/25', '2001:db8:2::/48']

const NAMESPACE = `mezzo-bgp-${PORT.slice(0, 8)}`

describe('BGP by FRR', { skip: whyNot() ?? false }, () => {
  let ground: BgpGround
  let first: Speaker
  const learned = new Map<string, readonly RouteHop[]>()
  let isComplete = false
  let agent: Awaited<ReturnType<BgpGround['agent']>>
  const follow = (by: Speaker): void => {
    learned.clear()
    isComplete = false
    by.onRoutes(update => {
      for (const { prefix, hops } of update.changes)
        if (hops.length > 0) learned.set(prefix, hops)
        else learned.delete(prefix)
      isComplete ||= update.isComplete
    })
  }

  const up = (by: Speaker): Promise<void> =>
    eventually(async () =>
      assert.deepEqual(
        (await by.sessions()).map(({ state }) => state),
        ['established', 'established']
      )
    )

  before(async () => {
    ground = await BgpGround.open('bgp')
    await ground.outsideSpeaks({ networks: ROUTES })
  })
  after(() => ground?.close())

  test('sessions of both versions come up, routes go there and come back', async () => {
    agent = await ground.agent()
    const { engine } = agent
    assert.match(engine.status.version ?? '', /^\d+\.\d+/)
    first = await engine.open(ground.place)
    await ground.plug(first.interface)
    follow(first)
    await first.apply(speaker())
    await up(first)
    await eventually(() => assert.deepEqual([...learned.keys()].sort(), [...ROUTES].sort()))
    assert.deepEqual(learned.get('203.0.113.0/24'), [{ gateway: PEER.v4, share: 1 }])
    assert.deepEqual(learned.get('2001:db8:2::/48'), [{ gateway: PEER.v6, share: 1 }])
    await eventually(() => assert.ok(isComplete))
    await eventually(async () =>
      assert.deepEqual(await ground.learnedOutside(), ['198.51.100.0/24', '2001:db8:1::/48'])
    )
  })

  test('what could not be made as a whole can be found, and removed', async () => {
    const { engine } = agent
    const port = 'facade01-0000-4000-8000-000000000001'
    const nowhere = { ...ground.place, port, packetNetns: '/run/netns/nowhere' }
    await assert.rejects(engine.open(nowhere), error => isFailure(error, 'UNAVAILABLE'))
    assert.ok((await engine.places()).includes(port))
    await engine.remove(port)
    assert.ok(!existsSync('/run/netns/mezzo-bgp-facade01'))
    assert.deepEqual(await engine.places(), [PORT])
  })

  test('what a daemon does not understand is not told on: it may be a secret', async () => {
    const path = join(ground.engineFolder, PORT.slice(0, 8), 'daemons', 'bgpd.vty')
    const text = 'neighbor 192.0.2.1 password s3cretWord'
    const command = { block: [], key: 'password of 192.0.2.1', text, isUndo: false }
    await assert.rejects(configure(path, new SystemClock(), [command]), error => {
      assert.match(String(error), /password of 192.0.2.1/)
      assert.doesNotMatch(String(error), /s3cret/)
      return true
    })
  })

  test('a second speaker of a port is refused; what is not valid changes nothing', async () => {
    const { engine } = agent
    await assert.rejects(engine.open(ground.place), error => isFailure(error, 'EXISTS'))
    const other = { ...ground.place, port: PORT.replace(/1$/, '2') }
    await assert.rejects(
      engine.open(other),
      error => isFailure(error, 'EXISTS') && error.message.includes(PORT)
    )
    await assert.rejects(
      first.apply(speaker({ peers: [peer({ holdS: 1 })] })),
      error => isFailure(error, 'INVALID') && /peers\[0\].holdS is 1/.test(error.message)
    )
    await up(first)
  })

  test('policies: what passes in, what passes out, and what is said with it', async () => {
    const networks = ['198.51.100.0/24', '198.51.101.0/24', '2001:db8:1::/48']
    const permit = (prefix: string) => ({ prefix, action: 'permit' as const })
    const policies = {
      import: { prefixes: [permit('203.0.113.0/24')], localPreference: 300 },
      export: {
        prefixes: [permit('198.51.101.0/24')],
        med: 7,
        prepend: 2,
        communities: ['65001:9']
      }
    }
    await first.apply(speaker({ networks, peers: [peer(policies), peer({ address: PEER.v6 })] }))
    await eventually(() =>
      assert.deepEqual([...learned.keys()].sort(), ['2001:db8:2::/48', '203.0.113.0/24'])
    )
    await eventually(async () =>
      assert.deepEqual(await ground.learnedOutside(), ['198.51.101.0/24', '2001:db8:1::/48'])
    )
    // Told first, and then with it: one line of a configuration comes after the other.
    await eventually(async () => {
      const said = await ground.routeOutside('198.51.101.0/24')
      assert.match(said, /BGP.as_path: 65001 65001 65001/)
      assert.match(said, /BGP.med: 7/)
      assert.match(said, /BGP.community: \(65001,9\)/)
    })
    await up(first)
    assert.ok((await first.sessions()).every(({ flaps }) => flaps === 0))
  })

  test('what one peer told is not told to another, nor back', async () => {
    await first.apply(speaker())
    await eventually(() => assert.equal(learned.size, ROUTES.length))
    const [four] = await first.sessions()
    assert.equal(four!.prefixesReceived, 2)
    await eventually(async () =>
      assert.deepEqual(
        (await first.sessions()).map(({ prefixesSent }) => prefixesSent),
        [1, 1]
      )
    )
  })

  test('a peer that is switched off says so, and too many prefixes end a session', async () => {
    const six = peer({ address: PEER.v6 })
    await first.apply(speaker({ peers: [peer({ shutdown: true }), six] }))
    await eventually(() => assert.deepEqual([...learned.keys()], ['2001:db8:2::/48']))
    const [off, on] = await first.sessions()
    assert.equal(off!.state, 'idle')
    assert.match(off!.lastError ?? '', /shut ?down/i)
    assert.equal(on!.state, 'established')
    // FRR 8.4 looks before it counts: one more than it is told gets in.
    await ground.outsideSpeaks({ networks: [...ROUTES, '192.0.2.128/25', '203.0.112.0/24'] })
    await first.apply(speaker({ peers: [peer({ maximumPrefixes: 1 }), six] }))
    await eventually(async () =>
      assert.match((await first.sessions())[0]!.lastError ?? '', /max.*prefix/i)
    )
    await ground.outsideSpeaks({ networks: ROUTES })
    await first.apply(speaker({ peers: [six] }))
    await first.apply(speaker())
    await up(first)
  })

  test('a route by two peers has two next hops, and one when a peer is gone', async () => {
    const second = await ground.another('10.9.0.3', ['203.0.113.0/24'])
    await first.apply(speaker({ peers: [peer(), peer({ address: '10.9.0.3', asn: 65_003 })] }))
    const hops = (): string[] =>
      (learned.get('203.0.113.0/24') ?? []).map(({ gateway }) => gateway).sort()
    await eventually(() => assert.deepEqual(hops(), [PEER.v4, '10.9.0.3']))
    await second.close()
    await eventually(() => assert.deepEqual(hops(), [PEER.v4]))
    await first.apply(speaker())
    await up(first)
  })

  test('addresses of the port change under way', async () => {
    const addresses = ['10.9.0.7/24', ...ground.place.addresses.slice(1)]
    await first.leave()
    first = await agent.engine.open({ ...ground.place, addresses })
    await first.apply(speaker())
    const shown = await ground.host.must(['ip', '-n', NAMESPACE, '-4', 'addr', 'show', 'uplink'])
    assert.match(shown, /10.9.0.7\/24/)
    assert.ok(!shown.includes(`${OURS.v4}/`))
    await first.leave()
    first = await agent.engine.open(ground.place)
    follow(first)
    await first.apply(speaker())
    await up(first)
  })

  test('the namespace forwards nothing, whatever it was made with', async () => {
    const words = ['ipv4/ip_forward', 'ipv6/conf/all/forwarding'].map(
      each => `/proc/sys/net/${each}`
    )
    const inside = (script: string): Promise<string> =>
      must(['nsenter', `--net=/run/netns/${NAMESPACE}`, 'sh', '-ec', script])
    await first.leave()
    await inside(words.map(each => `echo 1 > ${each}`).join('; '))
    first = await agent.engine.open(ground.place)
    assert.equal(await inside(`cat ${words.join(' ')}`), '0\n0\n')
    follow(first)
    await first.apply(speaker())
    await up(first)
  })

  test('50 000 routes are learned, all of them, and withdrawn', async t => {
    const many = Array.from(
      { length: 50_000 },
      (_, i) => `100.${64 + (i >> 14)}.${(i >> 6) & 255}.${(i & 63) * 4}/30`
    )
    const from = performance.now()
    await ground.outsideSpeaks({ networks: [...ROUTES, ...many] })
    await eventually(() => assert.equal(learned.size, ROUTES.length + many.length))
    t.diagnostic(`learned in ${Math.round(performance.now() - from)} ms`)
    const [four] = await first.sessions()
    assert.equal(four!.prefixesReceived, 2 + many.length)
    await first.leave()
    const again = performance.now()
    first = await agent.engine.open(ground.place)
    follow(first)
    await first.apply(speaker())
    await eventually(() => assert.ok(isComplete))
    assert.equal(learned.size, ROUTES.length + many.length)
    t.diagnostic(`told to the next agent in ${Math.round(performance.now() - again)} ms`)
    await ground.outsideSpeaks({ networks: ROUTES })
    await eventually(() => assert.equal(learned.size, ROUTES.length))
  })

  test('without FRR, or with one that is not known, there is an engine that says so', async () => {
    await first.leave()
    const daemons = join(ground.folder, 'no-frr')
    const { engine } = await ground.agent({ daemons })
    assert.equal(engine.status.version, null)
    assert.match(engine.status.reason ?? '', /FRR is not installed/)
    await assert.rejects(
      engine.open(ground.place),
      error => isFailure(error, 'UNAVAILABLE') && /FRR is not installed/.test(error.message)
    )
    await engine.remove(PORT)
    assert.deepEqual(await engine.places(), [])
    assert.ok(!existsSync(`/run/netns/${NAMESPACE}`))
  })
})
