// A gateway on a real store: which ports it speaks for, what it tells its engine, what it learns,
// and what it leaves to the next agent. The engine is played (fixture.test.ts).

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { activeTable } from '../../src/topology/ports/port-status.ts'
import { eventually } from '../../test/store/ground.ts'
import { learnedTable } from '../router/token.ts'
import { MemorySpeaker } from './fixture.test.ts'
import { ground, HOST, id, OTHER, PEER, port, ROUTER, UP, UP2 } from './ground.test.ts'
import { reportTable } from './table.ts'

test('a first peer brings a speaker up; without the last one all of it goes', async t => {
  const { engine, punt, write, remove, begin, peerOf, config, rows } = await ground(t)
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'none'))
  assert.equal(engine.speakers.size, 0)
  await write('create', 'bgp-peer', peerOf())
  await eventually(() => assert.deepEqual(config()?.networks, ['200.0.0.0/24']))
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  assert.deepEqual(punt.rules.get(UP), {
    ...{ interface: `mzu${UP.slice(0, 8)}`, addresses: ['180.0.1.2'] },
    ...{ peers: ['180.0.1.1'], services: [] }
  })
  await write('update', 'bgp-peer', peerOf({ asn: 65_102 }))
  await eventually(() => assert.equal(config()?.peers[0]?.asn, 65_102))
  assert.equal(engine.speakers.get(UP)?.opened, 1, 'by difference')
  await remove('bgp-peer', PEER)
  await eventually(() => assert.equal(engine.speakers.size, 0))
  assert.equal(punt.rules.size, 0)
  await eventually(async () => assert.deepEqual(await rows(reportTable(ROUTER)), {}))
})

test('what is learned is put, changed, and withdrawn with the session or the port', async t => {
  const { store, engine, write, begin, peerOf, rows, counters } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  const { gateway } = await begin()
  const learned = async (expected: Record<string, string[]>) =>
    eventually(async () => {
      const found = Object.entries(await rows(learnedTable(ROUTER))).map(([key, hops]) => [
        key.split(' ')[2],
        (hops as { gateway: string }[]).map(({ gateway }) => gateway)
      ])
      assert.deepEqual(Object.fromEntries(found), expected)
    })
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  const speaker = engine.speakers.get(UP)!
  speaker.learn({ '172.16.0.0/16': ['180.0.1.1'], '172.17.0.0/16': ['180.0.1.1', '180.0.1.9'] })
  await learned({ '172.16.0.0/16': ['180.0.1.1'], '172.17.0.0/16': ['180.0.1.1', '180.0.1.9'] })
  speaker.learn({ '172.17.0.0/16': [], '200.0.0.0/24': ['180.0.1.1'] })
  await learned({ '172.16.0.0/16': ['180.0.1.1'] }) // and nobody is led to us by a peer
  assert.equal(counters.value('bgp.routes-ours'), 1)
  assert.deepEqual(gateway.uplinks[0]?.refused, [
    { prefix: '200.0.0.0/24', within: '200.0.0.0/24', isLink: false }
  ])
  await store.write([{ op: 'delete', kind: 'bgp-network', id: id(30) }])
  await learned({ '172.16.0.0/16': ['180.0.1.1'], '200.0.0.0/24': ['180.0.1.1'] })
  await write('update', 'port', port(UP, 1, { host: OTHER, previousHost: HOST }))
  await learned({})
  await eventually(() => assert.equal(engine.speakers.size, 0, 'it is bound elsewhere'))
})

test('nobody is led by a peer to a part of what is ours, as long as it is ours', async t => {
  const { engine, write, remove, begin, peerOf, rows, counters } = await ground(t)
  const INNER = id(6)
  const inner = { addresses: ['10.0.1.1/24'], host: undefined, interface: undefined }
  await write('create', 'port', port(INNER, 6, inner))
  await write('create', 'bgp-peer', peerOf())
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  const learned = (...expected: string[]) =>
    eventually(async () => {
      const keys = Object.keys(await rows(learnedTable(ROUTER))).map(key => key.split(' ')[2])
      assert.deepEqual(keys.sort(), expected.sort())
    })
  const told = ['0.0.0.0/0', '10.0.0.0/8', '10.0.1.128/25', '200.0.0.7/32', '180.0.1.0/24']
  engine.speakers.get(UP)!.learn(Object.fromEntries(told.map(each => [each, ['180.0.1.1']])))
  await learned('0.0.0.0/0', '10.0.0.0/8')
  assert.equal(counters.value('bgp.routes-ours'), 3)
  const [status] = gateway.uplinks
  assert.deepEqual([status?.routes, status?.refusedCount, status?.defaults], [5, 3, ['IPv4']])
  await remove('port', INNER)
  await learned('0.0.0.0/0', '10.0.0.0/8', '10.0.1.128/25')
  engine.speakers.get(UP)!.learn({ '0.0.0.0/0': [], '200.0.0.7/32': [] })
  await learned('10.0.0.0/8', '10.0.1.128/25')
  assert.deepEqual([gateway.uplinks[0]?.refusedCount, gateway.uplinks[0]?.defaults], [1, []])
})

test('sessions are told in the shared table, and counted when they flap', async t => {
  const { engine, write, begin, peerOf, rows, counters } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  const says = (expected: object) =>
    eventually(async () => {
      const key = `peer ${PEER} gw1/${UP}`
      assert.deepEqual((await rows(reportTable(ROUTER)))[key], expected)
    })
  const speaker = engine.speakers.get(UP)!
  speaker.states = [{ state: 'active', lastError: 'no route to host' }]
  await says({ state: 'active', reason: 'no route to host' })
  const up = { state: 'established', upSinceMs: 0, prefixesReceived: 2, bfd: 'up' } as const
  speaker.states = [up]
  const shown = { state: 'established', since: '1970-01-01T00:00:00.000Z', received: 2, sent: 0 }
  await says({ ...shown, bfd: 'up' })
  speaker.states = [{ ...up, flaps: 2 }]
  await eventually(() => assert.equal(counters.value('bgp.flaps'), 2))
  await write('update', 'bgp-peer', peerOf({ adminStateUp: false }))
  await says({ state: 'down', reason: 'adminStateUp is false' })
})

test('an agent that goes leaves all as it is; the next adopts what is not stale', async t => {
  const { engine, punt, write, begin, peerOf, config, rows } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  const { gateway, session } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  engine.speakers.get(UP)!.learn({ '172.16.0.0/16': ['180.0.1.1'], '172.17.0.0/16': ['180.0.1.1'] })
  await eventually(async () =>
    assert.equal(Object.keys(await rows(learnedTable(ROUTER))).length, 2)
  )
  await gateway.stop()
  await session.leave()
  const networks = config()?.networks
  assert.deepEqual([networks, punt.rules.size], [['200.0.0.0/24'], 1])
  assert.equal(Object.keys(await rows(learnedTable(ROUTER))).length, 2, 'until its session expires')
  await write('create', 'bgp-network', { id: id(31), router: ROUTER, prefix: '200.0.1.0/24' })
  const next = await begin(false)
  const speaker = engine.speakers.get(UP)!
  await eventually(() => assert.equal(speaker.opened, 2))
  assert.equal(speaker.applied, 1, 'not before it has the state of its flows')
  await next.session.table(activeTable(HOST)).put(UP, HOST)
  await eventually(() => assert.equal(next.gateway.uplinks[0]?.state, 'working'))
  assert.deepEqual([speaker.applied, config()?.networks.length], [2, 2])
  speaker.learn({ '172.16.0.0/16': ['180.0.1.1'] }, false)
  assert.equal(Object.keys(await rows(learnedTable(ROUTER))).length, 2, 'not all has been told')
  speaker.learn({})
  await eventually(async () => {
    const keys = Object.keys(await rows(learnedTable(ROUTER)))
    assert.deepEqual(keys, [`${HOST} bgp-${UP} 172.16.0.0/16`])
  })
})

test('a new speaker announces nothing before this agent has its port active', async t => {
  const { store, write, begin, peerOf, config, rows } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  const earlier = await store.fork('an agent whose machine has died')
  await earlier.table(activeTable(HOST)).put(UP, HOST)
  await earlier.leave()
  const { session } = await begin(false)
  await eventually(() => assert.equal(config()?.peers.length, 1))
  assert.deepEqual(config()?.networks, [])
  const key = `network ${id(30)} gw1/${UP}`
  await eventually(async () =>
    assert.deepEqual((await rows(reportTable(ROUTER)))[key]?.reasons, ['port-inactive'])
  )
  await session.table(activeTable(HOST)).put(UP, HOST)
  await eventually(() => assert.deepEqual(config()?.networks, ['200.0.0.0/24']))
})

test('what is not given to a speaker yet is announced by nobody', async t => {
  const { engine, write, begin, peerOf, rows } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  let open: () => void = () => {}
  engine.gate = new Promise(done => (open = done))
  await begin()
  const says = (report: object) =>
    eventually(async () =>
      assert.deepEqual((await rows(reportTable(ROUTER)))[`network ${id(30)} gw1/${UP}`], report)
    )
  await says({ announced: false, reasons: ['opening'] })
  open()
  await says({ announced: true })
})

test('a daemon that is asked in vain holds up no other, and none is said to be up', async t => {
  const { engine, write, begin, peerOf } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  await write('create', 'port', port(UP2, 2))
  await write('create', 'bgp-peer', peerOf({ id: id(11), address: '180.0.2.1' }))
  const { gateway, session } = await begin()
  await session.table(activeTable(HOST)).put(UP2, HOST)
  const state = (i: number) => gateway.uplinks[i]?.sessions[0]?.state
  await eventually(() => assert.deepEqual([state(0), state(1)], ['connect', 'connect']))
  const [first, second] = [engine.speakers.get(UP)!, engine.speakers.get(UP2)!]
  first.answer = () => new Promise(() => {})
  second.states = [{ state: 'established' }]
  await eventually(() => assert.equal(state(1), 'established'))
  second.answer = () => Promise.reject(new Error('it does not answer'))
  await eventually(() => assert.equal(state(1), 'idle'))
  assert.match(gateway.uplinks[1]!.sessions[0]!.lastError!, /not known: it does not answer/)
})

test('what is left of ports that are not ours any more is removed at start', async t => {
  const { engine, write, begin, peerOf } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  await write('create', 'port', port(UP2, 2, { host: OTHER }))
  const place = { mac: '02:4d:00:00:00:09', addresses: [], packetNetns: null }
  for (const left of [UP, UP2, id(9)]) await engine.open({ port: left, ...place })
  const { gateway } = await begin()
  await eventually(() => assert.deepEqual([...engine.speakers.keys()], [UP]))
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
})

test('an address that changes opens it anew where it stands; two ports are two', async t => {
  const { engine, write, begin, peerOf, config } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  await write('create', 'port', port(UP2, 2))
  await write('create', 'bgp-peer', peerOf({ id: id(11), address: '180.0.2.1' }))
  const { session } = await begin()
  await session.table(activeTable(HOST)).put(UP2, HOST)
  await eventually(() => assert.equal(engine.speakers.get(UP2)?.config?.routerId, '180.0.2.2'))
  await eventually(() => assert.equal(config()?.routerId, '180.0.1.2'))
  await write('update', 'port', port(UP, 1, { addresses: ['180.0.1.3/24', '2001:db8::2/64'] }))
  await eventually(() => assert.equal(config()?.routerId, '180.0.1.3'))
  assert.equal(engine.speakers.get(UP)?.opened, 2)
  assert.equal(engine.speakers.get(UP2)?.opened, 1)
})

test('a fault is said, tried again, and over when it is over', async t => {
  const { engine, write, begin, peerOf, rows, counters, noted } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  engine.fault = new Error('FRR is not installed')
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.reason, 'FRR is not installed'))
  await eventually(async () => {
    const said = await rows(reportTable(ROUTER))
    assert.equal(said[`peer ${PEER} gw1/${UP}`]?.reason, 'FRR is not installed')
    assert.equal(said[`network ${id(30)} gw1/${UP}`]?.announced, false)
  })
  assert.ok(counters.value('bgp.faults') > 0)
  await eventually(() => assert.deepEqual(noted(), ['FRR is not installed']))
  engine.fault = undefined
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  const connecting = ['no BGP session with 180.0.1.1, it is connect']
  await eventually(() => assert.deepEqual(noted(), connecting))
})

test('where no packets can be led to it, nothing is left standing', async t => {
  const { engine, punt, write, begin, peerOf } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  punt.fault = new Error('the memory datapath has no namespaces')
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.reason, punt.fault?.message))
  assert.equal(engine.speakers.size, 0)
  punt.fault = undefined
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  punt.fault = new Error('not now')
  await write('update', 'bgp-peer', peerOf({ address: '180.0.1.9' }))
  await eventually(() => assert.equal(gateway.uplinks[0]?.reason, 'not now'))
  assert.equal(engine.speakers.size, 1, 'one that was heard stays')
})

test('a drained host says so, then announces nothing and is the last way out', async t => {
  const { engine, write, begin, peerOf, config, rows } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  engine.speakers.get(UP)!.learn({ '172.16.0.0/16': ['180.0.1.1'] })
  await write('update', 'host', { id: HOST, name: 'gw1', drain: true })
  await eventually(() =>
    assert.deepEqual(config()?.peers[0]?.export.communities, ['graceful-shutdown'])
  )
  await eventually(() => assert.deepEqual(config()?.networks, []))
  await eventually(async () => {
    const [hops] = Object.values(await rows(learnedTable(ROUTER)))
    assert.ok((hops as { weight?: number }[])[0]!.weight! > 100)
    const network = (await rows(reportTable(ROUTER)))[`network ${id(30)} gw1/${UP}`]
    assert.deepEqual(network, { announced: false, reasons: ['host-drained'] })
  })
  await write('update', 'host', { id: HOST, name: 'gw1' })
  await eventually(() => assert.deepEqual(config()?.networks, ['200.0.0.0/24']))
  assert.equal(config()?.peers[0]?.export.communities, undefined)
})

test('one that no other host answers announces nothing, unless it serves by itself', async t => {
  const { others, write, begin, peerOf, config, rows, noted, store } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  const { session } = await begin()
  await eventually(() => assert.deepEqual(config()?.networks, ['200.0.0.0/24']))
  others.push({ host: OTHER, alive: false, agentAlive: false })
  await eventually(() => assert.deepEqual(config()?.networks, []))
  await eventually(async () => {
    const network = (await rows(reportTable(ROUTER)))[`network ${id(30)} gw1/${UP}`]
    assert.deepEqual(network, { announced: false, reasons: ['cut-off'] })
  })
  await eventually(() => assert.ok(noted().some(note => note.startsWith('cut off'))))
  others[0] = { host: OTHER, alive: true, agentAlive: false }
  await eventually(() => assert.deepEqual(config()?.networks, ['200.0.0.0/24']))
  others[0] = { host: OTHER, alive: false, agentAlive: false }
  await eventually(() => assert.deepEqual(config()?.networks, []))
  const [bridge, vm] = [id(40), id(41)]
  await store.write([
    { op: 'create', kind: 'bridge', value: { id: bridge } },
    {
      ...{ op: 'create', kind: 'port' },
      value: { id: vm, type: 'bridge', device: bridge, host: HOST, interface: 'vm0' }
    }
  ])
  await session.table(activeTable(HOST)).put(vm, HOST)
  await eventually(() => assert.deepEqual(config()?.networks, ['200.0.0.0/24']))
})

test('a port that goes while its speaker is opened announces nothing any more', async t => {
  const { engine, begin, write, peerOf } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  const gate = Promise.withResolvers<void>()
  engine.gate = gate.promise
  const { gateway } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'opening'))
  await write('update', 'port', port(UP, 1, { host: OTHER }))
  await eventually(() => assert.deepEqual(gateway.uplinks, []))
  const speaker = new MemorySpeaker({ port: UP, mac: '', addresses: [], packetNetns: null })
  engine.speakers.set(UP, speaker)
  gate.resolve()
  await eventually(() => assert.equal(engine.speakers.size, 0))
  assert.deepEqual([speaker.opened, speaker.applied], [1, 0])
})

test('what an agent has said of a session stands until the next one has asked', async t => {
  const { engine, write, begin, peerOf, rows } = await ground(t)
  await write('create', 'bgp-peer', peerOf())
  const { gateway, session } = await begin()
  await eventually(() => assert.equal(gateway.uplinks[0]?.state, 'working'))
  const speaker = engine.speakers.get(UP)!
  speaker.states = [{ state: 'established', upSinceMs: 0 }]
  const says = async () => (await rows(reportTable(ROUTER)))[`peer ${PEER} gw1/${UP}`]?.state
  await eventually(async () => assert.equal(await says(), 'established'))
  await gateway.stop()
  await session.leave()
  const gate = Promise.withResolvers<void>()
  speaker.answer = () => gate.promise
  const next = await begin()
  await eventually(() => assert.equal(next.gateway.uplinks[0]?.state, 'working'))
  assert.equal(await says(), 'established')
  speaker.states = [{ state: 'connect' }]
  gate.resolve()
  await eventually(async () => assert.equal(await says(), 'connect'))
})

test('rules go with the place that an agent left, and those of other plugins do not', async t => {
  const { engine, punt, begin, write } = await ground(t)
  await write('create', 'port', port(UP2, 2))
  await engine.open({ port: UP, mac: '02:4d:00:00:00:01', addresses: [], packetNetns: null })
  punt.rules.set(UP, {}) // of an agent that went before it had taken them back
  punt.rules.set(UP2, {}) // of another plugin
  const { session } = await begin()
  await session.table(activeTable(HOST)).put(UP2, HOST)
  await eventually(() => assert.deepEqual([...punt.rules.keys()], [UP2]))
  await eventually(() => assert.equal(engine.speakers.size, 0))
  await write('update', 'port', port(UP2, 3))
  assert.deepEqual([...punt.rules.keys()], [UP2])
})
