// Checks of members through the virtual network: outcomes, damping, the checker and its successor.
// Members are servers of a few lines that answer what comes out of their ports.

import assert from 'node:assert/strict'
import test from 'node:test'
import type { Plugin } from '../../../src/plugin.ts'
import { eth, type PacketBuilder } from '../../../src/wire/builder.ts'
import type { WorldObject } from '../../../test/world/hub.ts'
import firewall from '../../firewall/index.ts'
import { type PortName, portIp } from '../../router/fixture.test.ts'
import {
  BalancedLab,
  endsOf,
  hostIp,
  hostIp6,
  hostMac,
  MEMBERS,
  member,
  plugins,
  portMac,
  portObject,
  VIP6,
  vip
} from '../fixture.test.ts'

type Type = 'tcp' | 'http' | 'udp' | 'ping'
type Mood = 'well' | 'silent' | 'refusing' | 'ill'

const monitor = (type: string, fields: Record<string, unknown> = {}): WorldObject => ({
  kind: 'health-monitor',
  value: { id: 'hm', type, intervalMs: 1000, timeoutMs: 500, ...fields }
})

const SYN = 2
const RST = 4
const ACK = 16

/** A lab whose members answer checks, each in its mood. */
class CheckedLab extends BalancedLab {
  readonly moods = new Map<string, Mood>()
  readonly asked: string[] = [] // payloads

  constructor(type: Type, fields: Record<string, unknown> = {}, more: object = {}) {
    super(
      {
        pool: { healthMonitor: 'hm' },
        members: MEMBERS.map(port => member(port, { weight: 1 })),
        more: [monitor(type, fields)],
        ...more
      },
      { plugins: [...plugins, firewall as unknown as Plugin], share: true }
    )
  }

  /** Time goes by, and servers answer. */
  live(ms: number): void {
    for (let left = ms; left > 0; left -= 10) {
      this.world.settle(10)
      for (const { port, frame } of this.world.delivered.splice(0)) {
        const answer = this.#serve(port, frame)
        if (answer !== undefined) this.world.send(port, answer.frame())
      }
    }
  }

  statuses(host = 'h1'): Record<string, string> {
    const table = this.world.hosts.get(host)!.house.view.table('health/p')
    const all: Record<string, string> = {}
    for (const [key, value] of table.entries())
      if (key !== 'checker') all[key.slice(2)] = value.replace(/ \d+ /, ' ')
    return all
  }

  get checker(): string | undefined {
    return this.world.hub.table('health/p').get('checker')?.value
  }

  #serve(port: string, frame: Uint8Array): PacketBuilder | undefined {
    const at = port as PortName
    const mood = this.moods.get(port) ?? 'well'
    if (frame[12] === 8 && frame[13] === 6) {
      const l2 = eth(hostMac(at), portMac(at))
      return l2.arpReply(hostMac(at), hostIp[at], portMac(at), portIp[at])
    }
    if (mood === 'silent') return undefined
    const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength)
    const isV6 = view.getUint16(12) === 0x86dd
    const { src, dst, sport, dport } = endsOf({ port, frame })
    if (dst !== hostIp[at] && dst !== hostIp6[at]) return undefined
    const l2 = eth(hostMac(at), portMac(at))
    const l3 = isV6 ? l2.ipv6(dst, src) : l2.ipv4(dst, src)
    const l4 = isV6 ? 54 : 34
    switch (view.getUint8(isV6 ? 20 : 23)) {
      case 1:
        return view.getUint8(l4) === 8
          ? l3.icmpEcho(view.getUint16(l4 + 4), view.getUint16(l4 + 6), { reply: true })
          : undefined
      case 58:
        return view.getUint8(l4) === 128
          ? l3.icmpv6Echo(view.getUint16(l4 + 4), view.getUint16(l4 + 6), { reply: true })
          : undefined
      case 17:
        if (mood === 'refusing') return l3.icmp(3, 3).payload(frame.subarray(14))
        return mood === 'ill' ? undefined : l3.udp(dport, sport).payload('here')
      case 6:
        return this.#tcp(l3, mood, view, l4, sport, dport)
      default:
        return undefined
    }
  }

  #tcp(
    l3: PacketBuilder,
    mood: Mood,
    view: DataView,
    l4: number,
    sport: number,
    dport: number
  ): PacketBuilder | undefined {
    const flags = view.getUint8(l4 + 13)
    const sequence = view.getUint32(l4 + 4)
    if ((flags & RST) !== 0) return undefined
    if ((flags & SYN) !== 0) {
      const acknowledgement = (sequence + 1) >>> 0
      if (mood === 'refusing') return l3.tcp(dport, sport, { flags: 'R.', acknowledgement })
      return l3.tcp(dport, sport, { flags: 'S.', sequence: 7000, acknowledgement, window: 5000 })
    }
    const body = new Uint8Array(view.buffer, view.byteOffset + l4 + 20)
    if (body.length === 0 || (flags & ACK) === 0) return undefined
    this.asked.push(new TextDecoder().decode(body))
    const acknowledgement = (sequence + body.length) >>> 0
    const status = mood === 'ill' ? '503 Unavailable' : '200 OK'
    return l3
      .tcp(dport, sport, { flags: 'P.', sequence: 7001, acknowledgement, window: 5000 })
      .payload(`HTTP/1.1 ${status}\r\nContent-Length: 0\r\n\r\n`)
  }
}

const ALL_UP = { d1: 'up well', d2: 'up well', d3: 'up well' }

for (const type of ['tcp', 'http', 'udp', 'ping'] as const)
  test(`${type}: members that answer are up; LB-04: one that stops is down, and up again`, () => {
    const lab = new CheckedLab(type)
    lab.memberFor(1)
    lab.live(4000)
    assert.deepEqual(lab.statuses(), ALL_UP)
    lab.moods.set('d2', type === 'udp' || type === 'tcp' ? 'refusing' : 'silent')
    lab.live(6000)
    const why = { tcp: 'refused', http: 'timeout', udp: 'unreachable', ping: 'timeout' }[type]
    assert.deepEqual(lab.statuses(), { ...ALL_UP, d2: `down ${why}` })
    assert.equal(lab.spread(40).d2, undefined)
    lab.moods.set('d2', 'well')
    lab.live(6000)
    assert.deepEqual(lab.statuses(), ALL_UP)
    assert.ok((lab.spread(60, {}, 20_000).d2 ?? 0) > 0)
    assert.equal(lab.world.counter('agent.visitors-unknown'), 0)
  })

test('http: what is asked, and which codes will do', () => {
  const fields = { path: '/health?full=1', host: 'www.example.com', expectedCodes: '200,503' }
  const lab = new CheckedLab('http', fields)
  lab.moods.set('d1', 'ill')
  lab.memberFor(1)
  lab.live(3000)
  assert.match(lab.asked[0]!, /^GET \/health\?full=1 HTTP\/1\.1\r\nHost: www\.example\.com\r\n/)
  assert.equal(lab.statuses().d1, 'up well')
  lab.change('health-monitor', 'hm', { expectedCodes: '200' })
  lab.live(5000)
  assert.equal(lab.statuses().d1, 'down status-503')
})

test('udp: silence is an answer, when the neighbour is there', () => {
  const lab = new CheckedLab('udp')
  lab.moods.set('d1', 'ill')
  lab.memberFor(1)
  lab.live(4000)
  assert.equal(lab.statuses().d1, 'up well')
})

test('IPv6 members', () => {
  const members = MEMBERS.map(port => member(port, { address: hostIp6[port] }))
  for (const type of ['tcp', 'ping'] as const) {
    const lab = new CheckedLab(type, {}, { members, vips: [vip({ address: VIP6 })] })
    lab.memberFor(1, { to: VIP6 })
    lab.moods.set('d3', 'silent')
    lab.live(6000)
    assert.deepEqual(lab.statuses(), { ...ALL_UP, d3: 'down timeout' })
  }
})

for (const persistence of ['none', 'source-address'])
  test(`SL-07: persistence ${persistence}: traffic leaves a member that is down at once`, () => {
    const lab = new CheckedLab('tcp', {}, { vips: [vip({ sessionPersistence: persistence })] })
    const given = lab.connect(1000)
    lab.live(3000)
    lab.moods.set(given.member, 'silent')
    lab.live(6000)
    assert.equal(lab.memberFor(1000, { flags: 'P.' }), '')
    assert.equal(lab.answer(given, 'P.'), undefined)
    const again = lab.memberFor(1000)
    assert.ok(again !== '' && again !== given.member)
    for (const port of MEMBERS) lab.moods.set(port, 'silent')
    lab.live(6000)
    assert.equal(lab.memberFor(1001), '')
  })

test('a member that goes up and down is kept down for longer', () => {
  const lab = new CheckedLab('tcp', { riseCount: 1, fallCount: 1 })
  lab.memberFor(1)
  lab.live(3000)
  for (let i = 0; i < 40; i++) {
    lab.moods.set('d1', i % 2 === 0 ? 'refusing' : 'well')
    lab.live(2000)
  }
  const falls = lab.world.counter('load-balancer.members-down')
  assert.ok(falls >= 3 && falls <= 8, `${falls} falls in 20 moods`)
  lab.moods.set('d1', 'well')
  lab.live(70_000)
  assert.equal(lab.statuses().d1, 'up well')
})

test('LB-03: members elsewhere; the checker dies, another takes over, no flaps', async () => {
  const lab = new CheckedLab('tcp')
  const { world } = lab
  for (const [port, host] of Object.entries({ d1: 'h2', d2: 'h2', d3: 'h3' })) {
    if (!world.hosts.has(host)) world.addHost(host)
    lab.add(portObject(port as PortName, { host }))
  }
  lab.live(2000)
  for (const port of MEMBERS) lab.announce(port)
  lab.memberFor(1)
  lab.moods.set('d2', 'refusing')
  lab.live(8000)
  const expected = { ...ALL_UP, d2: 'down refused' }
  const first = lab.checker!
  for (const host of world.hosts.keys()) assert.deepEqual(lab.statuses(host), expected, host)
  assert.equal(world.counter('agent.visitors-unknown'), 0)
  assert.ok(world.counter('agent.visitors') > 0, 'answers came from other hosts')

  await world.hosts.get(first)!.house.stop(false)
  world.hub.forget(`session-${first}`)
  const living = [...world.hosts.keys()].filter(host => host !== first)
  for (const port of [...MEMBERS, 'up'])
    if (world.hub.get('port', port)!.host === first) lab.change('port', port, { host: living[0] })
  lab.live(4000)
  const second = lab.checker
  assert.ok(second !== undefined && second !== first, `${second} after ${first}`)
  lab.live(8000)
  for (const host of living) {
    const now = lab.statuses(host)
    assert.match(now.d1!, /^up/)
    assert.match(now.d2!, /^down/)
    assert.match(now.d3!, /^up/)
  }
  lab.moods.set('d2', 'well')
  lab.live(6000)
  for (const host of living) assert.equal(lab.statuses(host).d2, 'up well')
})

test('a checker that sees nobody well lets another host look', () => {
  const lab = new CheckedLab('tcp')
  const { world } = lab
  world.addHost('h2')
  for (const port of MEMBERS) lab.change('port', port, { host: 'h2' })
  lab.live(1000)
  for (const port of MEMBERS) lab.announce(port)
  lab.memberFor(1)
  lab.live(5000)
  if (lab.checker === 'h2') {
    // The members are to be on the other host than the checker.
    for (const port of MEMBERS) lab.change('port', port, { host: 'h1' })
    lab.live(3000)
  }
  const first = lab.checker!
  assert.deepEqual(lab.statuses(), ALL_UP)
  world.hosts.get(first)!.isCut = true
  lab.live(20_000)
  assert.notEqual(lab.checker, first)
  const other = first === 'h1' ? 'h2' : 'h1'
  assert.deepEqual(lab.statuses(other), ALL_UP)
})

test('members behind default-drop policies: what they answer to checks is let through', () => {
  for (const type of ['tcp', 'http', 'udp', 'ping'] as const) {
    const chain = { kind: 'chain', value: { id: 'policy', name: 'policy' } }
    const rule = (id: string, position: number, rest: object): WorldObject => ({
      kind: 'rule',
      value: { id, chain: 'policy', position, ...rest }
    })
    const lab = new CheckedLab(
      type,
      {},
      {
        more: [
          monitor(type),
          chain,
          rule('r1', 1, { action: 'accept', connectionStates: ['established', 'related'] }),
          rule('r2', 2, { action: 'accept', ethType: 0x0806 }),
          rule('r3', 3, { action: 'drop' })
        ]
      }
    )
    for (const port of MEMBERS)
      lab.change('port', port, { inFilter: 'policy', outFilter: 'policy' })
    if (type !== 'udp') {
      lab.world.addHost('h2')
      for (const port of ['d1', 'd2']) lab.change('port', port, { host: 'h2' })
      lab.live(1000)
    }
    lab.memberFor(1)
    lab.live(60_000)
    assert.deepEqual(lab.statuses(), ALL_UP, type)
    assert.equal(lab.world.counter('load-balancer.members-down'), 0, type)
  }
})

test('a lease that is lost: this host stops, and asks again', () => {
  const lab = new CheckedLab('tcp')
  lab.memberFor(1)
  lab.live(3000)
  assert.equal(lab.checker, 'h1')
  const before = lab.world.counter('load-balancer.checks')
  lab.world.hosts.get('h1')!.house.leases.lostAll()
  lab.world.hub.leases.forget('session-h1')
  lab.live(4000)
  assert.equal(lab.checker, 'h1')
  assert.ok(lab.world.counter('load-balancer.checks') > before)
})

test('no monitor any more: every member counts as up', () => {
  const lab = new CheckedLab('tcp')
  lab.memberFor(1)
  lab.moods.set('d1', 'refusing')
  lab.live(5000)
  assert.equal(lab.spread(30).d1, undefined)
  lab.change('pool', 'p', { healthMonitor: undefined })
  assert.ok((lab.spread(60, {}, 20_000).d1 ?? 0) > 0)
  lab.world.delivered.length = 0
  lab.live(3000)
  assert.equal(lab.checker, undefined)
})
