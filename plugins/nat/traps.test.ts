// What operators meant and did not get: many addresses behind one, connections from outside beside
// SNAT, and packets for a translated address that no translation knows. The network is the router's
// fixture; both families.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Kind } from '../../test/state/kinds.ts'
import { chain, object } from '../../test/world/objects.ts'
import type { WorldObject } from '../../test/world/store.ts'
import type { Delivery } from '../../test/world/world.ts'
import bridge from '../bridge/index.ts'
import firewall from '../firewall/index.ts'
import {
  from,
  hostIp,
  hostIp6,
  hostMac,
  Lab,
  type PortName,
  ping,
  portMac,
  topology,
  udp
} from '../router/fixture.test.ts'
import router from '../router/index.ts'
import { answer, errorAbout, flowOf, mirrored, type RuleText } from './fixture.test.ts'
import nat from './index.ts'

const FAMILIES = {
  v4: { hosts: hostIp, all: '10.0.0.0/8', target: '180.0.1.200', host: '/32', far: '192.0.2.7' },
  v6: {
    hosts: hostIp6,
    all: '2001:db8::/32',
    target: '2001:db8::200',
    host: '/128',
    far: '2001:db9::7'
  }
} as const
type Family = (typeof FAMILIES)[keyof typeof FAMILIES]

const siteOf = (
  inward: readonly RuleText[],
  outward: readonly RuleText[],
  ...more: WorldObject[]
): Lab =>
  new Lab({
    plugins: [bridge, router, firewall, nat],
    objects: topology(
      object('router', 'r', { inFilter: 'in', outFilter: 'out' }),
      ...chain('in', inward),
      ...chain('out', outward),
      ...more
    )
  })

function only(deliveries: readonly Delivery[], port: string): Uint8Array {
  assert.deepEqual(
    deliveries.map(each => each.port),
    [port]
  )
  return deliveries[0]!.frame
}

const macBytes = (text: string): number[] => text.split(':').map(byte => Number.parseInt(byte, 16))

/** What the host behind `of` answers to a frame it got from the router. */
function reply(frame: Uint8Array, of: PortName, flags: 'ack' | 'syn' = 'ack'): Uint8Array {
  const back = answer(frame, { flags })
  back.set(macBytes(portMac(of)), 0)
  back.set(macBytes(hostMac(of)), 6)
  return back
}

function tcp(port: PortName, src: string, dst: string, flags: number): Uint8Array {
  const packet = src.includes(':') ? from(port).ipv6(src, dst) : from(port).ipv4(src, dst)
  return packet.tcp(5000, 80, { flags }).payload('payload').frame()
}

const snatOf = ({ all, target }: Family, more: Partial<RuleText> = {}): RuleText => ({
  action: 'snat',
  source: all,
  outPorts: ['up'],
  natTargets: [{ from: target }],
  ...more
})

for (const [name, family] of Object.entries(FAMILIES))
  describe(`traps of translation, ${name}`, () => {
    const { hosts, target, host, far } = family
    const reverse: RuleText[] = [{ action: 'reverse-snat' }]

    test('F1: many addresses behind one without ports are translated with ports, and back', () => {
      const conditions: Partial<RuleText>[] = [
        {},
        { source: undefined },
        { source: `${hosts.d3}${host}`, invertSource: true },
        { source: `${hosts.d3}${host}`, condInvert: true, outPorts: undefined }
      ]
      for (const condition of conditions) {
        const site = siteOf(reverse, [snatOf(family, condition)])
        for (const port of ['d1', 'd2'] as const)
          for (const sent of [udp(port, far), ping(port, far)]) {
            const out = only(site.exchange(port, sent), 'up')
            assert.equal(flowOf(out).src, target)
            const back = flowOf(only(site.exchange('up', reply(out, 'up')), port))
            assert.deepEqual(back, mirrored(flowOf(sent.frame())))
          }
      }
    })

    test('F1: many addresses before one without ports are answered as who was asked', () => {
      const destination = name === 'v4' ? '198.51.100.0/24' : '2001:dba::/64'
      const rule = { action: 'dnat', destination, natTargets: [{ from: hosts.d1 }] }
      const site = siteOf([rule], [{ action: 'reverse-dnat' }])
      const asked =
        name === 'v4' ? ['198.51.100.1', '198.51.100.2'] : ['2001:dba::1', '2001:dba::2']
      for (const [i, each] of asked.entries()) {
        const sent = udp('up', each, 1000 + i)
        const got = only(site.exchange('up', sent), 'd1')
        const back = flowOf(only(site.exchange('d1', reply(got, 'd1')), 'up'))
        assert.deepEqual(back, mirrored(flowOf(sent.frame())))
      }
    })

    test('F1: one address for one stays without state', () => {
      const one = { source: `${hosts.d1}${host}` }
      const site = siteOf(reverse, [snatOf(family, one)])
      const sent = udp('d1', far)
      assert.equal(flowOf(only(site.exchange('d1', sent), 'up')).src, target)
      assert.equal(site.world.hosts.get('h1')!.host.worker.ctx.state.table.count(Kind.snat), 0)
    })

    test('F5: answers to what was opened from outside are not translated', () => {
      const site = siteOf(reverse, [snatOf(family)])
      for (const sent of [udp('up', hosts.d1), ping('up', hosts.d1)]) {
        const got = only(site.exchange('up', sent), 'd1')
        const back = only(site.exchange('d1', reply(got, 'd1')), 'up')
        assert.deepEqual(flowOf(back), mirrored(flowOf(sent.frame())))
      }
      const got = only(site.exchange('up', tcp('up', hosts.up, hosts.d1, 2)), 'd1')
      for (const flags of [18, 16, 24]) {
        const back = reply(got, 'd1')
        back[name === 'v4' ? 47 : 67] = flags
        const told = flowOf(only(site.exchange('d1', back), 'up'))
        assert.deepEqual(told, mirrored(flowOf(got)))
      }
    })

    test('F5: a translation of the one is no obstacle to a translation of the other', () => {
      const asked = name === 'v4' ? '198.51.100.1' : '2001:dba::1'
      const dnat = {
        action: 'dnat',
        destination: `${asked}${host}`,
        natTargets: [{ from: hosts.d1, to: hosts.d1, portFrom: 53, portTo: 53 }]
      }
      const site = siteOf([...reverse, dnat], [{ action: 'reverse-dnat' }, snatOf(family)])
      const sent = udp('up', asked)
      const got = only(site.exchange('up', sent), 'd1')
      const back = flowOf(only(site.exchange('d1', reply(got, 'd1')), 'up'))
      assert.deepEqual(back, mirrored(flowOf(sent.frame())))
      const { table } = site.world.hosts.get('h1')!.host.worker.ctx.state
      assert.equal(table.count(Kind.connection), 0, 'what is translated needs no record beside it')
      assert.equal(flowOf(only(site.exchange('d1', udp('d1', far)), 'up')).src, target)
    })

    test('B6: an ICMP error whose sum is wrong does not leave untranslated', () => {
      const site = siteOf(reverse, [snatOf(family)])
      const about = udp('up', hosts.d1).frame()
      const error = errorAbout(about)
      error.set(macBytes(portMac('d1')), 0)
      error.set(macBytes(hostMac('d1')), 6)
      error[error.length - 1]! ^= 1
      assert.equal(site.exitOf('d1', error), '')
      assert.equal(site.drops('firewall.unreadable-error'), 1)
    })

    test('F6: what no translation knows is not sent back to where it came from', () => {
      const range = name === 'v4' ? { to: '180.0.1.203' } : { to: '2001:db8::203' }
      const away = name === 'v4' ? '180.0.0.0/16' : '2001:db8::/64'
      const outwards = [
        snatOf(family),
        snatOf(family, { natTargets: [{ from: target, ...range }], outPorts: undefined }),
        snatOf(family, { source: `${hosts.d1}${host}` })
      ]
      for (const outward of outwards) {
        const site = siteOf(reverse, [outward])
        const wide = { router: 'r', destination: away, port: 'up', gateway: hosts.up, weight: 1 }
        site.add(object('route', 'wide', wide))
        for (const sent of [udp('up', target), ping('up', target)]) {
          const before = site.drops('nat.no-translation')
          assert.equal(site.exitOf('up', sent), '')
          assert.equal(site.drops('nat.no-translation'), before + 1)
        }
      }
    })

    test('F6: nor to another uplink', () => {
      const uplinks = { outPorts: ['up', 'd3'] }
      const group = object('port-group', 'g', { name: 'g', ports: ['up', 'd3'] })
      for (const out of [uplinks, { outPorts: undefined, outPortGroup: 'g' }]) {
        const site = siteOf(reverse, [snatOf(family, out)], group)
        assert.equal(site.exitOf('d3', udp('d3', target)), '')
        assert.equal(site.exitOf('d1', udp('d1', far)), 'up')
      }
    })

    test('F6: what comes from inside, or is for others, goes its way', () => {
      const site = siteOf(reverse, [snatOf(family)])
      assert.equal(site.exitOf('d1', udp('d1', far)), 'up')
      assert.equal(site.exitOf('up', udp('up', far)), 'up')
    })
  })
