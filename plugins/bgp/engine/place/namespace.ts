// The network namespace of one uplink port, with the cable to the packet namespace: made, or
// brought from what is there to what is wanted without touching what is right.
//
// The name is a mount of the agent's. As a service it has mounts of its own, which its successor
// does not see: there the namespace is found again by a program that lives in it.
// test/lab/bgp-engine.test.ts and test/lab/systemd-gateway.test.ts hold it.

import { existsSync } from 'node:fs'
import { address, outlivingIn } from '../../../../src/control.ts'
import type { UplinkPlace } from '../engine.ts'
import { type EndParts, endAll } from './inhabitants.ts'
import { run } from './run.ts'

const FOLDER = '/run/netns'
const NAMESPACE = 'mezzo-bgp-'
const MTU = 1500
/** Its end of the cable. */
export const INSIDE = 'uplink'
const SYSCTL = '/proc/sys/net'

/** What is called after a port is called by these characters of its id. */
export const shortOf = (port: string): string => port.slice(0, 8)

/** Of a port, by the short form of its id. */
export const namespaceOf = (short: string): string => `${NAMESPACE}${short}`
export const pathOf = (short: string): string => `${FOLDER}/${namespaceOf(short)}`
/** The end of the cable in the packet namespace. */
export const outsideOf = (short: string): string => `mzu${short}`

/** `folder`: where programs that outlive an agent are written down. Rejects with UNAVAILABLE. */
export async function makeNamespace(
  place: UplinkPlace,
  folder: string,
  parts: EndParts
): Promise<void> {
  const short = shortOf(place.port)
  if (!(await isNamespace(short)) && !(await nameAgain(short, folder))) {
    await endInhabitants(short, folder, parts) // of one that nobody can enter any more
    await run(['ip', 'netns', 'add', namespaceOf(short)])
  }
  const link = await linkIn(short)
  if (link === null || !(await isCable(place, link))) {
    if (link !== null) await inside(short, `link delete ${INSIDE}`)
    await makeCable(place)
  }
  await configure(place, await linkIn(short))
}

// What namespace a program is in that is not root's the kernel tells few; the guard is root's.
async function nameAgain(short: string, folder: string): Promise<boolean> {
  await removeNamespace(short)
  for (const pid of outlivingIn(folder).values()) {
    if (await succeeds(['ip', 'netns', 'attach', namespaceOf(short), `${pid}`])) return true
    await removeNamespace(short)
  }
  return false
}

/**
 * Ends the programs in a namespace, whoever started them, and those that are written down in a
 * folder. Those that cannot be ended are left: the cable to them goes at least.
 */
export async function endInhabitants(
  short: string,
  folder: string,
  parts: EndParts
): Promise<void> {
  const those = { find: () => inhabitants(short, folder), tell: tellProcess }
  if (await endAll(those, parts)) return
  await inside(short, `link delete ${INSIDE}`).catch(() => '') // it may be gone
}

async function inhabitants(short: string, folder: string): Promise<Set<number>> {
  const pids = new Set(outlivingIn(folder).values())
  if (!(await isNamespace(short))) return pids
  const text = await run(['ip', 'netns', 'pids', namespaceOf(short)])
  for (const pid of text.split('\n').filter(Boolean)) pids.add(Number(pid))
  return pids
}

function tellProcess(pid: number, word: 'SIGTERM' | 'SIGKILL'): void {
  try {
    process.kill(pid, word)
  } catch {
    // It has ended meanwhile.
  }
}

/** Nothing is to run in it any more, and nothing is done when there is none. */
export async function removeNamespace(short: string): Promise<void> {
  if (!existsSync(pathOf(short))) return
  await run(['ip', 'netns', 'delete', namespaceOf(short)])
}

// A name can outlive its namespace: a file that nothing is mounted on.
const isNamespace = async (short: string): Promise<boolean> =>
  existsSync(pathOf(short)) && (await succeeds(['nsenter', `--net=${pathOf(short)}`, 'true']))

const succeeds = (command: readonly string[]): Promise<boolean> =>
  run(command).then(
    () => true,
    () => false
  )

interface Link {
  readonly ifindex: number
  readonly link_index?: number
  readonly address: string
  readonly mtu: number
  readonly addr_info: readonly {
    readonly local: string
    readonly prefixlen: number
    readonly scope: string
  }[]
}

async function linkIn(short: string): Promise<Link | null> {
  const text = await run(['ip', '-n', namespaceOf(short), '-j', 'addr', 'show'])
  const links = JSON.parse(text) as (Link & { readonly ifname: string })[]
  return links.find(({ ifname }) => ifname === INSIDE) ?? null
}

const outside = ({ packetNetns }: UplinkPlace): string[] =>
  packetNetns === null ? [] : ['nsenter', `--net=${packetNetns}`, '--']

async function isCable(place: UplinkPlace, link: Link): Promise<boolean> {
  const name = outsideOf(shortOf(place.port))
  const ask = [...outside(place), 'ip', '-j', 'link', 'show', 'dev', name]
  const text = await run(ask).catch(() => '[]')
  const [end] = JSON.parse(text) as Link[]
  return end !== undefined && end.ifindex === link.link_index && end.link_index === link.ifindex
}

async function makeCable(place: UplinkPlace): Promise<void> {
  const short = shortOf(place.port)
  const name = outsideOf(short)
  await run([...outside(place), 'ip', 'link', 'delete', name]).catch(() => '')
  const { mac, mtu = MTU, packetNetns } = place
  const there = packetNetns ?? `${process.pid}`
  await inside(
    short,
    `link add ${INSIDE} address ${mac} mtu ${mtu} type veth peer name ${name} mtu ${mtu}`,
    `link set ${name} netns ${there}`
  )
  // Nobody's network: no neighbour discovery by our end.
  const quiet = `/proc/sys/net/ipv6/conf/${name}/disable_ipv6`
  const script = `test ! -e ${quiet} || echo 1 > ${quiet}; ip link set ${name} up`
  await run([...outside(place), 'sh', '-e'], script)
}

async function configure(place: UplinkPlace, link: Link | null): Promise<void> {
  const short = shortOf(place.port)
  const { mac, mtu = MTU, addresses } = place
  await run(['nsenter', `--net=${pathOf(short)}`, '--', 'sh', '-e'], settings(addresses))
  const there = (link?.addr_info ?? [])
    .filter(({ scope }) => scope === 'global')
    .map(({ local, prefixlen }) => `${local}/${prefixlen}`)
  const wanted = addresses.map(text => address.formatPrefix(address.parsePrefix(text)))
  const gone = there.filter(each => !wanted.includes(each))
  const fresh = wanted.filter(each => !there.includes(each))
  await inside(
    short,
    'link set lo up',
    ...(link?.address === mac ? [] : [`link set ${INSIDE} address ${mac}`]),
    ...(link?.mtu === mtu ? [] : [`link set ${INSIDE} mtu ${mtu}`]),
    ...gone.map(each => `addr del ${each} dev ${INSIDE}`),
    ...fresh.map(each => `addr add ${each} dev ${INSIDE}${each.includes(':') ? ' nodad' : ''}`),
    `link set ${INSIDE} up`
  )
  await lead(place)
}

// To peers over several hops, and nowhere else.
async function lead({ port, routes = [] }: UplinkPlace): Promise<void> {
  const short = shortOf(port)
  const wanted = new Set(routes.map(({ to }) => to))
  const there = await Promise.all(['-4', '-6'].map(family => leadsIn(short, family)))
  const gone = there.flat().filter(to => !wanted.has(to))
  await inside(
    short,
    ...gone.map(to => `route del ${to} proto static`),
    ...routes.map(({ to, via }) => `route replace ${to} via ${via} dev ${INSIDE} proto static`)
  )
}

async function leadsIn(short: string, family: string): Promise<string[]> {
  const ask = ['ip', '-n', namespaceOf(short), family, '-j', 'route', 'show', 'proto', 'static']
  const routes = JSON.parse((await run(ask)) || '[]') as { readonly dst: string }[]
  return routes.map(({ dst }) => dst)
}

// No address but the port's, and the link-local one that goes with its MAC; it forwards nothing,
// whatever the machine does, whose settings of IPv4 a new namespace has at first.
function settings(addresses: readonly string[]): string {
  const isV6 = addresses.some(each => each.includes(':'))
  const v6 = `ipv6/conf/${INSIDE}`
  const values = [
    ['ipv4/ip_forward', 0],
    ...['all', INSIDE].map(each => [`ipv4/conf/${each}/rp_filter`, 0]),
    [`ipv4/conf/${INSIDE}/arp_ignore`, 1],
    ['ipv6/conf/all/forwarding', 0],
    [`${v6}/accept_ra`, 0],
    [`${v6}/accept_dad`, 0],
    [`${v6}/router_solicitations`, 0],
    [`${v6}/disable_ipv6`, isV6 ? 0 : 1]
  ]
  return values
    .map(([name, value]) => `! test -e ${SYSCTL}/${name} || echo ${value} > ${SYSCTL}/${name}\n`)
    .join('')
}

const inside = (short: string, ...lines: readonly string[]): Promise<string> =>
  run(['ip', '-n', namespaceOf(short), '-batch', '-'], `${lines.join('\n')}\n`)
