// What the routers of an upstream speak, out of a plan: pure. upstream.ts builds it;
// test/lab/survival-uplinks.test.ts and test/lab/demo-cluster.test.ts hold it.

import type { BirdOptions, BirdPeer } from '../services/bird.ts'

/** Its routers. */
export const ROUTERS = ['r1', 'r2'] as const
export type Router = (typeof ROUTERS)[number]
/** Autonomous systems of the routers, in their order. */
export const ROUTER_ASNS = [65_101, 65_102] as const

const OUTSIDE_ASN = 65_200
const PREFERRED = 200
const USUAL = 100

/** The two ends of a cable, in one family. */
export interface Ends {
  /** Ours, or the router's where the outside is at the other end. */
  readonly near: string
  /** At the other end. */
  readonly far: string
  /** Bits of the prefix between them. */
  readonly length: number
}

/** What an upstream is built by. */
export interface UpstreamPlan {
  /** Our autonomous system. */
  readonly asn: number
  /** Names of our gateways: each has a cable to each router. */
  readonly gateways: readonly string[]
  /** The outside's own, without prefix length; at most one of a family. */
  readonly addresses: readonly string[]
  /** What the outside tells of. */
  readonly networks: readonly string[]
  /** Between two BFD packets, and how many may be missed. */
  readonly bfd: NonNullable<BirdOptions['bfd']>
  /** The cable of a gateway and a router by their places: one entry for each family. */
  link(gateway: number, router: number): readonly Ends[]
  /** The same of a router and the outside. */
  behind(router: number): readonly Ends[]
}

/** What a router calls its sessions with a peer: one of each family that the cable has. */
export const sessionNames = (peer: string, ends: readonly Ends[]): string[] =>
  ends.map(({ near }) => (near.includes(':') ? `${peer}_6` : peer))

/** Of a router; a preferred gateway is taken while it can be had. */
export function routerOptions(plan: UpstreamPlan, r: number, preferred: string | null = null) {
  const peers = plan.gateways.flatMap((name, g) => {
    const ends = plan.link(g, r)
    const preference = name === preferred ? PREFERRED : USUAL
    const addresses = ends.map(({ near }) => near)
    return peersOf({ name, ends, addresses, asn: plan.asn, preference })
  })
  const ends = plan.behind(r)
  const addresses = ends.map(({ far }) => far)
  const outside = peersOf({ name: 'outside', ends, addresses, asn: OUTSIDE_ASN })
  const routerId = `10.255.0.${r + 1}`
  return { asn: ROUTER_ASNS[r]!, routerId, bfd: plan.bfd, peers: [...peers, ...outside] }
}

/** Of the network behind the routers. */
export function outsideOptions(plan: UpstreamPlan): BirdOptions {
  const peers = ROUTERS.flatMap((name, r) => {
    const ends = plan.behind(r)
    const addresses = ends.map(({ near }) => near)
    return peersOf({ name, ends, addresses, asn: ROUTER_ASNS[r]! })
  })
  const { networks, addresses: sources, bfd } = plan
  return { asn: OUTSIDE_ASN, routerId: '10.255.0.9', sources, bfd, peers, networks }
}

interface Peers extends Omit<BirdPeer, 'address'> {
  readonly ends: readonly Ends[]
  readonly addresses: readonly string[]
}

const peersOf = ({ name, ends, addresses, ...more }: Peers): BirdPeer[] =>
  sessionNames(name, ends).map((each, i) => {
    return { ...more, name: each, address: addresses[i]!, bfd: true }
  })
