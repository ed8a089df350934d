// Words that were given up for others (docs/glossary.md), and may not come back as the names of
// things: in a type or class as it was called, in part of an identifier where the word has no other
// use here, and as the name of a setting, a metric or a tag. Prose is read by people.

import type { Finding } from './rules.ts'
import { lineAt, type Scanned } from './scan.ts'

/** Whole names of types, classes and functions: what they are called now. */
const names: Readonly<Record<string, string>> = {
  Hosts: 'Peers',
  Places: 'PortBindings or Attachments',
  Entry: 'Ingress',
  Departures: 'HeldPackets',
  Holding: 'HeldPackets',
  Guest: 'SenderQuota',
  Seat: 'entry',
  Sharing: 'StateReplication',
  Reception: 'LocalDelivery',
  Bell: 'ChangeNotifier',
  Follower: 'WatchCursor',
  vanish: 'expire',
  Intake: 'Receiver',
  Way: 'NextHop',
  Lines: 'ProbeTransport',
  Act: 'RuleAction',
  Then: 'Continue',
  HeldLeases: 'LeaseClient'
}

/** Words that no identifier has: what to say instead. */
const parts: Readonly<Record<string, string>> = {
  house: 'host, or system',
  translator: 'egress',
  flowbook: 'flow cache',
  recheck: 'revalidation',
  rechecks: 'revalidation',
  upkeep: 'maintenance',
  parked: 'waiting packet',
  interested: 'replication targets',
  foresight: 'prefetch',
  rehearsal: 'dry run',
  rehearse: 'try',
  visitor: 'local delivery',
  visitors: 'local delivery',
  deaths: 'host liveness, or peers lost',
  hub: 'shared database, or store',
  bury: 'mark dead',
  outbox: 'send queue',
  peering: 'peer session',
  checkup: 'health checks',
  census: 'connection counts',
  workshop: 'rule compiler',
  lifetime: 'running, cache policy, timeout or lifecycle',
  lifetimes: 'timeouts'
}

/** Settings, metrics and tags, as they stand in strings. */
const strings: Readonly<Record<string, string>> = {
  'not-waited': 'passed-over',
  'imports-untold': 'events-lost',
  'released-late': 'bound-passed',
  deaths: 'peers-lost',
  'state.lifetimes': 'state.timeouts',
  'state.holding': 'state.held-now',
  'agent.visitors': 'agent.deliveries',
  'flows.rechecked': 'flows.revalidated'
}

const STRING = /['"`]([\w.-]+)['"`]/g

/** What a source file calls by a word that was given up. Tests may have types of those names. */
export function retiredWords({ text, code }: Scanned, isProduct: boolean): Finding[] {
  const found: Finding[] = []
  for (const { 0: name, index } of code.matchAll(/[A-Za-z_$][\w$]*/g)) {
    const instead = (isProduct ? lookUp(names, name) : undefined) ?? retiredPart(name)
    if (instead !== undefined) found.push(finding(code, index, name, instead))
  }
  for (const { 1: value, index } of text.matchAll(STRING)) {
    const instead = lookUp(strings, value!)
    if (instead !== undefined) found.push(finding(text, index, value!, instead))
  }
  return found
}

const retiredPart = (name: string): string | undefined =>
  name
    .split(/_|(?<=[a-z0-9])(?=[A-Z])/)
    .map(part => lookUp(parts, part.toLowerCase()))
    .find(instead => instead !== undefined)

const lookUp = (words: Readonly<Record<string, string>>, word: string): string | undefined =>
  Object.hasOwn(words, word) ? words[word] : undefined

const finding = (text: string, at: number, word: string, instead: string): Finding => ({
  line: lineAt(text, at),
  message: `${word}: the word was given up; say ${instead} (docs/glossary.md)`
})
