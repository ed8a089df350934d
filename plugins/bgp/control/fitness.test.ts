// What is said of a gateway: nothing while it is fit, and each fault by name.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fitnessOf } from './fitness.ts'
import type { UplinkStatus } from './uplink-status.ts'

type Session = UplinkStatus['sessions'][number]

const session = (more: Partial<Session> = {}): Session => ({
  ...{ address: '192.0.2.1', asn: 65_101, state: 'established', upSinceMs: 0 },
  ...{ prefixesReceived: 1, prefixesSent: 1, flaps: 0, lastError: null, bfd: 'up' },
  ...{ peer: 'id', name: 'r1', isShut: false, damped: null, ...more }
})
const uplink = (sessions: readonly Session[], more: Partial<UplinkStatus> = {}): UplinkStatus => ({
  ...{ port: 'port', router: 'router', state: 'working', reason: null, asn: 65_001 },
  ...{ routerId: '192.0.2.2', routes: 1, defaults: [], refusedCount: 0, refused: [] },
  ...{ networks: [], statics: [], sessions, ...more }
})

const FIT = { isDrained: false, isCutOff: false }

test('of a gateway that is fit nothing is said', () => {
  assert.deepEqual(fitnessOf([], FIT), [])
  assert.deepEqual(fitnessOf([uplink([session(), session({ bfd: null })])], FIT), [])
  const shut = session({ state: 'idle', isShut: true })
  assert.deepEqual(fitnessOf([uplink([shut])], FIT), [])
})

test('sessions that are missed, with their reason, and what failed, once', () => {
  const over = session({ state: 'connect', lastError: 'the password is another', bfd: 'down' })
  const plain = session({ state: 'idle', name: '192.0.2.1' })
  const failed = uplink([], { state: 'failed', reason: 'FRR is not installed' })
  assert.deepEqual(
    fitnessOf([uplink([over, plain]), failed, failed], { ...FIT, isDrained: true }),
    [
      'drained: it announces nothing, and traffic is led elsewhere',
      'no BGP session with r1 (192.0.2.1), it is connect: the password is another',
      'no BGP session with 192.0.2.1, it is idle',
      'FRR is not installed'
    ]
  )
  assert.deepEqual(fitnessOf([uplink([session({ bfd: 'down' })])], FIT), [
    'BFD with r1 (192.0.2.1) is down'
  ])
})

test('that it is cut off is said of a gateway, and of no other host', () => {
  const cut = { ...FIT, isCutOff: true }
  const sentence = 'cut off: no other host answers, so it announces nothing'
  assert.deepEqual(fitnessOf([uplink([session()])], cut), [sentence])
  assert.deepEqual(fitnessOf([uplink([], { state: 'none' })], cut), [])
})

test('a peer that tells what is ours is named, unless it is the link that both are on', () => {
  const refused = [
    { prefix: '192.0.2.0/24', within: '192.0.2.0/24', isLink: true },
    { prefix: '10.0.1.128/25', within: '10.0.1.0/24', isLink: false }
  ]
  assert.deepEqual(fitnessOf([uplink([], { refusedCount: 2, refused })], FIT), [
    'a peer tells 10.0.1.128/25, which is ours (10.0.1.0/24): nobody is led there'
  ])
})
