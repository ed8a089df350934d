// A flow as each of its two ends must see it: the model of what translation is.  `near` is the
// client's view and `far` the server's; the port that SNAT chooses is learned from the first
// packet, and has to be one of its rule's.

import { addressBytes, type Datagram, type Family, type Packet } from './bytes.ts'
import {
  type Config,
  endsOf,
  type Machine,
  PUBLIC,
  SERVICE,
  SERVICE_INSIDE,
  SNAT_FIRST,
  SNAT_LAST
} from './network.ts'
import type { Read } from './read.ts'

export type Kind = Datagram['is']
export type Direction = 'request' | 'response'

interface End {
  ip: string
  port: number
}
export interface View {
  readonly client: End
  readonly server: End
}

export interface Form extends Partial<Omit<Packet, 'l4' | 'family'>> {
  readonly body?: Uint8Array
  readonly zero?: boolean
  readonly flags?: number
}

export const TTL = 64

export class Flow {
  readonly config: Config
  readonly family: Family
  readonly kind: Kind
  readonly client: Machine
  readonly server: Machine
  readonly near: View
  readonly far: View
  isOpen = false

  constructor(config: Config, family: Family, kind: Kind, port: number) {
    this.config = config
    this.family = family
    this.kind = kind
    const { client, server } = endsOf(config)
    this.client = client
    this.server = server
    const { way, asks } = config
    const from = { ip: client.ip[family], port }
    const to = { ip: server.ip[family], port: SERVICE }
    const open = PUBLIC[family]
    this.near = { client: from, server: { ...to, ip: this.#hidesServer ? open : to.ip } }
    const isMoved = way === 'snat' || way === 'fixed'
    const port8080 = asks && this.#hidesServer ? SERVICE_INSIDE : SERVICE
    this.far = {
      client: { ip: isMoved ? open : from.ip, port },
      server: { ...to, port: port8080 }
    }
  }

  get #hidesServer(): boolean {
    return this.config.way === 'dnat' || this.config.way === 'vip'
  }

  /** Of its packets: two that are in pieces at once must not be taken for one. */
  get id(): number {
    return this.near.client.port
  }

  /** A packet as `view` has it. */
  packet(view: View, direction: Direction, form: Form = {}): Packet {
    const { body = new Uint8Array(32), zero = false, flags = 0x10, ...ip } = form
    const isBack = direction === 'response'
    const [from, to] = isBack ? [view.server, view.client] : [view.client, view.server]
    // The id of an echo is its client's port, whoever speaks.
    const [sport, dport] = this.kind === 'echo' ? [view.client.port, 0] : [from.port, to.port]
    const l4 = { is: this.kind, sport, dport, body, zero, flags, reply: isBack }
    return { family: this.family, src: from.ip, dst: to.ip, ttl: TTL, l4, id: this.id, ...ip }
  }

  /** Where packets of a direction come from and go to, and how they look there. */
  way(direction: Direction): { from: Machine; to: Machine; sent: View; seen: View } {
    return direction === 'request'
      ? { from: this.client, to: this.server, sent: this.near, seen: this.far }
      : { from: this.server, to: this.client, sent: this.far, seen: this.near }
  }

  /** What SNAT chose, which the first piece of a packet of the client shows.  Text: it may not. */
  learn(first: Read): string | undefined {
    if (this.config.way !== 'snat') return undefined
    const at = this.kind === 'echo' ? 4 : 0
    const port = first.body[at]! * 256 + first.body[at + 1]!
    if (first.src.join() !== addressBytes(this.far.client.ip).join())
      return `leaves as ${first.src.join('.')}, not by the address of its rule`
    if (port < SNAT_FIRST || port > SNAT_LAST) return `leaves by port ${port}`
    this.far.client.port = port
    return undefined
  }
}
