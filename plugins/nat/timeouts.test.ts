// An ICMP error does not prolong what it is about (RFC 5508 REQ-6): neither the
// translation, nor the connection, nor by taking it for an answer.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { RecordWord, StateFlag } from '../../src/state/record.ts'
import { Kind } from '../../test/state/kinds.ts'
import { listed } from '../../test/state/table-reading.ts'
import { chain, object } from '../../test/world/objects.ts'
import bridge from '../bridge/index.ts'
import firewall from '../firewall/index.ts'
import {
  from,
  hostIp,
  hostIp6,
  hostMac,
  Lab,
  type PortName,
  portMac,
  topology
} from '../router/fixture.test.ts'
import router from '../router/index.ts'
import { errorAbout } from './fixture.test.ts'
import nat from './index.ts'

const FAMILIES = {
  v4: { ...hostIp, all: '10.0.0.0/8', shown: '180.0.1.200', host: '/32' },
  v6: { ...hostIp6, all: '2001:db8::/32', shown: '2001:db8::200', host: '/128' }
} as const
const LIFE_MS = { udp: 30_000, ping: 30_000, tcp: 60_000 } as const
const STEP_MS = 7_000

interface Ends {
  readonly opener: PortName
  readonly other: PortName
}

const states = [
  { action: 'accept', connectionStates: ['established', 'related', 'new'] },
  { action: 'drop' }
]

for (const [family, { d1, up, all, shown, host }] of Object.entries(FAMILIES)) {
  const packet = (port: PortName, dst: string, kind: keyof typeof LIFE_MS): Uint8Array => {
    const src = port === 'd1' ? d1 : up
    const ip = family === 'v4' ? from(port).ipv4(src, dst) : from(port).ipv6(src, dst)
    if (kind === 'udp') return ip.udp(5000, 9).frame()
    if (kind === 'tcp') return ip.tcp(5000, 80, { flags: 'S' }).frame()
    return (family === 'v4' ? ip.icmpEcho(7, 1) : ip.icmpv6Echo(7, 1)).frame()
  }
  const ways = {
    snat: {
      kind: Kind.snat,
      inward: [{ action: 'reverse-snat' }],
      outward: [{ action: 'snat', source: all, outPorts: ['up'], natTargets: [{ from: shown }] }],
      ends: { opener: 'd1', other: 'up' } as Ends,
      to: up
    },
    dnat: {
      kind: Kind.dnat,
      inward: [
        {
          ...{ action: 'dnat', destination: `${shown}${host}` },
          natTargets: [{ from: d1 }, { from: d1 }]
        }
      ],
      outward: [{ action: 'reverse-dnat' }],
      ends: { opener: 'up', other: 'd1' } as Ends,
      to: shown
    },
    states: {
      kind: Kind.connection,
      ...{ inward: states, outward: [], to: up },
      ends: { opener: 'd1', other: 'up' } as Ends
    }
  } as const
  for (const [way, { kind, inward, outward, to, ends }] of Object.entries(ways))
    describe(`errors about ${way}, ${family}`, () => {
      for (const protocol of ['udp', 'tcp', 'ping'] as const)
        test(`RFC 5508 REQ-6: they prolong no ${protocol}`, () => {
          const { opener, other } = ends
          const site = new Lab({
            plugins: [bridge, router, firewall, nat],
            objects: topology(
              object('router', 'r', { inFilter: 'in', outFilter: 'out' }),
              ...chain('in', inward),
              ...chain('out', outward)
            )
          })
          const { table } = site.world.hosts.get('h1')!.host.worker.ctx.state
          const [out] = site.exchange(opener, packet(opener, to, protocol))
          assert.equal(out?.port, other)
          const error = errorAbout(out.frame)
          error.set(macBytes(portMac(other)), 0)
          error.set(macBytes(hostMac(other)), 6)
          assert.equal(table.count(kind), 1)
          let passed = 0
          for (let ms = 0; ms < LIFE_MS[protocol] + 2 * STEP_MS; ms += STEP_MS) {
            if (site.exitOf(other, error) !== '') passed++
            for (const { words } of listed(table))
              assert.equal(words[RecordWord.flags]! & (StateFlag.replied | StateFlag.assured), 0)
            site.world.settle(STEP_MS)
          }
          assert.ok(passed >= 4, 'while it lives, they are passed on')
          assert.equal(table.count(kind), 0)
        })
    })
}

const macBytes = (text: string): number[] => text.split(':').map(byte => Number.parseInt(byte, 16))
