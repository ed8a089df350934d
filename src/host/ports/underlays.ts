// Packets of tunnels that come from outside.  Whoever sits on an uplink's network may write VXLAN
// or GRE for the underlay address of one of our hosts, in the name of another: a gateway that
// forwarded it would carry him into the underlay.  Tunnels begin and end at underlays, and nowhere
// else.

import { Fragment, Word } from '../../flow/key.ts'
import { tagOf } from '../../flow/tag.ts'
import type { SimulationContext } from '../../simulation/context.ts'
import * as ethernet from '../../wire/ethernet.ts'
import { Protocol } from '../../wire/protocol.ts'
import * as vxlan from '../../wire/vxlan.ts'

/** Carried by flows of what comes in by uplinks; stale when hosts come to our zones, or leave. */
export const UNDERLAYS = tagOf('underlays')

const NETWORK = 0xffffff00 | 0

/** Underlay addresses of all hosts in our zones. */
export class UnderlayAddresses {
  readonly #addresses: ReadonlySet<number>
  readonly #networks: ReadonlySet<number> // what most packets are asked, and no more: 24 bits

  constructor(addresses: Iterable<number> = []) {
    this.#addresses = new Set(addresses)
    this.#networks = new Set([...this.#addresses].map(address => address & NETWORK))
  }

  /** Whether both hold the same addresses. */
  same(other: UnderlayAddresses): boolean {
    if (this.#addresses.size !== other.#addresses.size) return false
    for (const address of this.#addresses) if (!other.#addresses.has(address)) return false
    return true
  }

  /** Whether the packet is a tunnel's, or may be a fragment of one, for one of our hosts. */
  takes(ctx: SimulationContext): boolean {
    const { key } = ctx
    ctx.tag(UNDERLAYS)
    if (key.ethType !== ethernet.Type.ipv4) return false
    if (!this.#networks.has(key.ipDstWord(3, NETWORK))) return false
    if (!this.#addresses.has(key.ipDstWord(3))) return false
    const protocol = key.ipProto
    if (protocol === Protocol.gre) return true
    if (protocol !== Protocol.udp) return false
    return key.fragment === Fragment.later || key.ask(Word.l4Ports, 0xffff) === vxlan.PORT
  }
}
