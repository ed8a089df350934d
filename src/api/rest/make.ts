// What a new object gets from us when its body is silent: an id, and for a router port a MAC.

import type { Random } from '../../core/random.ts'
import type { Model, Stored } from '../../topology/model.ts'
import { formatMac, macFrom } from '../../wire/address.ts'

/** A random UUID, version 4 (RFC 9562 §5.4). */
export function newId(random: Random): string {
  const bytes = random.bytes(16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const hex = Array.from(bytes, byte => byte.toString(16).padStart(2, '0')).join('')
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}

/** What a bridge port may send whose body says nothing of port security. */
export type NewPorts = keyof typeof NEW_PORTS
const NEW_PORTS = {
  off: {},
  services: { allowedServices: [] },
  addresses: { allowedAddresses: [] }
} as const

// Locally administered (02) and ours (4d, an M): a capture shows at once who made it.
const MAC_PREFIX = 0x024d

const newMac = (random: Random): string => formatMac(macFrom(MAC_PREFIX, random.uint32()))

export function completed(model: Model, value: Stored, random: Random, ports: NewPorts): Stored {
  if (model.kind !== 'port') return value
  if (value.type === 'bridge') return { ...value, ...securityOf(ports, value) }
  if (value.type !== 'router' || value.mac !== undefined) return value
  return { ...value, mac: newMac(random) }
}

// A body that says anything of port security has thought of it.
const securityOf = (
  ports: NewPorts,
  { allowedAddresses, allowedServices }: Stored
): Readonly<Record<string, unknown>> => {
  if (allowedAddresses !== undefined || allowedServices !== undefined) return {}
  return NEW_PORTS[ports]
}
