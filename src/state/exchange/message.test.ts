// Sealed messages: the header comes out as it went in, and not one bit may differ.

import assert from 'node:assert/strict'
import { createHmac } from 'node:crypto'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../../test/cases.ts'
import * as message from './message.ts'

fc.configureGlobal({ seed: 20_260_112 })

const bytesOfKey = Uint8Array.from({ length: message.KEY_BYTES }, (_, i) => i)
const key = message.sealKey(bytesOfKey)
const epoch = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n })
const word = fc.integer({ min: -0x8000_0000, max: 0x7fff_ffff })
const header: fc.Arbitrary<message.Header> = fc.record(
  {
    type: fc.integer({ min: 1, max: 10 }),
    sender: word,
    receiver: word,
    own: epoch,
    theirs: epoch,
    sequence: fc.maxSafeNat()
  },
  { noNullPrototype: true }
)
const body = fc.uint8Array({ maxLength: message.BODY_BYTES_MAX })

const isGood = (bytes: Uint8Array): boolean =>
  message.malformation(bytes) === undefined && message.isGenuine(key, bytes)

test('a header and body come out as they went in', () => {
  fc.assert(
    fc.property(header, body, (given, content) => {
      const bytes = message.seal(key, given, content)
      assert.equal(message.malformation(bytes), undefined)
      assert.ok(message.isGenuine(key, bytes))
      assert.deepEqual(message.headerOf(bytes), given)
      assert.equal(message.senderOf(bytes), given.sender)
      assert.equal(message.receiverOf(bytes), given.receiver)
      const view = message.bodyOf(bytes)
      const read = new Uint8Array(view.buffer, view.byteOffset, view.byteLength)
      assert.deepEqual(read, content)
    })
  )
})

test('the tag is HMAC-SHA-256 of all before it, its first 16 bytes', () => {
  const given = { type: 4, sender: 1, receiver: 2, own: 3n, theirs: 4n, sequence: 5 }
  const bytes = message.seal(key, given, Uint8Array.of(1, 2, 3))
  const tag = createHmac('sha256', bytesOfKey).update(bytes.slice(0, 43)).digest('hex')
  assert.equal(Buffer.from(bytes.slice(43)).toString('hex'), tag.slice(0, 32))
})

test('every truncation and every flipped bit is refused', () => {
  fc.assert(
    fc.property(header, fc.uint8Array({ maxLength: 90 }), (given, content) => {
      const bytes = message.seal(key, given, content)
      for (let short = 0; short < bytes.length; short++)
        assert.ok(!isGood(bytes.subarray(0, short)), `cut to ${short}`)
      assert.ok(!isGood(Uint8Array.of(...bytes, 0)), 'one byte more')
      for (let bit = 0; bit < bytes.length * 8; bit++) {
        bytes[bit >>> 3]! ^= 1 << (bit & 7)
        assert.ok(!isGood(bytes), `bit ${bit}`)
        bytes[bit >>> 3]! ^= 1 << (bit & 7)
      }
      assert.ok(isGood(bytes))
      assert.ok(
        !message.isGenuine(message.sealKey(bytesOfKey.map(byte => byte ^ 1)), bytes),
        'another key'
      )
    }),
    { numRuns: 10 }
  )
})

test('what is wrong with the form has a name', () => {
  const given = { type: 1, sender: 1, receiver: 2, own: 3n, theirs: 0n, sequence: 1 }
  const good = message.seal(key, given, new Uint8Array())
  const withByte = (at: number, value: number) => good.map((byte, i) => (i === at ? value : byte))
  for (const [bytes, wrong] of [
    [good, undefined],
    [new Uint8Array(), 'short'],
    [good.subarray(0, 55), 'short'],
    [new Uint8Array(1401), 'short'],
    [withByte(7, 1), 'short'],
    [withByte(0, 0), 'version'],
    [withByte(2, 2), 'version'],
    [withByte(3, 0), 'version'],
    [withByte(3, 11), 'version']
  ] as const)
    assert.equal(message.malformation(bytes), wrong)
})

test('no bytes whatever make looking at them throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 1500 }), bytes => {
      assert.ok(!isGood(bytes))
    }),
    { numRuns: casesOf(2000) }
  )
})
