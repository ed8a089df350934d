// What FRR says of its peers, as states of sessions. sessions.test.ts holds it.

import type { PeerConfig, SessionState } from '../engine.ts'

interface Neighbor {
  readonly bgpState?: string
  readonly bgpTimerUpEstablishedEpoch?: number
  readonly connectionsDropped?: number
  readonly lastResetDueTo?: string
  readonly lastNotificationReason?: string
  readonly addressFamilyInfo?: Readonly<Record<string, Counts>>
  readonly peerBfdInfo?: { readonly status?: string }
}

interface Counts {
  readonly acceptedPrefixCounter?: number
  readonly sentPrefixCounter?: number
}

const states: Readonly<Record<string, SessionState['state']>> = {
  Idle: 'idle',
  Connect: 'connect',
  Active: 'active',
  OpenSent: 'open-sent',
  OpenConfirm: 'open-confirm',
  Established: 'established'
}

const bfdStates: Readonly<Record<string, SessionState['bfd']>> = {
  Up: 'up',
  Down: 'down',
  'Admin Down': 'down',
  Init: 'init',
  Unknown: 'init'
}

const UNANSWERED = 'it has not answered yet'

/**
 * By `show bgp neighbors json`; `hint` says what else is known of a peer whose session is not
 * established. A peer that FRR does not know (yet) is idle.
 */
export function sessionsIn(
  text: string,
  peers: readonly PeerConfig[],
  hint: (peer: PeerConfig) => string | null
): SessionState[] {
  const all = JSON.parse(text) as Readonly<Record<string, Neighbor>>
  return peers.map(peer => sessionOf(peer, all[peer.address] ?? {}, hint))
}

function sessionOf(
  peer: PeerConfig,
  said: Neighbor,
  hint: (peer: PeerConfig) => string | null
): SessionState {
  const state = states[said.bgpState ?? ''] ?? 'idle'
  const isUp = state === 'established'
  const isTried = !isUp && said.bgpState !== undefined
  const counts = Object.values(said.addressFamilyInfo ?? {})
  const bfd = bfdStates[said.peerBfdInfo?.status ?? ''] ?? 'init'
  return {
    address: peer.address,
    asn: peer.asn,
    state,
    upSinceMs: isUp ? 1000 * (said.bgpTimerUpEstablishedEpoch ?? 0) : null,
    prefixesReceived: isUp ? sum(counts.map(each => each.acceptedPrefixCounter)) : 0,
    prefixesSent: isUp ? sum(counts.map(each => each.sentPrefixCounter)) : 0,
    flaps: said.connectionsDropped ?? 0,
    lastError: (isUp ? null : hint(peer)) ?? errorOf(said) ?? (isTried ? UNANSWERED : null),
    bfd: peer.bfd === null ? null : bfd
  }
}

const sum = (counts: readonly (number | undefined)[]): number =>
  counts.reduce<number>((all, count) => all + (count ?? 0), 0)

function errorOf({ lastResetDueTo, lastNotificationReason, connectionsDropped }: Neighbor) {
  const isNew = lastResetDueTo === 'Waiting for peer OPEN' && (connectionsDropped ?? 0) === 0
  const why = [lastResetDueTo, lastNotificationReason].filter(each => each !== undefined)
  return isNew || why.length === 0 ? null : why.join(': ')
}
