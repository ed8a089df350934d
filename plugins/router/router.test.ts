// The router in a network: what comes in by one port comes out by another, or is refused in the
// right words.  Most cases are told twice, for IPv4 and for IPv6.

import assert from 'node:assert/strict'
import test from 'node:test'
import { eth } from '../../src/wire/builder.ts'
import {
  from,
  hostIp,
  hostIp6,
  hostMac,
  Lab,
  ping,
  portIp,
  portIp6,
  portMac,
  portObject,
  route,
  topology,
  udp
} from './fixture.test.ts'

const OUTSIDE = { IPv4: '8.8.8.8', IPv6: '2400::8' } as const
const HOST = { IPv4: hostIp, IPv6: hostIp6 } as const
const PORT = { IPv4: portIp, IPv6: portIp6 } as const
const ANYWHERE = { IPv4: '0.0.0.0/0', IPv6: '::/0' } as const
const SOME_NET = { IPv4: '77.0.0.0/8', IPv6: '2a00::/16' } as const
const IN_NET = { IPv4: '77.1.2.3', IPv6: '2a00::77' } as const
const DEFAULTS = { IPv4: 'default4', IPv6: 'default6' } as const
// Names of ICMP types in the text of a frame, with the code.
const ERRORS = {
  prohibited: { IPv4: 'ICMP unreachable code 13', IPv6: 'ICMPv6 unreachable code 1' },
  noRoute: { IPv4: 'ICMP unreachable code 0', IPv6: 'ICMPv6 unreachable code 0' },
  host: { IPv4: 'ICMP unreachable code 1', IPv6: 'ICMPv6 unreachable code 3' },
  expired: { IPv4: 'ICMP time-exceeded code 0', IPv6: 'ICMPv6 time-exceeded code 0' }
} as const

// The sender at `d1` is told, by the router's address there, and nobody else hears anything.
function assertTold(said: readonly string[], error: string, family: 'IPv4' | 'IPv6'): void {
  assert.equal(said.length, 1, said.join())
  const { d1 } = PORT[family]
  const to = `d1: ${portMac('d1')} > ${hostMac('d1')} ${family} ${d1} > ${HOST[family].d1} `
  assert.ok(said[0]!.startsWith(to), `${said[0]} is not for the sender`)
  assert.ok(said[0]!.includes(error), `${said[0]} is no ${error}`)
}

for (const family of ['IPv4', 'IPv6'] as const) {
  const hops = family === 'IPv4' ? 'ttl' : 'hops'
  const twice = (name: string, body: (lab: Lab) => void, objects = topology()): void => {
    test(`${name} (${family})`, () => body(new Lab({ objects })))
  }

  twice('SR-03 to the uplink: new MACs, one hop less, out by the uplink', lab => {
    const dst = OUTSIDE[family]
    assert.deepEqual(lab.told('d1', udp('d1', dst, 1000, 8)), [
      `up: ${portMac('up')} > ${hostMac('up')} ${family} ${HOST[family].d1} > ${dst} ${hops} 7 ` +
        'UDP 1000 > 53 length 7'
    ])
  })

  twice('SR-08 between down-links, and one flow for many senders and ports', lab => {
    const dst = HOST[family].d2
    assert.deepEqual(lab.told('d1', udp('d1', dst)), [
      `d2: ${portMac('d2')} > ${hostMac('d2')} ${family} ${HOST[family].d1} > ${dst} ${hops} 7 ` +
        'UDP 1000 > 53 length 7'
    ])
    const flows = lab.flows()
    for (let sport = 1; sport < 40; sport++)
      assert.equal(lab.exitOf('d1', udp('d1', dst, sport, 64 + sport)), 'd2')
    assert.equal(lab.flows(), flows)
  })

  twice('SR-06 a blackhole route drops in silence', lab => {
    lab.add(route('hole', { destination: SOME_NET[family], type: 'blackhole' }))
    assert.deepEqual(lab.told('d1', udp('d1', IN_NET[family])), [])
    assert.equal(lab.drops('router.blackhole'), 1)
  })

  twice('SR-07 a reject route tells the sender, from where it came in', lab => {
    lab.add(route('no', { destination: SOME_NET[family], type: 'reject' }))
    const said = lab.told('d1', udp('d1', IN_NET[family]))
    assertTold(said, ERRORS.prohibited[family], family)
    assert.equal(lab.drops('router.reject'), 1)
  })

  twice('SR-09 without a route the sender is told', lab => {
    lab.delete('route', DEFAULTS[family])
    assertTold(lab.told('d1', udp('d1', OUTSIDE[family])), ERRORS.noRoute[family], family)
    assert.equal(lab.drops('router.no-route'), 1)
  })

  for (const [id, port] of [
    ['SR-10', 'd1'],
    ['SR-11', 'd2']
  ] as const)
    twice(`${id} a ping to the ${port === 'd1' ? 'near' : 'far'} port is answered by it`, lab => {
      const reply = family === 'IPv4' ? 'ICMP echo reply' : 'ICMPv6 echo reply'
      assert.deepEqual(lab.told('d1', ping('d1', PORT[family][port])), [
        `d1: ${portMac('d1')} > ${hostMac('d1')} ${family} ${PORT[family][port]} > ` +
          `${HOST[family].d1} ${hops} 64 ${reply} id 7 seq 1 length 4`
      ])
      assert.equal(lab.world.counter('router.echo-replies'), 1)
    })

  twice('SR-10 every ping is answered, not only the first', lab => {
    for (let id = 1; id < 10; id++)
      assert.equal(lab.exitOf('d1', ping('d1', PORT[family].d1, id)), 'd1')
  })

  twice('what is for the router itself and no ping is dropped in silence', lab => {
    assert.deepEqual(lab.told('d1', udp('d1', PORT[family].d2)), [])
    assert.equal(lab.drops('router.local'), 1)
  })

  twice('SR-13 a gateway that is not on the link: unreachable, and nobody is asked', lab => {
    const gateway = family === 'IPv4' ? '9.9.9.9' : '2a02::9'
    lab.add(route('far', { destination: SOME_NET[family], port: 'up', gateway }))
    assertTold(lab.told('d1', udp('d1', IN_NET[family])), ERRORS.noRoute[family], family)
    assert.equal(lab.world.counter('router.neighbour-requests'), 0)
  })

  twice('SR-14 a route through a port that is bound and linked to nothing is not there', lab => {
    lab.add({ kind: 'port', value: { ...portObject('up').value, id: 'free', number: 9 } })
    lab.change('port', 'free', { host: undefined, interface: undefined })
    lab.add(route('free', { destination: SOME_NET[family], port: 'free', weight: 0 }))
    lab.delete('route', DEFAULTS[family])
    assertTold(lab.told('d1', udp('d1', IN_NET[family])), ERRORS.noRoute[family], family)
  })

  twice(
    'SR-14 a route through a port whose interface is down is not there, until it is up',
    lab => {
      const [host] = lab.world.hosts.values()
      assert.equal(lab.exitOf('d1', udp('d1', OUTSIDE[family])), 'up')
      host!.setUp('if-up', false)
      lab.world.settle()
      assertTold(lab.told('d1', udp('d1', OUTSIDE[family])), ERRORS.noRoute[family], family)
      host!.setUp('if-up', true)
      lab.world.settle()
      assert.equal(lab.exitOf('d1', udp('d1', OUTSIDE[family])), 'up')
    }
  )

  twice('SR-19 the routes of a deleted port go with it and come back with it', lab => {
    const dst = HOST[family].d2
    assert.equal(lab.exitOf('d1', udp('d1', dst)), 'd2')
    lab.delete('route', DEFAULTS[family])
    lab.delete('port', 'd2')
    assertTold(lab.told('d1', udp('d1', dst)), ERRORS.noRoute[family], family)
    lab.add(portObject('d2'))
    lab.announce('d2')
    assert.equal(lab.exitOf('d1', udp('d1', dst)), 'd2')
  })

  twice('RT-04 a flow through a deleted port ends', lab => {
    assert.equal(lab.exitOf('d1', udp('d1', HOST[family].d2)), 'd2')
    lab.delete('port', 'd1')
    assert.equal(lab.exitOf('d1', udp('d1', HOST[family].d2)), '')
  })

  twice('SR-20 the MAC is that of the gateway, also for a neighbour that is known itself', lab => {
    const dst = HOST[family].d3
    const gateway = HOST[family].d2
    const length = family === 'IPv4' ? 32 : 128
    lab.add(route('detour', { destination: `${dst}/${length}`, port: 'd2', gateway }))
    const [said] = lab.told('d1', udp('d1', dst))
    assert.ok(said?.startsWith(`d2: ${portMac('d2')} > ${hostMac('d2')} `), said)
  })

  twice('a packet may leave by the port it came in by', lab => {
    const gateway = family === 'IPv4' ? '10.0.1.77' : '2001:db8:1::77'
    const other = '0a:00:00:00:03:77'
    lab.add(route('turn', { destination: SOME_NET[family], port: 'd1', gateway }))
    lab.exchange('d1', from('d1').ipv4(hostIp.d1, IN_NET.IPv4))
    lab.world.store.tablePut('neighbour/d1', gateway, other, 'somebody')
    lab.world.settle()
    const [said] = lab.told('d1', udp('d1', IN_NET[family]))
    assert.ok(said?.startsWith(`d1: ${portMac('d1')} > ${other}`), said)
  })

  twice('a packet out of hops is answered, and the next with enough goes on', lab => {
    const dst = HOST[family].d2
    for (const ttl of [64, 1, 0, 2, 1, 255]) {
      const said = lab.told('d1', udp('d1', dst, 2000 + ttl, ttl))
      if (ttl < 2) assertTold(said, ERRORS.expired[family], family)
      else assert.ok(said[0]?.startsWith('d2: ') && said[0].includes(`${hops} ${ttl - 1} `))
    }
  })

  twice('an administratively closed router tells the sender, and opens again', lab => {
    const dst = HOST[family].d2
    assert.equal(lab.exitOf('d1', udp('d1', dst)), 'd2')
    lab.change('router', 'r', { adminStateUp: false })
    assertTold(lab.told('d1', udp('d1', dst)), ERRORS.prohibited[family], family)
    assert.equal(lab.drops('router.down'), 1)
    lab.change('router', 'r', { adminStateUp: true })
    assert.equal(lab.exitOf('d1', udp('d1', dst)), 'd2')
  })

  twice('a closed port tells the sender from itself, and opens again', lab => {
    const dst = HOST[family].d2
    lab.change('port', 'd1', { adminStateUp: false })
    assertTold(lab.told('d1', udp('d1', dst)), ERRORS.prohibited[family], family)
    assert.equal(lab.drops('simulation.port-down'), 1)
    assert.deepEqual(lab.told('d1', ping('d1', PORT[family].d1, 8)).length, 1)
    lab.change('port', 'd1', { adminStateUp: true })
    assert.equal(lab.exitOf('d1', udp('d1', dst)), 'd2')
  })

  twice('the networks of a closed port are not there', lab => {
    lab.delete('route', DEFAULTS[family])
    assert.equal(lab.exitOf('d1', udp('d1', HOST[family].d2)), 'd2')
    lab.change('port', 'd2', { adminStateUp: false })
    assertTold(lab.told('d1', udp('d1', HOST[family].d2)), ERRORS.noRoute[family], family)
  })

  twice('a neighbour that nobody has heard of: found first, then the packet goes on', lab => {
    const dst = family === 'IPv4' ? '10.0.2.99' : '2001:db8:2::99'
    const asked = lab.told('d1', udp('d1', dst))
    assert.equal(asked.length, 1)
    const question = family === 'IPv4' ? `who-has ${dst}` : `ICMPv6 who-has ${dst}`
    assert.ok(asked[0]!.startsWith('d2: ') && asked[0]!.includes(question), asked[0])
    const mac = '0a:00:00:00:09:99'
    const answer =
      family === 'IPv4'
        ? eth(mac, portMac('d2')).arpReply(mac, dst, portMac('d2'), portIp.d2)
        : eth(mac, portMac('d2')).ipv6(dst, portIp6.d2, { hopLimit: 255 }).na(dst, { mac })
    const [said] = lab.told('d2', answer)
    assert.ok(said?.startsWith(`d2: ${portMac('d2')} > ${mac} ${family}`), said)
  })

  twice('a neighbour that does not answer: the sender is told that the host is not there', lab => {
    const dst = family === 'IPv4' ? '10.0.2.99' : '2001:db8:2::99'
    lab.exchange('d1', udp('d1', dst))
    lab.world.delivered.length = 0
    lab.world.settle(4000)
    const said = lab.world.delivered.splice(0).filter(({ port }) => port === 'd1')
    assert.equal(said.length, 1)
    // Not asked again for a while, but told at once.
    assertTold(lab.told('d1', udp('d1', dst, 1001)), ERRORS.host[family], family)
  })

  twice('a gateway that does not answer: the sender is told that there is no way', lab => {
    const gateway = family === 'IPv4' ? '180.0.1.9' : '2001:db8::9'
    lab.add(route('dead', { destination: SOME_NET[family], port: 'up', gateway }))
    lab.exchange('d1', udp('d1', IN_NET[family]))
    lab.world.settle(4000)
    assertTold(lab.told('d1', udp('d1', IN_NET[family])), ERRORS.noRoute[family], family)
  })

  test(`RT-05 the lower weight wins, and the other takes over when it goes (${family})`, () => {
    const gateway = HOST[family].d2
    const backup = { destination: ANYWHERE[family], port: 'd2', gateway, weight: 2 }
    const lab = new Lab({ objects: topology(route('backup', backup)) })
    assert.equal(lab.exitOf('d1', udp('d1', OUTSIDE[family])), 'up')
    lab.delete('route', DEFAULTS[family])
    assert.equal(lab.exitOf('d1', udp('d1', OUTSIDE[family])), 'd2')
  })

  test(`SR-01 equal routes: flows spread, each keeps its way (${family})`, () => {
    const gateway = HOST[family].d2
    const second = { destination: ANYWHERE[family], port: 'd2', gateway, weight: 1 }
    const lab = new Lab({ objects: topology(route('second', second)) })
    const ways = (): string[] =>
      Array.from({ length: 40 }, (_, i) => lab.exitOf('d1', udp('d1', OUTSIDE[family], 1000 + i)))
    const first = ways()
    assert.deepEqual(new Set(first), new Set(['up', 'd2']))
    assert.deepEqual(ways(), first)
  })
}

test('SR-02 IPv6 is routed', () => {
  const lab = new Lab()
  assert.equal(lab.exitOf('d1', udp('d1', hostIp6.d3)), 'd3')
})

test('SR-15 neither IP nor ARP', () => {
  const lab = new Lab()
  assert.equal(lab.exitOf('d1', eth(hostMac('d1'), portMac('d1'), 0x88cc).payload(50)), '')
  assert.equal(lab.drops('router.not-ip'), 1)
})

test('SR-16 another VLAN', () => {
  const lab = new Lab()
  const tagged = eth(hostMac('d1'), portMac('d1')).vlan(7).ipv4(hostIp.d1, hostIp.d2).udp(1, 2)
  assert.equal(lab.exitOf('d1', tagged), '')
  assert.equal(lab.drops('router.vlan'), 1)
})

test('SR-17 VLAN 0 is only a priority: the tag is taken off', () => {
  const lab = new Lab()
  const tagged = eth(hostMac('d1'), portMac('d1')).vlan(0, 5).ipv4(hostIp.d1, hostIp.d2).udp(1, 2)
  const [said] = lab.told('d1', tagged)
  assert.ok(said?.startsWith(`d2: ${portMac('d2')} > ${hostMac('d2')} IPv4`), said)
  const within = eth(hostMac('d1'), portMac('d1')).qinq(0).vlan(7).ipv4(hostIp.d1, hostIp.d2)
  assert.equal(lab.exitOf('d1', within), '')
})

for (const { name, packet, reason } of [
  { name: 'another MAC', packet: udp('d2', hostIp.d2), reason: 'not-for-us' },
  {
    name: 'broadcast IP',
    packet: eth(hostMac('d1'), 'ff:ff:ff:ff:ff:ff').ipv4(hostIp.d1, '255.255.255.255').udp(68, 67),
    reason: 'group'
  },
  {
    name: 'multicast listener report',
    packet: eth(hostMac('d1'), '33:33:00:00:00:16').ipv6('fe80::1', 'ff02::16').icmpv6(143),
    reason: 'group'
  },
  { name: 'to loopback', packet: udp('d1', '127.0.0.1'), reason: 'martian' },
  { name: 'to a group', packet: udp('d1', '239.1.1.1'), reason: 'martian' },
  { name: 'to ::1', packet: udp('d1', '::1'), reason: 'martian' },
  { name: 'to an IPv6 group', packet: udp('d1', 'ff05::1'), reason: 'martian' },
  { name: 'from loopback', packet: from('d1').ipv4('127.0.0.1', hostIp.d2), reason: 'martian' },
  { name: 'from ::', packet: from('d1').ipv6('::', hostIp6.d2), reason: 'martian' },
  { name: 'from link-local', packet: from('d1').ipv6('fe80::9', hostIp6.d2), reason: 'link-local' },
  { name: 'to link-local', packet: udp('d1', 'fe80::9'), reason: 'link-local' },
  { name: 'to a subnet', packet: udp('d1', '10.0.2.255'), reason: 'subnet-broadcast' }
])
  test(`dropped in silence: ${name}`, () => {
    const lab = new Lab()
    assert.deepEqual(lab.told('d1', packet), [])
    assert.equal(lab.drops(`router.${reason}`), 1, JSON.stringify(lab.world.drops()))
  })

test('the link-local address of a port, made of its MAC, answers pings on its link', () => {
  const lab = new Lab()
  const own = 'fe80::800:ff:fe00:101' // of 0a:00:00:00:01:01
  const [said] = lab.told('d1', from('d1').ipv6('fe80::77', own).icmpv6Echo(1, 1))
  assert.ok(said?.includes(`IPv6 ${own} > fe80::77`) && said.includes('echo reply'), said)
})

test('routers know each other across a link: no ARP, and nobody else is there', () => {
  const link = (id: string, device: string, peer: string, n: number) => ({
    kind: 'port',
    value: {
      ...{ id, type: 'router', device, peer, number: 200 + n, mac: `0a:00:00:00:04:0${n}` },
      addresses: [`172.16.0.${n}/30`, `fd00::${n}/64`]
    }
  })
  const lab = new Lab({
    objects: topology(
      link('l1', 'r', 'l2', 1),
      link('l2', 'r2', 'l1', 2),
      { kind: 'router', value: { id: 'r2' } },
      { kind: 'port', value: { ...portObject('d3').value, device: 'r2' } },
      route('there', { destination: '10.0.3.0/24', port: 'l1', gateway: '172.16.0.2' }),
      route('there6', { destination: '2001:db8:3::/64', port: 'l1', gateway: 'fd00::2' }),
      route('nobody', { destination: '77.0.0.0/8', port: 'l1', gateway: '172.16.0.3' }),
      route('back', { router: 'r2', destination: '0.0.0.0/0', port: 'l2', gateway: '172.16.0.1' })
    )
  })
  for (const dst of [hostIp.d3, hostIp6.d3]) {
    const [said] = lab.told('d1', udp('d1', dst, 1, 9))
    assert.ok(said?.startsWith(`d3: ${portMac('d3')} > ${hostMac('d3')}`), said)
    assert.match(said!, / (ttl|hops) 7 /)
  }
  assertTold(lab.told('d1', udp('d1', '77.1.1.1')), ERRORS.noRoute.IPv4, 'IPv4')
  assert.equal(lab.world.counter('router.neighbour-requests'), 0)
  // The second router's own error finds its way back through the first.
  const [said] = lab.told('d1', udp('d1', hostIp.d3, 1, 2))
  assert.ok(said?.includes('IPv4 172.16.0.2 > 10.0.1.10') && said.includes('time-exceeded'), said)
})
