// Holds what TypeScript believes of native/include/abi.h against what the C compiler says.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { PortClass, Reason } from '../datapath/datapath.ts'
import { PUNT_CLASSES } from '../datapath/punt.ts'
import { ACTION_WORDS, ActionType, OUT_PEER, TunnelKind } from '../flow/actions.ts'
import { Fragment, IP_AH, IP_OPTIONS, VLAN_PRESENT, WORDS, Word } from '../flow/key.ts'
import { refusals } from '../state/exchange/message.ts'
import { KEY_WORDS, KeyWord, Kind, RECORD_WORDS, RecordWord, StateFlag } from '../state/record.ts'
import { TIMEOUTS_DEFAULT } from '../state/timeouts.ts'
import * as abi from './abi.ts'
import { exchangeGauges, messageTypes, plainCounts } from './exchange-counters.ts'

const printer = fileURLToPath(new URL('../../native/build/abi-print', import.meta.url))
const skip = existsSync(printer) ? false : 'native/build/abi-print is not built'
const said = (): Record<string, unknown> =>
  JSON.parse(execFileSync(printer, { encoding: 'utf8' })) as Record<string, unknown>

const snake = (name: string): string => name.replace(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
const keyFields: Record<string, string> = { l4Ports: 'l4_ports', l4Misc: 'l4_misc' }

test('every word of the key is where C has it', { skip }, () => {
  const c = said()
  for (const [name, word] of Object.entries(Word))
    assert.equal(c[`mz_key.${keyFields[name] ?? snake(name)}`], word * 4, name)
  assert.equal(c['sizeof.mz_key'], WORDS * 4)
  assert.equal(c.MZ_KEY_WORDS, WORDS)
})

test('every action type has its number', { skip }, () => {
  const c = said()
  for (const [name, number] of Object.entries(ActionType)) {
    const named = snake(name).toUpperCase()
    assert.equal(c[`MZ_ACT_${named}`], number, name)
  }
  assert.equal(c['sizeof.mz_action'], ACTION_WORDS * 4)
  assert.equal(c['mz_action.w'], 4)
  assert.equal(c['mz_action.flags'], 1)
  assert.equal(c['mz_action.a'], 2)
})

test('flows, chunks and masks have the sizes and places', { skip }, () => {
  const c = said()
  assert.equal(c['sizeof.mz_flow'], abi.FLOW_WORDS * 4)
  assert.equal(c['mz_flow.flow_id'], abi.FlowWord.id * 4)
  assert.equal(c['mz_flow.n_act'], abi.FlowWord.counts * 4)
  assert.equal(c['mz_flow.ttl_min'], abi.FlowWord.counts * 4 + 1)
  assert.equal(c['mz_flow.chunk'], abi.FlowWord.chunk * 4)
  assert.equal(c['mz_flow.room'], abi.FlowWord.room * 4)
  assert.equal(c['mz_flow.mtu'], abi.FlowWord.room * 4 + 2)
  assert.equal(c['mz_flow.act'], abi.FlowWord.actions * 4)
  assert.equal(c['sizeof.mz_chunk'], abi.CHUNK_WORDS * 4)
  assert.equal(c['mz_chunk.n'], abi.ChunkWord.count * 4)
  assert.equal(c['mz_chunk.next'], abi.ChunkWord.next * 4)
  assert.equal(c['mz_chunk.act'], abi.ChunkWord.actions * 4)
  assert.equal(c['sizeof.mz_masks'], abi.MASKS_WORDS * 4)
  assert.equal(c['mz_masks.n'], abi.MasksWord.count * 4)
  assert.equal(c['mz_masks.mask'], abi.MasksWord.masks * 4)
})

test('rules of punts have the words and places', { skip }, () => {
  const c = said()
  const at = { ...abi.PuntWord, next: abi.PUNT_WORDS }
  const times: Record<string, string> = {
    ...{ interval: 'interval_ns', burst: 'burst_ns', next: 'next_ns' }
  }
  for (const [name, word] of Object.entries(at))
    assert.equal(c[`mz_punt.${times[name] ?? snake(name)}`], word * 4, name)
  assert.equal(c['mz_punt_listed.what'], 4)
  assert.equal(c['mz_punt_listed.words'], 8)
  assert.equal(c['sizeof.mz_punt_listed'], (abi.PUNT_LISTED_WORDS + 1) * 4)
  assert.ok(PUNT_CLASSES.length <= abi.PUNT_BUCKETS)
  for (const kind of ['punted', 'punt-policed'])
    assert.deepEqual(
      abi.counterNames.filter(name => name.startsWith(`${kind}-`)),
      PUNT_CLASSES.map(name => `${kind}-${name}`)
    )
})

test('records of flow state have the words, kinds and flags', { skip }, () => {
  const c = said()
  for (const [name, word] of Object.entries(KeyWord))
    assert.equal(c[`mz_state_key.${name}`], word * 4, name)
  for (const [name, word] of Object.entries(RecordWord))
    assert.equal(c[`mz_state.${snake(name)}`], word * 4, name)
  assert.equal(c['sizeof.mz_state_key'], KEY_WORDS * 4)
  assert.equal(c['sizeof.mz_state'], RECORD_WORDS * 4)
  for (const [name, number] of Object.entries(StateFlag))
    assert.equal(c[`MZ_STATE_${snake(name).toUpperCase()}`], number, name)
})

test('numbers that both sides name are the same', { skip }, () => {
  const c = said()
  const pairs: Array<[string, number]> = [
    ['MZ_ABI_VERSION', abi.ABI_VERSION],
    ['MZ_MASKS_MAX', abi.MASKS_MAX],
    ['MZ_ACT_INLINE', abi.ACTIONS_INLINE],
    ['MZ_CHUNK_ACTIONS', abi.CHUNK_ACTIONS],
    ['MZ_ACTIONS_MAX', abi.ACTIONS_MAX],
    ['MZ_FRAME_MAX', abi.FRAME_MAX],
    ['MZ_LOCALS_MAX', abi.LOCALS_MAX],
    ['MZ_CNT_MAX', abi.COUNTERS_MAX],
    ['MZ_OUT_PEER', OUT_PEER],
    ['MZ_TUN_VXLAN', TunnelKind.vxlan],
    ['MZ_TUN_GRE', TunnelKind.gre],
    ['MZ_VLAN_PRESENT', VLAN_PRESENT],
    ['MZ_FRAG_NONE', Fragment.none],
    ['MZ_FRAG_FIRST', Fragment.first],
    ['MZ_FRAG_LATER', Fragment.later],
    ['MZ_FRAG_UNREAD', Fragment.unread],
    ['MZ_IP_OPTIONS', IP_OPTIONS],
    ['MZ_IP_AH', IP_AH],
    ['MZ_UP_MISS', Reason.miss],
    ['MZ_UP_TTL', Reason.ttl],
    ['MZ_UP_MTU', Reason.mtu],
    ['MZ_UP_ACTION', Reason.action],
    ['MZ_UP_SYN', Reason.syn],
    ['MZ_FLOW_STATEFUL', abi.FLOW_STATEFUL],
    ['MZ_CLASS_VM', PortClass.vm],
    ['MZ_CLASS_UPLINK', PortClass.uplink],
    ['MZ_CLASS_TUNNEL', PortClass.tunnel],
    ['MZ_CLASS_PUNT', abi.PUNT_CLASS],
    ['MZ_PUNTS_MAX', abi.PUNTS_MAX],
    ['MZ_PUNT_BUCKETS', abi.PUNT_BUCKETS],
    ['MZ_PUNT_OWN', abi.PuntList.own],
    ['MZ_PUNT_PEER', abi.PuntList.peer],
    ['MZ_PUNT_SERVICE', abi.PuntList.service]
  ]
  for (const [name, ours] of pairs) assert.equal(c[name], ours, name)
})

test('every list that crosses by its order has that order', { skip }, () => {
  const c = said()
  const lists: Record<string, readonly string[]> = {
    MZ_DATAPATH_COUNTERS: abi.counterNames,
    MZ_DATAPATH_SETTINGS: abi.datapathSettings,
    MZ_PUNT_CLASSES: PUNT_CLASSES,
    MZ_EXCHANGE_SETTINGS: abi.exchangeSettings,
    MZ_TIMEOUTS: abi.timeoutNames,
    MZ_STATE_INFO: abi.stateInfo,
    MZ_NEWS: abi.news,
    MZ_STATE_KINDS: Object.keys(Kind),
    MZ_MESSAGE_TYPES: messageTypes,
    MZ_REFUSALS: refusals,
    MZ_EXCHANGE_COUNTERS: plainCounts,
    MZ_EXCHANGE_GAUGES: exchangeGauges
  }
  const inC = Object.keys(c).filter(name => Array.isArray(c[name]))
  assert.deepEqual(Object.keys(lists).sort(), inC.sort())
  for (const [name, ours] of Object.entries(lists)) assert.deepEqual(c[name], ours, name)
  assert.ok(abi.counterNames.length <= abi.COUNTERS_MAX)
  assert.deepEqual(
    Object.values(Kind),
    Object.keys(Kind).map((_, i) => i + 1)
  )
  assert.deepEqual(Object.keys(TIMEOUTS_DEFAULT), [...abi.timeoutNames, 'kindsS'])
})
