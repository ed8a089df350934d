// What a speaker is to do, as the configurations of FRR's daemons. Only networks of ours leave it,
// whatever a policy says: it is never a way between two peers.

import { createHash } from 'node:crypto'
import type { PeerConfig, SpeakerConfig, WatchedNeighbour } from '../engine.ts'
import { INSIDE } from '../place/namespace.ts'
import { WATCHES } from './guard.ts'
import type { Line } from './lines.ts'
import { ANY, type Family, familyOf, listLine, policyLines } from './policy.ts'

/** By daemon. */
export interface Configurations {
  /** Sessions, policies and networks. */
  readonly bgpd: readonly Line[]
  /** How fast peers are missed. */
  readonly bfdd: readonly Line[]
}

/** What zebra is told, once: the kernel's groups of next hops lose some when an interface flaps. */
export const zebraFile = (fpmPort: number): string =>
  [
    'no zebra nexthop kernel enable',
    `fpm address 127.0.0.1 port ${fpmPort}`,
    'no fpm use-next-hop-groups',
    'ip nht resolve-via-default',
    'ipv6 nht resolve-via-default',
    ''
  ].join('\n')

/** Both are valid. */
export const configurations = (
  config: SpeakerConfig | null,
  watched: readonly WatchedNeighbour[] = []
): Configurations => ({
  bgpd: config === null ? [] : bgpLines(config),
  bfdd: [
    ...unique([
      ...(config?.peers ?? []).flatMap(profile),
      ...watched.flatMap(bfd => profile({ bfd, multihop: null }))
    ]),
    ...watched.flatMap(neighbour)
  ]
})

const bgpLines = (config: SpeakerConfig): Line[] => [
  ...ownLists(config.networks),
  ...unique(
    config.peers.flatMap(peer => policiesOf(peer, config.asn).flatMap(({ lines }) => lines))
  ),
  ...speaker(config)
]

const OWN = { 4: 'mezzo-own-4', 6: 'mezzo-own-6' } as const
const SEQ_MAX = 0xffff_ffff

// A network has the same place in the list whatever others there are, or nearly so. The last entry
// is always there, and with it the list.
function ownLists(networks: readonly string[]): Line[] {
  const taken = new Set([SEQ_MAX])
  const permitted = [...networks].sort().map(network => {
    let seq = createHash('sha256').update(network).digest().subarray(0, 4).reduce(byByte, 0) || 1
    while (taken.has(seq)) seq = (seq % SEQ_MAX) + 1
    taken.add(seq)
    const family = familyOf(network)
    return listLine(OWN[family], family, seq, `permit ${network}`)
  })
  const last = ([4, 6] as const).map(family =>
    listLine(OWN[family], family, SEQ_MAX, `deny ${ANY[family]}`)
  )
  return [...permitted, ...last]
}

const byByte = (sum: number, byte: number): number => sum * 256 + byte

const unique = (lines: readonly Line[]): Line[] => [
  ...new Map(lines.map(line => [line.key, line])).values()
]

function speaker(config: SpeakerConfig): Line[] {
  const { asn, routerId, gracefulRestartS: restartS, networks, peers } = config
  const header = `router bgp ${asn}`
  const opens: Line = {
    ...{ block: [], key: 'router bgp', text: header, undo: `no ${header}` },
    isFresh: true // a process has one number
  }
  const inside = within([header], 'router bgp')
  return [
    opens,
    inside('bgp router-id', `bgp router-id ${routerId}`, 'no bgp router-id'),
    ...switches.map(text => inside(text, text, reversed(text))),
    ...(restartS === null ? [] : gracefulRestart(restartS)).map(text =>
      inside(text.replace(/ \d+$/, ''), text, `no ${text}`)
    ),
    ...peers.flatMap(peer => peerLines(peer, asn, inside)),
    ...([4, 6] as const).flatMap(family =>
      familyLines(
        family,
        { ...config, networks: networks.filter(each => familyOf(each) === family) },
        header
      )
    )
  ]
}

const switches = [
  'bgp log-neighbor-changes',
  'no bgp ebgp-requires-policy', // none means that all is taken; what leaves is ours alone
  'no bgp default ipv4-unicast',
  'no bgp network import-check', // a network need not be a route here
  'bgp bestpath as-path multipath-relax'
]

const gracefulRestart = (restartS: number): string[] => [
  'bgp graceful-restart',
  `bgp graceful-restart restart-time ${restartS}`,
  'bgp graceful-restart preserve-fw-state'
]

const reversed = (text: string): string => (text.startsWith('no ') ? text.slice(3) : `no ${text}`)

type Inside = (key: string, text: string, undo: string, of?: string) => Line

const within =
  (block: readonly string[], owner: string): Inside =>
  (key, text, undo, of = owner) => ({ block, key: `${block.length} ${key}`, text, undo, of })

function peerLines(peer: PeerConfig, asn: number, inside: Inside): Line[] {
  const name = `neighbor ${peer.address}`
  const first = inside(name, `${name} remote-as ${peer.asn}`, `no ${name}`)
  const line = (what: string, value = ''): Line =>
    inside(`${name} ${what}`, `${name} ${what}${value}`, `no ${name} ${what}`, first.key)
  const { keepaliveS, holdS, connectS, password, multihop, bfd, shutdown } = peer
  const isFar = multihop !== null && peer.asn !== asn
  return [
    first,
    line('timers', ` ${keepaliveS} ${holdS}`),
    line('timers connect', ` ${connectS}`),
    ...(password === null ? [] : [line('password', ` ${password}`)]),
    ...(isFar ? [line('ebgp-multihop', ` ${multihop}`)] : []),
    ...(bfd === null ? [] : [line('bfd'), line('bfd profile', ` ${profileOf(peer)}`)]),
    ...(shutdown ? [line('shutdown')] : [])
  ]
}

function familyLines(family: Family, config: SpeakerConfig, header: string): Line[] {
  const block = [header, `address-family ipv${family} unicast`]
  const owned = within(block, 'router bgp')
  const inside: Inside = (key, text, undo, of) => owned(`${family} ${key}`, text, undo, of)
  const plain = (text: string): Line => inside(text.replace(/ \d+$/, ''), text, `no ${text}`)
  const paths = config.maximumPaths
  return [
    ...config.peers
      .filter(({ address }) => familyOf(address) === family)
      .flatMap(peer => peerFamilyLines(peer, family, config.asn, inside)),
    plain(`maximum-paths ${paths}`),
    plain(`maximum-paths ibgp ${paths}`),
    ...config.networks.map(network =>
      inside(`network ${network}`, `network ${network}`, `no network ${network}`)
    )
  ]
}

function peerFamilyLines(peer: PeerConfig, family: Family, asn: number, inside: Inside): Line[] {
  const name = `neighbor ${peer.address}`
  const of = `1 ${name}`
  const line = (key: string, value: string, undone = value): Line =>
    inside(`${name} ${key}`, `${name} ${value}`, `no ${name} ${undone}`, of)
  const maps = policiesOf(peer, asn).map(({ name: map, direction }) =>
    line(`route-map ${direction}`, `route-map ${map} ${direction}`)
  )
  const most = `maximum-prefix ${peer.maximumPrefixes}`
  return [
    line('activate', 'activate'),
    line('prefix-list out', `prefix-list ${OWN[family]} out`),
    ...maps,
    line('maximum-prefix', most)
  ]
}

function policiesOf(peer: PeerConfig, asn: number) {
  const family = familyOf(peer.address)
  return (['in', 'out'] as const).flatMap(direction => {
    const policy = direction === 'in' ? peer.import : peer.export
    const found = policyLines(policy, family, direction, asn)
    return found === null ? [] : [{ ...found, direction }]
  })
}

type Watched = Pick<PeerConfig, 'bfd' | 'multihop'>

const profileOf = ({ bfd, multihop }: Watched): string =>
  `mezzo-${bfd!.intervalMs}x${bfd!.multiplier}${multihop === null ? '' : 'far'}`

// Named by what they say, so that a change leaves sessions of others alone.
function profile(peer: Watched): Line[] {
  const { bfd, multihop } = peer
  if (bfd === null) return []
  const header = `profile ${profileOf(peer)}`
  const opens = { block: ['bfd'], key: header, text: header, undo: `no ${header}` }
  const texts = [
    `transmit-interval ${bfd.intervalMs}`,
    `receive-interval ${bfd.intervalMs}`,
    `detect-multiplier ${bfd.multiplier}`,
    // RFC 5883 asks for no TTL, and some begin with 64.
    ...(multihop === null ? [] : ['minimum-ttl 1'])
  ]
  const block = ['bfd', header]
  const inside = texts.map(text => ({
    ...{ block, key: `${header} ${text}`, text },
    ...{ undo: `no ${text}`, of: header }
  }))
  return [opens, ...inside]
}

function neighbour({ address, shutdown, ...bfd }: WatchedNeighbour): Line[] {
  const header = `peer ${address} interface ${INSIDE}`
  const opens = { block: ['bfd'], key: header, text: header, undo: `no ${header}` }
  const inside = (key: string, text: string, undo: string): Line => ({
    ...{ block: ['bfd', header], key: `${header} ${key}`, text, undo, of: header }
  })
  return [
    opens,
    inside('profile', `profile ${profileOf({ bfd, multihop: null })}`, 'no profile'),
    inside('shutdown', shutdown ? 'shutdown' : WATCHES, shutdown ? WATCHES : 'shutdown')
  ]
}
