// What a question asks: exactly the bits it looks at, and nothing of a field a device has written.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { FlowKey, VLAN_PRESENT, WORDS, Word } from './key.ts'

const HIGH = 0xffff0000 | 0

interface Question {
  readonly name: string
  readonly ask: (key: FlowKey) => number
  readonly mask: Readonly<Record<number, number>>
}

const QUESTIONS: readonly Question[] = [
  { name: 'inPort', ask: key => key.inPort, mask: { [Word.inPort]: -1 } },
  { name: 'tunnelKey', ask: key => key.tunnelKey, mask: { [Word.tunnelKey]: -1 } },
  { name: 'tunnelSrc', ask: key => key.tunnelSrc, mask: { [Word.tunnelSrc]: -1 } },
  { name: 'ethDst', ask: key => key.ethDst, mask: { [Word.ethDstHi]: -1, [Word.ethMid]: HIGH } },
  { name: 'ethSrc', ask: key => key.ethSrc, mask: { [Word.ethMid]: 0xffff, [Word.ethSrcLo]: -1 } },
  { name: 'ethType', ask: key => key.ethType, mask: { [Word.typeId]: HIGH } },
  { name: 'vlanOuter', ask: key => key.vlanOuter, mask: { [Word.vlans]: HIGH } },
  { name: 'vlanInner', ask: key => key.vlanInner, mask: { [Word.vlans]: 0xffff } },
  { name: 'ipv4Src', ask: key => key.ipv4Src, mask: { [Word.ipSrc + 3]: -1 } },
  { name: 'ipv4Dst', ask: key => key.ipv4Dst, mask: { [Word.ipDst + 3]: -1 } },
  { name: 'ipProto', ask: key => key.ipProto, mask: { [Word.ipMisc]: 0xff000000 | 0 } },
  { name: 'ipTos', ask: key => key.ipTos, mask: { [Word.ipMisc]: 0xff0000 } },
  { name: 'fragment', ask: key => key.fragment, mask: { [Word.ipMisc]: 0xff } },
  { name: 'l4Src', ask: key => key.l4Src, mask: { [Word.l4Ports]: HIGH } },
  { name: 'l4Dst', ask: key => key.l4Dst, mask: { [Word.l4Ports]: 0xffff } },
  { name: 'icmpId', ask: key => key.icmpId, mask: { [Word.typeId]: 0xffff } },
  { name: 'tcpFlags', ask: key => key.tcpFlags, mask: { [Word.l4Misc]: 0xff } },
  { name: 'ttlUnseen', ask: key => key.ttlUnseen, mask: {} }
]

const words = fc.array(fc.integer(), { minLength: WORDS, maxLength: WORDS })
const loaded = (from: readonly number[]): FlowKey => {
  const key = new FlowKey()
  key.load(Int32Array.from(from), 0)
  return key
}
const maskOf = (question: Question): Int32Array =>
  Int32Array.from({ length: WORDS }, (_, i) => question.mask[i] ?? 0)

for (const question of QUESTIONS)
  test(`reading ${question.name} marks exactly its bits, and depends on no others`, () => {
    fc.assert(
      fc.property(words, words, (one, other) => {
        const key = loaded(one)
        const answer = question.ask(key)
        assert.deepEqual(key.mask, maskOf(question))
        if (question.name === 'ttlUnseen') return
        const mixed = one.map((word, i) => (word & key.mask[i]!) | (other[i]! & ~key.mask[i]!))
        assert.equal(question.ask(loaded(mixed)), answer)
      }),
      { seed: 1, numRuns: 50 }
    )
  })

test('a prefix asks for its own bits only, and gives no others', () => {
  const key = loaded(new Array(WORDS).fill(-1))
  assert.equal(key.ipDstWord(3, 0xffffff00 | 0), 0xffffff00 | 0)
  assert.equal(key.ipSrcWord(0, 0xffff0000 | 0), 0xffff0000 | 0)
  assert.equal(key.mask[Word.ipDst + 3], 0xffffff00 | 0)
  assert.equal(key.mask[Word.ipSrc], 0xffff0000 | 0)
  key.ipDstWord(3, 0x80)
  assert.equal(key.mask[Word.ipDst + 3], 0xffffff80 | 0)
})

test('a field that was written answers for itself', () => {
  const key = loaded(new Array(WORDS).fill(0))
  key.ethDst = 0x0200_0000_0001
  key.ethSrc = 0xfeff_ffff_ff02
  assert.equal(key.ethDst, 0x0200_0000_0001)
  assert.equal(key.ethSrc, 0xfeff_ffff_ff02)
  assert.deepEqual(key.mask, new Int32Array(WORDS))
  key.ipv4Src = 0x0a000001
  key.l4Dst = 53
  key.icmpId = 9
  const asked = key.mask.slice()
  assert.deepEqual([key.ipv4Src, key.l4Dst, key.icmpId], [0x0a000001, 53, 9])
  assert.deepEqual(key.mask, asked)
  assert.equal(key.mask[Word.ipSrc + 3], 0)
})

test('half of a word written leaves the other half to be asked for', () => {
  const key = loaded(new Array(WORDS).fill(0x00500051))
  key.l4Src = 1234
  assert.deepEqual([key.l4Src, key.l4Dst], [1234, 0x51])
  assert.equal(key.mask[Word.l4Ports], 0xffff)
})

test('writing into IP or L4 asks which header there is to write into', () => {
  const key = loaded(new Array(WORDS).fill(0))
  key.ipTos = 1
  assert.equal(key.mask[Word.typeId], HIGH)
  assert.equal(key.mask[Word.ipMisc], 0)
  key.l4Src = 1
  assert.equal(key.mask[Word.ipMisc], 0xff0000ff | 0)
})

test('tags are pushed before those that are there, and popped from the front', () => {
  const key = loaded(new Array(WORDS).fill(0))
  key.pushVlan(10)
  assert.deepEqual([key.vlanOuter, key.vlanInner], [10 | VLAN_PRESENT, 0])
  key.pushVlan(20)
  assert.deepEqual([key.vlanOuter, key.vlanInner], [20 | VLAN_PRESENT, 10 | VLAN_PRESENT])
  key.popVlan()
  assert.deepEqual([key.vlanOuter, key.vlanInner], [10 | VLAN_PRESENT, 0])
  key.popVlan()
  assert.equal(key.vlanOuter, 0)
})

test('popping a tag asks for both: whether there is one, and what is behind it', () => {
  const key = loaded(new Array(WORDS).fill(0))
  key.words[Word.vlans] = ((10 | VLAN_PRESENT) << 16) | 11 | VLAN_PRESENT
  key.popVlan()
  assert.equal(key.mask[Word.vlans], -1)
})

test('a TTL runs out without being asked for', () => {
  const key = loaded(new Array(WORDS).fill(0))
  key.words[Word.ipMisc] = 3 << 8
  assert.deepEqual(
    [key.decrementTtl(), key.decrementTtl(), key.decrementTtl()],
    [true, true, false]
  )
  assert.deepEqual([key.ttlUnseen, key.ttlDelta], [1, -2])
  assert.equal(key.mask[Word.ipMisc], 0)
})

test('a key loaded, copied or cleared keeps nothing of what it was', () => {
  const key = loaded(new Array(WORDS).fill(7))
  assert.equal(key.words[Word.maskId], 0)
  key.ethDst = 1
  void key.ethType
  const copy = new FlowKey()
  copy.copy(key)
  assert.deepEqual(copy, key)
  key.load(new Int32Array(WORDS), 0)
  assert.deepEqual(key, new FlowKey())
  copy.clear()
  assert.deepEqual(copy, new FlowKey())
})
