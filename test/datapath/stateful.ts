// The part of the conformance test about flows that depend on flow state: what opens a connection
// comes up in spite of its flow, and what else its packets did is reported.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Reason } from '../../src/datapath/datapath.ts'
import { eth } from '../../src/wire/builder.ts'
import { A, B, type Ground, hex, IN, list, texts, udp } from './ground.ts'

const tcp = (flags: string): Uint8Array =>
  eth(A, B).ipv4('10.0.0.1', '10.0.0.2').tcp(1000, 80, { flags }).payload(20).frame()
const tcp6 = (flags: string): Uint8Array =>
  eth(A, B).ipv6('2001:db8::1', '2001:db8::2').tcp(1000, 80, { flags }).payload(20).frame()

const [FIN, PSH, ACK] = [0x01, 0x08, 0x10]

export function stateful(at: Ground): void {
  numbers(at)
  test('C4: what opens or resets a connection comes up, on a stateful flow only', async () => {
    for (const make of [tcp, tcp6]) {
      await at.fresh()
      at.flows.install(at.keyOf(make('A')), IN, list(at.out(1)))
      at.rig.send(0, make('S'))
      assert.deepEqual(texts(await at.rig.arrivals(1)), [`1 ${hex(make('S'))}`])
      at.flows.install(at.keyOf(make('A')), IN, list(at.out(1)), 0, true)
      const passing = [make('A'), make('SA'), make('F'), udp()]
      at.rig.send(0, make('S'), make('R'), make('RA'), ...passing)
      assert.deepEqual(
        texts(await at.rig.arrivals(passing.length)),
        passing.map(frame => `1 ${hex(frame)}`)
      )
      const seen = await at.taker.upcalls(3)
      assert.deepEqual(
        seen.map(({ bytes, reason, ifindex }) => [hex(bytes), reason, ifindex]),
        ['S', 'R', 'RA'].map(flags => [hex(make(flags)), Reason.syn, at.rig.ports[0]])
      )
      assert.equal(at.flows.statsOf()?.packets, passing.length, 'what came up is not counted')
    }
  })

  test('TCP flags of a stateful flow are reported until it is put in anew', async () => {
    await at.fresh()
    const flagsOf = async (isStateful: boolean, ...frames: Uint8Array[]): Promise<number> => {
      at.flows.install(at.keyOf(tcp('A')), IN, list(at.out(1)), 0, isStateful)
      at.rig.send(0, ...frames)
      await at.rig.arrivals(frames.length)
      return at.flows.statsOf()!.tcpFlags
    }
    assert.equal(await flagsOf(true, tcp('A'), tcp('PA')), ACK | PSH)
    assert.equal(await flagsOf(true, tcp('A'), tcp('FA')), ACK | FIN)
    assert.equal(await flagsOf(true, udp()), 0)
    assert.equal(await flagsOf(false, tcp('FA'), tcp('R')), 0)
  })
}

// What is told of its packets by its numbers.
function numbers(at: Ground): void {
  test('C4: how far a stateful flow has sent is told', async () => {
    const at4 = (seq: number, flags: string, bytes: number): Uint8Array =>
      eth(A, B)
        .ipv4('10.0.0.1', '10.0.0.2')
        .tcp(1000, 80, { flags, sequence: seq })
        .payload(bytes)
        .frame()
    const at6 = (seq: number, flags: string, bytes: number): Uint8Array =>
      eth(A, B)
        .ipv6('2001:db8::1', '2001:db8::2')
        .tcp(1000, 80, { flags, sequence: seq })
        .payload(bytes)
        .frame()
    for (const make of [at4, at6]) {
      await at.fresh()
      at.flows.install(at.keyOf(make(0, 'A', 20)), IN, list(at.out(1)), 0, true)
      assert.equal(at.flows.lastUse().tcpNext, 0)
      let sent = 0
      const nextAfter = async (...frames: Uint8Array[]): Promise<number> => {
        at.rig.send(0, ...frames)
        await at.rig.arrivals(frames.length)
        sent += frames.length
        assert.equal(at.flows.lastUse().packets, sent)
        return at.flows.lastUse().tcpNext
      }
      assert.equal(await nextAfter(make(1000, 'A', 20)), 1020)
      assert.equal(await nextAfter(make(900, 'A', 20)), 1020, 'what comes again is not further')
      assert.equal(await nextAfter(make(1020, 'FA', 10)), 1031)
      assert.equal(await nextAfter(make(5000, 'SA', 0)), 5001)
      await at.fresh()
      at.flows.install(at.keyOf(make(0, 'A', 20)), IN, list(at.out(1)), 0, true)
      sent = 0
      assert.equal(await nextAfter(make(0xfffffff0, 'A', 10)), 0xfffffffa)
      assert.equal(await nextAfter(make(0xfffffffa, 'A', 20)), 14, 'they wrap')
    }
  })

  test("D9: a flow's use is told after its removal, until its id is another's", async () => {
    await at.fresh()
    at.flows.install(at.keyOf(tcp('A')), IN, list(at.out(1)), 0, true)
    assert.equal(at.flows.lastUse().packets, 0)
    at.rig.send(0, tcp('A'), tcp('FA'))
    await at.rig.arrivals(2)
    const standing = at.flows.lastUse()
    assert.deepEqual([standing.packets, standing.tcpFlags], [2, ACK | FIN])
    at.flows.clear()
    const ended = at.flows.lastUse()
    assert.deepEqual([ended.packets, ended.tcpFlags], [2, ACK | FIN])
    assert.ok(Math.abs(ended.usedMs - standing.usedMs) < 50)
    at.flows.install(at.keyOf(tcp('A')), IN, list(at.out(1)), 0, true)
    assert.equal(at.flows.lastUse().packets, 0)
  })
}
