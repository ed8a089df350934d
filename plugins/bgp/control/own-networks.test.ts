// Which networks of ours a prefix is or lies in.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { OwnNetworks } from './own-networks.ts'

const ours = new OwnNetworks(['10.0.1.1/24', '10.0.0.0/8', '2001:db8::2/64', 'fe80::1/64'])

test('a network of ours and parts of it are found in the longest; what is wider is not', () => {
  assert.equal(ours.covering('10.0.1.0/24'), '10.0.1.0/24')
  assert.equal(ours.covering('10.0.1.128/25'), '10.0.1.0/24')
  assert.equal(ours.covering('10.0.1.11/32'), '10.0.1.0/24')
  assert.equal(ours.covering('10.0.2.0/24'), '10.0.0.0/8')
  assert.equal(ours.covering('10.0.0.0/7'), undefined)
  assert.equal(ours.covering('11.0.0.0/24'), undefined)
  assert.equal(ours.covering('0.0.0.0/0'), undefined)
  assert.equal(ours.covering('2001:db8::/64'), '2001:db8::/64')
  assert.equal(ours.covering('2001:db8::7/128'), '2001:db8::/64')
  assert.equal(ours.covering('2001:db8::/48'), undefined)
  assert.equal(ours.covering('::/0'), undefined)
  assert.equal(ours.covering('fe80::/64'), undefined, 'every link has that one')
})

test('the same networks are the same, in whatever order and form', () => {
  assert.ok(ours.isSame(new OwnNetworks(['2001:db8:0::/64', '10.0.0.9/8', '10.0.1.0/24'])))
  assert.equal(ours.isSame(new OwnNetworks(['10.0.0.0/8', '10.0.1.0/24'])), false)
  const others = new OwnNetworks(['10.0.0.0/8', '10.0.1.0/24', '2001:db8:1::/64'])
  assert.equal(ours.isSame(others), false)
})
