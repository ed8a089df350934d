// B5: ICMP questions have a direction (RFC 5508 §2): a question from the other side is new, and a
// reply to no question is invalid, whatever else was asked between the two ends.

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PacketBuilder } from '../../src/wire/builder.ts'
import { ip, type Link, type Opener, type Rule, Scene, staged } from './scene.ts'

const guarded: readonly Rule[] = [
  { action: 'drop', connectionStates: ['invalid'] },
  { action: 'accept', connectionStates: ['established', 'related'] },
  { action: 'accept', connectionStates: ['new'], inPorts: ['r0'] },
  { action: 'drop' }
]

interface Kind {
  readonly name: string
  readonly ends: readonly [string, string]
  readonly question: number
  readonly answer: number
}
const KINDS: readonly Kind[] = [
  { name: 'v4 echo', ends: ['10.1.0.2', '10.2.0.2'], question: 8, answer: 0 },
  { name: 'v4 timestamp', ends: ['10.1.0.2', '10.2.0.2'], question: 13, answer: 14 },
  { name: 'v4 information', ends: ['10.1.0.2', '10.2.0.2'], question: 15, answer: 16 },
  { name: 'v4 address mask', ends: ['10.1.0.2', '10.2.0.2'], question: 17, answer: 18 },
  { name: 'v6 echo', ends: ['fd01::a', 'fd02::9'], question: 128, answer: 129 }
]

const IDS = [5000, 1, 0, 8, 0xffff]

export function echo(open: Opener): void {
  describe('B5: questions of ICMP have a direction', () => {
    for (const { name, ends, question, answer } of KINDS) {
      describe(name, () => {
        const scene = staged(open, { inFilter: guarded })
        const [a, b] = ends
        const say = (link: Link, type: number, id: number): readonly string[] => {
          const l3 = link === 'r0' ? ip('r0', a, b) : ip('r1', b, a)
          const rest = ((id << 16) | 1) >>> 0
          const l4: PacketBuilder = a.includes(':')
            ? l3.icmpv6(type, 0, rest)
            : l3.icmp(type, 0, rest)
          return scene()
            .send(link, l4.payload(12))
            .map(({ port }) => port)
        }

        for (const id of IDS)
          test(`B5: ${name}, id ${id}`, () => {
            assert.deepEqual(say('r1', answer, id), [], 'a reply to no question')
            assert.deepEqual(say('r0', answer, id), [], 'a reply to no question, by the other side')
            assert.deepEqual(say('r1', question, id), [], 'a question from where none is new')
            assert.deepEqual(say('r0', question, id), ['r1'])
            assert.deepEqual(say('r1', question, id), [], 'a question from the other side')
            assert.deepEqual(say('r0', answer, id), [], "a reply in the opener's direction")
            assert.deepEqual(say('r1', answer, id), ['r0'], 'the answer')
            assert.deepEqual(say('r0', question, id), ['r1'], 'asked again')
          })

        test(`B5: ${name}: another kind of reply is no answer`, () => {
          if (a.includes(':')) return
          assert.deepEqual(say('r0', question, 77), ['r1'])
          for (const { answer: other } of KINDS.slice(0, 4))
            assert.deepEqual(say('r1', other, 77), other === answer ? ['r0'] : [])
        })
      })
    }
  })
}

export function echoBothWays(open: Opener): void {
  test('B5: both sides ask with one id, and both are answered', () => {
    for (const { ends, question, answer } of KINDS) {
      const both: readonly Rule[] = [
        { action: 'drop', connectionStates: ['invalid'] },
        { action: 'accept' }
      ]
      const scene = new Scene(open, { inFilter: both })
      const say = (link: Link, type: number): readonly string[] => {
        const [a, b] = ends
        const l3 = link === 'r0' ? ip('r0', a, b) : ip('r1', b, a)
        const l4 = a.includes(':') ? l3.icmpv6(type, 0, 7 << 16) : l3.icmp(type, 0, 7 << 16)
        return scene.send(link, l4.payload(12)).map(({ port }) => port)
      }
      assert.deepEqual(say('r0', question), ['r1'])
      assert.deepEqual(say('r0', answer), [])
      assert.deepEqual(say('r1', question), ['r0'])
      assert.deepEqual(say('r0', answer), ['r1'])
      assert.deepEqual(say('r1', answer), ['r0'])
      scene.close()
    }
  })
}
