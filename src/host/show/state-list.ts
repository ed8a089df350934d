// Flow state told to people: records as lines, a slice of the table at a time, so that packets pass
// in between; and the other hosts, as they look from here. test/api/agent-state.test.ts holds it.

import { type Clock, sleep } from '../../core/clock.ts'
import { describeRecord, kindOf, protocolOf } from '../../simulation/state-text.ts'
import { KeyWord, RECORD_WORDS, RecordWord } from '../../state/record.ts'
import type { StateTable } from '../../state/table.ts'

/** A record, for people. */
export interface StateText {
  /** By name. */
  readonly kind: string
  /** By name, or its number. */
  readonly protocol: string
  /** Both directions and flags, as traces have them. */
  readonly text: string
  /** Numbers of ports; 0: none. */
  readonly ingress: number
  /** Number of the port by which the opener's packets leave; 0: none. */
  readonly egress: number
  /** Of its key, in hexadecimal: the device it is of. */
  readonly scope: string
  /** Of two records of one key the one with the greater stands. */
  readonly opening: string
  /** Made on this host, not learned from another. */
  readonly isOwn: boolean
  /** Since its opening. */
  readonly ageMs: number
  /** Since its last packet. */
  readonly idleMs: number
}

/** All of it, or what is like this. */
export interface StateFilter {
  /** Only records of this kind. */
  readonly kind?: string | undefined
  /** Only records of this protocol. */
  readonly protocol?: string | undefined
  /** With or without a port, of any end. */
  readonly address?: string | undefined
}

const SLICE = 256
const SCOPE = [KeyWord.scope, KeyWord.scope + 1]
// As text they compare as conflict.ts compares them.
const OPENING = [RecordWord.born, RecordWord.generation, RecordWord.owner]

/** `kinds`: names by number. */
export async function stateTexts(
  table: StateTable,
  kinds: readonly string[],
  clock: Clock,
  own: number, // hostHash of this host
  { limit, ...filter }: StateFilter & { readonly limit: number }
): Promise<StateText[]> {
  const records = new Int32Array(SLICE * RECORD_WORDS)
  const idle = new Float64Array(SLICE)
  const texts: StateText[] = []
  for (let from = 1; ; ) {
    const count = table.scan(from, records, idle)
    from = table.next // others scan as well, in our pauses
    for (let i = 0; i < count && texts.length < limit; i++) {
      const text = textOf(kinds, records, i * RECORD_WORDS, idle[i]!, own, clock.wall())
      if (matches(text, filter)) texts.push(text)
    }
    if (from === 0 || texts.length >= limit) return texts
    await sleep(clock, 0)
  }
}

function textOf(
  kinds: readonly string[],
  records: Int32Array,
  at: number,
  idleMs: number,
  own: number,
  wallMs: number
): StateText {
  const type = records[at + KeyWord.type]!
  return {
    kind: kindOf(kinds, type),
    protocol: protocolOf(type),
    text: describeRecord(kinds, records, false, at),
    ingress: records[at + RecordWord.ingress]!,
    egress: records[at + RecordWord.egress]!,
    scope: hex(records, at, SCOPE),
    opening: hex(records, at, OPENING),
    isOwn: records[at + RecordWord.owner]! === own,
    ageMs: ageOf(records[at + RecordWord.born]! >>> 0, wallMs),
    idleMs: Math.max(0, Math.round(idleMs))
  }
}

const hex = (records: Int32Array, at: number, words: readonly number[]): string =>
  words.map(word => (records[at + word]! >>> 0).toString(16).padStart(8, '0')).join('')

// Of a connection picked up in its middle nobody knows.
const ageOf = (born: number, wallMs: number): number =>
  born === 0 ? 0 : Math.max(0, Math.round(wallMs - born * 1000))

function matches(text: StateText, { kind, protocol, address }: StateFilter): boolean {
  if (kind !== undefined && text.kind !== kind) return false
  if (protocol !== undefined && text.protocol !== protocol) return false
  if (address === undefined) return true
  const ends = text.text.split(' ')
  return ends.some(
    end => end === address || end.startsWith(`${address}:`) || end.startsWith(`[${address}]:`)
  )
}
