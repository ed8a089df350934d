// B17: the client of a VIP behind which nobody is hears so: by a reset that it takes for one, or by
// port unreachable, where the VIP is to say it.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { assertQuotes, assertSound, endsOf, ip, type Opener, type Scene, staged } from './scene.ts'
import { PLACES } from './translations.ts'

type OnNoMember = 'reset-if-empty' | 'reset' | 'silent' | undefined

const stage = (open: Opener, onNoMember: OnNoMember, member: boolean, fields = {}): (() => Scene) =>
  staged(open, {
    router: { loadBalancer: 'lb' },
    more: topology => {
      topology.add('load-balancer', 'lb', {})
      for (const family of [4, 6] as const) {
        const pool = `p${family}`
        const { public: address, inside } = PLACES[family]
        const says = onNoMember === undefined ? {} : { onNoMember }
        topology.add('pool', pool, { loadBalancer: 'lb' })
        for (const protocol of ['tcp', 'udp'])
          topology.add('vip', `${pool}-${protocol}`, { pool, address, port: 80, protocol, ...says })
        if (member) topology.add('pool-member', `m${family}`, { pool, address: inside, ...fields })
      }
    }
  })

const segment = (family: 4 | 6, flags: string, bytes = 0, port = 5000): Uint8Array => {
  const { outside, public: vip } = PLACES[family]
  const l4 = { flags, sequence: 7000, acknowledgement: 9000 }
  return ip('r3', outside, vip).tcp(port, 80, l4).payload(bytes).frame()
}
const datagram = (family: 4 | 6): Uint8Array => {
  const { outside, public: vip } = PLACES[family]
  return ip('r3', outside, vip).udp(5000, 80).payload(20).frame()
}

interface Reset {
  readonly flags: number
  readonly sequence: number
  readonly acknowledgement: number
}

function resetOf(frame: Uint8Array, family: 4 | 6): Reset {
  assertSound(frame)
  const { outside, public: vip } = PLACES[family]
  assert.deepEqual(endsOf(frame), { src: vip, sport: 80, dst: outside, dport: 5000 })
  const l4 = new DataView(frame.buffer, frame.byteOffset + (family === 4 ? 34 : 54))
  return {
    flags: l4.getUint8(13),
    sequence: l4.getUint32(4),
    acknowledgement: l4.getUint32(8)
  }
}

const [RST, RST_ACK] = [4, 20]

// All that a client may send.
function refuses(scene: () => Scene): void {
  for (const family of [4, 6] as const) {
    test(`B17: v${family}, TCP`, () => {
      const told = (flags: string, bytes = 0): Reset =>
        resetOf(scene().one('r3', segment(family, flags, bytes), 'r3'), family)
      assert.deepEqual(told('S'), { flags: RST_ACK, sequence: 0, acknowledgement: 7001 })
      assert.deepEqual(told('A', 40), { flags: RST, sequence: 9000, acknowledgement: 0 })
      assert.deepEqual(told('FA'), { flags: RST, sequence: 9000, acknowledgement: 0 })
      assert.deepEqual(scene().say('r3', segment(family, 'R')), [], 'never a reset for a reset')
    })
    test(`B17: v${family}, UDP`, () => {
      const sent = datagram(family)
      const error = scene().one('r3', sent, 'r3')
      assertSound(error)
      assert.equal(endsOf(error).src, PLACES[family].public)
      assert.deepEqual(
        [...error.subarray(family === 4 ? 34 : 54)].slice(0, 2),
        family === 4 ? [3, 3] : [1, 4]
      )
      assertQuotes(error, sent)
    })
  }
}

function isSilent(scene: () => Scene): void {
  test('B17: nothing is said', () => {
    for (const family of [4, 6] as const)
      for (const frame of [segment(family, 'S'), segment(family, 'A'), datagram(family)])
        assert.deepEqual(scene().say('r3', frame), [])
  })
}

export function noMember(open: Opener): void {
  for (const says of [undefined, 'reset'] as const)
    describe(`B17: a VIP without members, onNoMember ${says}`, () =>
      refuses(stage(open, says, false)))
  describe('B17: a VIP whose members take nobody, reset', () =>
    refuses(stage(open, 'reset', true, { weight: 0 })))
  describe('B17: a VIP without members, silent', () => isSilent(stage(open, 'silent', false)))
  describe('B17: a VIP whose members take nobody, by default', () =>
    isSilent(stage(open, undefined, true, { weight: 0 })))

  for (const [says, others] of [undefined, 'reset', 'silent'].flatMap(says =>
    [false, true].map(others => [says as OnNoMember, others] as const)
  ))
    describe(`B17: a member that is removed, onNoMember ${says}, others stay: ${others}`, () => {
      const scene = stage(open, says, true)
      for (const family of [4, 6] as const)
        test(`B17: its clients, v${family}`, () => {
          const { world } = scene()
          assert.equal(scene().once('r3', segment(family, 'S'))[0]?.port, 'r0')
          assert.equal(scene().once('r3', segment(family, 'A'))[0]?.port, 'r0')
          const other = { id: `o${family}`, pool: `p${family}`, address: PLACES[family].outside }
          if (others) world.store.put('pool-member', { ...other, weight: 0 } as never)
          world.store.delete('pool-member', `m${family}`)
          world.settle(5)
          const said = scene().send('r3', segment(family, 'A', 10))
          if (says === 'silent') return assert.deepEqual(said, [])
          assert.equal(said[0]?.port, 'r3')
          assert.equal(resetOf(said[0]!.frame, family).flags, RST)
        })
    })

  // Moved is removed: its connections are with nobody.  Disabled or drained is not.
  for (const [name, change, isTold] of [
    ['moved to another port', { port: 81 }, true],
    ['drained', { drain: true }, false],
    ['disabled', { adminStateUp: false }, false],
    ['without weight', { weight: 0 }, false]
  ] as const)
    describe(`B17: a member that is ${name}`, () => {
      const scene = stage(open, undefined, true)
      for (const family of [4, 6] as const)
        test(`B17: its clients, v${family}`, () => {
          const { world } = scene()
          for (const flags of ['S', 'A'])
            assert.equal(scene().once('r3', segment(family, flags))[0]?.port, 'r0')
          world.store.put('pool-member', {
            ...world.store.get('pool-member', `m${family}`)!,
            ...change
          })
          world.settle(5)
          const [said] = scene().send('r3', segment(family, 'A', 10))
          assert.equal(said?.port, isTold ? 'r3' : 'r0')
          if (isTold) assert.equal(resetOf(said!.frame, family).flags, RST)
        })
    })
}
