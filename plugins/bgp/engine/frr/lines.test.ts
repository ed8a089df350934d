// The difference of two configurations: what stays is not touched, and order is kept.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { PeerConfig, SpeakerConfig } from '../engine.ts'
import { config, peer } from './fixture.test.ts'
import { difference, fileOf } from './lines.ts'
import { configurations } from './render.ts'

/** Commands to bgpd that make the second of the first, with the last of their blocks. */
function change(before: Partial<SpeakerConfig>, after: Partial<SpeakerConfig>): string[] {
  const [a, b] = [before, after].map(each => configurations(config(each)).bgpd)
  return difference(a!, b!).map(({ block, text }) => [...block.slice(-1), text].join(' / '))
}

test('nothing changes when nothing changes', () => {
  assert.deepEqual(change({}, {}), [])
  assert.deepEqual(
    change(
      { peers: [peer(), peer({ address: 'fd00::2' })] },
      {
        peers: [peer({ address: 'fd00::2' }), peer()]
      }
    ),
    []
  )
})

test('what is not of a peer leaves the peer alone', () => {
  const [four, six] = [4, 6].map(family => `address-family ipv${family} unicast`)
  const added = change({}, { networks: ['198.51.100.0/24', '2001:db8::/48'] })
  assert.equal(added.length, 2)
  assert.match(added[0]!, /^ipv6 prefix-list mezzo-own-6 seq \d+ permit 2001:db8::\/48$/)
  assert.equal(added[1], `${six} / network 2001:db8::/48`)
  const removed = change({}, { networks: [] })
  assert.equal(removed[0], `${four} / no network 198.51.100.0/24`)
  assert.match(removed[1]!, /^no ip prefix-list mezzo-own-4 seq \d+ permit 198.51.100.0\/24$/)
  assert.equal(removed.length, 2)
})

test('a peer that comes or goes leaves the other alone', () => {
  const two = [peer(), peer({ address: '10.9.0.3', password: 's3cret' })]
  assert.ok(change({}, { peers: two }).every(text => text.includes('10.9.0.3')))
  assert.deepEqual(change({ peers: two }, {}), ['router bgp 65001 / no neighbor 10.9.0.3'])
})

test('a field of a peer is one command', () => {
  const changed = (more: Partial<PeerConfig>): string[] => change({}, { peers: [peer(more)] })
  const block = 'router bgp 65001 / neighbor 10.9.0.2'
  assert.deepEqual(changed({ asn: 65_003 }), [`${block} remote-as 65003`])
  assert.deepEqual(changed({ holdS: 12 }), [`${block} timers 3 12`])
  assert.deepEqual(changed({ password: 'a' }), [`${block} password a`])
  assert.deepEqual(changed({ shutdown: true }), [`${block} shutdown`])
  assert.deepEqual(change({ peers: [peer({ shutdown: true, password: 'a' })] }, {}), [
    `${block} no neighbor 10.9.0.2 shutdown`.replace('neighbor 10.9.0.2 no', 'no'),
    `${block} no neighbor 10.9.0.2 password`.replace('neighbor 10.9.0.2 no', 'no')
  ])
  const bfd = { intervalMs: 300, multiplier: 3 }
  assert.deepEqual(changed({ bfd }), [`${block} bfd`, `${block} bfd profile mezzo-300x3`])
})

test('our number is another speaker: the old one is taken back first, as a whole', () => {
  const commands = change({}, { asn: 65_009 })
  assert.equal(commands[0], 'no router bgp 65001')
  assert.equal(commands[1], 'router bgp 65009')
  assert.ok(commands.includes('router bgp 65009 / neighbor 10.9.0.2 remote-as 65002'))
  assert.ok(!commands.some(text => text.startsWith('no router bgp 65009')))
  assert.deepEqual(change({}, { routerId: '10.9.0.7' }), [
    'router bgp 65001 / bgp router-id 10.9.0.7'
  ])
})

test('a policy that changes is another one: defined before, and the old one goes after', () => {
  const policy = (prefix: string): PeerConfig['import'] => ({
    prefixes: [{ prefix, action: 'permit', le: 24 }]
  })
  const commands = change(
    { peers: [peer({ import: policy('10.0.0.0/8') })] },
    { peers: [peer({ import: policy('172.16.0.0/12') })] }
  )
  const kinds = commands.map(text => text.replace(/mezzo-[0-9a-f]{16}/g, 'X'))
  assert.deepEqual(kinds, [
    'ip prefix-list X seq 5 permit 172.16.0.0/12 le 24',
    'route-map X permit 10',
    'route-map X permit 10 / match ip address prefix-list X',
    'address-family ipv4 unicast / neighbor 10.9.0.2 route-map X in',
    'no route-map X permit 10',
    'no ip prefix-list X seq 5 permit 10.0.0.0/8 le 24'
  ])
})

test('who does not know what is there gives all of it, and takes back what is not wanted', () => {
  const [a, b] = [{}, { networks: [] }].map(each => configurations(config(each)).bgpd)
  const commands = difference(a!, b!, true)
  assert.equal(commands.filter(({ isUndo }) => !isUndo).length, b!.length)
  assert.equal(commands.filter(({ isUndo }) => isUndo).length, 2)
})

test('as a file each block is opened once, and closed', () => {
  const bfd = { intervalMs: 300, multiplier: 3 }
  const { bgpd, bfdd } = configurations(config({ peers: [peer({ bfd, multihop: 4 })] }))
  assert.equal(
    fileOf(bfdd),
    `bfd
 profile mezzo-300x3far
  transmit-interval 300
  receive-interval 300
  detect-multiplier 3
  minimum-ttl 1
`
  )
  const lines = fileOf(bgpd).split('\n')
  const opens = lines.filter(line => line.trim() === 'router bgp 65001')
  assert.equal(opens.length, 1)
  assert.ok(lines.indexOf(' address-family ipv4 unicast') > lines.indexOf('router bgp 65001'))
  assert.ok(lines.includes('  network 198.51.100.0/24'))
})

test('a file of many lines looks at each of them a few times, not at all of them for each', () => {
  const networks = Array.from({ length: 400 }, (_, i) => `10.${i >> 8}.${i & 255}.0/24`)
  const { bgpd } = configurations(config({ networks }), [])
  let looks = 0
  const watched = bgpd.map(({ block, ...line }) => ({
    ...line,
    get block() {
      looks++
      return block
    }
  }))
  assert.equal(fileOf(watched), fileOf(bgpd))
  assert.ok(looks <= 4 * bgpd.length, `${looks} looks at ${bgpd.length} lines`)
})
