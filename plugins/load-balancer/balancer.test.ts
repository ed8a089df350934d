// Which member a connection gets and keeps: behaviours LB-*, SL-*.

import assert from 'node:assert/strict'
import test from 'node:test'
import {
  type Ask,
  BalancedLab,
  type Given,
  hostIp,
  hostIp6,
  MEMBERS,
  member,
  VIP,
  VIP6,
  vip
} from './fixture.test.ts'

const RUN = 14 // connections
const sticky = { vips: [vip({ sessionPersistence: 'source-address' })] }
const total = (counts: Record<string, number>): number =>
  MEMBERS.reduce((sum, port) => sum + (counts[port] ?? 0), 0)

test('SL-04: one member: the packet goes to it, the answer comes from the VIP', () => {
  for (const port of MEMBERS) {
    const lab = new BalancedLab({ members: [member(port)] })
    const given = lab.try(1000)!
    assert.equal(given.member, port)
    assert.deepEqual(given.packet, { src: '50.0.0.7', dst: hostIp[port], sport: 1000, dport: 8080 })
    const back = { src: VIP, dst: '50.0.0.7', sport: 80, dport: 1000 }
    assert.deepEqual(lab.answer(given), back)
  }
})

test('SL-04: when another member is the one, new connections follow', () => {
  const lab = new BalancedLab({
    members: MEMBERS.map(port => member(port, { adminStateUp: port === 'd1' }))
  })
  for (const [i, port] of MEMBERS.entries()) {
    for (const other of MEMBERS)
      lab.change('pool-member', `m-${other}`, { adminStateUp: other === port })
    assert.deepEqual(lab.spread(RUN, {}, 100 * i + 1), { [port]: RUN })
  }
})

test('IPv6: to a member and back', () => {
  const members = MEMBERS.map(port => member(port, { address: hostIp6[port] }))
  const lab = new BalancedLab({ members, vips: [vip({ address: VIP6 })] })
  const given = lab.connect(1000, { to: VIP6 })
  assert.equal(given.packet.dst, hostIp6[given.member])
  assert.deepEqual(lab.answer(given, '.'), {
    src: VIP6,
    dst: '2001:db8:50::7',
    sport: 80,
    dport: 1000
  })
})

test('UDP: every packet of a 5-tuple goes to one member, and answers come from the VIP', () => {
  const lab = new BalancedLab({ vips: [vip({ protocol: 'udp', port: 53 })] })
  const ask: Ask = { udp: true, port: 53 }
  const given = lab.try(1000, ask)!
  assert.equal(lab.answer(given, '', true)!.src, VIP)
  for (let i = 0; i < 3; i++) assert.equal(lab.memberFor(1000, ask), given.member)
  assert.equal(total(lab.spread(60, ask)), 60)
})

test('a range of ports: members without a port get the one that was asked for', () => {
  const members = MEMBERS.map(port => member(port, { port: undefined }))
  const lab = new BalancedLab({ members, vips: [vip({ port: 8000, portEnd: 8099 })] })
  for (const port of [8000, 8050, 8099]) {
    const given = lab.try(1000, { port })!
    assert.equal(given.packet.dport, port)
    assert.equal(lab.answer(given)!.sport, port)
  }
  assert.equal(lab.try(1000, { port: 7999 }), undefined)
  assert.equal(lab.try(1000, { port: 8100 }), undefined)
})

test('SL-01, LB-02: a load balancer that is down: as if it were not there', () => {
  const lab = new BalancedLab({ lb: { adminStateUp: false } })
  assert.equal(lab.memberFor(1000), '')
  assert.equal(lab.memberFor(1000, { to: '200.0.0.99' }), '')
  assert.equal(lab.drops('router.blackhole'), 1)
  assert.equal(lab.drops('load-balancer.pool-down'), 0)
  lab.change('load-balancer', 'lb', { adminStateUp: true })
  assert.notEqual(lab.memberFor(1001), '')
})

test('SL-02, LB-02: all members down, the pool or the VIP down: new connections fail', () => {
  const lab = new BalancedLab()
  const all = (up: boolean): void => {
    for (const port of MEMBERS) lab.change('pool-member', `m-${port}`, { adminStateUp: up })
  }
  const switches: Record<string, (up: boolean) => void> = {
    members: all,
    pool: up => lab.change('pool', 'p', { adminStateUp: up }),
    vip: up => lab.change('vip', 'v', { adminStateUp: up }),
    lb: up => lab.change('load-balancer', 'lb', { adminStateUp: up })
  }
  let sport = 1000
  for (const [name, turn] of Object.entries(switches)) {
    turn(false)
    assert.equal(lab.memberFor(++sport), '', name)
    turn(true)
    assert.notEqual(lab.memberFor(sport), '', `${name}: the same client asks again`)
  }
  assert.equal(lab.drops('load-balancer.pool-down'), 2)
})

test('SL-03: UDP to a VIP of TCP is none of it', () => {
  const lab = new BalancedLab()
  assert.equal(lab.memberFor(1000, { udp: true }), '')
  assert.equal(lab.drops('router.blackhole'), 1)
})

test('LB-01: equal weights: everybody gets some; different weights: in their order', () => {
  for (const algorithm of ['rendezvous', 'weighted-random', 'least-connections']) {
    const lab = new BalancedLab({ pool: { algorithm } })
    const equal = lab.spread(90)
    for (const port of MEMBERS) assert.ok((equal[port] ?? 0) >= 10, `${algorithm} ${port}`)
    for (const [i, port] of MEMBERS.entries())
      lab.change('pool-member', `m-${port}`, { weight: 10 ** i })
    const weighted = lab.spread(300, {}, 20_000)
    const [a = 0, b = 0, c = 0] = MEMBERS.map(port => weighted[port])
    assert.ok(a < b && b < c, `${algorithm}: ${a} ${b} ${c}`)
  }
})

test('SL-09: weights 1, 2, 4: 1000 connections within the bounds', () => {
  for (const algorithm of ['rendezvous', 'weighted-random']) {
    const members = MEMBERS.map((port, i) => member(port, { weight: 2 ** i }))
    const counts = new BalancedLab({ pool: { algorithm }, members }).spread(1000)
    const bounds = { d1: [93, 198], d2: [219, 355], d3: [497, 645] } as const
    for (const port of MEMBERS) {
      const [low, high] = bounds[port]
      const count = counts[port]!
      assert.ok(count > low && count < high, `${algorithm}: ${port} got ${count}`)
    }
  }
})

test('SL-08: all weights 0: nobody takes a new connection', () => {
  const lab = new BalancedLab({ members: MEMBERS.map(port => member(port, { weight: 0 })) })
  assert.equal(lab.memberFor(1000), '')
  assert.equal(lab.drops('load-balancer.pool-down'), 1)
})

test('SL-10: 14 connections of a client reach several members, and one with affinity', () => {
  assert.ok(Object.keys(new BalancedLab().spread(RUN)).length > 1)
  for (const algorithm of ['rendezvous', 'weighted-random', 'least-connections'])
    assert.equal(
      Object.keys(new BalancedLab({ ...sticky, pool: { algorithm } }).spread(RUN)).length,
      1
    )
})

test('LB-01 sticky: clients have one member each, and not all the same', () => {
  const lab = new BalancedLab(sticky)
  const members = new Set<string>()
  for (let i = 1; i <= 30; i++) {
    const mine = Object.keys(lab.spread(3, { from: `50.0.1.${i}` }))
    assert.equal(mine.length, 1)
    members.add(mine[0]!)
  }
  assert.equal(members.size, 3)
})

test('SL-05: affinity, the member disabled: new connections go to another, or nowhere', () => {
  const lab = new BalancedLab(sticky)
  const [first] = Object.keys(lab.spread(RUN / 2))
  lab.change('pool-member', `m-${first}`, { adminStateUp: false })
  const [second, ...others] = Object.keys(lab.spread(RUN / 2, {}, 20_000))
  assert.deepEqual(others, [])
  assert.notEqual(second, first)
  assert.notEqual(second, '')

  const alone = new BalancedLab({ ...sticky, members: [member('d1')] })
  assert.deepEqual(alone.spread(7), { d1: 7 })
  alone.change('pool-member', 'm-d1', { adminStateUp: false })
  assert.deepEqual(alone.spread(7, {}, 20_000), { '': 7 })
})

test('affinity stays with the second member when the first comes back', () => {
  const lab = new BalancedLab(sticky)
  const first = lab.memberFor(1000)
  lab.change('pool-member', `m-${first}`, { adminStateUp: false })
  const second = lab.memberFor(1001)
  lab.change('pool-member', `m-${first}`, { adminStateUp: true })
  assert.equal(lab.memberFor(1002), second)
})

for (const persistence of ['none', 'source-address', '5-tuple'])
  test(`SL-06, LB-05: persistence ${persistence}: a connection keeps a disabled member`, () => {
    for (const members of [MEMBERS.map(port => member(port)), [member('d2')]]) {
      const lab = new BalancedLab({ members, vips: [vip({ sessionPersistence: persistence })] })
      const given = lab.connect(1000)
      lab.change('pool-member', `m-${given.member}`, { adminStateUp: false })
      assert.equal(lab.memberFor(1000, { flags: 'P.' }), given.member)
      assert.equal(lab.answer(given, 'P.')!.src, VIP)
      lab.change('pool-member', `m-${given.member}`, { adminStateUp: true, weight: 0 })
      assert.equal(lab.memberFor(1000, { flags: 'P.' }), given.member)
    }
  })

test('LB-05: the load balancer, VIP or pool down: open connections are cut, both ways', () => {
  for (const [kind, id] of [
    ['load-balancer', 'lb'],
    ['vip', 'v'],
    ['pool', 'p']
  ] as const) {
    const lab = new BalancedLab()
    const given = lab.connect(1000)
    lab.change(kind, id, { adminStateUp: false })
    assert.equal(lab.memberFor(1000, { flags: 'P.' }), '', kind)
    assert.equal(lab.answer(given, 'P.'), undefined, kind)
    lab.change(kind, id, { adminStateUp: true })
    assert.equal(lab.memberFor(1000, { flags: 'P.' }), given.member, `${kind} back`)
  }
})

test('SL-11: the member of a connection is removed: a new one takes its place', () => {
  const lab = new BalancedLab()
  const given = lab.connect(1000)
  lab.delete('pool-member', `m-${given.member}`)
  assert.equal(lab.memberFor(1000, { flags: 'P.' }), 'up', 'the connection is cut, by a reset')
  assert.equal(lab.drops('load-balancer.member-gone'), 1)
  const second = lab.connect(1000)
  assert.notEqual(second.member, given.member)
  assert.equal(lab.world.counter('load-balancer.rebalanced'), 1)
})

test('SL-11: UDP moves at once, and so does affinity', () => {
  const udp: Ask = { udp: true, port: 53 }
  const lab = new BalancedLab({
    vips: [vip({ protocol: 'udp', port: 53, sessionPersistence: 'source-address' })]
  })
  const first = lab.memberFor(1000, udp)
  lab.delete('pool-member', `m-${first}`)
  const second = lab.memberFor(1000, udp)
  assert.ok(second !== '' && second !== first)
  assert.equal(lab.memberFor(1001, udp), second)
})

test('a member that is moved to another address loses its connections', () => {
  const lab = new BalancedLab({ members: [member('d1')] })
  const given = lab.connect(1000)
  lab.change('pool-member', 'm-d1', { address: hostIp.d2 })
  assert.equal(lab.memberFor(1000, { flags: '.' }), 'up', 'a reset')
  assert.equal(lab.memberFor(1000), 'd2')
  assert.equal(given.member, 'd1')
})

test('drain: known clients come back, new ones do not', () => {
  const lab = new BalancedLab(sticky)
  const given = lab.connect(1000)
  lab.change('pool-member', `m-${given.member}`, { drain: true })
  assert.equal(lab.memberFor(1000, { flags: '.' }), given.member)
  assert.equal(lab.memberFor(1001), given.member, 'a new connection of a known client')
  const others: Record<string, number> = {}
  for (let i = 1; i <= 30; i++) others[lab.memberFor(1000, { from: `50.0.1.${i}` })] = 1
  assert.deepEqual(
    Object.keys(others).sort(),
    MEMBERS.filter(port => port !== given.member)
  )
})

test('a new connection of the same 5-tuple: chosen anew, or kept with 5-tuple persistence', () => {
  const again = (persistence: string): number => {
    const lab = new BalancedLab({
      pool: { algorithm: 'weighted-random' },
      vips: [vip({ sessionPersistence: persistence })]
    })
    const members = new Set<string>()
    for (let i = 0; i < 20; i++) {
      const given = lab.connect(1000)
      members.add(given.member)
      lab.memberFor(1000, { flags: 'F.' })
      lab.answer(given, 'F.')
      lab.world.settle(3000) // the table hears of what flows have seen
    }
    return members.size
  }
  assert.equal(again('5-tuple'), 1)
  assert.ok(again('none') > 1)
})

test('TCP in the middle: rendezvous finds its member again, others will not guess', () => {
  const lab = new BalancedLab()
  const other = new BalancedLab()
  for (let sport = 1; sport < 20; sport++)
    assert.equal(other.memberFor(sport, { flags: '.' }), lab.memberFor(sport))
  assert.equal(lab.memberFor(100, { flags: 'R' }), '')
  const random = new BalancedLab({ pool: { algorithm: 'weighted-random' } })
  assert.equal(random.memberFor(100, { flags: '.' }), '')
  assert.equal(random.drops('load-balancer.no-connection'), 1)
  assert.notEqual(random.memberFor(100), '')
})

test('two VIPs of one pool: the same client ports do not clash behind it', () => {
  const lab = new BalancedLab({ vips: [vip(), vip({ port: 81 }, 'w')] })
  const given: Given[] = []
  for (const port of [80, 81]) given.push(lab.connect(1000, { port }))
  assert.notEqual(given[0]!.member, given[1]!.member)
  for (const [i, each] of given.entries()) assert.equal(lab.answer(each, '.')!.sport, 80 + i)
  const one = new BalancedLab({ members: [member('d1')], vips: [vip(), vip({ port: 81 }, 'w')] })
  assert.equal(one.memberFor(1000), 'd1')
  assert.equal(one.memberFor(1000, { port: 81 }), '')
  assert.equal(one.drops('load-balancer.clash'), 1)
})

test('a member takes no more connections than it may', () => {
  const members = MEMBERS.map(port => member(port, { connectionsMax: 4 }))
  const lab = new BalancedLab({ members })
  assert.deepEqual(lab.spread(20), { d1: 4, d2: 4, d3: 4, '': 8 })
  assert.equal(lab.drops('load-balancer.members-full'), 8)
  lab.world.settle(3000)
  assert.equal(lab.memberFor(20_000), '', 'a count later they are still there')
  lab.world.settle(70_000)
  assert.notEqual(lab.memberFor(20_001), '', 'half-open connections have ended')
})

test('least connections: whoever has fewest is next, for its weight', () => {
  const members = MEMBERS.map((port, i) => member(port, { weight: 1 + i }))
  const lab = new BalancedLab({ pool: { algorithm: 'least-connections' }, members })
  assert.deepEqual(lab.spread(60), { d1: 10, d2: 20, d3: 30 })
})

test('pings to a VIP are answered while somebody is behind it', () => {
  const lab = new BalancedLab({ members: [member('d1')] })
  const ping = (): number => lab.exchange('up', lab.ping()).length
  assert.equal(ping(), 1)
  assert.equal(lab.world.counter('load-balancer.echo-replies'), 1)
  lab.change('pool-member', 'm-d1', { adminStateUp: false })
  assert.equal(ping(), 0)
})
