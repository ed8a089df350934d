// IPv4 options (RFC 791 §3.1), as a router that follows RFC 7126 takes them.  A list that does not
// hold together is answered with parameter problem, whose pointer says where, as Linux has it.
// Source routes let a sender choose its way around filters: such a packet is dropped, also at the
// end of its way.  All others pass as they are: routes and times are not recorded.

import { ipv4 } from '../../src/plugin.ts'

const Option = {
  end: 0,
  nop: 1,
  recordRoute: 7,
  timestamp: 68,
  looseSourceRoute: 131,
  strictSourceRoute: 137
} as const

/** What a look at the options of an IPv4 header comes to. */
export const Options = { fine: 'fine', bad: 'bad', sourceRoute: 'source-route' } as const
export type Options = (typeof Options)[keyof typeof Options]

/** An option, and where it stands. */
export interface Found {
  readonly options: Options
  /** Of a bad one: which byte of the header. */
  readonly pointer: number
}

// Of options that hold a list: their least length, and the least value of the pointer into it.
const LISTS: ReadonlyMap<number, readonly [length: number, pointer: number]> = new Map([
  [Option.recordRoute, [3, 4]],
  [Option.looseSourceRoute, [3, 4]],
  [Option.strictSourceRoute, [3, 4]],
  [Option.timestamp, [4, 5]]
])

/** The header at `l3` is whole. */
export function readOptions(view: DataView, l3: number): Found {
  const stop = ipv4.payload(view, l3)
  let options: Options = Options.fine
  for (let at = l3 + ipv4.LENGTH_MIN; at < stop; ) {
    const type = view.getUint8(at)
    if (type === Option.end) break
    if (type === Option.nop) {
      at++
      continue
    }
    const length = at + 1 < stop ? view.getUint8(at + 1) : 0
    const wrong = length < 2 || at + length > stop ? at : wrongList(view, at, type, length)
    if (wrong > 0) return { options: Options.bad, pointer: wrong - l3 }
    if (type === Option.looseSourceRoute || type === Option.strictSourceRoute)
      options = Options.sourceRoute
    at += length
  }
  return { options, pointer: 0 }
}

// Where a list does not hold together; 0: it does, or it is none.
function wrongList(view: DataView, at: number, type: number, length: number): number {
  const least = LISTS.get(type)
  if (least === undefined) return 0
  if (length < least[0]) return at + 1
  const pointer = view.getUint8(at + 2)
  if (pointer < least[1]) return at + 2
  return pointer <= length && pointer + 3 > length ? at + 2 : 0
}
