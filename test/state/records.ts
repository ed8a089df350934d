// Records for tests of the state tables, made from few keys so that they meet.

import fc from 'fast-check'
import { mirror, RECORD_WORDS, RecordWord } from '../../src/state/record.ts'
import { Kind } from './kinds.ts'

export const TCP = 6
export const UDP = 17
export const ICMP = 1
export const ICMPV6 = 58
export const GRE = 47

export interface Parts {
  readonly kind?: number
  readonly protocol?: number
  readonly src?: number
  readonly dst?: number
  readonly ports?: number
  /** Key B; otherwise the mirror of A. */
  readonly back?: readonly [src: number, dst: number, ports: number] | 'none' | undefined
  readonly flags?: number
  readonly generation?: number
  readonly born?: number
  readonly owner?: number
  readonly ingress?: number
  readonly timeoutS?: number
  readonly data?: number
}

/** A record; everything that is not said has one value. */
export function record(parts: Parts = {}): Int32Array {
  const words = new Int32Array(RECORD_WORDS)
  words[0] = ((parts.kind ?? Kind.connection) << 16) | (4 << 8) | (parts.protocol ?? TCP)
  words[1] = 0x5c0be
  words[6] = parts.src ?? 1
  words[10] = parts.dst ?? 2
  words[11] = parts.ports ?? (1000 << 16) | 80
  if (parts.back === undefined) mirror(words, 0, words, RecordWord.b)
  else if (parts.back !== 'none') {
    for (let i = 0; i < 3; i++) words[RecordWord.b + i] = words[i]!
    const [src, dst, ports] = parts.back
    words[RecordWord.b + 6] = src
    words[RecordWord.b + 10] = dst
    words[RecordWord.b + 11] = ports
  }
  words[RecordWord.flags] = parts.flags ?? 0
  words[RecordWord.generation] = parts.generation ?? 0
  words[RecordWord.born] = parts.born ?? 1_700_000_000
  words[RecordWord.owner] = parts.owner ?? 7
  words[RecordWord.ingress] = parts.ingress ?? 0
  words[RecordWord.timeoutS] = parts.timeoutS ?? 0
  words[RecordWord.data] = parts.data ?? 0
  return words
}

export const keyA = (of: Int32Array): Int32Array => of.subarray(0, RecordWord.b)
export const keyB = (of: Int32Array): Int32Array => of.subarray(RecordWord.b, RecordWord.flags)

const few = fc.nat({ max: 2 })
const word = fc.constantFrom(0, 1, 2, -1, 0x7fffffff)

export const anyRecord: fc.Arbitrary<Int32Array> = fc
  .record({
    kind: fc.constantFrom(Kind.connection, Kind.snat, Kind.sticky),
    protocol: fc.constantFrom(TCP, TCP, UDP, ICMP, ICMPV6, GRE),
    src: few,
    dst: few,
    ports: few,
    back: fc.oneof(
      fc.constantFrom('none' as const, undefined),
      fc.tuple(few, few, few) as fc.Arbitrary<[number, number, number]>
    ),
    flags: fc.nat({ max: 31 }),
    generation: fc.constantFrom(0, 0, 0, 1, -1),
    born: word,
    owner: word,
    ingress: word,
    timeoutS: fc.constantFrom(0, 0, 0, 5, 700),
    data: word
  })
  .map(record)
