// Checks of members through the virtual network: outcomes, damping, policies on their way.

import assert from 'node:assert/strict'
import test from 'node:test'
import type { WorldObject } from '../../../test/world/store.ts'
import { hostIp6, MEMBERS, member, VIP6, vip } from '../fixture.test.ts'
import { ALL_UP, CheckedLab, monitor } from './fixture.test.ts'

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
    assert.equal(lab.world.counter('agent.deliveries-unknown'), 0)
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
