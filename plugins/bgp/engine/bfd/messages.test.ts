// What bfdd says of its neighbours, as it was recorded of FRR 8.4.4.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { BfdReader, statesIn, subscription } from './messages.ts'

function message(type: number, text: string, version = 1): Buffer {
  const body = Buffer.from(text)
  const bytes = Buffer.concat([Buffer.alloc(8), body])
  const view = new DataView(bytes.buffer, bytes.byteOffset)
  view.setUint32(0, body.length)
  view.setUint8(6, type)
  view.setUint8(7, version)
  return bytes
}
const status = (address: string, state: string, diagnostics = 0): Buffer =>
  message(4, JSON.stringify({ op: 'status', 'peer-address': address, state, diagnostics }))

test('it is asked for the states of all', () => {
  assert.equal(subscription().toString('hex'), '00000008000104010100000000000000')
})

test('messages come in whatever pieces; answers and configurations are no news', () => {
  const bytes = Buffer.concat([
    message(1, '{"status":"ok"}'),
    status('10.9.0.2', 'up'),
    message(4, '{"op":"add","peer-address":"10.9.0.3"}'),
    status('fd00:9:0:0::2', 'down', 1),
    status('10.9.0.4', 'adm-down', 7),
    status('10.9.0.5', 'as nobody says')
  ])
  const expected = [
    { address: '10.9.0.2', state: 'up', reason: null },
    { address: 'fd00:9::2', state: 'down', reason: 'control detection time expired' },
    { address: '10.9.0.4', state: 'admin-down', reason: 'administratively down' }
  ]
  for (const size of [1, 7, 64, bytes.length]) {
    const reader = new BfdReader()
    const said = []
    for (let at = 0; at < bytes.length; at += size)
      said.push(...reader.push(bytes.subarray(at, at + size)))
    assert.deepEqual(said, expected, `pieces of ${size}`)
  }
})

test('what is no message is refused: another version, a length without bound, no JSON', () => {
  assert.throws(() => new BfdReader().push(message(4, '{}', 2)), /version 1/)
  const long = Buffer.from('7fffffff00000401', 'hex')
  assert.throws(() => new BfdReader().push(long), /bytes at most/)
  assert.throws(() => new BfdReader().push(message(4, 'no JSON')))
})

test('the answer of its vty', () => {
  const said = [
    { multihop: false, peer: '10.9.0.2', interface: 'uplink', status: 'up', diagnostic: 'ok' },
    { peer: 'fd00:9::2', status: 'shutdown', diagnostic: 'administratively down' },
    { peer: '10.9.0.3', status: 'down', diagnostic: 'neighbor signaled session down' },
    { status: 'up' }
  ]
  assert.deepEqual(statesIn(JSON.stringify(said)), [
    { address: '10.9.0.2', state: 'up', reason: null },
    { address: 'fd00:9::2', state: 'admin-down', reason: 'administratively down' },
    { address: '10.9.0.3', state: 'down', reason: 'neighbor signaled session down' }
  ])
  assert.deepEqual(statesIn('[]'), [])
  assert.throws(() => statesIn('{}'), /no list/)
  assert.throws(() => statesIn('% BFD is not there'))
})
