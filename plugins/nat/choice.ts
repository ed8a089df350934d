// Chooses what a new translation translates to: an address of the rule, and a port or ICMP id, so
// that the answers are nobody else's. The choice follows from the flow as far as it can: a source
// keeps its address (RFC 4787 REQ-2) and, where it may, its port. nat.test.ts holds it.

import { type SimulationContext, state } from '../../src/plugin.ts'
import { NONE, type PortBlocks } from './blocks.ts'
import { endOf, newEnd, Ports, portsOf, type Side, setEnd } from './rewrite.ts'
import { newKey } from './scope.ts'
import { PORT_FIRST, PORT_LAST, type Target, type TargetList } from './targets.ts'

const { KeyWord, keyHash, mirror } = state

/** What a search for a free address and port came to; `later`: the packet must wait. */
export const Choice = { made: 1, none: 2, later: 3 } as const
export type Choice = (typeof Choice)[keyof typeof Choice]

const ADDRESSES_MAX = 16 // looked at for one packet
const PORTS_MAX = 64 // of a target's range

/** Finds the address and port that a connection is translated to. */
export class Chooser {
  readonly #blocks: PortBlocks
  readonly #translated = newKey()
  readonly #own = newEnd()
  readonly #end = newEnd()
  #ctx!: SimulationContext
  #side: Side = 'src'
  #hash = 0
  /** Key B of the translation chosen last. */
  readonly answer = newKey()
  /** What the packet has to wait for, after `later`. */
  waitingFor = ''

  constructor(blocks: PortBlocks) {
    this.#blocks = blocks
  }

  /** Looks in this list for an end that nobody has; `Choice` says what came of it. */
  choose(ctx: SimulationContext, side: Side, key: Int32Array, list: TargetList): Choice {
    this.#ctx = ctx
    this.#side = side
    this.#translated.set(key)
    this.#hash = keyHash(key) >>> 0
    endOf(key, 0, side, this.#own)
    const start = (side === 'src' ? sourceHash(key) : this.#hash) % list.count
    const kind = portsOf(key)
    for (let i = 0; i < Math.min(list.count, ADDRESSES_MAX); i++) {
      list.choose((start + i) % list.count)
      this.#end.words.set(list.words)
      const choice = this.#portOf(kind, list.target)
      if (choice !== Choice.none) return choice
    }
    return Choice.none
  }

  #portOf(kind: number, target: Target): Choice {
    const own = this.#own.port
    if (kind === Ports.none) return this.#take(0)
    if (this.#side === 'src') return this.#leased(target)
    if (kind === Ports.id || target.portFirst === 0) return this.#take(own)
    const count = target.portLast - target.portFirst + 1
    for (let i = 0; i < Math.min(count, PORTS_MAX); i++)
      if (this.#isFree(target.portFirst + ((this.#hash + i) % count))) return Choice.made
    return Choice.none
  }

  #take(port: number): Choice {
    return this.#isFree(port) ? Choice.made : Choice.none
  }

  // Other hosts translate to this address too: a port is ours only within a block that is.
  #leased({ family, portFirst, portLast }: Target): Choice {
    const ctx = this.#ctx
    const pool = this.#blocks.pool(ctx.inPort.device, family, this.#end.words)
    if (pool === undefined) return Choice.none
    const first = portFirst === 0 ? PORT_FIRST : portFirst
    const last = portFirst === 0 ? PORT_LAST : portLast
    const wish = { hash: this.#hash, own: this.#own.port, first, last, isFree: this.#isFree }
    if (ctx.dryRun && pool.isEmpty) return this.#pretend(first, last)
    if (this.#blocks.allocate(ctx, pool, wish) !== NONE) return Choice.made
    if (ctx.dryRun || !this.#blocks.ask(pool, wish)) return Choice.none
    this.waitingFor = pool.waitingFor
    return Choice.later
  }

  // A trace asks nobody for ports: it shows one that would do.
  #pretend(first: number, last: number): Choice {
    const own = this.#own.port
    return this.#take(own >= first && own <= last ? own : first + (this.#hash % (last - first + 1)))
  }

  readonly #isFree = (port: number): boolean => {
    const end = this.#end
    end.port = port
    setEnd(this.#translated, this.#side, end)
    mirror(this.#translated, 0, this.answer, 0)
    return !this.#ctx.state.holds(this.answer)
  }
}

function sourceHash(key: Int32Array): number {
  let h = 0
  for (let i = 0; i < 4; i++)
    h = (Math.imul(h ^ key[KeyWord.src + i]!, 0x9e3779b1) ^ (h >>> 15)) | 0
  return (h ^ (h >>> 16)) >>> 0
}
