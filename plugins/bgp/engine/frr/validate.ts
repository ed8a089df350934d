// Whether a configuration can be given to FRR, field by field: what is put into a command must not
// be able to become another one. validate.test.ts holds it.

import { address, fail } from '../../../../src/control.ts'
import type {
  PeerConfig,
  Policy,
  PolicyEntry,
  SpeakerConfig,
  UplinkPlace,
  WatchedNeighbour
} from '../engine.ts'

const ASN_MAX = 0xffff_ffff
const SECONDS_MAX = 0xffff
const PREFIXES_MAX = 0xffff_ffff
const PATHS_MAX = 64
const PREPEND_MAX = 16

type Check = (value: unknown) => boolean

const whole =
  (least: number, most: number): Check =>
  value =>
    Number.isInteger(value) && (value as number) >= least && (value as number) <= most

const parses =
  (parse: (text: string) => unknown): Check =>
  value => {
    try {
      return typeof value === 'string' && parse(value) !== undefined
    } catch {
      return false
    }
  }

const isAddress = parses(address.parseIp)
const isNetwork = parses(text => {
  const prefix = address.parsePrefix(text)
  if (address.formatPrefix(address.networkOf(prefix)) !== text) throw new Error('host bits')
  return prefix
})
// A space ends it, `?` asks for help, and 80 bytes are what the kernel takes.
const isPassword: Check = value => typeof value === 'string' && /^[!->@-~]{1,80}$/.test(value)
const isCommunity: Check = value =>
  typeof value === 'string' && (/^\d{1,5}:\d{1,5}$/.test(value) || known.includes(value))

const known: readonly string[] = [
  ...['no-export', 'no-advertise', 'local-AS', 'internet', 'blackhole', 'graceful-shutdown'],
  ...['no-peer', 'accept-own', 'llgr-stale', 'no-llgr']
]

function need(check: Check, field: string, value: unknown, expected: string, secret = false): void {
  if (check(value)) return
  throw fail('INVALID', { field, value: secret ? '(not shown)' : String(value), expected })
}

const unless =
  (none: unknown, check: Check): Check =>
  value =>
    value === none || check(value)

/** Throws INVALID, which names the field. */
export function validatePlace({ port, mac, addresses, mtu, routes = [] }: UplinkPlace): void {
  const isId = (value: unknown) => typeof value === 'string' && /^[\w-]{8,64}$/.test(value)
  need(isId, 'port', port, 'the id of a port')
  need(parses(address.parseMac), 'mac', mac, 'a MAC address')
  need(unless(undefined, whole(1280, 65_535)), 'mtu', mtu, '1280 to 65535 bytes')
  const isSome = (value: unknown): boolean => (value as number) > 0
  need(isSome, 'addresses', addresses.length, 'an address at least')
  for (const each of addresses)
    need(parses(address.parsePrefix), 'addresses', each, 'an address with a prefix length')
  for (const each of routes.flatMap(({ to, via }) => [to, via]))
    need(isAddress, 'routes', each, 'an address')
}

/** Throws INVALID, which names the field. */
export function validateConfig(config: SpeakerConfig): void {
  const { asn, routerId, gracefulRestartS, maximumPaths, networks, peers } = config
  need(whole(1, ASN_MAX), 'asn', asn, `1 to ${ASN_MAX}`)
  need(parses(address.parseIpv4), 'routerId', routerId, 'an IPv4 address')
  need(unless(null, whole(1, 4095)), 'gracefulRestartS', gracefulRestartS, '1 to 4095 seconds')
  need(whole(1, PATHS_MAX), 'maximumPaths', maximumPaths, `1 to ${PATHS_MAX}`)
  for (const network of networks)
    need(isNetwork, 'networks', network, 'a network, without host bits')
  const addresses = new Set<string>()
  for (const [i, peer] of peers.entries()) {
    validatePeer(peer, `peers[${i}]`)
    const isNew = (): boolean => !addresses.has(peer.address)
    need(isNew, `peers[${i}].address`, peer.address, 'an address that no other peer has')
    addresses.add(peer.address)
  }
}

/** `peers`: those of BGP, who are watched as they want. Throws INVALID, which names the field. */
export function validateWatched(
  watched: readonly WatchedNeighbour[],
  peers: readonly PeerConfig[]
): void {
  const taken = new Set(peers.map(({ address }) => address))
  for (const [i, { address: ip, ...bfd }] of watched.entries()) {
    const at = `watched[${i}]`
    need(isAddress, `${at}.address`, ip, 'an IPv4 or IPv6 address')
    need(() => !taken.has(ip), `${at}.address`, ip, 'an address that no other neighbour has')
    validateBfd(bfd, at)
    taken.add(ip)
  }
}

function validatePeer(peer: PeerConfig, at: string): void {
  const { multihop, bfd, maximumPrefixes, keepaliveS, holdS } = peer
  need(isAddress, `${at}.address`, peer.address, 'an IPv4 or IPv6 address')
  need(whole(1, ASN_MAX), `${at}.asn`, peer.asn, `1 to ${ASN_MAX}`)
  need(whole(1, SECONDS_MAX), `${at}.keepaliveS`, keepaliveS, 'seconds')
  need(whole(3, SECONDS_MAX), `${at}.holdS`, holdS, '3 seconds or more')
  need(whole(1, SECONDS_MAX), `${at}.connectS`, peer.connectS, 'seconds')
  const password = '1 to 80 characters of ASCII, without spaces and question marks'
  need(unless(null, isPassword), `${at}.password`, peer.password, password, true)
  need(unless(null, whole(1, 255)), `${at}.multihop`, multihop, '1 to 255 hops')
  need(whole(1, PREFIXES_MAX), `${at}.maximumPrefixes`, maximumPrefixes, '1 or more')
  if (bfd !== null) validateBfd(bfd, `${at}.bfd`)
  validatePolicy(peer.import, `${at}.import`)
  validatePolicy(peer.export, `${at}.export`)
}

function validateBfd(bfd: NonNullable<PeerConfig['bfd']>, at: string): void {
  need(whole(10, 4_294_967), `${at}.intervalMs`, bfd.intervalMs, '10 milliseconds or more')
  need(whole(1, 255), `${at}.multiplier`, bfd.multiplier, '1 to 255')
}

function validatePolicy(policy: Policy, at: string): void {
  const number = unless(undefined, whole(0, ASN_MAX))
  const { localPreference, med, prepend, communities = [], prefixes } = policy
  need(number, `${at}.localPreference`, localPreference, `0 to ${ASN_MAX}`)
  need(number, `${at}.med`, med, `0 to ${ASN_MAX}`)
  const few = unless(undefined, whole(0, PREPEND_MAX))
  need(few, `${at}.prepend`, prepend, `0 to ${PREPEND_MAX}`)
  for (const each of communities)
    need(isCommunity, `${at}.communities`, each, `65001:100, or one of ${known.join(', ')}`)
  for (const [i, entry] of prefixes.entries()) validateEntry(entry, `${at}.prefixes[${i}]`)
}

function validateEntry({ prefix, ge, le, action }: PolicyEntry, at: string): void {
  need(isNetwork, `${at}.prefix`, prefix, 'a network, without host bits')
  const { family, length } = address.parsePrefix(prefix)
  const most = family === 4 ? 32 : 128
  need(unless(undefined, whole(length, most)), `${at}.ge`, ge, `${length} to ${most}`)
  const least = Math.max(length, ge ?? 0)
  need(unless(undefined, whole(least, most)), `${at}.le`, le, `${least} to ${most}`)
  const isAction: Check = value => value === 'permit' || value === 'deny'
  need(isAction, `${at}.action`, action, 'permit or deny')
}
