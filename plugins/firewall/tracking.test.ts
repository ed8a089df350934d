// Who filters one direction by connections gets to know of the other: a chain that asks, at a port
// or a device, has every packet followed that passes there, in either direction and whichever rule
// lets it pass.  The network is the router's fixture; the filtered machine is behind port d1.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RECORD_WORDS, RecordWord, StateFlag } from '../../src/state/record.ts'
import { chain, object } from '../../test/world/objects.ts'
import type { WorldObject } from '../../test/world/store.ts'
import { answer } from '../nat/fixture.test.ts'
import {
  from,
  hostIp,
  hostIp6,
  hostMac,
  Lab,
  type PortName,
  ping,
  portMac,
  portObject,
  topology,
  udp
} from '../router/fixture.test.ts'
import router from '../router/index.ts'
import firewall from './index.ts'

type Rule = Record<string, unknown> & { readonly action: string }

const FAMILIES = { v4: hostIp, v6: hostIp6 }
const SYN = 2
const SYN_ACK = 18
const ACK = 16

const KNOWN: Rule = { action: 'accept', connectionStates: ['established', 'related'] }
const DROP: Rule = { action: 'drop' }
const NEIGHBOURS: Rule[] = [
  { action: 'accept', ethType: 0x806 },
  { action: 'accept', protocol: 'icmpv6', sourcePorts: { start: 133, end: 136 } }
]

const guard = (id: string, rules: readonly Rule[]): WorldObject[] =>
  chain(id, [...NEIGHBOURS, ...rules])

const siteOf = (port: Record<string, unknown>, ...more: WorldObject[]): Lab =>
  new Lab({ plugins: [router, firewall], objects: topology(portObject('d1', port), ...more) })

function tcp(at: PortName, hosts: typeof hostIp, to: PortName, flags: number): Uint8Array {
  const isV6 = hosts.d1.includes(':')
  const ip = isV6 ? from(at).ipv6(hosts[at], hosts[to]) : from(at).ipv4(hosts[at], hosts[to])
  const [sport, dport] = flags === SYN_ACK ? [80, 5000] : [5000, 80]
  return ip.tcp(sport, dport, { flags }).payload('x').frame()
}

const macBytes = (text: string): number[] => text.split(':').map(byte => Number.parseInt(byte, 16))

/** Sends from `at` to `to`, and back: what came of it at either end. */
function bothWays(site: Lab, at: PortName, to: PortName, sent: Uint8Array): [string, string] {
  const there = site.exchange(at, sent)
  if (there.length !== 1) return ['', '']
  const back = answer(there[0]!.frame)
  back.set(macBytes(portMac(to)), 0)
  back.set(macBytes(hostMac(to)), 6)
  return [there[0]!.port, site.exitOf(to, back)]
}

function flagsOf(site: Lab): number[] {
  const { table } = site.world.hosts.get('h1')!.host.worker.ctx.state
  const into = new Int32Array(16 * RECORD_WORDS)
  const count = table.scan(0, into, new Float64Array(16))
  return Array.from({ length: count }, (_, i) => into[i * RECORD_WORDS + RecordWord.flags]!)
}

for (const [family, hosts] of Object.entries(FAMILIES))
  describe(`connections of one direction's filter, ${family}`, () => {
    const packets = (at: PortName, to: PortName): Uint8Array[] => [
      udp(at, hosts[to]).frame(),
      ping(at, hosts[to]).frame()
    ]

    const opensOnly = (site: Lab): void => {
      for (const sent of packets('d1', 'd2'))
        assert.deepEqual(bothWays(site, 'd1', 'd2', sent), ['d2', 'd1'])
      assert.equal(site.exitOf('d1', tcp('d1', hosts, 'd2', SYN)), 'd2')
      assert.equal(site.exitOf('d2', tcp('d2', hosts, 'd1', SYN_ACK)), 'd1')
      for (const sent of packets('d3', 'd1')) assert.equal(site.exitOf('d3', sent), '')
      assert.equal(site.exitOf('d3', tcp('d3', hosts, 'd1', SYN)), '')
      assert.equal(site.exitOf('d3', tcp('d3', hosts, 'd1', SYN_ACK)), '')
    }

    test('F2: one chain of answers only is enough, at the port', () => {
      opensOnly(siteOf({ outFilter: 'guard' }, ...guard('guard', [KNOWN, DROP])))
    })

    test('F2: also one that only asks for the direction', () => {
      const rules = [{ action: 'accept', matchReturnFlow: true }, DROP]
      opensOnly(siteOf({ outFilter: 'guard' }, ...guard('guard', rules)))
      const inverted = [{ action: 'drop', matchForwardFlow: true }]
      opensOnly(siteOf({ outFilter: 'guard' }, ...guard('guard', inverted)))
    })

    test('F2: also one that another leads to', () => {
      const jump = { action: 'jump', jumpChain: 'far' }
      const far = guard('far', [{ action: 'jump', jumpChain: 'guard' }])
      opensOnly(
        siteOf(
          { outFilter: 'near' },
          ...guard('near', [jump]),
          ...far,
          ...guard('guard', [KNOWN, DROP])
        )
      )
    })

    test('F2: beside a chain of the other direction that lets pass without asking', () => {
      const inFilter = guard('in', [{ action: 'accept' }])
      opensOnly(
        siteOf(
          { inFilter: 'in', outFilter: 'guard' },
          ...inFilter,
          ...guard('guard', [KNOWN, DROP])
        )
      )
    })

    test('F2: a rule that asks later follows what an earlier one lets pass', () => {
      const protocol = 'udp'
      const open = { action: 'accept', protocol, destinationPorts: { start: 53, end: 53 } }
      const out = guard('out', [open, KNOWN, DROP])
      const site = siteOf(
        { inFilter: 'in', outFilter: 'out' },
        ...out,
        ...guard('in', [KNOWN, DROP])
      )
      assert.deepEqual(bothWays(site, 'd3', 'd1', udp('d3', hosts.d1).frame()), ['d1', 'd3'])
      assert.equal(site.exitOf('d1', udp('d1', hosts.d2).frame()), '')
    })

    test('F2: who may only answer is filtered by one chain as well', () => {
      const site = siteOf({ inFilter: 'in' }, ...guard('in', [KNOWN, DROP]))
      for (const sent of packets('d3', 'd1'))
        assert.deepEqual(bothWays(site, 'd3', 'd1', sent), ['d1', 'd3'])
      for (const sent of packets('d1', 'd2')) assert.equal(site.exitOf('d1', sent), '')
    })

    test('D10: answers are seen, whichever side asked', () => {
      const admits = { action: 'accept', connectionStates: ['new', 'established'] }
      for (const [port, opener, other] of [
        [{ outFilter: 'guard' }, 'd3', 'd1'],
        [{ inFilter: 'guard' }, 'd1', 'd3']
      ] as const) {
        const site = siteOf(port, ...guard('guard', [admits, DROP]))
        assert.equal(site.exitOf(opener, tcp(opener, hosts, other, SYN)), other)
        assert.equal(site.exitOf(other, tcp(other, hosts, opener, SYN_ACK)), opener)
        assert.equal(site.exitOf(opener, tcp(opener, hosts, other, ACK)), other)
        site.world.settle(5000)
        assert.deepEqual(flagsOf(site), [StateFlag.replied | StateFlag.assured])
      }
    })

    test('what nobody filters by connections leaves no state', () => {
      const site = siteOf({ outFilter: 'plain' }, ...guard('plain', [{ action: 'accept' }]))
      for (const sent of packets('d1', 'd2'))
        assert.deepEqual(bothWays(site, 'd1', 'd2', sent), ['d2', 'd1'])
      assert.deepEqual(flagsOf(site), [])
    })

    test('an answer to no question that a rule lets pass begins no connection', () => {
      const site = siteOf({ outFilter: 'out' }, ...guard('out', [{ action: 'accept' }, KNOWN]))
      assert.equal(site.exitOf('d3', tcp('d3', hosts, 'd1', SYN_ACK)), 'd1')
      assert.deepEqual(flagsOf(site), [])
    })

    test('a chain that begins to ask has what passes followed from then on', () => {
      const site = siteOf({ outFilter: 'guard' }, ...guard('guard', [{ action: 'accept' }]))
      const sent = udp('d1', hosts.d2).frame()
      assert.equal(site.exitOf('d1', sent), 'd2')
      assert.deepEqual(flagsOf(site), [])
      site.add(object('rule', 'late', { chain: 'guard', position: 9, ...KNOWN }))
      assert.equal(site.exitOf('d1', sent), 'd2')
      assert.equal(flagsOf(site).length, 1)
    })
  })
