// C3: which interfaces may be a port's.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Bindable, type Standing } from './bindable.ts'
import type { Interface } from './interface.ts'

const common = { ifindex: 7, up: true, mtu: 1500, mac: '02:00:00:00:00:01', addresses: [] }

function refusal(
  name: string,
  kind: string,
  {
    interfaces = [],
    ...rest
  }: { interfaces?: string[]; isUnderlay?: boolean; leads?: boolean } = {}
): string | undefined {
  const each: Interface = { ...common, name, kind, peerElsewhere: false }
  const { isUnderlay = false, leads = false } = rest
  const standing: Standing = { isUnderlay, leadsOut: () => leads }
  return new Bindable({ hostName: 'one', interfaces }).refusal(each, standing)
}

test('C3: taps and veths may be bound, others when they are named', () => {
  for (const kind of ['tun', 'veth', 'macvtap']) assert.equal(refusal('any', kind), undefined)
  for (const kind of ['', 'bond', 'bridge', 'vlan', 'vxlan', 'dummy', 'macvlan', 'wireguard'])
    assert.match(refusal('eth1', kind)!, /bindings\.interfaces/)
  for (const glob of ['eth1', 'eth*', 'e?h1', '*', '*1'])
    assert.equal(refusal('eth1', '', { interfaces: [glob] }), undefined, glob)
  for (const glob of ['eth', 'th1', 'eth?1', 'e.h1', '(', 'eth1|x', 'ETH1'])
    assert.ok(refusal('eth1', '', { interfaces: [glob] }), glob)
  assert.equal(refusal('eth0.7', 'vlan', { interfaces: ['eth0.*'] }), undefined)
})

test('C3: what the host lives by is refused, whatever is named', () => {
  const interfaces = ['*', 'lo', 'eth1', 'mzinj']
  assert.match(refusal('lo', 'loopback', { interfaces })!, /loopback/)
  assert.match(refusal('mzinj', 'veth', { interfaces })!, /Mezzo itself/)
  assert.match(refusal('eth1', 'veth', { interfaces, isUnderlay: true })!, /underlay/)
})

test('C3: what a default route leaves by is for who names it in full', () => {
  for (const interfaces of [[], ['eth*'], ['*']])
    for (const kind of ['', 'veth', 'tun'])
      assert.ok(refusal('eth1', kind, { interfaces, leads: true }))
  assert.equal(refusal('eth1', '', { interfaces: ['eth1'], leads: true }), undefined)
})
