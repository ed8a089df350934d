// What an uplink port is to do, out of what is declared: pure, so that it can be looked at.
// plan.test.ts holds it.

import { address, type PortModel } from '../../../src/control.ts'
import type {
  PeerConfig,
  Policy,
  SpeakerConfig,
  UplinkPlace,
  WatchedNeighbour
} from '../engine/engine.ts'
import type { BgpNetworkModel, BgpPolicyModel, BgpSpeakerModel } from '../models.ts'
import type { BgpPeerModel } from '../peer/model.ts'
import type { StaticUplinkModel } from '../static/model.ts'
import { OwnNetworks } from './own-networks.ts'
import { type PlannedStatic, staticsAt, watchedOf } from './static-plan.ts'
import { type StaticRoute, waysTo } from './ways.ts'

/** What is declared of a router. */
export interface RouterView {
  /** The operator has not set it down. */
  readonly isUp: boolean
  /** In the order of their ids, as all lists here. */
  readonly speakers: readonly BgpSpeakerModel[]
  /** Of all its ports. */
  readonly peers: readonly BgpPeerModel[]
  /** To announce. */
  readonly networks: readonly BgpNetworkModel[]
  /** All of it, with their addresses; those that are bound lead outside. */
  readonly ports: readonly Pick<PortModel, 'addresses' | 'host'>[]
  /** Uplinks without BGP, of all its ports. */
  readonly statics: readonly StaticUplinkModel[]
  /** Of an operator's making. */
  readonly routes: readonly StaticRoute[]
  /** Those that peers name, by id. */
  readonly policies: ReadonlyMap<string, BgpPolicyModel>
}

/** Whether traffic is to be led elsewhere: peers are told first that it soon will be. */
export type Drain = 'no' | 'telling' | 'drained'

/** A network at a port. */
export interface PlannedNetwork {
  readonly id: string
  /** In its shortest form. */
  readonly prefix: string
  /** Why it is not announced; none: it is. */
  readonly reasons: readonly string[]
}

/** What a port is to do by an engine. */
export interface UplinkPlan {
  /** Where its speaker is to stand. */
  readonly place: Omit<UplinkPlace, 'packetNetns'>
  /** What it is to speak; null: no BGP. */
  readonly config: SpeakerConfig | null
  /** Neighbours to be watched by BFD alone. */
  readonly watched: readonly WatchedNeighbour[]
  /** Its peers by their addresses, as the engine has them. */
  readonly peers: ReadonlyMap<string, BgpPeerModel>
  /** All of the router, announced or not. */
  readonly networks: readonly PlannedNetwork[]
  /** What is found here: those, and what the router is connected to. Nobody outside is asked. */
  readonly own: OwnNetworks
}

/** What a port is to do. */
export interface Planned {
  /** null: there is nothing to be done by an engine. */
  readonly plan: UplinkPlan | null
  /** Why it is not all that was declared; null: it is. */
  readonly reason: string | null
  /** Uplinks without BGP. */
  readonly statics: readonly PlannedStatic[]
}

const MAXIMUM_PATHS = 8

/** `withheld`: reasons of the host's for which nothing is announced. */
export function planOf(
  port: PortModel,
  view: RouterView,
  drain: Drain,
  withheld: readonly string[]
): Planned {
  const reasons = reasonsOf(port, view, drain, withheld)
  const peers = peersAt(port, view.peers)
  const all = staticsAt(port, view.statics, reasons)
  const statics = all.filter(({ address: ip }) => !peers.has(ip)) // the API refuses both
  const watched = watchedOf(statics)
  const nothing = (reason: string | null): Planned => ({ plan: null, reason, statics })
  if (peers.size + watched.length === 0) return nothing(null)
  const { mac, addresses = [] } = port
  if (mac === undefined) return nothing('it has no MAC address')
  const spoken = peers.size === 0 ? null : bgpOf(port, view, peers, drain, reasons)
  const reason = spoken?.reason ?? null
  if (reason !== null && watched.length === 0) return nothing(reason)
  const routes = waysTo(port, [...peers.keys()], view.routes)
  const place = { port: port.id, mac, addresses, ...(routes.length > 0 && { routes }) }
  const bgp = spoken === null || spoken.reason !== null ? NO_BGP : spoken
  return { plan: { place, watched, ...bgp }, reason, statics }
}

type Bgp = Pick<UplinkPlan, 'config' | 'peers' | 'networks' | 'own'>

const NO_BGP: Bgp = { config: null, peers: new Map(), networks: [], own: new OwnNetworks([]) }

function bgpOf(
  port: PortModel,
  view: RouterView,
  peers: UplinkPlan['peers'],
  drain: Drain,
  reasons: readonly string[]
): (Bgp & { reason: null }) | { reason: string } {
  const speaker =
    view.speakers.find(each => each.port === port.id) ??
    view.speakers.find(each => each.port === undefined)
  if (speaker === undefined) return { reason: 'its router has no bgp-speaker' }
  const routerId = speaker.routerId ?? firstIpv4(port.addresses ?? [])
  if (routerId === undefined)
    return { reason: 'its bgp-speaker has no routerId, and it no IPv4 address' }
  const isLinks = linkTest(port, view)
  const networks = view.networks.map(({ id, prefix }) => ({
    id,
    prefix: shortest(prefix),
    reasons: isLinks(shortest(prefix)) ? [...reasons, 'uplink-network'] : reasons
  }))
  const announced = networks.flatMap(each => (each.reasons.length === 0 ? [each.prefix] : []))
  const connected = view.ports.flatMap(each => each.addresses ?? [])
  const own = new OwnNetworks([...networks.map(({ prefix }) => prefix), ...connected])
  const config: SpeakerConfig = {
    asn: speaker.asn,
    routerId,
    gracefulRestartS: speaker.gracefulRestartS ?? null,
    maximumPaths: speaker.maximumPaths ?? MAXIMUM_PATHS,
    networks: announced,
    peers: [...peers].map(([ip, peer]) => configOf(ip, peer, view.policies, drain))
  }
  return { config, peers, networks, own, reason: null }
}

// Those who are on an uplink's network need no word of it. A part of it, told by whichever gateway,
// leads its routers away from each other, and the sessions with us with it.
function linkTest(port: PortModel, { ports }: RouterView): (prefix: string) => boolean {
  const own = new OwnNetworks(port.addresses ?? [])
  const uplinks = ports.filter(({ host }) => host !== undefined)
  const all = new OwnNetworks(uplinks.flatMap(({ addresses = [] }) => addresses))
  return prefix =>
    own.covering(prefix) !== undefined || ![undefined, prefix].includes(all.covering(prefix))
}

function reasonsOf(
  port: PortModel,
  view: RouterView,
  drain: Drain,
  withheld: readonly string[]
): string[] {
  return [
    ...(drain === 'drained' ? ['host-drained'] : []),
    ...(view.isUp ? [] : ['router-down']),
    ...(port.adminStateUp === false ? ['port-down'] : []),
    ...withheld
  ]
}

// Of two that would be one session the first stands; the API refuses the second.
function peersAt(port: PortModel, peers: readonly BgpPeerModel[]): Map<string, BgpPeerModel> {
  const networks = (port.addresses ?? []).map(address.parsePrefix)
  const here = new Map<string, BgpPeerModel>()
  for (const peer of peers) {
    const ip = address.parseIp(peer.address)
    const text = address.formatIp(ip)
    const isNear = networks.some(network => address.prefixContains(network, ip))
    const isHere = peer.port === port.id ? isNear || peer.multihop !== undefined : isNear
    if ((peer.port ?? port.id) !== port.id || !isHere || here.has(text)) continue
    here.set(text, peer)
  }
  return here
}

function configOf(
  ip: string,
  peer: BgpPeerModel,
  policies: RouterView['policies'],
  drain: Drain
): PeerConfig {
  const { importPolicy, exportPolicy, bfd } = peer
  // The engine tells nothing but networks of ours, whatever a policy permits.
  const told = exportPolicy === undefined ? ALL : policyOf(policies.get(exportPolicy))
  const { communities = [] } = told
  return {
    address: ip,
    asn: peer.asn,
    keepaliveS: peer.keepaliveS ?? 3,
    holdS: peer.holdS ?? 9,
    connectS: peer.connectS ?? 5,
    password: peer.password ?? null,
    multihop: peer.multihop ?? null,
    bfd: bfd === undefined ? null : { intervalMs: bfd.intervalMs, multiplier: bfd.multiplier },
    maximumPrefixes: peer.maximumPrefixes ?? 10_000,
    shutdown: peer.adminStateUp === false,
    import: importPolicy === undefined ? { prefixes: [] } : policyOf(policies.get(importPolicy)),
    // RFC 8326: peers look for another way before this one is taken away.
    export: drain === 'no' ? told : { ...told, communities: [...communities, GRACEFUL_SHUTDOWN] }
  }
}

const GRACEFUL_SHUTDOWN = 'graceful-shutdown'

const NOTHING = [
  { prefix: '0.0.0.0/0', le: 32, action: 'deny' },
  { prefix: '::/0', le: 128, action: 'deny' }
] as const

const ALL: Policy = { prefixes: [] }

// One that is not known lets nothing pass.
function policyOf(policy: BgpPolicyModel | undefined): Policy {
  if (policy === undefined) return { prefixes: NOTHING }
  const { prefixes = [], communities, localPreference, med, prepend } = policy
  return {
    prefixes: prefixes.map(({ prefix, ge, le, action }) => ({
      ...{ prefix: shortest(prefix), action },
      ...(ge === undefined ? {} : { ge }),
      ...(le === undefined ? {} : { le })
    })),
    ...(communities === undefined ? {} : { communities }),
    ...(localPreference === undefined ? {} : { localPreference }),
    ...(med === undefined ? {} : { med }),
    ...(prepend === undefined ? {} : { prepend })
  }
}

// As all that is compared with it.
const shortest = (prefix: string): string => address.formatPrefix(address.parsePrefix(prefix))

function firstIpv4(addresses: readonly string[]): string | undefined {
  const prefix = addresses.map(address.parsePrefix).find(({ family }) => family === 4)
  return prefix && address.formatIp(prefix)
}

/** What the port answers for: its addresses, and with IPv6 that of the link (RFC 4291 §2.8). */
export function ownAddresses({ mac, addresses }: UplinkPlan['place']): string[] {
  const own = addresses.map(text => address.formatIp(address.parsePrefix(text)))
  if (!own.some(text => text.includes(':'))) return own
  const words = address.linkLocal(address.parseMac(mac))
  return [...new Set([...own, address.formatIp({ family: 6, words })])]
}
