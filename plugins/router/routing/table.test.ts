// The routing table by itself: which route is chosen, what a look-up asks of the packet, and which
// flows a change is about.

import assert from 'node:assert/strict'
import test from 'node:test'
import fc from 'fast-check'
import { type FlowKey, Word } from '../../../src/flow/key.ts'
import type { Tag } from '../../../src/flow/tag.ts'
import { compilePort } from '../../../src/topology/ports/port.ts'
import { parseIp, prefixContains } from '../../../src/wire/address.ts'
import { casesOf } from '../../../test/cases.ts'
import { keyOf, portObject, udp as udpFrom } from '../fixture.test.ts'
import type { RouteModel } from '../models.ts'
import { RouterPort } from '../ports.ts'
import { byRank, type Route, routeOfModel } from './route.ts'
import { RouteTable } from './table.ts'

const TAG = 1
const up = new RouterPort(compilePort(portObject('up').value as never, true))
const ports = new Map([['up', up]])

type Fields = Partial<RouteModel> & { destination: string }

const compile = (id: string, fields: Fields): Route =>
  routeOfModel({ id, router: 'r', port: 'up', type: 'port', ...fields } as RouteModel, ports)!

class Routes {
  readonly table: RouteTable
  readonly #routes = new Map<string, Route>()

  constructor(regionsMax?: number) {
    this.table = new RouteTable(TAG, regionsMax)
  }

  add(id: string, fields: Fields): Tag[] {
    this.#routes.set(id, compile(id, fields))
    return this.table.replace(new Map(this.#routes))
  }

  remove(id: string): Tag[] {
    this.#routes.delete(id)
    return this.table.replace(new Map(this.#routes))
  }

  find(key: FlowKey): string | undefined {
    return this.table.lookup(key, familyOf(key))?.id
  }

  // The tag of the region of a destination.
  tag(dst: string): Tag {
    this.find(packet(dst))
    return this.table.regionTag
  }
}

const familyOf = (key: FlowKey): 4 | 6 => (key.words[Word.typeId]! >>> 16 === 0x0800 ? 4 : 6)

function packet(dst: string, src?: string, sport = 1): FlowKey {
  const key = keyOf(udpFrom('d1', dst, sport).frame())
  if (src !== undefined) key.words.set(parseIp(src).words, Word.ipSrc)
  return key
}

test('RT-06 the longest prefix wins whatever the weights, IPv4 and IPv6', () => {
  const routes = new Routes()
  routes.add('wide', { destination: '10.0.0.0/8', weight: 0 })
  routes.add('narrow', { destination: '10.1.0.0/16', weight: 500 })
  routes.add('wide6', { destination: '2001:db8::/32', weight: 0 })
  routes.add('narrow6', { destination: '2001:db8:1::/48', weight: 500 })
  assert.equal(routes.find(packet('10.1.2.3')), 'narrow')
  assert.equal(routes.find(packet('10.2.2.3')), 'wide')
  assert.equal(routes.find(packet('11.2.2.3')), undefined)
  assert.equal(routes.find(packet('2001:db8:1::7')), 'narrow6')
  assert.equal(routes.find(packet('2001:db8:2::7')), 'wide6')
  assert.equal(routes.find(packet('2001:db9::7')), undefined)
})

// Which route each of many flows takes.
const choices = (routes: Routes): (string | undefined)[] =>
  Array.from({ length: 6000 }, (_, i) => routes.find(packet('10.2.2.3', '10.0.1.1', 1 + i)))

test('equal routes take flows by their shares, and a change moves only what it must', () => {
  const routes = new Routes()
  const via = (gateway: string, share?: number) => ({
    destination: '10.0.0.0/8',
    gateway,
    ...(share === undefined ? {} : { share })
  })
  routes.add('one', via('10.0.9.1'))
  routes.add('three', via('10.0.9.3', 3))
  routes.add('six', via('10.0.9.6', 6))
  const before = choices(routes)
  for (const [id, of10] of [
    ['one', 1],
    ['three', 3],
    ['six', 6]
  ] as const) {
    const taken = before.filter(choice => choice === id).length
    assert.ok(Math.abs(taken - 600 * of10) < 150, `${id} took ${taken} of 6000`)
  }
  routes.add('one', via('10.0.9.1', 4))
  const grown = choices(routes)
  assert.ok(grown.some((choice, i) => choice !== before[i]))
  for (const [i, choice] of grown.entries()) assert.ok(choice === before[i] || choice === 'one')
  routes.remove('three')
  for (const [i, choice] of choices(routes).entries())
    assert.ok(choice === grown[i] || grown[i] === 'three')
})

test('RT-05 of equal prefixes the lowest weight wins; weight 100 where none is given', () => {
  const routes = new Routes()
  routes.add('b', { destination: '10.0.0.0/8' })
  routes.add('a', { destination: '10.0.0.0/8', weight: 101 })
  assert.equal(routes.find(packet('10.1.2.3')), 'b')
  routes.add('c', { destination: '10.0.0.0/8', weight: 99 })
  assert.equal(routes.find(packet('10.1.2.3')), 'c')
})

test('a route for other senders is passed over, down to a shorter prefix', () => {
  const routes = new Routes()
  routes.add('default', { destination: '0.0.0.0/0' })
  routes.add('some', { destination: '10.0.0.0/8', source: '192.168.0.0/16', weight: 1 })
  assert.equal(routes.find(packet('10.0.0.1', '192.168.3.4')), 'some')
  assert.equal(routes.find(packet('10.0.0.1', '172.16.3.4')), 'default')
  routes.add('default6', { destination: '::/0' })
  routes.add('some6', { destination: '2001:db8::/32', source: 'fd00::/8' })
  assert.equal(routes.find(packet('2001:db8::1', 'fd12::1')), 'some6')
  assert.equal(routes.find(packet('2001:db8::1', '2400::1')), 'default6')
})

test('the sender is asked for only where a route is for some senders', () => {
  const routes = new Routes()
  routes.add('plain', { destination: '10.0.0.0/8' })
  routes.add('some', { destination: '20.0.0.0/8', source: '192.168.0.0/16' })
  const plain = packet('10.0.0.1')
  routes.find(plain)
  assert.equal(plain.mask[Word.ipSrc + 3], 0)
  const some = packet('20.0.0.1')
  routes.find(some)
  assert.equal(some.mask[Word.ipSrc + 3], 0xffff0000 | 0)
})

test('one route alone asks nothing of protocol and ports; equal ones do', () => {
  const routes = new Routes()
  routes.add('a', { destination: '10.0.0.0/8', gateway: '180.0.1.1' })
  const one = packet('10.0.0.1')
  routes.find(one)
  assert.equal(one.mask[Word.l4Ports], 0)
  assert.equal(one.mask[Word.ipMisc], 0)
  routes.add('b', { destination: '10.0.0.0/8', gateway: '180.0.1.3' })
  const two = packet('10.0.0.1')
  routes.find(two)
  assert.equal(two.mask[Word.l4Ports], -1)
})

for (const { name, dst, gateways } of [
  { name: 'IPv4', dst: '10.0.0.0/8', gateways: ['1.0.0.1', '1.0.0.2', '1.0.0.3', '1.0.0.4'] },
  { name: 'IPv6', dst: 'fd00::/8', gateways: ['fe80::1', 'fe80::2', 'fe80::3', 'fe80::4'] }
]) {
  test(`SR-01 ${name}: flows spread, and a lost hop moves only its own`, () => {
    const routes = new Routes()
    for (const gateway of gateways) routes.add(gateway, { destination: dst, gateway })
    const to = dst.replace(/0\.0\.0\/8|::\/8/, match => (match === '::/8' ? '::9' : '1.2.3'))
    const flows = Array.from({ length: 400 }, (_, i) => packet(to, undefined, 1000 + i))
    const before = flows.map(flow => routes.find(flow)!)
    assert.deepEqual(
      flows.map(flow => routes.find(flow)!),
      before
    )
    for (const gateway of gateways) {
      const share = before.filter(id => id === gateway).length
      assert.ok(share > 50 && share < 150, `${gateway} has ${share} of 400`)
    }
    const lost = gateways[1]!
    routes.remove(lost)
    flows.forEach((flow, i) => {
      const after = routes.find(flow)!
      if (before[i] === lost) assert.notEqual(after, lost)
      else assert.equal(after, before[i])
    })
    // Back under another id, it gets the same flows.
    routes.add('again', { destination: dst, gateway: lost })
    flows.forEach((flow, i) => {
      const again = routes.find(flow)!.replace('again', lost)
      assert.equal(again, before[i])
    })
  })
}

test('fragments of one datagram take one way', () => {
  const routes = new Routes()
  for (let i = 1; i < 9; i++)
    routes.add(`g${i}`, { destination: '0.0.0.0/0', gateway: `1.0.0.${i}` })
  for (let sport = 1; sport < 50; sport++) {
    const frames = udpFrom('d1', '9.9.9.9', sport).payload(1000).fragments(576)
    const ways = new Set(frames.map(frame => routes.find(keyOf(frame))))
    assert.equal(frames.length > 1, true)
    assert.equal(ways.size, 1)
  }
})

// --- INV-14, against the definition ---

const v4Arb = fc
  .tuple(fc.constantFrom(10, 11, 192), fc.nat(3), fc.nat(3), fc.nat(3))
  .map(parts => parts.join('.'))
const v6Arb = fc
  .tuple(fc.constantFrom('2001:db8', 'fd00:1'), fc.nat(3), fc.nat(3))
  .map(([head, a, b]) => `${head}:${a}::${b}`)
const lengths = { 4: [0, 8, 16, 22, 23, 24, 30, 31, 32], 6: [0, 16, 32, 46, 47, 48, 127, 128] }

const ruleArb = (family: 4 | 6): fc.Arbitrary<Fields> => {
  const ip = family === 4 ? v4Arb : v6Arb
  const prefix = fc
    .tuple(ip, fc.constantFrom(...lengths[family]))
    .map(([address, length]) => `${address}/${length}`)
  return fc.record(
    { destination: prefix, source: prefix, weight: fc.nat(2), gateway: ip },
    { requiredKeys: ['destination', 'weight'] }
  )
}

function naive(routes: readonly Route[], key: FlowKey, family: 4 | 6): Set<string> {
  const src = { family, words: key.words.slice(Word.ipSrc, Word.ipSrc + 4) }
  const dst = { family, words: key.words.slice(Word.ipDst, Word.ipDst + 4) }
  const fitting = routes.filter(
    route =>
      prefixContains(route, dst) &&
      prefixContains({ family, words: route.srcWords, length: route.srcLength }, src)
  )
  const longest = Math.max(...fitting.map(route => route.length))
  const best = fitting.filter(route => route.length === longest).sort(byRank)
  return new Set(best.filter(route => route.weight === best[0]!.weight).map(({ id }) => id))
}

for (const family of [4, 6] as const) {
  const ip = family === 4 ? v4Arb : v6Arb
  const addresses = fc.array(fc.tuple(ip, ip), { minLength: 1, maxLength: 12 })
  const rules = fc.array(ruleArb(family), { maxLength: 14 })

  test(`INV-14 IPv${family}: longest, this sender, lowest weight; all agents alike`, () => {
    fc.assert(
      fc.property(rules, addresses, (fields, pairs) => {
        const routes = fields.map((each, i) => compile(`${i}`, each))
        const inOrder = new RouteTable(TAG)
        inOrder.replace(new Map(routes.map(route => [route.id, route])))
        // Another agent learns them one by one, the other way round.
        const grown = new RouteTable(TAG)
        const known = new Map<string, Route>()
        for (const route of [...routes].reverse())
          grown.replace(new Map(known.set(route.id, route)))
        for (const [src, dst] of pairs) {
          const key = packet(dst, src)
          const chosen = inOrder.lookup(key, family)?.id
          const allowed = naive(routes, key, family)
          assert.equal(chosen === undefined, allowed.size === 0)
          if (chosen !== undefined) assert.ok(allowed.has(chosen))
          assert.equal(grown.lookup(packet(dst, src), family)?.id, chosen)
        }
      }),
      { numRuns: casesOf(200), seed: 14 }
    )
  })

  test(`INV-01 IPv${family}: who agrees on the bits asked for gets the same route`, () => {
    fc.assert(
      fc.property(rules, addresses, addresses, fc.nat(0xffff), (fields, pairs, others, sport) => {
        const routes = fields.map((each, i) => compile(`${i}`, each))
        const table = new RouteTable(TAG)
        table.replace(new Map(routes.map(route => [route.id, route])))
        for (const [src, dst] of pairs) {
          const key = packet(dst, src)
          const chosen = table.lookup(key, family)?.id
          for (const [otherSrc, otherDst] of others) {
            const like = packet(otherDst, otherSrc, sport)
            for (let i = 0; i < like.words.length; i++)
              like.words[i] = (key.words[i]! & key.mask[i]!) | (like.words[i]! & ~key.mask[i]!)
            assert.equal(table.lookup(like, family)?.id, chosen)
          }
        }
      }),
      { numRuns: casesOf(200), seed: 1 }
    )
  })

  test(`INV-03 IPv${family}: what a change reroutes carries a tag it names`, () => {
    const changes = fc.array(fc.tuple(fc.nat(13), ruleArb(family)), { minLength: 1, maxLength: 6 })
    const kinds = fc.record({ isSmall: fc.boolean(), isAtOnce: fc.boolean() })
    fc.assert(
      fc.property(rules, addresses, changes, kinds, (fields, pairs, edits, kind) => {
        const table = new RouteTable(TAG, kind.isSmall ? 2 : undefined)
        const routes = new Map(fields.map((each, i) => [`${i}`, compile(`${i}`, each)]))
        table.replace(new Map(routes))
        const flows = pairs.map(([src, dst]) => {
          const key = packet(dst, src)
          const chosen = table.lookup(key, family)?.id
          return { key, chosen, tag: table.regionTag }
        })
        const stale = new Set<Tag>()
        for (const [which, each] of edits) {
          if (!routes.delete(`${which}`)) routes.set(`${which}`, compile(`${which}`, each))
          if (kind.isAtOnce) continue
          for (const tag of table.replace(new Map(routes))) stale.add(tag)
        }
        for (const tag of table.replace(new Map(routes))) stale.add(tag)
        for (const { key, chosen, tag } of flows)
          if (!stale.has(tag)) assert.equal(table.lookup(key, family)?.id, chosen)
      }),
      { numRuns: casesOf(300), seed: 3 }
    )
  })
}

// --- which flows a change is about ---

test('SR-25 a new route makes stale only the region that it lies in or covers', () => {
  const routes = new Routes()
  routes.add('a', { destination: '10.1.0.0/16' })
  routes.add('b', { destination: '10.2.0.0/16' })
  const a = routes.tag('10.1.2.3')
  const b = routes.tag('10.2.2.3')
  assert.notEqual(a, b)
  assert.deepEqual(routes.add('c', { destination: '10.1.2.0/24' }), [a])
  assert.deepEqual(routes.add('far', { destination: '99.0.0.0/8' }), [])
  assert.deepEqual(routes.remove('b'), [b])
})

test('SR-25 a route that everything prefers a longer one to makes nothing stale', () => {
  const routes = new Routes()
  routes.add('a', { destination: '10.1.0.0/16' })
  const a = routes.tag('10.1.2.3')
  assert.deepEqual(routes.add('wide', { destination: '10.0.0.0/8' }), [])
  assert.deepEqual(routes.remove('wide'), [])
  assert.deepEqual(routes.remove('a'), [a])
})

test('SR-25 thousands of routes that change at once make stale only what they are about', () => {
  const table = new RouteTable(TAG)
  const prefix = (i: number): string => `10.${i >> 8}.${i & 255}`
  const some = (): Route[] =>
    Array.from({ length: 5000 }, (_, i) =>
      compile(`${i}`, { destination: `${prefix(2 * i)}.0/24`, gateway: '180.0.1.3' })
    )
  const others = Array.from({ length: 5000 }, (_, i) =>
    compile(`other ${i}`, { destination: `${prefix(2 * i + 1)}.0/24` })
  )
  const all = (): Map<string, Route> =>
    new Map([...some(), ...others].map(route => [route.id, route]))
  table.replace(all())
  const tagsOf = (odd: 0 | 1): Tag[] =>
    Array.from({ length: 500 }, (_, i) => {
      table.lookup(packet(`${prefix(2 * i + odd)}.9`), 4)
      return table.regionTag
    })
  const stays = tagsOf(1)
  const goes = tagsOf(0)
  const stale = new Set(table.replace(new Map(others.map(route => [route.id, route]))))
  assert.deepEqual(new Set(goes), stale)
  tagsOf(0)
  const back = new Set(table.replace(all()))
  assert.equal(back.has(TAG), false)
  assert.deepEqual(
    stays.filter(tag => back.has(tag)),
    []
  )
})

test('the registry does not outgrow the routes', () => {
  const routes = new Routes()
  routes.add('default', { destination: '0.0.0.0/0' })
  for (let i = 0; i < 20; i++) routes.add(`${i}`, { destination: `10.${i}.0.0/16` })
  for (let i = 0; i < 5000; i++) routes.tag(`${i % 200}.${i % 37}.${i % 251}.${i % 13}`)
  assert.ok(routes.table.regions <= 2 * 21 + 32, `${routes.table.regions} regions`)
})

test('a full registry keeps flows right with one tag that every change makes stale', () => {
  const routes = new Routes(1)
  routes.add('a', { destination: '10.1.0.0/16' })
  routes.add('b', { destination: '10.2.0.0/16' })
  routes.tag('10.1.2.3')
  assert.equal(routes.table.isCoarse, false)
  const coarse = routes.tag('10.2.2.3')
  assert.equal(routes.table.isCoarse, true)
  assert.ok(routes.add('c', { destination: '99.0.0.0/8' }).includes(coarse))
})
