// The native exchange, by the contract and by the golden vectors.

import assert from 'node:assert/strict'
import { afterEach, test } from 'node:test'
import { KEY_WORDS, RECORD_WORDS } from '../../src/state/record.ts'
import { exchangeContract } from './exchange-contract.ts'
import { absence, closeAll, until } from './native-hosts.ts'
import { NativeRig } from './native-rig.ts'
import { met, Type } from './scripted-peer.ts'
import { bytesOf, recordOf, vectors } from './vectors.ts'

const skip = absence()
afterEach(closeAll)

if (skip !== undefined) test('native exchange', { skip })
else exchangeContract('native exchange', NativeRig.open)

const hexOf = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex')

test('entries and keys are the bytes of the vectors', { skip: skip ?? false }, async () => {
  const [host, peer] = await met()
  const into = new Int32Array(RECORD_WORDS)
  const comes = (what: string, type: number, hex: string): Promise<void> =>
    until(what, () => peer.of(type).some(({ body }) => hexOf(body).slice(8) === hex))
  for (const [i, entry] of vectors.entries.entries()) {
    const { name, idleMs, hex } = entry
    const record = recordOf(entry)
    host.exchange.refresh(record, 0, idleMs, [2])
    host.exchange.flush()
    await comes(name, Type.refresh, hex)
    peer.say(Type.refresh, bytesOf(`00000000${hex}`))
    await until(`${name} is taken`, () => host.count('entries-received') > i)
    assert.ok(host.table.read(host.table.find(record) >>> 1, into))
    assert.deepEqual(into, record)
  }
  for (const { entry, hex } of vectors.keys) {
    const found = vectors.entries.find(({ name }) => name === entry)!
    host.exchange.pull(recordOf(found).subarray(0, KEY_WORDS), 0, [2])
    await comes(entry, Type.pull, hex)
  }
})
