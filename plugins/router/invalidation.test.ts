// What a change takes out of the flow table: what it is about, and nothing else.

import assert from 'node:assert/strict'
import test from 'node:test'
import { hostIp, hostIp6, hostMac, Lab, portObject, route, topology, udp } from './fixture.test.ts'

const NETS = { IPv4: ['77.1.0.0/16', '77.2.0.0/16'], IPv6: ['2a00:1::/32', '2a00:2::/32'] } as const
const IPS = { IPv4: ['77.1.2.3', '77.2.2.3'], IPv6: ['2a00:1::3', '2a00:2::3'] } as const
const PART = { IPv4: '77.1.2.0/24', IPv6: '2a00:1::/48' } as const
const HOST = { IPv4: hostIp, IPv6: hostIp6 } as const

for (const family of ['IPv4', 'IPv6'] as const) {
  const [netA, netB] = NETS[family]
  const [a, b] = IPS[family]
  const { d2, d3 } = HOST[family]
  const laid = (): Lab =>
    new Lab({
      objects: topology(
        route('a', { destination: netA, port: 'd2', gateway: d2 }),
        route('b', { destination: netB, port: 'd2', gateway: d2 })
      )
    })
  // How many flows the change removes.
  const removedBy = (lab: Lab, change: () => void): number => {
    const before = lab.stale()
    change()
    return lab.stale() - before
  }

  test(`SR-25 a route that comes or goes removes only flows to what it covers (${family})`, () => {
    const lab = laid()
    assert.equal(lab.exitOf('d1', udp('d1', a)), 'd2')
    assert.equal(lab.exitOf('d1', udp('d1', b)), 'd2')
    const part = route('part', { destination: PART[family], port: 'd3', gateway: d3 })
    assert.equal(
      removedBy(lab, () => lab.add(part)),
      1
    )
    assert.equal(lab.exitOf('d1', udp('d1', a)), 'd3')
    assert.equal(
      removedBy(lab, () => lab.delete('route', 'part')),
      1
    )
    assert.equal(lab.exitOf('d1', udp('d1', a)), 'd2')
    assert.equal(
      removedBy(lab, () => lab.delete('route', 'b')),
      1
    )
    assert.equal(lab.exitOf('d1', udp('d1', b)), 'up')
  })

  test(`SR-25 another gateway or weight is another route (${family})`, () => {
    const lab = laid()
    assert.equal(lab.exitOf('d1', udp('d1', a)), 'd2')
    lab.change('route', 'a', { port: 'd3', gateway: d3 })
    assert.equal(lab.exitOf('d1', udp('d1', a)), 'd3')
    lab.add(route('better', { destination: netA, port: 'd2', gateway: d2, weight: 1 }))
    assert.equal(lab.exitOf('d1', udp('d1', a)), 'd2')
    lab.change('route', 'better', { weight: 1000 })
    assert.equal(lab.exitOf('d1', udp('d1', a)), 'd3')
  })

  test(`SR-25 another MAC removes only flows to that neighbour (${family})`, () => {
    const lab = laid()
    lab.exchange('d1', udp('d1', d2))
    lab.exchange('d1', udp('d1', d3))
    const moved = '0a:00:00:00:0c:0c'
    const move = (): void => {
      lab.world.store.tablePut('neighbour/d2', d2, moved, 'somebody')
      lab.world.settle()
    }
    assert.equal(removedBy(lab, move), 1)
    assert.ok(lab.told('d1', udp('d1', d2))[0]!.includes(` > ${moved} `))
    assert.ok(lab.told('d1', udp('d1', d3))[0]!.includes(` > ${hostMac('d3')} `))
  })

  test(`SR-25 the first answer of a neighbour removes nothing (${family})`, () => {
    const lab = new Lab({ knows: ['d1', 'd3'] })
    lab.exchange('d1', udp('d1', d3))
    const announce = (): void => lab.announce('d2')
    assert.equal(removedBy(lab, announce), 0)
    assert.equal(lab.exitOf('d1', udp('d1', d2)), 'd2')
  })

  test(`SR-26 a blackhole's flow goes when a better route comes (${family})`, () => {
    const lab = laid()
    lab.change('route', 'a', { type: 'blackhole', port: undefined, gateway: undefined })
    assert.equal(lab.exitOf('d1', udp('d1', a)), '')
    lab.add(route('part', { destination: PART[family], port: 'd3', gateway: d3 }))
    assert.equal(lab.exitOf('d1', udp('d1', a)), 'd3')
  })

  test(`a drop for want of a route or of a neighbour ends when there is one (${family})`, () => {
    const lab = laid()
    lab.delete('route', 'default4')
    lab.delete('route', 'default6')
    const far = family === 'IPv4' ? '99.1.1.1' : '2b00::1'
    lab.exchange('d1', udp('d1', far))
    const whole = family === 'IPv4' ? '0.0.0.0/0' : '::/0'
    lab.add(route('default', { destination: whole, port: 'd2', gateway: d2 }))
    assert.equal(lab.exitOf('d1', udp('d1', far)), 'd2')
  })

  test(`a renamed port or router removes nothing; a closed router removes all (${family})`, () => {
    const lab = laid()
    lab.exchange('d1', udp('d1', a))
    lab.exchange('d1', udp('d1', d3))
    assert.equal(
      removedBy(lab, () => lab.change('router', 'r', { name: 'other' })),
      0
    )
    assert.equal(
      removedBy(lab, () => lab.change('port', 'd2', { name: 'other' })),
      0
    )
    assert.ok(removedBy(lab, () => lab.change('router', 'r', { adminStateUp: false })) >= 2)
  })
}

test('another address of a port: its networks move with it', () => {
  const lab = new Lab()
  assert.equal(lab.exitOf('d1', udp('d1', hostIp.d2)), 'd2')
  lab.change('port', 'd2', { addresses: ['10.0.9.1/24'] })
  assert.equal(lab.exitOf('d1', udp('d1', hostIp.d2)), 'up')
  const [asked] = lab.told('d1', udp('d1', '10.0.9.9'))
  assert.ok(asked?.includes('who-has 10.0.9.9 tell 10.0.9.1'), asked)
})

test('another MAC of a port is what its neighbours see from then on', () => {
  const lab = new Lab()
  lab.exchange('d1', udp('d1', hostIp.d2))
  lab.change('port', 'd2', { mac: '0a:00:00:00:05:55' })
  assert.ok(lab.told('d1', udp('d1', hostIp.d2))[0]!.startsWith('d2: 0a:00:00:00:05:55 > '))
})

test('a port that comes later is routed to', () => {
  const objects = topology().filter(({ value }) => value.id !== 'd3')
  const lab = new Lab({ objects, knows: ['up', 'd1', 'd2'] })
  assert.equal(lab.exitOf('d1', udp('d1', hostIp.d3)), 'up')
  lab.add(portObject('d3'))
  lab.announce('d3')
  assert.equal(lab.exitOf('d1', udp('d1', hostIp.d3)), 'd3')
})
