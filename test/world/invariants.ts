// The invariants of flow state (docs/flow-state.md), looked at in what all hosts hold at once: of
// a world, or of agents that are asked (test/lab).  To be called when hosts have had the time to
// hand over what they lost (custody.ts).

import assert from 'node:assert/strict'
import { describeRecord } from '../../src/simulation/state-text.ts'
import { hostHash, RECORD_WORDS, RecordWord } from '../../src/state/record.ts'
import type { PortGroupModel, PortModel } from '../../src/topology/models.ts'
import { keyOf } from './ways.ts'
import type { World } from './world.ts'

/** A record as a host holds it. */
export interface Held {
  readonly host: string
  readonly key: string // key A
  readonly text: string // what is to be the same wherever it is held
  readonly ingress: number
  readonly egress: number
  readonly isOwn: boolean
  /** Hosts of the ports that its packets have entered and left by: they may hold it, too. */
  readonly onWay?: ReadonlySet<string>
  /** A connection whose handshake is over and that has not ended: nobody may be without it. */
  readonly isEstablished: boolean
}

/** Which hosts are responsible for the flows of a port, by its number. */
export type Responsible = ReadonlyMap<number, ReadonlySet<string>>

export function responsible(
  ports: readonly PortModel[],
  groups: readonly PortGroupModel[]
): Responsible {
  const hostOf = new Map(ports.map(({ id, host }) => [id, host]))
  return new Map(
    ports.map(({ id, number, host }) => {
      const stateful = groups.filter(group => group.stateful && group.ports?.includes(id))
      const hosts = stateful.flatMap(group => group.ports!.map(member => hostOf.get(member)))
      return [number ?? 0, new Set([host, ...hosts].filter(each => each !== undefined))]
    })
  )
}

/** What is wrong, in words.  `there`: the hosts whose agents are there to be asked. */
export function faultsOf(
  held: readonly Held[],
  of: Responsible,
  there: ReadonlySet<string>
): string[] {
  const faults: string[] = []
  const holders = new Map<string, Held[]>()
  for (const each of held) {
    const { host, key, text, ingress, isOwn } = each
    const known = hostsFor(each, of)
    // It hears of what is new to the connection, while its packets go that way, and no more of it.
    if (!known.has(host) && each.onWay?.has(host) === true) continue
    if (!known.has(host) && !(ingress === 0 && isOwn) && !isFlooded(each))
      faults.push(`(i) ${host} is not responsible for ${text}, [${[...known]}] are`)
    const others = holders.get(key)
    if (others === undefined) holders.set(key, [each])
    else {
      const [first] = others
      const mayLack = (of: Held, than: Held): boolean => isFlooded(of) && !isYounger(of, than)
      if (first!.text !== text && !mayLack(each, first!) && !mayLack(first!, each))
        faults.push(`(ii) ${host} holds ${text}, ${first!.host} holds ${first!.text}`)
      others.push(each)
    }
  }
  for (const all of holders.values()) {
    const [first] = all
    if (!first!.isEstablished) continue
    for (const host of hostsFor(first!, of))
      if (there.has(host) && all.every(each => each.host !== host))
        faults.push(`(iii) ${host} lacks ${first!.text}, which ${first!.host} holds`)
  }
  return faults
}

// What was flooded went out by ports of several hosts; whose it is, the first answer tells, and the
// others hear no more of it: not how it went on, nor that it was opened again.
const isFlooded = ({ ingress, egress }: Held): boolean => ingress !== 0 && egress === 0
const isYounger = (a: Held, b: Held): boolean => {
  const [ours, theirs] = [a, b].map(({ text }) => text.split(' of ').at(-1)!.split(' ').map(Number))
  const i = ours!.findIndex((word, at) => word !== theirs![at])
  return i >= 0 && ours![i]! > theirs![i]!
}

const hostsFor = ({ ingress, egress }: Held, of: Responsible): Set<string> =>
  new Set([ingress, egress].flatMap(number => [...(of.get(number) ?? [])]))

/** Of a connection as `describeRecord` tells it. */
export const isEstablished = (text: string): boolean =>
  text.startsWith('connection tcp') && text.includes(' assured') && !/ (finA|finB|reset)/.test(text)

export const checkInvariants = (world: World): void => assert.deepEqual(faultsIn(world), [])

export function faultsIn(world: World): string[] {
  const ports = world.store.list('port') as PortModel[]
  const groups = world.store.list('port-group') as PortGroupModel[]
  const of = responsible(ports, groups)
  return faultsOf(heldIn(world, of), of, new Set(world.hosts.keys()))
}

function heldIn(world: World, of: Responsible): Held[] {
  const held: Held[] = []
  const record = new Int32Array(RECORD_WORDS)
  for (const { id: host, host: side } of world.hosts.values()) {
    const { table, access } = side.replication.flowState
    for (let from = 1; from !== 0; from = table.next) {
      if (table.scan(from, record, new Float64Array(1)) === 0) break
      const opening = [RecordWord.born, RecordWord.generation, RecordWord.owner]
      const moment = opening.map(word => record[word]! >>> 0).join(' ')
      const key = keyOf(record)
      const ways = [...world.ways.of(key)].flatMap(port => [...(of.get(port) ?? [])])
      const text = describeRecord(access.kinds, record, false, 0)
      held.push({
        host,
        key,
        text: `${text} of ${moment}`,
        isEstablished: isEstablished(text),
        ingress: record[RecordWord.ingress]!,
        egress: record[RecordWord.egress]!,
        isOwn: record[RecordWord.owner] === hostHash(host),
        onWay: new Set(ways)
      })
    }
  }
  return held
}
