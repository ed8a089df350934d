// The flow room against a million hostile frames: a key from any bytes, any actions on any bytes,
// and edits of the key, whose actions must make a frame of exactly the edited key.

import assert from 'node:assert/strict'
import { ActionList, diff } from '../../src/flow/actions.ts'
import { describeActions, describeKey } from '../../src/flow/describe.ts'
import { extract } from '../../src/flow/extract.ts'
import { FlowKey, Fragment, WORDS, Word } from '../../src/flow/key.ts'
import { rewrite } from '../../src/flow/rewrite.ts'
import * as ethernet from '../../src/wire/ethernet.ts'
import { Protocol } from '../../src/wire/ipv4.ts'
import * as vlan from '../../src/wire/vlan.ts'
import { campaign, hexOf } from './campaign.ts'
import { type Draw, hostile, pick } from './packets.ts'

const CANARY = 0x5a5a5a5a
const ACTION_TYPES = 18 // some that there are none of
const VALUES = [0, 1, -1, 0xffff, 0x10000, 0x0a000105, 0x20010db8, 0x7fffffff]
const words = new Int32Array(WORDS + 2)
const again = new Int32Array(WORDS)
const allBits = new Int32Array(WORDS).fill(-1)

function keyOf(frame: Uint8Array): Int32Array | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.length)
  words.fill(CANARY)
  const fits = extract(words, 1, 7, 0, 0, view, 0, frame.length)
  assert.equal(fits, frame.length >= ethernet.LENGTH)
  assert.ok(words[0] === CANARY && words[WORDS + 1] === CANARY, 'nothing is written beside the key')
  extract(again, 0, 7, 0, 0, view, 0, frame.length)
  for (let i = 0; i < WORDS; i++)
    assert.equal(words[i + 1], again[i], 'the same frame, the same key')
  return fits ? again.slice() : undefined
}

function anyActions(draw: Draw, frame: Uint8Array): void {
  const actions = new ActionList()
  for (let n = draw(6); n > 0; n--) {
    const head = draw(ACTION_TYPES) | (draw(256) << 8) | (draw(0x10000) << 16)
    actions.push(head, ...([0, 1, 2, 3].map(() => pick(draw, VALUES)) as [number, number]))
  }
  const before = frame.slice()
  const after = rewrite(frame, actions)
  assert.deepEqual(frame, before, 'the frame itself stays as it is')
  assert.ok(
    Math.abs(after.length - frame.length) <= 4 * actions.count,
    'only tags change the length'
  )
  keyOf(after)
  describeActions(actions)
}

// As a device would: a field of a header that is there.
function edit(draw: Draw, key: FlowKey): void {
  const value = pick(draw, VALUES)
  const isIp = key.ethType === ethernet.Type.ipv4 || key.ethType === ethernet.Type.ipv6
  const hasIp = isIp && key.words[Word.ipMisc] !== 0
  const hasPorts = key.ipProto === Protocol.tcp || key.ipProto === Protocol.udp
  const hasL4 = hasIp && key.fragment !== Fragment.later && key.words[Word.l4Ports] !== 0
  const isTag = vlan.isTag(key.ethType)
  const what = draw(10)
  if (what === 0) key.ethDst = 0x020000000000 + draw(9)
  else if (what === 1) key.ethSrc = 0x02ff00000000 + draw(9)
  else if (what === 2 && !isTag && key.vlanInner === 0) key.pushVlan(draw(4096))
  else if (what === 3 && !isTag && key.vlanOuter !== 0) key.popVlan()
  else if (what === 4 && hasIp) key.ipTos = value & 255
  else if (what === 5 && hasIp) key.decrementTtl()
  else if (what === 6 && hasIp && key.ethType === ethernet.Type.ipv4) key.ipv4Src = value
  else if (what === 7 && hasIp && key.ethType === ethernet.Type.ipv6)
    key.setIpDst(Int32Array.of(value, 1, -1, value))
  else if (what === 8 && hasL4 && hasPorts) key.l4Dst = 1 + draw(0xffff)
  else if (what === 9 && hasIp && key.icmpId !== 0) key.icmpId = 1 + draw(0xffff)
}

function actionsOfEdits(draw: Draw, frame: Uint8Array, found: Int32Array): void {
  const before = new FlowKey()
  before.load(found, 0)
  const after = new FlowKey()
  after.copy(before)
  for (let n = 1 + draw(4); n > 0; n--) edit(draw, after)
  const actions = new ActionList()
  diff(before, after, actions)
  assert.deepEqual(keyOf(rewrite(frame, actions)), after.words, 'the frame is the edited key')
}

await campaign({
  name: 'flow',
  runs: 1_000_000,
  seconds: 120,
  run(draw, note) {
    const frame = hostile(draw)
    try {
      const key = keyOf(frame)
      if (key === undefined) return 'too short'
      if (draw(16) === 0) describeKey(key, allBits)
      if (draw(2) === 0) anyActions(draw, frame)
      else actionsOfEdits(draw, frame, key)
      return 'keys'
    } catch (error) {
      note(`frame: ${hexOf(frame)}`)
      throw error
    }
  }
})
