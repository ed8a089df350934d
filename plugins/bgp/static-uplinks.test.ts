// Static uplinks of a gateway on a real store, and next hops that come and go. The engine is played
// (fixture.test.ts).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { eventually } from '../../test/store/ground.ts'
import { learnedTable } from '../router/token.ts'
import { ground, HOST, id, port, ROUTER, UP } from './ground.test.ts'
import { reportTable } from './table.ts'

const STATIC = id(40)

type Ground = Awaited<ReturnType<typeof ground>>

const hops = async (rows: Ground['rows']): Promise<{ gateway: string }[]> =>
  Object.values(await rows(learnedTable(ROUTER))).flat() as { gateway: string }[]

test('a static uplink is a way while BFD is up, without a speaker of BGP', async t => {
  const { engine, punt, write, remove, begin, rows, counters, noted } = await ground(t)
  await remove('bgp-speaker', id(20))
  const uplink = { id: STATIC, router: ROUTER, address: '180.0.1.1', share: 3 }
  await write('create', 'static-uplink', { ...uplink, bfd: { intervalMs: 300, multiplier: 3 } })
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  const speaker = engine.speakers.get(UP)!
  const watched = { address: '180.0.1.1', intervalMs: 300, multiplier: 3, shutdown: false }
  assert.deepEqual([speaker.config, speaker.watched], [null, [watched]])
  assert.deepEqual((punt.rules.get(UP) as { peers: string[] }).peers, ['180.0.1.1'])
  const ways = async () => Object.entries(await rows(learnedTable(ROUTER)))
  const says = async () => (await rows(reportTable(ROUTER)))[`static ${STATIC} gw1/${UP}`]
  assert.deepEqual(await ways(), [])
  speaker.bfd({ '180.0.1.1': 'up' })
  const hop = { port: UP, gateway: '180.0.1.1', share: 3, weight: 100 }
  await eventually(async () =>
    assert.deepEqual(await ways(), [[`${HOST} static-${UP} 0.0.0.0/0`, [hop]]])
  )
  await eventually(async () => assert.equal((await says())?.state, 'up'))
  speaker.bfd({})
  await eventually(async () => assert.deepEqual(await ways(), []))
  await eventually(async () => assert.equal((await says())?.state, 'down'))
  assert.equal(counters.value('bgp.static-flaps'), 1)
  await eventually(() => assert.deepEqual(noted(), ['the static uplink 180.0.1.1 is down']))
  speaker.bfd({ '180.0.1.1': 'up' })
  await eventually(async () => assert.equal((await ways()).length, 1))
  await write('update', 'static-uplink', { ...uplink, adminStateUp: false })
  await eventually(async () => assert.deepEqual(await ways(), []))
  await write('update', 'static-uplink', { ...uplink, prefixes: ['203.0.113.0/24'], weight: 7 })
  await eventually(async () =>
    assert.deepEqual(await ways(), [
      [`${HOST} static-${UP} 203.0.113.0/24`, [{ ...hop, weight: 7 }]]
    ])
  )
  await eventually(async () => assert.equal((await says())?.state, 'unwatched'))
  assert.equal(engine.speakers.size, 0, 'nobody is to be watched')
  await remove('static-uplink', STATIC)
  await eventually(async () => assert.deepEqual(await ways(), []))
  await eventually(async () => assert.equal(await says(), undefined))
})

test('an agent that begins withdraws no static way before BFD has said how it is', async t => {
  const { engine, write, begin, rows } = await ground(t)
  const bfd = { intervalMs: 300, multiplier: 3 }
  await write('create', 'static-uplink', { id: STATIC, router: ROUTER, address: '180.0.1.1', bfd })
  const { gateway, session } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  const speaker = engine.speakers.get(UP)!
  speaker.bfd({ '180.0.1.1': 'up' })
  const ways = async () => Object.keys(await rows(learnedTable(ROUTER)))
  await eventually(async () => assert.equal((await ways()).length, 1))
  await gateway.stop()
  await session.leave()
  await write('update', 'static-uplink', {
    ...{ id: STATIC, router: ROUTER, address: '180.0.1.1', bfd },
    prefixes: ['203.0.113.0/24']
  })
  const next = await begin()
  await eventually(() => assert.equal(next.gateway.uplinks[0]?.state, 'working'))
  assert.deepEqual(await ways(), [`${HOST} static-${UP} 0.0.0.0/0`], 'it may yet be up')
  speaker.bfd({ '180.0.1.1': 'up' })
  await eventually(async () =>
    assert.deepEqual(await ways(), [`${HOST} static-${UP} 203.0.113.0/24`])
  )
})

test('an agent that begins leaves the way by BFD beside one that nobody watches', async t => {
  const { engine, write, begin, rows, noted } = await ground(t)
  const bfd = { intervalMs: 300, multiplier: 3 }
  await write('create', 'static-uplink', { id: STATIC, router: ROUTER, address: '180.0.1.1', bfd })
  const second = { id: id(41), router: ROUTER, address: '180.0.1.7', weight: 200 }
  await write('create', 'static-uplink', second)
  const { gateway, session } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  engine.speakers.get(UP)!.bfd({ '180.0.1.1': 'up' })
  const both = ['180.0.1.1', '180.0.1.7']
  const gateways = async () => (await hops(rows)).map(({ gateway }) => gateway).sort()
  await eventually(async () => assert.deepEqual(await gateways(), both))
  const says = async () => (await rows(reportTable(ROUTER)))[`static ${STATIC} gw1/${UP}`]
  await eventually(async () => assert.equal((await says()).state, 'up'))
  await gateway.stop()
  await session.leave()
  const next = await begin()
  await eventually(() => assert.equal(next.gateway.uplinks[0]?.state, 'working'))
  assert.deepEqual([await gateways(), (await says()).state], [both, 'up'], 'it may yet be up')
  const [first] = next.gateway.uplinks[0]!.statics
  assert.deepEqual([first?.state, first?.reason], ['down', 'BFD has not said yet how it is'])
  assert.deepEqual(noted(), [])
  engine.speakers.get(UP)!.bfd({ '180.0.1.1': 'down' })
  await eventually(async () => assert.deepEqual(await gateways(), ['180.0.1.7']))
  await eventually(async () => assert.equal((await says()).state, 'down'))
})

test('a drain is no failure of a static uplink', async t => {
  const { engine, write, begin, rows, counters } = await ground(t)
  const bfd = { intervalMs: 300, multiplier: 3 }
  await write('create', 'static-uplink', { id: STATIC, router: ROUTER, address: '180.0.1.1', bfd })
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  const speaker = engine.speakers.get(UP)!
  const isWay = (is: boolean) =>
    eventually(async () => assert.equal((await hops(rows)).length, is ? 1 : 0))
  const turn = async (state: 'up' | 'down' | 'admin-down'): Promise<void> => {
    speaker.bfd({ '180.0.1.1': state })
    await isWay(state === 'up')
  }
  await turn('up')
  await write('update', 'host', { id: HOST, name: 'gw1', drain: true })
  await eventually(() => assert.equal(speaker.watched[0]?.shutdown, true))
  await turn('admin-down')
  await write('update', 'host', { id: HOST, name: 'gw1' })
  await eventually(() => assert.equal(speaker.watched[0]?.shutdown, false))
  await turn('up')
  await turn('down')
  await turn('up')
  assert.equal(counters.value('bgp.damped'), 0, 'it has failed once')
})

test('one that nobody watches is none while its port is not active, and says so', async t => {
  const { write, begin } = await ground(t)
  await write('create', 'static-uplink', { id: STATIC, router: ROUTER, address: '180.0.1.7' })
  await write('update', 'port', port(UP, 1, { adminStateUp: false }))
  const { gateway } = await begin()
  await eventually(() => {
    const [uplink] = gateway.uplinks[0]?.statics ?? []
    assert.deepEqual([uplink?.state, uplink?.reason], ['down', 'port-down'])
  })
})

test('what BFD has said of one that went is no word of one that comes', async t => {
  const { engine, write, remove, begin, rows } = await ground(t)
  const bfd = { intervalMs: 300, multiplier: 3 }
  const uplink = { id: STATIC, router: ROUTER, address: '180.0.1.1', bfd }
  await write('create', 'static-uplink', uplink)
  const { gateway } = await begin()
  const isWorking = () => eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  await isWorking()
  engine.speakers.get(UP)!.bfd({ '180.0.1.1': 'up' })
  const ways = async () => Object.keys(await rows(learnedTable(ROUTER))).length
  await eventually(async () => assert.equal(await ways(), 1))
  await remove('static-uplink', STATIC)
  await eventually(() => assert.equal(engine.speakers.size, 0))
  await write('create', 'static-uplink', uplink)
  await isWorking()
  assert.deepEqual([gateway.uplinks[0]?.statics[0]?.state, await ways()], ['down', 0])
  engine.speakers.get(UP)!.bfd({ '180.0.1.1': 'up' })
  await eventually(async () => assert.equal(await ways(), 1))
})

test('where nobody can watch it a static uplink is none, and why; without BFD it is', async t => {
  const { engine, write, begin, rows } = await ground(t)
  engine.fault = new Error('FRR is not installed')
  const bfd = { intervalMs: 300, multiplier: 3 }
  const uplink = { id: STATIC, router: ROUTER, address: '180.0.1.1' }
  await write('create', 'static-uplink', { ...uplink, bfd })
  await write('create', 'static-uplink', { ...uplink, id: id(41), address: '180.0.1.7' })
  await begin()
  const says = async (at: string) => (await rows(reportTable(ROUTER)))[`static ${at} gw1/${UP}`]
  await eventually(async () =>
    assert.deepEqual(await says(STATIC), { state: 'down', reason: 'FRR is not installed' })
  )
  assert.deepEqual(await says(id(41)), { state: 'unwatched' })
  const [hops] = Object.values(await rows(learnedTable(ROUTER)))
  assert.deepEqual(hops, [{ port: UP, gateway: '180.0.1.7', weight: 100 }])
})

const ONE = { '172.16.0.0/16': ['180.0.1.1'], '172.17.0.0/16': ['180.0.1.1', '180.0.1.9'] }
const NONE = { '172.16.0.0/16': [], '172.17.0.0/16': ['180.0.1.9'] }

/** A peer that has told two prefixes; `lasts`: next hops, and how many of them are taken last. */
async function learning(t: Parameters<typeof ground>[0], more: Parameters<typeof ground>[1]) {
  const { engine, write, begin, peerOf, rows, ...rest } = await ground(t, more)
  await write('create', 'bgp-peer', peerOf())
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  const speaker = engine.speakers.get(UP)!
  speaker.states = [{ state: 'established', upSinceMs: 0 }]
  speaker.learn(ONE)
  const flap = (): void => {
    speaker.learn(NONE)
    speaker.learn(ONE)
  }
  const lasts = (count: number, last: number): Promise<void> =>
    eventually(async () => {
      const hops = Object.values(await rows(learnedTable(ROUTER))).flat() as { weight?: number }[]
      const heavy = hops.filter(({ weight = 0 }) => weight > 100_000)
      assert.deepEqual([hops.length, heavy.length], [count, last])
    })
  return { ...rest, speaker, flap, lasts, write, peerOf }
}

test('a next hop that was lost twice is taken last, and it is said', async t => {
  const held = { dampFirstMs: 3_600_000, dampMaxMs: 3_600_000 }
  const { speaker, flap, lasts, counters, noted, write, peerOf, config } = await learning(t, held)
  speaker.learn({ '172.16.0.0/16': [] }) // another leads by it still
  speaker.learn(ONE)
  flap()
  await lasts(3, 0) // the first costs nothing
  assert.equal(counters.value('bgp.damped'), 0)
  flap()
  await lasts(3, 2)
  assert.equal(counters.value('bgp.damped'), 1)
  const sentence = '180.0.1.1 is taken last, damped for 3600 s: 2 flaps'
  await eventually(() => assert.deepEqual(noted(), [sentence]))
  speaker.learn(NONE)
  await lasts(1, 0)
  await write('update', 'bgp-peer', peerOf({ adminStateUp: false }))
  await eventually(() => assert.equal(config()?.peers[0]?.shutdown, true))
  await write('update', 'bgp-peer', peerOf())
  await eventually(() => assert.deepEqual(noted(), []))
  speaker.learn(ONE)
  await lasts(3, 0) // what was shut on purpose is no failure
})

test('it is as before once it has been steady', async t => {
  const { flap, lasts, counters } = await learning(t, { dampFirstMs: 10 })
  for (let i = 0; i < 5; i++) flap()
  await lasts(3, 0)
  assert.equal(counters.value('bgp.damped'), 4)
})
