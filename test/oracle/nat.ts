// Rules that translate and rules that ask for connections, for the oracles' plans.  What is chosen
// must not depend on which host chooses: so ports are leased only where both worlds have the same
// hosts.

import type { NatPlan } from './plan.ts'

type Rule = Record<string, unknown> & { readonly action: string }

export interface NatPlaces {
  readonly bridges: number
  readonly stations: readonly { readonly ip4: string; readonly ip6: string }[]
}

// Where packets of the plans go that are for nobody (packets.ts), and a neighbour of it.
const OPEN = {
  4: ['203.0.113.9', '203.0.113.10'],
  6: ['2001:db8:ffff::9', '2001:db8:ffff::a']
} as const

/** What rules translate to machines inside. */
export const TRANSLATED = { ip4: OPEN[4][0], ip6: OPEN[6][0] }

export function natRules(places: NatPlaces, plan: NatPlan): { in: Rule[]; out: Rule[] } {
  const families = [4, 6] as const
  return {
    in: [{ action: 'reverse-snat' }, ...families.flatMap(family => inward(places, plan, family))],
    out: [{ action: 'reverse-dnat' }, ...families.flatMap(family => outward(places, plan, family))]
  }
}

function inward({ stations, bridges }: NatPlaces, plan: NatPlan, family: 4 | 6): Rule[] {
  const [vip] = OPEN[family]
  const ip = (n: number): string => {
    const station = stations[n % stations.length]!
    return family === 4 ? station.ip4 : station.ip6
  }
  const common = { action: 'dnat', destination: `${vip}/${family === 4 ? 32 : 128}` }
  const targets = [{ from: ip(plan.value) }, { from: ip(plan.value + 1) }]
  switch (plan.inward % 4) {
    case 0:
      return [{ ...common, natTargets: targets.slice(0, 1) }]
    case 1:
      return [{ ...common, natTargets: targets }]
    case 2:
      return [
        { ...common, natTargets: targets.map(each => ({ ...each, portFrom: 2000, portTo: 2001 })) }
      ]
    default:
      return [prefix('dnat', 'destination', plan.value % bridges, family, true)]
  }
}

function outward({ stations, bridges }: NatPlaces, plan: NatPlan, family: 4 | 6): Rule[] {
  const [open, other] = OPEN[family]
  const { ip4, ip6 } = stations[plan.value % stations.length]!
  switch (plan.outward % 6) {
    case 0:
      return []
    case 1:
      return [
        {
          action: 'snat',
          source: family === 4 ? `${ip4}/32` : `${ip6}/128`,
          natTargets: [{ from: open }]
        }
      ]
    case 2:
      return [prefix('snat', 'source', plan.value % bridges, family, false)]
    case 3: // a block and a little more
      return [
        { action: 'snat', natTargets: [{ from: other, portFrom: 960, portTo: 1030 + plan.value }] }
      ]
    case 4: // two ports are soon used up
      return [
        { action: 'snat', natTargets: [{ from: open, to: other, portFrom: 1000, portTo: 1001 }] }
      ]
    default:
      return [{ action: 'masquerade' }]
  }
}

function prefix(
  action: string,
  condition: string,
  bridge: number,
  family: 4 | 6,
  isBack: boolean
): Rule {
  const inside = family === 4 ? `10.0.${bridge}.0/24` : `2001:db8:${bridge}::/64`
  const outside = family === 4 ? '203.0.113.0/24' : '2001:db8:ffff::/64'
  const [from, to] = isBack ? [outside, inside] : [inside, outside]
  return { action, [condition]: from, natPrefix: to }
}

/** What a rule may ask of connections; nothing for 0. */
export function stateCondition(n: number, invert: boolean): Record<string, unknown> {
  const states = ['new', 'established', 'related', 'invalid', 'untracked']
  const some = [states[n % 5], states[(n >> 1) % 5]]
  switch (n % 4) {
    case 0:
      return {}
    case 1:
      return { matchForwardFlow: true }
    case 2:
      return { matchReturnFlow: true }
    default:
      return { connectionStates: [...new Set(some)], invertConnectionStates: invert }
  }
}
