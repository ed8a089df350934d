// What a rule may translate to: ranges of addresses, each with a range of ports.  Where there is a
// choice it follows from the flow, so that every host, and every walk, chooses the same.
// nat/world.test.ts holds it.

import { address, ethernet, type Port, type SimulationContext } from '../../src/plugin.ts'
import type { NatRule } from './model.ts'

/** A client's port: services listen below. */
export const PORT_FIRST = 1024
/** The highest port. */
export const PORT_LAST = 0xffff

/** Addresses and ports that a rule translates to. */
export interface Target {
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** The first address, four words. */
  readonly first: Int32Array
  /** Of addresses. */
  readonly count: number
  /** 0: none was given. */
  readonly portFirst: number
  /** The last port; 0: ports are kept. */
  readonly portLast: number
}

type TargetModel = NonNullable<NatRule['natTargets']>[number]

/** Reads a target of the model. */
export function parseTarget({ from, to = from, portFrom = 0, portTo = 0 }: TargetModel): Target {
  const { family, words: first } = address.parseIp(from)
  const last = address.parseIp(to).words
  const count = (last[3]! >>> 0) - (first[3]! >>> 0) + 1
  return { family, first, count, portFirst: portFrom, portLast: portTo }
}

/** One address and no ports: nothing has to be remembered. */
export const isFixed = (targets: readonly Target[]): boolean =>
  targets.length === 1 && targets[0]!.count === 1 && targets[0]!.portFirst === 0

/** The addresses of a rule as one list, of which one is looked at. */
export class TargetList {
  readonly targets: readonly Target[]
  /** Addresses of all targets. */
  readonly count: number
  /** The address chosen last, and its target. */
  readonly words = new Int32Array(4)
  target: Target

  constructor(targets: readonly Target[]) {
    this.targets = targets
    this.target = targets[0]!
    this.count = targets.reduce((sum, { count }) => sum + count, 0)
  }

  /** Makes the address with this index the one at hand. */
  choose(index: number): void {
    let i = index
    for (const target of this.targets) {
      if (i < target.count) {
        this.target = target
        this.words.set(target.first)
        this.words[3] = (target.first[3]! + i) | 0
        return
      }
      i -= target.count
    }
  }

  /** Whether the address is one of the list. */
  has(words: Int32Array): boolean {
    return this.targets.some(({ first, count }) => {
      for (let i = 0; i < 3; i++) if (first[i] !== words[i]) return false
      const offset = (words[3]! - first[3]!) >>> 0
      return offset < count
    })
  }
}

// One list per address: a rule may be met at many ports.
const own = new WeakMap<Port, Map<number, TargetList | undefined>>()

/** Where the packet leaves: the first address of its family that reaches beyond the link. */
export function ownAddress({ key, outPort }: SimulationContext): TargetList | undefined {
  if (outPort === null) return undefined
  const family = key.ethType === ethernet.Type.ipv6 ? 6 : 4
  let lists = own.get(outPort)
  if (lists === undefined) own.set(outPort, (lists = new Map()))
  if (!lists.has(family)) lists.set(family, listOf(outPort, family))
  return lists.get(family)
}

function listOf({ addresses }: Port, family: 4 | 6): TargetList | undefined {
  const found = addresses.find(
    each => each.family === family && !(family === 6 && address.ipv6IsLinkLocal(each.words[0]!))
  )
  if (found === undefined) return undefined
  const ports = { portFirst: PORT_FIRST, portLast: PORT_LAST }
  return new TargetList([{ family, first: found.words, count: 1, ...ports }])
}
