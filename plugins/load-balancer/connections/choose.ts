// Which member a new connection goes to.
//
// Rendezvous hashing (Thaler and Ravishankar 1998), weighted: each connection ranks the members by
// a hash of both and takes the first.  All hosts decide alike without a word, and a member that
// goes or comes moves only its own share.

import { hashWith, type Random } from '../../../src/plugin.ts'
import type { Member, Pool } from '../parts.ts'

const WORD = 0x1_0000_0000

/** A connection that opens, as far as choosing a member goes. */
export interface Call {
  /** IPv4 or IPv6. */
  readonly family: 4 | 6
  /** Of what connections have in common that go together. */
  readonly hash: number
  /** Whether the way to this member is taken by a connection through another VIP. */
  isTaken(member: Member): boolean
}

/** What choosing needs to know. */
export interface ChooseNeeds {
  readonly random: Random
  /** Connections of a member, as this host knows them. */
  countOf(word: number): number
}

const NOBODY = 'load-balancer.pool-down'

/** A member that takes clients it does not know; else the reason there is none. */
export function choose(pool: Pool, call: Call, needs: ChooseNeeds): Member | string {
  const able = pool.members.filter(member => isOpen(member) && member.family === call.family)
  if (able.length === 0) return NOBODY
  const free = able.filter(member => !isFull(member, needs))
  if (free.length === 0) return 'load-balancer.members-full'
  const clear = free.filter(member => !member.isShared || !call.isTaken(member))
  if (clear.length === 0) return 'load-balancer.clash'
  switch (pool.algorithm) {
    case 'rendezvous':
      return rendezvous(clear, call.hash)
    case 'weighted-random':
      return weightedRandom(clear, needs.random)
    case 'least-connections':
      return leastConnections(clear, call.hash, needs)
  }
}

/** Takes connections of clients it does not know. */
export const isOpen = (member: Member): boolean =>
  takesKnown(member) && !member.drains && member.weight > 0

/** Takes new connections of clients that it knows already. */
export const takesKnown = (member: Member): boolean => member.isEnabled && member.isHealthy

/** Whether the member has as many connections as it may. */
export const isFull = (member: Member, { countOf }: ChooseNeeds): boolean =>
  member.connectionsMax !== Number.POSITIVE_INFINITY &&
  countOf(member.word) >= member.connectionsMax

// The highest of weight / -ln(u), where u is even in (0, 1): each wins by its share of the weights.
function rendezvous(members: readonly Member[], hash: number): Member {
  let best = members[0]!
  let highest = -1
  for (const member of members) {
    const u = ((hashWith(hash, member.word) >>> 0) + 0.5) / WORD
    const score = member.weight / -Math.log(u)
    if (score <= highest) continue
    highest = score
    best = member
  }
  return best
}

function weightedRandom(members: readonly Member[], random: Random): Member {
  let left = random.below(members.reduce((total, { weight }) => total + weight, 0))
  for (const member of members) {
    left -= member.weight
    if (left < 0) return member
  }
  return members[0]!
}

// For their weight; the hash decides among equals.
function leastConnections(
  members: readonly Member[],
  hash: number,
  { countOf }: ChooseNeeds
): Member {
  let least = Number.POSITIVE_INFINITY
  let equal: Member[] = []
  for (const member of members) {
    const load = (countOf(member.word) + 1) / member.weight
    if (load < least) equal = []
    if (load > least) continue
    least = load
    equal.push(member)
  }
  return rendezvous(equal, hash)
}
