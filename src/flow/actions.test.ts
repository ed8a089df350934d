// The property that guards masks and actions: what a device-like script does to one frame, its
// actions do to every other frame that the mask lets in.  Values are few, so that a field is often
// set to what it was, put back, or set to what another branch has set it to.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { casesOf } from '../../test/cases.ts'
import { eth } from '../wire/builder.ts'
import * as checksum from '../wire/checksum.ts'
import * as ipv4 from '../wire/ipv4.ts'
import * as ipv6 from '../wire/ipv6.ts'
import { ActionList, ActionType, diff } from './actions.ts'
import { extract } from './extract.ts'
import { FlowKey, WORDS, Word } from './key.ts'
import { FrameEditor } from './rewrite.ts'

// One bit for each field: two frames differ where they differ.
interface Fields {
  readonly [field: string]: number
  readonly dst: number
  readonly src: number
  readonly vlan: number
  readonly ipSrc: number
  readonly ipDst: number
  readonly tos: number
  readonly ttl: number
  readonly l4Src: number
  readonly l4Dst: number
  readonly id: number
}
type Kind = 'udp4' | 'tcp4' | 'icmp4' | 'udp6' | 'tcp6' | 'icmp6'

const MAC = [0x020000000001, 0x021100000001, 0x020000002201]
const IP4 = ['10.0.0.1', '10.0.0.2', '172.16.5.9']
const IP6 = ['2001:db8::1', '2001:db8::2', 'fd00:1:2:3::9']
const TOS = [0, 0x10, 0xb8]
const PORT = [53, 4000, 53 << 8]

const bit = fc.nat({ max: 2 })
const fields: fc.Arbitrary<Fields> = fc.record({
  dst: bit,
  src: bit,
  vlan: bit,
  ipSrc: bit,
  ipDst: bit,
  tos: bit,
  ttl: bit,
  l4Src: bit,
  l4Dst: bit,
  id: bit
})
const kinds = fc.constantFrom<Kind>('udp4', 'tcp4', 'icmp4', 'udp6', 'tcp6', 'icmp6')

function frameOf(kind: Kind, f: Fields): Uint8Array {
  const start = eth(MAC[f.src]!, MAC[f.dst]!)
  const tagged = [start, start.vlan(10), start.qinq(20).vlan(10)][f.vlan]!
  const ttl = 60 + f.ttl
  const tos = TOS[f.tos]!
  const ip = kind.endsWith('4')
    ? tagged.ipv4(IP4[f.ipSrc]!, IP4[f.ipDst]!, { ttl, tos })
    : tagged.ipv6(IP6[f.ipSrc]!, IP6[f.ipDst]!, { hopLimit: ttl, trafficClass: tos })
  const [src, dst, id] = [PORT[f.l4Src]!, PORT[f.l4Dst]!, PORT[f.id]!]
  if (kind.startsWith('udp')) return ip.udp(src, dst).payload(9).frame()
  if (kind.startsWith('tcp')) return ip.tcp(src, dst).payload(9).frame()
  return (kind === 'icmp4' ? ip.icmpEcho(id, 7) : ip.icmpv6Echo(id, 7)).payload(9).frame()
}

type Step = { readonly do: string; readonly value: number }
const step: fc.Arbitrary<Step> = fc.record({
  do: fc.constantFrom(
    ...['dst', 'src', 'ipSrc', 'ipDst', 'tos', 'ttl', 'l4Src', 'l4Dst', 'id', 'push', 'pop'],
    ...['emit', 'emit', 'emit', 'save', 'save', 'restore', 'restore']
  ),
  value: bit
})

interface Played {
  readonly key: FlowKey
  readonly actions: ActionList
  readonly outputs: Int32Array[] // the key's words at each output
}

// Plays the script on a frame as a walk with branches does.
function play(kind: Kind, frame: Uint8Array, script: readonly Step[]): Played {
  const [key, arrived, emitted] = [new FlowKey(), new FlowKey(), new FlowKey()]
  key.load(wordsOf(frame), 0)
  arrived.copy(key)
  emitted.copy(key)
  const saved: FlowKey[] = []
  const actions = new ActionList()
  const outputs: Int32Array[] = []
  for (const { do: what, value } of [...script, { do: 'emit', value: 0 }]) {
    if (what === 'emit') {
      diff(emitted, key, actions)
      emitted.copy(key)
      actions.output(outputs.length)
      outputs.push(key.words.slice())
    } else if (what === 'save') {
      const branch = new FlowKey()
      branch.copy(key)
      saved.push(branch)
    } else if (what === 'restore') {
      const branch = saved.pop()
      if (branch === undefined) continue
      key.words.set(branch.words)
      key.written.set(branch.written)
      key.ttlDelta = branch.ttlDelta
    } else edit(kind, key, what, value)
  }
  return { key, actions, outputs }
}

function edit(kind: Kind, key: FlowKey, what: string, value: number): void {
  const words = (list: string[]): Int32Array => wordsOf6(list[value]!)
  const isV4 = kind.endsWith('4')
  const hasPorts = !kind.startsWith('icmp')
  if (what === 'dst') key.ethDst = MAC[value]!
  else if (what === 'src') key.ethSrc = MAC[value]!
  else if (what === 'ipSrc' && isV4) key.ipv4Src = ipOf(IP4[value]!)
  else if (what === 'ipDst' && isV4) key.ipv4Dst = ipOf(IP4[value]!)
  else if (what === 'ipSrc') key.setIpSrc(words(IP6))
  else if (what === 'ipDst') key.setIpDst(words(IP6))
  else if (what === 'tos') key.ipTos = TOS[value]!
  else if (what === 'ttl') key.decrementTtl()
  else if (what === 'l4Src' && hasPorts) key.l4Src = PORT[value]!
  else if (what === 'l4Dst' && hasPorts) key.l4Dst = PORT[value]!
  else if (what === 'id' && !hasPorts) key.icmpId = PORT[value]!
  else if (what === 'push' && key.vlanInner === 0) key.pushVlan(30 + value)
  else if (what === 'pop' && key.vlanOuter !== 0) key.popVlan()
}

const wordsOf6 = (text: string): Int32Array =>
  wordsOf(eth(1, 2).ipv6(text, '::1').frame()).subarray(Word.ipSrc, Word.ipSrc + 4)
const ipOf = (text: string): number => wordsOf(eth(1, 2).ipv4(text, '10.0.0.1').frame())[11]!

function wordsOf(frame: Uint8Array): Int32Array {
  const words = new Int32Array(WORDS)
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  assert.ok(extract(words, 0, 7, 0, 0, view, 0, frame.length))
  return words
}

// Another frame the flow of `key` stands for, as near to `wish` as the mask lets it be.
function likeness(kind: Kind, was: Fields, wish: Fields, mask: Int32Array): Uint8Array {
  const own = wordsOf(frameOf(kind, was))
  let now = was
  for (const field of Object.keys(wish)) {
    const next = { ...now, [field]: wish[field]! }
    if (wordsOf(frameOf(kind, next)).every((word, i) => ((word ^ own[i]!) & mask[i]!) === 0))
      now = next
  }
  return frameOf(kind, now)
}

function outputsOf(frame: Uint8Array, actions: ActionList): Uint8Array[] {
  const editor = new FrameEditor(frame)
  const outputs: Uint8Array[] = []
  for (let i = 0; i < actions.count; i++)
    if (actions.type(i) === ActionType.output) outputs.push(editor.frame())
    else editor.apply(actions, i)
  return outputs
}

function assertTrueChecksums(frame: Uint8Array): void {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  const vlans = wordsOf(frame)[Word.vlans]!
  const l3 = 14 + (vlans === 0 ? 0 : (vlans & 0xffff) === 0 ? 4 : 8)
  const end = frame.length
  if (view.getUint8(l3) >>> 4 === 4) {
    assert.ok(ipv4.checksumValid(view, l3))
    const l4 = l3 + ipv4.headerLength(view, l3)
    assert.ok(checksum.l4Valid(view, l3, l4, end, ipv4.protocol(view, l3)))
  } else {
    assert.ok(ipv6.walk(view, l3, end))
    assert.ok(checksum.l4Valid(view, l3, ipv6.walked.l4, end, ipv6.walked.protocol))
  }
}

test('what a walk does to one packet, its actions do to every packet the mask lets in', () => {
  const script = fc.array(step, { maxLength: 14, size: 'max' })
  fc.assert(
    fc.property(kinds, fields, fields, script, (kind, was, wish, steps) => {
      const { key, actions } = play(kind, frameOf(kind, was), steps)
      for (const frame of [frameOf(kind, was), likeness(kind, was, wish, key.mask)]) {
        const wanted = play(kind, frame, steps).outputs
        const got = outputsOf(frame, actions)
        assert.equal(got.length, wanted.length)
        for (const [i, output] of got.entries()) {
          assert.deepEqual(wordsOf(output), wanted[i])
          assertTrueChecksums(output)
          assert.deepEqual(output.slice(-9), frame.slice(-9))
        }
      }
    }),
    { seed: 1, numRuns: casesOf(2000) }
  )
})

const oneFrame = (): FlowKey => {
  const key = new FlowKey()
  key.load(wordsOf(eth(MAC[0]!, MAC[1]!).ipv4(IP4[0]!, IP4[1]!, { tos: 0x10 }).frame()), 0)
  return key
}

test('a value put back after another branch changed it is marked in the mask', () => {
  const [arrived, changed, restored] = [oneFrame(), oneFrame(), oneFrame()]
  changed.ipTos = 0xb8
  const actions = new ActionList()
  diff(arrived, changed, actions)
  assert.equal(changed.mask[Word.ipMisc], 0)
  diff(changed, restored, actions)
  assert.equal(restored.mask[Word.ipMisc], 0x00ff0000)
  assert.deepEqual([actions.a(0), actions.a(1)], [0xb8, 0x10])
})

test('a field set to what it was makes no action, so the flow holds for that value only', () => {
  const [arrived, same] = [oneFrame(), oneFrame()]
  same.ipTos = 0x10
  const actions = new ActionList()
  diff(arrived, same, actions)
  assert.equal(actions.count, 0)
  assert.equal(same.mask[Word.ipMisc], 0x00ff0000)
})

test('a TTL is counted down and up again, never set', () => {
  const [arrived, routed] = [oneFrame(), oneFrame()]
  routed.decrementTtl()
  routed.decrementTtl()
  const actions = new ActionList()
  diff(arrived, routed, actions)
  diff(routed, arrived, actions)
  assert.deepEqual([actions.type(0), actions.w(0, 0)], [ActionType.addTtl, -2])
  assert.deepEqual([actions.type(1), actions.w(1, 0)], [ActionType.addTtl, 2])
  assert.equal(routed.mask[Word.ipMisc], 0)
})

test('equal keys make no actions', () => {
  const actions = new ActionList()
  diff(oneFrame(), oneFrame(), actions)
  assert.equal(actions.count, 0)
})

test('a list grows, copies, compares and is kept at its own length', () => {
  const list = new ActionList(1)
  for (let i = 0; i < 300; i++) list.output(i)
  const kept = list.snapshot()
  assert.ok(kept.equals(list))
  list.push(ActionType.setTos | (5 << 16))
  assert.ok(!kept.equals(list))
  assert.equal(kept.count, 300)
  assert.equal(kept.w(299, 0), 299)
  kept.append(list, 300)
  assert.equal(kept.a(300), 5)
})
