// State records told to people, in traces and lists. test/api/agent-state.test.ts holds it.

import { KeyWord, RecordWord, StateFlag } from '../state/record.ts'
import { formatIpv4, formatIpv6 } from '../wire/address.ts'
import { Protocol } from '../wire/protocol.ts'
import { idOf } from '../wire/query.ts'

const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'icmp', 6: 'tcp', 17: 'udp', 58: 'icmpv6' }

/** `connection`, …, of the first word of a key; `kinds` are the names by number. */
export const kindOf = (kinds: readonly string[], type: number): string =>
  kinds[type >>> 16] ?? `kind ${type >>> 16}`
/** The protocol of a key's first word, by name or number. */
export const protocolOf = (type: number): string =>
  PROTOCOLS[type & 255] ?? `protocol ${type & 255}`

/** One line: kind, protocol, both directions, flags. */
export function describeRecord(
  kinds: readonly string[],
  record: Int32Array,
  isReturn: boolean,
  at = 0
): string {
  const type = record[at + KeyWord.type]!
  const kind = kindOf(kinds, type)
  const protocol = protocolOf(type)
  const flags = Object.entries(StateFlag)
    .filter(([, bit]) => (record[at + RecordWord.flags]! & bit) !== 0)
    .map(([name]) => ` ${name}`)
  const back = record[at + RecordWord.b] === 0 ? '' : ` | ${ends(record, at + RecordWord.b)}`
  const both = `${ends(record, at)}${back}`
  return `${kind} ${protocol} ${both}${flags.join('')}${isReturn ? ' (return)' : ''}`
}

function ends(words: Int32Array, at: number): string {
  const isV6 = ((words[at + KeyWord.type]! >>> 8) & 255) === 6
  const ports = portsOf(words, at)
  const end = (o: number, port: number): string =>
    isV6 ? `[${formatIpv6(words, at + o)}]:${port}` : `${formatIpv4(words[at + o + 3]!)}:${port}`
  return `${end(KeyWord.src, ports >>> 16)} > ${end(KeyWord.dst, ports & 0xffff)}`
}

// Of ICMP the id, at both ends.
function portsOf(words: Int32Array, at: number): number {
  const ports = words[at + KeyWord.ports]!
  const protocol = words[at + KeyWord.type]! & 255
  const isQuery = ports !== 0 && (protocol === Protocol.icmp || protocol === Protocol.icmpv6)
  return isQuery ? (idOf(ports) << 16) | idOf(ports) : ports
}
