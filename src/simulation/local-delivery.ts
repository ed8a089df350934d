// Packets for the agent itself: answers to what a plugin sent from an address of a device.  They
// arrive wherever they enter the virtual network; the walk sends them on to the host they are for
// (`ctx.deliver`), by a tunnel whose key is that of no port.

import { token } from '../core/token.ts'
import { egressTag, tagOf } from '../flow/tag.ts'
import type { Port } from './device.ts'

/** Where frames for the agent itself are taken in. */
export interface LocalDelivery {
  /** The host whose agent this is. */
  readonly host: string
  /** Offers every such packet; true: it was taken. */
  onDelivery(take: (frame: Uint8Array) => boolean): void
}
export const LocalDelivery = token<LocalDelivery>('local-delivery')

/** The tunnel key; no port has it as its number. */
export const AGENT_KEY = 0xfffffd

const HOSTS_MAX = 65_536
const ports = new Map<string, Port>()

/** What stands for a host's agent among the outputs of a walk. */
export function agentPort(host: string): Port {
  const known = ports.get(host)
  if (known !== undefined) return known
  const id = `agent/${host}`
  const port = Object.freeze({
    id,
    number: AGENT_KEY,
    name: `agent of ${host.slice(0, 8)}`,
    kind: 'agent',
    isUplink: false,
    device: '',
    adminStateUp: true,
    peer: null,
    host,
    previousHost: null,
    active: true,
    attended: true,
    inFilter: null,
    outFilter: null,
    services: [],
    security: null,
    vlan: 0,
    mac: 0,
    addresses: [],
    own: {},
    tag: tagOf('agent', host),
    egress: egressTag(id)
  })
  if (ports.size >= HOSTS_MAX) ports.clear()
  ports.set(host, port)
  return port
}
