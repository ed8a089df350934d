// What the settings of flow state say to a packet thread, and what they refuse.

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { loadConfig } from '../core/config/config.ts'
import { EXCHANGE_DEFAULT } from '../state/exchange/exchange.ts'
import { TIMEOUTS_DEFAULT } from '../state/timeouts.ts'
import { sectionsOf } from './settings.ts'
import { flowStateOf } from './state-settings.ts'

// `tap-seen` has a time of its own, `tap-way` lives as its protocol says.
const plugins = [{ name: 'tap', stateKinds: [{ name: 'tap-seen', idleS: 9 }, { name: 'tap-way' }] }]
const TIMEOUTS = { ...TIMEOUTS_DEFAULT, kindsS: [0, 0, 0, 9] }

const folder = mkdtempSync(join(tmpdir(), 'mezzo-settings-'))
after(() => rmSync(folder, { recursive: true }))

function told(state: unknown) {
  const file = join(folder, 'role.json')
  writeFileSync(file, JSON.stringify(state === undefined ? {} : { state }))
  return flowStateOf(loadConfig({ file, sections: sectionsOf(plugins) }).state, plugins)
}

test('without settings a thread is told the defaults of the parts', () => {
  assert.deepEqual(told(undefined), {
    connectionsMax: 1_000_000,
    connectionsPerPort: 0,
    timeouts: TIMEOUTS,
    exchange: EXCHANGE_DEFAULT
  })
})

test('what is set is told, the rest stays', () => {
  const { connectionsMax, timeouts, exchange } = told({
    connectionsMax: 2048,
    timeouts: { tcpEstablishedS: 7440, tapSeenS: 11 },
    exchange: { heartbeatMs: 100, deadMs: 300 }
  })
  assert.equal(connectionsMax, 2048)
  assert.deepEqual(timeouts, { ...TIMEOUTS, tcpEstablishedS: 7440, kindsS: [0, 0, 0, 11] })
  assert.deepEqual(exchange, { ...EXCHANGE_DEFAULT, heartbeatMs: 100, deadMs: 300 })
})

test('a host cannot be dead before it could have been heard', () => {
  assert.throws(() => told({ exchange: { heartbeatMs: 80 } }), /deadMs is 125; expected .* 240/)
  assert.throws(() => told({ timeouts: { tcpEstablishedS: 0 } }), /tcpEstablishedS is 0/)
  assert.throws(() => told({ timeouts: { tcpEstablished: 5 } }), /tcpEstablished is not a setting/)
})
