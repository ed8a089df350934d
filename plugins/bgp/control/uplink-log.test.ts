// The log of an uplink port: each thing once, when it begins to be so.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../../../src/core/clock.ts'
import { openLog } from '../../../src/core/log.ts'
import type { SessionState } from '../engine/engine.ts'
import { UplinkLog } from './uplink-log.ts'

const PEER = '192.0.2.1'

function ground() {
  const clock = new VirtualClock()
  const lines: string[] = []
  const log = openLog({ level: 'info' }, { write: line => lines.push(line) })
  const uplink = new UplinkLog(log, clock, 'up')
  const said = () => lines.splice(0).map(line => JSON.parse(line) as Record<string, unknown>)
  const session = (state: SessionState['state'], isShut = false, address = PEER): void => {
    const counts = { upSinceMs: null, prefixesReceived: 0, prefixesSent: 0, flaps: 0, bfd: null }
    const each = { address, asn: 65_101, state, lastError: 'no word', ...counts }
    uplink.sessions([each], () => isShut)
  }
  return { clock, uplink, session, said }
}

test('a peer that does not answer is missed once, and said to be there when it is', () => {
  const { clock, session, said } = ground()
  session('connect')
  clock.advance(9_000)
  session('active')
  assert.deepEqual(said(), [])
  clock.advance(1_000)
  session('connect')
  const [missed, ...others] = said()
  assert.deepEqual(
    [missed?.msg, missed?.peer, missed?.state, missed?.reason, others],
    ['a BGP session does not come up', PEER, 'connect', 'no word', []]
  )
  clock.advance(60_000)
  session('active')
  session('established')
  session('established')
  session('idle')
  clock.advance(60_000)
  session('connect')
  assert.deepEqual(
    said().map(({ msg }) => msg),
    ['a BGP session is established', 'a BGP session is over']
  )
})

test('a peer that is shut is missed by nobody, until it is wanted', () => {
  const { clock, session, said } = ground()
  session('idle', true)
  clock.advance(60_000)
  session('idle', true)
  session('connect')
  assert.deepEqual(said(), [])
  clock.advance(10_000)
  session('connect', false, '192.0.2.9')
  session('connect')
  assert.deepEqual(said(), [], 'one that was away begins anew')
})

test('networks that are not announced are said when they change', () => {
  const { uplink, said } = ground()
  const network = (reasons: string[]) => [{ id: 'n', prefix: '200.0.0.0/24', reasons }]
  uplink.networks(network([]))
  assert.deepEqual(said(), [])
  uplink.networks(network(['uplink-network']))
  uplink.networks(network(['uplink-network']))
  uplink.networks(network([]))
  assert.deepEqual(
    said().map(({ msg, networks }) => [msg, networks]),
    [
      ['networks that are not announced', ['200.0.0.0/24: uplink-network']],
      ['all networks are announced', undefined]
    ]
  )
})
