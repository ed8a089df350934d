// Memory VMs at a wire that may lose, damage or cut frames: they must answer and ask like nodes
// with a kernel. No root, no namespaces; time is virtual.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { VirtualClock } from '../src/core/clock.ts'
import { MemoryVm } from '../src/lab/memory/memory-vm.ts'
import type { PingResult } from '../src/lab/traffic/ping.ts'
import { parseMac } from '../src/wire/address.ts'
import { icmpError } from '../src/wire/errors.ts'
import * as icmp from '../src/wire/icmp.ts'

type Bytes = Uint8Array<ArrayBuffer>
type Wire = (frame: Bytes, from: MemoryVm) => Bytes[]

/** Two VMs at one wire of 1 ms; `wire` says what becomes of a frame. */
function pair(wire: Wire = frame => [frame]) {
  const clock = new VirtualClock()
  const frames: Bytes[] = []
  const vms: MemoryVm[] = []
  for (const n of [1, 2])
    vms.push(
      new MemoryVm({
        name: `vm${n}`,
        mac: `02:00:00:00:00:0${n}`,
        addresses: [`10.0.1.${n}/24`, `fd00:1::${n}/64`],
        gateway: '10.0.1.2',
        clock,
        send(frame) {
          frames.push(frame)
          const from = vms[n - 1]!
          for (const arriving of wire(frame, from))
            clock.after(1, () => vms[2 - n]!.receive(arriving))
        }
      })
    )
  return { clock, frames, a: vms[0]!, b: vms[1]! }
}

/** Moves time on until the ping is over. */
async function over(clock: VirtualClock, ping: Promise<PingResult>): Promise<PingResult> {
  let done = false
  const end = (): void => {
    done = true
  }
  ping.then(end, end)
  for (let turn = 0; turn < 10_000 && !done; turn++) {
    await Promise.resolve()
    clock.step()
  }
  return ping
}

for (const to of ['10.0.1.2', 'fd00:1::2'])
  for (const size of [0, 56, 1472, 1473, 60_000])
    test(`${to} answers ${size} bytes, the first after its neighbour is found`, async () => {
      const { clock, frames, a, b } = pair()
      const result = await over(clock, a.ping(to, { count: 3, size }))
      assert.deepEqual(result.rttMs, [4, 2, 2], result.output)
      assert.deepEqual([result.received, result.duplicates, result.ttl], [3, 0, 64])
      assert.ok(frames.every(frame => frame.length <= 1514))
      assert.equal(a.damaged + b.damaged, 0)
    })

test('nobody answers: every ping is lost, the neighbour is asked for three times', async () => {
  const { clock, frames, a } = pair(() => [])
  const result = await over(clock, a.ping('10.0.1.2', { count: 3, timeoutMs: 900 }))
  assert.deepEqual([result.received, result.first, result.later], [0, null, null])
  assert.equal(frames.length, 3)
})

test('a damaged frame is counted and not answered', async () => {
  const { clock, a, b } = pair((frame, from) => {
    if (from.name === 'vm1' && frame[23] === 1) frame[50]! ^= 1
    return [frame]
  })
  const result = await over(clock, a.ping('10.0.1.2', { count: 1, timeoutMs: 10 }))
  assert.deepEqual([result.received, b.damaged], [0, 1])
})

test('a frame that comes twice is a duplicate, a piece that comes twice is not', async () => {
  const { clock, a } = pair((frame, from) => (from.name === 'vm2' ? [frame, frame] : [frame]))
  const small = await over(clock, a.ping('10.0.1.2', { count: 2 }))
  assert.deepEqual([small.received, small.duplicates], [2, 1])
  const twice = pair((frame, from) => (from.name === 'vm1' ? [frame, frame.slice()] : [frame]))
  const large = await over(twice.clock, twice.a.ping('fd00:1::2', { count: 2, size: 3000 }))
  assert.equal(large.received, 2)
})

test('pieces arrive in any order', async () => {
  const held: Bytes[] = []
  const { clock, a } = pair((frame, from) => {
    if (from.name !== 'vm1' || frame.length < 100) return [frame]
    held.unshift(frame)
    return frame.length === 1514 ? [] : held.splice(0)
  })
  const result = await over(clock, a.ping('10.0.1.2', { count: 1, size: 5000 }))
  assert.equal(result.received, 1)
})

test('an ICMP error is matched with its ping and told', async () => {
  const words = Int32Array.of(0, 0, 0, 0x0a000102)
  const { clock, a } = pair((frame, from) => {
    if (from.name !== 'vm1' || frame[23] !== 1) return [frame]
    const fields = { src: words, srcMac: parseMac('02:00:00:00:00:02'), param: 1400 }
    const { unreachable } = icmp.Type
    const view = new DataView(frame.buffer)
    const { fragmentationNeeded: code } = icmp.Unreachable
    const error = icmpError({ ...fields, type: unreachable, code }, view, 0, frame.length)!
    clock.after(1, () => a.receive(error))
    return []
  })
  const result = await over(clock, a.ping('192.0.2.1', { count: 1, df: true }))
  assert.equal(result.received, 0)
  const text = 'Frag needed and DF set'
  assert.deepEqual(result.errors, [{ from: '10.0.1.2', text, mtu: 1400 }])
  const local = await over(clock, a.ping('10.0.1.2', { count: 1, size: 2000, df: true }))
  assert.equal(local.errors[0]?.mtu, 1500)
})

test('no bytes whatever upset it, and what has no route says so', async () => {
  const { clock, a } = pair()
  for (let length = 0; length < 200; length++) {
    const frame = new Uint8Array(length).map((_, i) => (i * 37 + length) & 0xff)
    const type = length % 2 ? [0x86, 0xdd, 0x60] : [0x08, 0x00, 0x45]
    frame.set([2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, ...type].slice(0, length))
    a.receive(frame)
  }
  await assert.rejects(over(clock, a.ping('2001:db8::1')), /vm1 has no route to 2001:db8::1/)
  assert.throws(() => new MemoryVm({ ...options(clock), addresses: ['10.0.1.1'] }), /10\.0\.1\.1/)
})

const options = (clock: VirtualClock) => ({
  name: 'x',
  mac: '02:00:00:00:00:09',
  clock,
  send: () => {}
})
