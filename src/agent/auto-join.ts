// A host joins the tunnel zones that let it (`autoJoin`), by an address that it has.  The entry it
// makes follows that address; one that an operator has made, or given another address, is his.
// test/api/auto-join.test.ts holds it.

import { randomUUID } from 'node:crypto'
import { isFailure, reasonOf } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { Interface } from '../host/ports/interface.ts'
import type { TunnelZoneHostModel, TunnelZoneModel } from '../topology/models.ts'
import type { Change, Store, Versioned } from '../topology/store.ts'
import { isNode, parseIp, parsePrefix, prefixContains } from '../wire/address.ts'

type Put = Exclude<Change, { op: 'delete' }>

/** Interfaces with their addresses, as the kernel orders them. */
type Addressed = Pick<Interface, 'name' | 'addresses'>

const ZONE = 'tunnel-zone'
const MEMBER = 'tunnel-zone-host'

/** What a host does for its membership of zones. */
export class AutoJoin {
  readonly #host: string
  readonly #store: Pick<Store, 'list' | 'write'>
  readonly #log: Log
  #said = ''

  constructor(host: string, store: Pick<Store, 'list' | 'write'>, log: Log) {
    this.#host = host
    this.#store = store
    this.#log = log
  }

  /** Joins where it may and has not yet; follows addresses. Throws as the store does. */
  async look(interfaces: readonly Addressed[]): Promise<void> {
    const members = new Map<string, Versioned>()
    const ours = this.#store.list(MEMBER, { field: 'host', value: this.#host })
    for await (const member of ours) members.set(String(member.value.zone), member)
    for await (const { value } of this.#store.list(ZONE)) {
      const zone = value as TunnelZoneModel
      const change = changeOf(this.#host, zone, members.get(zone.id), interfaces)
      if (change !== undefined) await this.#write(zone, change)
    }
  }

  async #write(zone: TunnelZoneModel, change: Put): Promise<void> {
    const { address } = change.value
    try {
      await this.#store.write([change])
      this.#log.info({ zone: zone.name, address }, 'joined a tunnel zone')
    } catch (error) {
      // Another one of us was faster, or somebody has the address: the next look tells.
      const isRace = ['EXISTS', 'CONFLICT', 'NOT_FOUND', 'MISSING_REFERENCE'] as const
      if (!isRace.some(code => isFailure(error, code))) throw error
      const said = `${zone.id} ${address} ${reasonOf(error)}`
      if (said !== this.#said)
        this.#log.warn({ zone: zone.name, address, reason: reasonOf(error) }, 'did not join')
      this.#said = said
    }
  }
}

function changeOf(
  host: string,
  { id: zone, autoJoin }: TunnelZoneModel,
  member: Versioned | undefined,
  interfaces: readonly Addressed[]
): Put | undefined {
  if (autoJoin === undefined) return undefined
  const fitting = fittingOf(autoJoin, interfaces)
  const [first] = fitting
  if (first === undefined) return undefined
  const joined = { address: first, joinedBy: first }
  if (member === undefined)
    return { op: 'create', kind: MEMBER, value: { id: randomUUID(), zone, host, ...joined } }
  const { address, joinedBy } = member.value as TunnelZoneHostModel
  const isOperators = joinedBy !== address
  if (isOperators || fitting.includes(address)) return undefined
  const { version, value } = member
  return { op: 'update', kind: MEMBER, value: { ...value, ...joined }, version }
}

function fittingOf(
  { interface: name, network }: NonNullable<TunnelZoneModel['autoJoin']>,
  interfaces: readonly Addressed[]
): string[] {
  const within = network === undefined ? undefined : parsePrefix(network)
  return interfaces
    .filter(each => name === undefined || each.name === name)
    .flatMap(({ addresses }) => addresses)
    .filter(address => {
      const ip = parseIp(address)
      return isNode(ip) && (within === undefined || prefixContains(within, ip))
    })
}
