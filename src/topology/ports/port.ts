// Port models, compiled: text becomes numbers once, so the walk meets only numbers.

import { deviceTag, egressTag } from '../../flow/tag.ts'
import type { Port, PortAddress } from '../../simulation/device.ts'
import { parseMac, parsePrefix } from '../../wire/address.ts'
import { type Assembly, NO_PLUGINS } from '../assembly/assembly.ts'
import type { Stored } from '../model.ts'
import type { PortModel } from '../models.ts'
import { compileSecurity, securityText } from './port-security.ts'

/** `active`, `attended`: as `Port` has them, of a port that is bound. */
export function compilePort(
  model: PortModel,
  active: boolean,
  attended = true,
  { uplinks, services }: Pick<Assembly, 'uplinks' | 'services'> = NO_PLUGINS
): Port {
  return Object.freeze({
    id: model.id,
    number: model.number ?? 0,
    name: model.name ?? `port ${model.number}`,
    kind: model.type,
    isUplink: uplinks.includes(model.type),
    device: model.device,
    adminStateUp: model.adminStateUp ?? true,
    peer: model.peer ?? null,
    host: model.host ?? null,
    previousHost: model.previousHost ?? null,
    active: model.host === undefined || active,
    attended: model.host === undefined || attended,
    inFilter: model.inFilter ?? null,
    outFilter: model.outFilter ?? null,
    services: servicesOf(model, services),
    security: compileSecurity(model),
    vlan: model.vlan ?? 0,
    mac: model.mac === undefined ? 0 : parseMac(model.mac),
    addresses: (model.addresses ?? []).map(compileAddress),
    own: ownOf(model),
    tag: deviceTag(model.id),
    egress: egressTag(model.id)
  })
}

/** What the walk knows of ports; models.test.ts compares it with the fields there are. */
export const knownFields = [
  ...['id', 'name', 'type', 'device', 'number', 'adminStateUp', 'peer', 'host', 'interface'],
  ...['previousHost', 'inFilter', 'outFilter', 'allowedAddresses', 'allowedServices'],
  ...['vlan', 'mac', 'addresses']
]
const known: ReadonlySet<string> = new Set(knownFields)
const NOTHING = Object.freeze({})

// What a plugin's ports have that the walk does not know.
function ownOf(model: PortModel): Port['own'] {
  const own = Object.entries(model).filter(([field]) => !known.has(field))
  return own.length === 0 ? NOTHING : Object.freeze(Object.fromEntries(own))
}

const NONE: Port['services'] = Object.freeze([])

function servicesOf(model: Stored, kinds: Assembly['services']): Port['services'] {
  const found = kinds.flatMap(({ kind, field }) => {
    const id = model[field]
    return typeof id === 'string' ? [{ kind, id }] : []
  })
  return found.length === 0 ? NONE : Object.freeze(found)
}

function compileAddress(text: string): PortAddress {
  const { family, words, length } = parsePrefix(text)
  return Object.freeze({ family, words, length })
}

/** What a change of a port makes stale: everything through it, or only where it leads to. */
export function portChange(before: Port, after: Port): 'walk' | 'place' | 'nothing' {
  const walk =
    before.number !== after.number ||
    before.kind !== after.kind ||
    before.device !== after.device ||
    before.adminStateUp !== after.adminStateUp ||
    before.peer !== after.peer ||
    (before.host === null) !== (after.host === null) ||
    before.inFilter !== after.inFilter ||
    before.outFilter !== after.outFilter ||
    before.vlan !== after.vlan ||
    securityText(before.security) !== securityText(after.security) ||
    before.mac !== after.mac ||
    addressesText(before) !== addressesText(after) ||
    ownText(before) !== ownText(after)
  if (walk) return 'walk'
  return before.host !== after.host || before.active !== after.active ? 'place' : 'nothing'
}

const addressesText = (port: Port): string =>
  port.addresses.map(({ words, length }) => `${words.join('.')}/${length}`).join()

const ownText = ({ own }: Port): string => (own === NOTHING ? '' : JSON.stringify(own))
