// Ways to translate a connection, each by rules that ask nothing of packets, their protocol, or
// their ports.

import type { Topology } from '../world/objects.ts'
import type { Rule, SceneOptions } from './scene.ts'

export type Family = 4 | 6
export type Protocol = 'tcp' | 'udp' | 'ping'

export const PLACES = {
  4: {
    inside: '10.1.0.5',
    insideNet: '10.1.0.0/24',
    insideRouter: '10.1.0.254',
    outside: '198.51.100.9',
    outsideRouter: '198.51.100.33',
    public: '198.51.100.100',
    publicNet: '198.51.100.0/24',
    own: '198.51.100.1'
  },
  6: {
    inside: 'fd01::5',
    insideNet: 'fd01::/64',
    insideRouter: 'fd01::fe',
    outside: '2001:db8:1::9',
    outsideRouter: '2001:db8:1::33',
    public: '2001:db8:1::100',
    publicNet: '2001:db8:1::/64',
    own: '2001:db8:1::1'
  }
} as const

export interface Case {
  readonly name: string
  readonly options: (family: Family, asks: Asks) => SceneOptions
  readonly inward?: boolean // the connection is opened by the outside
  readonly withoutPing?: boolean
  readonly publicPort?: number // that is not the one inside
  readonly renumbers?: boolean // all addresses inside, those of routers too
}

export type Asks = Record<string, unknown>
const range = (port: number) => ({ start: port, end: port })

const rules = (inFilter: readonly Rule[], outFilter: readonly Rule[]): SceneOptions => ({
  inFilter,
  outFilter
})

export const CASES: readonly Case[] = [
  {
    name: 'SNAT',
    options: (family, asks) => {
      const { insideNet, public: from } = PLACES[family]
      const targets = [{ from, portFrom: 20_000, portTo: 20_999 }]
      const rule = { action: 'snat', source: insideNet, natTargets: targets, ...asks }
      return rules([{ action: 'reverse-snat', ...mirrorOf(asks, 443) }], [rule])
    }
  },
  {
    name: 'masquerade',
    options: (_, asks) =>
      rules(
        [{ action: 'reverse-snat', ...mirrorOf(asks, 443) }],
        [{ action: 'masquerade', outPorts: ['r3'], ...asks }]
      )
  },
  {
    name: 'DNAT with a port',
    inward: true,
    withoutPing: true,
    publicPort: 80,
    options: (family, asks) => {
      const { inside, public: vip } = PLACES[family]
      const natTargets = [{ from: inside, portFrom: 8080, portTo: 8080 }]
      const rule = { action: 'dnat', destination: host(vip, family), natTargets, ...asks }
      return rules([rule], [{ action: 'reverse-dnat', ...mirrorOf(asks, 8080) }])
    }
  },
  {
    name: '1:1, opened from inside',
    options: (family, asks) => oneToOne(family, mirrorOf(asks, 443), asks)
  },
  {
    name: '1:1, opened from outside',
    inward: true,
    options: (family, asks) => oneToOne(family, asks, mirrorOf(asks, 80))
  },
  {
    name: 'a whole prefix',
    renumbers: true,
    options: (family, asks) => {
      const { insideNet } = PLACES[family]
      const natPrefix = family === 4 ? '203.0.113.0/24' : '2001:db8:7::/64'
      return rules(
        [{ action: 'dnat', destination: natPrefix, natPrefix: insideNet, ...mirrorOf(asks, 443) }],
        [{ action: 'snat', source: insideNet, natPrefix, ...asks }]
      )
    }
  },
  {
    name: 'a VIP',
    inward: true,
    withoutPing: true,
    publicPort: 80,
    options: family => ({
      router: { loadBalancer: 'lb' },
      more: topology => balance(topology, family)
    })
  },
  {
    name: 'SNAT behind a jump that asks',
    options: (family, asks) => {
      const { insideNet, public: from } = PLACES[family]
      const natTargets = [{ from, portFrom: 20_000, portTo: 20_999 }]
      return {
        ...rules(
          [
            { action: 'jump', jumpChain: 'back', ...mirrorOf(asks, 443) },
            { action: 'accept', destination: insideNet },
            { action: 'drop', inPorts: ['r3'] }
          ],
          [{ action: 'jump', jumpChain: 'away', ...asks }]
        ),
        more: topology => {
          for (const id of ['back', 'away']) topology.add('chain', id, { name: id })
          topology.rule('back', 1, 'reverse-snat')
          topology.rule('away', 1, 'snat', { source: insideNet, natTargets })
        }
      }
    }
  },
  {
    name: 'SNAT behind a rule that accepts ICMP errors',
    options: (family, asks) => {
      const { insideNet, public: from } = PLACES[family]
      const natTargets = [{ from, portFrom: 20_000, portTo: 20_999 }]
      const types = family === 4 ? range(3) : { start: 1, end: 4 }
      const icmp = { protocol: family === 4 ? 'icmp' : 'icmpv6', sourcePorts: types }
      return rules(
        [{ action: 'accept', ...icmp }, { action: 'reverse-snat' }],
        [
          { action: 'accept', ...icmp },
          { action: 'snat', source: insideNet, natTargets, ...asks }
        ]
      )
    }
  },
  {
    name: '1:1 behind a rule that accepts ICMP errors',
    options: (family, asks) => {
      const types = family === 4 ? range(3) : { start: 1, end: 4 }
      const icmp = { protocol: family === 4 ? 'icmp' : 'icmpv6', sourcePorts: types }
      const { inFilter, outFilter } = oneToOne(family, mirrorOf(asks, 443), asks)
      const accept = { action: 'accept', ...icmp }
      return rules([accept, ...inFilter!], [accept, ...outFilter!])
    }
  }
]

function oneToOne(family: Family, inward: Asks, outward: Asks): SceneOptions {
  const { inside, public: one } = PLACES[family]
  return rules(
    [{ action: 'dnat', destination: host(one, family), natTargets: [{ from: inside }], ...inward }],
    [{ action: 'snat', source: host(inside, family), natTargets: [{ from: one }], ...outward }]
  )
}

function balance(topology: Topology, family: Family): void {
  const { inside, public: address } = PLACES[family]
  topology.add('load-balancer', 'lb', {}).add('pool', 'p', { loadBalancer: 'lb' })
  topology.add('pool-member', 'm', { pool: 'p', address: inside, port: 8080 })
  for (const protocol of ['tcp', 'udp'])
    topology.add('vip', `v-${protocol}`, { pool: 'p', address, port: 80, protocol })
}

const host = (ip: string, family: Family): string => `${ip}/${family === 4 ? 32 : 128}`

// What the rule of the other direction asks: the ports turned round.
function mirrorOf({ destinationPorts, ...rest }: Asks, port: number): Asks {
  return destinationPorts === undefined ? rest : { ...rest, sourcePorts: range(port) }
}

// What a rule asks of a connection to `port`.
export const ASKS: Readonly<
  Record<string, (protocol: Protocol, family: Family, port: number) => Asks>
> = {
  nothing: () => ({}),
  'the protocol': (protocol, family) => ({ protocol: numberOf(protocol, family) }),
  ports: (protocol, family, port) => ({
    protocol: numberOf(protocol, family),
    ...(protocol === 'ping' ? {} : { destinationPorts: range(port) })
  })
}

const numberOf = (protocol: Protocol, family: Family): string =>
  protocol === 'ping' ? (family === 4 ? 'icmp' : 'icmpv6') : protocol
