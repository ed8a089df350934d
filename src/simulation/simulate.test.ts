// The walk, with devices that do as they are told: every way it can end, and every bound it keeps.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ActionType } from '../flow/actions.ts'
import { extract } from '../flow/extract.ts'
import { WORDS, Word } from '../flow/key.ts'
import { deviceTag, egressTag, tagOf } from '../flow/tag.ts'
import { eth } from '../wire/builder.ts'
import { BRANCHES_MAX } from './branches.ts'
import { SimulationContext } from './context.ts'
import type { Device, Port, Topology } from './device.ts'
import { HOPS_MAX, simulate, simulateEgress } from './simulate.ts'
import { LineTrace } from './trace.ts'
import { CachePolicy, Verdict } from './verdict.ts'

type Does = (ctx: SimulationContext) => Verdict

class Town implements Topology {
  readonly filterKind = 'filter'
  readonly ports = new Map<string, Port | null>()
  readonly devices = new Map<string, (Device & { refused: number }) | null>()

  port(id: string): Port | undefined | null {
    return this.ports.get(id)
  }
  device(_kind: string, id: string): Device | undefined | null {
    return this.devices.get(id)
  }

  add(id: string, device: string, fields: Partial<Port> = {}): void {
    const filters = { inFilter: null, outFilter: null, services: [] }
    const place = {
      peer: null,
      host: 'h',
      previousHost: null,
      active: true,
      attended: true,
      ...filters
    }
    const common = {
      kind: 'box',
      isUplink: false,
      device,
      adminStateUp: true,
      security: null,
      vlan: 0,
      mac: 0,
      addresses: [],
      own: {}
    }
    const tags = { tag: deviceTag(id), egress: egressTag(id) }
    const number = this.ports.size + 1
    this.ports.set(id, { id, number, name: id, ...place, ...common, ...tags, ...fields })
  }

  box(id: string, does: Does): { refused: number } {
    const device = { id, process: does, refused: 0, refuse: () => void device.refused++ }
    this.devices.set(id, device)
    return device
  }
}

const FRAME = eth('02:00:00:00:00:0a', '02:00:00:00:00:0b')
  .ipv4('10.0.0.1', '10.0.0.2', { ttl: 9 })
  .udp(1, 2)
  .frame()

type Walked = { ctx: SimulationContext; verdict: Verdict }

function enter(town: Town, port = 'in', frame = FRAME, isLate = false): Walked {
  const ctx = new SimulationContext(town)
  const words = new Int32Array(WORDS)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  extract(words, 0, 1, 0, 0, view, 0, frame.length)
  ctx.key.load(words, 0)
  ctx.begin(5, view, 0, frame.length)
  ctx.fragments.isLate = isLate
  return { ctx, verdict: simulate(ctx, port) }
}

// in ─ d ─ a, b, c: three ports with interfaces
function town(does: Does): Town {
  const town = new Town()
  for (const id of ['in', 'a', 'b', 'c']) town.add(id, 'd')
  town.box('d', does)
  return town
}
const outputs = (ctx: SimulationContext): string[] => ctx.outcome.outPorts.map(({ id }) => id)
const types = (ctx: SimulationContext): number[] =>
  Array.from({ length: ctx.outcome.actions.count }, (_, i) => ctx.outcome.actions.type(i))
const tags = (ctx: SimulationContext): number[] => ctx.outcome.tags.slice(0, ctx.outcome.tagCount)

test('a packet forwarded to an interface ends in an output, and depends on both ports', () => {
  const { ctx, verdict } = enter(town(ctx => ctx.forward('a')))
  assert.equal(verdict, Verdict.forward)
  assert.deepEqual(outputs(ctx), ['a'])
  assert.deepEqual(tags(ctx), [deviceTag('in'), deviceTag('a')])
  assert.deepEqual(
    [ctx.outcome.cacheable, ctx.entry, ctx.outcome.cachePolicy],
    [true, 'in', CachePolicy.normal]
  )
  const mask = new Int32Array(WORDS)
  mask[Word.vlans] = 0xffff0000 | 0 // whether its tag is one
  assert.deepEqual(ctx.key.mask, mask)
})

test('a link leads to the next device; a port with neither link nor interface to nowhere', () => {
  const streets = town(ctx => ctx.forward('a'))
  streets.add('a', 'd', { host: null, peer: 'z' })
  streets.add('z', 'e', { host: null, peer: 'a' })
  streets.add('out', 'e')
  streets.box('e', ctx => ctx.forward(ctx.inPort.id === 'z' ? 'out' : 'z'))
  assert.deepEqual(outputs(enter(streets).ctx), ['out'])
  streets.add('out', 'e', { host: null })
  const { ctx, verdict } = enter(streets)
  assert.deepEqual([verdict, ctx.outcome.dropReason], [Verdict.drop, 'simulation.port-unbound'])
})

test('each branch of a flood begins with the packet as it was flooded', () => {
  const streets = town(ctx => ctx.flood(['in', 'a', 'b', 'c']))
  streets.add('b', 'd', { host: null, peer: 'z' })
  streets.add('z', 'e', { host: null, peer: 'b' })
  streets.add('out', 'e')
  streets.box('e', ctx => {
    ctx.key.ethDst = 0x020000000099
    ctx.decrementTtl()
    return ctx.forward('out')
  })
  const { ctx } = enter(streets)
  assert.deepEqual(outputs(ctx), ['a', 'out', 'c'])
  const { output, setEthDst, addTtl } = ActionType
  const wanted = [output, setEthDst, addTtl, output, setEthDst, addTtl, output]
  assert.deepEqual(types(ctx), wanted)
  assert.deepEqual(
    [ctx.outcome.actions.w(2, 0), ctx.outcome.actions.w(5, 0), ctx.outcome.ttlMin],
    [-1, 1, 1]
  )
  assert.equal(ctx.key.mask[Word.ethDstHi], -1) // put back: it must be what it was
})

test('one branch that is dropped does not keep the others', () => {
  const streets = town(ctx => ctx.flood(['a', 'b', 'c']))
  streets.add('b', 'd', { adminStateUp: false })
  const { ctx, verdict } = enter(streets)
  assert.deepEqual([verdict, outputs(ctx)], [Verdict.forward, ['a', 'c']])
  const nobody = enter(town(ctx => ctx.flood(['in'])))
  assert.deepEqual(
    [nobody.verdict, nobody.ctx.outcome.dropReason],
    [Verdict.drop, 'simulation.no-output']
  )
})

test('a port that is down refuses, and its device may say so', () => {
  const streets = town(ctx => ctx.forward('a'))
  const box = streets.box('d', ctx => ctx.forward('a'))
  streets.add('a', 'd', { adminStateUp: false })
  assert.equal(enter(streets).ctx.outcome.dropReason, 'simulation.port-down')
  assert.equal(box.refused, 1)
  streets.add('in', 'd', { adminStateUp: false })
  const { ctx, verdict } = enter(streets)
  assert.deepEqual([verdict, ctx.outcome.cacheable, box.refused], [Verdict.drop, true, 2])
})

test('a packet that goes round is dropped after so many hops', () => {
  const streets = town(ctx => ctx.forward('a'))
  streets.add('a', 'd', { host: null, peer: 'in' })
  const { ctx, verdict } = enter(streets)
  assert.deepEqual([verdict, ctx.outcome.dropReason], [Verdict.drop, 'simulation.loop'])
  assert.deepEqual([ctx.hops, ctx.outcome.cachePolicy], [HOPS_MAX + 1, CachePolicy.short])
})

test('a flood that floods itself ends at the bound of branches, uncached', () => {
  const streets = town(ctx => ctx.flood(['a', 'b', 'c']))
  streets.add('a', 'd', { host: null, peer: 'x' })
  streets.add('b', 'd', { host: null, peer: 'y' })
  streets.add('x', 'd', { host: null, peer: 'a' })
  streets.add('y', 'd', { host: null, peer: 'b' })
  const { ctx, verdict } = enter(streets)
  assert.deepEqual([verdict, ctx.outcome.cacheable], [Verdict.forward, false])
  assert.ok(ctx.outcome.outPorts.length <= BRANCHES_MAX)
})

test('what is not known yet is waited for, by name; nothing has been sent', () => {
  const streets = town(ctx => ctx.flood(['a', 'missing']))
  const { ctx, verdict } = enter(streets)
  assert.deepEqual([verdict, ctx.outcome.waitingFor], [Verdict.postpone, 'port/missing'])
  assert.equal(enter(streets, 'nowhere').ctx.outcome.waitingFor, 'port/nowhere')
  streets.devices.delete('d')
  assert.equal(enter(streets).ctx.outcome.waitingFor, 'box/d')
})

test('what does not exist drops the packet, for a short time', () => {
  const streets = town(ctx => ctx.forward('gone'))
  streets.ports.set('gone', null)
  streets.ports.set('never', null)
  for (const port of ['in', 'never']) {
    const { ctx, verdict } = enter(streets, port)
    assert.deepEqual([verdict, ctx.outcome.dropReason], [Verdict.drop, 'simulation.no-such-port'])
    assert.equal(ctx.outcome.cachePolicy, CachePolicy.short)
  }
  streets.devices.set('d', null)
  assert.equal(enter(streets).ctx.outcome.dropReason, 'simulation.no-such-device')
})

test('filters are asked at the way in and at the way out', () => {
  const streets = town(ctx => ctx.forward('a'))
  const asked: string[] = []
  streets.box('pass', ctx => {
    asked.push(`${ctx.inPort.id} ${ctx.outPort?.id ?? '-'}`)
    return Verdict.forward
  })
  streets.add('in', 'd', { inFilter: 'pass' })
  streets.add('a', 'd', { outFilter: 'pass' })
  assert.deepEqual(outputs(enter(streets).ctx), ['a'])
  assert.deepEqual(asked, ['in -', 'in a'])
  streets.box('pass', ctx => ctx.drop('test.no'))
  assert.equal(enter(streets).ctx.outcome.dropReason, 'test.no')
  streets.devices.delete('pass')
  assert.equal(enter(streets).ctx.outcome.waitingFor, 'filter/pass')
  streets.devices.set('pass', null)
  assert.equal(enter(streets).ctx.outcome.dropReason, 'simulation.no-such-filter')
})

test('B4: what a filter cannot say without the first fragment, nobody behind it is asked', () => {
  let visits = 0
  const streets = town(ctx => {
    visits++
    return ctx.forward('a')
  })
  const state: string[] = []
  streets.box('pass', ctx => {
    state.push(ctx.connectionState)
    return Verdict.forward
  })
  streets.add('in', 'd', { inFilter: 'pass' })
  const later = eth('02:00:00:00:00:0a', '02:00:00:00:00:0b')
    .ipv4('10.0.0.1', '10.0.0.2', { id: 7, fragmentOffset: 64, protocol: 17 })
    .payload(16)
    .frame()
  const early = enter(streets, 'in', later)
  assert.deepEqual(
    [early.verdict, early.ctx.outcome.waitingFor],
    [Verdict.postpone, 'first fragment']
  )
  assert.deepEqual([visits, outputs(early.ctx)], [0, []])
  const late = enter(streets, 'in', later, true)
  assert.deepEqual([visits, outputs(late.ctx)], [1, ['a']])
  assert.deepEqual(state, ['untracked', 'untracked'])
})

test('a service at a port sees packets before filter and device, whichever way they go', () => {
  const streets = town(ctx => ctx.forward('a'))
  const said: (Verdict | null)[] = [null, null]
  const box = streets.box('s', ctx => ctx.drop('test.no'))
  Object.assign(box, { take: () => said[0], undo: () => said[1] })
  streets.box('no', ctx => ctx.drop('test.filtered'))
  const services = [{ kind: 'helper', id: 's' }]
  streets.add('in', 'd', { services, inFilter: 'no' })
  const reason = (): string => enter(streets).ctx.outcome.dropReason
  assert.equal(reason(), 'test.filtered', 'it is not for it')
  said[0] = Verdict.forward
  assert.deepEqual(outputs(enter(streets).ctx), ['a'], 'the filter is not asked')
  assert.ok(tags(enter(streets).ctx).includes(deviceTag('s')))
  said[0] = Verdict.consume
  assert.equal(enter(streets).verdict, Verdict.consume)
  streets.add('in', 'd')
  streets.add('a', 'd', { services, outFilter: 'no' })
  assert.equal(reason(), 'test.filtered')
  said[1] = Verdict.forward
  assert.deepEqual(outputs(enter(streets).ctx), ['a'])
  streets.devices.delete('s')
  assert.equal(enter(streets).ctx.outcome.waitingFor, 'helper/s')
  streets.devices.set('s', null)
  assert.equal(reason(), 'test.filtered', 'one that is gone is as none')
})

test('a rejection is told to the device the packet was in', () => {
  const streets = town(ctx => ctx.forward('a'))
  const box = streets.box('d', ctx => ctx.forward('a'))
  streets.box('no', ctx => ctx.reject('test.no'))
  streets.add('a', 'd', { outFilter: 'no' })
  const { ctx, verdict } = enter(streets)
  assert.deepEqual([verdict, ctx.outcome.dropReason, box.refused], [Verdict.drop, 'test.no', 1])
  assert.equal(ctx.outcome.cachePolicy, CachePolicy.short)
})

test('who keeps a packet, reads its bytes or lets its TTL run out makes no flow', () => {
  const kept = enter(town(ctx => ctx.consume()))
  assert.deepEqual([kept.verdict, kept.ctx.outcome.cacheable], [Verdict.consume, false])
  const read = enter(town(ctx => (ctx.bytes() === undefined ? ctx.drop('x.y') : ctx.forward('a'))))
  assert.deepEqual([read.verdict, read.ctx.outcome.cacheable], [Verdict.forward, false])
  const old = enter(
    town(ctx => {
      while (ctx.decrementTtl()) {}
      return ctx.drop('x.old')
    })
  )
  assert.deepEqual([old.ctx.outcome.cacheable, old.ctx.outcome.ttlMin], [false, 8])
})

test('what a walk learns after it has asked makes its own outcome old', () => {
  const tag = tagOf('mac')
  const before = enter(
    town(ctx => {
      ctx.tag(tag)
      ctx.invalidate(tag)
      return ctx.forward('a')
    })
  )
  const later = enter(
    town(ctx => {
      ctx.invalidate(tag)
      ctx.tag(tag)
      return ctx.forward('a')
    })
  )
  assert.deepEqual([before.ctx.outcome.cacheable, later.ctx.outcome.cacheable], [false, true])
  assert.deepEqual(later.ctx.outcome.stale, [tag])
})

test('an outcome that depends on more than can be written down is not kept', () => {
  const many = enter(
    town(ctx => {
      for (let i = 0; i < 5000; i++) ctx.tag(i)
      return ctx.forward('a')
    })
  )
  assert.equal(many.ctx.outcome.cacheable, false)
  const twice = enter(
    town(ctx => {
      for (let i = 0; i < 20; i++) ctx.tag(7)
      return ctx.forward('a')
    })
  )
  assert.equal(twice.ctx.outcome.tagCount, 3)
})

test('a frame of a device leaves by its port, makes no flow, and is never refused aloud', () => {
  const streets = town(ctx => ctx.drop('x.y'))
  const box = streets.box('d', ctx => ctx.drop('x.y'))
  const ctx = new SimulationContext(streets)
  ctx.begin(0, new DataView(FRAME.buffer), 0, FRAME.length)
  assert.equal(simulateEgress(ctx, 'a'), Verdict.forward)
  assert.deepEqual([outputs(ctx), ctx.outcome.cacheable, ctx.entry], [['a'], false, ''])
  // Out of a port of its own that is closed it may go, but not through another's.
  streets.add('a', 'd', { adminStateUp: false })
  ctx.begin(0, null, 0, 0)
  assert.equal(simulateEgress(ctx, 'a'), Verdict.forward)
  streets.add('a', 'd', { host: null, peer: 'z' })
  streets.add('z', 'd', { adminStateUp: false })
  ctx.begin(0, null, 0, 0)
  assert.equal(simulateEgress(ctx, 'a'), Verdict.drop)
  assert.equal(box.refused, 0)
  ctx.begin(0, null, 0, 0)
  assert.equal(simulateEgress(ctx, 'missing'), Verdict.postpone)
})

test('a trace is the walk in lines, and changes nothing of it', () => {
  const plain = enter(town(ctx => ctx.forward('a'))).ctx
  const streets = town(ctx => ctx.forward('a'))
  const ctx = new SimulationContext(streets)
  const trace = new LineTrace()
  ctx.trace = trace
  ctx.key.copy(plain.arrived)
  ctx.begin(5, new DataView(FRAME.buffer), 0, FRAME.length)
  simulate(ctx, 'in')
  assert.deepEqual(
    trace.lines.map(line => line.slice(0, 6).trim()),
    ['in   i', 'out  a', 'send a']
  )
  assert.ok(ctx.outcome.actions.equals(plain.outcome.actions))
  assert.deepEqual(ctx.key.mask, plain.key.mask)
})

test('the frame as it stands carries every edit of the walk', () => {
  let seen: Uint8Array | undefined
  enter(
    town(ctx => {
      ctx.key.ethSrc = 0x020000000077
      ctx.decrementTtl()
      seen = ctx.frame()
      return ctx.consume()
    })
  )
  assert.deepEqual([seen![11], seen![22]], [0x77, 8])
})
