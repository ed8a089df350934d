// What a case of the oracles is made of, as plain numbers.  Each number is taken modulo what there
// is to choose from (net.ts, events.ts), so that every plan has a meaning and fast-check may shrink
// it as it likes.

import fc from 'fast-check'
import { type EventPlan, faultPlans } from './events.ts'

export interface VmPlan {
  readonly bridge: number
  readonly host: number
  readonly silent: boolean // answers neither ARP nor ND nor ping
}

export interface LinkPlan {
  readonly kind: number // bridge–router, router–router, bridge–bridge
  readonly a: number
  readonly b: number
}

export interface RulePlan {
  readonly chain: number
  readonly action: number
  readonly match: number
  readonly value: number
  readonly more: number // a second condition; 0 none
  readonly invert: boolean
  readonly state?: number // a condition on the connection
}

// Both filters of a router translate.
export interface NatPlan {
  readonly router: number
  readonly inward: number
  readonly outward: number
  readonly value: number
}

export interface FilterPlan {
  readonly at: number // port, bridge or router
  readonly chain: number
  readonly out: boolean
}

export interface RoutePlan {
  readonly router: number
  readonly destination: number
  readonly source: number
  readonly type: number
  readonly port: number
  readonly gateway: number
  readonly weight: number
}

export interface PacketPlan {
  readonly from: number
  readonly to: number
  readonly family: number
  readonly protocol: number
  readonly ports: number
  readonly ttl: number
  readonly tos: number
  readonly fragment: number
  readonly mac: number
  readonly flags?: string // of TCP
}

export type Move =
  | ({ readonly is: 'packet'; readonly times: number } & PacketPlan)
  | { readonly is: 'again'; readonly back: number; readonly vary: number }
  | { readonly is: 'ask'; readonly from: number; readonly whom: number; readonly family: number }
  | { readonly is: 'announce'; readonly from: number; readonly as: number; readonly family: number }
  | { readonly is: 'garbage'; readonly from: number; readonly bytes: readonly number[] }
  | { readonly is: 'admin'; readonly at: number }
  | { readonly is: 'route'; readonly slot: number; readonly route: RoutePlan }
  | { readonly is: 'rule'; readonly slot: number; readonly rule: RulePlan }
  | { readonly is: 'filter'; readonly filter: FilterPlan }
  | { readonly is: 'rebind'; readonly vm: number; readonly host: number }
  | { readonly is: 'flap'; readonly vm: number }
  | { readonly is: 'unplug'; readonly port: number }
  | { readonly is: 'wait'; readonly ms: number }
  | { readonly is: 'end'; readonly back: number; readonly flags: string }
  | ({ readonly is: 'fault' } & FaultPlan)

/** What happens to the ports of two stations, and to agents (events.ts). */
export interface FaultPlan {
  readonly one: number
  readonly other: number
  readonly event: EventPlan
  readonly calm: boolean // and hosts have the time to hand over
}

export interface Plan {
  readonly routers: number
  readonly bridges: readonly number[] // the router each is linked to
  readonly hosts: number
  readonly loops: boolean
  readonly vms: readonly VmPlan[]
  readonly uplinks: readonly { readonly router: number; readonly host: number }[]
  readonly links: readonly LinkPlan[]
  readonly rules: readonly RulePlan[]
  readonly nats?: readonly NatPlan[]
  readonly filters: readonly FilterPlan[]
  readonly routes: readonly RoutePlan[]
  readonly down: readonly number[]
  readonly moves: readonly Move[]
}

export const NO_MATCH = -1

const n = fc.nat({ max: 23 })
const few = fc.nat({ max: 3 })

const rule: fc.Arbitrary<RulePlan> = fc.record({
  chain: n,
  action: n,
  match: n,
  value: n,
  more: few,
  invert: fc.boolean()
})
const filter: fc.Arbitrary<FilterPlan> = fc.record({ at: n, chain: n, out: fc.boolean() })
const route: fc.Arbitrary<RoutePlan> = fc.record({
  router: n,
  destination: n,
  source: n,
  type: n,
  port: n,
  gateway: n,
  weight: few
})

const packet: fc.Arbitrary<Move> = fc.record({
  is: fc.constant('packet' as const),
  times: fc.constantFrom(1, 2, 3),
  from: n,
  to: n,
  family: few,
  protocol: n,
  ports: n,
  ttl: n,
  tos: few,
  fragment: n,
  mac: n
})

const move: fc.Arbitrary<Move> = fc.oneof(
  { weight: 12, arbitrary: packet },
  // Flows are tried by packets that are almost, but not quite, those that made them.
  {
    weight: 16,
    arbitrary: fc.record({ is: fc.constant('again' as const), back: few, vary: fc.nat({ max: 9 }) })
  },
  {
    weight: 3,
    arbitrary: fc.record({ is: fc.constant('ask' as const), from: n, whom: n, family: few })
  },
  {
    weight: 2,
    arbitrary: fc.record({ is: fc.constant('announce' as const), from: n, as: n, family: few })
  },
  {
    weight: 1,
    arbitrary: fc.record({
      is: fc.constant('garbage' as const),
      from: n,
      bytes: fc.array(fc.nat({ max: 255 }), { maxLength: 60 })
    })
  },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('admin' as const), at: n }) },
  { weight: 2, arbitrary: fc.record({ is: fc.constant('route' as const), slot: few, route }) },
  { weight: 3, arbitrary: fc.record({ is: fc.constant('rule' as const), slot: few, rule }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('filter' as const), filter }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('rebind' as const), vm: n, host: n }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('flap' as const), vm: n }) },
  { weight: 1, arbitrary: fc.record({ is: fc.constant('unplug' as const), port: n }) },
  {
    weight: 1,
    arbitrary: fc.record({ is: fc.constant('wait' as const), ms: fc.constantFrom(50, 1200, 4000) })
  }
)

const list = <T>(of: fc.Arbitrary<T>, minLength: number, maxLength: number): fc.Arbitrary<T[]> =>
  fc.array(of, { minLength, maxLength, size: 'max' })

// Where a world is dear and a move is cheap, plans are longer.
export const plansOf = (movesMin: number, movesMax: number): fc.Arbitrary<Plan> =>
  fc.record({ ...network, moves: list(move, movesMin, movesMax) })

const network = {
  routers: fc.constantFrom(1, 1, 2, 3),
  bridges: list(few, 1, 4),
  hosts: fc.constantFrom(2, 3, 1),
  loops: fc.constantFrom(false, false, false, true),
  vms: list(
    fc.record({ bridge: n, host: few, silent: fc.constantFrom(false, false, false, true) }),
    2,
    6
  ),
  uplinks: fc.array(fc.record({ router: few, host: few }), { maxLength: 1 }),
  links: fc.array(fc.record({ kind: n, a: few, b: few }), { maxLength: 4 }),
  rules: list(rule, 0, 4),
  filters: list(filter, 0, 3),
  routes: fc.array(route, { maxLength: 5 }),
  down: fc.array(n, { maxLength: 1 })
}

export const plans = plansOf(4, 26)

const nat = (kinds: number): fc.Arbitrary<NatPlan> =>
  fc.record({ router: few, inward: few, outward: fc.nat({ max: kinds }), value: n })
// Half of them ask for nothing else: what else they ask is seldom so.
const statefulRule: fc.Arbitrary<RulePlan> = fc
  .tuple(rule, fc.nat({ max: 15 }), fc.boolean())
  .map(([of, state, bare]) => ({ ...of, state, ...(bare ? { match: NO_MATCH, more: 0 } : {}) }))

// Most packets are of connections that can be, and come through.
const talk: fc.Arbitrary<Move> = fc.record({
  is: fc.constant('packet' as const),
  times: fc.constantFrom(1, 2),
  from: n,
  to: n,
  family: few,
  protocol: fc.constantFrom(0, 1, 3, 5, 5, 6),
  ports: n,
  ttl: fc.constantFrom(0, 0, 0, 4),
  tos: fc.constant(0),
  fragment: fc.constantFrom(0, 0, 0, 0, 0, 22, 23),
  mac: fc.constant(0)
})

// Plans whose rules look at connections and translate.  `leases`: ports of blocks too.
export const statefulPlans = (leases: boolean, movesMin = 10, movesMax = 40): fc.Arbitrary<Plan> =>
  fc.record({
    ...network,
    routers: fc.constantFrom(1, 1, 2),
    bridges: list(fc.nat({ max: 2 }), 2, 3),
    loops: fc.constant(false),
    rules: list(statefulRule, 1, 4),
    filters: list(filter, 1, 4),
    down: fc.constant([]),
    nats: list(nat(leases ? 5 : 2), 1, 2),
    moves: list(
      fc.oneof({ weight: 30, arbitrary: talk }, { weight: 10, arbitrary: move }),
      movesMin,
      movesMax
    )
  })

// A connection ends: by FIN of both, by a reset of one or of the other end.
const end: fc.Arbitrary<Move> = fc.record({
  is: fc.constant('end' as const),
  back: few,
  flags: fc.constantFrom('FA', 'RA', 'PA')
})

const fault: fc.Arbitrary<Move> = fc.record({
  is: fc.constant('fault' as const),
  one: n,
  other: n,
  event: faultPlans,
  calm: fc.boolean()
})
const calm: Move = { is: 'fault', one: 0, other: 0, event: { kind: 0, host: 0 }, calm: true }

/** Of these plans, such in which ports move, agents begin anew, and connections end meanwhile. */
export const faulty = (of: fc.Arbitrary<Plan>, faultsMax: number): fc.Arbitrary<Plan> =>
  fc
    .tuple(
      of,
      fc.array(fc.tuple(n, fc.oneof(end, fault, fault)), { maxLength: faultsMax, size: 'max' })
    )
    .map(([plan, faults]) => {
      const moves = [...plan.moves]
      for (const [at, each] of faults) moves.splice(at % (moves.length + 1), 0, each)
      return { ...plan, moves: [...moves, calm] }
    })
