// What the grid asks of a router outside, whoever has written it: it speaks with one peer, tells
// it of networks, and knows what it was told.

import type { Machine } from '../../src/lab/index.ts'

/** What a cell can show. */
export const shows = ['plain', 'BFD', 'MD5', 'graceful restart', 'ECMP'] as const
export type Show = (typeof shows)[number]

/** What it is started with. */
export interface UpstreamOptions {
  /** Its own AS. */
  readonly asn: number
  /** Its own, in IPv4's notation. */
  readonly routerId: string
  /** Its own, IPv4 or IPv6: what is told is of that family. */
  readonly address: string
  /** The other end. */
  readonly peer: { readonly address: string; readonly asn: number }
  readonly holdS: number
  /** Told of at once. */
  readonly networks: readonly string[]
  readonly password?: string
  readonly bfd?: { readonly intervalMs: number; readonly multiplier: number }
  /** Whether it asks peers to keep its routes while it restarts. */
  readonly isGraceful?: boolean
}

/** A router outside that speaks. */
export interface Upstream {
  /** Tells of these networks, and of no others any more. */
  announce(networks: readonly string[]): Promise<void>
  /** The networks it has been told of, and would send packets for to the peer. */
  learned(): Promise<readonly string[]>
  /** As kill -9. */
  kill(): Promise<void>
  /** After `kill`: tells of the same networks. */
  start(): Promise<void>
  close(): Promise<void>
}

/** A kind of routers: a row of the grid for each family. */
export interface Kind {
  readonly name: string
  /** Why there can be none here; undefined when there can. */
  missing(): string | undefined
  /** As it says itself. */
  version(): Promise<string>
  /** What it has not by its own nature, and why. */
  readonly lacks: Partial<Readonly<Record<Show, string>>>
  /** Whether it keeps what it has been told: if not, it is the one that restarts. */
  readonly keeps: boolean
  start(machine: Machine, options: UpstreamOptions): Promise<Upstream>
}

export type Family = 4 | 6

export const familyOf = (text: string): Family => (text.includes(':') ? 6 : 4)
