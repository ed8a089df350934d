// What a speaker is to do, as FRR reads it.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Policy, SpeakerConfig } from '../engine.ts'
import { config, peer } from './fixture.test.ts'
import { withdrawal } from './guard.ts'
import { fileOf } from './lines.ts'
import { configurations } from './render.ts'

const file = (more: Partial<SpeakerConfig>): string[] => {
  const { bgpd } = configurations(config({ networks: [], peers: [], ...more }))
  return fileOf(bgpd)
    .split('\n')
    .map(line => line.trim().replace(/mezzo-[0-9a-f]{16}/g, 'X'))
}

const policy = (imported: Policy, address = '10.9.0.2'): string[] =>
  file({ peers: [peer({ address, import: imported })] }).filter(line =>
    /^(ip|ipv6) prefix-list (?!mezzo-own)|^route-map|^match|^set/.test(line)
  )

test('only our networks leave, whatever a policy says', () => {
  const lines = file({
    networks: ['198.51.100.0/24'],
    peers: [peer(), peer({ address: 'fd00::2' })]
  })
  assert.ok(lines.includes('neighbor 10.9.0.2 prefix-list mezzo-own-4 out'))
  assert.ok(lines.includes('neighbor fd00::2 prefix-list mezzo-own-6 out'))
  assert.ok(
    lines.some(line => /^ip prefix-list mezzo-own-4 seq \d+ permit 198.51.100.0\/24$/.test(line))
  )
  // A list is there as long as it has an entry.
  const none = file({ networks: [] }).filter(line => line.includes('prefix-list mezzo-own'))
  assert.deepEqual(none.slice(0, 2), [
    'ip prefix-list mezzo-own-4 seq 4294967295 deny 0.0.0.0/0 le 32',
    'ipv6 prefix-list mezzo-own-6 seq 4294967295 deny ::/0 le 128'
  ])
})

test('a peer is of the family of its address', () => {
  const lines = file({ peers: [peer({ address: 'fd00::2' })] })
  const at = (text: string): number => lines.indexOf(text)
  assert.ok(at('neighbor fd00::2 activate') > at('address-family ipv6 unicast'))
  assert.ok(lines.includes('no bgp default ipv4-unicast'))
})

test('ranges of a policy are said as FRR reads them', () => {
  const entries: Policy['prefixes'] = [
    { prefix: '10.0.0.0/8', action: 'permit' },
    { prefix: '10.0.0.0/8', ge: 8, action: 'permit' },
    { prefix: '10.0.0.0/8', ge: 8, le: 8, action: 'permit' },
    { prefix: '10.0.0.0/8', ge: 16, le: 24, action: 'deny' },
    { prefix: '0.0.0.0/0', le: 32, action: 'deny' },
    { prefix: '2001:db8::/32', le: 48, action: 'permit' }
  ]
  assert.deepEqual(policy({ prefixes: entries }).slice(0, 4), [
    'ip prefix-list X seq 5 permit 10.0.0.0/8',
    'ip prefix-list X seq 10 permit 10.0.0.0/8 le 32',
    'ip prefix-list X seq 15 deny 10.0.0.0/8 ge 16 le 24',
    'ip prefix-list X seq 20 deny 0.0.0.0/0 le 32'
  ])
})

test('a policy without an entry of the family denies all of it', () => {
  const only6: Policy = { prefixes: [{ prefix: '2001:db8::/32', action: 'permit' }] }
  assert.equal(policy(only6)[0], 'ip prefix-list X seq 5 deny 0.0.0.0/0 le 32')
})

test('what a policy sets; of IPv6 the next hop is never of the link', () => {
  const sets: Policy = {
    ...{ prefixes: [], communities: ['65001:7', 'no-export'], localPreference: 200 },
    ...{ med: 0, prepend: 2 }
  }
  assert.deepEqual(policy(sets), [
    'route-map X permit 10',
    'set community 65001:7 no-export additive',
    'set local-preference 200',
    'set metric 0',
    'set as-path prepend 65001 65001'
  ])
  assert.deepEqual(policy({ prefixes: [] }, 'fd00::2'), [
    'route-map X permit 10',
    'set ipv6 next-hop prefer-global'
  ])
  assert.deepEqual(policy({ prefixes: [] }), [])
})

test('multihop is for peers of other systems', () => {
  const text = (asn: number) => file({ peers: [peer({ asn, multihop: 3 })] }).join('\n')
  assert.match(text(65_002), /ebgp-multihop 3/)
  assert.doesNotMatch(text(65_001), /ebgp-multihop/)
})

test('graceful restart is said with its time, or not at all', () => {
  assert.ok(file({ gracefulRestartS: 60 }).includes('bgp graceful-restart restart-time 60'))
  assert.ok(!file({}).some(line => line.includes('graceful')))
})

test('neighbours watched by BFD alone; the guard shuts those that are not shut', () => {
  const bfd = { intervalMs: 300, multiplier: 3 }
  const watched = [
    { address: '10.9.0.2', ...bfd, shutdown: false },
    { address: 'fd00::2', ...bfd, shutdown: true }
  ]
  const { bgpd, bfdd } = configurations(null, watched)
  assert.deepEqual(bgpd, [])
  const told = fileOf(bfdd)
    .split('\n')
    .map(line => line.trim())
  assert.deepEqual(told, [
    ...['bfd', 'profile mezzo-300x3', 'transmit-interval 300', 'receive-interval 300'],
    ...['detect-multiplier 3', 'exit'],
    ...['peer 10.9.0.2 interface uplink', 'profile mezzo-300x3', 'no shutdown', 'exit'],
    ...['peer fd00::2 interface uplink', 'profile mezzo-300x3', 'shutdown', '']
  ])
  const withdrawn = withdrawal([...bfdd, ...configurations(null).bfdd])
  assert.equal(withdrawn, 'bfd\n peer 10.9.0.2 interface uplink\n  shutdown\n')
})
