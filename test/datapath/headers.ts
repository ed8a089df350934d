// The part of the conformance test about headers that are not to be believed: what asks for an
// address, a protocol or options is not passed by them.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Word } from '../../src/flow/key.ts'
import { eth } from '../../src/wire/builder.ts'
import { A, ALL, B, type Ground, HIGH, hex, IN, list, texts, udp } from './ground.ts'
import { mask } from './taker.ts'

const SUM = 14 + 10
const OPTIONS = 0x100

const spoilt = (frame: Uint8Array, at = SUM): Uint8Array => {
  const copy = frame.slice()
  copy[at]! ^= 1
  return copy
}
const optioned = (): Uint8Array =>
  eth(A, B)
    .ipv4('10.0.0.1', '10.0.0.2', { options: Uint8Array.of(7, 7, 4, 0, 0, 0, 0) })
    .udp(1000, 53)
    .payload(20)
    .frame()

export function headers(at: Ground): void {
  test('B6: a flow that asks for an address does not take a wrong header sum', async () => {
    await at.fresh()
    const asked = mask({
      [Word.inPort]: ALL,
      [Word.typeId]: HIGH,
      [Word.ipDst + 3]: 0xff00_0000 | 0
    })
    at.flows.install(at.keyOf(udp()), asked, list(at.out(1)))
    at.rig.send(0, spoilt(udp()), udp(), spoilt(udp(), SUM + 1), spoilt(udp(), 14 + 8))
    assert.deepEqual(texts(await at.rig.arrivals(1)), [`1 ${hex(udp())}`])
    const seen = await at.taker.upcalls(3)
    for (const { key, bytes } of seen) assert.deepEqual(key, at.keyOf(bytes, 0))
    assert.deepEqual(await at.rig.arrivals(0), [])
  })

  test('B6: a flow that asks for no more than MAC addresses takes all', async () => {
    await at.fresh()
    at.flows.install(at.keyOf(udp()), IN, list(at.out(1)))
    const frames = [spoilt(udp()), udp(), optioned(), spoilt(optioned())]
    at.rig.send(0, ...frames)
    assert.deepEqual(
      texts(await at.rig.arrivals(frames.length)),
      frames.map(frame => `1 ${hex(frame)}`)
    )
  })

  test('B9: a flow that asks for options does not take a header with some', async () => {
    await at.fresh()
    const asked = mask({ [Word.inPort]: ALL, [Word.typeId]: HIGH, [Word.l4Misc]: OPTIONS })
    at.flows.install(at.keyOf(udp()), asked, list(at.out(1)))
    at.rig.send(0, optioned(), udp(), spoilt(optioned()))
    assert.deepEqual(texts(await at.rig.arrivals(1)), [`1 ${hex(udp())}`])
    assert.equal((await at.taker.upcalls(2)).length, 2)
  })
}
