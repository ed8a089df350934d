// Answers of FRR 8.4.4 to `show bgp neighbors json`, cut down, as states of sessions.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerConfig } from '../engine.ts'
import { peer as peerWith } from './fixture.test.ts'
import { sessionsIn } from './sessions.ts'

const peer = (address: string, bfd: PeerConfig['bfd'] = null): PeerConfig =>
  peerWith({ address, bfd })

const established = {
  bgpState: 'Established',
  bgpTimerUpEstablishedEpoch: 1_795_958_713,
  connectionsDropped: 1,
  lastResetDueTo: 'BFD down received',
  addressFamilyInfo: { ipv4Unicast: { acceptedPrefixCounter: 2, sentPrefixCounter: 3 } },
  peerBfdInfo: { status: 'Up' }
}

test('a session that is up, one that was, and one that FRR does not know', () => {
  const text = JSON.stringify({
    '10.0.0.1': established,
    '10.0.0.2': {
      ...{ bgpState: 'Active', connectionsDropped: 2, lastResetDueTo: 'BGP Notification received' },
      lastNotificationReason: 'Cease/Administrative Shutdown',
      addressFamilyInfo: { ipv4Unicast: { acceptedPrefixCounter: 5 } }
    }
  })
  const bfd = { intervalMs: 100, multiplier: 3 }
  const peers = [peer('10.0.0.1', bfd), peer('10.0.0.2'), peer('10.0.0.3', bfd)]
  const [first, second, third] = sessionsIn(text, peers, () => null)
  assert.deepEqual(first, {
    ...{ address: '10.0.0.1', asn: 65_002, state: 'established', upSinceMs: 1_795_958_713_000 },
    ...{ prefixesReceived: 2, prefixesSent: 3, flaps: 1, lastError: 'BFD down received', bfd: 'up' }
  })
  assert.deepEqual(second, {
    ...{ address: '10.0.0.2', asn: 65_002, state: 'active', upSinceMs: null },
    ...{ prefixesReceived: 0, prefixesSent: 0, flaps: 2, bfd: null },
    lastError: 'BGP Notification received: Cease/Administrative Shutdown'
  })
  assert.equal(third!.state, 'idle')
  assert.equal(third!.bfd, 'init')
  assert.equal(third!.lastError, null)
})

test('what else is known is said while the session is down, and not when it is up', () => {
  const text = JSON.stringify({
    '10.0.0.1': established,
    '10.0.0.2': { bgpState: 'Connect', lastResetDueTo: 'Waiting for peer OPEN' }
  })
  const [up, down] = sessionsIn(text, [peer('10.0.0.1'), peer('10.0.0.2')], () => 'a reason')
  assert.equal(up!.lastError, 'BFD down received')
  assert.equal(down!.lastError, 'a reason')
})

test('a peer that has never answered is said not to have', () => {
  const waiting = { connectionsDropped: 0, lastResetDueTo: 'Waiting for peer OPEN' }
  const text = JSON.stringify({
    '10.0.0.1': { ...established, ...waiting },
    '10.0.0.2': { bgpState: 'Connect', ...waiting },
    '10.0.0.3': { bgpState: 'Active' }
  })
  const peers = ['10.0.0.1', '10.0.0.2', '10.0.0.3'].map(each => peer(each))
  const errors = sessionsIn(text, peers, () => null).map(({ lastError }) => lastError)
  assert.deepEqual(errors, [null, 'it has not answered yet', 'it has not answered yet'])
})
