// The words for ICMP's types, of both families.

import * as icmp from '../../wire/icmp.ts'
import * as icmpv6 from '../../wire/icmpv6.ts'

const words = {
  4: {
    request: icmp.Type.echoRequest,
    reply: icmp.Type.echoReply,
    unreachable: icmp.Type.unreachable,
    'too-big': icmp.Type.unreachable,
    'time-exceeded': icmp.Type.timeExceeded,
    'parameter-problem': icmp.Type.parameterProblem
  },
  6: {
    request: icmpv6.Type.echoRequest,
    reply: icmpv6.Type.echoReply,
    unreachable: icmpv6.Type.unreachable,
    'too-big': icmpv6.Type.packetTooBig,
    'time-exceeded': icmpv6.Type.timeExceeded,
    'parameter-problem': icmpv6.Type.parameterProblem
  }
} as const

type Word = keyof (typeof words)[4]

/** Names of types that a described packet may have. */
export const TYPE_WORDS: readonly string[] = Object.keys(words[4])

/** The number of a type's name; undefined: no such name. */
export const typeOf = (family: 4 | 6, word: string): number | undefined =>
  TYPE_WORDS.includes(word) ? words[family][word as Word] : undefined

/** Whether messages of this type quote a packet. */
export const isError = (family: 4 | 6, type: number): boolean =>
  family === 4 ? icmp.isError(type) : icmpv6.isError(type)

/** The code that goes without saying: a closed port, a packet that does not fit. */
export function codeOf(family: 4 | 6, type: number, word: unknown): number {
  if (word === 'too-big') return family === 4 ? icmp.Unreachable.fragmentationNeeded : 0
  if (type !== words[family].unreachable) return 0
  return family === 4 ? icmp.Unreachable.port : icmpv6.Unreachable.port
}
