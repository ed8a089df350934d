// What the owner of a port was given, as port security asks for it, and how it refuses.

import {
  type AllowedAddresses,
  type AllowedNetwork,
  address,
  type PortSecurity,
  type SimulationContext,
  type Verdict
} from '../../src/plugin.ts'

/** null: any. */
export type Networks = readonly AllowedNetwork[] | null

/** Whether a station of the port may say that it has this address. */
export function mayClaim(
  addresses: AllowedAddresses,
  mac: number,
  family: 4 | 6,
  words: Int32Array
): boolean {
  const networks = addresses.get(mac)
  if (networks === undefined) return false
  if (networks === null || networks.some(network => contains(network, family, words))) return true
  return family === 6 && address.linkLocal(mac).every((word, i) => word === words[i])
}

/** Whether any MAC of the list may claim the address. */
export function isSomebodys(
  addresses: AllowedAddresses,
  family: 4 | 6,
  words: Int32Array
): boolean {
  for (const mac of addresses.keys()) if (mayClaim(addresses, mac, family, words)) return true
  return false
}

const contains = (network: AllowedNetwork, family: 4 | 6, words: Int32Array): boolean =>
  network.family === family &&
  words.every((word, i) => ((word ^ network.words[i]!) & network.masks[i]!) === 0)

const REASONS = {
  mac: 'bridge.port-security-mac',
  arp: 'bridge.port-security-arp',
  nd: 'bridge.port-security-nd',
  ip: 'bridge.port-security-ip',
  dhcp: 'bridge.port-security-dhcp',
  ra: 'bridge.port-security-ra',
  hidden: 'bridge.port-security-hidden'
} as const

/** `what` is said in traces only. */
export function refused(
  ctx: SimulationContext,
  why: keyof typeof REASONS,
  what: () => string
): Verdict {
  if (ctx.trace !== null) {
    ctx.trace.step(`     port security of ${ctx.inPort.name}: no ${what()}`)
    ctx.trace.step(`     allowed: ${allowedText(ctx.inPort.security!)}`)
  }
  return ctx.drop(REASONS[why])
}

const SHOWN_MAX = 4

function allowedText({ addresses, services }: PortSecurity): string {
  const pairs = addresses === null ? ['any address'] : [...addresses].map(pairText)
  const shown = [...pairs.slice(0, SHOWN_MAX), ...(pairs.length > SHOWN_MAX ? ['…'] : [])]
  return `${shown.join('; ') || 'no address'}; services: ${[...services].join(' ') || 'none'}`
}

const pairText = ([mac, networks]: readonly [number, Networks]): string =>
  `${macText(mac)} ${networks === null ? 'any' : networks.map(({ text }) => text).join(' ')}`.trim()

/** A MAC as text. */
export const macText = address.formatMac
